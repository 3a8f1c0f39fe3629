"""Where workloads get temporary keys without a secret of their own.

An OIDC token is exchanged at IAM (token, then keys) or at STS (keys at once); a machine asks its
metadata service; a pod asks the agent of its node.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from emulators.common.clock import Clock
from emulators.common.emulator import Call
from emulators.common.http_server import Response, json_response
from emulators.huawei.access import DEFAULT_AGENCY, DOMAIN_ID, Access, Caller, Key
from emulators.huawei.errors import ApiError, IamError
from emulators.huawei.iam import iam_object, iam_time

DEFAULT_ID_TOKEN = "emulated.projected.token"
METADATA_LIFE = timedelta(hours=24)
METADATA_ROTATION = timedelta(hours=6)
NO_AGENCY = "Please configure Cloud Service Agency first"


@dataclass
class Workload:
    """What the emulated surroundings know.

    idTokens        the OIDC tokens that are accepted, and what the pod agent accepts
    providerID      the identity provider's id (X-Idp-Id) and the last part of its URN
    agency          whose permissions the keys have
    metadataTokens  the metadata service hands out tokens and insists on them
    machineAgency   the machine has an agency at all
    """

    idTokens: list[str] = field(default_factory=lambda: [DEFAULT_ID_TOKEN])
    providerID: str = "cluster"
    agency: str = DEFAULT_AGENCY
    metadataTokens: bool = True
    machineAgency: bool = True


class Ambient:
    """Thread-safe. The calls check what they are given themselves: none needs a signature."""

    def __init__(self, clock: Clock, access: Access) -> None:
        self._clock = clock
        self._access = access
        self._lock = threading.Lock()
        self._metadata_tokens: dict[str, datetime] = {}
        self._machine_key: Key | None = None
        self.workload = Workload()

    # -- OIDC at IAM --------------------------------------------------------

    def token_by_id_token(self, call: Call) -> Response:
        """An unscoped token for an OIDC token."""
        wanted = iam_object(call)
        token = _path(wanted, "auth", "id_token", "id")
        if call.request.header("X-Idp-Id") != self.workload.providerID or token not in self.workload.idTokens:
            raise IamError(401, "The id token or the identity provider is not valid.")
        value, made = self._access.new_token("FederationUser", self._actions(), None, "mapped")
        call.auth_kind, call.changed = "idToken", True
        times = {"issued_at": iam_time(made.issued_at), "expires_at": iam_time(made.expires_at)}
        user = {"id": secrets.token_hex(16), "name": "FederationUser"}
        return json_response(201, {"token": {"methods": ["mapped"], "user": user, **times}}, {"X-Subject-Token": value})

    def security_token(self, call: Call) -> Response:
        """Temporary keys for a token; 900 seconds unless asked otherwise."""
        wanted = iam_object(call)
        if _path(wanted, "auth", "identity", "methods") != ["token"]:
            raise IamError(400, "The request body is invalid: methods.")
        asked = _path(wanted, "auth", "identity", "token") or {}
        if not isinstance(asked, dict):
            raise IamError(400, "The request body is invalid: token.")
        token = self._access.token(str(asked.get("id") or call.request.header("X-Auth-Token")))
        if token is None:
            raise IamError(401, "The request you have made requires authentication.")
        seconds = _seconds(asked.get("duration_seconds", 900), 900, 86400)
        key = self._new_key(sorted(token.actions), seconds)
        call.changed = True
        return json_response(
            201,
            {
                "credential": {
                    "access": key.ak,
                    "secret": key.sk,
                    "securitytoken": key.security_token,
                    "expires_at": _expiry(key),
                }
            },
        )

    # -- STS ----------------------------------------------------------------

    def assume_with_oidc(self, call: Call) -> Response:
        wanted = iam_object(call)
        session = wanted.get("agency_session_name")
        if not isinstance(session, str) or not 2 <= len(session) <= 128:
            raise IamError(400, "agency_session_name has 2 to 128 characters.")
        provider, agency = str(wanted.get("provider_urn")), str(wanted.get("agency_urn"))
        known = provider.rpartition(":")[2].removeprefix("oidc-provider/") == self.workload.providerID
        if not known or agency.rpartition(":")[2].removeprefix("agency/") not in self._access.agencies:
            raise IamError(403, "The agency or the provider does not allow this.")
        if wanted.get("id_token") not in self.workload.idTokens:
            raise IamError(401, "The id token is not valid.")
        name = agency.rpartition(":")[2].removeprefix("agency/")
        seconds = _seconds(wanted.get("duration_seconds", 3600), 900, 43200)
        key = self._new_key(sorted(self._access.agencies[name]), seconds)
        call.auth_kind, call.changed = "idToken", True
        return json_response(
            200,
            {
                "credentials": {
                    "access_key_id": key.ak,
                    "secret_access_key": key.sk,
                    "security_token": key.security_token,
                    "expiration": _expiry(key),
                },
                "assumed_agency": {"urn": f"{agency}/{session}", "id": secrets.token_hex(16)},
            },
        )

    @staticmethod
    def caller_identity(caller: Caller) -> Response:
        kind = f"sts::{DOMAIN_ID}:assumed-agency" if caller.kind == "temporary" else f"iam::{DOMAIN_ID}:user"
        urn = f"{kind}:{caller.key_id}"
        return json_response(200, {"account_id": DOMAIN_ID, "principal_urn": urn, "principal_id": caller.key_id})

    # -- machine and pod ----------------------------------------------------

    def metadata_token(self, call: Call) -> Response:
        """404 where there is no token mode, as on older machines."""
        if not self.workload.metadataTokens:
            return Response(404, {"Content-Type": "text/plain"}, b"Not Found")
        life = call.request.header("X-Metadata-Token-Ttl-Seconds")
        if not life.isascii() or not life.isdigit() or not 1 <= int(life[:6]) <= 21600:
            return Response(400, {"Content-Type": "text/plain"}, b"Bad Request")
        value = secrets.token_urlsafe(40)
        with self._lock:
            self._metadata_tokens[value] = self._clock.now() + timedelta(seconds=int(life))
        return Response(200, {"Content-Type": "text/plain"}, value.encode())

    def metadata_credentials(self, call: Call) -> Response:
        """The machine's keys: 24 hours long; new ones come 6 hours before, and the old ones live on."""
        if self.workload.metadataTokens:
            with self._lock:
                until = self._metadata_tokens.get(call.request.header("X-Metadata-Token"))
            if until is None or until <= self._clock.now():
                return Response(401, {"Content-Type": "text/plain"}, b"Unauthorized")
        if not self.workload.machineAgency:
            return Response(401, {"Content-Type": "text/plain"}, NO_AGENCY.encode())
        with self._lock:
            key = self._machine_key
            if key is None or key.expires_at is None or key.expires_at - self._clock.now() <= METADATA_ROTATION:
                key = self._machine_key = self._new_key(sorted(self._actions()), METADATA_LIFE.total_seconds())
        return json_response(
            200,
            {
                "credential": {
                    "access": key.ak,
                    "secret": key.sk,
                    "securitytoken": key.security_token,
                    "expires_at": _expiry(key),
                }
            },
        )

    def pod_identity(self, call: Call) -> Response:
        """The Authorization header is the pod's token itself, without a scheme before it."""
        if call.request.header("Authorization") not in self.workload.idTokens:
            raise ApiError("APIGW.0301", "the token of the service account is not valid")
        key = self._new_key(sorted(self._actions()), 3600)
        call.auth_kind, call.key_id, call.changed = "podIdentity", "", True
        return json_response(
            200,
            {
                "assumedAgency": {
                    "urn": f"iam::{DOMAIN_ID}:agency:{self.workload.agency}",
                    "id": secrets.token_hex(16),
                },
                "credentials": {
                    "accessKeyId": key.ak,
                    "secretAccessKey": key.sk,
                    "securityToken": key.security_token,
                    "expiration": _expiry(key),
                },
                "podIdentityAssociationId": secrets.token_hex(16),
                "subject": {"namespace": "default", "serviceAccount": "default"},
            },
        )

    def _actions(self) -> set[str]:
        return self._access.agencies.get(self.workload.agency, set())

    def _new_key(self, actions: list[str], seconds: float) -> Key:
        return self._access.put_key({"temporary": True, "actions": actions, "expiresIn": seconds})


def _expiry(key: Key) -> str:
    return iam_time(key.expires_at) if key.expires_at else ""


def _seconds(value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise IamError(400, f"duration_seconds is a number from {least} to {most}.")
    return value


def _path(value: Any, *names: str) -> Any:
    """The member at the end of a path of names; None when any is missing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
