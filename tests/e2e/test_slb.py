"""HTTPS listeners of a classic load balancer: uploaded once, switched, proven, and nothing else touched."""

from __future__ import annotations

from typing import Any

import pytest
from support.nginx import openssl_served

from .bench import Bench, Result
from .clouds import Aliyun, Balancer
from .declarations import ALIYUN_KEYS, binding, from_secret, secret, tls_secret, to_slb
from .places import NAME
from .watch import watching

LISTENER = {"backendServerPort": 80, "bandwidth": 6, "healthCheck": {"enabled": False},
            "stickySession": {"enabled": False}}


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue([NAME], kind="rsa")


def declare(
    bench: Bench, aliyun: Aliyun, balancer: Balancer | str, pair, credentials=ALIYUN_KEYS,
    spec: dict[str, Any] | None = None, **fields: Any,
) -> None:
    balancer_id = balancer if isinstance(balancer, str) else balancer.id
    if isinstance(balancer, Balancer):
        fields = {"probe": balancer.probe(NAME, fields.get("port", 443)), **fields}
    bench.declare(
        tls_secret("shop-tls", pair),
        secret("aliyun", credentials),
        binding("shop", from_secret("shop-tls"), to_slb(aliyun.url, balancer_id, **fields), **(spec or {})),
    )


def standing_balancer(aliyun: Aliyun, *names: str, **fields: Any) -> tuple[Balancer, dict[str, Any]]:
    """A load balancer with a listener that serves a certificate which a person uploaded."""
    old = aliyun.certificate(*(names or (NAME,)))
    balancer = aliyun.balancer({"port": 443, "certificateId": old["id"], **fields})
    aliyun.forget()
    return balancer, old


def refused(result: Result, reason: str, *words: str) -> None:
    assert result.code == 1, result
    assert result.binding.verdict() == ("False", reason), result
    for word in words:
        assert word in result.binding.message(), result


def own_uploads(aliyun: Aliyun) -> list[dict[str, Any]]:
    return [entry for entry in aliyun.certificates() if entry["name"].startswith("certbinder-")]


# The listener's own certificate


def test_the_default_certificate_is_replaced_and_a_second_pass_writes_nothing(bench, aliyun, pair) -> None:
    balancer, old = standing_balancer(aliyun)
    assert balancer.served(NAME) == old["fingerprintSHA256"].replace(":", "")
    declare(bench, aliyun, balancer, pair)
    planned = bench.plan()
    assert planned.code == 2 and planned.data["items"][0]["endpoint"] == f"{balancer.id}:443", planned
    assert aliyun.changes() == []
    with watching(lambda: balancer.served(NAME)) as watch:
        result = bench.apply()
    assert result.code == 0, result
    assert openssl_served(balancer.address, 443, NAME) == (pair.sha256, 2)
    assert set(watch.served) == {old["fingerprintSHA256"].replace(":", ""), pair.sha256}
    assert result.binding.verdict() == ("True", "InSync")
    assert result.binding.verdict("Served") == ("True", "InSync")
    [upload] = own_uploads(aliyun)
    assert upload["name"] == f"certbinder-{pair.sha256[:16]}" and upload["tags"], upload
    assert result.binding.status["serverCertificateID"] == upload["id"] == balancer.listener()["certificateId"]
    assert aliyun.changes() == ["UploadServerCertificate", "SetLoadBalancerHTTPSListenerAttribute"]

    aliyun.forget()
    kept = bench.state_files()
    second = bench.apply()
    assert second.code == 0 and second.events == [], second
    assert aliyun.changes() == [] and bench.state_files() == kept
    assert bench.plan().code == 0


def test_a_certificate_of_a_person_stays_in_the_account(bench, aliyun, pair) -> None:
    balancer, old = standing_balancer(aliyun)
    declare(bench, aliyun, balancer, pair)
    assert bench.apply().code == 0
    assert old["id"] in {entry["id"] for entry in aliyun.certificates()}
    assert "DeleteServerCertificate" not in aliyun.calls()


def test_a_key_in_pkcs8_is_uploaded_in_the_form_that_the_service_takes(bench, aliyun, authority) -> None:
    balancer, _ = standing_balancer(aliyun)
    pair = authority.issue([NAME], kind="rsa-pkcs8")
    assert pair.key_pem.startswith("-----BEGIN PRIVATE KEY-----")
    declare(bench, aliyun, balancer, pair)
    result = bench.apply()
    assert result.code == 0, result
    assert balancer.served(NAME) == pair.sha256


def test_blank_lines_and_texts_around_the_blocks_do_no_harm(bench, aliyun, authority) -> None:
    balancer, _ = standing_balancer(aliyun)
    pair = authority.issue([NAME], kind="rsa")
    disorder = {
        "tls.crt": "\ufeffsubject=shop\r\n\r\n" + pair.intermediate_pem + "\n\n" + pair.leaf_pem + pair.root_pem,
        "tls.key": "\n" + pair.key_pem.replace("\n", "\r\n"),
    }
    bench.declare(
        secret("shop-tls", disorder, "kubernetes.io/tls", encoded=True), secret("aliyun", ALIYUN_KEYS),
        binding("shop", from_secret("shop-tls"), to_slb(aliyun.url, balancer.id, probe=balancer.probe(NAME))),
    )
    result = bench.apply()
    assert result.code == 0, result
    assert openssl_served(balancer.address, 443, NAME) == (pair.sha256, 2)


def test_an_ec_key_is_refused_before_anything_is_uploaded(bench, aliyun, authority) -> None:
    balancer, old = standing_balancer(aliyun)
    declare(bench, aliyun, balancer, authority.issue([NAME], kind="ec"))
    refused(bench.apply(), "InvalidCertificate", "RSA")
    assert aliyun.changes() == [] and aliyun.calls()["UploadServerCertificate"] == 0
    assert balancer.listener()["certificateId"] == old["id"]


def test_a_renewal_is_a_new_upload_and_the_last_one_stays_for_a_while(bench, aliyun, pair, authority) -> None:
    balancer, _ = standing_balancer(aliyun)
    declare(bench, aliyun, balancer, pair)
    assert bench.apply().code == 0
    new = authority.issue([NAME], kind="rsa")
    declare(bench, aliyun, balancer, new)
    result = bench.apply()
    assert result.code == 0 and {"SourceRenewed", "Deployed"} <= set(result.events), result
    assert balancer.served(NAME) == new.sha256
    assert {entry["fingerprintSHA256"].replace(":", "") for entry in own_uploads(aliyun)} == {pair.sha256, new.sha256}


@pytest.mark.parametrize("strict", [False, True], ids=["lenient", "strict-set"])
def test_attributes_that_a_person_set_stay_as_they_are(bench, aliyun, pair, strict) -> None:
    balancer, _ = standing_balancer(aliyun, attributes={
        "Bandwidth": 7, "Scheduler": "wlc", "StickySession": "on", "StickySessionType": "insert",
        "CookieTimeout": 500, "HealthCheck": "on", "HealthCheckURI": "/health", "HealthCheckInterval": 7,
        "IdleTimeout": 33, "RequestTimeout": 44, "Description": "by hand", "XForwardedFor": "on",
    })
    aliyun.settings(strictSet=strict)
    before = balancer.listener()["attributes"]
    declare(bench, aliyun, balancer, pair)
    result = bench.apply()
    assert result.code == 0, result
    assert balancer.listener()["attributes"] == before


def test_a_listener_switched_by_hand_is_switched_back(bench, aliyun, pair) -> None:
    balancer, old = standing_balancer(aliyun)
    declare(bench, aliyun, balancer, pair)
    assert bench.apply().code == 0
    balancer.edit(ServerCertificateId=old["id"])
    aliyun.forget()
    result = bench.apply()
    assert result.code == 0 and result.events == ["DriftDetected", "DriftCorrected"], result
    assert balancer.served(NAME) == pair.sha256
    assert aliyun.changes() == ["SetLoadBalancerHTTPSListenerAttribute"]


def test_a_stopped_listener_is_started(bench, aliyun, pair) -> None:
    balancer, _ = standing_balancer(aliyun, status="stopped")
    declare(bench, aliyun, balancer, pair)
    result = bench.apply()
    assert result.code == 0, result
    assert balancer.listener()["status"] == "running" and balancer.served(NAME) == pair.sha256


# Domain extensions


def test_an_extension_serves_its_name_and_the_default_stays(bench, aliyun, pair) -> None:
    balancer, old = standing_balancer(aliyun, "default.example.org")
    declare(bench, aliyun, balancer, pair, serverName=NAME)
    result = bench.apply()
    assert result.code == 0, result
    assert list(result.binding.endpoints) == [f"{balancer.id}:443/{NAME}"]
    assert balancer.served(NAME) == pair.sha256
    assert balancer.served("default.example.org") == old["fingerprintSHA256"].replace(":", "")
    assert balancer.listener()["certificateId"] == old["id"]
    assert aliyun.changes() == ["UploadServerCertificate", "CreateDomainExtension"]
    aliyun.forget()
    assert bench.apply().code == 0 and aliyun.changes() == []


def test_an_extension_that_exists_is_changed_and_others_are_left(bench, aliyun, pair) -> None:
    old, other = aliyun.certificate(NAME), aliyun.certificate("other.example.com")
    balancer = aliyun.balancer({
        "port": 443, "certificateId": old["id"], "extensions": [
            {"domain": NAME, "certificateId": old["id"]},
            {"domain": "other.example.com", "certificateId": other["id"]},
        ],
    })
    declare(bench, aliyun, balancer, pair, serverName=NAME)
    result = bench.apply()
    assert result.code == 0, result
    extensions = {entry["domain"]: entry["certificateId"] for entry in balancer.listener()["extensions"]}
    assert extensions == {NAME: own_uploads(aliyun)[0]["id"], "other.example.com": other["id"]}
    assert balancer.listener()["certificateId"] == old["id"]
    assert balancer.served(NAME) == pair.sha256


def test_default_and_extension_of_one_listener_are_two_bindings(bench, aliyun, authority, pair) -> None:
    balancer, _ = standing_balancer(aliyun, "default.example.org")
    default = authority.issue(["default.example.org"], kind="rsa")
    bench.declare(
        tls_secret("shop-tls", pair), tls_secret("default-tls", default), secret("aliyun", ALIYUN_KEYS),
        binding("shop", from_secret("shop-tls"),
                to_slb(aliyun.url, balancer.id, serverName=NAME, probe=balancer.probe(NAME))),
        binding("default", from_secret("default-tls"),
                to_slb(aliyun.url, balancer.id, probe=balancer.probe("default.example.org"))),
    )
    result = bench.apply()
    assert result.code == 0, result
    assert balancer.served(NAME) == pair.sha256 and balancer.served("default.example.org") == default.sha256
    # One flight per listener: nobody was refused for being in somebody else's way.
    assert not [entry for entry in aliyun.admin.journal() if "Conflict" in entry["errorCode"]]


# Shared work


def test_twenty_bindings_of_one_certificate_upload_it_once(bench, aliyun, pair) -> None:
    old = aliyun.certificate(NAME)
    balancers = [aliyun.balancer({"port": 443, "certificateId": old["id"]}) for _ in range(20)]
    aliyun.forget()
    bench.declare(
        tls_secret("shop-tls", pair), secret("aliyun", ALIYUN_KEYS),
        *(
            binding(f"shop-{number}", from_secret("shop-tls"),
                    to_slb(aliyun.url, balancer.id, probe=balancer.probe(NAME)))
            for number, balancer in enumerate(balancers)
        ),
    )
    result = bench.apply("--workers", "20")
    assert result.code == 0, result
    assert [balancer.served(NAME) for balancer in balancers] == [pair.sha256] * 20
    calls = aliyun.calls()
    assert calls["UploadServerCertificate"] == 1 and len(own_uploads(aliyun)) == 1, calls
    assert calls["SetLoadBalancerHTTPSListenerAttribute"] == 20
    assert calls["DescribeLoadBalancerListeners"] <= 2, "one listing serves all"
    aliyun.forget()
    assert bench.apply().code == 0
    again = aliyun.calls()
    assert aliyun.changes() == [] and sum(again.values()) <= 4, again


def test_an_upload_of_a_life_before_is_found_again(bench, aliyun, pair) -> None:
    """As after a crash between the upload and the switch, with nothing remembered."""
    balancer, old = standing_balancer(aliyun)
    declare(bench, aliyun, balancer, pair)
    assert bench.apply().code == 0
    balancer.edit(ServerCertificateId=old["id"])
    forgetful = Bench(bench.directory / "other")
    declare(forgetful, aliyun, balancer, pair, spec={"allowDowngrade": True})
    aliyun.forget()
    result = forgetful.apply()
    assert result.code == 0, result
    assert aliyun.calls()["UploadServerCertificate"] == 0 and balancer.served(NAME) == pair.sha256


# Listeners that certbinder makes


def test_a_listener_block_makes_a_missing_listener_and_starts_it(bench, aliyun, pair) -> None:
    balancer = aliyun.balancer()
    declare(bench, aliyun, balancer, pair, listener={**LISTENER, "tlsCipherPolicy": "tls_cipher_policy_1_2"})
    planned = bench.plan()
    assert planned.code == 2 and aliyun.changes() == [], planned
    result = bench.apply()
    assert result.code == 0, result
    listener = balancer.listener()
    assert listener["status"] == "running" and balancer.served(NAME) == pair.sha256
    assert listener["attributes"]["TLSCipherPolicy"] == "tls_cipher_policy_1_2"
    assert aliyun.changes() == [
        "UploadServerCertificate", "CreateLoadBalancerHTTPSListener", "StartLoadBalancerListener",
    ]
    aliyun.forget()
    assert bench.apply().code == 0 and aliyun.changes() == []


def test_a_listener_block_leaves_one_that_exists_as_it_is(bench, aliyun, pair) -> None:
    balancer, _ = standing_balancer(aliyun, attributes={"Bandwidth": 99})
    declare(bench, aliyun, balancer, pair, listener=LISTENER)
    assert bench.apply().code == 0
    assert balancer.listener()["attributes"]["Bandwidth"] == 99 and balancer.served(NAME) == pair.sha256


def test_a_missing_listener_or_load_balancer_is_named(bench, aliyun, pair) -> None:
    balancer = aliyun.balancer()
    declare(bench, aliyun, balancer, pair)
    refused(bench.apply(), "TargetNotFound", balancer.id, "443", "listener block")
    declare(bench, aliyun, "lb-8vbnosuchthing", pair)
    refused(bench.apply(), "TargetNotFound", "lb-8vbnosuchthing")
    assert aliyun.changes() == []


# What the service refuses, and how


@pytest.mark.parametrize("credentials", [
    {**ALIYUN_KEYS, "accessKeySecret": "not-the-secret-of-it"},
    {**ALIYUN_KEYS, "accessKeyID": "nosuchid"},
    {"accessKeyID": "testid"},
], ids=["secret", "id", "half"])
def test_credentials_that_do_not_fit_are_told_and_not_tried_in_a_loop(bench, aliyun, pair, credentials) -> None:
    balancer, _ = standing_balancer(aliyun)
    declare(bench, aliyun, balancer, pair, credentials)
    refused(bench.apply(), "CredentialsInvalid")
    assert sum(aliyun.calls().values()) <= 2


@pytest.mark.parametrize("action", ["UploadServerCertificate", "SetLoadBalancerHTTPSListenerAttribute",
                                    "DescribeLoadBalancerListeners"])
def test_a_missing_permission_is_named_and_asked_for_once(bench, aliyun, pair, action) -> None:
    balancer, old = standing_balancer(aliyun)
    aliyun.admin.post("/admin/keys", {"id": "narrow", "secret": "narrow-secret", "denied": [action]})
    declare(bench, aliyun, balancer, pair, {"accessKeyID": "narrow", "accessKeySecret": "narrow-secret"})
    refused(bench.apply(), "AccessDenied", action)
    assert aliyun.calls()[action] == 1
    assert balancer.listener()["certificateId"] == old["id"]


def test_a_full_account_is_told_with_what_would_make_room(bench, aliyun, pair) -> None:
    balancer, old = standing_balancer(aliyun)
    aliyun.settings(certificateQuota=1)
    declare(bench, aliyun, balancer, pair)
    refused(bench.apply(), "QuotaExceeded", "slb_quota_certs_num")
    assert balancer.listener()["certificateId"] == old["id"]


def test_a_full_listener_takes_no_more_extensions(bench, aliyun, pair) -> None:
    old = aliyun.certificate("a.example.com", "b.example.com", "c.example.com")
    balancer = aliyun.balancer({"port": 443, "certificateId": old["id"], "extensions": [
        {"domain": f"{letter}.example.com", "certificateId": old["id"]} for letter in "abc"
    ]})
    declare(bench, aliyun, balancer, pair, serverName=NAME)
    refused(bench.apply(), "QuotaExceeded")


@pytest.mark.parametrize(("operation", "fault"), [
    ("UploadServerCertificate", {"kind": "dropAfter", "times": 1}),
    ("UploadServerCertificate", {"kind": "dropBefore", "times": 1}),
    ("UploadServerCertificate", {"kind": "cut", "times": 1}),
    ("UploadServerCertificate", {"kind": "throttle", "times": 2}),
    ("SetLoadBalancerHTTPSListenerAttribute", {"kind": "dropAfter", "times": 1}),
    ("SetLoadBalancerHTTPSListenerAttribute", {"kind": "cut", "times": 1}),
    ("SetLoadBalancerHTTPSListenerAttribute", {"kind": "status", "code": "BackendServer.configuring", "times": 2}),
    ("SetLoadBalancerHTTPSListenerAttribute", {"kind": "status", "status": 503, "times": 1}),
    ("DescribeLoadBalancerListeners", {"kind": "throttle", "times": 2}),
    ("DescribeLoadBalancerListeners", {"kind": "cut", "times": 1}),
    ("DescribeServerCertificates", {"kind": "status", "status": 500, "times": 1}),
    ("*", {"kind": "slow", "seconds": 0.3}),
], ids=lambda value: value if isinstance(value, str) else str(value["kind"]) + str(value.get("code", "")))
def test_lost_answers_and_busy_times_lead_to_one_upload_all_the_same(bench, aliyun, pair, operation, fault) -> None:
    balancer, _ = standing_balancer(aliyun)
    aliyun.fault(operation=operation, **fault)
    declare(bench, aliyun, balancer, pair)
    result = bench.apply()
    assert result.code == 0, result
    assert balancer.served(NAME) == pair.sha256 and len(own_uploads(aliyun)) == 1


def test_an_instance_that_is_busy_is_waited_for(bench, aliyun, pair) -> None:
    aliyun.settings(createSeconds=0.6, startSeconds=0.8, setSeconds=0.5, setShowsConfiguring=True)
    balancer = aliyun.balancer()
    declare(bench, aliyun, balancer, pair, listener=LISTENER)
    result = bench.apply()
    assert result.code == 0, result
    assert balancer.served(NAME) == pair.sha256


def test_a_data_plane_that_is_slow_is_waited_for(bench, aliyun, pair) -> None:
    balancer, _ = standing_balancer(aliyun)
    aliyun.settings(switchSeconds=2.0)
    declare(bench, aliyun, balancer, pair)
    result = bench.apply()
    assert result.code == 0, result
    assert balancer.served(NAME) == pair.sha256


def test_without_a_probe_nothing_is_claimed_to_be_served(bench, aliyun, pair) -> None:
    balancer, _ = standing_balancer(aliyun)
    declare(bench, aliyun, balancer, pair, probe={"enabled": False})
    result = bench.apply()
    assert result.code == 0, result
    assert result.binding.verdict("Served") == ("Unknown", "ProbeDisabled")


def test_a_public_load_balancer_is_probed_at_its_own_address(bench, aliyun, pair) -> None:
    balancer, _ = standing_balancer(aliyun)
    declare(bench, aliyun, balancer.id, pair)
    result = bench.apply()
    assert result.code == 0, result
    assert result.binding.verdict("Served") == ("True", "InSync")


def test_the_private_key_travels_in_a_body_and_never_in_a_url(bench, aliyun, pair) -> None:
    balancer, _ = standing_balancer(aliyun)
    declare(bench, aliyun, balancer, pair)
    assert bench.apply().code == 0
    urls = aliyun.urls()
    assert urls and "PrivateKey" not in urls and "PRIVATE" not in urls and ALIYUN_KEYS["accessKeySecret"] not in urls
    [upload] = aliyun.admin.journal(operation="UploadServerCertificate")
    assert upload["method"] == "POST" and "PrivateKey" in upload["body"]


def test_an_internal_load_balancer_without_a_probe_address_is_not_probed(bench, aliyun, pair) -> None:
    old = aliyun.certificate(NAME)
    balancer = aliyun.balancer({"port": 443, "certificateId": old["id"]}, addressType="intranet")
    declare(bench, aliyun, balancer.id, pair)
    result = bench.apply()
    assert result.code == 0, result
    assert result.binding.verdict("Served") == ("Unknown", "ProbeDisabled")
