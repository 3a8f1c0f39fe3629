"""The emulated certificate service, driven by the official SDK.

What passes here shows that the emulator speaks the service's language, not merely our client's.
"""

from __future__ import annotations

import threading
from datetime import timedelta, timezone

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from huaweicloudsdkcore.auth.credentials import BasicCredentials, GlobalCredentials
from huaweicloudsdkcore.exceptions.exceptions import (
    ClientRequestException,
    ConnectionException,
    SdkException,
    ServerResponseException,
)
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkcore.region.region import Region
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.algorithm import SigningAlgorithm
from huaweicloudsdkscm.v3 import (
    BatchPushCertificateRequest,
    BatchPushCertificateRequestBody,
    DeleteCertificateRequest,
    ExportCertificateRequest,
    ImportCertificateRequest,
    ImportCertificateRequestBody,
    ListCertificatesRequest,
    PushCertificateRequest,
    PushCertificateRequestBody,
    ScmClient,
    ShowCertificateRequest,
)

from emulators.common.certs import CertificateFactory
from emulators.common.client import AdminClient
from emulators.huawei import HuaweiEmulator
from emulators.huawei.access import DEFAULT_AK, DEFAULT_SK, DOMAIN_ID, PROJECTS

ENTERPRISE = "0aa1bb22-3c4d-5e6f-7a8b-9c0d1e2f3a4b"


@pytest.fixture
def emulator():
    with HuaweiEmulator() as running:
        yield running


@pytest.fixture
def admin(emulator):
    return AdminClient(emulator.admin_url)


def client_of(emulator, ak=DEFAULT_AK, sk=DEFAULT_SK, credentials=None) -> ScmClient:
    config = HttpConfig.get_default_config()
    config.timeout = (5, 5)
    if emulator.ca_file:
        config.ssl_ca_cert = emulator.ca_file
    chosen = credentials or GlobalCredentials(ak, sk, DOMAIN_ID)
    return ScmClient.new_builder().with_credentials(chosen).with_http_config(config).with_endpoint(emulator.url).build()


@pytest.fixture
def client(emulator):
    return client_of(emulator)


def add(admin: AdminClient, *names: str, **more: object) -> dict:
    return admin.post("/admin/certificates", {"names": list(names), "kind": "ec", **more})


def listed(client: ScmClient, **query: object) -> list[str]:
    return [c.id for c in client.list_certificates(ListCertificatesRequest(**query)).certificates]


def export(client: ScmClient, certificate_id: str):
    return client.export_certificate(ExportCertificateRequest(certificate_id))


def refused(action, status: int, code: str):
    with pytest.raises((ClientRequestException, ServerResponseException)) as caught:
        action()
    assert (caught.value.status_code, caught.value.error_code) == (status, code)
    assert caught.value.request_id
    return caught.value


# -- list ---------------------------------------------------------------------


def test_an_empty_account_lists_nothing(client):
    answer = client.list_certificates(ListCertificatesRequest())
    assert (answer.certificates, answer.total_count) == ([], 0)


def test_a_listed_certificate_has_every_documented_field(admin, client):
    made = add(admin, "shop.example", "www.shop.example", validForDays=30)
    [entry] = client.list_certificates(ListCertificatesRequest()).certificates
    assert entry.id == made["id"] and len(entry.id) == 16 and entry.id.startswith("scs")
    assert (entry.domain, entry.sans, entry.status) == ("shop.example", "www.shop.example", "ISSUED")
    assert (entry.domain_type, entry.domain_count, entry.wildcard_count) == ("MULTI_DOMAIN", 2, 0)
    assert (entry.domain_id, entry.enterprise_project_id, entry.deploy_support) == (DOMAIN_ID, "0", True)
    assert entry.description is None
    expected = x509.load_pem_x509_certificate(made["certificate"]["leaf"].encode()).not_valid_after_utc
    assert entry.expire_time == expected.astimezone(timezone(timedelta(hours=8))).strftime("%Y-%m-%d %H:%M:%S.0")


def test_pages_are_counted_in_items_and_the_total_counts_all(admin, client):
    made = [add(admin, f"host-{i}.example", status="PAID")["id"] for i in range(25)][::-1]
    for limit in (10, 20):
        seen = []
        while len(seen) < 25:
            answer = client.list_certificates(ListCertificatesRequest(limit=limit, offset=len(seen)))
            assert answer.total_count == 25 and answer.certificates
            seen += [c.id for c in answer.certificates]
        assert seen == made
    assert len(listed(client)) == 10
    assert len(listed(client, limit=50)) == 25
    past = client.list_certificates(ListCertificatesRequest(limit=50, offset=100))
    assert (past.certificates, past.total_count) == ([], 25)


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 5},
        {"limit": 100},
        {"offset": -1},
        {"sort_dir": "UP"},
        {"sort_key": "name"},
        {"status": "NEW"},
        {"enterprise_project_id": "mine"},
        {"expired_days_since": 1096},
        {"content": "x" * 256},
    ],
)
def test_a_wrong_parameter_is_refused(client, query):
    refused(lambda: listed(client, **query), 400, "SCM.0005")


def test_an_offset_beyond_100_is_refused_only_when_switched_on(admin, client):
    assert listed(client, offset=101) == []
    admin.post("/admin/switches", {"refuseDeepOffset": True})
    refused(lambda: listed(client, offset=101), 400, "SCM.0005")


def test_filters_choose(admin, client):
    plain = add(admin, "shop.example")["id"]
    wild = add(admin, "*.wild.example", enterpriseProjectID=ENTERPRISE, name="winter")["id"]
    paid = add(admin, "paid.example", status="PAID", deploySupport=False)["id"]
    shared = add(admin, "shared.example", shared=True)["id"]
    long_gone = add(admin, "gone.example", validForDays=-40)["id"]
    just_gone = add(admin, "late.example", validForDays=-3)["id"]
    own = {plain, wild, paid, long_gone, just_gone}

    def ids(**query: object) -> set[str]:
        return set(listed(client, limit=50, **query))

    assert ids() == own
    assert ids(status="ALL") == own
    assert ids(status="ISSUED") == {plain, wild}
    assert ids(status="EXPIRED") == {long_gone, just_gone}
    assert ids(status="PAID") == {paid}
    assert ids(owned_by_self=False) == own | {shared}
    assert ids(deploy_support=True) == own - {paid}
    assert ids(enterprise_project_id=ENTERPRISE) == {wild}
    assert ids(enterprise_project_id="0") == own - {wild}
    assert ids(enterprise_project_id="all") == own
    assert ids(expired_days_since=5) == own - {long_gone}
    assert ids(expired_days_since=0) == own - {long_gone, just_gone}
    assert ids(content="WILD.ex") == {wild} and ids(content="winter") == {wild}
    assert ids(content="*.wild", status="ISSUED", sort_key="certStatus") == {wild}
    assert ids(content="nothing") == set()


def test_sorting_follows_the_key_and_the_direction(admin, client):
    late = add(admin, "a.example", validForDays=80)["id"]
    soon = add(admin, "b.example", validForDays=8)["id"]
    paid = add(admin, "c.example", status="PAID")["id"]
    assert listed(client) == [paid, soon, late]
    assert listed(client, sort_dir="ASC") == [late, soon, paid]
    assert listed(client, sort_key="certExpiredTime") == [late, soon, paid]
    assert listed(client, sort_key="certExpiredTime", sort_dir="ASC") == [paid, soon, late]
    assert listed(client, sort_key="certStatus")[0] == paid
    admin.post(f"/admin/certificates/{late}/reissue")
    assert listed(client, sort_key="certUpdateTime")[0] == late


def test_the_old_name_of_the_status_filter_is_ignored_unless_switched_on(emulator, admin):
    add(admin, "a.example", status="PAID")
    token = token_of(emulator)

    def ask() -> int:
        url = emulator.url + "/v3/scm/certificates?order_status=ISSUED&limit=&content="
        return requests.get(url, headers={"X-Auth-Token": token}, timeout=5).json()["total_count"]

    assert ask() == 1
    admin.post("/admin/switches", {"orderStatusAlias": True})
    assert ask() == 0


def test_a_change_between_pages_moves_items(admin, client):
    for i in range(12):
        add(admin, f"h{i}.example", status="PAID")
    admin.post("/admin/switches", {"touchBetweenPages": True, "totalCountError": 1})
    first = client.list_certificates(ListCertificatesRequest(limit=10))
    second = listed(client, limit=10, offset=10)
    assert first.total_count == 13
    assert set(second) & {c.id for c in first.certificates}


# -- show and states ----------------------------------------------------------


def test_show_has_the_sha1_fingerprint_and_the_dates(admin, client):
    made = add(admin, "shop.example")
    shown = client.show_certificate(ShowCertificateRequest(made["id"]))
    leaf = x509.load_pem_x509_certificate(made["certificate"]["leaf"].encode())
    assert shown.fingerprint == leaf.fingerprint(hashes.SHA1()).hex() and len(shown.fingerprint) == 40
    assert shown.not_before < shown.not_after and shown.not_after.endswith(".0") and shown.issue_time
    assert (shown.status, shown.shared, shown.push_support) == ("ISSUED", False, "ON")


def test_a_paid_certificate_has_no_dates(admin, client):
    made = add(admin, status="PAID")
    shown = client.show_certificate(ShowCertificateRequest(made["id"]))
    assert (shown.domain, shown.not_before, shown.not_after, shown.issue_time, shown.fingerprint) == (None,) * 5


def test_unknown_and_malformed_ids(client):
    refused(lambda: client.show_certificate(ShowCertificateRequest("scs0000000000001")), 404, "SCM.0020")
    refused(lambda: client.show_certificate(ShowCertificateRequest("short")), 400, "SCM.0008")
    refused(lambda: export(client, "scs0000000000001"), 404, "SCM.0020")


def test_a_renewal_has_a_new_id_and_the_old_one_stays(admin, client):
    old = add(admin, "shop.example", validForDays=20)
    new = admin.post(f"/admin/certificates/{old['id']}/renew")
    assert new["id"] > old["id"] and set(listed(client)) == {old["id"], new["id"]}
    assert new["names"] == old["names"]
    assert new["certificate"]["notAfter"] > old["certificate"]["notAfter"]
    assert export(client, old["id"]).certificate == old["certificate"]["leaf"]
    assert export(client, new["id"]).private_key != old["certificate"]["privateKey"]


def test_a_reissue_keeps_the_id_and_changes_the_fingerprint(admin, client):
    old = add(admin, "shop.example")
    admin.post(f"/admin/certificates/{old['id']}/reissue")
    shown = client.show_certificate(ShowCertificateRequest(old["id"]))
    assert shown.fingerprint != old["certificate"]["sha1"]


def test_a_certificate_goes_from_paid_to_issued_to_expired(admin, client):
    made = add(admin, "shop.example", status="PAID")["id"]
    for status in ("CHECKING", "CHECKING_DOMAIN", "ISSUING"):
        admin.post(f"/admin/certificates/{made}/status", {"status": status})
        refused(lambda: export(client, made), 400, "SCM.0010")
    admin.post(f"/admin/certificates/{made}/status", {"status": "ISSUED"})
    assert export(client, made).private_key
    admin.post("/admin/certificates/" + made + "/reissue", {"validForDays": -1})
    assert client.show_certificate(ShowCertificateRequest(made)).status == "EXPIRED"
    refused(lambda: export(client, made), 400, "SCM.0010")


def test_a_revoked_certificate_is_not_exported(admin, client):
    made = add(admin, "shop.example")["id"]
    admin.post(f"/admin/certificates/{made}/revoke", {"reason": "KEY_COMPROMISE"})
    shown = client.show_certificate(ShowCertificateRequest(made))
    assert (shown.status, shown.revoke_reason) == ("REVOKED", "KEY_COMPROMISE")
    refused(lambda: export(client, made), 400, "SCM.0010")


# -- export -------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind,header",
    [
        ("rsa", "-----BEGIN RSA PRIVATE KEY-----"),
        ("rsa-pkcs8", "-----BEGIN PRIVATE KEY-----"),
        ("ec", "-----BEGIN EC PRIVATE KEY-----"),
        ("ec-pkcs8", "-----BEGIN PRIVATE KEY-----"),
    ],
)
def test_an_export_is_a_real_pair_with_its_chain(emulator, admin, client, kind, header):
    made = add(admin, "shop.example", kind=kind)
    answer = export(client, made["id"])
    assert answer.entire_certificate == answer.certificate + answer.certificate_chain
    assert answer.private_key.startswith(header)
    leaf, intermediate = x509.load_pem_x509_certificates(answer.entire_certificate.encode())
    assert load_pem_private_key(answer.private_key.encode(), None).public_key() == leaf.public_key()
    leaf.verify_directly_issued_by(intermediate)
    root = x509.load_pem_x509_certificate(AdminClient(emulator.admin_url).get("/admin/ca")["root"].encode())
    intermediate.verify_directly_issued_by(root)


@pytest.mark.parametrize("how,value", [("absent", None), ("null", None), ("empty", "")])
def test_a_certificate_of_an_own_request_has_no_key(admin, client, how, value):
    made = add(admin, "shop.example", export={"noKey": how})["id"]
    assert export(client, made).private_key == value


def test_a_missing_key_can_be_an_error(admin, client):
    made = add(admin, "shop.example", export={"noKey": "SCM.0059"})["id"]
    refused(lambda: export(client, made), 400, "SCM.0059")


def test_export_can_be_unsound(admin, client):
    made = add(admin, "shop.example")["id"]

    def with_behaviour(**how: bool):
        reset = dict.fromkeys(("wrongKey", "brokenOrder", "missingNewline", "crlf", "withRoot", "withoutEntire"), False)
        admin.post(f"/admin/certificates/{made}/export-behaviour", {**reset, **how})
        return export(client, made)

    answer = with_behaviour(wrongKey=True)
    leaf = x509.load_pem_x509_certificate(answer.certificate.encode())
    assert load_pem_private_key(answer.private_key.encode(), None).public_key() != leaf.public_key()
    answer = with_behaviour(brokenOrder=True)
    assert x509.load_pem_x509_certificates(answer.entire_certificate.encode())[1] == leaf
    assert (
        "-----END CERTIFICATE----------BEGIN CERTIFICATE-----" in with_behaviour(missingNewline=True).entire_certificate
    )
    answer = with_behaviour(crlf=True)
    assert answer.entire_certificate.count("\n") == answer.entire_certificate.count("\r\n") > 10
    assert "\r\n" in answer.private_key
    assert len(x509.load_pem_x509_certificates(with_behaviour(withRoot=True).entire_certificate.encode())) == 3
    assert with_behaviour(withoutEntire=True).entire_certificate is None


# -- import, push and delete --------------------------------------------------


@pytest.fixture
def pair():
    return CertificateFactory("Import").issue(["import.example", "*.import.example"], "ec")


def body_of(issued, **more: object) -> ImportCertificateRequestBody:
    values = {
        "name": "import.example",
        "certificate": issued.leaf_pem.strip(),
        "private_key": issued.key_pem.strip(),
        "certificate_chain": issued.intermediate_pem.strip(),
        **more,
    }
    return ImportCertificateRequestBody(**values)


def import_(client: ScmClient, body: ImportCertificateRequestBody) -> str:
    return client.import_certificate(ImportCertificateRequest(body)).certificate_id


def test_an_imported_certificate_is_exported_as_it_came(client, pair):
    made = import_(client, body_of(pair))
    assert client.show_certificate(ShowCertificateRequest(made)).status == "UPLOAD"
    answer = export(client, made)
    assert (answer.certificate, answer.private_key) == (pair.leaf_pem, pair.key_pem)
    assert answer.certificate_chain == pair.intermediate_pem
    assert listed(client, status="UPLOAD") == [made]


def test_an_imported_certificate_may_hold_its_chain(client, pair):
    made = import_(client, body_of(pair, certificate=pair.bundle_pem.strip(), certificate_chain=None))
    assert export(client, made).certificate_chain == pair.intermediate_pem


def test_what_cannot_be_imported_is_refused_with_its_code(client, pair):
    other = CertificateFactory("Other").issue(["other.example"], "ec")
    old = CertificateFactory("Old")
    expired = old.issue(["old.example"], "ec", old.root.not_valid_before_utc, pair.not_before)
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
    for change, code in [
        ({"name": "a b"}, "SCM.0032"),
        ({"name": "ab"}, "SCM.0032"),
        ({"certificate": None}, "SCM.0005"),
        ({"certificate": "x" * 4097}, "SCM.0005"),
        ({"certificate": pair.leaf_pem}, "SCM.0053"),
        ({"certificate": broken}, "SCM.0006"),
        ({"certificate_chain": broken}, "SCM.0013"),
        ({"certificate_chain": None}, "SCM.0013"),
        ({"private_key": "key"}, "SCM.0114"),
        ({"private_key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"}, "SCM.0012"),
        ({"private_key": other.key_pem.strip()}, "SCM.0014"),
        ({"certificate_chain": other.intermediate_pem.strip()}, "SCM.0079"),
        ({"enc_certificate": broken}, "SCM.0005"),
    ]:
        body = body_of(pair, **change)
        refused(lambda body=body: import_(client, body), 400, code)
    refused(lambda: import_(client, body_of(expired)), 400, "SCM.0005")
    assert listed(client) == []


def test_an_identical_certificate_is_refused_on_demand_only(client, pair):
    import_(client, body_of(pair))
    import_(client, body_of(pair, duplicate_check=False))
    refused(lambda: import_(client, body_of(pair, duplicate_check=True)), 400, "SCM.0005")


def test_the_journal_has_no_key_of_an_import(admin, client, pair):
    import_(client, body_of(pair))
    [entry] = admin.journal(operation="ImportCertificate")
    assert "PRIVATE KEY" not in entry["body"] and "import.example" in entry["body"] and entry["changed"]


def test_a_deleted_certificate_is_gone(admin, client):
    made = add(admin, "shop.example")["id"]
    assert client.delete_certificate(DeleteCertificateRequest(made)).status_code == 204
    refused(lambda: client.delete_certificate(DeleteCertificateRequest(made)), 404, "SCM.0020")


def test_push_and_batch_push(admin, client):
    made = add(admin, "shop.example")["id"]

    def push(service: str, project: str):
        body = PushCertificateRequestBody(target_project=project, target_service=service)
        return client.push_certificate(PushCertificateRequest(made, body))

    assert push("waf", "cn-north-4").status_code == 204
    refused(lambda: push("ELB", "nowhere"), 400, "SCM.0069")
    refused(lambda: push("MAIL", "cn-north-4"), 400, "SCM.0030")
    body = BatchPushCertificateRequestBody(target_projects=["cn-north-4", "nowhere"], target_service="ELB")
    good, bad = client.batch_push_certificate(BatchPushCertificateRequest(made, body)).results
    assert good.cert_id and good.message == "success" and bad.cert_id == ""


# -- who may ------------------------------------------------------------------


def test_a_wrong_secret_is_refused_with_the_canonical_request(emulator):
    error = refused(lambda: listed(client_of(emulator, sk="wrong"), limit=10), 401, "APIGW.0301")
    assert "canonicalRequest:GET|/v3/scm/certificates/|limit=10|" in error.error_msg


def test_an_unknown_key_is_refused(emulator):
    assert "AKUNKNOWN" in refused(lambda: listed(client_of(emulator, ak="AKUNKNOWN")), 401, "APIGW.0301").error_msg


@pytest.mark.parametrize("minutes", [16, -16])
def test_a_clock_that_differs_too_much_is_refused(admin, client, minutes):
    admin.post("/admin/clock", {"offsetSeconds": minutes * 60})
    assert "Signature expired" in refused(lambda: listed(client), 401, "APIGW.0301").error_msg
    admin.post("/admin/clock", {"offsetSeconds": minutes * 60 * 0.9})
    assert listed(client) == []


@pytest.mark.parametrize(
    "missing,action",
    [
        ("scm:cert:list", lambda c, i: listed(c)),
        ("scm:cert:get", lambda c, i: c.show_certificate(ShowCertificateRequest(i))),
        ("scm:cert:download", export),
        ("scm:cert:delete", lambda c, i: c.delete_certificate(DeleteCertificateRequest(i))),
    ],
)
def test_a_missing_permission_is_a_401_of_its_own_code(emulator, admin, missing, action):
    made = add(admin, "shop.example")["id"]
    every = {"scm:cert:list", "scm:cert:get", "scm:cert:download", "scm:cert:delete"}
    key = admin.post("/admin/keys", {"actions": sorted(every - {missing})})
    limited = client_of(emulator, key["ak"], key["sk"])
    refused(lambda: action(limited, made), 401, "SCM.4002")
    admin.post("/admin/switches", {"permissionStatus": 403})
    refused(lambda: action(limited, made), 403, "SCM.4002")
    admin.post("/admin/keys", {"ak": key["ak"], "actions": sorted(every)})
    action(limited, made)


def test_both_names_of_the_export_action_allow_it(emulator, admin):
    made = add(admin, "shop.example")["id"]
    key = admin.post("/admin/keys", {"actions": ["scm:cert:export"]})
    assert export(client_of(emulator, key["ak"], key["sk"]), made).private_key


def test_a_temporary_key_needs_its_security_token(emulator, admin):
    key = admin.post("/admin/keys", {"temporary": True, "expiresIn": 3600})

    def ask(token: str | None):
        credentials = GlobalCredentials(key["ak"], key["sk"], DOMAIN_ID)
        return listed(client_of(emulator, credentials=credentials.with_security_token(token) if token else credentials))

    assert ask(key["securityToken"]) == []
    refused(lambda: ask(None), 401, "APIGW.0301")
    refused(lambda: ask("other"), 401, "APIGW.0301")
    assert [e["authKind"] for e in admin.journal(keyId=key["ak"])] == ["temporary", "aksk", "temporary"]
    admin.post("/admin/keys", {"ak": key["ak"], "expiresIn": -1})
    refused(lambda: ask(key["securityToken"]), 401, "APIGW.0301")


def test_a_key_at_project_level_is_accepted(emulator):
    project = BasicCredentials(DEFAULT_AK, DEFAULT_SK, PROJECTS["ap-southeast-1"])
    headers = {"Content-Type": "application/json"}
    request = SdkRequest(
        method="GET",
        schema="http",
        host=emulator.server.address,
        resource_path="/v3/scm/certificates",
        uri="/v3/scm/certificates",
        query_params=[("limit", 10)],
        header_params=headers,
        body="",
        stream=False,
        signing_algorithm=SigningAlgorithm.get_default(),
    )
    signed = project.sign_request(request)
    url = f"{emulator.url}/v3/scm/certificates?limit=10"
    assert requests.get(url, headers=signed.header_params, timeout=5).status_code == 200


def test_the_sdk_finds_the_account_by_itself(emulator, admin):
    key = admin.post("/admin/keys", {})
    credentials = GlobalCredentials(key["ak"], key["sk"]).with_iam_endpoint(emulator.url)
    region = Region("ap-southeast-1", emulator.url)
    found = ScmClient.new_builder().with_credentials(credentials).with_region(region).build()
    assert listed(found) == []
    assert credentials.domain_id == DOMAIN_ID
    assert admin.journal(operation="ListDomains", status=200)


def test_a_foreign_account_or_project_is_refused(emulator):
    foreign = GlobalCredentials(DEFAULT_AK, DEFAULT_SK, "f" * 32)
    refused(lambda: listed(client_of(emulator, credentials=foreign)), 403, "SCM.0002")
    headers = {"X-Auth-Token": token_of(emulator, "cn-north-4"), "X-Project-Id": PROJECTS["ap-southeast-1"]}
    answer = requests.get(emulator.url + "/v3/scm/certificates", headers=headers, timeout=5)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "SCM.0002")


def test_no_credentials_and_no_such_call(emulator):
    answer = requests.get(emulator.url + "/v3/scm/certificates", timeout=5)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "APIGW.0301")
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    answer = requests.get(emulator.url + "/v4/scm/certificates", timeout=5)
    assert (answer.status_code, answer.json()["error_code"]) == (404, "APIGW.0101")


def test_https_with_the_announced_authority():
    with HuaweiEmulator(tls=True) as running:
        assert running.url.startswith("https://")
        assert listed(client_of(running)) == []


# -- tokens -------------------------------------------------------------------


def token_of(emulator: HuaweiEmulator, project: str = "ap-southeast-1") -> str:
    value, _ = emulator.access.new_token("certificate-reader", {"scm:*", "iam:*"}, project, "password")
    return value


def with_token(emulator: HuaweiEmulator, token: str, **headers: str) -> requests.Response:
    return requests.get(emulator.url + "/v3/scm/certificates", headers={"X-Auth-Token": token, **headers}, timeout=5)


def test_tokens_live_expire_and_are_forgotten(emulator, admin):
    token = token_of(emulator)
    assert with_token(emulator, token).status_code == 200
    admin.post("/admin/clock", {"advanceSeconds": 24 * 3600 + 1})
    answer = with_token(emulator, token)
    assert (answer.status_code, answer.json()["error_code"]) == (401, "APIGW.0307")
    token = token_of(emulator)
    assert with_token(emulator, token).status_code == 200
    admin.post("/admin/tokens/expire")
    assert with_token(emulator, token).json()["error_code"] == "APIGW.0307"
    admin.post("/admin/tokens/forget")
    assert with_token(emulator, token).json()["error_code"] == "SCM.1000"
    assert all(token not in str(e) for e in admin.journal())


def test_error_texts_are_chinese_unless_english_is_asked_for(emulator):
    assert with_token(emulator, "no").json()["error_msg"].startswith("认证失败")
    assert with_token(emulator, "no", **{"X-Language": "en-us"}).json()["error_msg"].startswith("Authentication failed")


# -- faults -------------------------------------------------------------------


def test_throttling_has_the_gateway_shape(admin, client):
    made = add(admin, "shop.example")["id"]
    admin.fault(operation="ExportCertificate", kind="throttle", times=1)
    error = refused(lambda: export(client, made), 429, "APIGW.0308")
    assert "policy user over ratelimit,limit:20,time:1 minute" in error.error_msg
    assert export(client, made).private_key
    assert [e["status"] for e in admin.journal(operation="ExportCertificate")] == [429, 200]


def test_a_throttled_list_may_name_the_time_to_wait(emulator, admin, client):
    admin.fault(operation="ListCertificates", kind="throttle", times=2, retryAfter=3)
    answer = with_token(emulator, token_of(emulator))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    # The SDK hands a throttled GET to its retry machinery, which keeps the status but not the body.
    with pytest.raises(ClientRequestException) as caught:
        listed(client)
    assert caught.value.status_code == 429


def test_server_errors_in_the_service_shape_and_as_html(admin, client):
    admin.fault(operation="ListCertificates", kind="status", status=500, times=1)
    refused(lambda: listed(client), 500, "SCM.0007")
    admin.fault(operation="ListCertificates", kind="status", status=500, code="SCM.4001", times=1)
    refused(lambda: listed(client), 500, "SCM.4001")
    admin.fault(operation="*", kind="status", status=502, html=True, times=1)
    with pytest.raises(ServerResponseException) as caught:
        listed(client)
    assert caught.value.status_code == 502


def test_a_dropped_connection_after_an_import_leaves_the_certificate(admin, client, pair):
    admin.fault(operation="ImportCertificate", kind="dropAfter", times=1)
    with pytest.raises((ConnectionException, SdkException, requests.exceptions.RequestException)):
        import_(client, body_of(pair))
    assert len(listed(client)) == 1
    admin.fault(operation="ImportCertificate", kind="dropBefore", times=1)
    with pytest.raises((ConnectionException, SdkException, requests.exceptions.RequestException)):
        import_(client, body_of(pair))
    assert len(listed(client)) == 1


def test_exports_are_counted(admin, client):
    made = add(admin, "shop.example")["id"]
    # One client in several threads: the SDK allows it.
    threads = [threading.Thread(target=export, args=(client, made)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    summary = admin.get("/admin/journal?operation=ExportCertificate&status=200")
    assert summary["total"] == 4 and summary["entries"][0]["keyId"] == DEFAULT_AK
