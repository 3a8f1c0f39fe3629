"""What does not work is taken back, said, and keeps nobody else waiting."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from support.hosts import Host, shared_ssh_secret
from support.pki import weak_pair
from support.processes import wait_until

from .bench import Bench
from .declarations import binding, from_secret, secret, tls_secret, to_hosts
from .places import NAME, former_pair, key_of, new_host
from .watch import watching


def declare(bench: Bench, hosts: list[Host], pair, /, **fields) -> None:
    bench.declare(
        tls_secret("shop-tls", pair),
        secret("ssh", shared_ssh_secret(hosts)),
        binding("shop", from_secret("shop-tls"), to_hosts(hosts, **fields)),
    )


@pytest.fixture
def pair(authority):
    return authority.issue([NAME], kind="ec")


def assert_as_before(host: Host, pair) -> None:
    """The pair is in place and served, and nothing of a newer one can come into force by itself."""
    assert host.served() == host.openssl_served() == pair.sha256
    assert host.certificate_on_disk() == pair.bundle_pem
    assert key_of(host.private_key_path.read_text()) == key_of(pair.key_pem)


# A pair that nginx refuses


@pytest.mark.parametrize("managed", [False, True], ids=["first", "renewal"])
def test_a_pair_that_nginx_refuses_never_becomes_live(bench, host, pair, authority, managed: bool) -> None:
    before = host.initial
    if managed:
        declare(bench, [host], pair)
        assert bench.apply().code == 0
        before = pair
    reloads = host.reloads()
    weak = weak_pair(authority, NAME)
    declare(bench, [host], weak)
    with watching(host.served) as watch:
        result = bench.apply()
    assert result.code == 1, result
    assert (watch.served, watch.failures) == ([before.sha256], []) and watch.handshakes > 10
    assert result.binding.verdict() == ("False", "ConfigTestFailed")
    assert "ee key too small" in result.binding.message(), result  # nginx's own words
    assert result.binding.verdict("Deployed") == ("False", "ConfigTestFailed")
    assert result.binding.states() == ["RolledBack"]
    assert "Stalled" in result.binding.conditions
    assert {"RolledBack", "ConfigTestFailed"} <= set(result.events)
    assert host.reloads() == reloads
    assert_as_before(host, before)
    # Also whoever reloads nginx for another reason gets the old one.
    subprocess.run(host.reload_command, check=True)
    host.wait_served(before.sha256)


def test_a_failure_is_tried_again_and_ends_when_its_cause_is_gone(bench, host, pair) -> None:
    host.break_nginx_config()
    declare(bench, [host], pair)
    first = bench.apply()
    assert first.code == 1 and first.binding.verdict() == ("False", "ConfigTestFailed"), first
    assert "this_is_no_directive" in first.binding.message()
    # The new pair is not to blame, and that is said.
    assert "without the new certificate too" in first.binding.message()
    assert_as_before(host, host.initial)
    again = bench.apply()
    assert again.code == 1 and host.served() == host.initial.sha256
    host.mend_nginx_config()
    assert bench.apply().code == 0
    host.wait_served(pair.sha256)


def test_a_test_command_that_is_missing_is_named(bench, host, pair) -> None:
    declare(bench, [host], pair, testCommand=["/usr/sbin/no-such-nginx", "-t"])
    result = bench.apply()
    assert result.code == 1 and result.binding.verdict() == ("False", "ConfigTestFailed"), result
    assert "/usr/sbin/no-such-nginx" in result.binding.message()
    assert_as_before(host, host.initial)


def test_arguments_reach_the_host_as_they_are_written(bench, host, pair, tmp_path) -> None:
    marker = tmp_path / "marker"
    script = tmp_path / "tester"
    script.write_text(f"#!{sys.executable}\nimport sys\nopen({str(marker)!r}, 'w').write(repr(sys.argv[1:]))\n")
    script.chmod(0o755)
    odd = ["a b", "$(touch /tmp/no)", "it's", '"quoted"', "*", "\\", ";true", "-n", "ü"]
    declare(bench, [host], pair, testCommand=[str(script), *odd])
    result = bench.apply()
    assert result.code == 0, result
    assert marker.read_text() == repr(odd)


# A reload that fails


def test_a_reload_that_fails_is_rolled_back(bench, host, pair) -> None:
    declare(bench, [host], pair, reloadCommand=["/bin/sh", "-c", "echo nginx is on holiday >&2; exit 3"])
    with watching(host.served) as watch:
        result = bench.apply()
    assert result.code == 1, result
    assert (watch.served, watch.failures) == ([host.initial.sha256], [])
    assert result.binding.verdict() == ("False", "ReloadFailed")
    assert "nginx is on holiday" in result.binding.message()
    assert result.binding.states() == ["RolledBack"]
    assert_as_before(host, host.initial)


def test_a_reload_that_changes_nothing_is_found_by_handshake_and_rolled_back(bench, host, pair) -> None:
    declare(bench, [host], pair, reloadCommand=["/bin/true"], probe={
        "port": host.tls_port, "serverName": NAME, "timeout": "1s",
    }, hosts=[{"address": host.address, "port": host.ssh_port}])
    result = bench.apply()
    assert result.code == 1, result
    assert result.binding.verdict() == ("False", "ServedCertificateDiffers")
    assert result.binding.states() == ["RolledBack"]
    assert host.initial.sha256[:16] in result.binding.message() and pair.sha256[:16] in result.binding.message()
    assert_as_before(host, host.initial)


def test_a_wrong_server_name_shows_in_the_handshake(bench, make_hosts, authority, tmp_path) -> None:
    """nginx reads another file for the name that is probed: the right place, and the wrong one served."""
    with new_host(tmp_path) as host:
        elsewhere = host.prefix / "conf/cert/elsewhere.pem"
        elsewhere.write_text(host.initial.bundle_pem)
        key = host.prefix / "conf/cert/elsewhere.key"
        key.write_text(host.initial.key_pem)
        key.chmod(0o600)
        config = host.prefix / "conf/nginx.conf"
        text = config.read_text()
        config.write_text(
            text.replace(str(host.certificate_path), str(elsewhere)).replace(str(host.private_key_path), str(key))
        )
        subprocess.run(host.reload_command, check=True)
        host.wait_served(host.initial.sha256)
        declare(bench, [host], authority.issue([NAME], kind="ec"), probe={
            "port": host.tls_port, "serverName": NAME, "timeout": "1s",
        }, hosts=[{"address": host.address, "port": host.ssh_port}])
        result = bench.apply()
        assert result.code == 1 and result.binding.verdict() == ("False", "ServedCertificateDiffers"), result
        assert host.reloads() == 3, "back to the old one takes a reload of its own"
        assert host.certificate_on_disk() == host.initial.bundle_pem


def test_without_a_probe_served_is_unknown_and_ready_does_not_wait_for_it(bench, host, pair) -> None:
    declare(bench, [host], pair, probe={"enabled": False}, hosts=[{"address": host.address, "port": host.ssh_port}])
    result = bench.apply()
    assert result.code == 0, result
    assert result.binding.verdict("Served") == ("Unknown", "ProbeDisabled")
    assert result.binding.verdict() == ("True", "InSync")
    host.wait_served(pair.sha256)
    assert bench.apply().events == [] and host.reloads() == 1


def test_a_stopped_nginx_gets_the_files_and_is_not_said_to_serve(bench, host, pair) -> None:
    host.stop_nginx()
    declare(bench, [host], pair, reloadCommand=["/bin/true"])
    result = bench.apply()
    assert result.code == 1, result
    assert result.binding.verdict()[0] == "False"
    assert result.binding.verdict("Served") == ("False", "Unreachable"), result
    host.start_nginx()
    healed = bench.apply()
    assert healed.code == 0, healed
    host.wait_served(pair.sha256)


# Several hosts


def test_a_canary_that_fails_halts_the_rollout(bench, make_hosts, pair) -> None:
    hosts = make_hosts(3)
    hosts[0].break_nginx_config()
    declare(bench, hosts, pair)
    result = bench.apply()
    assert result.code == 1, result
    assert result.binding.verdict() == ("False", "RolloutHalted")
    assert result.binding.states() == ["RolledBack", "Pending", "Pending"]
    assert result.binding.status["inSync"] == "0/3"
    assert [host.served() for host in hosts] == [host.initial.sha256 for host in hosts]
    assert [len(host.exec_journal()) > 0 for host in hosts] == [True, False, False]
    hosts[0].mend_nginx_config()
    assert bench.apply().code == 0
    for host in hosts:
        host.wait_served(pair.sha256)


def test_a_later_wave_that_fails_halts_what_has_not_begun(bench, make_hosts, pair) -> None:
    hosts = make_hosts(4)
    hosts[1].break_nginx_config()
    declare(bench, hosts, pair, rollout={"canary": 1, "maxConcurrent": 1})
    result = bench.apply()
    assert result.code == 1, result
    assert result.binding.states() == ["InSync", "RolledBack", "Pending", "Pending"]
    assert [host.served() for host in hosts] == [pair.sha256, *(host.initial.sha256 for host in hosts[1:])]
    assert result.binding.verdict() == ("False", "RolloutHalted")
    assert result.binding.status["inSync"] == "1/4"


def test_the_canary_comes_first_and_waves_are_no_wider_than_asked_for(bench, make_hosts, pair) -> None:
    hosts = make_hosts(4)
    declare(bench, hosts, pair, rollout={"canary": 1, "maxConcurrent": "50%"})
    result = bench.apply()
    assert result.code == 0, result
    order = [line["endpoint"] for line in result.log if line["msg"] == "deployed"]
    assert order[0] == hosts[0].endpoint
    assert set(order[1:3]) == {hosts[1].endpoint, hosts[2].endpoint} and order[3] == hosts[3].endpoint


def test_a_host_that_cannot_be_reached_delays_no_other(bench, make_hosts, pair) -> None:
    hosts = make_hosts(3)
    hosts[0].sshd.stop()
    declare(bench, hosts, pair)
    result = bench.apply()
    assert result.code == 1, result
    assert result.binding.states() == ["Failed", "InSync", "InSync"]
    assert result.binding.verdict() == ("False", "Unreachable")
    assert hosts[0].endpoint in result.binding.message()
    assert [host.served() for host in hosts[1:]] == [pair.sha256] * 2
    assert "Reconciling" in result.binding.conditions and "Stalled" not in result.binding.conditions
    hosts[0].sshd.start()
    assert bench.apply().code == 0
    hosts[0].wait_served(pair.sha256)


def test_a_host_that_hangs_delays_no_other_binding(bench, make_hosts, authority, pair) -> None:
    hanging, fine = make_hosts(2)
    hanging.sshd.freeze()
    bench.declare(
        tls_secret("shop-tls", pair),
        secret("ssh", shared_ssh_secret([hanging, fine])),
        binding("hanging", from_secret("shop-tls"), to_hosts([hanging])),
        binding("fine", from_secret("shop-tls"), to_hosts([fine])),
    )
    begin = time.monotonic()
    with bench.run() as controller:
        controller.wait(lambda: fine.served() == pair.sha256, "the other host to be served", 10.0)
        assert time.monotonic() - begin < 10
        hanging.sshd.thaw()
        wait_until(lambda: hanging.served() == pair.sha256, "the thawed host to be served", 40.0, controller.text)


def test_a_drifted_host_is_repaired_although_another_one_fails(bench, make_hosts, pair, authority) -> None:
    hosts = make_hosts(3)
    declare(bench, hosts, pair)
    assert bench.apply().code == 0
    hosts[0].break_nginx_config()
    for host in hosts[:2]:
        stranger = former_pair()
        host.install_plain(stranger.bundle_pem, stranger.key_pem)
    result = bench.apply()
    assert result.code == 1, result
    assert result.binding.states()[1:] == ["InSync", "InSync"]
    assert hosts[1].certificate_on_disk() == pair.bundle_pem
