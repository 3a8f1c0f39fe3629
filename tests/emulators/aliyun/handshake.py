"""A TLS client that tells what it was shown, for tests and demos."""

from __future__ import annotations

import hashlib
import socket
import ssl
import warnings
from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """One handshake: the leaf's SHA-1 and SHA-256 (hex, no colons), version, protocol, and the answer's text."""

    sha1: str
    sha256: str
    version: str
    alpn: str | None
    resumed: bool
    text: str


def look(
    address: str,
    port: int,
    server_name: str | None = None,
    *,
    alpn: tuple[str, ...] = (),
    version: ssl.TLSVersion | None = None,
    session: ssl.SSLSession | None = None,
    context: ssl.SSLContext | None = None,
    request: bool = True,
) -> Shown:
    """Connects without trust, shakes hands and asks `GET /`. Raises OSError, ssl.SSLError among it."""
    context = context or client_context(alpn, version)
    with socket.create_connection((address, port), timeout=5) as plain:
        with context.wrap_socket(plain, server_hostname=server_name, session=session) as tls:
            der = tls.getpeercert(binary_form=True) or b""
            text = _ask(tls) if request and tls.selected_alpn_protocol() != "h2" else ""
            return Shown(
                hashlib.sha1(der).hexdigest(), hashlib.sha256(der).hexdigest(), tls.version() or "",
                tls.selected_alpn_protocol(), bool(tls.session_reused), text,
            )  # fmt: skip


def client_context(alpn: tuple[str, ...] = (), version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
    return context


def _ask(tls: ssl.SSLSocket) -> str:
    tls.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    received = b""
    while chunk := tls.recv(4096):
        received += chunk
    return received.partition(b"\r\n\r\n")[2].decode()
