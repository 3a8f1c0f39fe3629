"""Certificates, instances, listeners, extensions and tags, through the API."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import datetime, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from emulators.common.client import AdminFailure

LISTENER = {
    "ListenerPort": 443, "BackendServerPort": 80, "Bandwidth": 6, "HealthCheck": "off", "StickySession": "off",
}  # fmt: skip


def ok(answer):
    assert answer.status == 200, answer.body
    return answer.json()


def upload(slb, pair, **more):
    return ok(slb.call("UploadServerCertificate", ServerCertificate=pair.bundle_pem, PrivateKey=pair.key_pem, **more))


def certificates(slb, **filters):
    return ok(slb.call("DescribeServerCertificates", **filters))["ServerCertificates"]["ServerCertificate"]


def settle(admin):
    admin.post("/admin/settle")


@pytest.fixture
def pair(factory):
    return factory.issue(["a.example"])


@pytest.fixture
def placed(slb, admin, pair):
    """(load balancer id, certificate id) of a running listener on 443 that is not served."""
    certificate = upload(slb, pair)["ServerCertificateId"]
    balancer = admin.post(
        "/admin/balancers", {"listeners": [{"port": 443, "certificateId": certificate, "serve": False}]}
    )
    return balancer["id"], certificate


# -- certificates -------------------------------------------------------------------


def test_an_upload_is_described_as_documented(slb, factory):
    pair = factory.issue([f"n{i}.example" for i in range(12)])
    before = time.time()
    body = upload(slb, pair, Tag__1__Key="managed-by", Tag__1__Value="")
    account, moment, one, two = body["ServerCertificateId"].split("_")
    assert account.isdigit() and abs(int(moment, 16) / 1000 - before) < 60
    assert all(re.fullmatch(r"-?\d+", part) and -(2**31) <= int(part) < 2**31 for part in (one, two))
    assert body["Fingerprint"].replace(":", "") == pair.sha1 and body["Fingerprint"] == body["Fingerprint"].lower()
    assert body["ServerCertificateName"] == body["CommonName"] == "n0.example"
    assert len(body["SubjectAlternativeNames"]["SubjectAlternativeName"]) == 10
    assert body["ExpireTimeStamp"] == int(pair.not_after.timestamp()) * 1000
    assert body["ExpireTime"] == pair.not_after.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (body["IsAliCloudCertificate"], body["AliCloudCertificateId"]) == (0, "")
    assert "CreateTimeStamp" not in body
    (listed,) = certificates(slb)
    assert listed["CreateTimeStamp"] % 1000 == 0 and listed["Tags"] == {
        "Tag": [{"TagKey": "managed-by", "TagValue": ""}]
    }
    assert "PRIVATE" not in json.dumps(listed) and "BEGIN" not in json.dumps(listed)


def test_a_certificate_without_names_has_no_list_of_names(slb, admin):
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    leaf = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=timezone.utc))
        .not_valid_after(datetime(2024, 11, 21, 6, 4, 25, tzinfo=timezone.utc)).sign(key, hashes.SHA256())
    )  # fmt: skip
    text = leaf.public_bytes(serialization.Encoding.PEM).decode()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    body = ok(slb.call("UploadServerCertificate", ServerCertificate=text, PrivateKey=secret.decode()))
    assert "SubjectAlternativeNames" not in body and body["ExpireTimeStamp"] == 1732169065000
    assert body["ServerCertificateName"] == "test"


def test_an_upload_is_never_idempotent_and_filters_find_it(slb, pair):
    ids = [upload(slb, pair, ServerCertificateName=f"web-{n}", Tag__1__Key="n", Tag__1__Value=str(n))["ServerCertificateId"]
           for n in range(2)]  # fmt: skip
    assert ids[0] != ids[1] and [c["ServerCertificateId"] for c in certificates(slb)] == ids
    assert [c["ServerCertificateId"] for c in certificates(slb, Tag__1__Key="n", Tag__1__Value="1")] == [ids[1]]
    assert [c["ServerCertificateName"] for c in certificates(slb, ServerCertificateId=ids[0])] == ["web-0"]
    assert certificates(slb, ServerCertificateId="unknown") == []


def test_a_certificate_is_renamed_and_deleted(slb, pair):
    certificate = upload(slb, pair)["ServerCertificateId"]
    ok(slb.call("SetServerCertificateName", ServerCertificateId=certificate, ServerCertificateName="new"))
    assert certificates(slb)[0]["ServerCertificateName"] == "new"
    assert (
        slb.call("SetServerCertificateName", ServerCertificateId=certificate, ServerCertificateName="a b").code
        == "InvalidParameter"
    )
    ok(slb.call("DeleteServerCertificate", ServerCertificateId=certificate))
    answer = slb.call("DeleteServerCertificate", ServerCertificateId=certificate)
    assert (answer.status, answer.code) == (404, "ServerCertificateId.NotFound")


@pytest.mark.parametrize("missing", ["ServerCertificate", "PrivateKey"])
def test_an_incomplete_upload_names_what_is_missing(slb, pair, missing):
    values = {"ServerCertificate": pair.bundle_pem, "PrivateKey": pair.key_pem}
    del values[missing]
    answer = slb.call("UploadServerCertificate", **values)
    assert answer.code == "MissingParameter" and missing in answer.json()["Message"]


def test_the_quota_counts_per_region(slb, admin, pair):
    admin.post("/admin/settings", {"certificateQuota": 2})
    for _ in range(2):
        upload(slb, pair)
    refused = slb.call("UploadServerCertificate", ServerCertificate=pair.bundle_pem, PrivateKey=pair.key_pem)
    assert (refused.status, refused.code) == (400, "OverQuota")
    upload(replace(slb, region="cn-beijing"), pair)


def test_the_quota_is_a_hundred_by_default(admin):
    assert admin.get("/admin/settings")["certificateQuota"] == 100


# -- references ---------------------------------------------------------------------


def test_a_certificate_in_use_is_not_deleted_until_its_users_let_go(slb, admin, placed, factory):
    balancer, old = placed
    new = upload(slb, factory.issue(["b.example"]))["ServerCertificateId"]
    admin.post("/admin/settings", {"referenceSeconds": 60})
    delete = lambda: slb.call("DeleteServerCertificate", ServerCertificateId=old)  # noqa: E731
    assert delete().code == "CertificateAndPrivateKeyIsRefered"
    ok(
        slb.call(
            "SetLoadBalancerHTTPSListenerAttribute", LoadBalancerId=balancer, ListenerPort=443, ServerCertificateId=new
        )
    )
    assert delete().code == "CertificateAndPrivateKeyIsRefered"
    settle(admin)
    assert delete().status == 200


def test_an_extension_refers_to_its_certificate(slb, admin, placed, factory):
    balancer, _ = placed
    other = upload(slb, factory.issue(["b.example"]))["ServerCertificateId"]
    body = ok(
        slb.call(
            "CreateDomainExtension",
            LoadBalancerId=balancer,
            ListenerPort=443,
            Domain="b.example",
            ServerCertificateId=other,
        )
    )
    settle(admin)
    delete = lambda: slb.call("DeleteServerCertificate", ServerCertificateId=other)  # noqa: E731
    assert delete().code == "CertificateRelatedDomainExtensionExist"
    ok(slb.call("DeleteDomainExtension", DomainExtensionId=body["DomainExtensionId"]))
    assert delete().status == 200


# -- listeners ----------------------------------------------------------------------


def attribute(slb, balancer, port=443):
    return ok(slb.call("DescribeLoadBalancerHTTPSListenerAttribute", LoadBalancerId=balancer, ListenerPort=port))


def test_a_listener_goes_from_configuring_to_stopped_to_running(slb, admin, placed):
    balancer, certificate = placed
    admin.post("/admin/settings", {"createSeconds": 60, "startSeconds": 60, "stopSeconds": 60})
    where = {"LoadBalancerId": balancer, "ListenerPort": 8443}
    create = {**LISTENER, **where, "ServerCertificateId": certificate}
    ok(slb.call("CreateLoadBalancerHTTPSListener", **create))
    assert attribute(slb, balancer, 8443)["Status"] == "configuring"
    assert slb.call("StartLoadBalancerListener", **where).code == "ServiceIsConfiguring"
    settle(admin)
    assert attribute(slb, balancer, 8443)["Status"] == "stopped"
    assert slb.call("CreateLoadBalancerHTTPSListener", **create).code == "ListenerAlreadyExists"
    ok(slb.call("StartLoadBalancerListener", **where, ListenerProtocol="https"))
    assert attribute(slb, balancer, 8443)["Status"] == "starting"
    settle(admin)
    assert attribute(slb, balancer, 8443)["Status"] == "running"
    ok(slb.call("StartLoadBalancerListener", **where))
    ok(slb.call("StopLoadBalancerListener", **where))
    assert slb.call("StopLoadBalancerListener", **where).code == "ServiceIsStopping"
    settle(admin)
    ok(slb.call("DeleteLoadBalancerListener", **where))
    answer = slb.call("DescribeLoadBalancerHTTPSListenerAttribute", **where)
    assert (answer.status, answer.code) == (400, "InvalidParameter")
    assert "The specified resource does not exist" in answer.json()["Message"]
    admin.post("/admin/settings", {"listenerNotFoundCode": "ListenerNotFound"})
    answer = slb.call("DescribeLoadBalancerHTTPSListenerAttribute", **where)
    assert (answer.status, answer.code) == (404, "ListenerNotFound")


def test_transitions_end_by_themselves(slb, admin, placed):
    balancer, certificate = placed
    where = {"LoadBalancerId": balancer, "ListenerPort": 8443}
    ok(slb.call("CreateLoadBalancerHTTPSListener", **{**LISTENER, **where}, ServerCertificateId=certificate))
    deadline = time.monotonic() + 5
    while attribute(slb, balancer, 8443)["Status"] != "stopped":
        assert time.monotonic() < deadline


def test_a_second_change_of_a_busy_instance_is_refused_unless_switched_off(slb, admin, placed):
    balancer, certificate = placed
    admin.post("/admin/settings", {"setSeconds": 60, "backendSeconds": 60})
    change = {"LoadBalancerId": balancer, "ListenerPort": 443, "Gzip": "off"}
    ok(slb.call("SetLoadBalancerHTTPSListenerAttribute", **change))
    assert slb.call("SetLoadBalancerHTTPSListenerAttribute", **change).code == "ServiceIsConfiguring"
    extension = {
        "LoadBalancerId": balancer,
        "ListenerPort": 443,
        "Domain": "x.example",
        "ServerCertificateId": certificate,
    }
    assert slb.call("CreateDomainExtension", **extension).code == "BackendServer.configuring"
    settle(admin)
    ok(slb.call("AddBackendServers", LoadBalancerId=balancer, BackendServers='[{"ServerId":"i-1"}]'))
    answer = slb.call("SetLoadBalancerHTTPSListenerAttribute", **change)
    assert (answer.status, answer.code) == (409, "BackendServer.configuring")
    admin.post("/admin/settings", {"serialize": False})
    ok(slb.call("SetLoadBalancerHTTPSListenerAttribute", **change))


def test_a_listener_may_show_that_it_is_being_configured(slb, admin, placed):
    balancer, _ = placed
    admin.post("/admin/settings", {"setSeconds": 60, "setShowsConfiguring": True, "serialize": False})
    change = {"LoadBalancerId": balancer, "ListenerPort": 443, "Gzip": "off"}
    ok(slb.call("SetLoadBalancerHTTPSListenerAttribute", **change))
    assert attribute(slb, balancer)["Status"] == "configuring"
    assert (
        slb.call("SetLoadBalancerHTTPSListenerAttribute", **change).code == "OperationFailed.ListenerStatusNotSupport"
    )
    settle(admin)
    assert attribute(slb, balancer)["Status"] == "running"


@pytest.mark.parametrize(
    "change,status,code",
    [
        ({"LoadBalancerId": "lb-none"}, 404, "InvalidLoadBalancerId.NotFound"),
        ({"ServerCertificateId": "gone"}, 404, "ServerCertificateId.NotFound"),
        ({"ServerCertificateId": "8837462"}, 400, "InvalidParameter"),
        ({"ServerCertificateId": ""}, 400, "InvalidParameter"),
        ({"ListenerPort": "0"}, 400, "InvalidParameter"),
        ({"ListenerPort": ""}, 400, "MissingParameter"),
        ({"Bandwidth": "0"}, 400, "InvalidParameter"),
        ({"HealthCheck": ""}, 400, "MissingParameter"),
        ({"BackendServerPort": ""}, 400, "MissingParameter"),
        ({"StickySession": "on"}, 400, "MissingParameter"),
        ({"StickySession": "on", "StickySessionType": "insert"}, 400, "MissingParameter"),
        ({"StickySession": "on", "StickySessionType": "server", "Cookie": "a b"}, 400, "InvalidParameter"),
        ({"TLSCipherPolicy": "tls_cipher_policy_9"}, 400, "InvalidParameter"),
        ({"VServerGroupId": "rsp-none"}, 404, "InvalidParameter"),
        ({"IdleTimeout": "61"}, 400, "InvalidParameter"),
        ({"EnableHttp2": "yes"}, 400, "InvalidParameter"),
        ({"Tag.1.Key": "acs:x"}, 400, "InvalidParameter"),
    ],
)  # fmt: skip
def test_a_wrong_new_listener_is_refused(slb, placed, change, status, code):
    balancer, certificate = placed
    values = {
        **LISTENER,
        "LoadBalancerId": balancer,
        "ListenerPort": 8443,
        "ServerCertificateId": certificate,
        **change,
    }
    answer = slb.call("CreateLoadBalancerHTTPSListener", **values)
    assert (answer.status, answer.code) == (status, code)


def test_set_keeps_what_it_is_not_given_but_for_the_health_check_domain(slb, admin, placed, factory):
    balancer, _ = placed
    new = upload(slb, factory.issue(["b.example"]))["ServerCertificateId"]
    listener = f"/admin/balancers/{balancer}/listeners/443"
    admin.call("PATCH", listener, {
        "HealthCheck": "on", "HealthCheckDomain": "h.example", "HealthCheckURI": "/ok", "StickySession": "on",
        "StickySessionType": "insert", "CookieTimeout": 100, "IdleTimeout": 30, "Gzip": "off", "Description": "by hand",
    })  # fmt: skip
    before = attribute(slb, balancer)
    assert before["HealthCheckDomain"] == "h.example" and before["CookieTimeout"] == 100
    ok(
        slb.call(
            "SetLoadBalancerHTTPSListenerAttribute", LoadBalancerId=balancer, ListenerPort=443, ServerCertificateId=new
        )
    )
    after = attribute(slb, balancer)
    changed = {name for name in before if name != "RequestId" and before[name] != after.get(name)}
    assert changed == {"ServerCertificateId", "HealthCheckDomain"} and after["HealthCheckDomain"] == ""
    settle(admin)
    admin.post("/admin/settings", {"strictSet": True})
    ok(slb.call("SetLoadBalancerHTTPSListenerAttribute", LoadBalancerId=balancer, ListenerPort=443, Scheduler="rr"))
    strict = attribute(slb, balancer)
    assert (strict["StickySession"], strict["HealthCheck"], strict["IdleTimeout"]) == ("off", "off", 15)
    assert (strict["Gzip"], strict["Description"], strict["Scheduler"]) == ("off", "by hand", "rr")


def test_set_knows_server_groups_and_dry_runs(slb, admin, pair):
    certificate = upload(slb, pair)["ServerCertificateId"]
    seeded = {"serverGroups": ["rsp-1"], "listeners": [{"port": 443, "certificateId": certificate, "serve": False}]}
    where = {"LoadBalancerId": admin.post("/admin/balancers", seeded)["id"], "ListenerPort": 443}
    change = lambda **more: slb.call("SetLoadBalancerHTTPSListenerAttribute", **where, **more)  # noqa: E731
    assert change(VServerGroup="on").code == "MissingParameter"
    ok(change(VServerGroup="on", VServerGroupId="rsp-1", DryRun="true"))
    assert "VServerGroupId" not in attribute(slb, where["LoadBalancerId"])
    ok(change(VServerGroup="on", VServerGroupId="rsp-1", BackendServerPort=8080))
    shown = attribute(slb, where["LoadBalancerId"])
    assert (shown["VServerGroupId"], shown["BackendServerPort"]) == ("rsp-1", 80)
    settle(admin)
    ok(change(VServerGroup="off"))
    assert "VServerGroupId" not in attribute(slb, where["LoadBalancerId"])


# -- the paged list -------------------------------------------------------------------


def test_ten_thousand_listeners_are_paged_quickly(slb, admin, pair):
    certificate = upload(slb, pair)["ServerCertificateId"]
    begin = time.monotonic()
    seeded = admin.post("/admin/bulk", {"loadBalancers": 200, "listenersEach": 50, "certificateId": certificate})
    assert seeded["listeners"] == 10000 and time.monotonic() - begin < 2
    seen, token, pages = set(), "", 0
    while True:
        body = ok(slb.call("DescribeLoadBalancerListeners", MaxResults=100, NextToken=token))
        seen.update((entry["LoadBalancerId"], entry["ListenerPort"]) for entry in body["Listeners"])
        token, pages = body.get("NextToken", ""), pages + 1
        if not token:
            break
    assert (len(seen), pages, body["TotalCount"]) == (10000, 100, 10000)


def test_the_list_has_plain_arrays_and_a_config_object(slb, placed):
    balancer, certificate = placed
    body = ok(slb.call("DescribeLoadBalancerListeners"))
    assert body["MaxResults"] == 20 and "NextToken" not in body
    (entry,) = body["Listeners"]
    assert entry["ListenerProtocol"] == "https" and entry["Tags"] == [] and entry["BackendServerPort"] == 80
    assert entry["HTTPSListenerConfig"]["ServerCertificateId"] == certificate
    assert "Bandwidth" not in entry["HTTPSListenerConfig"]


def test_the_list_is_filtered(slb, admin, placed):
    balancer, certificate = placed
    entry = {"certificateId": certificate, "serve": False}
    other = admin.post("/admin/balancers", {"listeners": [
        {**entry, "port": 443, "tags": {"a": "1"}}, {**entry, "port": 8443, "attributes": {"Description": "x"}},
    ]})["id"]  # fmt: skip
    count = lambda **filters: len(ok(slb.call("DescribeLoadBalancerListeners", **filters))["Listeners"])  # noqa: E731
    assert count() == 3
    assert count(LoadBalancerId__1=balancer) == 1
    assert count(LoadBalancerId__1=balancer, LoadBalancerId__2=other, ListenerPort=443) == 2
    assert count(Tag__1__Key="a") == 1 and count(Description="x") == 1
    assert count(ListenerProtocol="https") == 3 and count(ListenerProtocol="tcp") == 0
    page = ok(slb.call("DescribeLoadBalancerListeners", ListenerProtocol="https", MaxResults=2))
    rest = ok(slb.call("DescribeLoadBalancerListeners", ListenerProtocol="https", NextToken=page["NextToken"]))
    assert len(page["Listeners"]) == 2 and len(rest["Listeners"]) == 1 and "NextToken" not in rest


@pytest.mark.parametrize("wrong", [{"MaxResults": 101}, {"MaxResults": 0}, {"NextToken": "?"}, {"MaxResults": "x"}])
def test_a_wrong_page_is_refused(slb, wrong):
    assert slb.call("DescribeLoadBalancerListeners", **wrong).code == "InvalidParameter"


# -- domain extensions ----------------------------------------------------------------


def test_a_domain_extension_lives(slb, admin, placed, factory):
    balancer, certificate = placed
    admin.post("/admin/settings", {"extensionSeconds": 60})
    where = {"LoadBalancerId": balancer, "ListenerPort": 443}
    create = lambda domain, **more: slb.call(  # noqa: E731
        "CreateDomainExtension", **{**where, "Domain": domain, "ServerCertificateId": certificate, **more}
    )
    first = ok(create("*.B.example"))
    assert first["ListenerPort"] == 443 and first["DomainExtensionId"].startswith("de-")
    assert create("c.example").code == "DomainExtensionProcessing"
    one = {"DomainExtensionId": first["DomainExtensionId"]}
    assert slb.call("DeleteDomainExtension", **one).code == "DomainExtensionProcessing"
    settle(admin)
    assert create("*.b.example").code == "InvalidParameter.Domain"
    assert create("no_name").code == "InvalidParameter.Domain"
    assert create("c.example", ServerCertificateId="gone").code == "InvalidParameter.ServerCertificateId"
    for name in ("c.example", "d.example"):
        ok(create(name))
        settle(admin)
    assert create("e.example").code == "OverQuota"
    new = upload(slb, factory.issue(["b.example"]))["ServerCertificateId"]
    ok(slb.call("SetDomainExtensionAttribute", **one, ServerCertificateId=new))
    shown = ok(slb.call("DescribeDomainExtensionAttribute", **one))
    assert (shown["Domain"], shown["ServerCertificateId"], shown["ListenerPort"]) == ("*.b.example", new, 443)
    assert shown["LoadBalancerId"] == balancer
    listed = ok(slb.call("DescribeDomainExtensions", **where))["DomainExtensions"]["DomainExtension"]
    assert len(listed) == 3 and attribute(slb, balancer)["DomainExtensions"]["DomainExtension"] == listed
    settle(admin)
    ok(slb.call("DeleteDomainExtension", **one))
    assert slb.call("DeleteDomainExtension", **one).code == "InvalidParameter.DomainExtensionId"
    assert slb.call("DescribeDomainExtensionAttribute", **one).code == "InvalidParameter.DomainExtensionId"


# -- tags -----------------------------------------------------------------------------


def test_tags_are_set_listed_and_removed(slb, placed):
    balancer, certificate = placed
    for kind, resource in (("certificate", certificate), ("instance", balancer), ("listener", f"{balancer}_https_443")):
        what = {"ResourceType": kind, "ResourceId.1": resource}
        ok(slb.call("TagResources", **what, Tag__1__Key="a", Tag__1__Value="1", Tag__2__Key="b"))
        rows = ok(slb.call("ListTagResources", **what))["TagResources"]["TagResource"]
        assert rows[0] == {"ResourceId": resource, "ResourceType": kind, "TagKey": "a", "TagValue": "1"}
        assert len(rows) == 2
        by_tag = ok(slb.call("ListTagResources", ResourceType=kind, Tag__1__Key="a"))["TagResources"]["TagResource"]
        assert [row["ResourceId"] for row in by_tag] == [resource]
        ok(slb.call("UntagResources", **what, TagKey__1="a"))
        assert len(ok(slb.call("ListTagResources", **what))["TagResources"]["TagResource"]) == 1
        ok(slb.call("UntagResources", **what, All="true"))
        assert ok(slb.call("ListTagResources", **what))["TagResources"]["TagResource"] == []


def test_a_listing_of_many_tags_is_paged(slb, admin):
    tags = {f"k{n}": "v" for n in range(20)}
    ids = [
        admin.post("/admin/certificates", {"names": ["a.example"], "kind": "ec", "tags": tags})["id"] for _ in range(3)
    ]
    what = {"ResourceType": "certificate", **{f"ResourceId.{n + 1}": i for n, i in enumerate(ids)}}
    first = ok(slb.call("ListTagResources", **what))
    rest = ok(slb.call("ListTagResources", **what, NextToken=first["NextToken"]))
    assert (len(first["TagResources"]["TagResource"]), len(rest["TagResources"]["TagResource"])) == (50, 10)
    assert slb.call("TagResources", **what, Tag__1__Key="one-more").code == "TagCountLimit"


@pytest.mark.parametrize("wrong", [{"certificateQuota": "many"}, {"setSeconds": -1}, {"serialise": True}])
def test_a_wrong_setting_changes_nothing(admin, wrong):
    before = admin.get("/admin/settings")
    with pytest.raises(AdminFailure):
        admin.post("/admin/settings", {"strictSet": True, **wrong})
    assert admin.get("/admin/settings") == before


def test_the_admin_face_shows_state_without_keys(slb, admin, placed):
    state = admin.get("/admin/state?region=cn-hangzhou")
    (cell,) = state["cells"]
    assert cell["certificates"][0]["id"] == placed[1] and cell["loadBalancers"][0]["id"] == placed[0]
    assert "BEGIN" not in json.dumps(state) and "testsecret" not in json.dumps(admin.get("/admin/keys"))
    assert admin.get("/admin/state?region=cn-beijing") == {"cells": []}


# -- instances --------------------------------------------------------------------------


def test_an_instance_is_created_once_per_token(slb):
    wanted = {
        "LoadBalancerName": "SLB1",
        "MasterZoneId": "cn-hangzhou-a",
        "SlaveZoneId": "cn-hangzhou-b",
        "ClientToken": "t",
    }
    one, two = ok(slb.call("CreateLoadBalancer", **wanted)), ok(slb.call("CreateLoadBalancer", **wanted))
    assert one["LoadBalancerId"] == two["LoadBalancerId"] and one["LoadBalancerId"].startswith("lb-bp1")
    assert (one["VpcId"], one["VSwitchId"], one["NetworkType"]) == ("", "", "classic")
    assert (
        slb.call("CreateLoadBalancer", **{**wanted, "LoadBalancerName": "SLB2"}).code == "IdempotentParameterMismatch"
    )
    listed = ok(slb.call("DescribeLoadBalancers", LoadBalancerName="SLB1"))
    (entry,) = listed["LoadBalancers"]["LoadBalancer"]
    shown = ok(slb.call("DescribeLoadBalancerAttribute", LoadBalancerId=one["LoadBalancerId"]))
    assert (entry["InternetChargeType"], shown["InternetChargeType"]) == ("4", "paybytraffic")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", entry["CreateTime"])
    assert entry["CreateTimeStamp"] == shown["CreateTimeStamp"]
    assert shown["ListenerPortsAndProtocal"] == {"ListenerPortAndProtocal": []}
    ok(slb.call("DeleteLoadBalancer", LoadBalancerId=one["LoadBalancerId"]))
    assert slb.call("DeleteLoadBalancer", LoadBalancerId=one["LoadBalancerId"]).status == 404
    assert ok(slb.call("DescribeLoadBalancers", LoadBalancerId=one["LoadBalancerId"]))["TotalCount"] == 0


def test_a_protected_instance_stays_and_a_locked_one_refuses_changes(slb, admin, pair):
    balancer = ok(slb.call("CreateLoadBalancer", DeleteProtection="on"))["LoadBalancerId"]
    assert slb.call("DeleteLoadBalancer", LoadBalancerId=balancer).code == "OperationDenied.DeleteProtectionIsOn"
    locked = admin.post("/admin/balancers", {"status": "locked"})["id"]
    refused = slb.call("AddBackendServers", LoadBalancerId=locked, BackendServers='[{"ServerId":"i-1"}]')
    assert refused.code == "ActionNotAllowed"


def test_a_shared_instance_has_neither_policies_nor_extensions(slb, admin, pair):
    certificate = upload(slb, pair)["ServerCertificateId"]
    seeded = {"spec": "", "listeners": [{"port": 443, "certificateId": certificate, "serve": False}]}
    where = {"LoadBalancerId": admin.post("/admin/balancers", seeded)["id"], "ListenerPort": 443}
    policy = slb.call("SetLoadBalancerHTTPSListenerAttribute", **where, TLSCipherPolicy="tls_cipher_policy_1_2")
    extension = slb.call("CreateDomainExtension", **where, Domain="b.example", ServerCertificateId=certificate)
    assert policy.code == extension.code == "UnsupportedOperation"
    admin.post("/admin/settings", {"sharedTypeSold": False})
    assert slb.call("CreateLoadBalancer").code == "ShareSlbHaltSales"
    ok(slb.call("CreateLoadBalancer", LoadBalancerSpec="slb.s1.small"))


def test_backend_servers_are_added_weighed_and_removed(slb, admin):
    balancer = admin.post("/admin/balancers", {})["id"]
    call = lambda action, servers: slb.call(action, LoadBalancerId=balancer, BackendServers=json.dumps(servers))  # noqa: E731
    added = ok(call("AddBackendServers", [{"ServerId": "i-1", "Weight": "100"}, {"ServerId": "i-2"}]))
    assert [s["Weight"] for s in added["BackendServers"]["BackendServer"]] == ["100", "100"]
    assert call("AddBackendServers", [{"ServerId": "i-1"}]).code == "InvalidParameter"
    assert call("SetBackendServers", [{"ServerId": "i-9", "Weight": 1}]).code == "InvalidServerId.NotFound"
    assert call("SetBackendServers", [{"ServerId": "i-1", "Weight": 101}]).code == "InvalidWeight.Malformed"
    assert call("SetBackendServers", "x").code == "BackendServersMalformed"
    deep = slb.call("SetBackendServers", LoadBalancerId=balancer, BackendServers="[" * 5000)
    assert deep.code == "BackendServersMalformed"
    ok(call("SetBackendServers", [{"ServerId": "i-1", "Weight": 0}]))
    left = ok(call("RemoveBackendServers", [{"ServerId": "i-2"}, {"ServerId": "i-9"}]))
    assert left["BackendServers"]["BackendServer"] == [{"ServerId": "i-1", "Weight": 0, "Type": "ecs"}]


def test_zones_come_in_pairs(slb):
    zones = ok(slb.call("DescribeZones", RegionId="cn-zhangjiakou"))["Zones"]["Zone"]
    assert zones[0]["ZoneId"] == "cn-zhangjiakou-a"
    assert zones[0]["SlaveZones"]["SlaveZone"][0]["ZoneId"] == "cn-zhangjiakou-b"
