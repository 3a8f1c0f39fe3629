"""Who is let in, whom certbinder trusts, and what it says when either fails."""

from __future__ import annotations

import itertools

import pytest
from support.hosts import Host
from support.ssh_keys import new_key

from .bench import Bench, Result
from .declarations import binding, from_secret, secret, tls_secret, to_hosts
from .places import NAME, new_host

PASSPHRASE = "correct horse battery"


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue([NAME], kind="ec")


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    """One host for the tests that leave it as it was, or do not mind."""
    with new_host(tmp_path_factory.mktemp("host"), host_key_kinds=("ed25519", "ecdsa", "rsa")) as running:
        yield running


def try_login(bench: Bench, host: Host, pair, data: dict[str, str] | None, **fields) -> Result:
    """Applies a binding for the host whose Secret holds this."""
    given = [] if data is None else [secret("ssh", data)]
    bench.declare(
        tls_secret("shop-tls", pair), *given,
        binding("shop", from_secret("shop-tls"), to_hosts([host], **fields)),
    )
    host.sshd.forget()
    return bench.apply()


KEYS = [("ed25519", "openssh")] + list(itertools.product(("ecdsa", "rsa"), ("openssh", "pkcs1", "pkcs8")))


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE], ids=["plain", "passphrase"])
@pytest.mark.parametrize(("kind", "form"), KEYS)
def test_a_key_of_each_kind_and_form_opens_a_host(bench, standing, pair, kind, form, passphrase) -> None:
    data = standing.ssh_secret(kind, form=form, passphrase=passphrase)
    result = try_login(bench, standing, pair, data)
    assert result.code == 0, result
    attempts = standing.auth_attempts()
    assert attempts and all(attempt.accepted and attempt.method == "publickey" for attempt in attempts)
    assert standing.client_key(kind, form, passphrase).fingerprint in attempts[0].key


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_host_key_of_each_kind_is_verified(bench, standing, pair, kind) -> None:
    data = {**standing.ssh_secret(), "known_hosts": standing.known_hosts(kinds=[kind])}
    result = try_login(bench, standing, pair, data)
    assert result.code == 0, result


@pytest.mark.parametrize("form", ["hashed", "wildcard"])
def test_known_hosts_may_be_hashed_or_patterns(bench, standing, pair, form) -> None:
    result = try_login(bench, standing, pair, standing.ssh_secret(known_hosts=form))
    assert result.code == 0, result


def test_a_password_opens_a_host(bench, tmp_path, pair) -> None:
    with new_host(tmp_path, password="Open-Sesame-Now-1", authentication=["password"]) as host:
        result = try_login(bench, host, pair, host.ssh_secret(password=True))
        assert result.code == 0, result
        assert [attempt.method for attempt in host.auth_attempts()][0] == "password"
        wrong = {**host.ssh_secret(password=True), "password": "Not-The-Password-1"}
        refused = try_login(bench, host, pair, wrong)
        assert refused.code == 1 and refused.binding.verdict() == ("False", "AuthenticationFailed"), refused


@pytest.mark.parametrize("credential", ["key", "password"])
@pytest.mark.parametrize("form", ["wrong", "revoked", "unknown", "other-port"])
def test_a_host_key_that_is_not_the_known_one_ends_the_connection_before_a_word_of_login(
    bench, tmp_path, pair, form, credential
) -> None:
    options = {"password": "Open-Sesame-Now-1"} if credential == "password" else {}
    with new_host(tmp_path, log_level="DEBUG1", **options) as host:
        data = host.ssh_secret(password=credential == "password")
        if form == "unknown":
            data["known_hosts"] = f"[127.99.99.99]:22 {new_key('ed25519').public}\n"
        elif form == "other-port":
            data["known_hosts"] = data["known_hosts"].replace(f":{host.ssh_port} ", ":2 ")
        else:
            data["known_hosts"] = host.known_hosts(form)
        result = try_login(bench, host, pair, data)
        assert result.code == 1, result
        assert result.binding.verdict() == ("False", "HostKeyMismatch"), result
        assert host.endpoint in result.binding.message() and "known_hosts" in result.binding.message()
        assert host.connections() > 0 and host.auth_attempts() == []
        # Not even the name of the user was sent.
        assert "userauth-request" not in host.log()
        assert host.served() == host.initial.sha256
        assert "Stalled" in result.binding.conditions


def test_a_host_that_changed_its_keys_is_not_trusted_any_more(bench, host, pair) -> None:
    data = host.ssh_secret()
    host.sshd.stop()
    host.sshd.use_host_keys(["ed25519", "ecdsa"])
    host.sshd.start()
    result = try_login(bench, host, pair, data)
    assert result.code == 1 and result.binding.verdict() == ("False", "HostKeyMismatch"), result
    assert host.auth_attempts() == []


@pytest.mark.parametrize("known_hosts", [None, "", "# nothing but words\n"])
def test_without_known_hosts_there_is_no_connection(bench, standing, pair, known_hosts) -> None:
    data = standing.ssh_secret()
    del data["known_hosts"]
    if known_hosts is not None:
        data["known_hosts"] = known_hosts
    result = try_login(bench, standing, pair, data)
    assert result.code == 1 and "known_hosts" in result.binding.message(), result
    assert result.binding.verdict()[1] in ("CredentialsInvalid", "HostKeyMismatch")
    assert standing.auth_attempts() == []


def test_a_key_that_the_host_does_not_know_is_refused(bench, host, pair) -> None:
    stranger = {**host.ssh_secret(), "ssh-privatekey": new_key("ed25519").private}
    result = try_login(bench, host, pair, stranger)
    assert result.code == 1 and result.binding.verdict() == ("False", "AuthenticationFailed"), result
    assert host.endpoint in result.binding.message() and host.user in result.binding.message()
    assert [attempt.accepted for attempt in host.auth_attempts()] in ([False], [])
    assert "Stalled" in result.binding.conditions


@pytest.mark.parametrize(("change", "reason"), [
    ({"passphrase": "wrong horse"}, "CredentialsInvalid"),
    ({"passphrase": None}, "CredentialsInvalid"),
    ({"ssh-privatekey": "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90IGEga2V5\n-----END OPENSSH PRIVATE KEY-----\n"},
     "CredentialsInvalid"),
    ({"ssh-privatekey": "not a key"}, "CredentialsInvalid"),
    ({"ssh-privatekey": None}, "CredentialsInvalid"),
], ids=["wrong-passphrase", "no-passphrase", "garbage", "text", "nothing"])
def test_credentials_that_cannot_be_used_are_told_apart(bench, standing, pair, change, reason) -> None:
    data = {**standing.ssh_secret("rsa", passphrase=PASSPHRASE), **change}
    result = try_login(bench, standing, pair, {key: value for key, value in data.items() if value is not None})
    assert result.code == 1 and result.binding.verdict() == ("False", reason), result
    assert not any(attempt.accepted for attempt in standing.auth_attempts())


def test_a_missing_secret_is_named(bench, standing, pair) -> None:
    result = try_login(bench, standing, pair, None)
    assert result.code == 1 and result.binding.verdict() == ("False", "CredentialsNotFound"), result
    assert "default/ssh" in result.binding.message()


def test_a_host_where_nobody_listens_is_unreachable(bench, host, pair) -> None:
    data = host.ssh_secret()
    host.sshd.stop()
    result = try_login(bench, host, pair, data)
    assert result.code == 1 and result.binding.verdict() == ("False", "Unreachable"), result
    assert result.binding.states() == ["Failed"]


def test_a_user_who_may_not_write_the_files_is_told_so(bench, tmp_path, pair) -> None:
    with new_host(tmp_path, account="plainuser") as host:
        result = try_login(bench, host, pair, host.ssh_secret(), sudo=False)
        assert result.code == 1 and result.binding.verdict() == ("False", "PermissionDenied"), result
        assert host.served() == host.initial.sha256


def test_what_is_not_offered_yet_is_refused_with_a_sentence(bench, standing, pair) -> None:
    jump = {"user": standing.user, "credentialsRef": {"name": "ssh"}, "jumpHost": {"address": "10.0.0.1"}}
    for fields, word in (({"ssh": jump}, "jumpHost"), ({"sudo": True}, "sudo")):
        result = try_login(bench, standing, pair, standing.ssh_secret(), **fields)
        assert result.code == 1 and result.binding.verdict() == ("False", "InvalidSpec"), result
        assert word in result.binding.message()
    assert standing.connections() == 0
