"""Who may call: access keys, temporary keys, and what each of them is allowed."""

from __future__ import annotations

import fnmatch
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime

from .errors import gateway

DEFAULT_ACCOUNT = "1231579085529123"
DEFAULT_KEY_ID, DEFAULT_KEY_SECRET = "testid", "testsecret"


@dataclass(frozen=True)
class Key:
    """One access key. `allowed` and `denied` are action patterns such as `Describe*`; denied wins.

    A key with a `token` is temporary: requests have to carry the token too.
    """

    id: str
    secret: str
    account: str = DEFAULT_ACCOUNT
    name: str = "certbinder"
    kind: str = "SubUser"
    allowed: tuple[str, ...] = ("*",)
    denied: tuple[str, ...] = ()
    active: bool = True
    token: str = ""
    expires: datetime | None = None

    def may(self, action: str) -> bool:
        def covered(patterns: tuple[str, ...]) -> bool:
            return any(fnmatch.fnmatchcase(action, pattern) for pattern in patterns)

        return covered(self.allowed) and not covered(self.denied)

    def principal(self) -> dict[str, str]:
        return {"type": self.kind, "name": self.name, "owner": self.account}


@dataclass(frozen=True)
class Role:
    """A role that keys of the same account can assume.

    With an `oidc_provider` (its ARN), whoever brings one of `oidc_tokens` can assume it without a key.
    """

    arn: str
    allowed: tuple[str, ...] = ("*",)
    longest_seconds: int = 3600
    oidc_provider: str = ""
    oidc_tokens: tuple[str, ...] = ()


class KeyRing:
    """All keys and roles of an emulator. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys = {DEFAULT_KEY_ID: Key(DEFAULT_KEY_ID, DEFAULT_KEY_SECRET)}
        self._roles: dict[str, Role] = {}

    def put(self, key: Key) -> None:
        with self._lock:
            self._keys[key.id] = key

    def remove(self, key_id: str) -> None:
        with self._lock:
            self._keys.pop(key_id, None)

    def keys(self) -> list[Key]:
        with self._lock:
            return list(self._keys.values())

    def put_role(self, role: Role) -> None:
        with self._lock:
            self._roles[role.arn] = role

    def role(self, arn: str) -> Role | None:
        with self._lock:
            return self._roles.get(arn)

    def temporary(self, account: str, name: str, allowed: tuple[str, ...], expires: datetime) -> Key:
        """A new temporary key, known to the ring."""
        key = Key(
            id=f"STS.{secrets.token_hex(12)}",
            secret=secrets.token_urlsafe(30),
            account=account,
            name=name,
            kind="AssumedRoleUser",
            allowed=allowed,
            token=f"CAIS{secrets.token_urlsafe(180)}+/==",
            expires=expires,
        )
        self.put(key)
        return key

    def admit(self, key_id: str, token: str, now: datetime) -> Key:
        """The key of a request, with its token checked; raises ApiError with the gateway's code."""
        with self._lock:
            key = self._keys.get(key_id)
            foreign = any(other.token == token for other in self._keys.values()) if token else False
        if key is None or (key.token and not token):
            raise gateway("InvalidAccessKeyId.NotFound")
        if not key.active:
            raise gateway("InvalidAccessKeyId.Inactive")
        if token != key.token:
            raise gateway("InvalidSecurityToken." + ("MismatchWithAccessKey" if foreign else "Malformed"))
        if key.expires is not None and now >= key.expires:
            raise gateway("InvalidSecurityToken.Expired")
        return key
