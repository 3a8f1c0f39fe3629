"""A client of the admin face, for tests and demos written in Python."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlencode, urlsplit


class AdminFailure(Exception):
    """The admin face refused; the text says why."""


class AdminClient:
    """Speaks JSON with an admin face at `url`; one connection per call, so it may be shared."""

    def __init__(self, url: str, timeout: float = 10.0) -> None:
        self._address = urlsplit(url).netloc
        self._timeout = timeout

    def call(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection(self._address, timeout=self._timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            value = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise AdminFailure(f"{method} {path}: {answer.status} {value.get('error')}")
        return value

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: object = None) -> Any:
        return self.call("POST", path, body)

    def delete(self, path: str) -> Any:
        return self.call("DELETE", path)

    def fault(self, **fault: object) -> None:
        """Sets one fault switch; the fields are those of `faults.Fault`."""
        self.post("/admin/faults", fault)

    def journal(self, **wanted: object) -> list[dict[str, Any]]:
        """The journal's entries whose fields equal what is wanted."""
        entries: list[dict[str, Any]] = self.get("/admin/journal?" + urlencode(wanted))["entries"]
        return entries
