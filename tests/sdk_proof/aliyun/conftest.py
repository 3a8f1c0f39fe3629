"""Fixtures of the proofs."""

from __future__ import annotations

import functools

import pytest
from emulators.aliyun import AliyunEmulator
from emulators.common.certs import CertificateFactory
from emulators.common.client import AdminClient
from support.addresses import address_pool

from . import sdks

REGION = "cn-zhangjiakou"


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


@pytest.fixture(params=sdks.VARIANTS)
def connect(request, emulator):
    """Makes a client of one of the SDKs: `connect(key=…, secret=…, token=…)`."""
    return functools.partial(sdks.make, request.param, emulator.url, REGION)


@pytest.fixture
def sdk(connect):
    return connect()
