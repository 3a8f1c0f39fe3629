"""A certificate of a Secret reaches nginx: what is served, what lies on the disk, and that nothing is done twice."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from support.hosts import Host, shared_ssh_secret
from support.pki import leaf_sha256

from .bench import Bench
from .declarations import binding, from_secret, secret, tls_secret, to_hosts
from .places import NAME
from .watch import watching


@pytest.fixture(scope="module")
def pair(authority):
    return authority.issue([NAME], kind="ec")


def declare(bench: Bench, hosts: list[Host], pair, /, **fields) -> None:
    bench.declare(
        tls_secret("shop-tls", pair),
        secret("ssh", shared_ssh_secret(hosts)),
        binding("shop", from_secret("shop-tls"), to_hosts(hosts, **fields)),
    )


def room(host: Host) -> Path:
    return host.certificate_path.parent / ".certbinder"


def test_three_hosts_serve_the_certificate_and_a_second_pass_does_nothing(bench, make_hosts, pair) -> None:
    hosts = make_hosts(3)
    declare(bench, hosts, pair)
    first = bench.apply()
    assert first.code == 0, first
    # A client of its own has the last word.
    assert [host.openssl_served() for host in hosts] == [pair.sha256] * 3
    assert [host.reloads() for host in hosts] == [1, 1, 1]
    assert first.events == ["Deployed"] * 3

    shop = first.binding
    assert shop.verdict() == ("True", "InSync"), first
    assert {kind: shop.verdict(kind)[0] for kind in shop.conditions} == dict.fromkeys(
        ("Ready", "SourceReady", "Deployed", "Served"), "True"
    )
    assert shop.status["inSync"] == "3/3"
    assert list(shop.endpoints) == [host.endpoint for host in hosts]
    for endpoint in shop.endpoints.values():
        assert endpoint["state"] == "InSync"
        assert endpoint["deployedFingerprintSHA256"] == endpoint["servedFingerprintSHA256"] == pair.sha256
        assert endpoint["lastDeployTime"] and endpoint["lastTransitionTime"]
    certificate = shop.status["certificate"]
    assert certificate["fingerprintSHA256"] == pair.sha256 and certificate["dnsNames"] == [NAME]
    assert int(certificate["serialNumber"].replace(":", ""), 16) == pair.serial
    assert certificate["notAfter"] == pair.not_after.strftime("%Y-%m-%dT%H:%M:%SZ")

    before = [host.snapshot() for host in hosts], bench.state_files(), [host.exec_journal() for host in hosts]
    second = bench.apply()
    assert second.code == 0, second
    assert second.bindings["shop"].raw == shop.raw
    assert ([host.snapshot() for host in hosts], bench.state_files(), [host.exec_journal() for host in hosts]) == before
    assert [host.reloads() for host in hosts] == [1, 1, 1]
    assert second.events == []


def test_the_status_is_a_list_and_a_table(bench, host, pair) -> None:
    declare(bench, [host], pair)
    applied = bench.apply()
    told = bench.status()
    assert told.code == 0 and told.data == applied.data
    assert (told.data["apiVersion"], told.data["kind"]) == ("v1", "List")
    [item] = told.data["items"]
    assert item["kind"] == "CertificateBinding" and item["metadata"]["namespace"] == "default"
    assert item["spec"]["source"] == {"secret": {"name": "shop-tls"}}
    for condition in item["status"]["conditions"]:
        assert condition["observedGeneration"] == item["metadata"]["generation"] == 1
    table = bench.status(output="table").stdout
    assert re.search(r"^NAMESPACE +NAME +READY +REASON +TARGET +IN SYNC +EXPIRES +AGE$", table, re.M), table
    assert re.search(rf"^default +shop +True +InSync +nginx {host.address} +1/1 ", table, re.M), table
    assert re.search(rf"^default/shop +{host.endpoint} +InSync +{pair.sha256[:16]} +{pair.sha256[:16]}$", table, re.M)
    assert bench.status(output="name").stdout == "certificatebinding.certbinder.io/shop\n"
    assert "\x1b" not in table
    assert f"fingerprintSHA256: {pair.sha256}" in bench.status(output="yaml").stdout.replace('"', "")


def test_a_plan_tells_what_apply_does_and_touches_nothing(bench, make_hosts, pair) -> None:
    hosts = make_hosts(2)
    declare(bench, hosts, pair)
    untouched = [host.snapshot() for host in hosts]
    before = bench.plan()
    assert before.code == 2, before
    assert [
        (item["namespace"], item["name"], item["endpoint"], item["action"], item["reason"], item["toFingerprint"])
        for item in before.data["items"]
    ] == [("default", "shop", host.endpoint, "Deploy", "FirstDeployment", pair.sha256) for host in hosts]
    assert [item["fromFingerprint"] for item in before.data["items"]] == [host.initial.sha256 for host in hosts]
    assert [host.snapshot() for host in hosts] == untouched
    assert [host.exec_journal() for host in hosts] == [[], []]
    assert not bench.state.exists() or bench.state_files() == {}
    assert "Deploy" in bench.plan(output="table").stdout

    assert bench.apply().code == 0
    kept = bench.state_files()
    after = bench.plan()
    assert after.code == 0, after
    assert [(item["action"], item["reason"]) for item in after.data["items"]] == [("None", "InSync")] * 2
    assert bench.state_files() == kept


def test_the_pair_is_one_version_behind_links_and_the_files_of_before_are_the_first(bench, host, pair) -> None:
    declare(bench, [host], pair)
    assert bench.apply().code == 0
    assert os.readlink(host.certificate_path) == ".certbinder/live/certificate.pem"
    assert os.readlink(host.private_key_path) == ".certbinder/live/privateKey.key"
    assert os.readlink(room(host) / "live") == pair.sha256
    version = room(host) / pair.sha256
    assert (version / "certificate.pem").read_text() == pair.bundle_pem
    assert leaf_sha256(host.certificate_on_disk()) == pair.sha256
    kept = room(host) / host.initial.sha256
    assert (kept / "certificate.pem").read_text() == host.initial.bundle_pem
    assert (kept / "privateKey.key").read_text() == host.initial.key_pem
    assert {path.name for path in room(host).iterdir()} == {"live", "previous", pair.sha256, host.initial.sha256}


def test_modes_and_owners_of_the_files_in_place_are_kept(bench, host, pair) -> None:
    owner = (60321, 60322) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    os.chown(host.certificate_path, *owner)
    os.chown(host.private_key_path, *owner)
    host.certificate_path.chmod(0o640)
    host.private_key_path.chmod(0o400)
    declare(bench, [host], pair)
    assert bench.apply().code == 0
    for path, mode in ((host.certificate_path, 0o640), (host.private_key_path, 0o400)):
        info = path.stat()
        assert (stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid) == (mode, *owner), path


def test_the_key_is_never_wider_than_its_owner_from_its_first_byte(bench, host, pair) -> None:
    host.private_key_path.chmod(0o644)  # a mistake of before is not copied
    declare(bench, [host], pair)
    assert bench.apply().code == 0
    # open "…/privateKey.key" flags WRITE,CREATE,TRUNCATE mode 0600
    opened = [
        line for line in host.sftp_journal()
        if re.match(r'open "[^"]*/privateKey\.key" flags [A-Z,]*WRITE', line)
    ]
    assert opened, host.sftp_journal()
    for line in opened:
        assert int(re.search(r"mode (\d+)", line)[1], 8) & 0o077 == 0, line
    # Nor was it widened afterwards: set "…/privateKey.key" mode 0100600
    for line in host.sftp_journal():
        if changed := re.match(r'set "[^"]*/privateKey\.key" mode (\d+)', line):
            assert int(changed[1], 8) & 0o077 == 0, line
    for path in [*room(host).rglob("*.key"), host.private_key_path]:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_the_configuration_is_tested_before_nginx_reads_it(bench, host, pair) -> None:
    declare(bench, [host], pair)
    assert bench.apply().code == 0
    assert [command.replace("'", "") for command in host.exec_journal()] == [
        " ".join(host.test_command), " ".join(host.reload_command),
    ]


def test_clients_see_the_old_certificate_or_the_new_one_and_never_an_error(bench, host, pair) -> None:
    declare(bench, [host], pair)
    with watching(host.served) as watch:
        result = bench.apply()
    assert result.code == 0, result
    assert watch.failures == []
    assert set(watch.served) == {host.initial.sha256, pair.sha256} and watch.served[-1] == pair.sha256


def test_a_host_without_any_certificate_gets_its_first_one(bench, host, pair) -> None:
    host.stop_nginx()
    host.certificate_path.unlink()
    host.private_key_path.unlink()
    declare(bench, [host], pair, probe={"enabled": False}, hosts=[{"address": host.address, "port": host.ssh_port}],
            reloadCommand=["/bin/true"])
    result = bench.apply()
    assert result.code == 0, result
    assert host.certificate_on_disk() == pair.bundle_pem
    assert stat.S_IMODE(host.private_key_path.stat().st_mode) == 0o600
    host.start_nginx()
    host.wait_served(pair.sha256)


def test_paths_that_decide_who_may_do_what_are_refused_also_behind_a_link(bench, host, pair, tmp_path) -> None:
    for path in ("/etc/passwd", "/root/.ssh/authorized_keys", "/etc/ssh/sshd_config"):
        declare(bench, [host], pair, certificatePath=path)
        result = bench.apply()
        assert result.code == 1 and "certificatePath" in result.stderr + result.stdout, result
    assert host.connections() == 0
    secret_place = tmp_path / "elsewhere/.ssh"
    secret_place.mkdir(parents=True)
    (secret_place / "authorized_keys").write_text("untouched\n")
    host.certificate_path.unlink()
    host.certificate_path.symlink_to(secret_place / "authorized_keys")
    declare(bench, [host], pair)
    result = bench.apply()
    assert result.code == 1 and result.binding.verdict() == ("False", "InvalidSpec"), result
    assert (secret_place / "authorized_keys").read_text() == "untouched\n"
    assert [path.name for path in secret_place.iterdir()] == ["authorized_keys"]


def test_a_suspended_binding_is_left_alone(bench, host, pair) -> None:
    declare(bench, [host], pair)
    bench.declare(
        tls_secret("shop-tls", pair), secret("ssh", host.ssh_secret()),
        binding("shop", from_secret("shop-tls"), to_hosts([host]), suspend=True),
    )
    result = bench.apply()
    assert result.code == 1 and result.binding.verdict() == ("Unknown", "Suspended"), result
    assert host.connections() == 0 and host.served() == host.initial.sha256


def test_two_names_on_one_host_have_versions_of_their_own(bench, host, pair, authority) -> None:
    other = authority.issue(["other.example.com"], kind="ec")
    second = host.certificate_path.with_name("other.pem"), host.certificate_path.with_name("other.key")
    second[0].write_text(host.initial.bundle_pem)
    second[1].write_text(host.initial.key_pem)
    second[1].chmod(0o600)
    bench.declare(
        tls_secret("shop-tls", pair), tls_secret("other-tls", other, encoded=False),
        secret("ssh", host.ssh_secret()),
        binding("shop", from_secret("shop-tls"), to_hosts([host])),
        binding("other", from_secret("other-tls"), to_hosts(
            [host], hosts=[{"address": host.address, "port": host.ssh_port}], probe={"enabled": False},
            certificatePath=str(second[0]), privateKeyPath=str(second[1]),
        )),
    )
    result = bench.apply()
    assert result.code == 0, result
    assert host.served() == pair.sha256 and second[0].read_text() == other.bundle_pem
    assert host.certificate_on_disk() == pair.bundle_pem
    assert bench.apply().events == []
