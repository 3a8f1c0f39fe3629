"""What the service makes of an uploaded pair: its rules for PEM, keys and chains."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import timezone

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from .errors import ApiError, invalid_parameter

SAN_LIMIT = 10
RSA_SIZES = (1024, 2048, 4096)

_BEGIN = re.compile(r"^-----BEGIN ([A-Z0-9 ]+)-----$")
_BODY = re.compile(r"^[A-Za-z0-9+/]+={0,2}$")


@dataclass
class PemRules:
    """Where documents disagree about what is accepted, the stricter reading is the default."""

    accept_pkcs8: bool = False
    accept_ec: bool = False


@dataclass(frozen=True)
class Pair:
    """An accepted pair: what answers show of it, and the material that the TLS front serves."""

    fingerprint: str  # SHA-1 of the leaf's DER, lower case, colons
    fingerprint_sha256: str  # lower case, no colons
    common_name: str
    names: tuple[str, ...]
    not_after_ms: int
    chain_pem: bytes
    key_pem: bytes

    def __repr__(self) -> str:
        return f"Pair({self.fingerprint})"


def certificate_format() -> ApiError:
    return invalid_parameter("The specified certificate format is invalid.")


def key_format() -> ApiError:
    return ApiError(400, "KeyFormatError", "The specified private key format is invalid.")


def parse_pair(certificate: str, key: str, rules: PemRules) -> Pair:
    """Checks an upload as the service does; raises ApiError with the service's code."""
    if not certificate.strip():
        raise invalid_parameter("The specified ServerCertificate is empty.")
    if not key.strip():
        raise invalid_parameter("The specified PrivateKey is empty.")
    chain = _parse_chain(certificate)
    private = _parse_key(key, rules)
    try:
        public = chain[0].public_key()
        _check_algorithm(public, rules)
        if _spki(public) != _spki(private.public_key()):
            raise ApiError(
                400,
                "CertificateNotMatchPrivateKey",
                "The specified certificate does not match the specified private key.",
            )
        if not _works(private, public):
            raise key_format()
        return describe(chain, private)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise certificate_format() from error


def describe(chain: list[x509.Certificate], private) -> Pair:
    """The view of a chain with its key, without any rule applied."""
    leaf = chain[0]
    der = leaf.public_bytes(serialization.Encoding.DER)
    return Pair(
        fingerprint=hashlib.sha1(der).digest().hex(":"),
        fingerprint_sha256=hashlib.sha256(der).hexdigest(),
        common_name=_common_name(leaf),
        names=_names(leaf)[:SAN_LIMIT],
        not_after_ms=int(leaf.not_valid_after_utc.astimezone(timezone.utc).timestamp()) * 1000,
        chain_pem=b"".join(member.public_bytes(serialization.Encoding.PEM) for member in chain),
        key_pem=private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ),
    )


def _blocks(text: str) -> list[tuple[str, bytes]] | None:
    """(label, DER) of every block; None at the first line that the rules do not allow."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    blocks: list[tuple[str, bytes]] = []
    position = 0
    while position < len(lines):
        begin = _BEGIN.match(lines[position])
        if begin is None:
            return None
        end = f"-----END {begin[1]}-----"
        try:
            stop = lines.index(end, position)
        except ValueError:
            return None
        der = _decode(lines[position + 1 : stop])
        if der is None:
            return None
        blocks.append((begin[1], der))
        position = stop + 1
    return blocks


def _decode(body: list[str]) -> bytes | None:
    if not body or any(len(line) != 64 for line in body[:-1]) or not 0 < len(body[-1]) <= 64:
        return None
    if any(_BODY.match(line) is None for line in body):
        return None
    try:
        return base64.b64decode("".join(body), validate=True)
    except binascii.Error:
        return None


def _parse_chain(text: str) -> list[x509.Certificate]:
    blocks = _blocks(text)
    if not blocks or any(label != "CERTIFICATE" for label, _ in blocks):
        raise certificate_format()
    try:
        chain = [x509.load_der_x509_certificate(der) for _, der in blocks]
        linked = all(member.issuer == issuer.subject for member, issuer in zip(chain, chain[1:]))
    except ValueError as error:
        raise certificate_format() from error
    if not linked:
        raise invalid_parameter("The specified certificate chain is not in order: the leaf comes first.")
    return chain


def _parse_key(text: str, rules: PemRules):
    if "ENCRYPTED" in text:
        raise ApiError(400, "PrivateKeyEncryption", "The specified private key is encrypted.")
    blocks = _blocks(text)
    if blocks is None:
        raise key_format()
    labels = [label for label, _ in blocks]
    allowed = [["RSA PRIVATE KEY"]]
    if rules.accept_pkcs8:
        allowed.append(["PRIVATE KEY"])
    if rules.accept_ec:
        allowed += [["EC PRIVATE KEY"], ["EC PARAMETERS", "EC PRIVATE KEY"]]
    if labels not in allowed:
        raise key_format()
    try:
        # The check of its primes takes 50 ms; `_works` finds out what matters in one.
        private = serialization.load_der_private_key(blocks[-1][1], None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise key_format() from error
    if isinstance(private, rsa.RSAPrivateKey) or (rules.accept_ec and isinstance(private, ec.EllipticCurvePrivateKey)):
        return private
    raise key_format()


def _check_algorithm(public, rules: PemRules) -> None:
    if isinstance(public, ec.EllipticCurvePublicKey):
        if rules.accept_ec:
            return
        raise invalid_parameter("The specified certificate algorithm is not supported: ECDSA.")
    if not isinstance(public, rsa.RSAPublicKey) or public.key_size not in RSA_SIZES:
        raise invalid_parameter("The specified certificate algorithm is not supported.")


def _works(private, public) -> bool:
    """Whether what the key signs is verified by the certificate's public key."""
    text = b"a pair is good when one half undoes the other"
    try:
        if isinstance(private, rsa.RSAPrivateKey):
            public.verify(private.sign(text, PKCS1v15(), SHA256()), text, PKCS1v15(), SHA256())
        else:
            public.verify(private.sign(text, ec.ECDSA(SHA256())), text, ec.ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True


def _spki(public) -> bytes:
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _common_name(leaf: x509.Certificate) -> str:
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in extension.value if isinstance(name, (x509.DNSName, x509.IPAddress)))
