"""The emulator of the classic load balancer's API, put together."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from emulators.common.admin import AdminFace
from emulators.common.emulator import Call, Emulator
from emulators.common.faults import Fault
from emulators.common.http_server import Request, Response

# The API modules register their actions when they are imported.
from . import (  # noqa: F401
    balancers_api,
    certificates_api,
    control,
    extensions_api,
    gateway,
    listeners_api,
    places_api,
    sts_api,
    tags_api,
)
from .accounts import Key, KeyRing
from .errors import BUSY_STATUS, GATEWAY_FAILURES, ApiError, forbidden
from .errors import gateway as gateway_error
from .model import World
from .parameters import Parameters
from .registry import SLB

DEFAULT_ADDRESS_POOL = "127.0.3.0/24"


@dataclass
class SlbCall(Call):
    """A call with its request taken apart."""

    sent: gateway.Sent | None = None


class AliyunEmulator(Emulator):
    """SLB 2014-05-15 (and the roles of STS 2015-04-01) with real TLS behind the listeners.

    `address_pool` is a loopback network; each load balancer gets an address of its own in it.
    """

    name = "aliyun"

    def __init__(
        self,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        admin: tuple[str, int] = ("127.0.0.1", 0),
        tls: bool = False,
        address_pool: str = DEFAULT_ADDRESS_POOL,
    ) -> None:
        super().__init__(listen, admin, tls)
        self.keys = KeyRing()
        self.world = World(self.clock, address_pool)
        self._authenticator = gateway.Authenticator(self.keys, self.clock)

    def stop(self) -> None:
        super().stop()
        self.world.stop()

    def add_admin_routes(self, admin: AdminFace) -> None:
        control.add_routes(admin, self.world, self.keys, self.certificates, self.clock)

    def identify(self, request: Request) -> SlbCall:
        sent = gateway.read(request)
        return SlbCall(
            request,
            sent.action,
            request_id=str(uuid.uuid4()).upper(),
            auth_kind="ACS3-HMAC-SHA256" if sent.acs3 else "HMAC-SHA1",
            key_id=sent.key_id,
            sent=sent,
        )

    def answer(self, call: SlbCall) -> Response:
        assert call.sent is not None
        try:
            value = self._perform(call, call.sent)
        except ApiError as error:
            return self._refuse(call, error)
        return gateway.success(call.sent, call.request_id, value)

    def throttled(self, call: SlbCall, fault: Fault) -> Response:
        """`retryAfter` is milliseconds here, in the header that this cloud uses for it."""
        code = fault.code or "Throttling.User"
        status, message = GATEWAY_FAILURES.get(code, (400, "Request was denied due to flow control."))
        headers = {"x-acs-retry-after": fault.retryAfter} if fault.retryAfter is not None else {}
        return self._refuse(call, ApiError(status, code, fault.message or message, headers=headers))

    def failure(self, call: SlbCall, fault: Fault) -> Response:
        """A known code brings its own status where the fault leaves the default of 500."""
        code = fault.code or {503: "ServiceUnavailable", 403: "Forbidden.RAM"}.get(fault.status, "InternalError")
        status, message = GATEWAY_FAILURES.get(code, (BUSY_STATUS.get(code, fault.status), "The operation failed."))
        if fault.status != Fault.status:
            status = fault.status
        if code == "Forbidden.RAM":
            return self._refuse(call, self._forbidden(call))
        return self._refuse(call, ApiError(status, code, fault.message or message))

    def _refuse(self, call: SlbCall, error: ApiError) -> Response:
        assert call.sent is not None
        call.error_code = error.code
        return gateway.failure(call.sent, call.request_id, error)

    def _forbidden(self, call: SlbCall) -> ApiError:
        known = {key.id: key for key in self.keys.keys()}.get(call.key_id)
        principal = known.principal() if known else Key(call.key_id, "").principal()
        return forbidden(f"slb:{call.operation}", principal)

    def _perform(self, call: SlbCall, sent: gateway.Sent) -> dict[str, object]:
        if (sent.version, sent.action) == (sts_api.VERSION, "AssumeRoleWithOIDC"):
            call.auth_kind = "anonymous"
            return sts_api.assume_role_with_oidc(sent.parameters, self.keys, self.clock)
        key = self._authenticator.admit(sent)
        if sent.version == sts_api.VERSION:
            if sent.action != "AssumeRole":
                raise gateway_error("InvalidApi.NotFound")
            return sts_api.assume_role(sent.parameters, key, self.keys, self.clock)
        if sent.version != gateway.SLB_VERSION:
            raise gateway_error("InvalidProduct.NotFound")
        if sent.action not in SLB.actions:
            raise gateway_error("InvalidApi.NotFound")
        if not key.may(sent.action):
            raise forbidden(f"slb:{sent.action}", key.principal())
        world = self.world
        with world.lock:
            world.timeline.settle()
            if sent.acs3 and world.settings.acs3IgnoresBody:
                sent = replace(sent, form={})
            cell = world.cell(key.account, sent.region)
            answer = SLB.actions[sent.action](Parameters(world, cell, sent.parameters, call.request_id))
        call.changed = sent.action in SLB.changing
        return answer
