"""The emulated IAM, driven by the official SDK and by plain calls where the SDK has none."""

from __future__ import annotations

import pytest
import requests
from huaweicloudsdkcore.auth.credentials import GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkiam.v3 import (
    AuthScope,
    AuthScopeDomain,
    AuthScopeProject,
    IamClient,
    KeystoneCreateUserTokenByPasswordRequest,
    KeystoneCreateUserTokenByPasswordRequestBody,
    KeystoneListAuthDomainsRequest,
    KeystoneListProjectsRequest,
    PwdAuth,
    PwdIdentity,
    PwdPassword,
    PwdPasswordUser,
    PwdPasswordUserDomain,
)

from emulators.common.client import AdminClient
from emulators.huawei import HuaweiEmulator
from emulators.huawei.access import (
    DEFAULT_AGENCY,
    DEFAULT_AK,
    DEFAULT_PASSWORD,
    DEFAULT_SK,
    DEFAULT_USER,
    DOMAIN_ID,
    DOMAIN_NAME,
    PROJECTS,
)


@pytest.fixture
def emulator():
    with HuaweiEmulator() as running:
        yield running


@pytest.fixture
def admin(emulator):
    return AdminClient(emulator.admin_url)


def client_of(emulator, credentials=None) -> IamClient:
    chosen = credentials or GlobalCredentials(DEFAULT_AK, DEFAULT_SK, DOMAIN_ID)
    return IamClient.new_builder().with_credentials(chosen).with_endpoint(emulator.url).build()


def token_request(scope, user=DEFAULT_USER, password=DEFAULT_PASSWORD, domain=DOMAIN_NAME):
    who = PwdPasswordUser(domain=PwdPasswordUserDomain(name=domain), name=user, password=password)
    auth = PwdAuth(identity=PwdIdentity(methods=["password"], password=PwdPassword(user=who)), scope=scope)
    body = KeystoneCreateUserTokenByPasswordRequestBody(auth=auth)
    return KeystoneCreateUserTokenByPasswordRequest(nocatalog="true", body=body)


def list_with(emulator, token: str) -> requests.Response:
    return requests.get(emulator.url + "/v3/scm/certificates", headers={"X-Auth-Token": token}, timeout=5)


@pytest.mark.parametrize("project", [{"name": "ap-southeast-1"}, {"id": PROJECTS["ap-southeast-1"]}])
def test_a_password_gives_a_token_for_a_project(emulator, project):
    scope = AuthScope(project=AuthScopeProject(**project))
    answer = client_of(emulator).keystone_create_user_token_by_password(token_request(scope))
    assert answer.token.project.name == "ap-southeast-1" and answer.token.project.id == PROJECTS["ap-southeast-1"]
    assert answer.token.methods == ["password"] and answer.token.user.name == DEFAULT_USER
    assert answer.token.user.id == emulator.access.users[DEFAULT_USER].id
    assert answer.token.issued_at < answer.token.expires_at and answer.token.expires_at.endswith("Z")
    assert len(answer.x_subject_token) > 3000
    assert list_with(emulator, answer.x_subject_token).status_code == 200


def test_a_password_gives_a_token_for_the_account(emulator):
    scope = AuthScope(domain=AuthScopeDomain(name=DOMAIN_NAME))
    answer = client_of(emulator).keystone_create_user_token_by_password(token_request(scope))
    assert answer.token.domain.id == DOMAIN_ID
    assert list_with(emulator, answer.x_subject_token).status_code == 200


@pytest.mark.parametrize("wrong", [{"user": "nobody"}, {"password": "no"}, {"domain": "other"}])
def test_a_wrong_password_is_a_401(emulator, wrong):
    scope = AuthScope(project=AuthScopeProject(name="ap-southeast-1"))
    with pytest.raises(ClientRequestException) as caught:
        client_of(emulator).keystone_create_user_token_by_password(token_request(scope, **wrong))
    assert caught.value.status_code == 401
    assert "username or password" in caught.value.error_msg


def test_the_error_object_has_code_message_and_title(emulator):
    answer = requests.post(emulator.url + "/v3/auth/tokens", data="{", timeout=5)
    assert answer.status_code == 400
    assert set(answer.json()["error"]) == {"code", "message", "title"} and answer.json()["error"]["code"] == 400
    answer = requests.post(emulator.url + "/v3/auth/tokens", json={"auth": {}}, timeout=5)
    assert answer.status_code == 400


def test_a_changed_password_ends_the_tokens(emulator, admin):
    request = token_request(AuthScope(project=AuthScopeProject(name="ap-southeast-1")))
    token = client_of(emulator).keystone_create_user_token_by_password(request).x_subject_token
    admin.post("/admin/users", {"name": DEFAULT_USER, "password": "Another-1"})
    assert list_with(emulator, token).json()["error_code"] == "SCM.1000"
    with pytest.raises(ClientRequestException):
        client_of(emulator).keystone_create_user_token_by_password(request)


def test_a_token_has_the_permissions_of_its_user_and_the_life_that_was_set(emulator, admin):
    admin.post("/admin/users", {"name": "viewer", "password": "Viewer-1", "actions": ["scm:cert:get"]})
    admin.post("/admin/tokens/life", {"seconds": 60})
    scope = AuthScope(project=AuthScopeProject(name="ap-southeast-1"))
    token = (
        client_of(emulator)
        .keystone_create_user_token_by_password(token_request(scope, "viewer", "Viewer-1"))
        .x_subject_token
    )
    answer = list_with(emulator, token)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "SCM.4002")
    admin.post("/admin/clock", {"advanceSeconds": 61})
    assert list_with(emulator, token).json()["error_code"] == "APIGW.0307"


def assume(emulator, token: str | None, **role: str) -> requests.Response:
    identity = {
        "methods": ["assume_role"],
        "assume_role": {"agency_name": DEFAULT_AGENCY, "domain_name": DOMAIN_NAME, **role},
    }
    body = {"auth": {"identity": identity, "scope": {"project": {"name": "ap-southeast-1"}}}}
    headers = {"X-Auth-Token": token} if token else {}
    return requests.post(emulator.url + "/v3/auth/tokens", json=body, headers=headers, timeout=5)


def test_an_agency_is_assumed_with_a_token(emulator):
    own, _ = emulator.access.new_token(DEFAULT_USER, {"iam:*"}, None, "password")
    answer = assume(emulator, own)
    assert answer.status_code == 201 and answer.json()["token"]["methods"] == ["assume_role"]
    assert list_with(emulator, answer.headers["X-Subject-Token"]).status_code == 200
    assert assume(emulator, None).status_code == 401
    assert assume(emulator, own, agency_name="none").status_code == 404
    weak, _ = emulator.access.new_token(DEFAULT_USER, {"scm:*"}, None, "password")
    assert assume(emulator, weak).status_code == 403


def test_projects_and_the_account_are_listed(emulator, admin):
    client = client_of(emulator)
    [project] = client.keystone_list_projects(KeystoneListProjectsRequest(name="cn-north-4")).projects
    assert project.id == PROJECTS["cn-north-4"]
    assert len(client.keystone_list_projects(KeystoneListProjectsRequest()).projects) == len(PROJECTS)
    [domain] = client.keystone_list_auth_domains(KeystoneListAuthDomainsRequest()).domains
    assert (domain.id, domain.name) == (DOMAIN_ID, DOMAIN_NAME)
    key = admin.post("/admin/keys", {"temporary": True})
    temporary = GlobalCredentials(key["ak"], key["sk"], DOMAIN_ID).with_security_token(key["securityToken"])
    assert client_of(emulator, temporary).keystone_list_auth_domains(KeystoneListAuthDomainsRequest()).domains == []


def test_a_throttled_or_failing_token_call(emulator, admin):
    request = token_request(AuthScope(project=AuthScopeProject(name="ap-southeast-1")))
    admin.fault(operation="CreateToken", kind="throttle", code="IAM.0012", times=1)
    with pytest.raises(ClientRequestException) as caught:
        client_of(emulator).keystone_create_user_token_by_password(request)
    assert (caught.value.status_code, caught.value.error_code) == (429, "IAM.0012")
    admin.fault(operation="CreateToken", kind="status", status=503, times=1)
    answer = requests.post(emulator.url + "/v3/auth/tokens", json={}, timeout=5)
    assert answer.status_code == 503 and answer.json()["error"]["title"] == "Service Unavailable"


def test_no_password_reaches_the_journal(emulator, admin):
    request = token_request(AuthScope(project=AuthScopeProject(name="ap-southeast-1")))
    client_of(emulator).keystone_create_user_token_by_password(request)
    [entry] = admin.journal(operation="CreateToken")
    assert DEFAULT_PASSWORD not in str(entry) and DEFAULT_USER in entry["body"] and entry["keyId"] == DEFAULT_USER
