"""The README says what is so: its examples are files that validate, its tables are those of the code."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
from pathlib import Path

import pytest
from support.hosts import Host

from .bench import Bench, binary
from .declarations import binding, from_secret, secret, tls_secret, to_hosts
from .places import NAME

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
EXAMPLES = ROOT / "docs/examples"
_ENTRY = re.compile(r'Entry\{Reason::k\w+, "(?P<word>\w+)", Remedy::k(?P<remedy>\w+)\}')


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def certbinder(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=30)


def section(title: str) -> str:
    """What stands below the heading, down to the next one."""
    match = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", README, re.DOTALL | re.MULTILINE)
    assert match, f"the README has no section {title}"
    return match[1]


@pytest.mark.parametrize(("language", "suffix"), [("yaml", ".yaml"), ("ini", ".service")])
def test_every_example_is_a_file_word_for_word(language: str, suffix: str) -> None:
    files = {path.name: path.read_text() for path in EXAMPLES.glob(f"*{suffix}")}
    assert sorted(fenced(language)) == sorted(files.values())


def test_the_examples_are_valid() -> None:
    done = certbinder("validate", "-f", str(EXAMPLES))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 CertificateBindings, 4 Secrets" in done.stderr


def test_the_commands_are_those_of_the_program_with_nothing_left_out() -> None:
    offered = certbinder("--help").stdout
    known = set(re.findall(r"^  ([a-z]+) {2,}", offered, re.MULTILINE))
    documented = set(re.findall(r"^\| `certbinder (\w+)`", section("Commands"), re.MULTILINE))
    assert documented == known and "run" in known


def test_the_options_that_are_named_exist() -> None:
    offered = "".join(certbinder(command, "--help").stdout for command in ("run", "apply", "status"))
    for option in set(re.findall(r"`(--[a-z-]+)[ `]", section("Commands"))) - {"--help"}:
        assert option in offered, option


def test_every_reason_is_explained_with_what_helps() -> None:
    source = (ROOT / "controller/base/reason.cpp").read_text()
    coded = [(match["word"], match["remedy"].lower()) for match in _ENTRY.finditer(source)]
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| (time|change) \| [^|]+ \|$", README, re.MULTILINE)
    assert rows == coded and len(coded) > 20


def test_the_fields_that_are_named_are_in_the_schema() -> None:
    schema = (ROOT / "crds/certificatebindings.certbinder.io.yaml").read_text()
    known = set(re.findall(r"^ *(\w+):", schema, re.MULTILINE))
    rows = re.findall(r"^\| `[\w.]+` \| .+ \|$", section("CertificateBinding"), re.MULTILINE)
    named = {part for row in rows for word in re.findall(r"`([A-Za-z.]+)`", row) for part in word.split(".")}
    # Keys of Secrets and ConfigMaps stand in the descriptions too.
    assert len(rows) > 5 and named - known - {"tls", "crt", "key", "ca"} == set()


def test_the_links_lead_somewhere() -> None:
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", README) if "://" not in target]
    assert targets and [target for target in targets if not (ROOT / target).exists()] == []


def test_the_scripts_that_are_named_can_be_run() -> None:
    for name in set(re.findall(r"\bscripts/\w+|\.ci/run", README)):
        assert os.stat(ROOT / name).st_mode & stat.S_IXUSR, name


def commands_on(host: Host, first: str) -> str:
    """The block of the README that begins with this line, for the paths and the nginx of the host."""
    [block] = [
        block for block in re.findall(r"(?:^    .+\n)+", section("On a host"), re.MULTILINE)
        if block.strip().splitlines()[0].strip() == first
    ]  # fmt: skip
    for written, real in (
        ("/etc/nginx/tls", str(host.certificate_path.parent)),
        ("shop.pem", host.certificate_path.name),
        ("shop.key", host.private_key_path.name),
        ("nginx -t", shlex.join(host.test_command)),
        ("nginx -s reload", shlex.join(host.reload_command)),
    ):
        block = block.replace(written, real)
    return "set -e\n" + block


def test_going_back_by_hand_and_leaving_work_as_written(bench: Bench, host: Host, authority) -> None:
    pair = authority.issue([NAME], kind="ec")
    shop = binding("shop", from_secret("shop-tls"), to_hosts([host]))
    bench.declare(tls_secret("shop-tls", pair), secret("ssh", host.ssh_secret()), shop)
    assert bench.apply().code == 0
    subprocess.run(["sh", "-c", commands_on(host, "cd /etc/nginx/tls/.certbinder")], check=True, capture_output=True)
    host.wait_served(host.initial.sha256)
    assert bench.apply().code == 0, "certbinder takes it for drift, as the README says"
    host.wait_served(pair.sha256)

    subprocess.run(["sh", "-c", commands_on(host, "cd /etc/nginx/tls")], check=True, capture_output=True)
    host.wait_served(pair.sha256)
    for path, text, mode in (
        (host.certificate_path, pair.bundle_pem, 0o644), (host.private_key_path, None, 0o600)
    ):  # fmt: skip
        assert not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) == mode
        assert text is None or path.read_text() == text
    assert sorted(path.name for path in host.certificate_path.parent.iterdir()) == sorted(
        [host.certificate_path.name, host.private_key_path.name]
    )
