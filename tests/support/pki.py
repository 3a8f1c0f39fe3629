"""Certificates for hosts under test: the emulators' authority, and pairs that servers refuse."""

from __future__ import annotations

import hashlib
import ssl
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import rsa

from emulators.common.certs import (
    KINDS,
    CertificateFactory,
    Issued,
    KeyPool,
    PrivateKey,
    cert_pem,
    fingerprint,
    key_pem,
)

__all__ = [
    "KINDS",
    "CertificateFactory",
    "Issued",
    "KeyPool",
    "PrivateKey",
    "cert_pem",
    "fingerprint",
    "key_pem",
    "leaf_sha256",
    "weak_pair",
]


@lru_cache(maxsize=None)
def _weak_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 1024)


def weak_pair(factory: CertificateFactory, *names: str) -> Issued:
    """A pair that matches and is valid, and which nginx refuses all the same: RSA of 1024 bits is below the
    security level that Debian and Ubuntu build OpenSSL with ("ee key too small")."""
    return factory.issue(names, kind="rsa", key=_weak_key())


def leaf_sha256(pem: str) -> str:
    """SHA-256 of the first certificate in the text, as lower-case hex."""
    end = "-----END CERTIFICATE-----"
    first = pem[pem.index("-----BEGIN CERTIFICATE-----") : pem.index(end) + len(end)]
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).hexdigest()
