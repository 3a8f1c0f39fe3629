"""How the controller ends: at once when it can, with the work in hand done, and alone on its state."""

from __future__ import annotations

import os
import signal
import stat
import sys
import time

import pytest
from support.hosts import Host

from .bench import Bench
from .declarations import binding, from_secret, secret, tls_secret, to_hosts
from .places import NAME


@pytest.fixture
def pair(authority):
    return authority.issue([NAME], kind="ec")


def declare(bench: Bench, host: Host, pair, **spec) -> None:
    bench.declare(secret("ssh", host.ssh_secret()), file="credentials")
    bench.declare(tls_secret("shop-tls", pair), file="certificate")
    bench.declare(binding("shop", from_secret("shop-tls"), to_hosts([host]), **{"checkInterval": "1h", **spec}))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_when_there_is_nothing_to_do(bench, host, pair, number) -> None:
    declare(bench, host, pair)
    with bench.run() as controller:
        controller.wait(lambda: "Deployed" in controller.events, "the first deployment")
        begin = time.monotonic()
        os.kill(controller.child.pid, number)
        assert controller.child.wait(5) == 0 and time.monotonic() - begin < 2.0


def test_a_deployment_in_hand_is_finished_before_the_end(bench, host, pair, tmp_path) -> None:
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    slow = tmp_path / "slow-test"
    slow.write_text(
        f"#!{sys.executable}\nimport os, time\nopen({str(begun)!r}, 'w').close()\n"
        f"while not os.path.exists({str(go_on)!r}): time.sleep(0.01)\n"
    )
    slow.chmod(0o755)
    bench.declare(
        secret("ssh", host.ssh_secret()), tls_secret("shop-tls", pair),
        binding("shop", from_secret("shop-tls"), to_hosts([host], testCommand=[str(slow)])),
    )
    with bench.run() as controller:
        controller.wait(begun.exists, "the transaction to be under way")
        os.kill(controller.child.pid, signal.SIGTERM)
        go_on.touch()
        assert controller.child.wait(15) == 0
    host.wait_served(pair.sha256)
    assert bench.status().code == 0
    assert not (host.certificate_path.parent / ".certbinder/pending").exists()


def test_a_host_that_hangs_does_not_keep_it_from_ending(bench, host, pair) -> None:
    declare(bench, host, pair)
    host.sshd.freeze()
    with bench.run() as controller:
        controller.wait(lambda: any(line["msg"] == "started" for line in controller.log), "the start")
        begin = time.monotonic()
        assert controller.terminate(40) == 0
        assert time.monotonic() - begin < 10, "looking changes nothing, so it is not waited for"
    host.sshd.thaw()
    assert host.served() == host.initial.sha256


def test_a_second_process_is_refused_by_the_lock(bench, host, pair) -> None:
    declare(bench, host, pair)
    with bench.run() as controller:
        controller.wait(lambda: "Deployed" in controller.events, "the first deployment")
        second = bench.apply()
        assert second.code == 1 and str(bench.state) in second.stderr and "another certbinder" in second.stderr
        assert bench.status().code == 0 and bench.plan().code == 0, "those who only look are let in"
        os.kill(controller.child.pid, signal.SIGKILL)
        controller.child.wait(5)
    assert bench.apply().code == 0, "a lock does not outlive its holder"


def test_the_state_directory_holds_no_more_than_statuses(bench, host, pair) -> None:
    declare(bench, host, pair)
    with bench.run() as controller:
        controller.wait(lambda: "Deployed" in controller.events, "the first deployment")
        controller.wait(lambda: bench.status().code == 0, "the status")
    assert set(bench.state_files()) == {"lock", "status/default/shop.json"}
    assert stat.S_IMODE((bench.state / "lock").stat().st_mode) == 0o600
