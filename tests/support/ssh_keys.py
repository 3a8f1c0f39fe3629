"""Keys and certificates of OpenSSH, made by its own ssh-keygen."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from support.processes import program

KEY_KINDS = ("ed25519", "ecdsa", "rsa")
# How a private key is written: OpenSSH's own form, or the two that openssl writes.
KEY_FORMS = ("openssh", "pkcs1", "pkcs8")

_BITS = {"ed25519": [], "ecdsa": ["-b", "256"], "rsa": ["-b", "2048"]}
_KEYGEN_FORM = {"openssh": "RFC4716", "pkcs1": "PEM", "pkcs8": "PKCS8"}


@dataclass(frozen=True)
class SshKey:
    """A private key as text, and its public half as "TYPE BASE64". `passphrase` is empty for a plain key."""

    kind: str
    private: str
    public: str
    passphrase: str = ""

    @property
    def fingerprint(self) -> str:
        """As sshd's log has it: SHA256:…"""
        digest = hashlib.sha256(base64.b64decode(self.public.split()[1])).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _keygen(*arguments: str | os.PathLike[str]) -> None:
    result = subprocess.run(
        [program("ssh-keygen"), "-q", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if result.returncode != 0:
        raise RuntimeError(f"ssh-keygen failed: {result.stderr.strip() or result.stdout.strip()}")


def new_key(kind: str, form: str = "openssh", passphrase: str = "") -> SshKey:
    if kind not in KEY_KINDS or form not in KEY_FORMS:
        raise ValueError(f"no key of kind {kind!r} in form {form!r}; there are {KEY_KINDS} in {KEY_FORMS}")
    if kind == "ed25519" and form != "openssh":
        raise ValueError("ssh-keygen writes ed25519 keys in OpenSSH's own form only")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        _keygen("-t", kind, *_BITS[kind], "-m", _KEYGEN_FORM[form], "-N", passphrase, "-C", "", "-f", path)
        return SshKey(kind, path.read_text(), path.with_suffix(".pub").read_text().strip(), passphrase)


@lru_cache(maxsize=None)
def client_key(kind: str = "ed25519", form: str = "openssh", passphrase: str = "") -> SshKey:
    """One key of each sort for the whole process: the hosts of one binding share one credential."""
    return new_key(kind, form, passphrase)


@lru_cache(maxsize=None)
def authority(name: str) -> SshKey:
    """A key that signs others; the names in use are "user" and "host"."""
    return new_key("ed25519")


def sign(ca: SshKey, public: str, principals: Sequence[str], host: bool, validity: str = "always:forever") -> str:
    """An OpenSSH certificate for the public key, as one line."""
    with tempfile.TemporaryDirectory() as folder:
        ca_path, key_path = Path(folder) / "ca", Path(folder) / "key.pub"
        ca_path.touch(0o600)
        ca_path.write_text(ca.private)
        key_path.write_text(public + "\n")
        kind = ["-h"] if host else []
        _keygen("-s", ca_path, *kind, "-I", "certbinder-test", "-n", ",".join(principals), "-V", validity, key_path)
        return (Path(folder) / "key-cert.pub").read_text().strip()


def known_hosts_name(address: str, port: int) -> str:
    return address if port == 22 else f"[{address}]:{port}"


def hashed_name(name: str) -> str:
    """The name as HashKnownHosts writes it."""
    salt = os.urandom(20)
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
