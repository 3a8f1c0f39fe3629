"""What happens by itself after a while: state transitions, and switches that reach the data plane late."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import Callable

Event = Callable[[], None]


class Timeline:
    """Runs events when they are due, under `lock`, on real time.

    Real and not the emulated time: a test that shifts the emulator's clock wants skewed
    timestamps, not transitions that never end. `settle` runs before each answer, so that an answer
    never shows a state whose time is over even where the thread was late.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._changed = threading.Condition(lock)
        self._heap: list[tuple[float, int, Event]] = []
        self._order = itertools.count()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="timeline", daemon=True)
        self._thread.start()

    def after(self, seconds: float, event: Event) -> None:
        """Runs `event` in `seconds`, at once when that is nothing. The caller holds the lock."""
        if seconds <= 0:
            event()
            return
        heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._order), event))
        self._changed.notify()

    def settle(self, *, everything: bool = False) -> None:
        """Runs what is due; with `everything` also what is not due yet, and what follows from that."""
        with self._changed:
            while self._heap and (everything or self._heap[0][0] <= time.monotonic()):
                heapq.heappop(self._heap)[2]()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._stopped:
                self.settle()
                pause = self._heap[0][0] - time.monotonic() if self._heap else None
                if pause is None or pause > 0:
                    self._changed.wait(pause)
