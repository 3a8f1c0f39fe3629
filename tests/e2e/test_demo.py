"""The show of scripts/demo, as a newcomer meets it and without a terminal: it tells, it checks, it cleans up."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from demo.screen import Screen
from support.processes import command_line, descendants, start, stop, wait_until

from .bench import binary

ROOT = Path(__file__).resolve().parents[2]
_DEADLINE = 120.0


@contextmanager
def demo(tmp_path: Path, *arguments: str, program: str = "") -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """The stage part of scripts/demo, with its temporary folder below `tmp_path`, and the file of its output."""
    (tmp_path / "tmp").mkdir()
    output = tmp_path / "output"
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT / "tests"), "CERTBINDER_BINARY": program or binary(),
        "TMPDIR": str(tmp_path / "tmp"), "PYTHONUNBUFFERED": "1",
    }  # fmt: skip
    with output.open("wb") as file:
        child = start([sys.executable, "-m", "demo", *arguments], env=environment, stdout=file, stderr=file)
    try:
        yield child, output
    finally:
        stop(child)


def left_behind(tmp_path: Path, family: dict[int, str]) -> list[str]:
    """Files in the temporary folder, and processes of the show that still run."""
    running = [command_line(pid) for pid in family if str(tmp_path) in command_line(pid)]
    return running + [str(path) for path in (tmp_path / "tmp").iterdir()]


def test_the_show_succeeds_says_what_it_saw_and_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path) as (child, output):
        family: dict[int, str] = {}

        def ended() -> bool:
            family.update(descendants(child.pid))
            return child.poll() is not None

        wait_until(ended, "the show to end", _DEADLINE, evidence=output.read_text)
        text = output.read_text()
        assert child.returncode == 0, text
        assert left_behind(tmp_path, family) == []
    for line in (
        r"\$ openssl s_client",
        r"web1 +shop\.example\.com .* installed by hand",
        r"web3 +shop\.example\.com .* verified +renewed in SCM",
        r"slb +pay\.example\.com .* verified +new in the Secret",
        r"NAMESPACE +NAME +READY +REASON +TARGET +IN SYNC",
        r"DriftDetected .*web2",
        r"DriftCorrected .*web2",
        r"RolledBack .*web2",
        r"False ConfigTestFailed: .*",
        r'unknown directive "this_is_no_directive"',
        r"\d+\.\d s +in all; another client made \d{3,} handshakes meanwhile, all of them were answered",
    ):
        assert re.search(line, text), f"{line} is not in\n{text}"
    assert "PRIVATE KEY" not in text
    assert "\033" not in text, "colours are for terminals"


def test_ctrl_c_while_certbinder_works_ends_and_removes_everything(tmp_path: Path) -> None:
    with demo(tmp_path) as (child, output):
        wait_until(lambda: "certbinder run -f" in output.read_text(), "certbinder to run", _DEADLINE)
        family = descendants(child.pid)
        assert any(" run " in f"{command_line(pid)} " for pid in family)
        os.kill(child.pid, signal.SIGINT)
        assert child.wait(30) == 128 + signal.SIGINT, output.read_text()
        assert left_behind(tmp_path, family) == []
        assert "Traceback" not in output.read_text()


def test_kept_it_says_how_to_play_and_a_renewal_by_its_script_is_served(tmp_path: Path) -> None:
    with demo(tmp_path, "--keep") as (child, output):
        wait_until(
            lambda: "The renewal is this call" in output.read_text() or child.poll() is not None,
            "the page on playing", _DEADLINE, evidence=output.read_text,
        )  # fmt: skip
        assert child.poll() is None, output.read_text()
        [folder] = (tmp_path / "tmp").glob("certbinder-demo-*")

        def look() -> list[str]:
            return subprocess.run([folder / "look"], capture_output=True, text=True, timeout=30).stdout.splitlines()

        before = look()
        assert len(before) == 5 and all(re.search(r" [0-9a-f]{16} +until ", line) for line in before), before
        subprocess.run([folder / "renew"], check=True, capture_output=True, timeout=30)
        wait_until(
            lambda: all(old != new for old, new in zip(before[:4], look()[:4], strict=True)),
            "the renewal to be served", 30, evidence=lambda: "\n".join(look()),
        )  # fmt: skip
        wait_until(
            lambda: subprocess.run([folder / "status"], capture_output=True, timeout=30).returncode == 0,
            "all to be Ready", 30,
        )  # fmt: skip
        family = descendants(child.pid)
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait(30) == 128 + signal.SIGTERM, output.read_text()
        assert left_behind(tmp_path, family) == []


def test_an_expectation_that_is_not_met_fails_the_show_with_the_log(tmp_path: Path) -> None:
    useless = tmp_path / "useless"
    useless.write_text("#!/bin/sh\nexit 3\n")
    useless.chmod(0o755)
    with demo(tmp_path, program=str(useless)) as (child, output):
        assert child.wait(_DEADLINE) == 1
        assert "expected validate to find no fault" in output.read_text()
        assert left_behind(tmp_path, {}) == []


def test_a_folder_that_a_killed_show_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    with demo(tmp_path) as (child, output):
        wait_until(lambda: "The stage" in output.read_text(), "the stage", _DEADLINE)
        family = descendants(child.pid)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
        wait_until(
            lambda: not any(str(tmp_path) in command_line(pid) for pid in family), "the killed show's servers to end"
        )
    [abandoned] = (tmp_path / "tmp").iterdir()
    done = subprocess.run(
        [sys.executable, "-c", "from demo.stage import remove_abandoned; remove_abandoned()"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests"), "TMPDIR": str(tmp_path / "tmp")}, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0 and not abandoned.exists()


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("no_color", ["", "1"])
def test_on_a_terminal_tables_are_coloured_cut_and_drawn_anew(monkeypatch: pytest.MonkeyPatch, no_color: str) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", no_color)
    terminal = _Terminal()
    screen = Screen(terminal)
    screen.redraw("STATE    MESSAGE\nFailed   " + "a long message " * 10 + "\n")
    screen.block("STATE    MESSAGE\nInSync\n")
    text = terminal.getvalue()
    assert ("\033[31mFailed\033[0m" in text and "\033[32mInSync\033[0m" in text) == (not no_color)
    assert "\033[2A\033[J" in text, "the second table takes the place of the first"
    plain = re.sub(r"\033\[[0-9;]*[A-Za-z]", "", text)
    assert max(map(len, plain.splitlines())) == 40 and "…" in plain


def test_a_stream_without_unicode_gets_plain_signs() -> None:
    raw = io.BytesIO()
    screen = Screen(io.TextIOWrapper(raw, encoding="ascii"))
    screen.heading("1", "A title")
    screen.good("done …")
    assert raw.getvalue().decode("ascii").splitlines()[-1] == "  ok done ..."
