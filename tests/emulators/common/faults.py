"""Fault switches: what goes wrong, in which operation, and how often."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass

KINDS = ("throttle", "status", "slow", "cut", "dropBefore", "dropAfter", "contentType")

HTML_BODY = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"


class FaultError(ValueError):
    """A switch that cannot be set as asked; the text says why."""


@dataclass
class Fault:
    """One switch.

    operation    an operation's name, or `*` for all
    kind         one of KINDS
    times        how often it strikes before it clears itself; None: until cleared
    every        strikes at each n-th matching call only (1: at each)
    skip         lets the first n matching calls pass
    seconds      kind slow: how long the answer waits
    status       kind status: the HTTP status
    html         kind status: an HTML page as a proxy would send it, instead of the product's shape
    body         kind status: this very text instead
    code         kind status or throttle: the product's error code
    message      kind status or throttle: the product's error text
    retryAfter   kind throttle: the value of a Retry-After header
    contentType  kind contentType: what the answer claims to be
    """

    operation: str = "*"
    kind: str = "status"
    times: int | None = None
    every: int = 1
    skip: int = 0
    seconds: float = 0.0
    status: int = 500
    html: bool = False
    body: str | None = None
    code: str | None = None
    message: str | None = None
    retryAfter: str | None = None
    contentType: str = "text/html"
    seen: int = 0

    def strikes(self) -> bool:
        """Counts a matching call and says whether this one is hit."""
        if self.times is not None and self.times <= 0:
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.seen - self.skip) % self.every != 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


_TYPES: dict[str, tuple[type, ...]] = {
    "operation": (str,),
    "kind": (str,),
    "times": (int, type(None)),
    "every": (int,),
    "skip": (int,),
    "seconds": (int, float),
    "status": (int,),
    "html": (bool,),
    "body": (str, type(None)),
    "code": (str, type(None)),
    "message": (str, type(None)),
    "retryAfter": (str, int, type(None)),
    "contentType": (str,),
}


def parse_fault(value: object) -> Fault:
    """A switch from an admin request's JSON object; raises FaultError."""
    if not isinstance(value, dict):
        raise FaultError("a fault is a JSON object")
    for name, entry in value.items():
        if name not in _TYPES:
            raise FaultError(f"unknown field {name!r}; known are {', '.join(sorted(_TYPES))}")
        if not isinstance(entry, _TYPES[name]) or (isinstance(entry, bool) and bool not in _TYPES[name]):
            raise FaultError(f"field {name!r} has the wrong type")
    fault = Fault(**value)
    if fault.kind not in KINDS:
        raise FaultError(f"unknown kind {fault.kind!r}; known are {', '.join(KINDS)}")
    if fault.every < 1 or fault.skip < 0 or fault.seconds < 0 or (fault.times is not None and fault.times < 1):
        raise FaultError("every and times start at 1, skip and seconds at 0")
    if not 100 <= fault.status <= 599:
        raise FaultError("status is a number from 100 to 599")
    if fault.retryAfter is not None:
        fault.retryAfter = str(fault.retryAfter)
    return fault


class FaultTable:
    """The switches of one emulator. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear(self, operation: str | None = None) -> None:
        """Removes the switches of one operation, or all of them."""
        with self._lock:
            self._faults = [f for f in self._faults if operation is not None and f.operation != operation]

    def take(self, operation: str) -> list[Fault]:
        """The switches that strike this call, in the order they were set; used-up ones go."""
        with self._lock:
            hit = [f for f in self._faults if f.operation in ("*", operation) and f.strikes()]
            self._faults = [f for f in self._faults if f.times is None or f.times > 0]
            return hit

    def listing(self) -> list[dict[str, object]]:
        with self._lock:
            return [asdict(f) for f in self._faults]
