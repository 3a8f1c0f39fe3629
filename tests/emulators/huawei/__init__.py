"""Huawei Cloud: certificate service SCM v3 and the IAM calls around it."""

from emulators.huawei.emulator import HuaweiEmulator

__all__ = ["HuaweiEmulator"]
