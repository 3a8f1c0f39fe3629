"""Instances and their backend servers."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from .errors import ApiError, invalid_parameter
from .model import Balancer
from .parameters import Parameters, iso_seconds, malformed, tag_list
from .registry import SLB, Answer

SPECS = ("slb.s1.small", "slb.s2.small", "slb.s2.medium", "slb.s3.small", "slb.s3.medium", "slb.s3.large")
END_TIME, END_TIME_STAMP = "2999-09-08T16:00:00Z", 32493801600000
BACKEND_LIMIT = 200

_NAME = re.compile(r"^[A-Za-z\u4e00-\u9fff][A-Za-z0-9\u4e00-\u9fff\-/._]{0,79}$")


def _name(request: Parameters, balancer_id: str) -> str:
    name = request.text("LoadBalancerName", f"auto-named-{balancer_id[3:]}")
    if _NAME.match(name) is None:
        raise invalid_parameter("The specified LoadBalancerName is not valid.")
    return name


def _spec(request: Parameters) -> str:
    if request.choice("InstanceChargeType", ("PayBySpec", "PayByCLCU"), "PayBySpec") == "PayByCLCU":
        return "slb.lcu.elastic"
    if not request.has("LoadBalancerSpec") and not request.world.settings.sharedTypeSold:
        raise ApiError(400, "ShareSlbHaltSales", "The shared-performance type is no longer sold.")
    return request.choice("LoadBalancerSpec", ("", *SPECS), "")


def _new(request: Parameters, address: str) -> Balancer:
    world, cell = request.world, request.cell
    balancer_id = world.new_balancer_id(cell.region)
    vswitch = request.text("VSwitchId")
    return Balancer(
        id=balancer_id,
        name=_name(request, balancer_id),
        address=address,
        created=world.clock.now(),
        address_type=request.choice("AddressType", ("internet", "intranet"), "intranet" if vswitch else "internet"),
        network_type="vpc" if vswitch else "classic",
        vpc_id=request.text("VpcId", f"vpc-{vswitch[4:]}") if vswitch else "",
        vswitch_id=vswitch,
        master_zone=request.text("MasterZoneId", f"{cell.region}-a"),
        slave_zone=request.text("SlaveZoneId", f"{cell.region}-b"),
        spec=_spec(request),
        instance_charge_type=request.text("InstanceChargeType", "PayBySpec"),
        internet_charge_type=request.choice("InternetChargeType", ("paybytraffic", "paybybandwidth"), "paybytraffic"),
        bandwidth=request.integer("Bandwidth", 1, 5120, 5120),
        pay_type=request.choice("PayType", ("PayOnDemand", "PrePay"), "PayOnDemand"),
        address_ip_version=request.choice("AddressIPVersion", ("ipv4",), "ipv4"),
        delete_protection=request.choice("DeleteProtection", ("on", "off"), "off"),
        modification_protection=request.choice(
            "ModificationProtectionStatus", ("NonProtection", "ConsoleProtection"), "NonProtection"
        ),
        modification_reason=request.text("ModificationProtectionReason"),
        tags=request.new_tags(),
    )


@SLB.action("CreateLoadBalancer", changes=True)
def create(request: Parameters) -> Answer:
    world, cell = request.world, request.cell
    request.required("RegionId")
    token, meaning = request.text("ClientToken"), _meaning(request)
    if token in cell.client_tokens:
        known, balancer_id = cell.client_tokens[token]
        if known != meaning:
            raise ApiError(400, "IdempotentParameterMismatch", "The ClientToken was used with other parameters before.")
        if balancer_id in cell.balancers:
            return _created(cell.balancers[balancer_id])
    address = world.addresses.take()
    try:
        balancer = _new(request, address)
    except ApiError:
        world.addresses.release(address)
        raise
    cell.balancers[balancer.id] = balancer
    if token:
        cell.client_tokens[token] = (meaning, balancer.id)
    return _created(balancer)


# What differs between two sendings of one request.
_PER_SENDING = {"AccessKeyId", "Signature", "SignatureNonce", "Timestamp", "SecurityToken", "ClientToken",
                "SignatureType", "SignatureMethod", "SignatureVersion", "Format"}  # fmt: skip


def _meaning(request: Parameters) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(item for item in request.values.items() if item[0] not in _PER_SENDING))


def _created(balancer: Balancer) -> Answer:
    return {
        "LoadBalancerId": balancer.id,
        "LoadBalancerName": balancer.name,
        "Address": balancer.address,
        "AddressIPVersion": balancer.address_ip_version,
        "NetworkType": balancer.network_type,
        "VpcId": balancer.vpc_id,
        "VSwitchId": balancer.vswitch_id,
        "ResourceGroupId": balancer.resource_group,
        "OrderId": 0,
    }


def _common_view(balancer: Balancer, region: str) -> Answer:
    return {
        "LoadBalancerId": balancer.id,
        "LoadBalancerName": balancer.name,
        "LoadBalancerStatus": balancer.status,
        "Address": balancer.address,
        "AddressType": balancer.address_type,
        "AddressIPVersion": balancer.address_ip_version,
        "RegionId": region,
        "RegionIdAlias": region,
        "VpcId": balancer.vpc_id,
        "VSwitchId": balancer.vswitch_id,
        "NetworkType": balancer.network_type,
        "MasterZoneId": balancer.master_zone,
        "SlaveZoneId": balancer.slave_zone,
        "Bandwidth": balancer.bandwidth,
        "PayType": balancer.pay_type,
        "InstanceChargeType": balancer.instance_charge_type,
        **({"LoadBalancerSpec": balancer.spec} if balancer.spec else {}),
        "ResourceGroupId": balancer.resource_group,
        "CreateTimeStamp": balancer.created_ms,
        "DeleteProtection": balancer.delete_protection,
        "ModificationProtectionStatus": balancer.modification_protection,
        "ModificationProtectionReason": balancer.modification_reason,
        "Tags": {"Tag": tag_list(balancer.tags)},
    }


# Filter parameter -> attribute; the values of the first two are comma separated lists.
_FILTERS = {
    "LoadBalancerId": "id", "LoadBalancerName": "name", "LoadBalancerStatus": "status", "Address": "address",
    "AddressType": "address_type", "AddressIPVersion": "address_ip_version", "NetworkType": "network_type",
    "InternetChargeType": "internet_charge_type", "VpcId": "vpc_id", "VSwitchId": "vswitch_id",
    "MasterZoneId": "master_zone", "SlaveZoneId": "slave_zone", "PayType": "pay_type",
    "ResourceGroupId": "resource_group",
}  # fmt: skip


def _json_tags(request: Parameters) -> list[tuple[str, str]]:
    """The legacy filter: JSON text with a list of {tagKey, tagValue}."""
    if not request.has("Tags"):
        return []
    return [
        (str(entry.get("TagKey", entry.get("tagKey", ""))), str(entry.get("TagValue", entry.get("tagValue", ""))))
        for entry in request.json_list("Tags", 10)
    ]


def _passes(request: Parameters, balancer: Balancer, wanted: dict[str, list[str]], tags: list[tuple[str, str]]) -> bool:
    return (
        all(getattr(balancer, _FILTERS[name]) in values for name, values in wanted.items())
        and (not request.has("ServerId") or request.text("ServerId") in balancer.backends)
        and request.matches_tags(balancer.tags)
        and all(key in balancer.tags and value in ("", balancer.tags[key]) for key, value in tags)
    )


@SLB.action("DescribeLoadBalancers")
def describe_all(request: Parameters) -> Answer:
    if request.has("PageSize"):
        request.required("PageNumber")
    number, size = request.integer("PageNumber", 1, 10**6, 1), request.integer("PageSize", 1, 100, 50)
    wanted = {name: request.text(name).split(",") for name in _FILTERS if request.has(name)}
    tags = _json_tags(request)
    found = [b for b in request.cell.balancers.values() if _passes(request, b, wanted, tags)]
    page = found[(number - 1) * size : number * size]
    return {
        "LoadBalancers": {"LoadBalancer": [_listed(balancer, request.cell.region) for balancer in page]},
        "PageNumber": number,
        "PageSize": size,
        "TotalCount": len(found),
    }


def _listed(balancer: Balancer, region: str) -> Answer:
    # The list has Beijing time to the minute and marks it as UTC; clients have to use the time stamp.
    beijing = balancer.created + timedelta(hours=8)
    return {
        **_common_view(balancer, region),
        "InternetChargeType": {"paybybandwidth": "3", "paybytraffic": "4"}[balancer.internet_charge_type],
        "InternetChargeTypeAlias": balancer.internet_charge_type,
        "CreateTime": beijing.strftime("%Y-%m-%dT%H:%MZ"),
    }


@SLB.action("DescribeLoadBalancerAttribute")
def describe(request: Parameters) -> Answer:
    balancer = request.cell.balancer(request.required("LoadBalancerId"))
    listeners = [balancer.listeners[port] for port in sorted(balancer.listeners)]
    return {
        **_common_view(balancer, request.cell.region),
        "InternetChargeType": balancer.internet_charge_type,
        "CreateTime": iso_seconds(balancer.created_ms),
        "EndTime": END_TIME,
        "EndTimeStamp": END_TIME_STAMP,
        "HasReservedInfo": "false",
        "BackendServers": {"BackendServer": list(balancer.backends.values())},
        "ListenerPorts": {"ListenerPort": [listener.port for listener in listeners]},
        "ListenerPortsAndProtocal": {
            "ListenerPortAndProtocal": [
                {"ListenerPort": listener.port, "ListenerProtocal": "https"} for listener in listeners
            ]
        },
        "ListenerPortsAndProtocol": {
            "ListenerPortAndProtocol": [
                {
                    "ListenerPort": listener.port,
                    "ListenerProtocol": "https",
                    "ListenerForward": "",
                    "Description": listener.attributes.get("Description", ""),
                }
                for listener in listeners
            ]
        },
    }


@SLB.action("DeleteLoadBalancer", changes=True)
def delete(request: Parameters) -> Answer:
    balancer = request.cell.balancer(request.required("LoadBalancerId"))
    if balancer.delete_protection == "on":
        raise ApiError(
            400, "OperationDenied.DeleteProtectionIsOn", "The operation is not allowed: delete protection is on."
        )
    request.world.check_free(balancer)
    request.world.remove_balancer(request.cell, balancer)
    return {}


# -- backend servers ------------------------------------------------------------


def _backends(request: Parameters) -> list[dict[str, Any]]:
    entries = request.json_list("BackendServers", 20)
    for entry in entries:
        if not isinstance(entry.get("ServerId"), str) or not entry["ServerId"]:
            raise malformed("BackendServers")
    return entries


def _weight(entry: dict[str, Any]) -> int:
    text = str(entry.get("Weight", 100))
    if re.fullmatch(r"\d{1,3}", text) is None or int(text) > 100:
        raise ApiError(400, "InvalidWeight.Malformed", "The specified weight is malformed: it is 0 to 100.")
    return int(text)


def _backend_answer(balancer: Balancer, weight: type) -> Answer:
    servers = [{**server, "Weight": weight(server["Weight"])} for server in balancer.backends.values()]
    return {"LoadBalancerId": balancer.id, "BackendServers": {"BackendServer": servers}}


def _occupied(request: Parameters, balancer: Balancer) -> None:
    request.world.occupy(balancer, "backend", request.world.settings.backendSeconds)


@SLB.action("AddBackendServers", changes=True)
def add_backends(request: Parameters) -> Answer:
    balancer = request.cell.balancer(request.required("LoadBalancerId"))
    added: dict[str, dict[str, str | int]] = {}
    for entry in _backends(request):
        server = entry["ServerId"]
        if server in balancer.backends:
            raise invalid_parameter("The specified backend server is attached already.")
        view: dict[str, str | int] = {
            "ServerId": server,
            "Weight": _weight(entry),
            "Type": str(entry.get("Type", "ecs")),
        }
        for name in ("ServerIp", "Description"):
            if name in entry:
                view[name] = str(entry[name])
        added.setdefault(server, view)
    if len(balancer.backends) + len(added) > BACKEND_LIMIT:
        raise ApiError(400, "TooManyBackendServers", "The number of backend servers has reached the quota.")
    request.world.check_free(balancer)
    balancer.backends.update(added)
    _occupied(request, balancer)
    return _backend_answer(balancer, str)


@SLB.action("SetBackendServers", changes=True)
def set_backends(request: Parameters) -> Answer:
    balancer = request.cell.balancer(request.required("LoadBalancerId"))
    weights = {}
    for entry in _backends(request):
        if entry["ServerId"] not in balancer.backends:
            raise ApiError(404, "InvalidServerId.NotFound", "The specified ServerId does not exist.")
        weights[entry["ServerId"]] = _weight(entry)
    request.world.check_free(balancer)
    for server, weight in weights.items():
        balancer.backends[server]["Weight"] = weight
    _occupied(request, balancer)
    return _backend_answer(balancer, str)


@SLB.action("RemoveBackendServers", changes=True)
def remove_backends(request: Parameters) -> Answer:
    balancer = request.cell.balancer(request.required("LoadBalancerId"))
    servers = [entry["ServerId"] for entry in _backends(request)]
    request.world.check_free(balancer)
    for server in servers:
        balancer.backends.pop(server, None)
    _occupied(request, balancer)
    return _backend_answer(balancer, int)
