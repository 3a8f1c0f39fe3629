"""The hosts themselves, proved with OpenSSH's client and openssl: a test that stands on them can trust them."""

from __future__ import annotations

import functools
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import processes
from support.hosts import Host, shared_ssh_secret
from support.pki import CertificateFactory, weak_pair
from support.processes import command_line, descendants, program, wait_until, watched_command_lines
from support.ssh_keys import KEY_KINDS

NAME = "shop.example.com"


def needs_root(test: Callable[..., None]) -> Callable[..., None]:
    """As a plain user such a host cannot be; then the test is that it says so."""
    if os.geteuid() == 0:
        return test

    @functools.wraps(test)
    def refused(*arguments: object, **named: object) -> None:
        with pytest.raises(RuntimeError, match="takes root"):
            test(*arguments, **named)

    return refused


@pytest.fixture(scope="module")
def authority() -> CertificateFactory:
    return CertificateFactory("Hosts")


@pytest.fixture
def host(tmp_path: Path):
    with Host(tmp_path, [NAME, "other.example.com"]) as running:
        yield running


class Client:
    """OpenSSH's client with nothing but what a Secret holds, and strict about host keys."""

    def __init__(self, folder: Path, secret: dict[str, str]) -> None:
        folder.mkdir()
        self._secret = secret
        self._folder = folder
        (folder / "known_hosts").write_text(secret["known_hosts"])
        self._askpass = folder / "askpass"
        self._askpass.write_text(f"#!/bin/sh\necho '{secret.get('passphrase') or secret.get('password', '')}'\n")
        self._askpass.chmod(0o700)
        self.options = [
            "-F", "none", "-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={folder / 'known_hosts'}",
            "-o", "GlobalKnownHostsFile=none", "-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none",
            # "sftp -b" would turn passwords off; the first value of an option counts.
            "-o", "BatchMode=no", "-o", "NumberOfPasswordPrompts=1", "-o", "ConnectTimeout=5",
        ]
        if "ssh-privatekey" in secret:
            self._add("ssh-privatekey", "IdentityFile")
        else:
            self.options += ["-o", "PubkeyAuthentication=no"]
        if "ssh-certificate" in secret:
            self._add("ssh-certificate", "CertificateFile")

    def _add(self, key: str, option: str) -> None:
        path = self._folder / key
        path.touch(0o600)
        path.write_text(self._secret[key])
        self.options += ["-o", f"{option}={path}"]

    def run(self, host: Host, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        return self._call(
            [program("ssh"), *self.options, *options, "-p", str(host.ssh_port), f"{host.user}@{host.address}", *command]
        )

    def sftp(self, host: Host, batch: str) -> subprocess.CompletedProcess[str]:
        return self._call(
            [program("sftp"), *self.options, "-P", str(host.ssh_port), "-b", "-", f"{host.user}@{host.address}"], batch
        )

    def _call(self, argv: list[str], given: str = "") -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "SSH_ASKPASS": str(self._askpass), "SSH_ASKPASS_REQUIRE": "force"}
        return subprocess.run(argv, input=given, capture_output=True, text=True, timeout=30, env=environment)


@pytest.mark.parametrize("kind", KEY_KINDS)
def test_a_key_of_each_kind_logs_in_with_strict_host_keys(host: Host, tmp_path: Path, kind: str) -> None:
    secret = host.ssh_secret(kind)
    result = Client(tmp_path / "client", secret).run(host, "id", "-un")
    assert (result.returncode, result.stdout.strip()) == (0, host.user), result.stderr
    [attempt] = host.auth_attempts()
    assert attempt.accepted and attempt.method == "publickey" and attempt.user == host.user
    assert host.client_key(kind).fingerprint in attempt.key
    assert host.connections() == 1


@pytest.mark.parametrize("form", ["openssh", "pkcs1", "pkcs8"])
def test_an_rsa_key_is_given_in_each_form_and_with_a_passphrase(host: Host, tmp_path: Path, form: str) -> None:
    secret = host.ssh_secret("rsa", form=form, passphrase="correct horse")
    heading = {"openssh": "OPENSSH PRIVATE", "pkcs1": "RSA PRIVATE", "pkcs8": "ENCRYPTED PRIVATE"}[form]
    assert secret["ssh-privatekey"].startswith(f"-----BEGIN {heading} KEY-----")
    assert Client(tmp_path / "client", secret).run(host, "true").returncode == 0
    wrong = Client(tmp_path / "wrong", {**secret, "passphrase": "wrong horse"})
    assert wrong.run(host, "true").returncode == 255


def test_a_key_that_is_not_authorized_is_refused_and_counted(host: Host, tmp_path: Path) -> None:
    client = Client(tmp_path / "client", host.ssh_secret())
    host.sshd.revoke_all()
    assert client.run(host, "true").returncode == 255
    assert [attempt.accepted for attempt in host.auth_attempts()] == [False]


def test_a_user_certificate_opens_the_host_without_the_key_being_known(host: Host, tmp_path: Path) -> None:
    secret = host.ssh_secret("ecdsa", certificate=True)
    assert Client(tmp_path / "with", secret).run(host, "true").returncode == 0
    del secret["ssh-certificate"]
    assert Client(tmp_path / "without", secret).run(host, "true").returncode == 255


@pytest.mark.parametrize("kind", KEY_KINDS)
def test_a_host_has_just_the_host_keys_it_was_given(tmp_path: Path, kind: str) -> None:
    with Host(tmp_path, [NAME], host_key_kinds=[kind], nginx=False) as host:
        assert [key.kind for key in host.sshd.host_keys] == [kind]
        assert Client(tmp_path / "client", host.ssh_secret()).run(host, "true").returncode == 0


@pytest.mark.parametrize("form", ["hashed", "wildcard"])
def test_known_hosts_of_each_form_are_believed(host: Host, tmp_path: Path, form: str) -> None:
    assert Client(tmp_path / "client", host.ssh_secret(known_hosts=form)).run(host, "true").returncode == 0


@pytest.mark.parametrize("form", ["wrong", "revoked"])
def test_a_host_that_is_not_the_known_one_is_refused(host: Host, tmp_path: Path, form: str) -> None:
    result = Client(tmp_path / "client", host.ssh_secret(known_hosts=form)).run(host, "true")
    assert result.returncode == 255 and host.auth_attempts() == []


def test_a_host_certificate_is_believed_by_its_authority(tmp_path: Path) -> None:
    with Host(tmp_path, [NAME], host_certificates=True, nginx=False) as host:
        secret = host.ssh_secret(known_hosts="cert-authority")
        assert Client(tmp_path / "client", secret).run(host, "true").returncode == 0


def test_new_host_keys_are_another_host_to_the_client(host: Host, tmp_path: Path) -> None:
    client = Client(tmp_path / "client", host.ssh_secret())
    host.sshd.stop()
    host.sshd.use_host_keys(["ed25519", "ecdsa"])
    host.sshd.start()
    assert client.run(host, "true").returncode == 255
    assert Client(tmp_path / "again", host.ssh_secret()).run(host, "true").returncode == 0


def test_commands_and_files_are_recorded_as_they_came(host: Host, tmp_path: Path) -> None:
    client = Client(tmp_path / "client", host.ssh_secret())
    assert client.run(host, "printf '%s' 'a  b' \"$BASH_ENV\"").stdout == "a  b"
    assert client.run(host, "exit 7").returncode == 7
    local = tmp_path / "local"
    local.write_text("text")
    place = host.directory / "placed"
    assert client.sftp(host, f"put {local} {place}\nchmod 600 {place}\n").returncode == 0
    assert place.read_text() == "text"
    assert host.exec_journal() == ["printf '%s' 'a  b' \"$BASH_ENV\"", "exit 7"]
    assert host.sshd.sftp_sessions() == 1
    assert any(line.startswith(f'open "{place}" flags WRITE,CREATE') for line in host.sftp_journal())
    assert host.connections() == 3
    host.sshd.forget()
    assert (host.exec_journal(), host.sftp_journal(), host.connections()) == ([], [], 0)


def test_a_frozen_host_accepts_connections_and_says_nothing(host: Host) -> None:
    host.sshd.freeze()
    with socket.create_connection((host.address, host.ssh_port), 5) as connection:
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        host.sshd.thaw()
        connection.settimeout(10)
        assert connection.recv(4) == b"SSH-"


def test_a_host_is_the_way_to_another(host: Host, tmp_path: Path) -> None:
    with Host(tmp_path, nginx=False) as jump:
        client = Client(tmp_path / "client", shared_ssh_secret([host, jump]))
        # "ssh -J" would hand none of the options on to the client for the jump host.
        tunnel = processes.start(
            [program("ssh"), *client.options, "-N", "-L", f"{jump.address}:20100:{host.endpoint}",
             "-p", str(jump.ssh_port), f"{jump.user}@{jump.address}"]
        )
        try:
            wait_until(lambda: not processes.can_bind(jump.address, 20100), "the tunnel to open", evidence=jump.log)
            with socket.create_connection((jump.address, 20100), 5) as connection:
                assert connection.recv(4) == b"SSH-"
        finally:
            processes.stop(tunnel)
        assert jump.connections() == 1 and host.connections() == 1


def fingerprint_of_accounts() -> list[tuple[int, int, int]]:
    files = [Path("/etc") / name for name in ("passwd", "group", "shadow") if (Path("/etc") / name).exists()]
    return [(info.st_ino, info.st_mtime_ns, info.st_size) for info in (file.stat() for file in files)]


@needs_root
def test_a_plain_account_has_its_password_and_sudo_for_this_host_alone(tmp_path: Path) -> None:
    before = fingerprint_of_accounts()
    with Host(tmp_path, [NAME], account="deployer", password="s3cret phrase", sudo=True) as host:
        client = Client(tmp_path / "client", host.ssh_secret(password=True))
        assert client.run(host, "id", "-un").stdout.strip() == "deployer"
        assert [(attempt.method, attempt.accepted) for attempt in host.auth_attempts()] == [("password", True)]
        assert client.run(host, "cat", str(host.private_key_path)).returncode != 0
        assert client.run(host, "sudo", "-n", "id", "-un").stdout.strip() == "root"
        assert client.run(host, "sudo -n " + " ".join(host.test_command)).returncode == 0
        assert client.sftp(host, f"put {__file__} uploaded\n").returncode == 0
        assert (host.account.home / "uploaded").stat().st_uid == host.account.uid
        wrong = Client(tmp_path / "wrong", {**host.ssh_secret(password=True), "password": "other"})
        assert wrong.run(host, "true").returncode == 255
        assert [attempt.accepted for attempt in host.auth_attempts()][-1] is False
        assert Client(tmp_path / "key", host.ssh_secret()).run(host, "true").returncode == 0
        folder = host.directory
    assert fingerprint_of_accounts() == before
    assert not folder.exists()


@needs_root
def test_an_account_without_sudo_is_denied_it(tmp_path: Path) -> None:
    with Host(tmp_path, [NAME], account="deployer") as host:
        client = Client(tmp_path / "client", host.ssh_secret())
        assert client.run(host, "true").returncode == 0
        assert client.run(host, "sudo", "-n", "true").returncode != 0
        assert client.sftp(host, f"put {__file__} {host.certificate_path}\n").returncode != 0


@needs_root
@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
def test_a_password_is_taken_by_the_method_that_is_offered(tmp_path: Path, method: str) -> None:
    with Host(tmp_path, password="s3cret", authentication=[method], nginx=False) as host:
        secret = host.ssh_secret(password=True)
        assert Client(tmp_path / "client", secret).run(host, "true").returncode == 0
        assert Client(tmp_path / "wrong", {**secret, "password": "x"}).run(host, "true").returncode == 255
        assert {attempt.method.split("/")[0] for attempt in host.auth_attempts()} == {method}


def test_nginx_serves_the_pair_to_every_name(host: Host) -> None:
    for name in host.names:
        assert host.served(name) == host.openssl_served(name) == host.initial.sha256


def test_a_new_pair_is_served_after_a_reload_over_ssh_and_not_before(
    host: Host, tmp_path: Path, authority: CertificateFactory
) -> None:
    client = Client(tmp_path / "client", host.ssh_secret())
    renewed = authority.issue([NAME])
    host.install_plain(renewed.bundle_pem, renewed.key_pem)
    assert client.run(host, *host.test_command).returncode == 0
    assert host.served() == host.initial.sha256
    assert client.run(host, *host.reload_command).returncode == 0
    host.wait_served(renewed.sha256)
    assert host.openssl_served() == renewed.sha256
    assert host.reloads() == 1


def test_a_broken_configuration_fails_the_test_and_is_mended(host: Host, tmp_path: Path) -> None:
    client = Client(tmp_path / "client", host.ssh_secret())
    host.break_nginx_config()
    result = client.run(host, *host.test_command)
    assert result.returncode == 1 and "this_is_no_directive" in result.stderr
    assert host.served() == host.initial.sha256
    host.mend_nginx_config()
    assert client.run(host, *host.test_command).returncode == 0


def test_nginx_itself_refuses_small_keys(host: Host, authority: CertificateFactory) -> None:
    def tested() -> subprocess.CompletedProcess[str]:
        return subprocess.run(host.test_command, capture_output=True, text=True)

    host.refuse_small_keys()
    assert tested().returncode == 0
    ordinary = authority.issue([NAME], kind="rsa")
    host.install_plain(ordinary.bundle_pem, ordinary.key_pem)
    assert "ee key too small" in tested().stderr
    host.mend_nginx_config()
    assert tested().returncode == 0
    weak = weak_pair(authority, NAME)
    host.install_plain(weak.bundle_pem, weak.key_pem)
    assert "ee key too small" in tested().stderr


def test_a_stopped_nginx_is_unreachable_and_its_reload_fails(host: Host) -> None:
    host.stop_nginx()
    with pytest.raises((ConnectionRefusedError, ssl.SSLError)):
        host.served()
    assert subprocess.run(host.reload_command, capture_output=True).returncode == 1
    host.start_nginx()
    assert host.served() == host.initial.sha256


def test_a_snapshot_shows_every_kind_of_change(host: Host) -> None:
    first = host.snapshot()
    assert host.served() == host.initial.sha256 and host.snapshot() == first
    subprocess.run(host.test_command, check=True, capture_output=True)
    assert host.snapshot() == first
    text = host.private_key_path.read_text()
    host.private_key_path.write_text(text)
    touched = host.snapshot()
    assert [name for name in touched if touched[name] != first[name]] == ["cert/privateKey.key"]
    link = host.prefix / "conf/cert/link"
    link.symlink_to("one")
    assert host.snapshot()["cert/link"].content == "one"


def test_many_hosts_at_once_have_addresses_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        hosts = list(pool.map(lambda _: Host(tmp_path).start(), range(6)))
    # The threads that started them are gone by now; the servers are not.
    try:
        assert len({host.address for host in hosts}) == 6
        assert all(host.served() == host.initial.sha256 for host in hosts)
        secret = shared_ssh_secret(hosts)
        client = Client(tmp_path / "client", secret)
        assert [client.run(host, "true").returncode for host in hosts] == [0] * 6
    finally:
        for host in hosts:
            host.stop()


@needs_root
def test_hosts_of_one_site_have_the_same_paths_and_each_its_own_files(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    with Host(tmp_path, [NAME], site=site) as one, Host(tmp_path, [NAME], site=site) as two:
        target = one.target("ssh")
        assert two.target("ssh")["certificatePath"] == target["certificatePath"]
        assert (one.test_command, one.reload_command) == (two.test_command, two.reload_command)
        client = Client(tmp_path / "client", shared_ssh_secret([one, two]))
        for host in (one, two):
            assert client.run(host, "cat", target["certificatePath"]).stdout == host.certificate_on_disk()
            assert client.run(host, *host.test_command).returncode == 0
            assert client.run(host, *host.reload_command).returncode == 0
            wait_until(lambda host=host: host.reloads() == 1, "the reload", evidence=host.nginx_log)
        assert client.sftp(two, f"put {__file__} {site}/conf/new\n").returncode == 0
        assert (two.prefix / "conf/new").exists() and not (one.prefix / "conf/new").exists()
    assert list(site.iterdir()) == []


def test_stopping_a_host_ends_what_was_running_on_it(tmp_path: Path) -> None:
    with Host(tmp_path, [NAME]) as host:
        client = Client(tmp_path / "client", host.ssh_secret())
        session = processes.start([program("ssh"), *client.options, "-p", str(host.ssh_port),
                                   f"{host.user}@{host.address}", "exec sleep 600"])
        server = host.sshd._process
        assert server is not None
        family = wait_until(
            lambda: {pid for pid in descendants(server.pid) if command_line(pid) == "sleep 600"}, "the command to run",
            evidence=host.log,
        )
    wait_until(lambda: not any(command_line(pid) == "sleep 600" for pid in family), "the command to end")
    processes.stop(session)
    assert processes.can_bind(host.address, host.ssh_port) and processes.can_bind(host.address, host.tls_port)


def test_a_killed_test_process_leaves_no_server_behind(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import sys, time
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from support.hosts import Host
        host = Host({str(tmp_path)!r}).start()
        print(host.address, host.ssh_port, host.tls_port, flush=True)
        sys.stdin.read()
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout is not None
        address, ssh_port, tls_port = tests.stdout.readline().split()
        assert not processes.can_bind(address, int(ssh_port))
        tests.send_signal(signal.SIGKILL)
        tests.wait()
    for port in (int(ssh_port), int(tls_port)):
        wait_until(lambda: processes.can_bind(address, port), f"port {port} of {address} to be free")


def test_command_lines_are_seen(host: Host, tmp_path: Path) -> None:
    client = Client(tmp_path / "client", host.ssh_secret())
    with watched_command_lines() as seen:
        client.run(host, "sleep 0.2")
    assert any("sleep 0.2" in line for line in seen)
    assert not any("PRIVATE KEY" in line for line in seen)


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(TimeoutError, match="waited 0.05 s for the moon, in vain\nno moon yet"):
        wait_until(lambda: False, "the moon", deadline=0.05, evidence=lambda: "no moon yet")
