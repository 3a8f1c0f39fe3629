"""The frame of an emulator: it joins server, faults, journal, clock and admin face."""

from __future__ import annotations

import os
import tempfile
import threading
import uuid
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Self

from emulators.common.admin import AdminFace
from emulators.common.certs import CertificateFactory
from emulators.common.clock import Clock
from emulators.common.faults import HTML_BODY, Fault, FaultTable
from emulators.common.http_server import HttpServer, Request, Response
from emulators.common.journal import Journal


@dataclass
class Call:
    """One request on its way through; the product fills in what it finds out for the journal."""

    request: Request
    operation: str
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    auth_kind: str = ""
    key_id: str = ""
    error_code: str = ""
    changed: bool = False
    params: dict[str, str] = field(default_factory=dict)


class Emulator:
    """Base of the products; also a context manager for use inside a test process.

    A product overrides `identify`, `answer`, `throttled` and `failure`, and registers its admin
    routes in `add_admin_routes`. They are called from several threads at once.
    """

    name = "emulator"

    def __init__(
        self, listen: tuple[str, int] = ("127.0.0.1", 0), admin: tuple[str, int] = ("127.0.0.1", 0), tls: bool = False
    ) -> None:
        self.clock = Clock()
        self.faults = FaultTable()
        self.journal = Journal()
        self.certificates = CertificateFactory(f"{self.name.capitalize()} Emulator")
        self.ca_file: str | None = None
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._stopping = threading.Event()
        pair = self._tls_files(listen[0]) if tls else (None, None)
        self.server = HttpServer(listen[0], listen[1], self._handle, *pair)
        self.admin = AdminFace(admin[0], admin[1], self.journal, self.faults, self.clock)
        self.admin.route("GET", "/admin/ca", lambda call: {"root": self.certificates.root_pem})

    # -- what a product says ------------------------------------------------

    def identify(self, request: Request) -> Call:
        """Names the operation; must not fail and must not change state."""
        raise NotImplementedError

    def answer(self, call: Call) -> Response:
        """Does the call: authentication, validation, the change, the answer."""
        raise NotImplementedError

    def throttled(self, call: Call, fault: Fault) -> Response:
        """The product's own shape of "too many requests"."""
        raise NotImplementedError

    def failure(self, call: Call, fault: Fault) -> Response:
        """The product's own shape of an error with `fault.status`."""
        raise NotImplementedError

    def add_admin_routes(self, admin: AdminFace) -> None:
        """Registers the product's verbs; nothing by default."""

    # -- life ---------------------------------------------------------------

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def admin_url(self) -> str:
        return self.admin.server.url

    def start(self) -> None:
        self.add_admin_routes(self.admin)
        self.server.start()
        self.admin.server.start()

    def stop(self) -> None:
        self._stopping.set()
        self.server.stop()
        self.admin.server.stop()
        if self._directory is not None:
            self._directory.cleanup()
            self._directory = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _tls_files(self, host: str) -> tuple[str, str]:
        """A server certificate of an authority that serves nothing else."""
        own = CertificateFactory(f"{self.name.capitalize()} Endpoint")
        leaf = own.issue(list(dict.fromkeys(["localhost", "127.0.0.1", "::1", host])), "ec")
        self._directory = tempfile.TemporaryDirectory(prefix=f"{self.name}-emulator-")
        paths = {}
        for file, text in (("ca.pem", own.root_pem), ("cert.pem", leaf.bundle_pem), ("key.pem", leaf.key_pem)):
            paths[file] = os.path.join(self._directory.name, file)
            handle = os.open(paths[file], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as out:
                out.write(text)
        self.ca_file = paths["ca.pem"]
        return paths["cert.pem"], paths["key.pem"]

    # -- a request's way ----------------------------------------------------

    def _handle(self, request: Request) -> Response:
        call = self.identify(request)
        faults = self.faults.take(call.operation)
        response = self._run(call, faults)
        self.journal.record(
            request,
            call.operation,
            0 if response.drop else response.status,
            self.clock.text(),
            authKind=call.auth_kind,
            keyId=call.key_id,
            errorCode=call.error_code,
            requestId=call.request_id,
            changed=call.changed,
            faults=[f.kind for f in faults],
        )
        return response

    def _run(self, call: Call, faults: list[Fault]) -> Response:
        kinds = {fault.kind: fault for fault in faults}
        if "slow" in kinds:
            self._stopping.wait(kinds["slow"].seconds)
        if "dropBefore" in kinds:
            return Response(drop=True)
        if "throttle" in kinds:
            response = self.throttled(call, kinds["throttle"])
        elif "status" in kinds:
            response = self._failed(call, kinds["status"])
        else:
            response = self.answer(call)
        if "dropAfter" in kinds:
            return Response(drop=True)
        if "contentType" in kinds:
            response.headers["Content-Type"] = kinds["contentType"].contentType
        response.cut = "cut" in kinds
        # Clients measure their clock against this header, so it shows the emulated time.
        response.headers.setdefault("Date", format_datetime(self.clock.now(), usegmt=True))
        return response

    def _failed(self, call: Call, fault: Fault) -> Response:
        if fault.html or fault.body is not None:
            text = fault.body if fault.body is not None else HTML_BODY.format(fault.status)
            kind = "text/html" if fault.html else "text/plain"
            return Response(fault.status, {"Content-Type": kind}, text.encode("utf-8"))
        return self.failure(call, fault)
