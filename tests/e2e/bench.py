"""Runs certbinder with a folder of declarations and a state directory of its own, and reads what it says."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.processes import start, stop, wait_until

from .declarations import Object, documents, replace_file, secrets_in

_TIMEOUT = 60.0


def binary() -> str:
    """The program under test."""
    path = os.environ.get("CERTBINDER_BINARY", "")
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"CERTBINDER_BINARY names no program ({path!r}): give it the path of certbinder")
    return path


@dataclass(frozen=True)
class Binding:
    """One item of `status -o json`."""

    raw: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.raw["metadata"]["name"])

    @property
    def status(self) -> dict[str, Any]:
        return dict(self.raw["status"])

    @property
    def conditions(self) -> dict[str, dict[str, Any]]:
        return {condition["type"]: condition for condition in self.status.get("conditions", [])}

    def verdict(self, kind: str = "Ready") -> tuple[str, str]:
        condition = self.conditions[kind]
        return condition["status"], condition["reason"]

    def message(self, kind: str = "Ready") -> str:
        return str(self.conditions[kind]["message"])

    @property
    def endpoints(self) -> dict[str, dict[str, Any]]:
        return {endpoint["name"]: endpoint for endpoint in self.status.get("endpoints", [])}

    def states(self) -> list[str]:
        return [endpoint["state"] for endpoint in self.status.get("endpoints", [])]


def log_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@dataclass(frozen=True)
class Result:
    """What one command said."""

    arguments: tuple[str, ...]
    code: int
    stdout: str
    stderr: str
    seconds: float

    def __str__(self) -> str:
        return f"certbinder {' '.join(self.arguments)}: exit {self.code}\n{self.stdout}\n{self.stderr}"

    @property
    def data(self) -> Any:
        return json.loads(self.stdout)

    @property
    def bindings(self) -> dict[str, Binding]:
        return {item["metadata"]["name"]: Binding(item) for item in self.data["items"]}

    @property
    def binding(self) -> Binding:
        """The only one."""
        [one] = self.bindings.values()
        return one

    @property
    def log(self) -> list[dict[str, Any]]:
        return log_lines(self.stderr)

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self.log if "event" in line]


class Running:
    """A controller that was started by `Bench.run`."""

    def __init__(self, child: subprocess.Popen[bytes], stdout: Path, stderr: Path) -> None:
        self.child = child
        self._stdout, self._stderr = stdout, stderr

    def text(self) -> str:
        return self._stdout.read_text() + self._stderr.read_text()

    @property
    def log(self) -> list[dict[str, Any]]:
        # The last line may be half written.
        text = self._stderr.read_text()
        return log_lines(text[: text.rfind("\n") + 1])

    @property
    def events(self) -> list[str]:
        return [line["event"] for line in self.log if "event" in line]

    def wait(self, condition: Callable[[], Any], what: str, deadline: float = 15.0) -> Any:
        def check() -> Any:
            if self.child.poll() is not None:
                raise RuntimeError(f"certbinder run ended with {self.child.returncode}:\n{self.text()}")
            return condition()

        return wait_until(check, what, deadline, evidence=self.text)

    def terminate(self, deadline: float = 20.0) -> int:
        os.kill(self.child.pid, signal.SIGTERM)
        return self.child.wait(deadline)


class Bench:
    """A folder of YAML, a state directory, and certbinder on top of both.

    Everything is run at the debug level, and `check_secrets` looks for what was declared as secret in all that was
    ever said or kept.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.folder = directory / "declared"
        self.state = directory / "state"
        self.folder.mkdir(parents=True)
        self.secrets: set[str] = set()
        self._said: list[str] = []
        self._runs = 0

    # Declarations

    def declare(self, *objects: Object, file: str = "all") -> Path:
        """Writes a file with these objects in place of what it held."""
        self.secrets |= secrets_in(objects)
        path = self.folder / f"{file}.yaml"
        replace_file(path, documents(objects))
        return path

    def remove(self, file: str) -> None:
        (self.folder / f"{file}.yaml").unlink()

    # Commands

    def command(
        self, *arguments: str, given: str | bytes = "", env: Mapping[str, str] | None = None, timeout: float = _TIMEOUT
    ) -> Result:
        """Any command as it is given."""
        begin = time.monotonic()
        done = subprocess.run(
            [binary(), *arguments], input=given if isinstance(given, bytes) else given.encode(), capture_output=True,
            timeout=timeout, env={**self._environment(), **(env or {})},
        )
        stdout, stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        self._said += [stdout, stderr]
        return Result(arguments, done.returncode, stdout, stderr, time.monotonic() - begin)

    def apply(self, *more: str, output: str = "json", **options: Any) -> Result:
        return self.command("apply", *self._common(), "-o", output, *more, **options)

    def plan(self, *more: str, output: str = "json", **options: Any) -> Result:
        return self.command("plan", *self._common(), "-o", output, *more, **options)

    def status(self, *more: str, output: str = "json", **options: Any) -> Result:
        return self.command("status", *self._common(), "-o", output, *more, **options)

    def validate(self, *more: str, **options: Any) -> Result:
        return self.command("validate", "-f", str(self.folder), *more, **options)

    @contextmanager
    def run(self, *more: str, env: Mapping[str, str] | None = None) -> Iterator[Running]:
        """`certbinder run` for as long as the block lasts."""
        self._runs += 1
        out, err = (self.directory / f"run-{self._runs}.{kind}" for kind in ("stdout", "stderr"))
        with out.open("wb") as stdout, err.open("wb") as stderr:
            child = start(
                [binary(), "run", *self._common(), *more], stdout=stdout, stderr=stderr,
                env={**self._environment(), **(env or {})},
            )
        running = Running(child, out, err)
        try:
            yield running
        finally:
            stop(child)
            self._said.append(running.text())

    def _common(self) -> list[str]:
        return [
            "-f", str(self.folder), "--state-dir", str(self.state), "--log-level", "debug", "--log-format", "json",
        ]

    @staticmethod
    def _environment() -> dict[str, str]:
        kept = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS", "LLVM_PROFILE_FILE")
        return {"HOME": "/nonexistent", **{name: os.environ[name] for name in kept if name in os.environ}}

    # What is left behind

    def state_files(self) -> dict[str, tuple[str, int]]:
        """Content and time of change of each file of the state directory."""
        return {
            str(path.relative_to(self.state)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            for path in sorted(self.state.rglob("*")) if path.is_file()
        }

    def check_secrets(self) -> None:
        """Fails where a declared secret stands in any output or in the state directory."""
        places = [("output", text) for text in self._said]
        places += [(str(path), path.read_text(errors="replace")) for path in self.state.rglob("*") if path.is_file()]
        for text in self.secrets:
            for place, content in places:
                assert text not in content, f"a secret of {len(text)} characters stands in {place}"
