"""Temporary keys by the SDK's own providers: OIDC at IAM and STS, machine metadata, pod identity."""

from __future__ import annotations

import pytest
import requests
from huaweicloudsdkcore.auth import internal
from huaweicloudsdkcore.auth.credentials import GlobalCredentials
from huaweicloudsdkcore.auth.internal import MetadataAccessor, OidcStsAccessor, PodIdentityAccessor
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException, SdkException
from huaweicloudsdkscm.v3 import (
    DeployCertificateRequest,
    DeployCertificateRequestBody,
    DeployedResource,
    ListCertificatesRequest,
    ListDeployedResourcesRequest,
    ListDeployedResourcesRequestBody,
    ScmClient,
)

from emulators.common.client import AdminClient
from emulators.huawei import HuaweiEmulator
from emulators.huawei.access import DEFAULT_AGENCY, DEFAULT_AK, DEFAULT_SK, DOMAIN_ID
from emulators.huawei.ambient import DEFAULT_ID_TOKEN


@pytest.fixture
def emulator():
    with HuaweiEmulator() as running:
        yield running


@pytest.fixture
def admin(emulator):
    return AdminClient(emulator.admin_url)


def client_of(emulator, credentials) -> ScmClient:
    return ScmClient.new_builder().with_credentials(credentials).with_endpoint(emulator.url).build()


def works(emulator, credentials) -> bool:
    return client_of(emulator, credentials).list_certificates(ListCertificatesRequest()).total_count == 0


@pytest.fixture
def id_token_file(tmp_path):
    file = tmp_path / "token"
    file.write_text(DEFAULT_ID_TOKEN + "\n")
    return file


def test_an_id_token_is_exchanged_at_iam(emulator, admin, id_token_file):
    credentials = GlobalCredentials(domain_id=DOMAIN_ID).with_iam_endpoint(emulator.url)
    assert works(emulator, credentials.with_idp_id("cluster").with_id_token_file(str(id_token_file)))
    entries = admin.journal()
    assert [e["operation"] for e in entries] == ["CreateTokenByIdToken", "CreateSecurityToken", "ListCertificates"]
    assert entries[-1]["authKind"] == "temporary"
    assert DEFAULT_ID_TOKEN not in str(entries) and credentials.security_token not in str(entries)


def test_a_foreign_id_token_is_refused(emulator, id_token_file):
    id_token_file.write_text("other")
    credentials = GlobalCredentials(domain_id=DOMAIN_ID).with_iam_endpoint(emulator.url)
    with pytest.raises(ClientRequestException) as caught:
        works(emulator, credentials.with_idp_id("cluster").with_id_token_file(str(id_token_file)))
    assert caught.value.status_code == 401


def test_an_id_token_is_exchanged_at_sts(emulator, admin):
    urns = f"iam::{DOMAIN_ID}:oidc-provider:cluster", f"iam::{DOMAIN_ID}:agency:{DEFAULT_AGENCY}"
    accessor = OidcStsAccessor(*urns, DEFAULT_ID_TOKEN, "session-1", 900)
    credentials = GlobalCredentials(domain_id=DOMAIN_ID).with_sts_endpoint(emulator.url)
    credentials.sts_accessor = accessor
    assert works(emulator, credentials)
    assert DEFAULT_ID_TOKEN not in str(admin.journal())
    refused = OidcStsAccessor(urns[0], urns[1] + "-other", DEFAULT_ID_TOKEN, "session-1", 900)
    credentials = GlobalCredentials(domain_id=DOMAIN_ID).with_sts_endpoint(emulator.url)
    credentials.sts_accessor = refused
    with pytest.raises((ClientRequestException, SdkException)):
        works(emulator, credentials)


@pytest.fixture
def metadata(emulator, monkeypatch):
    monkeypatch.setattr(internal.MetadataAccessor, "_METADATA_ENDPOINT", emulator.url)
    return MetadataAccessor()


@pytest.mark.parametrize("with_token", [True, False])
def test_a_machine_gets_keys(emulator, admin, metadata, with_token):
    admin.post("/admin/workload", {"metadataTokens": with_token})
    credentials = GlobalCredentials(domain_id=DOMAIN_ID)
    credentials.sts_accessor = metadata
    assert works(emulator, credentials)


def test_a_machines_keys_change_six_hours_before_their_end(admin, metadata):
    first = metadata.get_credential()
    admin.post("/admin/clock", {"advanceSeconds": 3600})
    assert metadata.get_credential().access == first.access
    admin.post("/admin/clock", {"advanceSeconds": 17 * 3600 + 1})
    second = metadata.get_credential()
    assert second.access != first.access and second.expire_at > first.expire_at


def test_a_machine_without_an_agency_is_told_so(admin, metadata):
    admin.post("/admin/workload", {"machineAgency": False})
    with pytest.raises(ClientRequestException) as caught:
        metadata.get_credential()
    assert caught.value.status_code == 401 and "Please configure Cloud Service Agency first" in str(caught.value)


def test_a_pod_gets_keys(emulator, admin, id_token_file):
    credentials = GlobalCredentials(domain_id=DOMAIN_ID)
    credentials.sts_accessor = PodIdentityAccessor(emulator.url + "/pod-identity/credentials", str(id_token_file))
    assert works(emulator, credentials)
    assert [e["authKind"] for e in admin.journal()] == ["podIdentity", "temporary"]
    id_token_file.write_text("other")
    with pytest.raises(SdkException):
        credentials.sts_accessor.get_credential()


def test_an_agencys_permissions_bound_its_keys(emulator, admin, id_token_file):
    admin.post("/admin/agencies", {"name": DEFAULT_AGENCY, "actions": ["scm:cert:get"]})
    credentials = GlobalCredentials(domain_id=DOMAIN_ID)
    credentials.sts_accessor = PodIdentityAccessor(emulator.url + "/pod-identity/credentials", str(id_token_file))
    with pytest.raises(ClientRequestException) as caught:
        works(emulator, credentials)
    assert caught.value.error_code == "SCM.4002"


def test_the_caller_learns_its_account(emulator):
    value, _ = emulator.access.new_token("someone", {"scm:*"}, None, "password")
    answer = requests.get(emulator.url + "/v5/caller-identity", headers={"X-Auth-Token": value}, timeout=5)
    assert answer.json()["account_id"] == DOMAIN_ID
    assert requests.get(emulator.url + "/v5/caller-identity", timeout=5).status_code == 401


def test_deployment_reports_failures_in_a_good_answer(emulator, admin):
    client = client_of(emulator, GlobalCredentials(DEFAULT_AK, DEFAULT_SK, DOMAIN_ID))
    made = admin.post("/admin/certificates", {"names": ["shop.example"], "kind": "ec"})["id"]
    admin.post("/admin/resources", {"service": "ELB", "id": "elb-1", "region": "ap-southeast-1"})
    admin.post("/admin/resources", {"service": "CDN", "id": "cdn.example"})
    elb = DeployCertificateRequestBody(
        "ap-southeast-1", "ELB", [DeployedResource(id="elb-1"), DeployedResource(id="elb-2")]
    )
    [failure] = client.deploy_certificate(DeployCertificateRequest(made, elb)).failure_list
    assert failure.resource == "elb-2"
    cdn = DeployCertificateRequestBody(service_name="CDN", resources=[DeployedResource(domain_name="cdn.example")])
    assert client.deploy_certificate(DeployCertificateRequest(made, cdn)).failure_list == []

    def deployed(*services: str):
        body = ListDeployedResourcesRequestBody([made], list(services))
        [result] = client.list_deployed_resources(ListDeployedResourcesRequest(body)).results
        return result

    assert deployed("ALL").total_num == 2
    [entry] = deployed("ELB").deployed_resources
    assert (entry.service, entry.region_resources[0].region_id) == ("ELB", "ap-southeast-1")
    assert entry.region_resources[0].resources[0].resource_id == "elb-1"
    with pytest.raises(ClientRequestException):
        deployed("MAIL")
