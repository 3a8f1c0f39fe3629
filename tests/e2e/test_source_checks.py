"""A source is checked before anything is touched: what is unsound reaches no target, and the reason is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from support.hosts import Host
from support.pki import CertificateFactory

from .bench import Bench
from .declarations import binding, config_map, from_secret, secret, tls_secret, to_hosts
from .places import NAME, new_host

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    with new_host(tmp_path_factory.mktemp("host")) as running:
        yield running


def declare(bench: Bench, host: Host, crt: str, key: str, *more, **spec) -> None:
    bench.declare(
        secret("shop-tls", {"tls.crt": crt, "tls.key": key}, "kubernetes.io/tls", encoded=True),
        secret("ssh", host.ssh_secret()), *more,
        binding("shop", from_secret("shop-tls"), to_hosts([host]), **spec),
    )


def assert_refused(bench: Bench, host: Host, reason: str, *words: str) -> None:
    host.sshd.forget()
    before = host.snapshot(), host.served()
    result = bench.apply()
    assert result.code == 1, result
    assert result.binding.verdict() == ("False", reason), result
    for word in words:
        assert word in result.binding.message(), result
    assert (host.snapshot(), host.served()) == before
    assert host.exec_journal() == [] and host.connections() <= 1
    planned = bench.plan()
    assert planned.code == 1 and reason in planned.stdout, planned


def test_an_expired_certificate_is_refused(bench, standing, authority) -> None:
    now = datetime.now(UTC)
    old = authority.issue([NAME], kind="ec", not_before=now - 90 * DAY, not_after=now - DAY)
    declare(bench, standing, old.bundle_pem, old.key_pem)
    assert_refused(bench, standing, "CertificateExpired")


def test_a_certificate_of_tomorrow_is_refused(bench, standing, authority) -> None:
    now = datetime.now(UTC)
    early = authority.issue([NAME], kind="ec", not_before=now + DAY, not_after=now + 90 * DAY)
    declare(bench, standing, early.bundle_pem, early.key_pem)
    assert_refused(bench, standing, "InvalidCertificate")


def test_a_certificate_that_does_not_cover_the_probed_name_is_refused(bench, standing, authority) -> None:
    other = authority.issue(["other.example.com"], kind="ec")
    declare(bench, standing, other.bundle_pem, other.key_pem)
    assert_refused(bench, standing, "NameNotCovered", NAME)


def test_a_key_of_another_certificate_is_refused(bench, standing, authority) -> None:
    one, two = authority.issue([NAME], kind="ec"), authority.issue([NAME], kind="ec")
    declare(bench, standing, one.bundle_pem, two.key_pem)
    assert_refused(bench, standing, "KeyMismatch")


@pytest.mark.parametrize(("crt", "key"), [
    ("", None), ("not a certificate", None), (None, ""), (None, "not a key"),
    ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", None),
    (None, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
    ("-----BEGIN CERTIFICATE-----\n", None),
], ids=["empty", "text", "no-key", "key-text", "garbage", "garbage-key", "cut"])
def test_what_is_no_pair_is_refused(bench, standing, authority, crt, key) -> None:
    pair = authority.issue([NAME], kind="ec")
    declare(bench, standing, pair.bundle_pem if crt is None else crt, pair.key_pem if key is None else key)
    assert_refused(bench, standing, "InvalidCertificate")


def test_a_secret_that_is_not_there_is_named(bench, standing) -> None:
    bench.declare(secret("ssh", standing.ssh_secret()),
                  binding("shop", from_secret("shop-tls"), to_hosts([standing])))
    assert_refused(bench, standing, "SourceNotFound", "default/shop-tls")


def test_a_chain_is_checked_against_the_bundle_that_is_asked_for(bench, standing, authority) -> None:
    pair = authority.issue([NAME], kind="ec")
    stranger = CertificateFactory("Stranger")
    trust = {"trust": {"caBundleRef": {"name": "roots"}}, "allowDowngrade": True}
    declare(bench, standing, pair.bundle_pem, pair.key_pem, config_map("roots", {"ca.crt": stranger.root_pem}), **trust)
    assert_refused(bench, standing, "ChainNotTrusted")
    declare(bench, standing, pair.bundle_pem, pair.key_pem, **trust)
    assert_refused(bench, standing, "ChainNotTrusted", "default/roots")
    declare(bench, standing, pair.bundle_pem, pair.key_pem,
            config_map("roots", {"ca.crt": stranger.root_pem + authority.root_pem}), **trust)
    result = bench.apply()
    assert result.code == 0, result
    assert standing.openssl_served() == pair.sha256


def test_disorder_is_put_in_order(bench, host, authority) -> None:
    pair = authority.issue([NAME], kind="ec")
    crt = "\ufeffBag Attributes\r\n" + (pair.root_pem + pair.intermediate_pem + pair.leaf_pem).replace("\n", "\r\n")
    declare(bench, host, crt, "\r\n" + pair.key_pem.replace("\n", "\r\n"))
    result = bench.apply()
    assert result.code == 0, result
    assert host.certificate_on_disk() == pair.bundle_pem and host.served() == pair.sha256


def test_an_older_certificate_replaces_a_newer_one_only_when_asked(bench, host, authority) -> None:
    now = datetime.now(UTC)
    new = authority.issue([NAME], kind="ec", not_before=now - DAY, not_after=now + 90 * DAY)
    old = authority.issue([NAME], kind="ec", not_before=now - 30 * DAY, not_after=now + 60 * DAY)
    declare(bench, host, new.bundle_pem, new.key_pem)
    assert bench.apply().code == 0
    declare(bench, host, old.bundle_pem, old.key_pem)
    planned = bench.plan()
    assert planned.code == 1 and planned.data["items"][0]["reason"] == "DowngradeRefused", planned
    result = bench.apply()
    assert result.code == 1 and result.binding.verdict() == ("False", "DowngradeRefused"), result
    assert "allowDowngrade" in result.binding.message() and "Stalled" in result.binding.conditions
    assert host.served() == new.sha256 and host.reloads() == 1
    declare(bench, host, old.bundle_pem, old.key_pem, allowDowngrade=True)
    assert bench.apply().code == 0
    host.wait_served(old.sha256)


def test_a_longer_certificate_of_before_is_no_downgrade(bench, host, authority) -> None:
    now = datetime.now(UTC)
    new = authority.issue([NAME], kind="ec", not_before=now - DAY, not_after=now + 30 * DAY)
    longer = authority.issue([NAME], kind="ec", not_before=now - 30 * DAY, not_after=now + 60 * DAY)
    declare(bench, host, new.bundle_pem, new.key_pem)
    assert bench.apply().code == 0
    declare(bench, host, longer.bundle_pem, longer.key_pem)
    assert bench.apply().code == 0
    host.wait_served(longer.sha256)


def test_an_expired_certificate_in_place_is_replaced_by_whatever_is_valid(bench, tmp_path, authority) -> None:
    now = datetime.now(UTC)
    gone = authority.issue([NAME], kind="ec", not_before=now - 10 * DAY, not_after=now - DAY)
    valid = authority.issue([NAME], kind="ec", not_before=now - 30 * DAY, not_after=now + 10 * DAY)
    with new_host(tmp_path, initial=gone) as host:
        declare(bench, host, valid.bundle_pem, valid.key_pem)
        assert bench.apply().code == 0
        host.wait_served(valid.sha256)


def test_two_bindings_that_claim_one_place_are_told_about_each_other(bench, host, authority) -> None:
    one, two = authority.issue([NAME], kind="ec"), authority.issue([NAME], kind="ec")
    bench.declare(
        tls_secret("one-tls", one), tls_secret("two-tls", two), secret("ssh", host.ssh_secret()),
        binding("first", from_secret("one-tls"), to_hosts([host])),
        binding("second", from_secret("two-tls"), to_hosts([host])),
    )
    result = bench.apply()
    assert result.code == 1, result
    verdicts = {name: entry.verdict() for name, entry in result.bindings.items()}
    assert sorted(verdicts.values()) == [("False", "Conflict"), ("True", "InSync")], verdicts
    [loser] = [name for name, verdict in verdicts.items() if verdict[0] == "False"]
    winner = {"first": "second", "second": "first"}[loser]
    assert f"default/{winner}" in result.bindings[loser].message()
    assert host.reloads() == 1
    for _ in range(2):
        again = bench.apply()
        assert {name: entry.verdict() for name, entry in again.bindings.items()} == verdicts
    assert host.reloads() == 1, "they do not fight"


def test_a_certificate_near_its_end_is_told(bench, host, authority) -> None:
    now = datetime.now(UTC)
    short = authority.issue([NAME], kind="ec", not_before=now - 89 * DAY, not_after=now + DAY)
    declare(bench, host, short.bundle_pem, short.key_pem, allowDowngrade=True)
    result = bench.apply()
    assert result.code == 0 and "CertificateExpiring" in result.events, result
