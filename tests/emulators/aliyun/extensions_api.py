"""Domain extensions: additional certificates of a listener, chosen by server name."""

from __future__ import annotations

import re

from .errors import ApiError, busy, extension_not_found
from .listeners_api import find
from .model import Extension
from .parameters import Parameters
from .registry import SLB, Answer

_DOMAIN = re.compile(r"^(\*\.)?[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+$")


def _certificate(request: Parameters) -> str:
    certificate_id = request.text("ServerCertificateId")
    if certificate_id not in request.cell.certificates:
        raise ApiError(
            400,
            "InvalidParameter.ServerCertificateId",
            "The specified parameter ServerCertificateId is not valid.",
        )
    return certificate_id


def _extension(request: Parameters) -> Extension:
    try:
        return request.cell.extensions[request.required("DomainExtensionId")]
    except KeyError:
        raise extension_not_found() from None


def _process(request: Parameters, extension: Extension) -> None:
    """The extension is busy for a while; then clients see it."""
    world, listener = request.world, extension.listener
    extension.processing = True

    def done() -> None:
        extension.processing = False
        extension.visible = True
        if listener.balancer.listeners.get(listener.port) is listener:
            world.publish(request.cell, listener)

    world.occupy(listener.balancer, "extension", world.settings.extensionSeconds, done)


@SLB.action("CreateDomainExtension", changes=True)
def create(request: Parameters) -> Answer:
    world, cell = request.world, request.cell
    balancer, listener = find(request)
    domain = request.required("Domain").lower()
    if _DOMAIN.match(domain) is None or len(domain) > 253:
        raise _wrong_domain("The specified parameter Domain is not valid.")
    if not balancer.spec:
        raise ApiError(400, "UnsupportedOperation", "Shared-performance instances have no domain extensions.")
    certificate_id = _certificate(request)
    if any(extension.domain == domain for extension in listener.extensions):
        raise _wrong_domain("The specified Domain exists already.")
    if len(listener.extensions) >= world.settings.extensionQuota:
        raise ApiError(400, "OverQuota", "The number of domain extensions of the listener has reached the quota.")
    world.check_free(balancer, extension_change=True)
    extension = Extension(world.new_extension_id(), listener, domain, certificate_id)
    listener.extensions.append(extension)
    cell.extensions[extension.id] = extension
    _process(request, extension)
    return {"DomainExtensionId": extension.id, "ListenerPort": listener.port}


def _wrong_domain(message: str) -> ApiError:
    return ApiError(400, "InvalidParameter.Domain", message)


@SLB.action("DescribeDomainExtensions")
def describe(request: Parameters) -> Answer:
    _, listener = find(request)
    wanted = request.text("DomainExtensionId")
    return {
        "DomainExtensions": {
            "DomainExtension": [
                {
                    "DomainExtensionId": extension.id,
                    "Domain": extension.domain,
                    "ServerCertificateId": extension.certificate_id,
                }
                for extension in listener.extensions
                if wanted in ("", extension.id)
            ]
        }
    }


@SLB.action("DescribeDomainExtensionAttribute")
def describe_one(request: Parameters) -> Answer:
    extension = _extension(request)
    return {
        "DomainExtensionId": extension.id,
        "Domain": extension.domain,
        "LoadBalancerId": extension.listener.balancer.id,
        "ListenerPort": extension.listener.port,
        "ServerCertificateId": extension.certificate_id,
    }


@SLB.action("SetDomainExtensionAttribute", changes=True)
def change(request: Parameters) -> Answer:
    extension = _extension(request)
    certificate_id = _certificate(request)
    _check_idle(request, extension)
    _replace(request, extension, certificate_id)
    return {}


def _replace(request: Parameters, extension: Extension, certificate_id: str) -> None:
    # The old certificate is served until the new one is in place, so the extension stays visible to clients.
    if certificate_id != extension.certificate_id:
        request.world.let_go(request.cell, "extension", extension.certificate_id)
        extension.certificate_id = certificate_id
    _process(request, extension)


def _check_idle(request: Parameters, extension: Extension) -> None:
    if extension.processing:
        raise busy("DomainExtensionProcessing")
    request.world.check_free(extension.listener.balancer, extension_change=True)


@SLB.action("DeleteDomainExtension", changes=True)
def delete(request: Parameters) -> Answer:
    extension = _extension(request)
    _check_idle(request, extension)
    extension.listener.extensions.remove(extension)
    del request.cell.extensions[extension.id]
    request.world.let_go(request.cell, "extension", extension.certificate_id)
    request.world.publish(request.cell, extension.listener)
    return {}
