"""Real certificates from a throw-away authority: a root, one intermediate, and leaves of any kind."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

# kind of leaf -> how its key is written; "-pkcs8" forms begin with BEGIN PRIVATE KEY
KINDS = ("rsa", "rsa-pkcs8", "ec", "ec-pkcs8", "ed25519")
DEFAULT_VALID_DAYS = 90
_RSA_POOL_SIZE = 4


class KeyPool:
    """RSA keys are slow to make, so a process makes a few when first asked and takes turns.

    Keys that follow each other differ, so a renewed certificate has another key than the one
    before it. Other kinds are quick and always fresh. Thread-safe.
    """

    def __init__(self, size: int = _RSA_POOL_SIZE) -> None:
        self._lock = threading.Lock()
        self._size = size
        self._rsa: list[rsa.RSAPrivateKey] = []
        self._next = 0

    def take(self, kind: str) -> PrivateKey:
        if kind in ("ec", "ec-pkcs8"):
            return ec.generate_private_key(ec.SECP256R1())
        if kind == "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        if kind not in ("rsa", "rsa-pkcs8"):
            raise ValueError(f"unknown kind of key {kind!r}; known are {', '.join(KINDS)}")
        with self._lock:
            if len(self._rsa) < self._size:
                self._rsa.append(rsa.generate_private_key(65537, 2048))
            key = self._rsa[self._next % len(self._rsa)] if self._next >= self._size else self._rsa[-1]
            self._next += 1
            return key


_POOL = KeyPool()


def key_pem(key: PrivateKey, kind: str) -> str:
    """The key without encryption, in the traditional form unless the kind says PKCS#8."""
    traditional = kind in ("rsa", "ec")
    form = serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def cert_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def fingerprint(certificate: x509.Certificate, algorithm: hashes.HashAlgorithm) -> str:
    return certificate.fingerprint(algorithm).hex()


@dataclass(frozen=True)
class Issued:
    """A leaf with its key and the chain above it. All PEM texts end with a newline."""

    kind: str
    names: tuple[str, ...]
    certificate: x509.Certificate
    key: PrivateKey
    leaf_pem: str
    key_pem: str
    intermediate_pem: str
    root_pem: str

    @property
    def bundle_pem(self) -> str:
        """Leaf, then intermediate: what a server sends."""
        return self.leaf_pem + self.intermediate_pem

    @property
    def sha1(self) -> str:
        return fingerprint(self.certificate, hashes.SHA1())

    @property
    def sha256(self) -> str:
        return fingerprint(self.certificate, hashes.SHA256())

    @property
    def serial(self) -> int:
        return self.certificate.serial_number

    @property
    def not_before(self) -> datetime:
        return self.certificate.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        return self.certificate.not_valid_after_utc


def _name(common_name: str) -> x509.Name:
    # A common name has at most 64 characters; a longer host name stands in the SAN alone.
    if not common_name or len(common_name) > 64:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not authority,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


class CertificateFactory:
    """A root and an intermediate of its own, and leaves under them. Thread-safe after construction.

    The authorities' keys are EC P-256: two factories start in milliseconds.
    """

    def __init__(self, label: str = "Emulator", pool: KeyPool | None = None) -> None:
        self._pool = pool or _POOL
        now = datetime.now(UTC).replace(microsecond=0)
        self._from, self._to = now - timedelta(days=3650), now + timedelta(days=7300)
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        self.root = self._authority(f"{label} Root CA", self._root_key, None)
        self._intermediate_key = ec.generate_private_key(ec.SECP256R1())
        self.intermediate = self._authority(f"{label} Intermediate CA", self._intermediate_key, self.root)

    @property
    def root_pem(self) -> str:
        return cert_pem(self.root)

    @property
    def intermediate_pem(self) -> str:
        return cert_pem(self.intermediate)

    def _authority(
        self, name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Certificate | None
    ) -> x509.Certificate:
        parent = issuer.subject if issuer else _name(name)
        signer_public = self._root_key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(parent)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._from)
            .not_valid_after(self._to)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None if issuer is None else 0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_public), critical=False)
            .sign(self._root_key, hashes.SHA256())
        )

    def issue(
        self,
        names: Sequence[str],
        kind: str = "rsa",
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        key: PrivateKey | None = None,
    ) -> Issued:
        """A new leaf for the names (DNS names, wildcards, IP addresses; the first is its CN).

        Valid from an hour ago for 90 days unless times (aware, UTC) are given; expired and not
        yet valid leaves are made by giving them. `key` reuses a key, otherwise it is a new one
        in the sense of KeyPool. Raises ValueError for what cannot be issued.
        """
        if not names:
            raise ValueError("a certificate needs at least one name")
        if kind not in KINDS:
            raise ValueError(f"unknown kind of certificate {kind!r}; known are {', '.join(KINDS)}")
        begin = (not_before or datetime.now(UTC) - timedelta(hours=1)).replace(microsecond=0)
        end = (not_after or begin + timedelta(days=DEFAULT_VALID_DAYS)).replace(microsecond=0)
        chosen = key or self._pool.take(kind)
        leaf = self._sign_leaf(names, chosen, begin, end)
        return Issued(
            kind,
            tuple(names),
            leaf,
            chosen,
            cert_pem(leaf),
            key_pem(chosen, kind),
            self.intermediate_pem,
            self.root_pem,
        )

    def _sign_leaf(self, names: Sequence[str], key: PrivateKey, begin: datetime, end: datetime) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(names[0]))
            .issuer_name(self.intermediate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName([_general_name(n) for n in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._intermediate_key.public_key()), critical=False
            )
            .sign(self._intermediate_key, hashes.SHA256())
        )
