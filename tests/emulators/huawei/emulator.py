"""Joins the faces: which path is which call, who may make it, and the admin verbs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

from cryptography.hazmat.primitives import hashes

from emulators.common.admin import AdminCall, AdminError, AdminFace
from emulators.common.certs import fingerprint
from emulators.common.emulator import Call, Emulator
from emulators.common.faults import Fault
from emulators.common.http_server import Request, Response
from emulators.huawei.access import DOMAIN_ID, Access, Caller, describe_key, describe_user
from emulators.huawei.ambient import Ambient
from emulators.huawei.certificates import Certificate, Store
from emulators.huawei.deploy import Deployments
from emulators.huawei.errors import ApiError, IamError, error_response, iam_error_response
from emulators.huawei.iam import Iam
from emulators.huawei.scm import Scm

_CERTIFICATE = r"/v3/scm/certificates/(?P<certificate_id>[^/]+)"

# operation -> method, path, the actions of which one is needed (none: any caller)
OPERATIONS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "ListCertificates": ("GET", r"/v3/scm/certificates", ("scm:cert:list",)),
    "ImportCertificate": ("POST", r"/v3/scm/certificates/import", ("scm:cert:upload",)),
    "ShowCertificate": ("GET", _CERTIFICATE, ("scm:cert:get",)),
    # The two names of one action: policies and identity policies.
    "ExportCertificate": ("POST", _CERTIFICATE + "/export", ("scm:cert:download", "scm:cert:export")),
    "PushCertificate": ("POST", _CERTIFICATE + "/push", ("scm:cert:push",)),
    "BatchPushCertificate": ("POST", _CERTIFICATE + "/batch-push", ("scm:cert:push",)),
    "DeployCertificate": ("POST", _CERTIFICATE + "/deploy", ("scm:cert:deployResources",)),
    "ListDeployedResources": ("POST", r"/v3/scm/deployed-resources", ("scm:cert:list",)),
    "DeleteCertificate": ("DELETE", _CERTIFICATE, ("scm:cert:delete",)),
    "CreateToken": ("POST", r"/v3/auth/tokens", ()),
    "ListProjects": ("GET", r"/v3/projects", ()),
    "ListDomains": ("GET", r"/v3/auth/domains", ()),
    "GetCallerIdentity": ("GET", r"/v5/caller-identity", ()),
    "CreateTokenByIdToken": ("POST", r"/v3\.0/OS-AUTH/id-token/tokens", ()),
    "CreateSecurityToken": ("POST", r"/v3\.0/OS-CREDENTIAL/securitytokens", ()),
    "AssumeAgencyWithOidc": ("POST", r"/v5/agencies/assume-with-oidc", ()),
    "MetadataToken": ("PUT", r"/meta-data/latest/api/token", ()),
    "MetadataCredentials": ("GET", r"/openstack/latest/securitykey", ()),
    "PodIdentity": ("POST", r"/pod-identity/credentials", ()),
}
# Calls that refuse in IAM's shape: an object `error`.
_IAM_SHAPE = ("CreateToken", "CreateTokenByIdToken", "CreateSecurityToken", "AssumeAgencyWithOidc")
_ROUTES = [(name, method, re.compile(path)) for name, (method, path, _) in OPERATIONS.items()]


class HuaweiEmulator(Emulator):
    """SCM v3 and IAM on one port; paths tell them apart."""

    name = "huawei"

    def __init__(
        self, listen: tuple[str, int] = ("127.0.0.1", 0), admin: tuple[str, int] = ("127.0.0.1", 0), tls: bool = False
    ) -> None:
        super().__init__(listen, admin, tls)
        self.access = Access(self.clock)
        self.store = Store(self.clock, self.certificates)
        self.scm = Scm(self.clock, self.store, self.access)
        self.iam = Iam(self.access)
        self.ambient = Ambient(self.clock, self.access)
        self.deployments = Deployments(self.store)
        # Calls that establish who the caller is, and so have no caller yet.
        self._open_calls: dict[str, Callable[[Call], Response]] = {
            "CreateToken": self.iam.create_token,
            "CreateTokenByIdToken": self.ambient.token_by_id_token,
            "CreateSecurityToken": self.ambient.security_token,
            "AssumeAgencyWithOidc": self.ambient.assume_with_oidc,
            "MetadataToken": self.ambient.metadata_token,
            "MetadataCredentials": self.ambient.metadata_credentials,
            "PodIdentity": self.ambient.pod_identity,
        }
        self._calls: dict[str, Callable[[Call], Response]] = {
            "ListCertificates": self.scm.list_certificates,
            "ImportCertificate": self.scm.import_certificate,
            "ShowCertificate": self.scm.show_certificate,
            "ExportCertificate": self.scm.export_certificate,
            "PushCertificate": self.scm.push_certificate,
            "BatchPushCertificate": self.scm.batch_push_certificate,
            "DeployCertificate": self.deployments.deploy,
            "ListDeployedResources": self.deployments.list_deployed,
            "DeleteCertificate": self.scm.delete_certificate,
            "ListProjects": self.iam.list_projects,
        }

    # -- the API face -------------------------------------------------------

    def identify(self, request: Request) -> Call:
        call = Call(request, "Unknown")
        for name, method, path in _ROUTES:
            match = path.fullmatch(request.path)
            if match is not None and method == request.method:
                call.operation, call.params = name, match.groupdict()
                break
        if call.operation == "PodIdentity":
            call.auth_kind = "podIdentity"
        else:
            call.auth_kind, call.key_id = self.access.describe(request)
        return call

    def answer(self, call: Call) -> Response:
        try:
            response = self._answer(call)
        except ApiError as error:
            response = self._error(call, error)
        except IamError as error:
            call.error_code = str(error.status)
            response = iam_error_response(error)
        return self._finished(call, response)

    def _answer(self, call: Call) -> Response:
        if call.operation == "Unknown":
            raise ApiError("APIGW.0101")
        if call.operation in self._open_calls:
            return self._open_calls[call.operation](call)
        caller = self._authenticated(call)
        self._check_scope(call, caller)
        needed = OPERATIONS[call.operation][2]
        if needed and not caller.may(*needed):
            raise ApiError("SCM.4002", f"({needed[0]})", self.scm.switches.permissionStatus)
        if call.operation == "ListDomains":
            return self.iam.list_domains(caller)
        if call.operation == "GetCallerIdentity":
            return self.ambient.caller_identity(caller)
        return self._calls[call.operation](call)

    def _authenticated(self, call: Call) -> Caller:
        try:
            return self.access.authenticate(call.request)
        except ApiError as error:
            # IAM refuses tokens in its own shape; signatures are the gateway's business everywhere.
            if call.operation in ("ListProjects", "ListDomains") and call.auth_kind == "token":
                raise IamError(401, "The request you have made requires authentication.") from error
            raise

    def _check_scope(self, call: Call, caller: Caller) -> None:
        """Project and account that a request names have to be the caller's."""
        project = call.request.header("X-Project-Id")
        if project and project not in self.access.projects.values():
            raise ApiError("SCM.0002")
        if project and caller.project_id is not None and project != caller.project_id:
            raise ApiError("SCM.0002")
        domain = call.request.header("X-Domain-Id")
        if domain and domain != DOMAIN_ID:
            raise ApiError("SCM.0002")

    def _error(self, call: Call, error: ApiError) -> Response:
        call.error_code = error.code
        english = call.request.header("X-Language").lower() == "en-us"
        return error_response(error, english, call.request_id)

    @staticmethod
    def _finished(call: Call, response: Response) -> Response:
        response.headers["X-Request-Id"] = call.request_id
        response.headers["Server"] = "api-gateway"
        return response

    def throttled(self, call: Call, fault: Fault) -> Response:
        code = fault.code or "APIGW.0308"
        detail = fault.message or "policy user over ratelimit,limit:20,time:1 minute"
        response = self._error(call, ApiError(code, detail, 429))
        if fault.retryAfter is not None:
            response.headers["Retry-After"] = fault.retryAfter
        return self._finished(call, response)

    def failure(self, call: Call, fault: Fault) -> Response:
        if call.operation in _IAM_SHAPE and fault.code is None:
            call.error_code = str(fault.status)
            return self._finished(
                call, iam_error_response(IamError(fault.status, fault.message or "Fault as ordered."))
            )
        code = fault.code or ("SCM.0007" if fault.status == 500 else "APIGW.0201")
        return self._finished(call, self._error(call, ApiError(code, fault.message or "", fault.status)))

    # -- the admin face -----------------------------------------------------

    def describe(self, certificate: Certificate) -> dict[str, Any]:
        """All about a certificate, with its PEM texts: what tests compare with."""
        value: dict[str, Any] = {
            "id": certificate.id,
            "name": certificate.name,
            "status": self.store.status(certificate),
            "names": certificate.names,
            "kind": certificate.kind,
            "enterpriseProjectID": certificate.enterprise_project_id,
            "export": asdict(certificate.export),
            "certificate": None,
        }
        if certificate.material is not None:
            leaf = certificate.material.certificate
            value["certificate"] = {
                "leaf": certificate.material.leaf,
                "chain": "".join(certificate.material.chain),
                "bundle": certificate.material.leaf + "".join(certificate.material.chain),
                "privateKey": certificate.material.key,
                "root": certificate.material.root,
                "sha1": fingerprint(leaf, hashes.SHA1()),
                "sha256": fingerprint(leaf, hashes.SHA256()),
                "serial": f"{leaf.serial_number:x}",
                "notBefore": leaf.not_valid_before_utc.isoformat(),
                "notAfter": leaf.not_valid_after_utc.isoformat(),
            }
        return value

    def add_admin_routes(self, admin: AdminFace) -> None:
        store, one = self.store, "/admin/certificates/{id}"

        def route(method: str, path: str, action: Callable[[AdminCall], Certificate]) -> None:
            admin.route(method, path, lambda call: self.describe(action(call)))

        route("POST", "/admin/certificates", lambda call: store.add(call.object()))
        route("GET", one, lambda call: store.get(call.params["id"]))
        route("PATCH", one, lambda call: store.update(call.params["id"], call.object()))
        route("POST", one + "/renew", lambda call: store.renew(call.params["id"], call.object()))
        route("POST", one + "/reissue", lambda call: store.reissue(call.params["id"], call.object()))
        route(
            "POST",
            one + "/revoke",
            lambda call: store.set_status(
                call.params["id"], "REVOKED", str(call.object().get("reason", "UNSPECIFIED"))
            ),
        )
        route(
            "POST", one + "/status", lambda call: store.set_status(call.params["id"], str(call.object().get("status")))
        )
        route("POST", one + "/export-behaviour", lambda call: store.set_export(call.params["id"], call.object()))
        admin.route(
            "GET", "/admin/certificates", lambda call: {"certificates": [self.describe(c) for c in store.all()]}
        )
        admin.route("DELETE", one, self._delete_certificate)
        admin.route("GET", "/admin/switches", lambda call: asdict(self.scm.switches))
        admin.route("POST", "/admin/switches", lambda call: _set_fields(self.scm.switches, call.object()))
        admin.route("POST", "/admin/resources", lambda call: self.deployments.add(call.object()))
        self._add_access_routes(admin)

    def _add_access_routes(self, admin: AdminFace) -> None:
        access = self.access

        def token_life(call: AdminCall) -> Any:
            access.set_token_life(float(call.object()["seconds"]))
            return {}

        admin.route("GET", "/admin/access", lambda call: access.describe_all())
        admin.route("POST", "/admin/keys", lambda call: describe_key(access.put_key(call.object())))
        admin.route("POST", "/admin/users", lambda call: describe_user(access.put_user(call.object())))
        admin.route("POST", "/admin/agencies", lambda call: access.put_agency(call.object()))
        admin.route("DELETE", "/admin/keys/{name}", lambda call: access.remove("keys", call.params["name"]))
        admin.route("DELETE", "/admin/users/{name}", lambda call: access.remove("users", call.params["name"]))
        admin.route("DELETE", "/admin/agencies/{name}", lambda call: access.remove("agencies", call.params["name"]))
        admin.route("GET", "/admin/workload", lambda call: asdict(self.ambient.workload))
        admin.route("POST", "/admin/workload", lambda call: _set_fields(self.ambient.workload, call.object()))
        admin.route("POST", "/admin/tokens/expire", lambda call: {"tokens": access.expire_tokens()})
        admin.route("POST", "/admin/tokens/forget", lambda call: {"tokens": access.forget_tokens()})
        admin.route("POST", "/admin/tokens/life", token_life)

    def _delete_certificate(self, call: AdminCall) -> None:
        if not self.store.delete(call.params["id"]):
            raise AdminError(404, f"there is no certificate {call.params['id']}")


def _set_fields(target: Any, wanted: dict[str, Any]) -> dict[str, Any]:
    """Sets fields of a dataclass by name; each keeps the type of its default."""
    standard = type(target)()
    known = {f.name: getattr(standard, f.name) for f in fields(target)}
    for name, value in wanted.items():
        if name not in known:
            raise AdminError(400, f"unknown field {name!r}; known are {', '.join(sorted(known))}")
        number = isinstance(known[name], (int, float)) and not isinstance(known[name], bool)
        fits = (
            isinstance(value, (int, float)) and not isinstance(value, bool)
            if number
            else type(value) is type(known[name])
        )
        if not fits:
            raise AdminError(400, f"field {name!r} has the wrong type")
    for name, value in wanted.items():
        setattr(target, name, value)
    return asdict(target)
