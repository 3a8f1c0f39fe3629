"""The folder of YAML, written as a person would write it: this is what a newcomer reads and edits."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from support.hosts import Host

SCM_REGION = "ap-southeast-1"
SLB_REGION = "cn-zhangjiakou"

_SECRET = """\
---
# {comment}
apiVersion: v1
kind: Secret
metadata:
  name: {name}
type: {kind}
stringData:
{entries}"""

_SCM = """\
    huaweiSCM:
      region: {region}
      domain: {domain}
      credentialsRef: {{name: huawei}}
      endpoint: {endpoint}
"""

_WEB = """\
---
# The newest certificate for {domain} in SCM, on {what}.
apiVersion: certbinder.io/v1alpha1
kind: CertificateBinding
metadata:
  name: {name}
spec:
  source:
{source}\
  target:
    nginx:
      hosts:
{hosts}\
      ssh:
        user: {user}
        credentialsRef: {{name: web-ssh}}
      certificatePath: {certificate_path}
      privateKeyPath: {private_key_path}
      testCommand: [{test}]
      reloadCommand: [{reload}]
      probe: {{serverName: {domain}}}
      rollout: {{canary: 1, maxConcurrent: 1}}
  checkInterval: 2s
"""

_SLB = """\
---
# {comment}
apiVersion: certbinder.io/v1alpha1
kind: CertificateBinding
metadata:
  name: {name}
spec:
  source:
{source}\
  target:
    slbListener:
      region: {region}
      loadBalancerID: {balancer}
      port: {port}
{server_name}\
      probe: {{address: {address}}}
      credentialsRef: {{name: aliyun}}
      endpoint: {endpoint}
  checkInterval: 2s
"""


@dataclass(frozen=True)
class Listener:
    """The HTTPS listener, and the API that manages it."""

    api: str
    balancer: str
    address: str
    port: int


def credentials(ssh: Mapping[str, str]) -> str:
    return (
        _secret("huawei", "Opens Huawei SCM.", {
            "accessKeyID": "EMULATEDACCESSKEY001",
            "secretAccessKey": "EmulatedSecretAccessKey00000000000000001",
        })
        + _secret("aliyun", "Opens Alibaba SLB.", {"accessKeyID": "testid", "accessKeySecret": "testsecret"})
        + _secret("web-ssh", "Opens the hosts; known_hosts says which host keys are theirs.", ssh)
    )  # fmt: skip


def tls_secret(name: str, certificate: str, key: str) -> str:
    entries = {"tls.crt": certificate, "tls.key": key}
    return _secret(name, "A pair as cert-manager writes it.", entries, "kubernetes.io/tls")


def web(name: str, hosts: Sequence[Host], scm_url: str, domain: str) -> str:
    """One binding for all these hosts, which have the same paths."""
    target = hosts[0].target("web-ssh")
    return _WEB.format(
        name=name, domain=domain, what=f"{len(hosts)} hosts" if len(hosts) > 1 else "one host",
        source=_scm(scm_url, domain),
        hosts="".join(
            f"        - {{address: {host.address}, port: {host.ssh_port}, probe: {{port: {host.tls_port}}}}}\n"
            for host in hosts
        ),
        user=target["ssh"]["user"], certificate_path=target["certificatePath"],
        private_key_path=target["privateKeyPath"], test=", ".join(target["testCommand"]),
        reload=", ".join(target["reloadCommand"]),
    )  # fmt: skip


def slb(listener: Listener, scm_url: str, domain: str, second: str) -> str:
    """The listener's own certificate from SCM, and one for a second name from a Secret."""
    common = {
        "region": SLB_REGION, "balancer": listener.balancer, "port": listener.port, "address": listener.address,
        "endpoint": listener.api,
    }  # fmt: skip
    return _SLB.format(
        name="shop-slb", comment="The listener's default certificate, from SCM as well.",
        source=_scm(scm_url, domain), server_name="", **common,
    ) + _SLB.format(
        name="pay-slb", comment=f"A domain extension of the same listener: {second} (SNI), from a TLS Secret.",
        source="    secret: {name: pay-tls}\n", server_name=f"      serverName: {second}\n", **common,
    )  # fmt: skip


def _scm(url: str, domain: str) -> str:
    return _SCM.format(region=SCM_REGION, domain=domain, endpoint=url)


def _secret(name: str, comment: str, entries: Mapping[str, str], kind: str = "Opaque") -> str:
    return _SECRET.format(
        name=name, comment=comment, kind=kind, entries="".join(_entry(key, text) for key, text in entries.items())
    )


def _entry(key: str, text: str) -> str:
    if "\n" in text:
        return f"  {key}: |\n{textwrap.indent(text, '    ')}"
    return f"  {key}: {text}\n"
