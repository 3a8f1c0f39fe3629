"""Child processes that never outlive the tests, and waiting for conditions instead of sleeping."""

from __future__ import annotations

import atexit
import os
import queue
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

Result = TypeVar("Result")

DEFAULT_DEADLINE = 10.0
_POLL_INTERVAL = 0.01


def wait_until(
    condition: Callable[[], Result],
    what: str,
    deadline: float = DEFAULT_DEADLINE,
    evidence: Callable[[], str] = lambda: "",
) -> Result:
    """The first true value of `condition`, which is asked again and again for `deadline` seconds.

    Raises TimeoutError that says what was waited for, with the `evidence` (a log, say) of that moment.
    """
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise TimeoutError(f"waited {deadline:g} s for {what}, in vain\n{evidence()}".rstrip())
        time.sleep(_POLL_INTERVAL)


def can_bind(address: str, port: int) -> bool:
    with socket.socket() as probe:
        # As servers do it: connections in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True


def free_port(address: str, preferred: int) -> int:
    """The first port from `preferred` on that can be bound at the address.

    Take `preferred` below the ephemeral range (32768), where no outgoing connection snatches it away.
    """
    for port in range(preferred, preferred + 200):
        if can_bind(address, port):
            return port
    raise RuntimeError(f"no port free at {address} from {preferred} to {preferred + 199}")


def program(name: str) -> str:
    """Where the program is, also when PATH lacks the folders for administrators, as a plain user's does."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    if found is None:
        raise RuntimeError(f"{name} is not installed: run scripts/deps")
    return found


class _Spawner:
    """Starts children from one thread that lives as long as the process.

    PR_SET_PDEATHSIG means the death of the parent *thread*: a child started by a pool's worker would be
    killed as soon as that worker ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._owner = 0

    def call(self, action: Callable[[], Result]) -> Result:
        with self._lock:
            if self._thread is None or self._owner != os.getpid():
                # A fork (pytest-forked, multiprocessing) has no thread but its own.
                self._owner = os.getpid()
                self._requests = queue.SimpleQueue()
                self._thread = threading.Thread(target=self._serve, name="spawner", daemon=True)
                self._thread.start()
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._requests.put((action, answer))
        value, error = answer.get()
        if error is not None:
            raise error
        return value

    def _serve(self) -> None:
        while True:
            action, answer = self._requests.get()
            try:
                answer.put((action(), None))
            except BaseException as error:  # handed to the caller, whatever it is
                answer.put((None, error))


_spawner = _Spawner()
_running: dict[int, subprocess.Popen[Any]] = {}
_running_lock = threading.Lock()


def start(
    argv: Sequence[str | os.PathLike[str]],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    stdin: Any = subprocess.DEVNULL,
    stdout: Any = subprocess.DEVNULL,
    stderr: Any = subprocess.DEVNULL,
    text: bool = False,
) -> subprocess.Popen[Any]:
    """Starts a child in a session of its own, which gets SIGTERM when this process dies in whatever way.

    Safe to call from any thread. `stop` ends it; what is left at exit is stopped then.
    """
    # setpriv sets the signal and becomes the program: no Python code runs between fork and exec.
    command = [program("setpriv"), "--pdeathsig", "TERM", "--", program(str(argv[0])), *map(str, argv[1:])]
    child = _spawner.call(
        lambda: subprocess.Popen(
            command, env=env, cwd=cwd, stdin=stdin, stdout=stdout, stderr=stderr, text=text, start_new_session=True
        )
    )
    with _running_lock:
        _running[child.pid] = child
    return child


def stop(child: subprocess.Popen[Any], deadline: float = 5.0) -> None:
    """Ends the child and whatever descends from it: SIGTERM first, SIGKILL after the deadline. Idempotent."""
    with _running_lock:
        _running.pop(child.pid, None)
    if child.poll() is not None:
        return
    family = descendants(child.pid)
    _signal(child.pid, signal.SIGTERM)
    # A stopped process (see Host.freeze_ssh) sees the signal only once it goes on.
    _signal(child.pid, signal.SIGCONT)
    try:
        child.wait(deadline)
    except subprocess.TimeoutExpired:
        _signal(child.pid, signal.SIGKILL)
        child.wait()
    for pid, began in family.items():
        # The time of its start tells a survivor from a stranger that got the number since.
        if _start_time(pid) == began:
            _signal(pid, signal.SIGKILL)


@atexit.register
def _stop_all() -> None:
    with _running_lock:
        left = list(_running.values())
    for child in left:
        stop(child, deadline=2.0)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _stat_fields(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name in parentheses may hold anything, so fields count from the last parenthesis.
    return text[text.rindex(")") + 2 :].split()


def _start_time(pid: int) -> str | None:
    fields = _stat_fields(pid)
    return fields[19] if fields else None


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def descendants(pid: int) -> dict[int, str]:
    """Process ids below `pid`, each with the start time that makes it unmistakable."""
    parents: dict[int, tuple[int, str]] = {}
    for candidate in _pids():
        fields = _stat_fields(candidate)
        if fields:
            parents[candidate] = (int(fields[1]), fields[19])
    found: dict[int, str] = {}
    frontier = {pid}
    while frontier:
        frontier = {child for child, (parent, _) in parents.items() if parent in frontier} - found.keys()
        found.update({child: parents[child][1] for child in frontier})
    return found


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


@contextmanager
def watched_command_lines() -> Iterator[set[str]]:
    """Collects the command lines of all processes that are seen while the block runs.

    It samples, so a process of less than about a millisecond can be missed; what a command over SSH was
    given is in Host.exec_journal without gaps.
    """
    seen: set[str] = set()
    done = threading.Event()

    def sample() -> None:
        while not done.is_set():
            seen.update(line for line in map(command_line, _pids()) if line)
            done.wait(0.001)

    watcher = threading.Thread(target=sample, name="command-lines", daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()
