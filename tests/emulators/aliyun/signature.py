"""The two request signatures, computed from what arrived.

HMAC-SHA1 (RPC, SignatureVersion 1.0) signs every parameter of query and body; ACS3-HMAC-SHA256
signs method, query, chosen headers and the body's hash. Both are pure functions here, so that
the published vectors can be checked against them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Iterable, Mapping
from urllib.parse import quote

ACS3_ALGORITHM = "ACS3-HMAC-SHA256"
EMPTY_HASH = hashlib.sha256(b"").hexdigest()


def encode(text: str) -> str:
    """Percent-encoding of the signature: all but A-Z a-z 0-9 - _ . ~ as %XX in upper case."""
    return quote(text, safe="-_.~")


def canonical_query(parameters: Mapping[str, str]) -> str:
    """`name=value` pairs, encoded, sorted by the bytes of the name."""
    return "&".join(
        f"{encode(name)}={encode(parameters[name])}" for name in sorted(parameters, key=lambda name: name.encode())
    )


def rpc_string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    signed = {name: value for name, value in parameters.items() if name != "Signature"}
    return f"{method}&%2F&{encode(canonical_query(signed))}"


def rpc_signature(secret: str, string_to_sign: str) -> str:
    digest = hmac.new(f"{secret}&".encode(), string_to_sign.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


@dataclass(frozen=True)
class Acs3Authorization:
    """The three members of an ACS3 Authorization header."""

    credential: str
    signed_headers: tuple[str, ...]
    signature: str


_ACS3 = re.compile(r"^ACS3-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})$")


def parse_acs3_authorization(header: str) -> Acs3Authorization | None:
    """The header's members; None when it is not of the documented form."""
    match = _ACS3.match(header.strip())
    if match is None:
        return None
    return Acs3Authorization(match[1], tuple(match[2].split(";")), match[3])


def acs3_canonical_request(
    method: str,
    query: Mapping[str, str],
    headers: Mapping[str, str],
    signed_headers: Iterable[str],
    payload_hash: str,
) -> str:
    """The text whose hash is signed. `headers` has lower-case names; an absent one counts as empty."""
    names = sorted(signed_headers)
    lines = "".join(f"{name}:{headers.get(name, '').strip()}\n" for name in names)
    return "\n".join([method, "/", canonical_query(query), lines, ";".join(names), payload_hash])


def acs3_string_to_sign(canonical_request: str) -> str:
    return f"{ACS3_ALGORITHM}\n{hashlib.sha256(canonical_request.encode()).hexdigest()}"


def acs3_signature(secret: str, string_to_sign: str) -> str:
    return hmac.new(secret.encode(), string_to_sign.encode(), hashlib.sha256).hexdigest()


def equal(one: str, other: str) -> bool:
    """Comparison that also takes text beyond ASCII, which a hostile request may carry."""
    return hmac.compare_digest(one.encode(), other.encode())
