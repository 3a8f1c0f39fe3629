"""The rules for uploaded pairs."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from emulators.common.certs import CertificateFactory

from .errors import ApiError
from .pem import SAN_LIMIT, PemRules, parse_pair

FACTORY = CertificateFactory()
RSA = FACTORY.issue([f"n{i}.example" for i in range(12)])
OTHER = FACTORY.issue(["other.example"])
EC = FACTORY.issue(["ec.example"], "ec")
PKCS8 = FACTORY.issue(["p8.example"], "rsa-pkcs8")


def refused(certificate: str, key: str, rules: PemRules = PemRules()) -> str:
    with pytest.raises(ApiError) as caught:
        parse_pair(certificate, key, rules)
    return caught.value.code


def encrypted(form: serialization.PrivateFormat) -> str:
    return RSA.key.private_bytes(
        serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"secret")
    ).decode()


def test_a_sound_pair_is_described():
    pair = parse_pair(RSA.bundle_pem, RSA.key_pem, PemRules())
    assert pair.fingerprint.replace(":", "") == RSA.sha1 and len(pair.fingerprint) == 59
    assert pair.common_name == "n0.example"
    assert pair.names == tuple(f"n{i}.example" for i in range(SAN_LIMIT))
    assert pair.not_after_ms == int(RSA.not_after.timestamp()) * 1000
    assert "PRIVATE KEY" not in repr(pair)


def wrapped(text: str, columns: int) -> str:
    lines = text.strip().split("\n")
    body = "".join(lines[1:-1])
    cut = [body[i : i + columns] for i in range(0, len(body), columns)]
    return "\n".join([lines[0], *cut, lines[-1]]) + "\n"


@pytest.mark.parametrize(
    "certificate",
    [
        RSA.leaf_pem + "\n" + RSA.intermediate_pem,
        "\n" + RSA.leaf_pem,
        RSA.leaf_pem + "\n",
        RSA.leaf_pem.replace("\n", "\r\n"),
        "subject=x\n" + RSA.leaf_pem,
        " " + RSA.leaf_pem,
        wrapped(RSA.leaf_pem, 76),
        RSA.intermediate_pem + RSA.leaf_pem,
        "-----BEGIN DH PARAMETERS-----\nMEYCQQ==\n-----END DH PARAMETERS-----\n" + RSA.leaf_pem,
        RSA.leaf_pem[:200],
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
        "",
    ],
    ids=[
        "blank line between", "blank line before", "blank line after", "CRLF", "text around", "space", "76 columns",
        "leaf last", "DH parameters", "cut", "not a certificate", "empty",
    ],
)  # fmt: skip
def test_a_certificate_out_of_order_is_refused(certificate):
    assert refused(certificate, RSA.key_pem) == "InvalidParameter"


def test_a_key_that_does_not_match_is_refused():
    assert refused(OTHER.bundle_pem, RSA.key_pem) == "CertificateNotMatchPrivateKey"


@pytest.mark.parametrize("form", [serialization.PrivateFormat.TraditionalOpenSSL, serialization.PrivateFormat.PKCS8])
def test_an_encrypted_key_is_refused(form):
    assert refused(RSA.bundle_pem, encrypted(form)) == "PrivateKeyEncryption"


def test_pkcs8_is_refused_unless_switched_on():
    assert refused(PKCS8.bundle_pem, PKCS8.key_pem) == "KeyFormatError"
    assert parse_pair(PKCS8.bundle_pem, PKCS8.key_pem, PemRules(accept_pkcs8=True)).common_name == "p8.example"


def test_an_ec_pair_is_refused_unless_switched_on():
    assert refused(EC.bundle_pem, EC.key_pem) == "KeyFormatError"
    assert refused(EC.bundle_pem, RSA.key_pem) == "InvalidParameter"
    assert parse_pair(EC.bundle_pem, EC.key_pem, PemRules(accept_ec=True)).common_name == "ec.example"


def test_an_rsa_key_of_another_size_is_refused():
    odd = FACTORY.issue(["odd.example"], key=rsa.generate_private_key(65537, 3072))
    assert refused(odd.bundle_pem, odd.key_pem) == "InvalidParameter"


@pytest.mark.parametrize("key", ["", "nonsense", RSA.key_pem[:100], RSA.key_pem + "\n", RSA.key_pem + RSA.key_pem])
def test_a_broken_key_is_refused(key):
    assert refused(RSA.bundle_pem, key) in ("KeyFormatError", "InvalidParameter")


def test_a_key_whose_private_half_is_damaged_is_refused():
    sound = RSA.key.private_numbers()
    damaged = rsa.RSAPrivateNumbers(
        sound.p, sound.q, sound.d + 2, sound.dmp1 + 2, sound.dmq1, sound.iqmp, sound.public_numbers
    ).private_key(unsafe_skip_rsa_key_validation=True)
    text = damaged.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    assert refused(RSA.bundle_pem, text.decode()) == "KeyFormatError"
