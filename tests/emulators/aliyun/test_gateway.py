"""Who is let in, and how the gateway says no."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import replace
from datetime import datetime, timezone
from urllib.parse import urlencode, urlsplit
from xml.etree import ElementTree

import pytest

from .client import SlbClient


def other_time(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() + seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("scheme", ["acs3", "rpc"])
@pytest.mark.parametrize("method,in_query", [("POST", False), ("POST", True), ("GET", True)])
def test_parameters_travel_in_query_or_body(emulator, scheme, method, in_query):
    client = SlbClient(emulator.url, scheme=scheme, method=method, in_query=in_query)
    answer = client.call("DescribeServerCertificates", Odd="a b*c~d_证书&=+")
    assert answer.status == 200 and answer.json()["ServerCertificates"] == {"ServerCertificate": []}
    assert answer.json()["RequestId"] == answer.json()["RequestId"].upper()


@pytest.mark.parametrize("kind", ["", None])
def test_the_signature_type_may_be_empty_or_absent(emulator, kind):
    overrides = {} if kind is None else {"SignatureType": kind}
    assert SlbClient(emulator.url, "rpc", overrides=overrides).call("DescribeRegions").status == 200


def test_a_failure_has_the_documented_members(either):
    answer = either.call("DescribeLoadBalancerAttribute", LoadBalancerId="lb-none", RegionId="cn-beijing")
    body = answer.json()
    assert (answer.status, body["Code"]) == (404, "InvalidLoadBalancerId.NotFound")
    assert body["HostId"] == "slb.cn-beijing.aliyuncs.com"
    assert body["Recommend"] == (
        "https://api.aliyun.com/troubleshoot?q=InvalidLoadBalancerId.NotFound&product=Slb"
        f"&requestId={body['RequestId']}"
    )


def test_xml_is_spoken_on_request(emulator):
    client = SlbClient(emulator.url, "rpc", overrides={"Format": "XML"})
    root = ElementTree.fromstring(client.call("DescribeRegions").body)
    assert root.tag == "DescribeRegionsResponse" and root.find("Regions/Region/RegionId").text == "cn-hangzhou"
    failure = ElementTree.fromstring(client.call("DeleteServerCertificate", ServerCertificateId="x").body)
    assert failure.tag == "Error" and failure.find("Code").text == "ServerCertificateId.NotFound"


def test_a_wrong_secret_is_told_with_the_servers_own_string(either):
    answer = replace(either, secret="wrong").call("DescribeRegions")
    assert (answer.status, answer.code) == (400, "SignatureDoesNotMatch")
    assert "POST" in answer.json()["Message"]
    assert (
        "string to sign is:POST&%2F&" in answer.json()["Message"] or "StringToSign is:ACS3" in answer.json()["Message"]
    )


def test_a_nonce_is_good_once(either):
    name = "x-acs-signature-nonce" if either.scheme == "acs3" else "SignatureNonce"
    client = replace(either, overrides={name: "once"})
    assert client.call("DescribeRegions").status == 200
    assert client.call("DescribeRegions").code == "SignatureNonceUsed"


def test_a_refused_signature_does_not_use_up_the_nonce(emulator):
    client = SlbClient(emulator.url, overrides={"x-acs-signature-nonce": "once"})
    assert replace(client, secret="wrong").call("DescribeRegions").code == "SignatureDoesNotMatch"
    assert client.call("DescribeRegions").status == 200


@pytest.mark.parametrize("seconds,code", [(-1000, "InvalidTimeStamp.Expired"), (1000, "InvalidTimeStamp.Expired"),
                                          (-600, ""), (600, "")])  # fmt: skip
def test_the_clock_window_is_fifteen_minutes(either, seconds, code):
    name = "x-acs-date" if either.scheme == "acs3" else "Timestamp"
    assert replace(either, overrides={name: other_time(seconds)}).call("DescribeRegions").code == code


def test_a_skewed_server_says_its_time_in_the_date_header(slb, admin):
    admin.post("/admin/clock", {"offsetSeconds": 7200})
    answer = slb.call("DescribeRegions")
    assert answer.code == "InvalidTimeStamp.Expired"
    told = datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=timezone.utc)
    assert 7100 < told.timestamp() - time.time() < 7300
    resynced = replace(slb, overrides={"x-acs-date": told.strftime("%Y-%m-%dT%H:%M:%SZ")})
    assert resynced.call("DescribeRegions").status == 200


@pytest.mark.parametrize(
    "overrides,code",
    [
        ({"Timestamp": "2026-01-02 03:04:05"}, "InvalidTimeStamp.Format"),
        ({"Timestamp": "2026-13-02T03:04:05Z"}, "InvalidTimeStamp.Format"),
        ({"Timestamp": "-absent-"}, "MissingTimestamp"),
        ({"SignatureNonce": "-absent-"}, "MissingSignatureNonce"),
        ({"AccessKeyId": "-absent-"}, "MissingAccessKeyId"),
        ({"AccessKeyId": "nobody"}, "InvalidAccessKeyId.NotFound"),
        ({"SignatureMethod": "HMAC-MD5"}, "InvalidSignatureMethod"),
        ({"Format": "YAML"}, "InvalidParameter.Format"),
        ({"Version": "2014-05-26"}, "InvalidProduct.NotFound"),
        ({"Signature": "bm8="}, "SignatureDoesNotMatch"),
    ],
)
def test_what_is_wrong_with_the_protocol_is_named(emulator, overrides, code):
    assert SlbClient(emulator.url, "rpc", overrides=overrides).call("DescribeRegions").code == code


@pytest.mark.parametrize(
    "overrides,code",
    [
        ({"x-acs-date": "-absent-"}, "MissingTimestamp"),
        ({"x-acs-signature-nonce": "-absent-"}, "MissingSignatureNonce"),
        ({"x-acs-content-sha256": "-absent-"}, "IncompleteSignature"),
        ({"x-acs-content-sha256": "0" * 64}, "SignatureDoesNotMatch"),
        ({"x-acs-version": "2014-05-26"}, "InvalidProduct.NotFound"),
    ],
)
def test_what_is_wrong_with_acs3_headers_is_named(emulator, overrides, code):
    assert SlbClient(emulator.url, overrides=overrides).call("DescribeRegions").code == code


def test_an_unknown_action_and_another_method_are_refused(either, emulator):
    assert either.call("DescribeNothing").code == "InvalidApi.NotFound"
    connection = http.client.HTTPConnection(urlsplit(emulator.url).netloc, timeout=5)
    connection.request("PUT", "/?Action=DescribeRegions&Format=JSON")
    assert b"UnsupportedHTTPMethod" in connection.getresponse().read()
    connection.close()


@pytest.mark.parametrize("junk", ["/", "/?%FF%FE=%00", "/?&&==", "/?Action=%F0%9F%92%A9&Signature=%ff"])
def test_junk_gets_an_answer(emulator, junk):
    connection = http.client.HTTPConnection(urlsplit(emulator.url).netloc, timeout=5)
    connection.request("POST", junk, b"\xff\x00=&", {"content-type": "application/x-www-form-urlencoded"})
    assert 400 <= connection.getresponse().status < 500
    connection.close()


def test_a_key_is_bound_to_its_actions(either, admin):
    admin.post("/admin/keys", {"id": "reader", "secret": "s", "allowed": ["Describe*"], "name": "bob"})
    reader = replace(either, key_id="reader", secret="s")
    assert reader.call("DescribeRegions").status == 200
    answer = reader.call("DeleteServerCertificate", ServerCertificateId="x")
    assert (answer.status, answer.code) == (403, "Forbidden.RAM")
    detail = answer.json()["AccessDeniedDetail"]
    assert detail["AuthAction"] == "slb:DeleteServerCertificate" and detail["AuthPrincipalDisplayName"] == "bob"
    admin.post("/admin/keys", {"id": "reader", "secret": "s", "active": False})
    assert reader.call("DescribeRegions").code == "InvalidAccessKeyId.Inactive"
    admin.delete("/admin/keys/reader")
    assert reader.call("DescribeRegions").code == "InvalidAccessKeyId.NotFound"


def test_a_temporary_key_wants_its_token_until_it_expires(either, admin):
    admin.post("/admin/keys", {"id": "STS.a", "secret": "s", "token": "CAIS+a/==", "expiresInSeconds": 300})
    admin.post("/admin/keys", {"id": "STS.b", "secret": "s", "token": "CAIS+b/=="})
    client = replace(either, key_id="STS.a", secret="s", token="CAIS+a/==")
    assert client.call("DescribeRegions").status == 200
    assert replace(client, token="").call("DescribeRegions").code == "InvalidAccessKeyId.NotFound"
    assert replace(client, token="odd").call("DescribeRegions").code == "InvalidSecurityToken.Malformed"
    assert (
        replace(client, token="CAIS+b/==").call("DescribeRegions").code == "InvalidSecurityToken.MismatchWithAccessKey"
    )
    admin.post("/admin/clock", {"advanceSeconds": 400})
    assert client.call("DescribeRegions").code == "InvalidSecurityToken.Expired"


def test_a_role_gives_a_temporary_key_with_the_roles_rights(either, admin):
    arn = "acs:ram::1231579085529123:role/certs"
    admin.post("/admin/roles", {"arn": arn, "allowed": ["Describe*"]})
    sts = replace(either, version="2015-04-01")
    body = sts.call("AssumeRole", RoleArn=arn, RoleSessionName="certbinder").json()
    got = body["Credentials"]
    assumed = replace(either, key_id=got["AccessKeyId"], secret=got["AccessKeySecret"], token=got["SecurityToken"])
    assert body["AssumedRoleUser"]["Arn"] == arn + "/certbinder"
    assert assumed.call("DescribeRegions").status == 200
    assert assumed.call("DeleteLoadBalancer", LoadBalancerId="x").code == "Forbidden.RAM"
    for wrong, code in (
        ({"RoleArn": "acs:ram::1231579085529123:role/none"}, "EntityNotExist.Role"),
        ({"RoleArn": "certs"}, "InvalidParameter.RoleArn"),
        ({"RoleSessionName": "a b"}, "InvalidParameter.RoleSessionName"),
        ({"DurationSeconds": "60"}, "InvalidParameter.DurationSeconds"),
    ):
        parameters = {"RoleArn": arn, "RoleSessionName": "certbinder", **wrong}
        assert sts.call("AssumeRole", **parameters).code == code


def test_a_trusted_token_gives_a_temporary_key_without_a_signature(emulator, slb, admin):
    arn, provider = "acs:ram::1231579085529123:role/pod", "acs:ram::1231579085529123:oidc-provider/ack-rrsa-c1"
    token = "e30.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6ZGVmYXVsdDpjZXJ0YmluZGVyIn0.sig"
    admin.post("/admin/roles", {"arn": arn, "oidcProvider": provider, "oidcTokens": [token]})

    def assume(presented: str) -> tuple[int, dict]:
        query = "/?Action=AssumeRoleWithOIDC&Version=2015-04-01&Format=JSON&Timestamp=2026-01-02T03%3A04%3A05Z"
        form = {"RoleArn": arn, "OIDCProviderArn": provider, "OIDCToken": presented, "RoleSessionName": "certbinder"}
        connection = http.client.HTTPConnection(urlsplit(emulator.url).netloc, timeout=5)
        headers = {"content-type": "application/x-www-form-urlencoded"}
        connection.request("POST", query, urlencode(form), headers)
        answer = connection.getresponse()
        body = json.loads(answer.read())
        connection.close()
        return answer.status, body

    status, body = assume(token)
    got = body["Credentials"]
    assert status == 200 and body["OIDCTokenInfo"]["Subject"] == "system:serviceaccount:default:certbinder"
    assumed = replace(slb, key_id=got["AccessKeyId"], secret=got["AccessKeySecret"], token=got["SecurityToken"])
    assert assumed.call("DescribeRegions").status == 200
    assert assume("another")[1]["Code"].startswith("AuthenticationFail.")


def test_regions_and_accounts_are_apart(either, admin):
    admin.post("/admin/certificates", {"region": "cn-beijing", "names": ["a.example"]})
    listed = lambda client, region: client.call("DescribeServerCertificates", RegionId=region).json()  # noqa: E731
    assert len(listed(either, "cn-beijing")["ServerCertificates"]["ServerCertificate"]) == 1
    assert listed(either, "cn-hangzhou")["ServerCertificates"]["ServerCertificate"] == []
    admin.post("/admin/keys", {"id": "other", "secret": "s", "account": "42"})
    other = replace(either, key_id="other", secret="s")
    assert listed(other, "cn-beijing")["ServerCertificates"]["ServerCertificate"] == []
    assert either.call("DescribeServerCertificates", RegionId="mars").code == "InvalidRegionId.NotFound"


@pytest.mark.parametrize(
    "host,region",
    [
        ("slb.cn-beijing.aliyuncs.com", "cn-beijing"),
        ("slb-vpc.cn-beijing.aliyuncs.com", "cn-beijing"),
        ("slb.aliyuncs.com", "cn-hangzhou"),
    ],
)
def test_without_a_region_the_host_decides_and_the_central_one_means_hangzhou(emulator, admin, host, region):
    admin.post("/admin/certificates", {"region": region, "names": ["a.example"]})
    client = SlbClient(emulator.url, overrides={"host": host})
    found = client.call("DescribeServerCertificates", RegionId="").json()["ServerCertificates"]["ServerCertificate"]
    assert [entry["RegionId"] for entry in found] == [region]
    refused = client.call("DeleteServerCertificate", RegionId="", ServerCertificateId="x")
    assert refused.json()["HostId"] == host


# -- faults -----------------------------------------------------------------------


def test_busy_and_throttled_answers_come_as_often_as_asked(either, admin):
    admin.fault(operation="DescribeRegions", kind="status", code="SystemBusy", times=2)
    admin.fault(operation="DescribeZones", kind="throttle", retryAfter="1500", times=1)
    answers = [either.call("DescribeRegions") for _ in range(3)]
    assert [a.status for a in answers] == [449, 449, 200] and answers[0].code == "SystemBusy"
    throttled = either.call("DescribeZones")
    assert (throttled.status, throttled.code) == (400, "Throttling.User")
    assert throttled.headers["x-acs-retry-after"] == "1500"


@pytest.mark.parametrize("status,code", [(500, "InternalError"), (502, "InternalError"), (503, "ServiceUnavailable"),
                                         (504, "InternalError"), (403, "Forbidden.RAM")])  # fmt: skip
def test_failures_have_the_products_shape(either, admin, status, code):
    admin.fault(kind="status", status=status, times=1)
    answer = either.call("DescribeRegions")
    assert (answer.status, answer.code) == (status, code)


def test_an_expired_token_can_be_claimed(either, admin):
    admin.fault(kind="status", code="InvalidSecurityToken.Expired", times=1)
    answer = either.call("DescribeRegions")
    assert (answer.status, answer.code) == (403, "InvalidSecurityToken.Expired")


@pytest.mark.parametrize("kind,found", [("dropBefore", 0), ("dropAfter", 1)])
def test_a_lost_answer_happens_before_or_after_the_upload(either, admin, factory, kind, found):
    pair = factory.issue(["a.example"])
    admin.fault(operation="UploadServerCertificate", kind=kind, times=1)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        either.call("UploadServerCertificate", ServerCertificate=pair.bundle_pem, PrivateKey=pair.key_pem)
    listed = either.call("DescribeServerCertificates").json()["ServerCertificates"]["ServerCertificate"]
    assert len(listed) == found


def test_acs3_can_be_blind_for_bodies_while_hmac_is_not(emulator, admin, factory):
    pair = factory.issue(["a.example"])
    upload = {"ServerCertificate": pair.bundle_pem, "PrivateKey": pair.key_pem}
    admin.post("/admin/settings", {"acs3IgnoresBody": True})
    assert SlbClient(emulator.url).call("UploadServerCertificate", **upload).code == "MissingParameter"
    assert SlbClient(emulator.url, "rpc").call("UploadServerCertificate", **upload).status == 200


def test_the_journal_keeps_keys_out_but_shows_urls_as_they_were(emulator, admin, factory):
    pair = factory.issue(["a.example"])
    upload = {"ServerCertificate": pair.bundle_pem, "PrivateKey": pair.key_pem}
    SlbClient(emulator.url).call("UploadServerCertificate", **upload)
    SlbClient(emulator.url, in_query=True).call("UploadServerCertificate", **upload)
    body, url = admin.journal(operation="UploadServerCertificate")
    assert "PrivateKey=[removed]" in body["body"] and "PrivateKey" not in body["url"] and body["changed"]
    assert "PrivateKey=" in url["url"] and url["keyId"] == "testid" and url["authKind"] == "ACS3-HMAC-SHA256"
