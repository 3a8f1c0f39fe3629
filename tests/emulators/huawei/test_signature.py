"""The verifier against vectors made with the official signers."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from emulators.common.http_server import Request
from emulators.huawei import signature

AK = "TESTAKEXAMPLE0000001"
SK = "TestSkExample00000000000000000000000000001"
HOST = "scm.ap-southeast-1.myhuaweicloud.com"
DATE = "20231121T080000Z"
NOW = datetime(2023, 11, 21, 8, 0, 0, tzinfo=UTC)

IMPORT_BODY = '{"name":"tést-01","certificate":"A\\nB","private_key":"K"}'.encode()

# name -> method, raw target, headers beside Host and X-Sdk-Date, body, signed headers, canonical hash, signature
VECTORS = {
    "query in any order": (
        "GET",
        "/v3/scm/certificates?limit=50&offset=0&status=ISSUED&sort_key=certUpdateTime&sort_dir=DESC",
        {},
        b"",
        "host;x-sdk-date",
        "8e456f8bda3aa98f8764d87f0521441981d80d31f599612bff1774c0ed9aae3c",
        "05049eee9bf22da7416b77a274d7a020395331ce353d545543c0a95ba13e7754",
    ),
    "empty POST with a security token": (
        "POST",
        "/v3/scm/certificates/scs1590053258704/export",
        {
            "Content-Type": "application/json",
            "X-Domain-Id": "d78cbac186b744899480f25bd022f468",
            "X-Security-Token": "SECURITYTOKENEXAMPLE==",
        },
        b"",
        "content-type;host;x-domain-id;x-sdk-date;x-security-token",
        "9dd47a98b0ce96dc5f192d538ee94ca728fe16b624eca3cbc037bbfd74eca9c1",
        "31ca7c216bb6f18941a34a345fb20087f9924f7926c8d65e468d8a10a1e12863",
    ),
    "encoded query": (
        "GET",
        "/v3/scm/certificates?deploy_support=true&content=%2A.example.com%20a%2Fb~c%2Bd%26%C3%A9&enterprise_project_id=&limit=10",
        {"Content-Type": "application/json", "X-Project-Id": "aa2d97d7e62c4b7da3ffdfc11551f878"},
        b"",
        "content-type;host;x-project-id;x-sdk-date",
        "288d376e1d5364c8ff4e520756c0f348ff3907a2195616055efec1e5482b9f79",
        "c7adab911e75b90cf7dd8e3e5501fc72a203f461d88136876a8e680e54f79f00",
    ),
    "body in UTF-8": (
        "POST",
        "/v3/scm/certificates/import",
        {"Content-Type": "application/json"},
        IMPORT_BODY,
        "content-type;host;x-sdk-date",
        "ad659d37d2abfb33473dbbb1ebc1675f7ac22f900f7120a21a429b6f9a435b71",
        "a9adc7adaad3c7012304e52a23ca8af52db7099b1f57aa6a02990a4908734718",
    ),
    "odd path, repeated names, padded header": (
        "GET",
        "/v3/scm/x%20y/a:b@c,d/%E8%AF%81/?b=2&a=2&a=10",
        {"X-Padded": "  two  spaces  ", "x_ignored": "1"},
        b"",
        "host;x-padded;x-sdk-date",
        "85ce09b84653372737cb23b3c72fead27bf031a005f40d9885326e88c362c8e3",
        "422d9d0416df412b2418b05bbe90d985d62d4a36894270fd9c68cb927e0743c1",
    ),
    "unsigned payload": (
        "POST",
        "/v3/scm/certificates/import",
        {"Content-Type": "text/plain", "X-Sdk-Content-Sha256": "UNSIGNED-PAYLOAD"},
        b"hello",
        "content-type;host;x-sdk-content-sha256;x-sdk-date",
        "7e6fb8bc7ca7667b7fc3c4edb98edb8b3cfab0a4d1b085adb1bde73122d194ce",
        "4f03e42ba20bd1c949c2f90c06bd7022f16bc5a6f23b3d7ee6e2d9ffcfc3179f",
    ),
}


def build(name: str) -> tuple[Request, signature.Authorization, str, str]:
    method, target, headers, body, signed, digest, expected = VECTORS[name]
    every = {"Host": HOST, "X-Sdk-Date": DATE, **headers}
    text = f"SDK-HMAC-SHA256 Access={AK}, SignedHeaders={signed}, Signature={expected}"
    authorization = signature.parse_authorization(text)
    assert authorization is not None
    return Request(method, target, tuple(every.items()), body), authorization, digest, expected


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_is_reproduced(name):
    request, authorization, digest, expected = build(name)
    canonical = signature.canonical_request(request, authorization.signed_headers)
    assert hashlib.sha256(canonical.encode()).hexdigest() == digest
    assert signature.sign(canonical, DATE, SK) == expected
    assert signature.complaint(request, authorization, SK, NOW) is None


def test_the_first_vector_is_canonical_to_the_letter():
    request, authorization, _, _ = build("query in any order")
    assert signature.canonical_request(request, authorization.signed_headers) == "\n".join(
        [
            "GET",
            "/v3/scm/certificates/",
            "limit=50&offset=0&sort_dir=DESC&sort_key=certUpdateTime&status=ISSUED",
            f"host:{HOST}",
            f"x-sdk-date:{DATE}",
            "",
            "host;x-sdk-date",
            hashlib.sha256(b"").hexdigest(),
        ]
    )


def test_the_body_hash_of_an_import_is_over_its_bytes():
    assert hashlib.sha256(IMPORT_BODY).hexdigest() == "3559fec59129fdb466894c9df53853a5a9de95f6ae35e5973eb4b49799f76159"


def test_a_wrong_secret_shows_the_canonical_request():
    request, authorization, _, _ = build("query in any order")
    text = signature.complaint(request, authorization, "other", NOW)
    assert text is not None and "canonicalRequest:GET|/v3/scm/certificates/|limit=50" in text


@pytest.mark.parametrize("minutes,accepted", [(15, True), (-15, True), (15.1, False), (-15.1, False)])
def test_fifteen_minutes_of_difference_are_allowed(minutes, accepted):
    request, authorization, _, _ = build("query in any order")
    text = signature.complaint(request, authorization, SK, NOW + timedelta(minutes=minutes))
    assert (text is None) == accepted
    if text is not None:
        assert "Signature expired" in text and DATE in text


def test_host_and_date_have_to_be_signed():
    request, _, _, _ = build("query in any order")
    authorization = signature.Authorization(AK, ("host",), "0" * 64)
    assert "x-sdk-date" in (signature.complaint(request, authorization, SK, NOW) or "")


def test_a_plus_in_a_query_is_a_plus():
    assert signature.canonical_query("a=x+y") == "a=x%2By"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Basic dTpw",
        "SDK-HMAC-SHA256 Access=a",
        "SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature=zz",
        "V11-HMAC-SHA256 Access=a, SignedHeaders=host, Signature=" + "0" * 64,
    ],
)
def test_other_authorizations_are_not_taken(text):
    assert signature.parse_authorization(text) is None
