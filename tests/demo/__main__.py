"""`python -m demo [--keep]`: see scripts/demo."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from .play import explain, write_scripts
from .screen import Screen
from .show import Show, Unmet
from .stage import Stage

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOG_LINES = 20


class Ended(BaseException):
    """A signal asked to end. Not an Exception: nothing on the way may take it for a failure of its own."""

    def __init__(self, number: int) -> None:
        self.number = number


def _raise_ended(number: int, _: FrameType | None) -> None:
    # Once is enough: what follows is the clean-up, which must not be cut off.
    for ending in _ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    raise Ended(number)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/demo", description="Shows certbinder's main job on this machine.")
    parser.add_argument("--keep", action="store_true", help="leave everything running, and say how to play with it")
    options = parser.parse_args()
    screen = Screen()
    binary = Path(os.environ.get("CERTBINDER_BINARY", ""))
    if not os.access(binary, os.X_OK) or not binary.is_file():
        print("demo: CERTBINDER_BINARY names no program: start the show by scripts/demo", file=sys.stderr)
        return 2
    # Everything is on loopback: no proxy of the environment has a part in it.
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "*"
    for ending in _ENDINGS:
        signal.signal(ending, _raise_ended)
    try:
        return _perform(binary.resolve(), screen, options.keep)
    except Ended as end:
        screen.erase()
        screen.line()
        screen.line(f"{signal.Signals(end.number).name}: everything was stopped and removed.")
        # Ctrl-C is the way to end a show that was kept.
        return 128 + end.number


def _perform(binary: Path, screen: Screen, keep: bool) -> int:
    began = time.monotonic()
    with Stage(binary) as stage:
        try:
            show = Show(stage, screen)
            show.play()
            if not keep:
                show.finish(time.monotonic() - began)
                return 0
            show.sum_up(time.monotonic() - began)
            write_scripts(stage)
            explain(stage, screen)
            _linger(stage)
        except (Unmet, TimeoutError, ConnectionError) as failure:
            screen.erase()
            screen.line()
            screen.bad(f"expected {failure}")
            _show_log(stage, screen)
            return 1
    return 0


def _linger(stage: Stage) -> None:
    """Until a signal comes, or certbinder ends by itself."""
    while stage.exit_code() is None:
        time.sleep(0.5)
    raise Unmet(f"certbinder run to go on; it ended with {stage.exit_code()}")


def _show_log(stage: Stage, screen: Screen) -> None:
    lines = stage.log_file.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    if lines:
        screen.line("The end of certbinder's log:")
    for line in lines:
        screen.line(line)


if __name__ == "__main__":
    sys.exit(main())
