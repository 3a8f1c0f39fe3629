"""The attributes of an HTTPS listener: types, ranges, defaults, and what Set does to them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Mapping

from .errors import ApiError, invalid_parameter, missing_parameter
from .model import Balancer
from .parameters import Parameters
from .tls_front import POLICIES

Value = str | int
Attributes = dict[str, Value]

SWITCH = ("on", "off")


@dataclass(frozen=True)
class Kind:
    """How one attribute is read, and what it is when a new listener's request does not say."""

    read: Callable[[Parameters, str], Value]
    default: Value | None = None


def _number(low: int, high: int, default: int | None = None) -> Kind:
    return Kind(lambda request, name: request.integer(name, low, high), default)


def _word(allowed: tuple[str, ...], default: str | None = None) -> Kind:
    return Kind(lambda request, name: request.choice(name, allowed), default)


def _pattern(pattern: str, default: str | None = None) -> Kind:
    compiled = re.compile(pattern)

    def read(request: Parameters, name: str) -> str:
        value = request.text(name)
        if compiled.fullmatch(value) is None:
            raise invalid_parameter(f"The specified {name} is not valid.")
        return value

    return Kind(read, default)


ATTRIBUTES: dict[str, Kind] = {
    "BackendServerPort": _number(1, 65535),
    "VServerGroupId": _pattern(r"rsp-[0-9A-Za-z-]+"),
    "Bandwidth": Kind(lambda request, name: _bandwidth(request, name)),
    "Scheduler": _word(("wrr", "rr", "wlc"), "wrr"),
    "Description": _pattern(r".{1,256}"),
    "StickySession": _word(SWITCH, "off"),
    "StickySessionType": _word(("insert", "server")),
    "CookieTimeout": _number(1, 86400),
    "Cookie": _pattern(r"(?!\$)[!-+\--:<-~]{1,200}"),
    "HealthCheck": _word(SWITCH),
    "HealthCheckDomain": _pattern(r"\$_ip|[A-Za-z0-9.-]{1,80}", ""),
    "HealthCheckURI": _pattern(r"/[A-Za-z0-9/.%?#&=_-]{0,79}", "/"),
    "HealthCheckMethod": _word(("head", "get"), "head"),
    "HealthCheckHttpCode": _pattern(r"http_[2-5]xx(,http_[2-5]xx)*", "http_2xx"),
    "HealthCheckConnectPort": _number(1, 65535),
    "HealthyThreshold": _number(2, 10, 3),
    "UnhealthyThreshold": _number(2, 10, 3),
    "HealthCheckTimeout": _number(1, 300, 5),
    "HealthCheckInterval": _number(1, 50, 2),
    "CACertificateId": _pattern(r".{1,128}"),
    "XForwardedFor": _word(SWITCH, "on"),
    "XForwardedFor_SLBIP": _word(SWITCH, "off"),
    "XForwardedFor_SLBID": _word(SWITCH, "off"),
    "XForwardedFor_proto": _word(SWITCH, "off"),
    "XForwardedFor_SLBPORT": _word(SWITCH, "off"),
    "XForwardedFor_ClientSrcPort": _word(SWITCH, "off"),
    "XForwardedFor_ClientCertSubjectDN": _word(SWITCH, "off"),
    "XForwardedFor_ClientCertIssuerDN": _word(SWITCH, "off"),
    "XForwardedFor_ClientCertFingerprint": _word(SWITCH, "off"),
    "XForwardedFor_ClientCertClientVerify": _word(SWITCH, "off"),
    "Gzip": _word(SWITCH, "on"),
    "EnableHttp2": _word(SWITCH, "on"),
    "TLSCipherPolicy": Kind(lambda request, name: _policy(request, name), "tls_cipher_policy_1_0"),
    "IdleTimeout": _number(1, 60, 15),
    "RequestTimeout": _number(1, 180, 60),
    "AclStatus": _word(SWITCH, "off"),
    "AclType": _word(("white", "black")),
    "AclId": _pattern(r"acl-[0-9A-Za-z-]+(,acl-[0-9A-Za-z-]+)*"),
}
"""Name -> kind. ServerCertificateId is not among them: it is a reference, not a value."""

HEALTH_DETAILS = tuple(name for name in ATTRIBUTES if name.startswith("Health") and name != "HealthCheck") + (
    "UnhealthyThreshold",
)
STICKY_DETAILS = ("StickySessionType", "CookieTimeout", "Cookie")
NOT_SETTABLE = ("BackendServerPort",)


def _bandwidth(request: Parameters, name: str) -> int:
    value = request.integer(name, -1, 5120)
    if value == 0:
        raise invalid_parameter(f"The specified {name} is not valid: it is -1 or a number from 1 to 5120.")
    return value


def _policy(request: Parameters, name: str) -> str:
    value = request.text(name)
    if value not in POLICIES and not value.startswith("tls-"):
        raise invalid_parameter(f"The specified {name} is not valid.")
    return value


def given(request: Parameters, balancer: Balancer) -> Attributes:
    """The attributes that the request names, checked one by one. Empty ones count as absent."""
    found = {name: kind.read(request, name) for name, kind in ATTRIBUTES.items() if request.has(name)}
    if "TLSCipherPolicy" in found and not balancer.spec:
        raise ApiError(
            400, "UnsupportedOperation", "TLSCipherPolicy is possible on guaranteed-performance instances only."
        )
    group = found.get("VServerGroupId")
    if group is not None and group not in balancer.server_groups:
        raise invalid_parameter("The specified VServerGroupId does not exist.", 404)
    return found


def created(request: Parameters, balancer: Balancer) -> Attributes:
    """A new listener's attributes: what is given, defaults for the rest."""
    for name in ("Bandwidth", "HealthCheck"):
        request.required(name)
    values = with_defaults(given(request, balancer))
    if "BackendServerPort" not in values and "VServerGroupId" not in values:
        raise missing_parameter("BackendServerPort")
    check_together(values)
    return values


def with_defaults(values: Mapping[str, Value]) -> Attributes:
    merged: Attributes = {name: kind.default for name, kind in ATTRIBUTES.items() if kind.default is not None}
    merged.update(values)
    if "BackendServerPort" in merged:
        merged.setdefault("HealthCheckConnectPort", merged["BackendServerPort"])
    return merged


def check_together(values: Mapping[str, Value]) -> None:
    """Rules between attributes; raises ApiError."""
    if values.get("StickySession") == "on":
        if "StickySessionType" not in values:
            raise missing_parameter("StickySessionType")
        needed = "CookieTimeout" if values["StickySessionType"] == "insert" else "Cookie"
        if needed not in values:
            raise missing_parameter(needed)
    if values.get("AclStatus") == "on":
        for name in ("AclType", "AclId"):
            if name not in values:
                raise missing_parameter(name)


def changed(request: Parameters, balancer: Balancer, before: Mapping[str, Value], strict: bool) -> Attributes:
    """The attributes after a Set.

    What the request omits is kept, but for HealthCheckDomain, which becomes empty. `strict` also
    resets StickySession, HealthCheck with their details and the timeouts: a client that relies on
    any of them being kept shows itself.
    """
    named = {name: value for name, value in given(request, balancer).items() if name not in NOT_SETTABLE}
    after: Attributes = dict(before)
    after["HealthCheckDomain"] = ""
    if strict:
        _reset(after)
    group_switch = request.choice("VServerGroup", SWITCH, "") if request.has("VServerGroup") else ""
    if group_switch == "on" and "VServerGroupId" not in named:
        raise missing_parameter("VServerGroupId")
    if group_switch == "off":
        after.pop("VServerGroupId", None)
        named.pop("VServerGroupId", None)
    after.update(named)
    check_together(after)
    return after


def _reset(values: Attributes) -> None:
    for name in ("StickySession", *STICKY_DETAILS, "HealthCheck", *HEALTH_DETAILS, "IdleTimeout", "RequestTimeout"):
        default = "off" if name == "HealthCheck" else ATTRIBUTES[name].default
        if default is None:
            values.pop(name, None)
        else:
            values[name] = default
    if "BackendServerPort" in values:
        values["HealthCheckConnectPort"] = values["BackendServerPort"]


def shown(values: Mapping[str, Value]) -> Attributes:
    """What a description holds: details of what is switched off are left out."""
    hidden: set[str] = set()
    if values.get("HealthCheck") != "on":
        hidden.update(HEALTH_DETAILS)
    if values.get("StickySession") != "on":
        hidden.update(STICKY_DETAILS)
    if values.get("AclStatus") != "on":
        hidden.update(("AclType", "AclId"))
    return {name: value for name, value in values.items() if name not in hidden}


def edited(values: Mapping[str, object]) -> Attributes:
    """Attributes that an admin names, without the rules of the API; ValueError for an unknown name or type."""
    for name, value in values.items():
        if name not in ATTRIBUTES:
            raise ValueError(f"unknown listener attribute {name!r}")
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            raise ValueError(f"listener attribute {name!r} is a text or a number")
    return dict(values)  # type: ignore[arg-type]
