"""Clients of the servers on the stage: openssl for a close look, and an audience that never stops asking."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from support.nginx import served
from support.processes import program

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_PAUSE = 0.02


@dataclass(frozen=True)
class Place:
    """Somewhere that a client connects to, and the name it asks for."""

    label: str
    address: str
    port: int
    name: str

    @property
    def endpoint(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Seen:
    """What openssl says about the leaf that it was served."""

    place: Place
    subject: str
    serial: str
    sha256: str
    not_after: str
    verified: bool


def look(place: Place, authorities: Path, timeout: float = 10.0) -> Seen:
    """One handshake by openssl s_client. Raises ConnectionError where it gets no certificate."""
    session = subprocess.run(
        [
            program("openssl"), "s_client", "-connect", place.endpoint, "-servername", place.name,
            "-verify_hostname", place.name, "-CAfile", str(authorities), "-showcerts",
        ],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip
    leaf = _CERTIFICATE.search(session.stdout)
    if leaf is None:
        reason = (session.stderr.strip().splitlines() or ["no handshake"])[-1]
        raise ConnectionError(f"{place.label}: openssl s_client got no certificate from {place.endpoint}: {reason}")
    told = subprocess.run(
        [program("openssl"), "x509", "-noout", "-subject", "-serial", "-enddate", "-fingerprint", "-sha256"],
        input=leaf[0], capture_output=True, text=True, timeout=timeout, check=True,
    ).stdout  # fmt: skip
    facts = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    [fingerprint] = [value for key, value in facts.items() if key.lower().startswith("sha256")]
    return Seen(
        place,
        facts["subject"].replace(" ", "").removeprefix("CN="),
        facts["serial"].lower(),
        fingerprint.replace(":", "").lower(),
        time.strftime("%Y-%m-%d", time.strptime(facts["notAfter"], "%b %d %H:%M:%S %Y %Z")),
        "Verify return code: 0 (ok)" in session.stdout,
    )


def look_everywhere(places: list[Place], authorities: Path) -> list[Seen]:
    with ThreadPoolExecutor(len(places)) as pool:
        return list(pool.map(lambda place: look(place, authorities), places))


@dataclass
class _Record:
    handshakes: int = 0
    served: list[tuple[float, str]] = field(default_factory=list)
    """When another certificate than before was seen first, and which."""


class Audience:
    """A client that connects to one place after the other as long as the show lasts, and counts. Thread-safe."""

    def __init__(self, places: list[Place]) -> None:
        self._places = places
        self._records = {place: _Record() for place in places}
        self._failures: list[str] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="audience", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def handshakes(self) -> int:
        with self._lock:
            return sum(record.handshakes for record in self._records.values())

    def handshakes_at(self, place: Place) -> int:
        with self._lock:
            return self._records[place].handshakes

    @property
    def failures(self) -> list[str]:
        """What went wrong, a sentence for each handshake that did not come about."""
        with self._lock:
            return list(self._failures)

    def changes(self, place: Place, since: float) -> list[tuple[float, str]]:
        """Which certificates the place began to serve after `since` (of time.monotonic), and when."""
        with self._lock:
            return [(when, sha256) for when, sha256 in self._records[place].served if when >= since]

    def _watch(self) -> None:
        while not self._ended.is_set():
            for place in self._places:
                self._ask(place)
                if self._ended.wait(_PAUSE):
                    return

    def _ask(self, place: Place) -> None:
        try:
            sha256, failure = served(place.address, place.port, place.name), ""
        except OSError as error:
            sha256, failure = "", f"{place.label} ({place.endpoint}): {error}"
        now = time.monotonic()
        with self._lock:
            record = self._records[place]
            record.handshakes += 1
            if failure:
                self._failures.append(failure)
            elif not record.served or record.served[-1][1] != sha256:
                record.served.append((now, sha256))
