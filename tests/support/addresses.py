"""Loopback networks that one process at a time owns."""

from __future__ import annotations

import functools
import os
import socket

# Whoever listens on this port of a network's last address owns the network; no server under test uses it.
_CLAIM_PORT = 20001
_FIRST, _COUNT = 50, 200


@functools.lru_cache(maxsize=None)
def _claim() -> tuple[int, socket.socket]:
    # Start at a place that differs between processes, so that many of them rarely meet.
    for number in range(_COUNT):
        third = _FIRST + (os.getpid() * 7 + number) % _COUNT
        claim = socket.socket()
        try:
            claim.bind((f"127.0.{third}.254", _CLAIM_PORT))
            claim.listen(1)
        except OSError:
            claim.close()
            continue
        return third, claim
    raise RuntimeError(f"all networks from 127.0.{_FIRST}.0 on are in use by other tests")


def address_pool() -> str:
    """A network of 254 addresses, this process's own until it ends: for the load balancers of an emulator."""
    return f"127.0.{_claim()[0]}.0/24"
