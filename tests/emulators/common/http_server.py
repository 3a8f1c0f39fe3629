"""A small threaded HTTP/1.1 server that hands requests on exactly as they came.

Signature checks need the raw request target and the raw Host header, and fault tests need
answers that break off, so neither is hidden behind a framework.
"""

from __future__ import annotations

import http.server
import json
import socket
import socketserver
import ssl
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_BODY = 16 * 1024 * 1024


@dataclass(frozen=True)
class Request:
    """One request as received. `raw_path` is the request target, undecoded, with its query."""

    method: str
    raw_path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        """The target up to the query, still percent-encoded."""
        return self.raw_path.partition("?")[0]

    @property
    def query(self) -> str:
        """The query string, still percent-encoded, without its question mark."""
        return self.raw_path.partition("?")[2]

    def header(self, name: str, default: str = "") -> str:
        """The first value of a header; names match without regard to case."""
        wanted = name.lower()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value
        return default

    def has_header(self, name: str) -> bool:
        wanted = name.lower()
        return any(key.lower() == wanted for key, _ in self.headers)


@dataclass
class Response:
    """An answer. `drop` closes the connection instead; `cut` sends half of the body and closes."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    drop: bool = False
    cut: bool = False


def json_response(status: int, value: object, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer in UTF-8, with non-ASCII text written as itself, as the clouds do."""
    merged = {"Content-Type": "application/json;charset=UTF-8"}
    merged.update(headers or {})
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(status, merged, text.encode("utf-8"))


def parse_json(body: bytes) -> object:
    """The value of a JSON text; ValueError for everything that is none.

    That includes nesting too deep for the parser, and lone surrogates, which no answer and no
    journal could repeat in UTF-8.
    """
    try:
        value = json.loads(body)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError as error:
        raise ValueError("the JSON text is nested too deeply") from error
    return value


Handler = Callable[[Request], Response]


class _BadRequest(Exception):
    pass


class _Connection(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # An idle keep-alive connection must not hold its thread for ever.
    timeout = 120
    server: HttpServer

    def setup(self) -> None:
        context = self.server.tls
        if context is not None:
            # The handshake belongs in the connection's own thread: a client that
            # stalls in it would otherwise block the accept loop.
            self.request.settimeout(self.timeout)
            self.request = context.wrap_socket(self.request, server_side=True)
            self.server.replace_connection(self.client_address, self.request)
        super().setup()

    def finish(self) -> None:
        super().finish()
        if self.server.tls is not None:
            # The server closes the socket it accepted, which wrapping has emptied.
            self.request.close()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: the journal is the record."""

    def _read_chunked(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            try:
                length = int(self.rfile.readline(256).split(b";")[0].strip(), 16)
            except ValueError as error:
                raise _BadRequest("a chunk has no valid length") from error
            if length == 0:
                break
            size += length
            if length < 0 or size > MAX_BODY:
                raise _BadRequest("the body is too large")
            parts.append(self.rfile.read(length))
            self.rfile.readline(8)
        while self.rfile.readline(65536).strip():
            continue
        return b"".join(parts)

    def _read_body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunked()
        try:
            length = int(self.headers.get("Content-Length", "0"))
        except ValueError as error:
            raise _BadRequest("Content-Length is not a number") from error
        if length < 0 or length > MAX_BODY:
            raise _BadRequest("Content-Length is out of range")
        return self.rfile.read(length)

    def _serve(self) -> None:
        # `self.path` has leading slashes collapsed by the base class; the request
        # line has the target as it was sent.
        words = self.requestline.split()
        target = words[1] if len(words) > 1 else self.path
        try:
            body = self._read_body()
        except _BadRequest as error:
            self.close_connection = True
            self._send(Response(400, {"Content-Type": "text/plain"}, str(error).encode()))
            return
        request = Request(self.command, target, tuple(self.headers.items()), body)
        try:
            response = self.server.handler(request)
        except Exception:  # a defect of the emulator: visible to the client and to whoever runs it
            traceback.print_exc(file=sys.stderr)
            response = Response(500, {"Content-Type": "text/plain"}, b"the emulator failed; see its stderr")
        self._send(response)

    def _send(self, response: Response) -> None:
        if response.drop:
            self.close_connection = True
            self._reset()
            return
        reason = self.responses.get(response.status, ("Status",))[0]
        lines = [f"HTTP/1.1 {response.status} {reason}"]
        headers = dict(response.headers)
        if response.status != 204:
            headers["Content-Length"] = str(len(response.body))
        headers.setdefault("Date", self.date_time_string())
        if self.close_connection or response.cut:
            headers["Connection"] = "close"
        lines += [f"{name}: {value}" for name, value in headers.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        body = b"" if self.command == "HEAD" or response.status == 204 else response.body
        if response.cut:
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(head + body)

    def _reset(self) -> None:
        """Closes without a word; SO_LINGER 0 lets the client see it at once."""
        try:
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        except OSError:
            pass

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _serve


class HttpServer(socketserver.ThreadingTCPServer):
    """Serves `handler` on `host:port` (port 0: any free one) until `stop`.

    `handler` is called from one thread per connection; it guards its own state.
    """

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        host: str,
        port: int,
        handler: Handler,
        certificate_file: str | None = None,
        key_file: str | None = None,
    ) -> None:
        self.handler = handler
        self.tls: ssl.SSLContext | None = None
        if certificate_file is not None:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate_file, key_file)
        self._open: dict[object, socket.socket] = {}
        self._open_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        super().__init__((host, port), _Connection)

    @property
    def address(self) -> str:
        """`host:port` as a client writes it."""
        host, port = str(self.server_address[0]), self.server_address[1]
        return f"{host}:{port}"

    @property
    def url(self) -> str:
        return ("https://" if self.tls else "http://") + self.address

    def start(self) -> None:
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.02}, name="http-server", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Ends the server and every open connection; safe to call twice."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
            self._thread = None
        self.server_close()
        with self._open_lock:
            connections = list(self._open.values())
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed by its own thread in the meantime

    def replace_connection(self, client: object, connection: socket.socket) -> None:
        with self._open_lock:
            self._open[client] = connection

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self.replace_connection(client_address, request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._open_lock:
                self._open.pop(client_address, None)

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that clients break, and failed handshakes, are part of the tests."""
        error = sys.exc_info()[1]
        if not isinstance(error, (OSError, ValueError)):
            traceback.print_exc(file=sys.stderr)


def split_pairs(query: str) -> Iterable[tuple[str, str]]:
    """The raw `name=value` pairs of a query or form, in order, undecoded."""
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            yield name, value
