"""The objects of a folder of YAML, as a user would write them."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from support.hosts import Host
from support.pki import Issued

Object = dict[str, Any]

HUAWEI_KEYS = {
    "accessKeyID": "EMULATEDACCESSKEY001",
    "secretAccessKey": "EmulatedSecretAccessKey00000000000000001",
}
HUAWEI_USER = {"userName": "certificate-reader", "password": "Emulated-Password-1", "domainName": "example-account"}
ALIYUN_KEYS = {"accessKeyID": "testid", "accessKeySecret": "testsecret"}
HUAWEI_REGION = "ap-southeast-1"
ALIYUN_REGION = "cn-zhangjiakou"

# The keys of Secrets whose values may be shown.
_PUBLIC = {"accessKeyID", "userName", "domainName", "known_hosts", "tls.crt", "ca.crt", "ssh-certificate"}


def secret(name: str, data: Mapping[str, str], kind: str = "Opaque", encoded: bool = False) -> Object:
    """A Secret with its entries as text, or `encoded` as kubectl shows them."""
    entries = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()} if encoded else dict(data)
    return {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind,
        "data" if encoded else "stringData": entries,
    }


def tls_secret(name: str, pair: Issued, encoded: bool = True) -> Object:
    data = {"tls.crt": pair.bundle_pem, "tls.key": pair.key_pem}
    return secret(name, data, "kubernetes.io/tls", encoded)


def config_map(name: str, data: Mapping[str, str]) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": dict(data)}


def binding(name: str, source: Mapping[str, Any], target: Mapping[str, Any], **spec: Any) -> Object:
    return {
        "apiVersion": "certbinder.io/v1alpha1",
        "kind": "CertificateBinding",
        "metadata": {"name": name},
        "spec": {"source": dict(source), "target": dict(target), **spec},
    }


def from_secret(name: str) -> Object:
    return {"secret": {"name": name}}


def from_scm(endpoint: str, credentials: str = "huawei", **fields: Any) -> Object:
    """`domain` or `certificateID` are to be given."""
    return {
        "huaweiSCM": {
            "region": HUAWEI_REGION, "endpoint": endpoint, "credentialsRef": {"name": credentials}, **fields,
        }
    }


def to_hosts(hosts: Iterable[Host], /, credentials: str = "ssh", **fields: Any) -> Object:
    """Hosts of one site, or a single one."""
    all_hosts = list(hosts)
    entries = [host.entry() for host in all_hosts]
    return {"nginx": all_hosts[0].target(credentials, **{"hosts": entries, **fields})}


def to_slb(endpoint: str, balancer: str, port: int = 443, credentials: str = "aliyun", **fields: Any) -> Object:
    return {
        "slbListener": {
            "region": ALIYUN_REGION, "endpoint": endpoint, "loadBalancerID": balancer, "port": port,
            "credentialsRef": {"name": credentials}, **fields,
        }
    }


def to_yaml(value: Any, indent: int = 0) -> str:
    """Block style, texts in quotes or as literal blocks: what people write, without the traps of bare words."""
    space = "  " * indent
    if isinstance(value, Mapping) and value:
        return "".join(f"{space}{key}:{_inner(entry, indent + 1)}" for key, entry in value.items())
    if isinstance(value, list) and value:
        return "".join(f"{space}-{_inner(entry, indent + 1)}" for entry in value)
    return f"{space}{json.dumps(value)}\n"


def _inner(value: Any, indent: int) -> str:
    if isinstance(value, Mapping | list) and value:
        return "\n" + to_yaml(value, indent)
    if isinstance(value, str) and "\n" in value:
        # The indentation is told, the final newlines are kept as they are.
        lines = "".join("  " * indent + line if line.strip() else line for line in value.splitlines(keepends=True))
        tail = "" if lines.endswith("\n") else "\n"
        return f" |{'2+' if not tail else '2-'}\n" + lines + tail
    return f" {json.dumps(value)}\n"


def documents(objects: Iterable[Object]) -> str:
    return "".join("---\n" + to_yaml(entry) for entry in objects)


def replace_file(path: Path, text: str) -> None:
    """In one step, as careful tools write: nobody sees half of it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    os.replace(fresh, path)


def secrets_in(objects: Iterable[Object]) -> set[str]:
    """The texts that must appear nowhere: passwords and the like whole, keys line by line, both ways of writing."""
    found: set[str] = set()
    for entry in objects:
        if entry["kind"] != "Secret":
            continue
        for field in ("data", "stringData"):
            for key, value in entry.get(field, {}).items():
                plain = base64.b64decode(value).decode() if field == "data" else value
                if key not in _PUBLIC and plain.strip():
                    found |= secret_texts(plain)
    return found


def secret_texts(plain: str) -> set[str]:
    """What of a secret value gives it away, in the form it was declared in and in others that it may be written in."""
    found = {base64.b64encode(plain.encode()).decode().rstrip("=")[:-2]}
    if "PRIVATE KEY" not in plain:
        return found | {plain}
    for form in (plain, *_rewritten(plain)):
        # The first lines of keys of one kind are the same: algorithm and length, no secret.
        lines = [line for line in form.splitlines() if re.fullmatch(r"[A-Za-z0-9+/=]{16,}", line)]
        found.update(lines[1:] or lines)
    return found


def _rewritten(pem: str) -> list[str]:
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return []  # encrypted, OpenSSH's own form, or broken on purpose
    forms = (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL)
    return [key.private_bytes(Encoding.PEM, form, NoEncryption()).decode() for form in forms]
