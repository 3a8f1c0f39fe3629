"""The stage: three hosts with real sshd and nginx, two emulated clouds, a folder of YAML, and certbinder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from emulators.aliyun import AliyunEmulator
from emulators.common.client import AdminClient
from emulators.huawei import HuaweiEmulator
from support.addresses import address_pool
from support.hosts import Host, shared_ssh_secret
from support.pki import CertificateFactory, Issued
from support.processes import free_port, program, start, stop

from . import manifests
from .clients import Place

SHOP, PAY = "shop.example.com", "pay.example.com"
BALANCER = "lb-shop"
_HOSTS = 3
_PREFIX = "certbinder-demo-"
_LISTENER_PORT = 20443
# Where those who log in to a host find its nginx, as on a server of its own.
_SITE = Path("/etc/nginx")


@dataclass(frozen=True)
class StatusItem:
    """One item of `certbinder status -o json`."""

    raw: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.raw["metadata"]["name"])

    @property
    def endpoints(self) -> dict[str, dict[str, Any]]:
        return {endpoint["name"]: endpoint for endpoint in self.raw["status"].get("endpoints", [])}

    def condition(self, kind: str) -> dict[str, str]:
        """The condition of that type; one that says nothing where there is none yet."""
        for condition in self.raw["status"].get("conditions", []):
            if condition["type"] == kind:
                return dict(condition)
        return {"type": kind, "status": "Unknown", "reason": "-", "message": ""}

    @property
    def summary(self) -> str:
        ready = self.condition("Ready")
        return f"{self.name} {self.raw['status'].get('inSync', '-')} {ready['reason']}"

    def is_ready_with(self, sha256: str) -> bool:
        certificate = self.raw["status"].get("certificate", {})
        return self.condition("Ready")["status"] == "True" and certificate.get("fingerprintSHA256") == sha256


class Stage:
    """Builds everything below a folder of its own and takes it down again. Use as a context manager."""

    def __init__(self, binary: Path) -> None:
        self.binary = binary
        self._stack = ExitStack()
        self._child: subprocess.Popen[bytes] | None = None
        self.known: dict[str, str] = {}
        """Labels of the certificates that a client may be served, by SHA-256."""

    def __enter__(self) -> Stage:
        try:
            self._build()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # Building

    def _build(self) -> None:
        remove_abandoned()
        self.directory = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.folder, self.state = self.directory / "manifests", self.directory / "state"
        self.log_file = self.directory / "certbinder.log"
        self.folder.mkdir()
        self.log_file.touch()
        self._by_hand = CertificateFactory("By hand")
        self._start_hosts()
        self._start_clouds()
        self._collect_authorities()
        self.places = [
            *(Place(label, host.address, host.tls_port, SHOP) for label, host in self.hosts.items()),
            Place("slb", self.balancer_address, self.balancer_port, SHOP),
            Place("slb", self.balancer_address, self.balancer_port, PAY),
        ]
        self._declare()

    def hand_made(self, label: str, *names: str, days: int = 5, kind: str = "rsa") -> Issued:
        """A certificate that somebody made and nobody will renew."""
        end = datetime.now(UTC) + timedelta(days=days)
        issued = self._by_hand.issue(names, kind=kind, not_after=end)
        self.known[issued.sha256] = label
        return issued

    def _start_hosts(self) -> None:
        # The hosts of one binding have the same paths. On one machine that takes a mount namespace for each.
        self.one_binding = _may_mount() and _SITE.is_dir()
        options = {"site": _SITE} if self.one_binding else {}
        parts = self.directory / "hosts"
        parts.mkdir(0o755)
        self.hosts: dict[str, Host] = {}
        for number in range(1, _HOSTS + 1):
            label = f"web{number}"
            host = Host(parts, [SHOP], initial=self.hand_made("installed by hand", SHOP), **options)
            self._stack.callback(host.stop)
            host.start()
            (self.directory / label).symlink_to(host.directory)
            self.hosts[label] = host

    def _start_clouds(self) -> None:
        huawei = self._stack.enter_context(HuaweiEmulator())
        aliyun = self._stack.enter_context(AliyunEmulator(address_pool=address_pool()))
        self.huawei, self.aliyun = AdminClient(huawei.admin_url), AdminClient(aliyun.admin_url)
        self.scm_url, self.scm_admin_url, self.slb_url = huawei.url, huawei.admin_url, aliyun.url
        issued = self.huawei.post("/admin/certificates", {"names": [SHOP, f"www.{SHOP}"], "validForDays": 30})
        self.scm_first = str(issued["id"])
        self.wanted = self._remember(issued, "from SCM")
        old = self.hand_made("uploaded by hand", SHOP, days=9)
        uploaded = self.aliyun.post(
            "/admin/certificates",
            {"region": manifests.SLB_REGION, "certificate": old.bundle_pem, "privateKey": old.key_pem, "name": "old"},
        )
        balancer = self.aliyun.post(
            "/admin/balancers", {"region": manifests.SLB_REGION, "id": BALANCER, "name": "shop"}
        )
        self.balancer_address = str(balancer["address"])
        self.balancer_port = free_port(self.balancer_address, _LISTENER_PORT)
        self.aliyun.post(
            f"/admin/balancers/{BALANCER}/listeners/{self.balancer_port}", {"certificateId": uploaded["id"]}
        )

    def _remember(self, issued: dict[str, Any], label: str) -> str:
        sha256 = str(issued["certificate"]["sha256"])
        self.known[sha256] = label
        return sha256

    def _collect_authorities(self) -> None:
        self.authorities = self.directory / "authorities.pem"
        self.authorities.write_text(self._by_hand.root_pem + self.huawei.get("/admin/ca")["root"])

    def _declare(self) -> None:
        hosts = list(self.hosts.values())
        self.declare("10-credentials", manifests.credentials(shared_ssh_secret(hosts)))
        groups = [hosts] if self.one_binding else [[host] for host in hosts]
        names = ["shop-web"] if self.one_binding else [f"shop-{label}" for label in self.hosts]
        self.web_bindings = dict(zip(names, groups, strict=True))
        self.declare(
            "20-web",
            "".join(manifests.web(name, group, self.scm_url, SHOP) for name, group in self.web_bindings.items()),
        )
        listener = manifests.Listener(self.slb_url, BALANCER, self.balancer_address, self.balancer_port)
        self.declare("30-slb", manifests.slb(listener, self.scm_url, SHOP, PAY))
        self.renew_pay("from the Secret")

    def declare(self, name: str, text: str) -> None:
        """Replaces a file of the folder in one step, readable by its owner alone."""
        fresh = self.folder / f".{name}.new"
        fresh.touch(0o600)
        fresh.write_text(text)
        os.replace(fresh, self.folder / f"{name}.yaml")

    # What happens on the stage

    def renew(self, label: str, days: int) -> str:
        """The authority renews the certificate in SCM; the new one is valid for so many days."""
        answer = self.huawei.post(f"/admin/certificates/{self.scm_first}/renew", {"validForDays": days})
        self.wanted = self._remember(answer, label)
        return self.wanted

    def renew_pay(self, label: str) -> str:
        """A new pair in the Secret of the payment page."""
        issued = self._by_hand.issue([PAY], kind="rsa-pkcs8")
        self.known[issued.sha256] = label
        self.declare("40-pay-tls", manifests.tls_secret("pay-tls", issued.bundle_pem, issued.key_pem))
        self.wanted_pay = issued.sha256
        return issued.sha256

    def reload_nginx(self, label: str) -> None:
        """As the person does who changed something on the host."""
        subprocess.run([*self._nginx_command(label), "-s", "reload"], check=True, capture_output=True)

    def _nginx_command(self, label: str) -> list[str]:
        nginx = self.hosts[label].nginx
        assert nginx is not None
        return nginx.command

    def wanted_at(self, place: Place) -> str:
        return self.wanted_pay if place.name == PAY else self.wanted

    # certbinder

    @property
    def options(self) -> list[str]:
        return ["-f", str(self.folder), "--state-dir", str(self.state)]

    def command(self, *arguments: str, timeout: float = 30.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.binary), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
            env=_environment(),
        )  # fmt: skip

    def run(self) -> None:
        """Starts `certbinder run`."""
        with self.log_file.open("ab") as log:
            self._child = start(
                [self.binary, "run", *self.options, "--log-format", "json"], stdout=log, stderr=log, env=_environment()
            )
        # Last in, first out: certbinder ends before the hosts it looks after.
        self._stack.callback(stop, self._child)

    @property
    def pid(self) -> int:
        return self._child.pid if self._child is not None else 0

    def exit_code(self) -> int | None:
        return self._child.poll() if self._child is not None else None

    def end(self, deadline: float = 20.0) -> int:
        """SIGTERM, as systemd does it; returns the exit code."""
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGTERM)
        return self._child.wait(deadline)

    def status_table(self) -> str:
        return self.command("status", *self.options).stdout

    def status(self) -> dict[str, StatusItem]:
        done = self.command("status", *self.options, "-o", "json")
        items = [StatusItem(item) for item in json.loads(done.stdout or '{"items": []}')["items"]]
        return {item.name: item for item in items}

    def events(self) -> list[dict[str, Any]]:
        """All that was told so far, as objects with ts, level, msg, event, name."""
        text = self.log_file.read_text(errors="replace")
        lines = text[: text.rfind("\n") + 1].splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and '"event"' in line]


def _environment() -> dict[str, str]:
    """Everything is on loopback: a proxy must not come between, and certificates of clouds are not asked for."""
    return {**os.environ, "no_proxy": "*", "NO_PROXY": "*"}


def _may_mount() -> bool:
    if os.geteuid() != 0:
        return False
    command: Sequence[str] = [program("unshare"), "--mount", "--propagation", "private", "true"]
    return subprocess.run(command, capture_output=True).returncode == 0


def remove_abandoned() -> None:
    """Folders of shows that were killed before they could clean up."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and folder.stat().st_uid == os.geteuid() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)
