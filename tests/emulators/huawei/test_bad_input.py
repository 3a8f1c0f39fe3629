"""Whatever a client sends, it gets an answer in a documented shape."""

from __future__ import annotations

import http.client
import json

import pytest

from emulators.huawei import HuaweiEmulator
from emulators.huawei.access import DEFAULT_USER, DOMAIN_NAME


@pytest.fixture(scope="module")
def emulator():
    with HuaweiEmulator() as running:
        yield running


@pytest.fixture(scope="module")
def token(emulator):
    return emulator.access.new_token(DEFAULT_USER, {"scm:*"}, None, "password")[0]


def send(emulator, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict]:
    connection = http.client.HTTPConnection(emulator.server.address, timeout=10)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        assert answer.headers["X-Request-Id"]
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def password_body(password: str) -> bytes:
    user = {"name": DEFAULT_USER, "password": password, "domain": {"name": DOMAIN_NAME}}
    return json.dumps({"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}).encode()


BODIES = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff",
    b"[" * 100_000,
    password_body("\ud800"),
    b'{"auth": {"identity": {"methods": "password"}}}',
    b'{"auth": {"identity": {"methods": ["assume_role"], "assume_role": 1}}}',
    b'{"auth": {"identity": {"methods": ["token"], "token": {"duration_seconds": true}}}}',
]


@pytest.mark.parametrize(
    "path", ["/v3/auth/tokens", "/v3.0/OS-CREDENTIAL/securitytokens", "/v5/agencies/assume-with-oidc"]
)
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_bad_token_request_is_refused_in_iams_shape(emulator, path, body):
    status, value = send(emulator, "POST", path, body)
    assert status in (400, 401) and value["error"]["code"] == status


@pytest.mark.parametrize("path", ["/v3/scm/certificates/import", "/v3/scm/deployed-resources"])
@pytest.mark.parametrize(
    "body", [b"", b"null", b"{", b"\xff", b"[" * 100_000, b'{"name": 1}', b'{"service_names": [[]]}']
)
def test_a_bad_body_is_scm_0005(emulator, token, path, body):
    status, value = send(emulator, "POST", path, body, X_Auth_Token=token)
    assert (status, value["error_code"]) == (400, "SCM.0005")


@pytest.mark.parametrize(
    "query", ["limit=%zz", "offset=%C2%B2", "offset=9999999999", "sort_key=%ff", "content=%F0%9F%98%80" * 2]
)
def test_an_odd_query_is_answered(emulator, token, query):
    status, _ = send(emulator, "GET", "/v3/scm/certificates?" + query, X_Auth_Token=token)
    assert status in (200, 400)


@pytest.mark.parametrize(
    "authorization",
    [
        "é",
        "SDK-HMAC-SHA256",
        "SDK-HMAC-SHA256 Access=EMULATEDACCESSKEY001, SignedHeaders=x-sdk-date;host, Signature=" + "0" * 64,
    ],
)
def test_an_odd_authorization_is_refused(emulator, authorization):
    status, value = send(emulator, "GET", "/v3/scm/certificates", Authorization=authorization)
    assert (status, value["error_code"]) == (401, "APIGW.0301")
