"""The RPC gateway: reads a request, proves who sent it, and writes answers and failures."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlencode
from xml.sax.saxutils import escape

from emulators.common.clock import Clock
from emulators.common.http_server import Request, Response, json_response

from . import signature, sts_api
from .accounts import Key, KeyRing
from .errors import ApiError, gateway, missing_common

SLB_VERSION = "2014-05-15"
CLOCK_WINDOW = timedelta(minutes=15)
NONCE_MEMORY = timedelta(minutes=31)
DEFAULT_REGION = "cn-hangzhou"

_TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
_HOST = re.compile(r"^slb(?:-vpc)?\.([a-z0-9-]+)\.aliyuncs\.com$")

ACS3_MUST_SIGN = {
    "host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version",
}  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """A request taken apart. `parameters` is query and form body together, the body's value winning."""

    method: str
    host: str
    headers: dict[str, str]
    query: dict[str, str]
    form: dict[str, str]
    body: bytes
    acs3: bool

    @property
    def parameters(self) -> dict[str, str]:
        return {**self.query, **self.form}

    @property
    def action(self) -> str:
        return self.headers.get("x-acs-action", "") if self.acs3 else self.parameters.get("Action", "")

    @property
    def version(self) -> str:
        return self.headers.get("x-acs-version", "") if self.acs3 else self.parameters.get("Version", "")

    @property
    def key_id(self) -> str:
        if not self.acs3:
            return self.parameters.get("AccessKeyId", "")
        parsed = signature.parse_acs3_authorization(self.headers.get("authorization", ""))
        return parsed.credential if parsed else ""

    @property
    def product(self) -> str:
        return "Sts" if self.version == sts_api.VERSION else "Slb"

    @property
    def wants_xml(self) -> bool:
        """XML is the default of the older scheme, as far as its documents agree on one."""
        wanted = self.parameters.get("Format", "JSON" if self.acs3 else "XML")
        return wanted.upper() == "XML"

    @property
    def region(self) -> str:
        """RegionId, else what the host names, else the central host's silent default."""
        named = self.parameters.get("RegionId")
        if named:
            return named
        match = _HOST.match(self.host)
        return match[1] if match else DEFAULT_REGION

    @property
    def host_id(self) -> str:
        return self.host if self.host.endswith(".aliyuncs.com") else f"slb.{self.region}.aliyuncs.com"


def read(request: Request) -> Sent:
    """Never fails: what is not there is empty."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        headers.setdefault(name.lower(), value)
    form: dict[str, str] = {}
    if "application/x-www-form-urlencoded" in headers.get("content-type", "").lower():
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    return Sent(
        method=request.method,
        host=headers.get("host", "").partition(":")[0].lower(),
        headers=headers,
        query=query,
        form=form,
        body=request.body,
        acs3=_is_acs3(headers, {**query, **form}),
    )


def _is_acs3(headers: dict[str, str], parameters: dict[str, str]) -> bool:
    """SDKs send x-acs-action along with HMAC-SHA1 too, so that header alone decides nothing."""
    if headers.get("authorization", "").startswith("ACS3-"):
        return True
    return "x-acs-action" in headers and not {"Signature", "SignatureMethod"} & set(parameters)


class Nonces:
    """Nonces of the recent past, each of them good for one request. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: set[tuple[str, str]] = set()
        self._order: deque[tuple[datetime, tuple[str, str]]] = deque()

    def use(self, key_id: str, nonce: str, now: datetime) -> bool:
        """False when this key has used the nonce before."""
        with self._lock:
            while self._order and now - self._order[0][0] > NONCE_MEMORY:
                self._seen.discard(self._order.popleft()[1])
            entry = (key_id, nonce)
            if entry in self._seen:
                return False
            self._seen.add(entry)
            self._order.append((now, entry))
            return True


class Authenticator:
    """Proves who sent a request, by either signature."""

    def __init__(self, ring: KeyRing, clock: Clock) -> None:
        self._ring = ring
        self._clock = clock
        self._nonces = Nonces()

    def admit(self, sent: Sent) -> Key:
        """The key that signed; raises ApiError with the gateway's code."""
        if sent.method not in ("GET", "POST"):
            raise gateway("UnsupportedHTTPMethod")
        if sent.parameters.get("Format", "JSON").upper() not in ("JSON", "XML"):
            raise gateway("InvalidParameter.Format")
        return self._admit_acs3(sent) if sent.acs3 else self._admit_rpc(sent)

    def _admit_rpc(self, sent: Sent) -> Key:
        values = sent.parameters
        for name in ("Action", "Version", "AccessKeyId", "SignatureMethod", "SignatureVersion", "Timestamp",
                     "SignatureNonce", "Signature"):  # fmt: skip
            if not values.get(name):
                raise missing_common(name)
        if values["SignatureMethod"] != "HMAC-SHA1" or values["SignatureVersion"] != "1.0":
            raise gateway("InvalidSignatureMethod")
        key = self._ring.admit(values["AccessKeyId"], values.get("SecurityToken", ""), self._clock.now())
        self._check_time(values["Timestamp"])
        text = signature.rpc_string_to_sign(sent.method, values)
        if not signature.equal(signature.rpc_signature(key.secret, text), values["Signature"]):
            raise ApiError(
                400,
                "SignatureDoesNotMatch",
                f"Specified signature is not matched with our calculation. server string to sign is:{text}",
            )
        self._use_nonce(key, values["SignatureNonce"])
        return key

    def _admit_acs3(self, sent: Sent) -> Key:
        headers = sent.headers
        for name, label in (("x-acs-action", "Action"), ("x-acs-version", "Version"), ("x-acs-date", "Timestamp"),
                            ("x-acs-signature-nonce", "SignatureNonce"), ("authorization", "Authorization")):  # fmt: skip
            if not headers.get(name):
                raise missing_common(label)
        parsed = signature.parse_acs3_authorization(headers["authorization"])
        if parsed is None or not ACS3_MUST_SIGN.issubset(parsed.signed_headers):
            raise gateway("IncompleteSignature")
        key = self._ring.admit(parsed.credential, headers.get("x-acs-security-token", ""), self._clock.now())
        self._check_time(headers["x-acs-date"])
        # The hash of the body that arrived, not the one that the header claims: a body changed on the way shows.
        canonical = signature.acs3_canonical_request(
            sent.method, sent.query, headers, parsed.signed_headers, hashlib.sha256(sent.body).hexdigest()
        )
        text = signature.acs3_string_to_sign(canonical)
        if not signature.equal(signature.acs3_signature(key.secret, text), parsed.signature):
            raise ApiError(
                400,
                "SignatureDoesNotMatch",
                "Specified signature does not match our calculation. "
                f"server StringToSign is:{text}, server CanonicalRequest is:{canonical}",
            )
        self._use_nonce(key, headers["x-acs-signature-nonce"])
        return key

    def _check_time(self, text: str) -> None:
        if _TIME.match(text) is None:
            raise gateway("InvalidTimeStamp.Format")
        try:
            moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        except ValueError:
            raise gateway("InvalidTimeStamp.Format") from None
        if abs(moment - self._clock.now()) > CLOCK_WINDOW:
            raise gateway("InvalidTimeStamp.Expired")

    def _use_nonce(self, key: Key, nonce: str) -> None:
        if not self._nonces.use(key.id, nonce, self._clock.now()):
            raise gateway("SignatureNonceUsed")


# -- answers --------------------------------------------------------------------


def _xml(name: str, value: Any) -> str:
    if isinstance(value, list):
        return "".join(_xml(name, entry) for entry in value)
    if isinstance(value, dict):
        return f"<{name}>{''.join(_xml(key, entry) for key, entry in value.items())}</{name}>"
    return f"<{name}>{escape(str(value))}</{name}>"


def _write(sent: Sent, status: int, root: str, value: dict[str, Any], headers: dict[str, str]) -> Response:
    if not sent.wants_xml:
        return json_response(status, value, headers)
    text = '<?xml version="1.0" encoding="UTF-8"?>' + _xml(root, value)
    return Response(status, {"Content-Type": "text/xml;charset=utf-8", **headers}, text.encode())


def success(sent: Sent, request_id: str, answer: dict[str, Any]) -> Response:
    value = {**answer, "RequestId": request_id}
    return _write(sent, 200, f"{sent.action}Response", value, {"x-acs-request-id": request_id})


def failure(sent: Sent, request_id: str, error: ApiError) -> Response:
    query = urlencode({"q": error.code, "product": sent.product, "requestId": request_id})
    value = {
        "RequestId": request_id,
        "HostId": sent.host_id,
        "Code": error.code,
        "Message": error.message,
        "Recommend": f"https://api.aliyun.com/troubleshoot?{query}",
        **error.detail,
    }
    return _write(sent, error.status, "Error", value, {"x-acs-request-id": request_id, **error.headers})
