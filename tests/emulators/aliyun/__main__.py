"""Starts the emulator: `python -m emulators.aliyun --listen 127.0.0.1:0 --admin 127.0.0.1:0`."""

from __future__ import annotations

import argparse
import functools
import sys

from emulators.common.launch import main

from .model import AddressPool
from .service import DEFAULT_ADDRESS_POOL, AliyunEmulator


def _loopback(text: str) -> str:
    try:
        AddressPool(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def run(argv: list[str]) -> int:
    own = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    own.add_argument("--address-pool", type=_loopback, default=DEFAULT_ADDRESS_POOL, metavar="NETWORK")
    options, rest = own.parse_known_args(argv)
    make = functools.partial(AliyunEmulator, address_pool=options.address_pool)
    description = (
        "The classic load balancer's API. Also takes --address-pool NETWORK (127.0.3.0/24): "
        "loopback addresses that the load balancers get."
    )
    return main(make, description, rest)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
