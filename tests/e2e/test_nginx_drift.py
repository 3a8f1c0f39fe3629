"""What happens after the first deployment: renewals, and what other people do to the files."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest
from support.hosts import Host
from support.pki import leaf_sha256
from support.processes import wait_until

from .bench import Bench, Result
from .declarations import binding, from_secret, secret, tls_secret, to_hosts
from .places import NAME, former_pair, key_of
from .watch import watching


def declare(bench: Bench, host: Host, pair, **fields) -> None:
    bench.declare(
        tls_secret("shop-tls", pair),
        secret("ssh", host.ssh_secret()),
        binding("shop", from_secret("shop-tls"), to_hosts([host], **fields)),
    )


@pytest.fixture
def pair(authority):
    return authority.issue([NAME], kind="ec")


@pytest.fixture
def deployed(bench, host, pair):
    """The host holds the pair already."""
    declare(bench, host, pair)
    result = bench.apply()
    assert result.code == 0, result
    host.sshd.forget()
    return pair


def assert_whole(host: Host, pair) -> None:
    """The pair is served, and lies on the disk as a deployment leaves it."""
    host.wait_served(pair.sha256)
    assert host.certificate_on_disk() == pair.bundle_pem
    assert key_of(host.private_key_path.read_text()) == key_of(pair.key_pem)
    assert os.readlink(host.certificate_path).startswith(".certbinder/")
    assert os.readlink(host.certificate_path).endswith("/live/certificate.pem")
    assert os.path.dirname(os.readlink(host.private_key_path)) == os.path.dirname(os.readlink(host.certificate_path))
    assert stat.S_IMODE(host.private_key_path.stat().st_mode) == 0o600


def assert_repaired(result: Result, host: Host, pair) -> None:
    assert result.code == 0, result
    assert result.events == ["DriftDetected", "DriftCorrected"], result
    assert_whole(host, pair)


def versions(host: Host) -> set[str]:
    room = host.certificate_path.parent / ".certbinder"
    return {path.name for path in room.iterdir() if path.is_dir() and not path.is_symlink()}


def test_a_renewed_secret_is_deployed_and_the_last_version_stays_for_a_roll_back(
    bench, host, pair, deployed, authority
) -> None:
    second, third = authority.issue([NAME], kind="ec"), authority.issue([NAME], kind="ec")
    declare(bench, host, second)
    planned = bench.plan()
    assert planned.code == 2
    [item] = planned.data["items"]
    assert (item["action"], item["reason"]) == ("Deploy", "Renewed")
    assert (item["fromFingerprint"], item["toFingerprint"]) == (pair.sha256, second.sha256)
    with watching(host.served) as watch:
        result = bench.apply()
    assert result.code == 0, result
    assert result.events == ["SourceRenewed", "Deployed"]
    assert watch.failures == [] and set(watch.served) == {pair.sha256, second.sha256}
    assert_whole(host, second)
    assert versions(host) == {pair.sha256, second.sha256}
    declare(bench, host, third)
    assert bench.apply().code == 0
    assert_whole(host, third)
    assert versions(host) == {second.sha256, third.sha256}


def test_going_back_to_an_earlier_secret_is_a_deployment_like_any_other(bench, host, deployed, authority) -> None:
    same_day = authority.issue(
        [NAME], kind="ec", not_before=deployed.not_before, not_after=deployed.not_after
    )
    declare(bench, host, same_day)
    assert bench.apply().code == 0
    declare(bench, host, deployed)
    assert bench.apply().code == 0
    assert_whole(host, deployed)


def test_plain_files_put_in_place_of_the_links_are_replaced(bench, host, deployed) -> None:
    stranger = former_pair()
    host.install_plain(stranger.bundle_pem, stranger.key_pem)
    subprocess.run(host.reload_command, check=True)
    host.wait_served(stranger.sha256)
    planned = bench.plan()
    assert planned.code == 2 and planned.data["items"][0]["reason"] == "Drifted", planned
    assert_repaired(bench.apply(), host, deployed)


def test_a_file_overwritten_through_its_link_is_repaired(bench, host, deployed) -> None:
    stranger = former_pair()
    host.certificate_path.write_text(stranger.bundle_pem)
    host.private_key_path.write_text(stranger.key_pem)
    assert leaf_sha256(host.certificate_on_disk()) == stranger.sha256
    assert_repaired(bench.apply(), host, deployed)


def test_a_certificate_overwritten_by_hand_without_a_reload_is_found(bench, host, deployed) -> None:
    host.certificate_path.write_text(former_pair().bundle_pem)
    assert host.served() == deployed.sha256
    assert_repaired(bench.apply(), host, deployed)


def test_a_foreign_key_is_replaced_before_nginx_stumbles_over_it(bench, host, deployed) -> None:
    host.private_key_path.write_text(former_pair().key_pem)
    assert_repaired(bench.apply(), host, deployed)


@pytest.mark.parametrize("broken", ["live", "certificate", "both"])
def test_a_broken_link_is_mended(bench, host, deployed, broken: str) -> None:
    live = host.certificate_path.parent / ".certbinder/live"
    if broken in ("live", "both"):
        live.unlink()
        live.symlink_to("nowhere")
    if broken in ("certificate", "both"):
        host.certificate_path.unlink()
        host.certificate_path.symlink_to("nowhere.pem")
    assert_repaired(bench.apply(), host, deployed)


def test_a_removed_room_is_made_anew(bench, host, deployed) -> None:
    room = host.certificate_path.parent / ".certbinder"
    room.rename(room.with_name("moved"))
    assert_repaired(bench.apply(), host, deployed)


def test_a_key_that_others_may_read_is_closed_again(bench, host, deployed) -> None:
    host.private_key_path.chmod(0o644)
    assert_repaired(bench.apply(), host, deployed)


def test_nginx_that_did_not_read_the_files_is_told_to(bench, host, deployed) -> None:
    stranger = former_pair()
    keep = host.certificate_on_disk(), host.private_key_path.read_text()
    host.certificate_path.write_text(stranger.bundle_pem)
    host.private_key_path.write_text(stranger.key_pem)
    subprocess.run(host.reload_command, check=True)
    host.wait_served(stranger.sha256)
    host.certificate_path.write_text(keep[0])
    host.private_key_path.write_text(keep[1])
    planned = bench.plan()
    assert planned.code == 2
    assert (planned.data["items"][0]["action"], planned.data["items"][0]["reason"]) == ("Activate", "NotServed")
    result = bench.apply()
    assert result.code == 0, result
    assert_whole(host, deployed)


def test_drift_is_told_in_the_log_with_binding_and_place(bench, host, deployed) -> None:
    host.certificate_path.write_text(former_pair().bundle_pem)
    lines = {line["event"]: line for line in bench.apply().log if "event" in line}
    for reason, level in (("DriftDetected", "warning"), ("DriftCorrected", "info")):
        assert (lines[reason]["namespace"], lines[reason]["name"]) == ("default", "shop")
        assert lines[reason]["level"] == level and host.endpoint in lines[reason]["msg"]


def test_nginx_started_again_serves_the_new_pair_by_itself(bench, host, deployed) -> None:
    host.stop_nginx()
    host.start_nginx()
    host.wait_served(deployed.sha256)
    reloads = host.reloads()
    assert bench.apply().code == 0 and host.reloads() == reloads
    wait_until(lambda: host.served() == deployed.sha256, "the certificate")
