"""Certificates of Huawei Cloud's SCM: found, exported once, and refused with the reason that mends it."""

from __future__ import annotations

import pytest

from .bench import Result
from .declarations import (
    HUAWEI_KEYS,
    HUAWEI_USER,
    binding,
    from_scm,
    secret,
    to_hosts,
)
from .places import NAME
from .scm_bench import declare, standing  # noqa: F401  (a fixture is found by its name)


def with_iam(huawei) -> tuple[tuple[str, ...], dict[str, object]]:
    """Arguments for the commands: endpoints from the environment count where ambient settings are allowed."""
    return ("--ambient-credentials",), {"env": huawei.environment}


def refused(result: Result, reason: str, *words: str) -> None:
    assert result.code == 1, result
    assert result.binding.verdict() == ("False", reason), result
    assert result.binding.verdict("SourceReady") == ("False", reason), result
    for word in words:
        assert word in result.binding.message(), result


@pytest.mark.parametrize("credentials", [HUAWEI_KEYS, HUAWEI_USER], ids=["keys", "token"])
def test_a_certificate_of_scm_is_served(bench, huawei, standing, credentials) -> None:
    made = huawei.add(NAME, kind="ec")
    declare(bench, huawei, standing, credentials)
    more, options = with_iam(huawei)
    result = bench.apply(*more, **options)
    assert result.code == 0, result
    assert standing.openssl_served() == made["certificate"]["sha256"]
    certificate = result.binding.status["certificate"]
    assert certificate["id"] == made["id"] and certificate["fingerprintSHA256"] == made["certificate"]["sha256"]
    calls = huawei.calls()
    assert (calls["ListCertificates"], calls["ExportCertificate"]) == (1, 1)
    assert calls["CreateToken"] == (1 if credentials is HUAWEI_USER else 0)
    # What the emulator handed out as a token is no more to be seen than what was declared.
    assert "X-Auth-Token" not in result.stderr and "MIIE" not in result.stdout


def test_a_renewal_gets_a_new_id_and_is_deployed(bench, huawei, standing) -> None:
    old = huawei.add(NAME, kind="ec", validForDays=20)
    declare(bench, huawei, standing, spec={"allowDowngrade": False})
    assert bench.apply().code in (0, 1)
    declare(bench, huawei, standing)
    assert bench.apply().code == 0
    new = huawei.renew(old["id"], validForDays=365)
    assert new["id"] != old["id"]
    declare(bench, huawei, standing, spec={"allowDowngrade": False})
    planned = bench.plan()
    assert planned.code == 2 and planned.data["items"][0]["toFingerprint"] == new["certificate"]["sha256"], planned
    result = bench.apply()
    assert result.code == 0, result
    assert "SourceRenewed" in result.events and "Deployed" in result.events
    assert standing.openssl_served() == new["certificate"]["sha256"]
    assert result.binding.status["certificate"]["id"] == new["id"]


def test_the_newest_of_many_certificates_on_many_pages_is_taken(bench, huawei, standing) -> None:
    for number in range(118):
        huawei.add(f"host-{number}.example.net", kind="ec")
    wanted = huawei.add(f"other.{NAME}", NAME, kind="ec", validForDays=300)
    huawei.add(NAME, kind="ec", validForDays=30)
    huawei.add("*.example.com", kind="ec", validForDays=10)
    declare(bench, huawei, standing)
    result = bench.apply()
    assert result.code == 0, result
    assert standing.openssl_served() in {
        entry["certificate"]["sha256"] for entry in huawei.admin.get("/admin/certificates")["certificates"]
        if NAME in entry["names"] or "*.example.com" in entry["names"]
    }
    assert result.binding.status["certificate"]["id"] == wanted["id"], "the one that lasts longest"
    calls = huawei.calls()
    assert calls["ListCertificates"] >= 1 and calls["ExportCertificate"] == 1
    assert calls["ListCertificates"] <= 4, "pages as large as they come"


def test_a_moving_listing_loses_no_certificate(bench, huawei, standing) -> None:
    huawei.admin.post("/admin/switches", {"touchBetweenPages": True})
    for number in range(110):
        huawei.add(f"host-{number}.example.net", kind="ec")
    wanted = huawei.add(NAME, kind="ec")
    for number in range(10):
        huawei.add(f"more-{number}.example.net", kind="ec")
    declare(bench, huawei, standing)
    result = bench.apply()
    assert result.code == 0, result
    assert standing.openssl_served() == wanted["certificate"]["sha256"]


def test_a_wildcard_serves_the_name_that_it_covers(bench, huawei, standing) -> None:
    made = huawei.add("*.example.com", kind="ec")
    huawei.add("example.com", kind="ec", validForDays=300)
    declare(bench, huawei, standing)
    assert bench.apply().code == 0
    assert standing.openssl_served() == made["certificate"]["sha256"]


def test_an_id_means_exactly_this_one(bench, huawei, standing) -> None:
    old = huawei.add(NAME, kind="ec", validForDays=30)
    huawei.renew(old["id"], validForDays=300)
    declare(bench, huawei, standing, certificateID=old["id"])
    result = bench.apply()
    assert result.code == 0, result
    assert standing.openssl_served() == old["certificate"]["sha256"]


@pytest.mark.parametrize("behaviour", [
    "brokenOrder", "missingNewline", "crlf", "withRoot", "withoutEntire",
])
def test_what_export_gets_wrong_is_put_in_order(bench, huawei, standing, behaviour) -> None:
    made = huawei.add(NAME, kind="rsa-pkcs8", export={behaviour: True})
    declare(bench, huawei, standing)
    result = bench.apply()
    assert result.code == 0, result
    assert standing.openssl_served() == made["certificate"]["sha256"]
    assert standing.certificate_on_disk().count("BEGIN CERTIFICATE") == 2
    assert "\r" not in standing.certificate_on_disk()


def test_twenty_bindings_of_one_account_share_one_listing_and_one_export(bench, huawei, standing) -> None:
    made = huawei.add(NAME, kind="ec")
    folder = standing.prefix / "conf/many"
    folder.mkdir()
    bindings = []
    for number in range(20):
        target = to_hosts(
            [standing], hosts=[{"address": standing.address, "port": standing.ssh_port}], probe={"enabled": False},
            certificatePath=str(folder / f"c{number}.pem"), privateKeyPath=str(folder / f"k{number}.key"),
            testCommand=["/bin/true"], reloadCommand=["/bin/true"],
        )
        bindings.append(binding(f"shop-{number}", from_scm(huawei.url, domain=NAME), target))
    bench.declare(secret("huawei", HUAWEI_KEYS), secret("ssh", standing.ssh_secret()), *bindings)
    result = bench.apply()
    assert result.code == 0, result
    calls = huawei.calls()
    assert (calls["ListCertificates"], calls["ExportCertificate"]) == (1, 1), calls
    assert {path.read_text() for path in folder.glob("c*.pem")} == {made["certificate"]["bundle"]}


# What is not there, or not allowed


def test_no_matching_certificate_says_what_there_is_not(bench, huawei, standing) -> None:
    huawei.add("other.example.org", kind="ec")
    declare(bench, huawei, standing)
    refused(bench.apply(), "NoMatchingCertificate", NAME)
    assert huawei.calls()["ExportCertificate"] == 0
    declare(bench, huawei, standing, certificateID="scs1590053258704")
    result = bench.apply()
    assert result.code == 1, result
    assert result.binding.verdict()[1] in ("NoMatchingCertificate", "SourceNotFound")
    assert "scs1590053258704" in result.binding.message()


@pytest.mark.parametrize("form", ["absent", "null", "empty", "SCM.0059"])
def test_a_key_that_is_not_exported_is_told_as_that(bench, huawei, standing, form) -> None:
    huawei.add(NAME, kind="ec", export={"noKey": form})
    declare(bench, huawei, standing)
    refused(bench.apply(), "KeyNotExportable")


def test_a_key_of_another_certificate_is_refused(bench, huawei, standing) -> None:
    huawei.add(NAME, kind="ec", export={"wrongKey": True})
    declare(bench, huawei, standing)
    served = standing.served()
    refused(bench.apply(), "KeyMismatch")
    assert standing.served() == served


@pytest.mark.parametrize("state", ["revoked", "expired"])
def test_what_is_revoked_or_expired_is_not_deployed(bench, huawei, standing, state) -> None:
    made = huawei.add(NAME, kind="ec", **({"validForDays": -1} if state == "expired" else {}))
    if state == "revoked":
        huawei.admin.post(f"/admin/certificates/{made['id']}/revoke", {})
    declare(bench, huawei, standing)
    served = standing.served()
    result = bench.apply()
    assert result.code == 1 and result.binding.verdict()[1] in ("NoMatchingCertificate", "CertificateExpired"), result
    declare(bench, huawei, standing, certificateID=made["id"])
    result = bench.apply()
    assert result.code == 1, result
    assert result.binding.verdict()[1] in ("NoMatchingCertificate", "CertificateExpired"), result
    assert standing.served() == served


@pytest.mark.parametrize(("credentials", "reason"), [
    ({**HUAWEI_KEYS, "secretAccessKey": "WrongSecretAccessKey0000000000000000009"}, "CredentialsInvalid"),
    ({**HUAWEI_KEYS, "accessKeyID": "NOSUCHACCESSKEY00001"}, "CredentialsInvalid"),
    ({**HUAWEI_USER, "password": "Not-The-Password-1"}, "CredentialsInvalid"),
    ({"accessKeyID": "EMULATEDACCESSKEY001"}, "CredentialsInvalid"),
    ({"something": "else-altogether"}, "CredentialsInvalid"),
], ids=["secret", "id", "password", "half", "none"])
def test_credentials_that_do_not_fit_are_told_and_not_tried_in_a_loop(
    bench, huawei, standing, credentials, reason
) -> None:
    huawei.add(NAME, kind="ec")
    declare(bench, huawei, standing, credentials)
    more, options = with_iam(huawei)
    refused(bench.apply(*more, **options), reason)
    assert sum(huawei.calls().values()) <= 2, huawei.calls()


def test_a_missing_secret_is_named(bench, huawei, standing) -> None:
    bench.declare(
        secret("ssh", standing.ssh_secret()),
        binding("shop", from_scm(huawei.url, domain=NAME), to_hosts([standing])),
    )
    refused(bench.apply(), "CredentialsNotFound", "default/huawei")


@pytest.mark.parametrize("action", ["scm:cert:list", "scm:cert:download"])
def test_a_missing_permission_is_named_and_asked_for_once(bench, huawei, standing, action) -> None:
    huawei.add(NAME, kind="ec")
    allowed = [entry for entry in ("scm:cert:list", "scm:cert:get", "scm:cert:download") if entry != action]
    huawei.admin.post("/admin/keys", {"ak": "NARROWACCESSKEY00001", "sk": "NarrowSecretKey0001", "actions": allowed})
    keys = {"accessKeyID": "NARROWACCESSKEY00001", "secretAccessKey": "NarrowSecretKey0001"}
    declare(bench, huawei, standing, keys, spec={"checkInterval": "1s"})
    result = bench.apply()
    refused(result, "AccessDenied", "scm:cert:")
    operation = "ListCertificates" if action == "scm:cert:list" else "ExportCertificate"
    assert huawei.calls()[operation] == 1, "401 SCM.4002 is no matter of a new signature"
    assert "Stalled" in result.binding.conditions


def test_a_missing_permission_of_a_user_makes_no_new_tokens(bench, huawei, standing) -> None:
    huawei.add(NAME, kind="ec")
    huawei.admin.post("/admin/users", {"name": "narrow", "password": "Narrow-Password-1", "actions": ["scm:cert:get"]})
    user = {"userName": "narrow", "password": "Narrow-Password-1", "domainName": "example-account"}
    declare(bench, huawei, standing, user)
    more, options = with_iam(huawei)
    refused(bench.apply(*more, **options), "AccessDenied", "scm:cert:list")
    assert huawei.calls()["CreateToken"] <= 2, huawei.calls()


def test_a_token_that_ran_out_is_fetched_anew(bench, huawei, standing) -> None:
    huawei.add(NAME, kind="ec")
    declare(bench, huawei, standing, HUAWEI_USER, spec={"checkInterval": "1s"})
    more, options = with_iam(huawei)
    with bench.run(*more, **options) as controller:
        controller.wait(lambda: "Deployed" in controller.events or bench.status().code == 0, "the first pass")
        huawei.admin.post("/admin/tokens/expire", {})
        new = huawei.add(NAME, kind="ec", validForDays=900)
        controller.wait(lambda: standing.served() == new["certificate"]["sha256"], "the new certificate")
    assert huawei.calls()["CreateToken"] == 2


def test_endpoints_are_https_unless_they_are_loopback(bench, huawei, standing) -> None:
    for endpoint in ("http://scm.example.com", "http://10.0.0.1:8080", "ftp://127.0.0.1", "http://127.0.0.1.example"):
        bench.declare(
            secret("huawei", HUAWEI_KEYS), secret("ssh", standing.ssh_secret()),
            binding("shop", from_scm(endpoint, domain=NAME), to_hosts([standing])),
        )
        told = bench.validate()
        assert told.code == 1 and "endpoint" in told.stdout, told
        assert bench.apply().code == 1
    declare(bench, huawei, standing)
    assert bench.validate().code == 0
