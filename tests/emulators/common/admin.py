"""The admin face: JSON over HTTP on a port of its own, for tests and demos only."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

from emulators.common.clock import Clock, parse_time
from emulators.common.faults import FaultError, FaultTable, parse_fault
from emulators.common.http_server import HttpServer, Request, Response, json_response, parse_json
from emulators.common.journal import Journal


class AdminError(Exception):
    """A wrong admin request; becomes `{"error": text}` with the status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class AdminCall:
    """What a route gets: path parameters, query parameters, and the JSON body (None when empty)."""

    def __init__(self, params: dict[str, str], query: dict[str, str], body: Any) -> None:
        self.params = params
        self.query = query
        self.body = body

    def object(self) -> dict[str, Any]:
        """The body as an object; an empty body is an empty object."""
        if self.body is None:
            return {}
        if not isinstance(self.body, dict):
            raise AdminError(400, "the body has to be a JSON object")
        return self.body


Route = Callable[[AdminCall], Any]


class AdminFace:
    """Routes by method and path; `{name}` in a path is a parameter.

    A route returns what becomes the JSON answer (None: `{}`), or raises AdminError; ValueError
    and KeyError from wrong values become 400 as well.
    """

    def __init__(self, host: str, port: int, journal: Journal, faults: FaultTable, clock: Clock) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Route]] = []
        self.server = HttpServer(host, port, self._handle)
        self._add_common(journal, faults, clock)

    def route(self, method: str, path: str, action: Route) -> None:
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))
        self._routes.append((method, re.compile(pattern), action))

    def _add_common(self, journal: Journal, faults: FaultTable, clock: Clock) -> None:
        def add_faults(call: AdminCall) -> Any:
            wanted = call.body if isinstance(call.body, list) else [call.body]
            for fault in [parse_fault(entry) for entry in wanted]:
                faults.add(fault)
            return {"faults": faults.listing()}

        def show_clock(_: AdminCall) -> Any:
            return {"now": clock.text(), "offsetSeconds": clock.offset_seconds}

        def set_clock(call: AdminCall) -> Any:
            body = call.object()
            if set(body) - {"offsetSeconds", "advanceSeconds", "now"} or len(body) != 1:
                raise AdminError(400, "give one of offsetSeconds, advanceSeconds, now")
            if "now" in body:
                clock.set_now(parse_time(str(body["now"])))
            elif "offsetSeconds" in body:
                clock.set_offset(float(body["offsetSeconds"]))
            else:
                clock.advance(float(body["advanceSeconds"]))
            return show_clock(call)

        self.route("GET", "/admin/journal", lambda call: journal.summary(**call.query))
        self.route("DELETE", "/admin/journal", lambda call: journal.clear())
        self.route("GET", "/admin/faults", lambda call: {"faults": faults.listing()})
        self.route("POST", "/admin/faults", add_faults)
        self.route("DELETE", "/admin/faults", lambda call: faults.clear(call.query.get("operation")))
        self.route("GET", "/admin/clock", show_clock)
        self.route("POST", "/admin/clock", set_clock)

    def _handle(self, request: Request) -> Response:
        try:
            return json_response(200, self._dispatch(request))
        except AdminError as error:
            return json_response(error.status, {"error": str(error)})
        except FaultError as error:
            return json_response(400, {"error": str(error)})
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            return json_response(400, {"error": f"{type(error).__name__}: {error}"})

    def _dispatch(self, request: Request) -> Any:
        found = False
        for method, pattern, action in self._routes:
            match = pattern.fullmatch(request.path)
            if match is None:
                continue
            found = True
            if method != request.method:
                continue
            params = {name: unquote(value) for name, value in match.groupdict().items()}
            query = dict(parse_qsl(request.query, keep_blank_values=True))
            body = parse_json(request.body) if request.body.strip() else None
            answer = action(AdminCall(params, query, body))
            return {} if answer is None else answer
        if found:
            raise AdminError(405, f"{request.method} is not possible on {request.path}")
        raise AdminError(404, f"there is no {request.path}")
