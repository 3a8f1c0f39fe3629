"""Starting an emulator as a process of its own, and telling where it listens."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable

from emulators.common.emulator import Emulator

_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Linux ends this process with SIGTERM when the thread that started it ends."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    # The parent may have ended before the call above took effect.
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def parse_address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not host:port")
    return host.strip("[]"), int(port)


def announce(path: str, facts: dict[str, object]) -> None:
    """Writes the facts as JSON so that a reader sees either nothing or all of it."""
    directory = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(dir=directory, prefix=".announce-")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        json.dump(facts, out)
        out.write("\n")
    os.replace(temporary, path)


def main(make: Callable[..., Emulator], description: str, argv: list[str] | None = None) -> int:
    """Runs an emulator until SIGTERM or SIGINT; returns the exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--listen", type=parse_address, default=("127.0.0.1", 0), metavar="HOST:PORT")
    parser.add_argument("--admin", type=parse_address, default=("127.0.0.1", 0), metavar="HOST:PORT")
    parser.add_argument("--announce", metavar="FILE", help="write url, admin, pid (and caFile) here when ready")
    parser.add_argument("--tls", action="store_true", help="serve the API over https with an own CA")
    parser.add_argument("--detached", action="store_true", help="outlive the process that started this one")
    options = parser.parse_args(argv)

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if not options.detached:
        die_with_parent()
    try:
        emulator = make(listen=options.listen, admin=options.admin, tls=options.tls)
    except OSError as error:
        print(f"cannot listen on {options.listen} or {options.admin}: {error.strerror}", file=sys.stderr)
        return 1
    with emulator:
        facts: dict[str, object] = {"url": emulator.url, "admin": emulator.admin_url, "pid": os.getpid()}
        if emulator.ca_file is not None:
            facts["caFile"] = emulator.ca_file
        if options.announce:
            announce(options.announce, facts)
        else:
            print(json.dumps(facts), flush=True)
        ended.wait()
    return 0
