"""A client that never rests: what it was served, in order, and each handshake that failed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watch:
    def __init__(self, look: Callable[[], str]) -> None:
        self._look = look
        self._done = threading.Event()
        self.handshakes = 0
        self.served: list[str] = []
        """Leaves in the order of their coming, each named once until another one comes."""
        self.failures: list[str] = []
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)

    def _work(self) -> None:
        while not self._done.is_set():
            try:
                leaf = self._look()
            except OSError as error:
                self.failures.append(str(error))
                continue
            self.handshakes += 1
            if not self.served or self.served[-1] != leaf:
                self.served.append(leaf)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()


@contextmanager
def watching(look: Callable[[], str]) -> Iterator[Watch]:
    """Shakes hands by `look` without a pause while the block runs; read the result after it."""
    watch = Watch(look)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()
