"""Server certificates: upload, list, rename, delete."""

from __future__ import annotations

import re

from .errors import ApiError, invalid_parameter
from .model import DEFAULT_RESOURCE_GROUP, Certificate
from .parameters import Parameters, iso_seconds, tag_list
from .pem import parse_pair
from .registry import SLB, Answer

# The wider of the two documented sets: the Chinese page allows more than the English one.
_NAME = re.compile(r"^[\u4e00-\u9fffA-Za-z0-9\-/._*]{1,80}$")


def check_name(name: str) -> str:
    if _NAME.match(name) is None:
        raise invalid_parameter("The specified ServerCertificateName is not valid.")
    return name


def base_view(certificate: Certificate, region: str) -> Answer:
    """What upload and list have in common. The list of names is missing when there are none."""
    pair = certificate.pair
    view: Answer = {
        "ServerCertificateId": certificate.id,
        "ServerCertificateName": certificate.name,
        "RegionId": region,
        "RegionIdAlias": region,
        "Fingerprint": pair.fingerprint,
        "CommonName": pair.common_name,
        "ExpireTime": iso_seconds(pair.not_after_ms),
        "ExpireTimeStamp": pair.not_after_ms,
        "AliCloudCertificateId": "",
        "AliCloudCertificateName": "",
        "IsAliCloudCertificate": int(certificate.from_cas),
        "ResourceGroupId": certificate.resource_group,
    }
    if pair.names:
        view["SubjectAlternativeNames"] = {"SubjectAlternativeName": list(pair.names)}
    return view


@SLB.action("UploadServerCertificate", changes=True)
def upload(request: Parameters) -> Answer:
    """Never idempotent: the same pair gets a new id each time."""
    world, cell = request.world, request.cell
    name = check_name(request.text("ServerCertificateName")) if request.has("ServerCertificateName") else ""
    if request.has("AliCloudCertificateId"):
        raise invalid_parameter("The specified AliCloudCertificateId does not exist.")
    pair = parse_pair(request.required("ServerCertificate"), request.required("PrivateKey"), world.rules())
    tags = request.new_tags()
    if len(cell.certificates) >= world.settings.certificateQuota:
        raise ApiError(400, "OverQuota", "The number of server certificates has reached the quota.")
    group = request.text("ResourceGroupId", DEFAULT_RESOURCE_GROUP)
    return base_view(world.add_certificate(cell, pair, name, tags, resource_group=group), cell.region)


@SLB.action("DescribeServerCertificates")
def describe(request: Parameters) -> Answer:
    wanted, group = request.text("ServerCertificateId"), request.text("ResourceGroupId")
    found = [
        certificate
        for certificate in request.cell.certificates.values()
        if wanted in ("", certificate.id)
        and group in ("", certificate.resource_group)
        and request.matches_tags(certificate.tags)
    ]
    return {"ServerCertificates": {"ServerCertificate": [_listed(entry, request.cell.region) for entry in found]}}


def _listed(certificate: Certificate, region: str) -> Answer:
    created = certificate.created_ms // 1000 * 1000
    return {
        **base_view(certificate, region),
        "CreateTime": iso_seconds(created),
        "CreateTimeStamp": created,
        "Tags": {"Tag": tag_list(certificate.tags)},
    }


@SLB.action("DeleteServerCertificate", changes=True)
def delete(request: Parameters) -> Answer:
    request.world.delete_certificate(request.cell, request.required("ServerCertificateId"))
    return {}


@SLB.action("SetServerCertificateName", changes=True)
def rename(request: Parameters) -> Answer:
    certificate = request.cell.certificate(request.required("ServerCertificateId"))
    certificate.name = check_name(request.required("ServerCertificateName"))
    return {}
