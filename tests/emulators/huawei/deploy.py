"""Deployment of certificates to resources in other services, and the list of what is deployed."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from emulators.common.admin import AdminError
from emulators.common.emulator import Call
from emulators.common.http_server import Response, json_response
from emulators.huawei.certificates import EXPORTABLE, Store
from emulators.huawei.errors import ApiError
from emulators.huawei.scm import PUSH_SERVICES, json_body

GLOBAL_REGION = "global"


@dataclass
class Resource:
    """Something that serves a certificate: a CDN domain, or a certificate object of WAF or ELB."""

    service: str
    region: str
    id: str
    certificate_id: str = ""


class Deployments:
    """Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._resources: list[Resource] = []

    def add(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """For the admin face: a resource that exists in another service."""
        service, name = str(wanted.get("service", "")).upper(), str(wanted.get("id") or "")
        if service not in PUSH_SERVICES or not name:
            raise AdminError(400, f"a resource has a service ({', '.join(PUSH_SERVICES)}) and an id")
        region = GLOBAL_REGION if service == "CDN" else str(wanted.get("region", "ap-southeast-1"))
        with self._lock:
            self._resources.append(Resource(service, region, name))
        return {"service": service, "region": region, "id": name}

    def deploy(self, call: Call) -> Response:
        """200 whatever becomes of the single resources; those that failed are listed."""
        body = json_body(call)
        service = str(body.get("service_name") or "").upper()
        project, wanted = body.get("project_name"), body.get("resources")
        if service not in PUSH_SERVICES:
            raise ApiError("SCM.0030")
        if service != "CDN" and (not isinstance(project, str) or not project):
            raise ApiError("SCM.0005", "project_name is needed for this service")
        if not isinstance(wanted, list) or not 1 <= len(wanted) <= 20 or not all(isinstance(r, dict) for r in wanted):
            raise ApiError("SCM.0005", "resources is an array of 1 to 20 objects")
        certificate = self._store.find(call.params["certificate_id"])
        if certificate is None:
            raise ApiError("SCM.0020")
        if self._store.status(certificate) not in EXPORTABLE or certificate.export.noKey is not None:
            raise ApiError("SCM.0010")
        region = GLOBAL_REGION if service == "CDN" else str(project)
        names = [str(entry.get("domain_name" if service == "CDN" else "id") or "") for entry in wanted]
        failed = [name for name in names if not self._bind(service, region, name, certificate.id)]
        call.changed = len(failed) < len(names)
        listing = [{"resource": name, "failure_info": "the resource does not exist"} for name in failed]
        return json_response(200, {"failure_list": listing})

    def _bind(self, service: str, region: str, name: str, certificate_id: str) -> bool:
        with self._lock:
            for resource in self._resources:
                if (resource.service, resource.region, resource.id) == (service, region, name):
                    resource.certificate_id = certificate_id
                    return True
        return False

    def list_deployed(self, call: Call) -> Response:
        body = json_body(call)
        ids, services = body.get("certificate_ids"), body.get("service_names")
        if (
            not isinstance(ids, list)
            or not 1 <= len(ids) <= 50
            or not all(isinstance(i, str) and len(i) == 16 for i in ids)
        ):
            raise ApiError("SCM.0005", "certificate_ids is an array of 1 to 50 ids")
        if not isinstance(services, list) or not services or any(s not in (*PUSH_SERVICES, "ALL") for s in services):
            raise ApiError("SCM.0005", "service_names is an array of WAF, CDN, ELB, ALL")
        wanted = PUSH_SERVICES if "ALL" in services else tuple(services)
        return json_response(200, {"results": [self._result(i, wanted) for i in ids]})

    def _result(self, certificate_id: str, services: tuple[str, ...]) -> dict[str, Any]:
        with self._lock:
            bound = [r for r in self._resources if r.certificate_id == certificate_id and r.service in services]
        deployed = []
        for service in sorted({r.service for r in bound}):
            regions: dict[str, list[Resource]] = {}
            for resource in bound:
                if resource.service == service:
                    regions.setdefault(resource.region, []).append(resource)
            deployed.append(
                {
                    "service": service,
                    "resource_num": sum(map(len, regions.values())),
                    "resource_location": GLOBAL_REGION if service == "CDN" else "region",
                    "region_resources": [
                        {
                            "region_id": region,
                            "is_error": False,
                            "resources": [{"resource_id": r.id, "resource_name": r.id} for r in found],
                        }
                        for region, found in sorted(regions.items())
                    ],
                }
            )
        return {"certificate_id": certificate_id, "total_num": len(bound), "deployed_resources": deployed}
