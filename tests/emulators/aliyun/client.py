"""A small client that signs by either scheme and hides nothing, for tests and demos.

It repeats nothing and checks nothing: each answer is returned as status, headers and body.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Mapping
from urllib.parse import urlencode, urlsplit

from . import signature
from .accounts import DEFAULT_KEY_ID, DEFAULT_KEY_SECRET
from .gateway import DEFAULT_REGION, SLB_VERSION


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The failure's code; empty for a success."""
        return "" if self.status == 200 else self.json()["Code"]


@dataclass
class SlbClient:
    """`scheme` is `acs3` or `rpc`; parameters travel in the form body unless `in_query`."""

    url: str
    scheme: str = "acs3"
    key_id: str = DEFAULT_KEY_ID
    secret: str = DEFAULT_KEY_SECRET
    token: str = ""
    region: str = DEFAULT_REGION
    version: str = SLB_VERSION
    in_query: bool = False
    method: str = "POST"
    overrides: dict[str, str] = field(default_factory=dict)

    def call(self, action: str, **parameters: object) -> Answer:
        """One request. A name such as `Tag__1__Key` stands for `Tag.1.Key`."""
        values = {name.replace("__", "."): str(value) for name, value in parameters.items()}
        values.setdefault("RegionId", self.region)
        send = self._acs3 if self.scheme == "acs3" else self._rpc
        return send(action, values)

    def _rpc(self, action: str, values: dict[str, str]) -> Answer:
        values = {
            "Format": "JSON", "Action": action, "Version": self.version, "AccessKeyId": self.key_id,
            "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0", "SignatureNonce": str(uuid.uuid4()),
            "Timestamp": _now(), **({"SecurityToken": self.token} if self.token else {}), **values, **self.overrides,
        }  # fmt: skip
        values = {name: value for name, value in values.items() if value != "-absent-"}
        text = signature.rpc_string_to_sign(self.method, values)
        values.setdefault("Signature", signature.rpc_signature(self.secret, text))
        return self._send(values, {})

    def _acs3(self, action: str, values: dict[str, str]) -> Answer:
        query = values if self.in_query else {}
        body = b"" if self.in_query else urlencode(values).encode()
        headers = {
            "host": urlsplit(self.url).netloc, "x-acs-action": action, "x-acs-version": self.version,
            "x-acs-date": _now(), "x-acs-signature-nonce": str(uuid.uuid4()),
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
            **({"content-type": "application/x-www-form-urlencoded"} if body else {}),
            **({"x-acs-accesskey-id": self.key_id, "x-acs-security-token": self.token} if self.token else {}),
            **self.overrides,
        }  # fmt: skip
        headers = {name: value for name, value in headers.items() if value != "-absent-"}
        canonical = signature.acs3_canonical_request(
            self.method, query, headers, headers, headers.get("x-acs-content-sha256", "")
        )
        signed = signature.acs3_signature(self.secret, signature.acs3_string_to_sign(canonical))
        headers["Authorization"] = (
            f"ACS3-HMAC-SHA256 Credential={self.key_id},SignedHeaders={';'.join(sorted(headers))},Signature={signed}"
        )
        return self._send(values, headers)

    def _send(self, values: dict[str, str], headers: dict[str, str]) -> Answer:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.netloc, timeout=10)
        try:
            if self.in_query or self.method == "GET":
                connection.request(self.method, "/?" + urlencode(values), headers=headers)
            else:
                form = {"content-type": "application/x-www-form-urlencoded"}
                connection.request(self.method, "/", urlencode(values), {**form, **headers})
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers), answer.read())
        finally:
            connection.close()


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
