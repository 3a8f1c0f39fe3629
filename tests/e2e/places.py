"""Hosts that have been serving for a while: the certificate in place is older than any that a test issues."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from support.hosts import Host
from support.pki import CertificateFactory, Issued

NAME = "shop.example.com"
DAY = timedelta(days=1)


@cache
def _former_authority() -> CertificateFactory:
    return CertificateFactory("Former")


def former_pair(*names: str) -> Issued:
    """Half of its life is over, so nothing new is a downgrade from it."""
    now = datetime.now(UTC)
    return _former_authority().issue(names or [NAME], kind="ec", not_before=now - 45 * DAY, not_after=now + 45 * DAY)


def new_host(workdir: str | os.PathLike[str], **options: Any) -> Host:
    return Host(workdir, [NAME], **{"initial": former_pair(), **options})


def key_of(pem: str) -> bytes:
    """The private key of a text, whatever form it is written in."""
    return load_pem_private_key(pem.encode(), None).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
