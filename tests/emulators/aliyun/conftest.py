"""Fixtures of the emulator's own tests."""

from __future__ import annotations

import pytest
from support.addresses import address_pool

from emulators.common.certs import CertificateFactory
from emulators.common.client import AdminClient

from . import AliyunEmulator
from .client import SlbClient

@pytest.fixture(scope="session")
def factory():
    return CertificateFactory()


@pytest.fixture
def emulator():
    with AliyunEmulator(address_pool=address_pool()) as running:
        yield running


@pytest.fixture
def admin(emulator):
    return AdminClient(emulator.admin_url)


@pytest.fixture(params=["acs3", "rpc"])
def either(request, emulator):
    """The same client with either signature."""
    return SlbClient(emulator.url, scheme=request.param)


@pytest.fixture
def slb(emulator):
    return SlbClient(emulator.url)
