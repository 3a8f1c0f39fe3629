"""The emulated clouds with what the suites ask of them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from emulators.aliyun import AliyunEmulator
from emulators.common.client import AdminClient
from emulators.common.emulator import Emulator
from emulators.huawei import HuaweiEmulator
from support.nginx import served

from .declarations import ALIYUN_REGION
from .places import DAY


class _Cloud:
    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.admin = AdminClient(emulator.admin_url)

    @property
    def url(self) -> str:
        return self._emulator.url

    def calls(self, **wanted: object) -> Counter[str]:
        """How often each operation was asked for since the journal was cleared."""
        return Counter(entry["operation"] for entry in self.admin.journal(**wanted))

    def changes(self) -> list[str]:
        """The operations that changed something."""
        return [entry["operation"] for entry in self.admin.journal(changed="true")]

    def urls(self) -> str:
        """Every request target that was asked for."""
        return "\n".join(entry["url"] for entry in self.admin.journal())

    def forget(self) -> None:
        self.admin.delete("/admin/journal")

    def fault(self, **fault: object) -> None:
        self.admin.fault(**fault)

    def mend(self) -> None:
        """Takes all fault switches back."""
        self.admin.delete("/admin/faults")


class Huawei(_Cloud):
    """SCM and IAM."""

    def __init__(self, emulator: HuaweiEmulator) -> None:
        super().__init__(emulator)

    @property
    def environment(self) -> dict[str, str]:
        """What leads logins to this IAM: no field of a binding does."""
        return {"HUAWEICLOUD_SDK_IAM_ENDPOINT": self.url}

    def add(self, *names: str, **fields: object) -> dict[str, Any]:
        """A certificate of the account; the answer has `id` and `certificate` with PEM texts and fingerprints."""
        return dict(self.admin.post("/admin/certificates", {"names": list(names), **fields}))

    def renew(self, certificate_id: str, **fields: object) -> dict[str, Any]:
        return dict(self.admin.post(f"/admin/certificates/{certificate_id}/renew", fields))


class Aliyun(_Cloud):
    """The load balancers."""

    def __init__(self, emulator: AliyunEmulator) -> None:
        super().__init__(emulator)

    def certificate(self, *names: str, **fields: object) -> dict[str, Any]:
        """A pair that a person uploaded a while ago."""
        now = datetime.now(UTC)
        times = {"notBefore": (now - 45 * DAY).isoformat(), "notAfter": (now + 45 * DAY).isoformat()}
        body = {"region": ALIYUN_REGION, "names": list(names), **times, **fields}
        return dict(self.admin.post("/admin/certificates", body))

    def balancer(self, *listeners: dict[str, Any], **fields: object) -> Balancer:
        body = {"region": ALIYUN_REGION, "addressType": "internet", "listeners": list(listeners), **fields}
        return Balancer(self, dict(self.admin.post("/admin/balancers", body)))

    def settings(self, **values: object) -> None:
        self.admin.post("/admin/settings", values)

    def certificates(self) -> list[dict[str, Any]]:
        """All server certificates of the region."""
        cells = self.admin.get(f"/admin/state?region={ALIYUN_REGION}")["cells"]
        return [entry for cell in cells for entry in cell["certificates"]]

    def uploads(self) -> int:
        return self.calls(status=200)["UploadServerCertificate"]


class Balancer:
    """A load balancer with an address of its own."""

    def __init__(self, cloud: Aliyun, view: dict[str, Any]) -> None:
        self._cloud = cloud
        self.id = str(view["id"])
        self.address = str(view["address"])

    def listener(self, port: int = 443) -> dict[str, Any]:
        return dict(self._cloud.admin.get(f"/admin/balancers/{self.id}/listeners/{port}"))

    def edit(self, port: int = 443, **values: object) -> None:
        """As a person in the console."""
        self._cloud.admin.call("PATCH", f"/admin/balancers/{self.id}/listeners/{port}", values)

    def served(self, server_name: str | None = None, port: int = 443) -> str:
        """SHA-256 of the leaf that a client of the address gets."""
        return served(self.address, port, server_name)

    def probe(self, server_name: str, port: int = 443) -> dict[str, Any]:
        """As spec.target.slbListener.probe."""
        return {"address": self.address, "port": port, "serverName": server_name, "timeout": "5s"}
