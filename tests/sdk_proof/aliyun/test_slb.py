"""What users of the official SDKs do with a load balancer, against the emulator."""

from __future__ import annotations

import json
import threading
import time
import uuid

import pytest
from alibabacloud_tea_openapi.utils import Utils
from aliyunsdkcore.utils import parameter_helper
from emulators.aliyun.handshake import look

from .sdks import NewSdk, Refused

LISTENER = {"ListenerPort": 443, "BackendServerPort": 80, "Bandwidth": 6, "HealthCheck": "off", "StickySession": "off"}


def upload(sdk, pair, **more):
    return sdk.call("UploadServerCertificate", ServerCertificate=pair.bundle_pem, PrivateKey=pair.key_pem, **more)


def listed(sdk):
    return sdk.call("DescribeServerCertificates").get("ServerCertificates", {}).get("ServerCertificate", [])


def patiently(action):
    """Repeats a call that the service refuses because it is busy, as every client has to."""
    deadline, pause = time.monotonic() + 10, threading.Event()
    while True:
        try:
            return action()
        except Refused as refused:
            busy = ("ServiceIsConfiguring", "BackendServer.configuring", "DomainExtensionProcessing")
            if refused.code not in busy or time.monotonic() > deadline:
                raise
        pause.wait(0.005)


def wait_for_status(sdk, balancer, status, port=443):
    deadline, pause = time.monotonic() + 10, threading.Event()
    where = {"LoadBalancerId": balancer, "ListenerPort": port}
    while (shown := sdk.call("DescribeLoadBalancerHTTPSListenerAttribute", **where))["Status"] != status:
        assert time.monotonic() < deadline, f"the listener is {shown['Status']}, not {status}"
        pause.wait(0.005)
    return shown


def refusal(action):
    with pytest.raises(Refused) as caught:
        action()
    return caught.value


@pytest.fixture
def running(sdk, admin, factory):
    """(load balancer id, address, the pair that is served) of a running listener on 8443."""
    pair = factory.issue(["a.example"])
    certificate = upload(sdk, pair)["ServerCertificateId"]
    seeded = admin.post(
        "/admin/balancers",
        {"region": "cn-zhangjiakou", "listeners": [{"port": 8443, "certificateId": certificate}]},
    )
    return seeded["id"], seeded["address"], pair


def test_the_published_walk_through(sdk, factory):
    first, second = factory.issue(["test"]), factory.issue(["test.example"])
    balancer = sdk.call(
        "CreateLoadBalancer", MasterZoneId="cn-zhangjiakou-a", SlaveZoneId="cn-zhangjiakou-b", LoadBalancerName="SLB1",
        PayType="PayOnDemand", ClientToken=str(uuid.uuid4()),
    )  # fmt: skip
    assert balancer["LoadBalancerId"].startswith("lb-8vb")
    assert (balancer["NetworkType"], balancer["VpcId"], balancer["VSwitchId"]) == ("classic", "", "")
    where = {"LoadBalancerId": balancer["LoadBalancerId"]}
    servers = json.dumps([{"ServerId": "i-1", "Weight": "100"}, {"ServerId": "i-2", "Weight": "100"}])
    added = sdk.call("AddBackendServers", **where, BackendServers=servers)
    assert [server["ServerId"] for server in added["BackendServers"]["BackendServer"]] == ["i-1", "i-2"]
    one = upload(sdk, first)
    assert one["ServerCertificateName"] == one["CommonName"] == "test"
    assert (one["IsAliCloudCertificate"], one["AliCloudCertificateName"]) == (0, "")
    listener = {**where, **LISTENER, "ListenerPort": 80, "BackendServerPort": 443}
    patiently(
        lambda: sdk.call("CreateLoadBalancerHTTPSListener", **listener, ServerCertificateId=one["ServerCertificateId"])
    )
    # The walk-through never starts its listener: it is stopped, and nobody is served.
    shown = wait_for_status(sdk, where["LoadBalancerId"], "stopped", 80)
    assert shown["ServerCertificateId"] == one["ServerCertificateId"] and shown["BackendServerPort"] == 443
    with pytest.raises(ConnectionRefusedError):
        look(balancer["Address"], 80)
    two = upload(sdk, second)
    change = {name: value for name, value in listener.items() if name != "BackendServerPort"}
    sdk.call("SetLoadBalancerHTTPSListenerAttribute", **change, ServerCertificateId=two["ServerCertificateId"])
    shown = sdk.call("DescribeLoadBalancerHTTPSListenerAttribute", **where, ListenerPort=80)
    assert shown["ServerCertificateId"] == two["ServerCertificateId"]
    patiently(lambda: sdk.call("DeleteLoadBalancer", **where))
    assert [c["ServerCertificateId"] for c in listed(sdk)] == [one["ServerCertificateId"], two["ServerCertificateId"]]


def test_a_renewal_reaches_clients(sdk, factory, running):
    balancer, address, old = running
    assert look(address, 8443, "a.example").sha256 == old.sha256
    new = factory.issue(["a.example"])
    certificate = upload(sdk, new, ServerCertificateName="renewed")
    assert certificate["Fingerprint"].replace(":", "") == new.sha1
    where = {"LoadBalancerId": balancer, "ListenerPort": 8443}
    sdk.call("SetLoadBalancerHTTPSListenerAttribute", **where, ServerCertificateId=certificate["ServerCertificateId"])
    assert look(address, 8443, "a.example").sha256 == new.sha256
    superseded = next(c for c in listed(sdk) if c["ServerCertificateId"] != certificate["ServerCertificateId"])
    sdk.call("DeleteServerCertificate", ServerCertificateId=superseded["ServerCertificateId"])
    assert [c["ServerCertificateName"] for c in listed(sdk)] == ["renewed"]


def test_a_created_listener_serves_once_it_is_started(sdk, admin, factory):
    pair = factory.issue(["a.example"])
    certificate = upload(sdk, pair)["ServerCertificateId"]
    seeded = admin.post("/admin/balancers", {"region": "cn-zhangjiakou"})
    where = {"LoadBalancerId": seeded["id"], "ListenerPort": 8443}
    listener = {**LISTENER, **where, "ServerCertificateId": certificate}
    sdk.call("CreateLoadBalancerHTTPSListener", **listener)
    wait_for_status(sdk, seeded["id"], "stopped", 8443)
    patiently(lambda: sdk.call("StartLoadBalancerListener", **where, ListenerProtocol="https"))
    wait_for_status(sdk, seeded["id"], "running", 8443)
    assert look(seeded["address"], 8443).sha256 == pair.sha256
    assert refusal(lambda: sdk.call("CreateLoadBalancerHTTPSListener", **listener)).code == "ListenerAlreadyExists"


def test_an_extension_serves_its_name_alone(sdk, factory, running):
    balancer, address, default = running
    pair, newer = factory.issue(["*.b.example"]), factory.issue(["*.b.example"])
    where = {"LoadBalancerId": balancer, "ListenerPort": 8443}
    certificate = upload(sdk, pair)["ServerCertificateId"]
    made = sdk.call("CreateDomainExtension", **where, Domain="*.b.example", ServerCertificateId=certificate)
    one = {"DomainExtensionId": made["DomainExtensionId"]}
    other = upload(sdk, newer)["ServerCertificateId"]
    patiently(lambda: sdk.call("SetDomainExtensionAttribute", **one, ServerCertificateId=other))
    shown = sdk.call("DescribeDomainExtensions", **where)["DomainExtensions"]["DomainExtension"]
    assert shown == [{**one, "Domain": "*.b.example", "ServerCertificateId": other}]
    assert sdk.call("DescribeDomainExtensionAttribute", **one)["LoadBalancerId"] == balancer
    refused = refusal(lambda: sdk.call("DeleteServerCertificate", ServerCertificateId=other))
    assert refused.code == "CertificateRelatedDomainExtensionExist"
    patiently(lambda: sdk.call("CreateDomainExtension", **where, Domain="c.example", ServerCertificateId=other))
    deadline = time.monotonic() + 5
    while look(address, 8443, "x.b.example").sha256 != newer.sha256:
        assert time.monotonic() < deadline
    assert look(address, 8443, "a.example").sha256 == default.sha256
    patiently(lambda: sdk.call("DeleteDomainExtension", **one))
    assert look(address, 8443, "x.b.example").sha256 == default.sha256


def test_listeners_are_paged(sdk, admin, running):
    _, _, pair = running
    certificate = listed(sdk)[0]["ServerCertificateId"]
    admin.post("/admin/bulk", {
        "region": "cn-zhangjiakou", "loadBalancers": 5, "listenersEach": 50, "certificateId": certificate,
    })  # fmt: skip
    seen, token, pages = [], "", 0
    while pages == 0 or token:
        more = {"NextToken": token} if token else {}
        page = sdk.call("DescribeLoadBalancerListeners", MaxResults=100, **more)
        seen += [(entry["LoadBalancerId"], entry["ListenerPort"]) for entry in page["Listeners"]]
        token, pages = page.get("NextToken", ""), pages + 1
    assert (pages, len(seen), len(set(seen)), page["TotalCount"]) == (3, 251, 251, 251)
    assert page["Listeners"][0]["HTTPSListenerConfig"]["ServerCertificateId"] == certificate
    only = sdk.call("DescribeLoadBalancerListeners", LoadBalancerId=[running[0]], ListenerProtocol="https")
    assert [entry["Status"] for entry in only["Listeners"]] == ["running"]


def test_tags_mark_what_is_ours(sdk, factory):
    pair = factory.issue(["a.example"])
    ours = upload(sdk, pair, Tag=[{"Key": "managed-by", "Value": "certbinder"}])["ServerCertificateId"]
    theirs = upload(sdk, pair)["ServerCertificateId"]
    found = sdk.call("DescribeServerCertificates", Tag=[{"Key": "managed-by", "Value": "certbinder"}])
    assert [c["ServerCertificateId"] for c in found["ServerCertificates"]["ServerCertificate"]] == [ours]
    what = {"ResourceType": "certificate", "ResourceId": [theirs]}
    sdk.call("TagResources", **what, Tag=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    rows = sdk.call("ListTagResources", **what)["TagResources"]["TagResource"]
    assert [(row["TagKey"], row["TagValue"]) for row in rows] == [("a", "1"), ("b", "")]
    sdk.call("UntagResources", **what, TagKey=["a"])
    rows = sdk.call("ListTagResources", **what)["TagResources"]["TagResource"]
    assert [row["TagKey"] for row in rows] == ["b"]


def test_instances_are_listed_and_described(sdk, running):
    balancer, address, _ = running
    (entry,) = sdk.call("DescribeLoadBalancers", LoadBalancerId=balancer)["LoadBalancers"]["LoadBalancer"]
    assert (entry["Address"], entry["LoadBalancerStatus"]) == (address, "active")
    shown = sdk.call("DescribeLoadBalancerAttribute", LoadBalancerId=balancer)
    assert shown["ListenerPortsAndProtocol"]["ListenerPortAndProtocol"][0]["ListenerPort"] == 8443
    assert refusal(lambda: sdk.call("DescribeLoadBalancerAttribute", LoadBalancerId="lb-none")).status == 404
    assert len(sdk.call("DescribeRegions")["Regions"]["Region"]) > 20
    assert sdk.call("DescribeZones")["Zones"]["Zone"][0]["ZoneId"] == "cn-zhangjiakou-a"


def test_each_sdk_signs_its_own_way(request, sdk, admin):
    sdk.call("DescribeServerCertificates")
    (entry,) = admin.journal(operation="DescribeServerCertificates")
    variant = request.node.callspec.params["connect"]
    assert entry["authKind"] == ("ACS3-HMAC-SHA256" if variant == "new-acs3" else "HMAC-SHA1")
    assert ("SignatureType=" in entry["url"]) == (variant == "old-hmac")


# -- what goes wrong ------------------------------------------------------------------


def test_a_wrong_secret_is_recognised(connect):
    refused = refusal(lambda: connect(secret="wrong").call("DescribeRegions"))
    # The older SDK compares the server's string with its own and concludes that the secret is wrong.
    assert refused.code in ("SignatureDoesNotMatch", "InvalidAccessKeySecret") and refused.status == 400


def test_an_unknown_key_is_refused(connect):
    assert refusal(lambda: connect(key="nobody").call("DescribeRegions")).code == "InvalidAccessKeyId.NotFound"


def test_a_reused_nonce_is_refused(sdk, monkeypatch):
    monkeypatch.setattr(Utils, "get_nonce", staticmethod(lambda: "always-the-same"))
    monkeypatch.setattr(parameter_helper, "get_uuid", lambda: "always-the-same")
    sdk.call("DescribeServerCertificates")
    assert refusal(lambda: sdk.call("DescribeServerCertificates")).code == "SignatureNonceUsed"


@pytest.mark.parametrize("seconds", [-1000, 1000])
def test_a_skewed_clock_is_refused(sdk, admin, seconds):
    admin.post("/admin/clock", {"offsetSeconds": seconds})
    assert refusal(lambda: sdk.call("DescribeServerCertificates")).code == "InvalidTimeStamp.Expired"


def test_a_temporary_key_works_until_it_expires(connect, admin):
    admin.post("/admin/keys", {"id": "STS.a", "secret": "s", "token": "CAIS+tok/en==", "expiresInSeconds": 60})
    sdk = connect(key="STS.a", secret="s", token="CAIS+tok/en==")
    sdk.call("DescribeServerCertificates")
    admin.post("/admin/clock", {"advanceSeconds": 120})
    assert refusal(lambda: sdk.call("DescribeServerCertificates")).code == "InvalidSecurityToken.Expired"


def test_a_key_without_the_right_is_refused_in_detail(connect, admin):
    admin.post("/admin/keys", {"id": "reader", "secret": "s", "allowed": ["Describe*"]})
    reader = connect(key="reader", secret="s")
    reader.call("DescribeServerCertificates")
    refused = refusal(lambda: reader.call("DeleteServerCertificate", ServerCertificateId="x"))
    assert (refused.code, refused.status) == ("Forbidden.RAM", 403)
    if isinstance(reader, NewSdk):
        assert refused.detail["AuthAction"] == "slb:DeleteServerCertificate"


def test_throttling_says_how_long_to_wait(sdk, admin):
    admin.fault(operation="DescribeServerCertificates", kind="throttle", retryAfter="1500", times=1)
    refused = refusal(lambda: sdk.call("DescribeServerCertificates"))
    assert refused.code == "Throttling.User"
    if isinstance(sdk, NewSdk):
        assert refused.retry_after == 1500
    admin.fault(operation="DescribeServerCertificates", kind="throttle", code="Throttling", times=1)
    refused = refusal(lambda: sdk.call("DescribeServerCertificates"))
    assert (refused.code, refused.retry_after) == ("Throttling", None)
    sdk.call("DescribeServerCertificates")


def test_a_busy_service_lets_the_patient_through(sdk, admin, running):
    admin.fault(operation="SetLoadBalancerHTTPSListenerAttribute", kind="status", code="ServiceIsConfiguring", times=3)
    change = {"LoadBalancerId": running[0], "ListenerPort": 8443, "Gzip": "off"}
    patiently(lambda: sdk.call("SetLoadBalancerHTTPSListenerAttribute", **change))
    entries = admin.journal(operation="SetLoadBalancerHTTPSListenerAttribute")
    assert [e["errorCode"] for e in entries] == ["ServiceIsConfiguring"] * 3 + [""]


def test_the_quota_ends_uploads(sdk, admin, factory):
    pair = factory.issue(["a.example"])
    admin.post("/admin/settings", {"certificateQuota": 1})
    upload(sdk, pair)
    assert refusal(lambda: upload(sdk, pair)).code == "OverQuota"


def test_a_certificate_in_use_is_kept(sdk, running):
    certificate = listed(sdk)[0]["ServerCertificateId"]
    refused = refusal(lambda: sdk.call("DeleteServerCertificate", ServerCertificateId=certificate))
    assert refused.code == "CertificateAndPrivateKeyIsRefered"


def test_keys_and_certificates_have_to_be_as_documented(sdk, factory):
    one, two = factory.issue(["a.example"]), factory.issue(["b.example"])
    pkcs8, ec = factory.issue(["c.example"], "rsa-pkcs8"), factory.issue(["d.example"], "ec")

    def code(certificate, key):
        call = lambda: sdk.call("UploadServerCertificate", ServerCertificate=certificate, PrivateKey=key)  # noqa: E731
        return refusal(call).code

    assert code(one.bundle_pem, two.key_pem) == "CertificateNotMatchPrivateKey"
    assert code(pkcs8.bundle_pem, pkcs8.key_pem) == "KeyFormatError"
    assert code(ec.bundle_pem, ec.key_pem) == "KeyFormatError"
    assert code(one.leaf_pem + "\n" + one.intermediate_pem, one.key_pem) == "InvalidParameter"


def test_a_listener_of_another_region_is_not_found(connect, running, emulator):
    elsewhere = {"RegionId": "cn-beijing", "LoadBalancerId": running[0], "ListenerPort": 8443}
    refused = refusal(lambda: connect().call("DescribeLoadBalancerHTTPSListenerAttribute", **elsewhere))
    assert (refused.code, refused.status) == ("InvalidLoadBalancerId.NotFound", 404)
