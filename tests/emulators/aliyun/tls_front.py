"""The listeners' data plane: real TLS servers on the load balancers' addresses.

One thread accepts for all listeners, a small pool answers. A listener serves whatever
`Serving` was published for it last; a connection keeps the one it began with.
"""

from __future__ import annotations

import logging
import os
import select
import socket
import ssl
import struct
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Mapping

from .pem import Pair

log = logging.getLogger(__name__)

DEFAULT_POLICY = "tls_cipher_policy_1_0"

_STRICT = (
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-SHA256:"
    "ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA"
)
_WIDE = _STRICT + (
    ":AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA:DES-CBC3-SHA"
)
_WITH_ECDSA = _STRICT + ":" + _STRICT.replace("ECDHE-RSA", "ECDHE-ECDSA")

POLICIES = {
    "tls_cipher_policy_1_0": (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2, _WIDE),
    "tls_cipher_policy_1_1": (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, _WIDE),
    "tls_cipher_policy_1_2": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, _WIDE),
    "tls_cipher_policy_1_2_strict": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2, _STRICT),
    "tls_cipher_policy_1_2_strict_with_1_3": (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, _WITH_ECDSA),
}
"""TLS policy -> lowest version, highest version, suites (the product's table)."""

_IDLE_SECONDS = 5.0
_WORKERS = 16


@dataclass
class Serving:
    """What a listener shows to clients: certificates by name, versions, protocols. Immutable once published."""

    default: Pair
    by_name: Mapping[str, Pair] = field(default_factory=dict)
    policy: str = DEFAULT_POLICY
    http2: bool = True

    def choose(self, server_name: str | None) -> Pair:
        """Exact name first, then the longest wildcard, then the listener's own certificate."""
        name = (server_name or "").lower().rstrip(".")
        if name in self.by_name:
            return self.by_name[name]
        labels = name.split(".")
        for skipped in range(1, len(labels)):
            wildcard = "*." + ".".join(labels[skipped:])
            if wildcard in self.by_name:
                return self.by_name[wildcard]
        return self.default

    def context(self) -> ssl.SSLContext:
        """A context of the policy without a certificate.

        Each connection starts from a fresh one, so that no session of an earlier connection can be
        resumed: a resumed session would show the old certificate after a switch.
        """
        lowest, highest, suites = POLICIES.get(self.policy, POLICIES[DEFAULT_POLICY])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 and 1.1 are what old policies ask for
            context.minimum_version = lowest
            context.maximum_version = highest
        # Level 0: the service takes 1024 bit keys, SHA-1 signatures and the old versions.
        context.set_ciphers(suites + ":@SECLEVEL=0")
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        context.set_alpn_protocols(["h2", "http/1.1"] if self.http2 else ["http/1.1"])
        return context


def _load_pair(context: ssl.SSLContext, pair: Pair) -> None:
    """Loads a pair through anonymous memory, so that no key touches a file system."""
    descriptor = os.memfd_create("pair", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(pair.key_pem + pair.chain_pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


class _Endpoint:
    """One listening socket and what it serves."""

    def __init__(self, listening: socket.socket, serving: Serving) -> None:
        self.listening = listening
        self._lock = threading.Lock()
        self._serving = serving
        self._contexts: dict[str, ssl.SSLContext] = {}

    def publish(self, serving: Serving) -> None:
        with self._lock:
            self._serving = serving
            self._contexts = {}

    def snapshot(self) -> tuple[Serving, dict[str, ssl.SSLContext]]:
        with self._lock:
            return self._serving, self._contexts


class TlsFront:
    """All TLS servers of an emulator. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._endpoints: dict[int, _Endpoint] = {}
        self._by_key: dict[tuple[str, int], _Endpoint] = {}
        self._epoll = select.epoll()
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="tls-front")
        self._wake, self._waker = socket.socketpair()
        self._epoll.register(self._wake, select.EPOLLIN)
        self._acceptor = threading.Thread(target=self._accept, name="tls-accept", daemon=True)
        self._acceptor.start()

    def open(self, address: str, port: int, serving: Serving) -> None:
        """Starts to serve; OSError when the address cannot be bound. An open endpoint gets the new `serving`."""
        with self._lock:
            endpoint = self._by_key.get((address, port))
            if endpoint is not None:
                endpoint.publish(serving)
                return
            listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listening.bind((address, port))
                listening.listen(128)
                listening.setblocking(False)
            except OSError:
                listening.close()
                raise
            endpoint = _Endpoint(listening, serving)
            self._endpoints[listening.fileno()] = endpoint
            self._by_key[(address, port)] = endpoint
            self._epoll.register(listening, select.EPOLLIN)

    def publish(self, address: str, port: int, serving: Serving) -> None:
        """New connections get `serving` from now on; nothing happens where nothing is open."""
        with self._lock:
            endpoint = self._by_key.get((address, port))
        if endpoint is not None:
            endpoint.publish(serving)

    def close(self, address: str, port: int) -> None:
        """Stops to serve; nothing happens where nothing is open."""
        with self._lock:
            endpoint = self._by_key.pop((address, port), None)
            if endpoint is None:
                return
            del self._endpoints[endpoint.listening.fileno()]
            self._epoll.unregister(endpoint.listening)
            endpoint.listening.close()

    def serving(self, address: str, port: int) -> Serving | None:
        """What new connections get; None where nothing is open."""
        with self._lock:
            endpoint = self._by_key.get((address, port))
        return endpoint.snapshot()[0] if endpoint is not None else None

    def stop(self) -> None:
        for address, port in list(self._by_key):
            self.close(address, port)
        self._waker.close()
        self._acceptor.join()
        self._wake.close()
        self._epoll.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _accept(self) -> None:
        while True:
            for descriptor, _ in self._epoll.poll():
                if descriptor == self._wake.fileno():
                    return
                with self._lock:
                    endpoint = self._endpoints.get(descriptor)
                if endpoint is None:
                    continue
                try:
                    connection, _ = endpoint.listening.accept()
                except OSError:  # the client or the endpoint went away meanwhile
                    continue
                self._pool.submit(_answer, connection, *endpoint.snapshot())


def _answer(connection: socket.socket, serving: Serving, contexts: dict[str, ssl.SSLContext]) -> None:
    """One connection from handshake to close. What a client does wrong ends its connection, nothing else."""
    asked: list[str | None] = [None]

    def choose(tls: ssl.SSLObject, server_name: str | None, _: ssl.SSLContext) -> None:
        asked[0] = server_name
        pair = serving.choose(server_name)
        if pair.fingerprint not in contexts:
            context = serving.context()
            _load_pair(context, pair)
            contexts[pair.fingerprint] = context
        tls.context = contexts[pair.fingerprint]

    try:
        connection.settimeout(_IDLE_SECONDS)
        context = serving.context()
        context.sni_callback = choose
        with context.wrap_socket(connection, server_side=True) as tls:
            text = f"server name: {asked[0] or '-'}\ncertificate: {serving.choose(asked[0]).fingerprint}\n"
            if tls.selected_alpn_protocol() == "h2":
                _speak_http2(tls, text.encode())
            else:
                _speak_http1(tls, text.encode())
            tls.unwrap()
    except (OSError, ValueError) as error:
        log.debug("connection ended: %s", error)
    finally:
        connection.close()


def _speak_http1(tls: ssl.SSLSocket, body: bytes) -> None:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < 16384:
        received = tls.recv(4096)
        if not received:
            return
        head += received
    tls.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n"
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS, _GOAWAY = 0, 1, 4, 7
_ACK, _END_STREAM, _END_HEADERS = 1, 1, 4
_STATUS_200 = b"\x88"  # HPACK: the static table's entry for ":status: 200"


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _read_exactly(tls: ssl.SSLSocket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        received = tls.recv(size - len(data))
        if not received:
            raise ConnectionError("the client closed the connection")
        data += received
    return data


def _speak_http2(tls: ssl.SSLSocket, body: bytes) -> None:
    """Answers one request; its headers need no decoding, because every request gets the same answer."""
    if _read_exactly(tls, len(_PREFACE)) != _PREFACE:
        return
    tls.sendall(_frame(_SETTINGS, 0, 0))
    while True:
        head = _read_exactly(tls, 9)
        size = int.from_bytes(head[:3], "big")
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:9], "big") & 0x7FFFFFFF
        if size > 16384:
            return
        _read_exactly(tls, size)
        if kind == _SETTINGS and not flags & _ACK:
            tls.sendall(_frame(_SETTINGS, _ACK, 0))
        elif kind == _HEADERS and flags & _END_HEADERS:
            tls.sendall(
                _frame(_HEADERS, _END_HEADERS, stream, _STATUS_200)
                + _frame(_DATA, _END_STREAM, stream, body)
                + _frame(_GOAWAY, 0, 0, struct.pack(">II", stream, 0))
            )
            return
