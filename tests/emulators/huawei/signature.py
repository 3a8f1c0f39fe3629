"""The AK/SK request signature SDK-HMAC-SHA256, as the gateway checks it."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from emulators.common.http_server import Request, split_pairs

ALGORITHM = "SDK-HMAC-SHA256"
DATE_HEADER = "X-Sdk-Date"
CONTENT_HEADER = "X-Sdk-Content-Sha256"
MAX_SKEW = timedelta(minutes=15)

_AUTHORIZATION = re.compile(
    r"SDK-HMAC-SHA256 Access=(?P<access>[^,\s]+), *SignedHeaders=(?P<headers>[^,\s]+), *"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Authorization:
    """The three parts of an Authorization header."""

    access: str
    signed_headers: tuple[str, ...]
    signature: str


def parse_authorization(text: str) -> Authorization | None:
    """None for anything that is not a complete header of this algorithm."""
    match = _AUTHORIZATION.fullmatch(text.strip())
    if match is None:
        return None
    return Authorization(match["access"], tuple(match["headers"].split(";")), match["signature"])


def _encode(text: str) -> str:
    return quote(text, safe="-_.~")


def canonical_path(raw_path: str) -> str:
    """Each segment decoded once and encoded strictly; always with a slash at the end."""
    path = "/".join(_encode(unquote(segment)) for segment in raw_path.split("/"))
    return path if path.endswith("/") else path + "/"


def canonical_query(raw_query: str) -> str:
    """Pairs sorted by name, then value, as decoded text. A `+` is a plus, not a blank."""
    pairs = sorted((unquote(name), unquote(value)) for name, value in split_pairs(raw_query))
    return "&".join(f"{_encode(name)}={_encode(value)}" for name, value in pairs)


def canonical_request(request: Request, signed_headers: tuple[str, ...]) -> str:
    """The six parts, rebuilt from the request as it was received."""
    lines = "".join(f"{name}:{request.header(name).strip()}\n" for name in signed_headers)
    if request.body and request.has_header(CONTENT_HEADER):
        payload = request.header(CONTENT_HEADER).strip()
    else:
        payload = hashlib.sha256(request.body).hexdigest()
    return "\n".join(
        [
            request.method.upper(),
            canonical_path(request.path),
            canonical_query(request.query),
            lines,
            ";".join(signed_headers),
            payload,
        ]
    )


def string_to_sign(canonical: str, date: str) -> str:
    return "\n".join([ALGORITHM, date, hashlib.sha256(canonical.encode()).hexdigest()])


def sign(canonical: str, date: str, secret: str) -> str:
    """The signature in lower-case hex; the secret's bytes are the key as they are."""
    return hmac.new(secret.encode(), string_to_sign(canonical, date).encode(), hashlib.sha256).hexdigest()


def parse_date(text: str) -> datetime | None:
    """`YYYYMMDDTHHMMSSZ` as an aware UTC time."""
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def complaint(request: Request, authorization: Authorization, secret: str, now: datetime) -> str | None:
    """Why the gateway refuses the signature, in its words; None when it is right.

    The skew is judged before the signature, and the comparison takes constant time.
    """
    missing = {"host", "x-sdk-date"} - set(authorization.signed_headers)
    if missing:
        return f"the headers {', '.join(sorted(missing))} have to be signed"
    if list(authorization.signed_headers) != sorted(authorization.signed_headers):
        return "the signed headers are not sorted"
    date = request.header(DATE_HEADER)
    signed_at = parse_date(date)
    if signed_at is None:
        return f"{DATE_HEADER} has a wrong format"
    if abs(now - signed_at) > MAX_SKEW:
        return f"Signature expired, signature time: {date}, server time: {now.strftime('%Y%m%dT%H%M%SZ')}"
    canonical = canonical_request(request, authorization.signed_headers)
    if not hmac.compare_digest(sign(canonical, date, secret), authorization.signature):
        return "verify aksk signature fail, canonicalRequest:" + canonical.replace("\n", "|")
    return None
