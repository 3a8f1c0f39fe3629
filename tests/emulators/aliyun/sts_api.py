"""The token service, as far as keys of an account assume its roles."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Mapping

from emulators.common.clock import Clock

from .accounts import Key, KeyRing
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
    if match[1] != caller.account or not caller.may("AssumeRole"):
        raise ApiError(
            403, "NoPermission", "You are not authorized to do this action. You should be authorized by RAM."
        )
    expires = clock.now() + timedelta(seconds=int(seconds))
    key = ring.temporary(match[1], f"{match[2]}:{session}", role.allowed, expires)
    return {
        "Credentials": {
            "AccessKeyId": key.id,
            "AccessKeySecret": key.secret,
            "SecurityToken": key.token,
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "AssumedRoleUser": {"Arn": f"{arn}/{session}", "AssumedRoleId": f"3{match[1][1:]}:{session}"},
    }
