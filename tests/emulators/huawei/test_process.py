"""The emulator as a process of its own, as the other test suites start it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from emulators.common.client import AdminClient, AdminFailure


def start(*arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(
        [sys.executable, "-m", "emulators.huawei", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_it_announces_itself_serves_and_ends(tmp_path):
    file = tmp_path / "huawei.json"
    process = start("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--announce", str(file), "--tls")
    deadline = time.monotonic() + 20
    pause = threading.Event()
    while not file.exists():
        assert process.poll() is None and time.monotonic() < deadline
        pause.wait(0.01)
    facts = json.loads(file.read_text())
    assert set(facts) == {"url", "admin", "pid", "caFile"} and facts["pid"] == process.pid
    admin = AdminClient(facts["admin"])
    made = admin.post("/admin/certificates", {"names": ["shop.example"], "kind": "ec"})
    assert admin.get("/admin/certificates")["certificates"] == [made]
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=5)
    assert (process.returncode, out, err) == (0, b"", b"")
    assert not os.path.exists(facts["caFile"])


def test_an_address_in_use_is_said_plainly(tmp_path):
    from emulators.huawei import HuaweiEmulator

    with HuaweiEmulator() as running:
        process = start("--listen", running.server.address)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1 and b"cannot listen" in err and b"Traceback" not in err


@pytest.mark.parametrize(
    "path,body",
    [
        ("/admin/certificates", {}),
        ("/admin/certificates", {"names": "a"}),
        ("/admin/certificates", {"names": ["a"], "status": "x"}),
        ("/admin/certificates", {"names": ["a"], "kind": "x"}),
        ("/admin/certificates", {"names": ["a"], "colour": 1}),
        ("/admin/certificates", {"names": ["a"], "export": {"noKey": "x"}}),
        ("/admin/certificates", {"certificate": "x"}),
        ("/admin/certificates", {"names": ["a"], "notAfter": "soon"}),
        ("/admin/certificates", []),
        ("/admin/certificates/none/renew", {}),
        ("/admin/keys", {"actions": "all"}),
        ("/admin/users", {}),
        ("/admin/agencies", {}),
        ("/admin/tokens/life", {}),
        ("/admin/switches", {"x": 1}),
        ("/admin/switches", {"zoneHours": "8"}),
        ("/admin/switches", {"orderStatusAlias": 1}),
    ],
)
def test_the_admin_face_refuses_nonsense(path, body):
    from emulators.huawei import HuaweiEmulator

    with HuaweiEmulator() as running, pytest.raises(AdminFailure):
        AdminClient(running.admin_url).post(path, body)
