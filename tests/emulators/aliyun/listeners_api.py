"""HTTPS listeners: create, describe, set, start, stop, delete, list."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from . import attributes
from .errors import ApiError, busy, invalid_parameter
from .model import Balancer, Cell, Listener
from .parameters import Parameters, tag_list
from .registry import SLB, Answer

DEFAULT_PAGE = 20
LARGEST_PAGE = 100

# Members of a listed listener that stand beside its HTTPSListenerConfig, not in it.
_OUTER = (
    "BackendServerPort",
    "Bandwidth",
    "Scheduler",
    "VServerGroupId",
    "Description",
    "AclId",
    "AclStatus",
    "AclType",
)


def port_of(request: Parameters) -> int:
    return request.integer("ListenerPort", 1, 65535)


def find(request: Parameters) -> tuple[Balancer, Listener]:
    balancer = request.cell.balancer(request.required("LoadBalancerId"))
    return balancer, request.world.find_listener(balancer, port_of(request))


def usable_certificate(cell: Cell, certificate_id: str) -> str:
    """An id that exists in this region; a CAS id gets its own answer, as users mix the two up."""
    if certificate_id.isdigit():
        raise invalid_parameter("The specified ServerCertificateId is not supported.")
    return cell.certificate(certificate_id).id


@SLB.action("CreateLoadBalancerHTTPSListener", changes=True)
def create(request: Parameters) -> Answer:
    world, cell = request.world, request.cell
    balancer = cell.balancer(request.required("LoadBalancerId"))
    port = port_of(request)
    values = attributes.created(request, balancer)
    if not request.has("ServerCertificateId"):
        raise invalid_parameter("The specified ServerCertificateId is empty.")
    certificate = usable_certificate(cell, request.text("ServerCertificateId"))
    tags = request.new_tags()
    if port in balancer.listeners:
        raise ApiError(400, "ListenerAlreadyExists", "There is already a listener on the specified port.")
    if len(balancer.listeners) >= world.settings.listenerQuota:
        raise ApiError(400, "ListenerNumberOverLimit", "The number of listeners has reached the quota.")
    world.check_free(balancer)
    world.add_listener(cell, Listener(balancer, port, certificate, values, tags=tags))
    return {}


@SLB.action("DescribeLoadBalancerHTTPSListenerAttribute")
def describe(request: Parameters) -> Answer:
    balancer, listener = find(request)
    shown = attributes.shown(listener.attributes)
    answer: Answer = {
        "LoadBalancerId": balancer.id,
        "ListenerPort": listener.port,
        "Status": listener.status,
        "SecurityStatus": "off",
        "ServerCertificateId": listener.certificate_id,
        **shown,
        "Rules": {"Rule": []},
        "DomainExtensions": {
            "DomainExtension": [
                {
                    "DomainExtensionId": extension.id,
                    "Domain": extension.domain,
                    "ServerCertificateId": extension.certificate_id,
                }
                for extension in listener.extensions
            ]
        },
        "Tags": {"Tag": tag_list(listener.tags)},
    }
    if "AclId" in shown:
        answer["AclIds"] = {"AclId": str(shown["AclId"]).split(",")}
    return answer


@SLB.action("SetLoadBalancerHTTPSListenerAttribute", changes=True)
def change(request: Parameters) -> Answer:
    world, cell = request.world, request.cell
    balancer, listener = find(request)
    values = attributes.changed(request, balancer, listener.attributes, world.settings.strictSet)
    certificate = listener.certificate_id
    if request.has("ServerCertificateId"):
        certificate = usable_certificate(cell, request.text("ServerCertificateId"))
    world.check_settled(listener)
    world.check_free(balancer)
    if request.text("DryRun") == "true":
        return {}
    listener.attributes = values
    world.change_listener(cell, listener, certificate)
    return {}


def _protocol(request: Parameters) -> None:
    """Start, stop and delete may name the protocol; this emulator knows HTTPS listeners only."""
    wanted = request.choice("ListenerProtocol", ("tcp", "udp", "http", "https"), "https")
    if wanted != "https":
        raise invalid_parameter("The specified resource does not exist.")


@SLB.action("StartLoadBalancerListener", changes=True)
def start(request: Parameters) -> Answer:
    _protocol(request)
    balancer, listener = find(request)
    if listener.status == "running":
        return {}
    request.world.check_free(balancer)
    if listener.status != "stopped":
        raise busy("Operation.Deny")
    request.world.start_listener(request.cell, listener)
    return {}


@SLB.action("StopLoadBalancerListener", changes=True)
def stop(request: Parameters) -> Answer:
    _protocol(request)
    balancer, listener = find(request)
    if listener.status == "stopping":
        raise busy("ServiceIsStopping")
    request.world.check_free(balancer)
    if listener.status != "running":
        raise ApiError(400, "Operation.NotAllowed", "The listener is not running.")
    request.world.stop_listener(listener)
    return {}


@SLB.action("DeleteLoadBalancerListener", changes=True)
def delete(request: Parameters) -> Answer:
    _protocol(request)
    balancer, listener = find(request)
    request.world.check_free(balancer)
    request.world.check_settled(listener)
    request.world.remove_listener(request.cell, listener)
    return {}


@SLB.action("DescribeLoadBalancerListeners")
def describe_all(request: Parameters) -> Answer:
    """The paged list of a region, in the order of instance and port. Plain arrays, unlike every other answer."""
    size = request.integer("MaxResults", 1, LARGEST_PAGE, DEFAULT_PAGE)
    after = _decode_token(request.text("NextToken"))
    balancers = request.numbered("LoadBalancerId", 10)
    if balancers or _filtered(request):
        found, total, more = _search(request, balancers, after, size)
    else:
        found, total, more = request.cell.page(after, size)
    answer: Answer = {
        "Listeners": [listed(listener) for listener in found],
        "MaxResults": size,
        "TotalCount": total,
    }
    if more:
        answer["NextToken"] = _encode_token(found[-1].key)
    return answer


def _filtered(request: Parameters) -> bool:
    return bool(request.tags()) or any(request.has(n) for n in ("ListenerProtocol", "ListenerPort", "Description"))


def _search(
    request: Parameters, balancers: list[str], after: tuple[str, int] | None, size: int
) -> tuple[list[Listener], int, bool]:
    cell = request.cell
    known = [cell.balancers[b] for b in balancers if b in cell.balancers] if balancers else cell.balancers.values()
    protocol = request.text("ListenerProtocol", "https").lower()
    port = request.integer("ListenerPort", 1, 65535, 0)
    description = request.text("Description")
    matching = sorted(
        (
            listener
            for balancer in {balancer.id: balancer for balancer in known}.values()
            for listener in balancer.listeners.values()
            if protocol == "https"
            and port in (0, listener.port)
            and description in ("", listener.attributes.get("Description", ""))
            and request.matches_tags(listener.tags)
        ),
        key=lambda listener: listener.key,
    )
    rest = [listener for listener in matching if after is None or listener.key > after]
    return rest[:size], len(matching), len(rest) > size


def listed(listener: Listener) -> dict[str, Any]:
    """A listener as the list shows it; the part that its attributes decide is kept until they are replaced."""
    if listener.outline is None or listener.outline[0] is not listener.attributes:
        listener.outline = (listener.attributes, *_outline(listener.attributes))
    _, outer, config = listener.outline
    return {
        "LoadBalancerId": listener.balancer.id,
        "ListenerPort": listener.port,
        "ListenerProtocol": "https",
        "Status": listener.status,
        **outer,
        "Tags": tag_list(listener.tags),
        "HTTPSListenerConfig": {"ServerCertificateId": listener.certificate_id, **config},
    }


def _outline(values: attributes.Attributes) -> tuple[dict[str, Any], dict[str, Any]]:
    config: dict[str, Any] = attributes.shown(values)
    outer: dict[str, Any] = {name: config.pop(name) for name in _OUTER if name in config}
    if "AclId" in outer:
        outer["AclIds"] = str(outer["AclId"]).split(",")
    return outer, config


def _encode_token(key: tuple[str, int]) -> str:
    return base64.urlsafe_b64encode(f"{key[0]}:{key[1]}".encode()).decode()


def _decode_token(token: str) -> tuple[str, int] | None:
    if not token:
        return None
    try:
        balancer, _, port = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        return balancer, int(port)
    except (binascii.Error, ValueError):
        raise invalid_parameter("The specified NextToken is not valid.") from None
