"""The calls of the certificate service, version 3."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from emulators.common.clock import Clock
from emulators.common.emulator import Call
from emulators.common.http_server import Response, json_response, parse_json, split_pairs
from emulators.huawei.access import DOMAIN_ID, Access
from emulators.huawei.certificates import (
    EXPORTABLE,
    ID_PATTERN,
    Certificate,
    Material,
    Store,
    material_from_pem,
    public_key_bytes,
    split_pem,
)
from emulators.huawei.errors import ApiError

PAGE_SIZES = ("10", "20", "50")
MAX_OFFSET = 100
SORT_KEYS = ("certExpiredTime", "certStatus", "certUpdateTime")
FILTER_STATUSES = (
    "ALL",
    "PAID",
    "ISSUED",
    "CHECKING",
    "CANCELCHECKING",
    "UNPASSED",
    "EXPIRED",
    "REVOKING",
    "REVOKED",
    "UPLOAD",
    "CHECKING_ORG",
    "ISSUING",
    "SUPPLEMENTCHECKING",
)
_ENTERPRISE_PROJECT = re.compile(r"[0-9a-z]{8}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{12}")
_IMPORT_NAME = re.compile(r"[A-Za-z0-9_.-]{3,63}")
_EPOCH = datetime.fromtimestamp(0, UTC)
PUSH_SERVICES = ("CDN", "WAF", "ELB")


@dataclass
class Switches:
    """Where the real service's behaviour is unknown or a test wants it off the usual.

    orderStatusAlias     the old query name `order_status` filters as `status` does
    refuseDeepOffset     an offset above 100 is 400 SCM.0005
    permissionStatus     HTTP status of SCM.4002: 401, or 403
    totalCountError      added to every total_count
    touchBetweenPages    each list answer moves the oldest entry to the front afterwards
    zoneHours            time zone of all times in answers
    timeSuffix           what follows the seconds
    """

    orderStatusAlias: bool = False
    refuseDeepOffset: bool = False
    permissionStatus: int = 401
    totalCountError: int = 0
    touchBetweenPages: bool = False
    zoneHours: float = 8
    timeSuffix: str = ".0"


class Scm:
    """Answers authenticated calls; raises ApiError for what the service refuses."""

    def __init__(self, clock: Clock, store: Store, access: Access) -> None:
        self._clock = clock
        self._store = store
        self._access = access
        self.switches = Switches()

    # -- rendering ----------------------------------------------------------

    def time(self, moment: datetime | None) -> str | None:
        if moment is None:
            return None
        zone = timezone(timedelta(hours=self.switches.zoneHours))
        return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") + self.switches.timeSuffix

    def _common(self, c: Certificate) -> dict[str, Any]:
        wildcards = sum(name.startswith("*.") for name in c.names)
        return {
            "id": c.id,
            "name": c.name,
            "domain": c.names[0] if c.names else None,
            "sans": ";".join(c.names[1:]) or None,
            "signature_algorithm": c.signature_algorithm,
            "type": c.type,
            "brand": c.brand,
            "domain_type": c.domain_type,
            "validity_period": c.validity_period,
            "status": self._store.status(c),
            "domain_count": max(1, len(c.names)),
            "wildcard_count": wildcards,
            "description": c.description,
            "enterprise_project_id": c.enterprise_project_id,
        }

    def _listed(self, c: Certificate) -> dict[str, Any]:
        not_after = c.material.not_after if c.material else None
        more = {"deploy_support": c.deploy_support, "expire_time": self.time(not_after), "domain_id": DOMAIN_ID}
        return {**self._common(c), **more}

    def _shown(self, c: Certificate) -> dict[str, Any]:
        return {
            **self._common(c),
            "order_id": c.order_id,
            "push_support": "ON" if c.deploy_support else "OFF",
            "revoke_reason": c.revoke_reason or None,
            "issue_time": self.time(c.issue_time),
            "not_before": self.time(c.material.not_before if c.material else None),
            "not_after": self.time(c.material.not_after if c.material else None),
            "validation_method": "DNS",
            "multi_domain_type": "primary_single" if c.domain_type == "MULTI_DOMAIN" else None,
            "fingerprint": c.sha1 or None,
            "shared": c.shared,
            "application_info": None,
            "authentification": [],
        }

    # -- list ---------------------------------------------------------------

    def list_certificates(self, call: Call) -> Response:
        query = self._query(call)
        limit, offset = self._page(query)
        found = self._filtered(query)
        key = _one_of(query, "sort_key", SORT_KEYS, "certUpdateTime")
        direction = _one_of(query, "sort_dir", ("ASC", "DESC"), "DESC")
        found.sort(key=lambda c: self._sort_value(c, key), reverse=direction == "DESC")
        page = [self._listed(c) for c in found[offset : offset + limit]]
        if self.switches.touchBetweenPages:
            self._store.touch_oldest()
        total = max(0, len(found) + self.switches.totalCountError)
        return json_response(200, {"certificates": page, "total_count": total})

    @staticmethod
    def _query(call: Call) -> dict[str, str]:
        """The first value of each parameter; an empty value means that there is none."""
        result: dict[str, str] = {}
        for name, value in split_pairs(call.request.query):
            if value:
                result.setdefault(unquote(name), unquote(value))
        return result

    def _page(self, query: dict[str, str]) -> tuple[int, int]:
        limit = _one_of(query, "limit", PAGE_SIZES, "10")
        offset = query.get("offset", "0")
        if not offset.isascii() or not offset.isdigit() or len(offset) > 9:
            raise ApiError("SCM.0005", "offset is not a number of items")
        if self.switches.refuseDeepOffset and int(offset) > MAX_OFFSET:
            raise ApiError("SCM.0005", f"offset is larger than {MAX_OFFSET}")
        return int(limit), int(offset)

    def _filtered(self, query: dict[str, str]) -> list[Certificate]:
        status = query.get("status")
        if status is None and self.switches.orderStatusAlias:
            status = query.get("order_status")
        if status is not None and status not in FILTER_STATUSES:
            raise ApiError("SCM.0005", "status is unknown")
        project = query.get("enterprise_project_id", "all")
        if project not in ("all", "0") and not _ENTERPRISE_PROJECT.fullmatch(project):
            raise ApiError("SCM.0005", "enterprise_project_id is malformed")
        deployable = _flag(query, "deploy_support", False)
        own_only = _flag(query, "owned_by_self", True)
        words = query.get("content", "").lower()
        if len(words) > 255:
            raise ApiError("SCM.0005", "content is too long")
        horizon = self._horizon(query)

        def wanted(c: Certificate) -> bool:
            if status not in (None, "ALL") and self._store.status(c) != status:
                return False
            if project != "all" and c.enterprise_project_id != project:
                return False
            if (deployable and not c.deploy_support) or (own_only and c.shared):
                return False
            if horizon is not None and c.material is not None and c.material.not_after < horizon:
                return False
            return not words or any(words in text.lower() for text in [c.name, *c.names])

        return [c for c in self._store.all() if wanted(c)]

    def _horizon(self, query: dict[str, str]) -> datetime | None:
        days = query.get("expired_days_since")
        if days is None:
            return None
        if not days.isascii() or not days.isdigit() or len(days) > 4 or int(days) > 1095:
            raise ApiError("SCM.0005", "expired_days_since is not a number from 0 to 1095")
        return self._clock.now() - timedelta(days=int(days))

    def _sort_value(self, c: Certificate, key: str) -> tuple[Any, str]:
        if key == "certExpiredTime":
            return (c.material.not_after if c.material else _EPOCH), c.id
        if key == "certStatus":
            return self._store.status(c), c.id
        return c.updated, c.id

    # -- one certificate ----------------------------------------------------

    def _find(self, call: Call) -> Certificate:
        certificate_id = call.params["certificate_id"]
        if len(certificate_id) != 16:
            raise ApiError("SCM.0008")
        found = self._store.find(certificate_id) if ID_PATTERN.fullmatch(certificate_id) else None
        if found is None:
            raise ApiError("SCM.0020")
        return found

    def show_certificate(self, call: Call) -> Response:
        return json_response(200, self._shown(self._find(call)))

    def export_certificate(self, call: Call) -> Response:
        if call.request.body.strip() not in (b"", b"{}"):
            json_body(call)
        certificate = self._find(call)
        if certificate.material is None:
            raise ApiError("SCM.0010")
        if self._store.status(certificate) not in EXPORTABLE and not certificate.export.ignoreState:
            raise ApiError("SCM.0010")
        if certificate.export.noKey == "SCM.0059":
            raise ApiError("SCM.0059")
        return json_response(200, self._store.export(certificate))

    def delete_certificate(self, call: Call) -> Response:
        self._store.delete(self._find(call).id)
        call.changed = True
        return Response(204)

    # -- import -------------------------------------------------------------

    def import_certificate(self, call: Call) -> Response:
        body = json_body(call)
        name = _text(body, "name", 255, required=True)
        if not _IMPORT_NAME.fullmatch(name):
            raise ApiError("SCM.0032")
        project = _text(body, "enterprise_project_id", 64) or "0"
        if project not in ("0", "all") and not _ENTERPRISE_PROJECT.fullmatch(project):
            raise ApiError("SCM.0005", "enterprise_project_id is malformed")
        duplicate_check = body.get("duplicate_check")
        if duplicate_check is not None and not isinstance(duplicate_check, bool):
            raise ApiError("SCM.0005", "duplicate_check is true or false")
        if bool(_text(body, "enc_certificate", 4096)) != bool(_text(body, "enc_private_key", 4096)):
            raise ApiError("SCM.0005", "enc_certificate and enc_private_key belong together")
        material = self._imported(body)
        if duplicate_check and any(c.material and c.material.leaf == material.leaf for c in self._store.all()):
            raise ApiError("SCM.0005", "an identical certificate exists")
        certificate = self._store.add_import(material, name, "0" if project == "all" else project)
        call.changed = True
        return json_response(200, {"certificate_id": certificate.id})

    def _imported(self, body: dict[str, Any]) -> Material:
        certificate = _pem(body, "certificate", 4096, "SCM.0053", required=True)
        chain = _pem(body, "certificate_chain", 8192, "SCM.0053")
        key = _pem(body, "private_key", 4096, "SCM.0114", required=True)
        leaf = _load_certificate(split_pem(certificate)[:1], "SCM.0006")[0]
        above = _load_certificate(split_pem(chain) if chain else split_pem(certificate)[1:], "SCM.0013")
        try:
            private = load_pem_private_key(key.encode(), None)
        except (ValueError, TypeError) as error:
            raise ApiError("SCM.0012") from error
        if public_key_bytes(private.public_key()) != public_key_bytes(leaf.public_key()):
            raise ApiError("SCM.0014")
        _check_chain(leaf, above)
        if leaf.not_valid_after_utc <= self._clock.now():
            raise ApiError("SCM.0005", "the certificate has expired")
        material = material_from_pem(certificate, chain, key + "\n")
        if not material.names:
            raise ApiError("SCM.0009")
        return material

    # -- push ---------------------------------------------------------------

    def push_certificate(self, call: Call) -> Response:
        body = json_body(call)
        service = _text(body, "target_service", 64, required=True).upper()
        project = _text(body, "target_project", 255)
        self._pushable(call)
        if service not in PUSH_SERVICES:
            raise ApiError("SCM.0030")
        if service != "CDN" and project not in self._access.projects:
            raise ApiError("SCM.0069")
        call.changed = True
        return Response(204)

    def batch_push_certificate(self, call: Call) -> Response:
        body = json_body(call)
        service = _text(body, "target_service", 64, required=True).upper()
        projects = body.get("target_projects")
        if (
            not isinstance(projects, list)
            or not 1 <= len(projects) <= 10
            or not all(isinstance(p, str) for p in projects)
        ):
            raise ApiError("SCM.0005", "target_projects is an array of 1 to 10 texts")
        certificate = self._pushable(call)
        if service not in PUSH_SERVICES:
            raise ApiError("SCM.0030")
        call.changed = True
        results = [
            {"project_name": p, "cert_id": f"{certificate.sha1[:24]}{i:08x}", "message": "success"}
            if p in self._access.projects
            else {"project_name": p, "cert_id": "", "message": "invalid region"}
            for i, p in enumerate(projects)
        ]
        return json_response(200, {"results": results})

    def _pushable(self, call: Call) -> Certificate:
        certificate = self._find(call)
        if self._store.status(certificate) not in EXPORTABLE or certificate.export.noKey is not None:
            raise ApiError("SCM.0010")
        return certificate


def _one_of(query: dict[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = query.get(name, default)
    if value not in allowed:
        raise ApiError("SCM.0005", f"{name} is not one of {', '.join(allowed)}")
    return value


def _flag(query: dict[str, str], name: str, default: bool) -> bool:
    value = query.get(name)
    if value is None:
        return default
    if value.lower() not in ("true", "false"):
        raise ApiError("SCM.0005", f"{name} is not true or false")
    return value.lower() == "true"


def json_body(call: Call) -> dict[str, Any]:
    """The request's JSON object; ApiError when it is none."""
    try:
        value = parse_json(call.request.body)
    except ValueError as error:
        raise ApiError("SCM.0005", "the body is not JSON") from error
    if not isinstance(value, dict):
        raise ApiError("SCM.0005", "the body is not an object")
    return value


def _text(body: dict[str, Any], name: str, longest: int, required: bool = False) -> str:
    value = body.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value) or len(value) > longest:
        raise ApiError("SCM.0005", f"{name} is a text of at most {longest} characters")
    return value


def _pem(body: dict[str, Any], name: str, longest: int, marker_code: str, required: bool = False) -> str:
    """The service wants the markers at the very ends of the text: no line break around them."""
    text = _text(body, name, longest, required)
    if text and not (text.startswith("-----BEGIN ") and text.endswith("-----")):
        raise ApiError(marker_code, f"({name})")
    return text


def _load_certificate(blocks: list[str], code: str) -> list[x509.Certificate]:
    try:
        loaded = [x509.load_pem_x509_certificate(block.encode()) for block in blocks]
    except ValueError as error:
        raise ApiError(code) from error
    if not loaded:
        raise ApiError(code)
    return loaded


def _check_chain(leaf: x509.Certificate, above: list[x509.Certificate]) -> None:
    for lower, upper in zip([leaf, *above], above, strict=False):
        try:
            lower.verify_directly_issued_by(upper)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise ApiError("SCM.0079") from error
