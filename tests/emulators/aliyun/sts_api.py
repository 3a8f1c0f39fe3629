"""The token service: roles assumed by keys of the account, or by whoever brings a trusted OIDC token."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Mapping

from emulators.common.clock import Clock

from .accounts import Key, KeyRing, Role
from .errors import ApiError, missing_parameter

VERSION = "2015-04-01"
_ARN = re.compile(r"^acs:ram::(\d+):role/([\w.-]+)$")


def _invalid(name: str) -> ApiError:
    return ApiError(400, f"InvalidParameter.{name}", f"The parameter {name} is wrongly formed.")


def _required(values: Mapping[str, str], name: str) -> str:
    if not values.get(name):
        raise missing_parameter(name)
    return values[name]


def assume_role(values: Mapping[str, str], caller: Key, ring: KeyRing, clock: Clock) -> dict[str, object]:
    """AssumeRole: a temporary key with the role's rights. Raises ApiError."""
    wanted = _wanted(values, ring)
    if wanted.account != caller.account or not caller.may("AssumeRole"):
        message = "You are not authorized to do this action. You should be authorized by RAM."
        raise ApiError(403, "NoPermission", message)
    return _give(wanted, ring, clock)


def assume_role_with_oidc(values: Mapping[str, str], ring: KeyRing, clock: Clock) -> dict[str, object]:
    """AssumeRoleWithOIDC, which nobody signs: the token is the proof. Raises ApiError."""
    provider, token = _required(values, "OIDCProviderArn"), _required(values, "OIDCToken")
    if not 4 <= len(token) <= 20000:
        raise _invalid("OIDCToken")
    wanted = _wanted(values, ring)
    if provider != wanted.role.oidc_provider or token not in wanted.role.oidc_tokens:
        raise ApiError(400, "AuthenticationFail.OIDCToken.Invalid", "The OIDC token is not trusted by the role.")
    return {**_give(wanted, ring, clock), "OIDCTokenInfo": _claims(token)}


@dataclass(frozen=True)
class _Wanted:
    """A checked wish for a role."""

    role: Role
    account: str
    name: str
    session: str
    seconds: int


def _wanted(values: Mapping[str, str], ring: KeyRing) -> _Wanted:
    arn, session = _required(values, "RoleArn"), _required(values, "RoleSessionName")
    match = _ARN.match(arn)
    if match is None:
        raise _invalid("RoleArn")
    if re.fullmatch(r"[A-Za-z0-9.@_-]{2,64}", session) is None:
        raise _invalid("RoleSessionName")
    role = ring.role(arn)
    if role is None:
        raise ApiError(404, "EntityNotExist.Role", "The specified Role not exists.")
    seconds = values.get("DurationSeconds", "3600")
    if re.fullmatch(r"\d{1,6}", seconds) is None or not 900 <= int(seconds) <= role.longest_seconds:
        raise _invalid("DurationSeconds")
    return _Wanted(role, match[1], match[2], session, int(seconds))


def _give(wanted: _Wanted, ring: KeyRing, clock: Clock) -> dict[str, object]:
    expires = clock.now() + timedelta(seconds=wanted.seconds)
    key = ring.temporary(wanted.account, f"{wanted.name}:{wanted.session}", wanted.role.allowed, expires)
    return {
        "Credentials": {
            "AccessKeyId": key.id,
            "AccessKeySecret": key.secret,
            "SecurityToken": key.token,
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "AssumedRoleUser": {
            "Arn": f"{wanted.role.arn}/{wanted.session}",
            "AssumedRoleId": f"3{wanted.account[1:]}:{wanted.session}",
        },
    }


def _claims(token: str) -> dict[str, str]:
    """What the answer tells of a token; empty texts where it is no JWT."""
    try:
        body = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError):
        claims = {}
    if not isinstance(claims, dict):
        claims = {}
    audience = claims.get("aud", "")
    return {
        "Subject": str(claims.get("sub", "")),
        "Issuer": str(claims.get("iss", "")),
        "ClientIds": ",".join(str(a) for a in audience) if isinstance(audience, list) else str(audience),
        "VerificationInfo": "Success",
    }
