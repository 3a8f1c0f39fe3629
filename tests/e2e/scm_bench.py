"""What the suites about SCM as a source share: one host, and a binding of it to a certificate in the emulator."""

from __future__ import annotations

import pytest
from support.hosts import Host

from .bench import Bench
from .declarations import HUAWEI_KEYS, binding, from_scm, secret, to_hosts
from .places import NAME, new_host


@pytest.fixture(scope="module")
def standing(tmp_path_factory):
    """One host for all: a test looks at what it is served in the end."""
    with new_host(tmp_path_factory.mktemp("host")) as running:
        yield running


def declare(bench: Bench, huawei, host: Host, credentials=HUAWEI_KEYS, spec=(), **source) -> None:
    fields = source or {"domain": NAME}
    bench.declare(
        secret("huawei", credentials),
        secret("ssh", host.ssh_secret()),
        binding("shop", from_scm(huawei.url, **fields), to_hosts([host]), **{"allowDowngrade": True, **dict(spec)}),
    )
