"""The controller: it sees changes at once, and finds drift by itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time

import pytest
from support.hosts import Host
from support.processes import wait_until

from .bench import Bench
from .declarations import binding, documents, from_secret, secret, tls_secret, to_hosts
from .places import NAME, former_pair


@pytest.fixture
def pair(authority):
    return authority.issue([NAME], kind="ec")


def declare(bench: Bench, host: Host, pair, **spec) -> None:
    bench.declare(secret("ssh", host.ssh_secret()), file="credentials")
    bench.declare(tls_secret("shop-tls", pair), file="certificate")
    bench.declare(binding("shop", from_secret("shop-tls"), to_hosts([host]), **{"checkInterval": "1h", **spec}))


def test_a_changed_file_takes_effect_at_once(bench, host, pair, authority) -> None:
    declare(bench, host, pair)
    with bench.run() as controller:
        controller.wait(lambda: host.served() == pair.sha256, "the first deployment")
        controller.wait(lambda: "Deployed" in controller.events, "the first pass to end")
        new = authority.issue([NAME], kind="ec")
        begin = time.monotonic()
        bench.declare(tls_secret("shop-tls", new), file="certificate")
        controller.wait(lambda: host.served() == new.sha256, "the new certificate", 2.0)
        assert time.monotonic() - begin < 2.0
        controller.wait(lambda: controller.events.count("Deployed") == 2, "the second pass to end")
        assert bench.status().code == 0
        assert controller.terminate() == 0
    assert "SourceRenewed" in controller.events


@pytest.mark.parametrize("way", ["rename", "in-place", "symlink", "directory"])
def test_files_may_be_changed_in_any_way(bench, host, pair, authority, way) -> None:
    """A text editor, a copy, a Git checkout, a volume of Kubernetes."""
    new = authority.issue([NAME], kind="ec")
    declare(bench, host, pair)
    target = bench.folder / "certificate.yaml"
    if way == "symlink":
        for number, one in enumerate((pair, new)):
            version = bench.folder / f"..version{number}"
            version.mkdir()
            (version / "certificate.yaml").write_text(documents([tls_secret("shop-tls", one)]))
        target.unlink()
        (bench.folder / "..data").symlink_to("..version0")
        target.symlink_to("..data/certificate.yaml")
    elif way == "directory":
        target.unlink()
        (bench.folder / "below").mkdir()
        (bench.folder / "below/certificate.yaml").write_text(documents([tls_secret("shop-tls", pair)]))
    with bench.run() as controller:
        controller.wait(lambda: host.served() == pair.sha256, "the first deployment")
        text = documents([tls_secret("shop-tls", new)])
        if way == "rename":
            bench.declare(tls_secret("shop-tls", new), file="certificate")
        elif way == "in-place":
            target.write_text(text)
        elif way == "symlink":
            (bench.folder / "..new").symlink_to("..version1")
            os.replace(bench.folder / "..new", bench.folder / "..data")
        else:
            fresh = bench.directory / "below"
            fresh.mkdir()
            (fresh / "certificate.yaml").write_text(text)
            shutil.rmtree(bench.folder / "below")
            fresh.rename(bench.folder / "below")
        controller.wait(lambda: host.served() == new.sha256, "the new certificate", 4.0)
        assert controller.terminate() == 0


def test_a_binding_that_comes_later_is_taken_up_and_one_that_goes_leaves_its_files(bench, host, pair) -> None:
    bench.declare(tls_secret("shop-tls", pair), secret("ssh", host.ssh_secret()), file="secrets")
    with bench.run() as controller:
        controller.wait(lambda: any(line["msg"] == "started" for line in controller.log), "the start")
        bench.declare(binding("shop", from_secret("shop-tls"), to_hosts([host])))
        controller.wait(lambda: host.served() == pair.sha256, "the new binding")
        controller.wait(lambda: "Deployed" in controller.events, "its pass to end")
        before = host.snapshot()
        bench.remove("all")
        bench.declare(secret("unrelated", {"a": "b-unrelated"}), file="unrelated")
        assert controller.terminate() == 0
    assert host.snapshot() == before and host.served() == pair.sha256


def test_a_broken_file_is_told_with_its_place_and_the_last_good_one_stays(bench, host, pair, authority) -> None:
    declare(bench, host, pair, checkInterval="1s")
    with bench.run() as controller:
        controller.wait(lambda: "Deployed" in controller.events, "the first deployment")
        good = (bench.folder / "all.yaml").read_text()
        (bench.folder / "all.yaml").write_text(good + "\n---\nkind: [unclosed\n")
        controller.wait(lambda: re.search(r"all\.yaml:\d+:\d+: ", controller.text()), "the fault to be told")
        # Still in force: it looks after the host as before.
        stranger = former_pair()
        host.install_plain(stranger.bundle_pem, stranger.key_pem)
        subprocess.run(host.reload_command, check=True)
        controller.wait(lambda: "DriftCorrected" in controller.events, "the repair")
        # And it follows what is sound beside it.
        new = authority.issue([NAME], kind="ec")
        bench.declare(tls_secret("shop-tls", new), file="certificate")
        controller.wait(lambda: host.served() == new.sha256, "the new certificate")
        (bench.folder / "all.yaml").write_text(good)
        assert controller.terminate() == 0


def test_drift_is_found_by_the_regular_look_and_repaired(bench, host, pair) -> None:
    declare(bench, host, pair, checkInterval="1s")
    with bench.run() as controller:
        controller.wait(lambda: "Deployed" in controller.events, "the first deployment")
        stranger = former_pair()
        host.install_plain(stranger.bundle_pem, stranger.key_pem)
        subprocess.run(host.reload_command, check=True)
        controller.wait(lambda: {"DriftDetected", "DriftCorrected"} <= set(controller.events), "the repair")
        host.wait_served(pair.sha256)


def test_files_that_nobody_serves_yet_are_found_at_a_closer_look(bench, host, pair) -> None:
    declare(bench, host, pair, checkInterval="1s")
    with bench.run() as controller:
        controller.wait(lambda: "Deployed" in controller.events, "the first deployment")
        stranger = former_pair()
        host.install_plain(stranger.bundle_pem, stranger.key_pem)
        # Clients are served the right one all the time; every sixth look goes to the disk.
        controller.wait(lambda: "DriftCorrected" in controller.events, "the repair", 20.0)
        assert host.certificate_on_disk() == pair.bundle_pem


def test_a_regular_look_is_a_handshake_alone(bench, host, pair) -> None:
    declare(bench, host, pair)
    assert bench.apply().code == 0
    declare(bench, host, pair, checkInterval="1s")
    with bench.run() as controller:
        # The changed spec and the start may ask for a close look each; then five handshakes come for one login.
        controller.wait(lambda: bench.status().binding.status["observedGeneration"] == 2, "the first pass")
        logins = host.connections()
        wait_until(lambda: host.connections() > logins, "the sixth look", 20.0)
        begin, logins = time.monotonic(), host.connections()
        wait_until(lambda: host.connections() > logins, "the one after it", 20.0)
        assert time.monotonic() - begin > 4.0, "six looks of a second lie between"
        assert host.reloads() == 1


def test_asking_by_annotation_is_answered(bench, host, pair) -> None:
    declare(bench, host, pair)
    with bench.run() as controller:
        controller.wait(lambda: "Deployed" in controller.events, "the first deployment")
        asking = binding("shop", from_secret("shop-tls"), to_hosts([host]), checkInterval="1h")
        asking["metadata"]["annotations"] = {"certbinder.io/reconcile-at": "now-please"}
        bench.declare(asking)
        controller.wait(
            lambda: bench.status().binding.status.get("lastHandledReconcileAt") == "now-please", "the answer"
        )


def test_what_time_can_heal_is_tried_again_by_itself(bench, host, pair) -> None:
    declare(bench, host, pair)
    host.sshd.stop()
    with bench.run() as controller:
        controller.wait(lambda: "Unreachable" in controller.events, "the failure")
        host.sshd.start()
        controller.wait(lambda: host.served() == pair.sha256, "the deployment", 30.0)
        controller.wait(lambda: bench.status().code == 0, "the status")
    assert controller.events.count("Unreachable") == 1, "a failure that goes on is told once"


def test_a_changed_credential_ends_what_only_a_person_could_end(bench, host, pair) -> None:
    good = host.ssh_secret()
    declare(bench, host, pair)
    bench.declare(secret("ssh", {**good, "ssh-privatekey": "nothing-to-open-a-door-with"}), file="credentials")
    with bench.run() as controller:
        controller.wait(lambda: "CredentialsInvalid" in controller.events, "the failure")
        bench.declare(secret("ssh", good), file="credentials")
        controller.wait(lambda: host.served() == pair.sha256, "the deployment", 5.0)
