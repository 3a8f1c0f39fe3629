"""What the service knows: instances, listeners, certificates and extensions, per account and region."""

from __future__ import annotations

import bisect
import ipaddress
import logging
import random
import string
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Callable, Iterable, Iterator

from emulators.common.clock import Clock

from .errors import (
    ApiError,
    balancer_not_found,
    busy,
    certificate_not_found,
    listener_not_found,
    service_is_configuring,
)
from .pem import Pair, PemRules
from .settings import Settings
from .timeline import Timeline
from .tls_front import DEFAULT_POLICY, Serving, TlsFront

log = logging.getLogger(__name__)

REGION_PREFIXES = {"cn-hangzhou": "bp1", "cn-beijing": "2ze", "cn-zhangjiakou": "8vb", "cn-shanghai": "uf6"}
REGIONS = (
    "cn-hangzhou", "cn-beijing", "cn-zhangjiakou", "cn-shanghai", "cn-shenzhen", "cn-qingdao", "cn-huhehaote",
    "cn-wulanchabu", "cn-heyuan", "cn-guangzhou", "cn-chengdu", "cn-nanjing", "cn-fuzhou", "cn-wuhan-lr",
    "cn-zhengzhou-jva", "cn-hongkong", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-5",
    "ap-southeast-6", "ap-southeast-7", "ap-south-1", "ap-northeast-1", "ap-northeast-2", "eu-central-1", "eu-west-1",
    "us-east-1", "us-west-1", "na-south-1", "me-east-1", "me-central-1",
)  # fmt: skip
DEFAULT_RESOURCE_GROUP = "rg-acfmxazb4ph6aiy"

Tags = dict[str, str]


@dataclass
class Certificate:
    id: str
    name: str
    pair: Pair
    created_ms: int
    tags: Tags = field(default_factory=dict)
    from_cas: bool = False
    resource_group: str = DEFAULT_RESOURCE_GROUP


@dataclass
class Extension:
    """An additional certificate for one name (SNI)."""

    id: str
    listener: "Listener"
    domain: str
    certificate_id: str
    processing: bool = False
    visible: bool = False  # clients are shown it: from the end of its first processing on


@dataclass
class Listener:
    """One HTTPS listener. `attributes` holds what Create and Set take, typed, without the certificate."""

    balancer: "Balancer"
    port: int
    certificate_id: str
    attributes: dict[str, str | int]
    status: str = "configuring"
    serve: bool = True
    tags: Tags = field(default_factory=dict)
    extensions: list[Extension] = field(default_factory=list)
    generation: int = 0
    published: int = 0
    serving_error: str = ""
    # What listings say of these very attributes: (attributes, members, config). Attributes are replaced, never edited.
    outline: tuple[dict[str, str | int], dict[str, Any], dict[str, Any]] | None = None

    @property
    def id(self) -> str:
        return f"{self.balancer.id}_https_{self.port}"

    @property
    def key(self) -> tuple[str, int]:
        """The order of listings."""
        return self.balancer.id, self.port


@dataclass
class Balancer:
    id: str
    name: str
    address: str
    created: datetime
    address_type: str = "internet"
    network_type: str = "classic"
    vpc_id: str = ""
    vswitch_id: str = ""
    master_zone: str = ""
    slave_zone: str = ""
    spec: str = "slb.s1.small"
    instance_charge_type: str = "PayBySpec"
    internet_charge_type: str = "paybytraffic"
    bandwidth: int = 5120
    pay_type: str = "PayOnDemand"
    address_ip_version: str = "ipv4"
    delete_protection: str = "off"
    modification_protection: str = "NonProtection"
    modification_reason: str = ""
    resource_group: str = DEFAULT_RESOURCE_GROUP
    status: str = "active"
    tags: Tags = field(default_factory=dict)
    listeners: dict[int, Listener] = field(default_factory=dict)
    backends: dict[str, dict[str, str | int]] = field(default_factory=dict)
    server_groups: set[str] = field(default_factory=set)
    pending: list[str] = field(default_factory=list)

    @property
    def created_ms(self) -> int:
        return int(self.created.timestamp()) * 1000


class Cell:
    """Everything of one account in one region."""

    def __init__(self, account: str, region: str) -> None:
        self.account = account
        self.region = region
        self.balancers: dict[str, Balancer] = {}
        self.certificates: dict[str, Certificate] = {}
        self.extensions: dict[str, Extension] = {}
        self.client_tokens: dict[str, tuple[tuple[tuple[str, str], ...], str]] = {}
        # Certificates that nothing uses any more but that still count as used: id -> how many such ends are pending.
        self.lingering: dict[tuple[str, str], int] = {}
        self._order: list[tuple[str, int]] | None = None

    def balancer(self, balancer_id: str) -> Balancer:
        try:
            return self.balancers[balancer_id]
        except KeyError:
            raise balancer_not_found() from None

    def certificate(self, certificate_id: str) -> Certificate:
        try:
            return self.certificates[certificate_id]
        except KeyError:
            raise certificate_not_found() from None

    def listeners(self) -> Iterator[Listener]:
        return (listener for balancer in self.balancers.values() for listener in balancer.listeners.values())

    def listeners_changed(self) -> None:
        """A listener came or went: the order of listings has to be made anew."""
        self._order = None

    def page(self, after: tuple[str, int] | None, size: int) -> tuple[list[Listener], int, bool]:
        """(listeners, number of all, whether more follow) in the order of listings."""
        if self._order is None:
            self._order = sorted(listener.key for listener in self.listeners())
        begin = bisect.bisect_right(self._order, after) if after is not None else 0
        keys = self._order[begin : begin + size]
        found = [self.balancers[balancer].listeners[port] for balancer, port in keys]
        return found, len(self._order), begin + size < len(self._order)


class AddressPool:
    """Addresses of load balancers, handed out in turn and never twice at a time."""

    def __init__(self, network: str) -> None:
        self.network = ipaddress.IPv4Network(network)
        if not self.network.is_loopback or self.network.prefixlen > 30:
            raise ValueError(f"{network} is not a loopback network of at least four addresses")
        self._used: set[str] = set()
        self._next = 0
        self._size = self.network.num_addresses - 2

    def take(self) -> str:
        for step in range(self._size):
            address = str(self.network[(self._next + step) % self._size + 1])
            if address not in self._used:
                self._next = (self._next + step + 1) % self._size
                self._used.add(address)
                return address
        raise ApiError(400, "InsufficientCapacity", f"No address is left in {self.network}.")

    def claim(self, address: str) -> None:
        """Takes a certain address; ValueError when it is used or outside of the pool."""
        if ipaddress.ip_address(address) not in self.network:
            raise ValueError(f"{address} is not in the address pool {self.network}")
        if address in self._used:
            raise ValueError(f"{address} belongs to another load balancer")
        self._used.add(address)

    def release(self, address: str) -> None:
        self._used.discard(address)


class World:
    """The whole state with its transitions. Every method but `stop` wants `lock` to be held."""

    def __init__(self, clock: Clock, address_pool: str) -> None:
        self.clock = clock
        self.lock = threading.RLock()
        self.settings = Settings()
        self.addresses = AddressPool(address_pool)
        self.timeline = Timeline(self.lock)
        self.front = TlsFront()
        self._cells: dict[tuple[str, str], Cell] = {}
        self._random = random.Random()

    def stop(self) -> None:
        self.timeline.stop()
        self.front.stop()

    def cell(self, account: str, region: str) -> Cell:
        if region not in REGIONS:
            raise ApiError(404, "InvalidRegionId.NotFound", "The specified RegionId does not exist.")
        return self._cells.setdefault((account, region), Cell(account, region))

    def cells(self) -> Iterable[Cell]:
        return list(self._cells.values())

    def rules(self) -> PemRules:
        return PemRules(self.settings.acceptPkcs8, self.settings.acceptEc)

    def now_ms(self) -> int:
        return int(self.clock.now().timestamp() * 1000)

    # -- ids ------------------------------------------------------------------

    def _letters(self, size: int) -> str:
        return "".join(self._random.choices(string.ascii_lowercase + string.digits, k=size))

    def new_balancer_id(self, region: str) -> str:
        return f"lb-{REGION_PREFIXES.get(region, 'j6c')}{self._letters(17)}"

    def new_extension_id(self) -> str:
        return f"de-{self._letters(20)}"

    def new_certificate_id(self, account: str) -> str:
        one, two = (self._random.randint(-(2**31), 2**31 - 1) for _ in range(2))
        return f"{account}_{self.now_ms():x}_{one}_{two}"

    # -- certificates ---------------------------------------------------------

    def add_certificate(
        self,
        cell: Cell,
        pair: Pair,
        name: str,
        tags: Tags,
        from_cas: bool = False,
        resource_group: str = DEFAULT_RESOURCE_GROUP,
    ) -> Certificate:
        """Adds without looking at the quota; an empty name becomes the common name."""
        certificate = Certificate(
            id=self.new_certificate_id(cell.account),
            name=name or pair.common_name,
            pair=pair,
            created_ms=self.now_ms(),
            tags=dict(tags),
            from_cas=from_cas,
            resource_group=resource_group,
        )
        cell.certificates[certificate.id] = certificate
        return certificate

    def delete_certificate(self, cell: Cell, certificate_id: str) -> None:
        cell.certificate(certificate_id)
        used = any(listener.certificate_id == certificate_id for listener in cell.listeners())
        if used or ("listener", certificate_id) in cell.lingering:
            raise ApiError(
                400,
                "CertificateAndPrivateKeyIsRefered",
                "The specified server certificate is in use by a listener and cannot be deleted.",
            )
        extended = any(extension.certificate_id == certificate_id for extension in cell.extensions.values())
        if extended or ("extension", certificate_id) in cell.lingering:
            raise ApiError(
                400,
                "CertificateRelatedDomainExtensionExist",
                "The specified server certificate is in use by a domain extension and cannot be deleted.",
            )
        del cell.certificates[certificate_id]

    def let_go(self, cell: Cell, user: str, certificate_id: str) -> None:
        """A listener or extension does not use the certificate any more; the service notices that late."""
        if self.settings.referenceSeconds <= 0:
            return
        key = (user, certificate_id)
        cell.lingering[key] = cell.lingering.get(key, 0) + 1

        def forget() -> None:
            cell.lingering[key] -= 1
            if cell.lingering[key] == 0:
                del cell.lingering[key]

        self.timeline.after(self.settings.referenceSeconds, forget)

    # -- changes that take time -------------------------------------------------

    def check_free(self, balancer: Balancer, extension_change: bool = False) -> None:
        """Refuses a change to an instance that is locked or busy with another one."""
        if balancer.status == "locked":
            raise ApiError(400, "ActionNotAllowed", "The load balancer is locked.")
        if not self.settings.serialize or not balancer.pending:
            return
        if "extension" in balancer.pending and extension_change:
            raise busy("DomainExtensionProcessing")
        if "backend" in balancer.pending or extension_change:
            raise busy("BackendServer.configuring")
        raise service_is_configuring()

    def occupy(self, balancer: Balancer, kind: str, seconds: float, done: Callable[[], None] | None = None) -> None:
        """The instance is busy for `seconds`; then `done` runs."""
        balancer.pending.append(kind)

        def end() -> None:
            balancer.pending.remove(kind)
            if done is not None:
                done()

        self.timeline.after(seconds, end)

    # -- listeners --------------------------------------------------------------

    def find_listener(self, balancer: Balancer, port: int) -> Listener:
        listener = balancer.listeners.get(port)
        if listener is not None:
            return listener
        if self.settings.listenerNotFoundCode == "InvalidParameter":
            raise listener_not_found()
        raise ApiError(404, self.settings.listenerNotFoundCode, "The specified listener does not exist.")

    def check_settled(self, listener: Listener) -> None:
        if listener.status not in ("running", "stopped"):
            raise busy("OperationFailed.ListenerStatusNotSupport")

    def add_listener(self, cell: Cell, listener: Listener) -> None:
        balancer = listener.balancer
        balancer.listeners[listener.port] = listener
        cell.listeners_changed()

        def stopped() -> None:
            listener.status = "stopped"

        self.occupy(balancer, "listener", self.settings.createSeconds, stopped)

    def start_listener(self, cell: Cell, listener: Listener) -> None:
        listener.status = "starting"

        def running() -> None:
            if listener.balancer.listeners.get(listener.port) is listener:
                listener.status = "running"
                self.serve(cell, listener)

        self.occupy(listener.balancer, "listener", self.settings.startSeconds, running)

    def stop_listener(self, listener: Listener) -> None:
        listener.status = "stopping"
        self.front.close(listener.balancer.address, listener.port)

        def stopped() -> None:
            listener.status = "stopped"

        self.occupy(listener.balancer, "listener", self.settings.stopSeconds, stopped)

    def remove_listener(self, cell: Cell, listener: Listener) -> None:
        self.front.close(listener.balancer.address, listener.port)
        del listener.balancer.listeners[listener.port]
        cell.listeners_changed()
        self.let_go(cell, "listener", listener.certificate_id)
        for extension in listener.extensions:
            del cell.extensions[extension.id]
            self.let_go(cell, "extension", extension.certificate_id)

    def change_listener(self, cell: Cell, listener: Listener, certificate_id: str) -> None:
        """Attributes were changed by the caller; the certificate is changed here."""
        if certificate_id != listener.certificate_id:
            self.let_go(cell, "listener", listener.certificate_id)
            listener.certificate_id = certificate_id
        before = listener.status

        def settled() -> None:
            if listener.status == "configuring":
                listener.status = before

        if self.settings.setShowsConfiguring and self.settings.setSeconds > 0:
            listener.status = "configuring"
        self.occupy(listener.balancer, "listener", self.settings.setSeconds, settled)
        self.publish(cell, listener)

    # -- data plane ---------------------------------------------------------------

    def serving(self, cell: Cell, listener: Listener) -> Serving:
        by_name = {
            extension.domain: cell.certificates[extension.certificate_id].pair
            for extension in listener.extensions
            if extension.visible
        }
        return Serving(
            default=cell.certificates[listener.certificate_id].pair,
            by_name=by_name,
            policy=str(listener.attributes.get("TLSCipherPolicy", DEFAULT_POLICY)),
            http2=listener.attributes.get("EnableHttp2") != "off",
        )

    def serve(self, cell: Cell, listener: Listener) -> None:
        """Opens the listener's TLS server with what is set now."""
        if not listener.serve:
            return
        listener.generation += 1
        listener.published = listener.generation
        try:
            self.front.open(listener.balancer.address, listener.port, self.serving(cell, listener))
            listener.serving_error = ""
        except OSError as error:
            listener.serving_error = f"cannot listen on {listener.balancer.address}:{listener.port}: {error}"
            log.error("%s", listener.serving_error)

    def publish(self, cell: Cell, listener: Listener) -> None:
        """Shows clients what is set now, after the delay of the data plane."""
        if not listener.serve:
            return
        listener.generation += 1
        generation, serving = listener.generation, self.serving(cell, listener)

        def switch() -> None:
            # A listener that was started meanwhile serves something newer already.
            if generation > listener.published:
                listener.published = generation
                self.front.publish(listener.balancer.address, listener.port, serving)

        self.timeline.after(self.settings.switchSeconds, switch)

    # -- instances ----------------------------------------------------------------

    def remove_balancer(self, cell: Cell, balancer: Balancer) -> None:
        for listener in list(balancer.listeners.values()):
            self.remove_listener(cell, listener)
        del cell.balancers[balancer.id]
        self.addresses.release(balancer.address)
