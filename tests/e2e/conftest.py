"""What all suites share: a bench, hosts, the clouds, an authority."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from emulators.aliyun import AliyunEmulator
from emulators.huawei import HuaweiEmulator
from support.addresses import address_pool
from support.hosts import Host
from support.pki import CertificateFactory

from .bench import Bench
from .clouds import Aliyun, Huawei
from .places import new_host

# The clouds are on loopback; a proxy of the environment must not come between.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"

@pytest.fixture(scope="session")
def authority() -> CertificateFactory:
    return CertificateFactory("E2E")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "bench")
    yield made
    made.check_secrets()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with new_host(tmp_path) as running:
        yield running


@pytest.fixture
def make_hosts(tmp_path: Path) -> Iterator[Callable[..., list[Host]]]:
    """`make_hosts(3)`: so many hosts of one site."""
    site = tmp_path / "site"
    site.mkdir()
    made: list[Host] = []

    def make(count: int, **options: object) -> list[Host]:
        for _ in range(count):
            made.append(new_host(tmp_path, site=site, **options).start())  # type: ignore[arg-type]
        return made[-count:]

    yield make
    for host in made:
        host.stop()


@pytest.fixture
def huawei() -> Iterator[Huawei]:
    with HuaweiEmulator() as emulator:
        yield Huawei(emulator)


@pytest.fixture
def aliyun() -> Iterator[Aliyun]:
    with AliyunEmulator(address_pool=address_pool()) as emulator:
        yield Aliyun(emulator)
