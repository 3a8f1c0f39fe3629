"""The shared parts, driven through a tiny product."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from emulators.common.certs import KINDS, CertificateFactory
from emulators.common.emulator import Call, Emulator
from emulators.common.faults import FaultError, FaultTable, parse_fault
from emulators.common.http_server import Request, json_response, parse_json
from emulators.common.journal import redact_body


class Counter(Emulator):
    """Counts what reaches it, so that tests can tell "before" from "after"."""

    name = "counter"
    value = 0

    def identify(self, request: Request) -> Call:
        return Call(request, request.path.strip("/"))

    def answer(self, call: Call):
        self.value += 1
        return json_response(
            200, {"value": self.value, "path": call.request.raw_path, "host": call.request.header("host")}
        )

    def throttled(self, call: Call, fault):
        return json_response(429, {"code": "Throttling"}, {"Retry-After": fault.retryAfter or "1"})

    def failure(self, call: Call, fault):
        return json_response(fault.status, {"code": fault.code or "Broken"})


@pytest.fixture
def emulator():
    with Counter() as running:
        yield running


def get(emulator: Emulator, path: str):
    connection = http.client.HTTPConnection(emulator.server.address, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def admin(emulator: Emulator, method: str, path: str, body: object = None):
    connection = http.client.HTTPConnection(emulator.admin.server.address, timeout=5)
    connection.request(method, path, json.dumps(body) if body is not None else None)
    answer = connection.getresponse()
    value = json.loads(answer.read())
    connection.close()
    return answer.status, value


def test_a_connection_is_kept_and_the_target_arrives_raw(emulator):
    connection = http.client.HTTPConnection(emulator.server.address, timeout=5)
    for _ in range(2):
        connection.putrequest("GET", "//a%2Fb?x=%7e", skip_host=True)
        connection.putheader("Host", "ScM.Example:80")
        connection.endheaders()
        answer = connection.getresponse()
        value = json.loads(answer.read())
        assert value["path"] == "//a%2Fb?x=%7e"
        assert value["host"] == "ScM.Example:80"
    assert value["value"] == 2
    connection.close()


def test_a_chunked_body_is_joined(emulator):
    connection = http.client.HTTPConnection(emulator.server.address, timeout=5)
    connection.request(
        "POST", "/op", iter([b'{"a"', b":1}"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert connection.getresponse().status == 200
    assert emulator.journal.entries()[0]["body"] == '{"a": 1}'
    connection.close()


def test_a_fault_strikes_as_often_as_it_was_told(emulator):
    admin(emulator, "POST", "/admin/faults", {"operation": "op", "kind": "throttle", "times": 2, "retryAfter": "7"})
    statuses = [get(emulator, "/op")[0] for _ in range(3)]
    assert statuses == [429, 429, 200]
    assert get(emulator, "/other")[0] == 200


def test_every_nth_call_fails_until_cleared(emulator):
    admin(emulator, "POST", "/admin/faults", {"kind": "status", "status": 503, "html": True, "every": 2})
    answers = [get(emulator, "/op") for _ in range(4)]
    assert [a[0] for a in answers] == [200, 503, 200, 503]
    assert b"<html>" in answers[1][2] and answers[1][1]["Content-Type"] == "text/html"
    admin(emulator, "DELETE", "/admin/faults")
    assert [get(emulator, "/op")[0] for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("kind,changed", [("dropBefore", 0), ("dropAfter", 1)])
def test_a_dropped_connection_tells_before_from_after(emulator, kind, changed):
    admin(emulator, "POST", "/admin/faults", {"operation": "op", "kind": kind, "times": 1})
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        get(emulator, "/op")
    assert emulator.value == changed
    assert emulator.journal.entries()[0]["status"] == 0


def test_a_cut_body_ends_early(emulator):
    admin(emulator, "POST", "/admin/faults", {"kind": "cut", "times": 1})
    with pytest.raises(http.client.IncompleteRead):
        get(emulator, "/op")


def test_a_slow_answer_and_a_wrong_content_type_combine(emulator):
    admin(
        emulator,
        "POST",
        "/admin/faults",
        [
            {"kind": "slow", "seconds": 0.05, "times": 1},
            {"kind": "contentType", "contentType": "text/plain", "times": 1},
        ],
    )
    begin = time.monotonic()
    _, headers, _ = get(emulator, "/op")
    assert time.monotonic() - begin >= 0.05
    assert headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "none"},
        {"times": 0},
        {"every": 0},
        {"status": 99},
        {"colour": 1},
        {"times": "2"},
        5,
    ],
)
def test_a_wrong_fault_is_refused(wrong):
    with pytest.raises(FaultError):
        parse_fault(wrong)


def test_faults_of_one_operation_are_cleared_alone():
    table = FaultTable()
    table.add(parse_fault({"operation": "a"}))
    table.add(parse_fault({"operation": "b"}))
    table.clear("a")
    assert not table.take("a") and table.take("b")


def test_the_journal_is_counted_and_cleared_by_the_admin_face(emulator):
    get(emulator, "/op?a=b")
    get(emulator, "/other")
    status, value = admin(emulator, "GET", "/admin/journal?operation=op&status=200")
    assert (status, value["total"], value["counts"]) == (200, 1, {"op": 1})
    assert value["entries"][0]["url"] == "/op?a=b"
    assert admin(emulator, "GET", "/admin/journal?changed=false")[1]["total"] == 2
    assert admin(emulator, "GET", "/admin/journal?changed=true")[1]["total"] == 0
    admin(emulator, "DELETE", "/admin/journal")
    assert admin(emulator, "GET", "/admin/journal")[1]["total"] == 0


def test_the_admin_face_refuses_what_it_does_not_know(emulator):
    assert admin(emulator, "GET", "/admin/nothing")[0] == 404
    assert admin(emulator, "PUT", "/admin/journal")[0] == 405
    assert admin(emulator, "POST", "/admin/faults", {"kind": "x"})[0] == 400
    assert admin(emulator, "POST", "/admin/clock", {"offsetSeconds": "soon"})[0] == 400


def test_the_clock_moves_on_demand(emulator):
    admin(emulator, "POST", "/admin/clock", {"offsetSeconds": 3600})
    _, value = admin(emulator, "POST", "/admin/clock", {"advanceSeconds": 60})
    assert value["offsetSeconds"] == 3660
    assert emulator.clock.now() - datetime.now(UTC) > timedelta(minutes=60)
    admin(emulator, "POST", "/admin/clock", {"now": "2031-01-02T03:04:05Z"})
    assert emulator.clock.text().startswith("2031-01-02T03:04:")


PEM = "-----BEGIN EC PRIVATE KEY-----\nMHc=\n-----END EC PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "body,kind",
    [
        (json.dumps({"private_key": "MHc=", "name": "n"}), "application/json"),
        (json.dumps({"a": [{"anything": PEM}], "name": "n"}), "application/json"),
        ("name=n&PrivateKey=MHc%3D", "application/x-www-form-urlencoded"),
        ("name=n " + PEM, "text/plain"),
    ],
)
def test_key_material_is_cut_out_of_bodies(body, kind):
    clean = redact_body(body.encode(), kind)
    assert "MHc" not in clean and "[removed]" in clean and "n" in clean


def test_the_password_of_a_nested_user_is_cut_out():
    body = {"auth": {"identity": {"password": {"user": {"name": "u", "password": "hunter2"}}}}}
    clean = redact_body(json.dumps(body).encode(), "application/json")
    assert "hunter2" not in clean and '"u"' in clean


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_certificate_has_its_own_key_and_form(kind):
    factory = CertificateFactory()
    one, two = (factory.issue(["a.example", "*.b.example"], kind) for _ in range(2))
    loaded = load_pem_private_key(one.key_pem.encode(), None)
    assert loaded.public_key() == one.certificate.public_key()
    assert one.sha1 != two.sha1 and one.key_pem != two.key_pem
    begin = {"rsa": "RSA PRIVATE KEY", "ec": "EC PRIVATE KEY"}.get(kind, "PRIVATE KEY")
    assert one.key_pem.startswith(f"-----BEGIN {begin}-----")
    one.certificate.verify_directly_issued_by(factory.intermediate)
    factory.intermediate.verify_directly_issued_by(factory.root)


def test_validity_is_chosen_freely():
    begin, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC)
    issued = CertificateFactory().issue(["old.example"], "ec", begin, end)
    assert (issued.not_before, issued.not_after) == (begin, end)


def test_https_is_served_by_a_certificate_of_the_announced_authority():
    with Counter(tls=True) as running:
        context = ssl.create_default_context(cafile=running.ca_file)
        with urllib.request.urlopen(running.url + "/op", context=context, timeout=5) as answer:
            assert answer.status == 200
        ca_file = running.ca_file
    assert not os.path.exists(ca_file)


LAUNCHER = """
import sys
from emulators.common.launch import main
from emulators.common.test_common import Counter
sys.exit(main(Counter, "A counter."))
"""


def start(tmp_path, parent: bool = False):
    file = tmp_path / "announce.json"
    code = LAUNCHER
    if parent:
        code = textwrap.dedent(f"""
            import subprocess, sys
            subprocess.Popen([sys.executable, "-c", {LAUNCHER!r}, "--announce", {str(file)!r}])
            sys.stdin.read()
        """)
    process = subprocess.Popen(
        [sys.executable, "-c", code] + ([] if parent else ["--announce", str(file), "--tls"]),
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    wait_for(file.exists)
    return process, json.loads(file.read_text())


def wait_for(condition, seconds: float = 20.0):
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        pause.wait(0.01)


def test_a_process_announces_itself_and_ends_on_sigterm(tmp_path):
    process, facts = start(tmp_path)
    assert facts["pid"] == process.pid and facts["url"].startswith("https://")
    context = ssl.create_default_context(cafile=facts["caFile"])
    with urllib.request.urlopen(facts["url"] + "/op", context=context, timeout=5) as answer:
        assert answer.status == 200
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=5) == 0
    process.stdin.close()


def test_a_process_ends_with_its_parent(tmp_path):
    process, facts = start(tmp_path, parent=True)
    process.kill()
    process.wait()
    process.stdin.close()

    def gone() -> bool:
        # An orphan that has ended stays a zombie where no init collects it.
        try:
            with open(f"/proc/{facts['pid']}/stat", encoding="ascii") as stat:
                return stat.read().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    wait_for(gone, 5.0)


BROKEN_JSON = [b"{", b"\xff\xfe", b"[" * 100_000, b'{"password": "\\ud800 hunter2"}', b'{"password": "hunter2"']


@pytest.mark.parametrize("body", BROKEN_JSON, ids=range(len(BROKEN_JSON)))
def test_broken_json_is_an_error_of_the_caller_and_leaves_no_secret(body):
    with pytest.raises(ValueError):
        parse_json(body)
    assert "hunter2" not in redact_body(body, "application/json")
    assert "hunter2" not in redact_body(body, "")
