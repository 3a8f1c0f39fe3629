"""The signatures against vectors made with the official signers, and the two published ones."""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qsl

import pytest

from . import signature

NONCE = "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"
COMMON = {
    "Version": "2014-05-15", "RegionId": "cn-hangzhou", "Format": "JSON", "AccessKeyId": "testid",
    "SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0", "SignatureNonce": NONCE,
    "Timestamp": "2026-01-02T03:04:05Z",
}  # fmt: skip
LISTING = {**COMMON, "Action": "DescribeServerCertificates"}
UPLOAD = {
    **COMMON, "Action": "UploadServerCertificate", "ServerCertificateName": "a b*c~d_证书",
    "ServerCertificate": "-----BEGIN CERTIFICATE-----\nMIIB+/=~*\n-----END CERTIFICATE-----\n",
    "PrivateKey": "k+/=", "SecurityToken": "CAIS+tok/en==", "Tag.1.Key": "managed-by", "Tag.1.Value": "",
}  # fmt: skip
PUBLISHED = {
    **COMMON, "Action": "DescribeRegions", "Format": "XML", "Version": "2014-05-26",
    "Timestamp": "2016-02-23T12:46:24Z",
}  # fmt: skip
del PUBLISHED["RegionId"]


@pytest.mark.parametrize(
    "method,values,expected",
    [
        ("GET", LISTING, "sUGfc/ivQw6luNLuqCzVd8pAv3o="),
        ("GET", {**LISTING, "SignatureType": ""}, "QTd3nuMLRsEX5FfP6MyUiWMjfjg="),
        ("POST", UPLOAD, "qgppHuqHeidGBmH3rAnXaIH48H0="),
        ("POST", {**UPLOAD, "SignatureType": ""}, "Ljg8AaSwfK6Yi5JHnwi2s03djas="),
        ("GET", PUBLISHED, "OLeaidS1JvxuMvnyHOwuJ+uX5qY="),
    ],
    ids=["S1", "S1 with an empty type", "S2", "S2 with an empty type", "S3"],
)
def test_hmac_sha1_agrees_with_the_official_signers(method, values, expected):
    text = signature.rpc_string_to_sign(method, {**values, "Signature": "is not signed"})
    assert signature.rpc_signature("testsecret", text) == expected


def test_the_misspelt_time_stamp_of_the_old_manual_gives_its_printed_signature():
    values = {**PUBLISHED, "TimeStamp": PUBLISHED["Timestamp"]}
    del values["Timestamp"]
    text = signature.rpc_string_to_sign("GET", values)
    assert signature.rpc_signature("testsecret", text) == "CT9X0VtwR86fNWSnsc6v8YGOjuE="


def test_the_string_to_sign_of_s1_is_the_documented_one():
    assert signature.rpc_string_to_sign("GET", LISTING) == (
        "GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeServerCertificates%26Format%3DJSON%26RegionId%3Dcn-hangzhou"
        "%26SignatureMethod%3DHMAC-SHA1%26SignatureNonce%3D3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"
        "%26SignatureVersion%3D1.0%26Timestamp%3D2026-01-02T03%253A04%253A05Z%26Version%3D2014-05-15"
    )


def acs3_headers(action: str, **more: str) -> dict[str, str]:
    return {
        "host": "slb.cn-hangzhou.aliyuncs.com", "x-acs-action": action, "x-acs-version": "2014-05-15",
        "x-acs-date": "2026-01-02T03:04:05Z", "x-acs-signature-nonce": NONCE,
        "x-acs-content-sha256": signature.EMPTY_HASH, **more,
    }  # fmt: skip


T2_BODY = (
    "PrivateKey=k%2B%2F%3D&RegionId=cn-hangzhou&ServerCertificate=-----BEGIN+CERTIFICATE-----%0AMIIB%2B%2F%3D%0A"
    "-----END+CERTIFICATE-----%0A&ServerCertificateName=web~1"
).encode()
T2_HASH = "a39fbb42a902dd01fddfe167194fa5757b8817f6f399d6ef87acd1d132ae0003"
T4_HEADERS = {
    "host": "ecs.cn-shanghai.aliyuncs.com", "x-acs-action": "RunInstances", "x-acs-version": "2014-05-26",
    "x-acs-date": "2023-10-26T10:22:32Z", "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
    "x-acs-content-sha256": signature.EMPTY_HASH,
}  # fmt: skip
# name -> method, query, headers, payload hash, secret, hash of the canonical request, signature
VECTORS = {
    "T1": (
        "POST", {"ServerCertificateId": "a/b c~d*", "RegionId": "cn-hangzhou"},
        acs3_headers("DescribeServerCertificates"), signature.EMPTY_HASH, "testsecret",
        "dd83d043335c7ccf4decb23c907b5c514cb0457b388a3546709fe898299e4c1d",
        "5645daddbd22d9a6571e70571918c09dc511c4ca0b4e6c96e7df4706c0f66150",
    ),
    "T2": (
        "POST", {},
        {**acs3_headers("UploadServerCertificate"), "x-acs-content-sha256": T2_HASH,
         "content-type": "application/x-www-form-urlencoded", "x-acs-accesskey-id": "STS.testid",
         "x-acs-security-token": "CAIS+tok/en=="}, T2_HASH, "testsecret",
        "79f18f0f7403f61b825732f7189a422c86c0b96f58673a15c609b3856546d2c2",
        "3821ff547715a88b4c2876e45eee04d2427dc3bb0a141d090ed9d27a06ccfcb9",
    ),
    "T3": (
        "GET", {"RegionId": "cn-hangzhou", "Tag": "", "LoadBalancerId.1": "lb-1"},
        {**acs3_headers("DescribeServerCertificates"), "accept": "application/json", "user-agent": "x/1"},
        signature.EMPTY_HASH, "testsecret",
        "5b9e290e202cc4e84500c72075f9db060145d69f245faaa9ba122dc4ecde7e2e",
        "e79e8b55ed4112680ea46e34045a62d9cdfeae1b1e31cf0db1e1bbf0c85695be",
    ),
    "T4": (
        "POST", {"ImageId": "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd", "RegionId": "cn-shanghai"},
        T4_HEADERS, signature.EMPTY_HASH, "YourAccessKeySecret",
        "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259",
        "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_acs3_agrees_with_the_official_signers(name):
    method, query, headers, payload, secret, canonical_hash, expected = VECTORS[name]
    canonical = signature.acs3_canonical_request(method, query, headers, headers, payload)
    assert hashlib.sha256(canonical.encode()).hexdigest() == canonical_hash
    assert signature.acs3_signature(secret, signature.acs3_string_to_sign(canonical)) == expected


def test_the_body_of_t2_has_the_documented_hash_and_decodes():
    assert hashlib.sha256(T2_BODY).hexdigest() == T2_HASH
    assert dict(parse_qsl(T2_BODY.decode()))["PrivateKey"] == "k+/="


@pytest.mark.parametrize(
    "header",
    ["", "ACS3-HMAC-SHA256", "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=zz", "acs a:b"],
)
def test_an_authorization_of_another_form_is_no_authorization(header):
    assert signature.parse_acs3_authorization(header) is None
