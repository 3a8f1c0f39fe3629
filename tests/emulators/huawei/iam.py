"""The IAM calls a client of the certificate service needs: tokens, projects, the account."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import unquote

from emulators.common.emulator import Call
from emulators.common.http_server import Response, json_response, parse_json, split_pairs
from emulators.huawei.access import DOMAIN_ID, DOMAIN_NAME, Access, Caller, Token
from emulators.huawei.errors import IamError

AGENT_ACTION = "iam:agencies:assume"
_ACCOUNT = (DOMAIN_ID, DOMAIN_NAME)
WRONG_PASSWORD = "The username or password is wrong."


class Iam:
    """Raises IamError for what the token call refuses."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def create_token(self, call: Call) -> Response:
        """201 with the token in X-Subject-Token; by password, or by an agency for a caller with a token."""
        auth = _member(iam_object(call), "auth", dict)
        identity = _member(auth, "identity", dict)
        methods = _member(identity, "methods", list)
        project = self._scope(auth)
        if methods == ["password"]:
            user, actions = self._by_password(identity)
        elif methods == ["assume_role"]:
            user, actions = self._by_agency(call, identity)
        else:
            raise IamError(400, "The request body is invalid: methods.")
        call.auth_kind, call.key_id = methods[0], user
        value, token = self._access.new_token(user, actions, project, methods[0])
        call.changed = True
        with_catalog = ("nocatalog", "true") not in list(split_pairs(call.request.query))
        body = {"token": self._describe(user, token, with_catalog)}
        return json_response(201, body, {"X-Subject-Token": value})

    def _by_password(self, identity: dict[str, Any]) -> tuple[str, set[str]]:
        wanted = _member(_member(identity, "password", dict), "user", dict)
        name, password = _member(wanted, "name", str), _member(wanted, "password", str)
        domain = _member(_member(wanted, "domain", dict), "name", str)
        user = self._access.check_password(name, password, domain)
        if user is None:
            raise IamError(401, WRONG_PASSWORD)
        return user.name, user.actions

    def _by_agency(self, call: Call, identity: dict[str, Any]) -> tuple[str, set[str]]:
        caller = self._access.token(call.request.header("X-Auth-Token"))
        if caller is None:
            raise IamError(401, "The request you have made requires authentication.")
        role = _member(identity, "assume_role", dict)
        name = _member(role, "agency_name", str)
        domain = role.get("domain_id") or role.get("domain_name")
        actions = self._access.agencies.get(name)
        if actions is None or domain not in (DOMAIN_ID, DOMAIN_NAME):
            raise IamError(404, f"Could not find agency: {name}.")
        if not Caller("token", "", frozenset(caller.actions)).may(AGENT_ACTION):
            raise IamError(403, f"You have no right to do this action: {AGENT_ACTION}.")
        return f"{DOMAIN_NAME}/{name}", actions

    def _scope(self, auth: dict[str, Any]) -> str | None:
        """The project's name; None for the account. A project wins over an account; neither means the account."""
        scope = auth.get("scope")
        if scope is None:
            return None
        if not isinstance(scope, dict):
            raise IamError(400, "The request body is invalid: scope.")
        project, domain = scope.get("project"), scope.get("domain")
        if isinstance(project, dict):
            for name, project_id in self._access.projects.items():
                if project.get("id", project_id) == project_id and project.get("name", name) == name and project:
                    return name
            raise IamError(400, "Could not find project.")
        if isinstance(domain, dict) and (domain.get("id", DOMAIN_ID), domain.get("name", DOMAIN_NAME)) == _ACCOUNT:
            return None
        raise IamError(400, "The request body is invalid: scope.")

    def _describe(self, user: str, token: Token, with_catalog: bool) -> dict[str, Any]:
        domain = {"id": DOMAIN_ID, "name": DOMAIN_NAME}
        known = self._access.users.get(user)
        value: dict[str, Any] = {
            "expires_at": iam_time(token.expires_at),
            "issued_at": iam_time(token.issued_at),
            "methods": list(token.methods),
            "user": {"domain": domain, "id": known.id if known else "", "name": user, "password_expires_at": ""},
            "roles": [{"id": "0", "name": action} for action in sorted(token.actions)],
        }
        if with_catalog:
            value["catalog"] = []
        if token.project is None:
            value["domain"] = domain
        else:
            value["project"] = {"domain": domain, "id": self._access.projects[token.project], "name": token.project}
        return value

    def list_projects(self, call: Call) -> Response:
        wanted = dict(split_pairs(call.request.query)).get("name")
        projects = [
            {
                "id": i,
                "name": n,
                "domain_id": DOMAIN_ID,
                "parent_id": DOMAIN_ID,
                "enabled": True,
                "is_domain": False,
                "description": "",
            }
            for n, i in self._access.projects.items()
            if wanted in (None, "") or unquote(wanted) == n
        ]
        return json_response(200, {"projects": projects, "links": {"self": "", "next": None, "previous": None}})

    @staticmethod
    def list_domains(caller: Caller) -> Response:
        """The account; nothing for temporary keys, as the service answers."""
        account = {"id": DOMAIN_ID, "name": DOMAIN_NAME, "enabled": True, "description": ""}
        domains = [] if caller.kind == "temporary" else [account]
        return json_response(200, {"domains": domains, "links": {"self": "", "next": None, "previous": None}})


def iam_time(moment: datetime) -> str:
    """UTC with microseconds, as IAM and STS write times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def iam_object(call: Call) -> dict[str, Any]:
    """The request's JSON object; IamError when it is none."""
    try:
        value = parse_json(call.request.body)
    except ValueError as error:
        raise IamError(400, "The request body is not JSON.") from error
    if not isinstance(value, dict):
        raise IamError(400, "The request body is invalid.")
    return value


def _member(value: dict[str, Any], name: str, kind: type) -> Any:
    entry = value.get(name)
    if not isinstance(entry, kind):
        raise IamError(400, f"The request body is invalid: {name}.")
    return entry
