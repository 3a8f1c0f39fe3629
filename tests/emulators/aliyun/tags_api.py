"""Tags on instances, listeners and certificates."""

from __future__ import annotations

from .errors import ApiError, invalid_parameter, missing_parameter
from .model import Cell, Tags
from .parameters import TAG_LIMIT, Parameters
from .registry import SLB, Answer

_PAGE = 50


def _tagged(cell: Cell, kind: str) -> dict[str, Tags]:
    """Resource id -> its tags, for all resources of a type."""
    if kind == "instance":
        return {balancer.id: balancer.tags for balancer in cell.balancers.values()}
    if kind == "listener":
        return {listener.id: listener.tags for listener in cell.listeners()}
    if kind == "certificate":
        return {certificate.id: certificate.tags for certificate in cell.certificates.values()}
    return {}


_KINDS = ("instance", "certificate", "acl", "listener", "vservergroup", "masterslaveservergroup")


def _chosen(request: Parameters) -> list[Tags]:
    resources = _tagged(request.cell, request.choice("ResourceType", _KINDS))
    ids = request.numbered("ResourceId", 20)
    if not ids:
        raise missing_parameter("ResourceId.1")
    missing = [resource for resource in ids if resource not in resources]
    if missing:
        raise ApiError(404, "InvalidParameter", f"The specified resource {missing[0]} does not exist.")
    return [resources[resource] for resource in ids]


@SLB.action("TagResources", changes=True)
def tag(request: Parameters) -> Answer:
    chosen, tags = _chosen(request), request.new_tags()
    if not tags:
        raise missing_parameter("Tag.1.Key")
    if any(len({**before, **tags}) > TAG_LIMIT for before in chosen):
        raise ApiError(400, "TagCountLimit", f"A resource has at most {TAG_LIMIT} tags.")
    for before in chosen:
        before.update(tags)
    return {}


@SLB.action("UntagResources", changes=True)
def untag(request: Parameters) -> Answer:
    chosen, keys = _chosen(request), request.numbered("TagKey", 20)
    if not keys and request.text("All").lower() != "true":
        raise missing_parameter("TagKey.1")
    for tags in chosen:
        for key in keys or list(tags):
            tags.pop(key, None)
    return {}


@SLB.action("ListTagResources")
def list_tags(request: Parameters) -> Answer:
    kind = request.choice("ResourceType", _KINDS)
    ids = request.numbered("ResourceId", 20)
    if not ids and not request.tags():
        raise missing_parameter("ResourceId.1")
    wanted = {key for key, _ in request.tags()}
    rows = [
        {"ResourceId": resource, "ResourceType": kind, "TagKey": key, "TagValue": value}
        for resource, tags in _tagged(request.cell, kind).items()
        if (not ids or resource in ids) and request.matches_tags(tags)
        for key, value in tags.items()
        if not wanted or key in wanted
    ]
    token = request.text("NextToken", "0")
    if not token.isascii() or not token.isdigit():
        raise invalid_parameter("The specified NextToken is not valid.")
    begin = int(token)
    answer: Answer = {"TagResources": {"TagResource": rows[begin : begin + _PAGE]}}
    if begin + _PAGE < len(rows):
        answer["NextToken"] = str(begin + _PAGE)
    return answer
