"""The record of every request, so that tests can count and look instead of guessing."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from urllib.parse import unquote_plus

from emulators.common.http_server import Request, parse_json, split_pairs

REMOVED = "[removed]"

_PEM_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.S)
# Letters and digits of a name in lower case, so that private_key, PrivateKey and privateKey are one.
_SECRET_NAMES = {
    "privatekey",
    "encprivatekey",
    "password",
    "secret",
    "secretkey",
    "accesskeysecret",
    "secretaccesskey",
    "securitytoken",
    "assertion",
    "idtoken",
    "serverprivatekey",
}


def _is_secret(name: str) -> bool:
    return re.sub(r"[^a-z0-9]", "", name.lower()) in _SECRET_NAMES


def _clean(value: object) -> object:
    if isinstance(value, dict):
        # IAM's `{"id_token": {"id": …}}` and `{"token": {"id": …}}`: there the id is the secret.
        for name in ("id_token", "token"):
            if isinstance(value.get(name), dict) and "id" in value[name]:
                value = {**value, name: {**value[name], "id": REMOVED}}
        # An object under a secret's name (IAM's `password` holds the user) is looked into, not removed.
        return {
            name: REMOVED if _is_secret(name) and not isinstance(entry, (dict, list)) else _clean(entry)
            for name, entry in value.items()
        }
    if isinstance(value, list):
        return [_clean(entry) for entry in value]
    if isinstance(value, str):
        return _PEM_KEY.sub(REMOVED, value)
    return value


def redact_body(body: bytes, content_type: str) -> str:
    """A request's body as text with private keys, passwords and tokens cut out."""
    text = body.decode("utf-8", "replace")
    try:
        return json.dumps(_clean(parse_json(body)), ensure_ascii=False)
    except ValueError:
        # What looks like JSON and is broken cannot be cleaned by its names, so none of it is kept.
        if "json" in content_type.lower() or text.lstrip()[:1] in ("{", "["):
            return f"[{len(body)} bytes that are not JSON]"
    if "form" in content_type.lower():
        parts = []
        for name, value in split_pairs(text):
            hide = _is_secret(unquote_plus(name)) or "PRIVATE KEY-----" in unquote_plus(value)
            parts.append(f"{name}={REMOVED if hide else value}")
        return "&".join(parts)
    return _PEM_KEY.sub(REMOVED, text)


def _matches(value: object, wanted: str) -> bool:
    text = str(value)
    return text.lower() == wanted.lower() if isinstance(value, bool) else text == wanted


class Journal:
    """An append-only list of entries. Thread-safe.

    An entry has: seq, time (emulated, ISO 8601), method, url (the raw request target, untouched:
    a key in it must show), host, operation, authKind, keyId, status (0: connection dropped),
    errorCode, requestId, faults, changed (the call changed state), body (secrets cut out).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[dict[str, object]] = []
        self._seq = 0

    def record(self, request: Request, operation: str, status: int, time: str, **more: object) -> None:
        entry: dict[str, object] = {
            "time": time,
            "method": request.method,
            "url": request.raw_path,
            "host": request.header("Host"),
            "operation": operation,
            "status": status,
            "body": redact_body(request.body, request.header("Content-Type")),
        }
        entry.update(more)
        with self._lock:
            self._seq += 1
            self._entries.append({"seq": self._seq, **entry})

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def entries(self, **wanted: str) -> list[dict[str, object]]:
        """The entries whose fields, as text, equal what is wanted; true and false in any case."""
        with self._lock:
            return [dict(e) for e in self._entries if all(_matches(e.get(k), v) for k, v in wanted.items())]

    def count(self, **wanted: str) -> int:
        return len(self.entries(**wanted))

    def summary(self, **wanted: str) -> dict[str, object]:
        """What the admin face answers: entries, their number, and numbers per operation."""
        entries = self.entries(**wanted)
        counts = Counter(str(e["operation"]) for e in entries)
        return {"total": len(entries), "counts": dict(sorted(counts.items())), "entries": entries}
