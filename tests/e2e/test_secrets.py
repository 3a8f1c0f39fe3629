"""No key, password or token anywhere but where it is meant to be, at the most talkative level, come what may.

Every suite looks for the secrets it declared in all output and in the state directory (`Bench.check_secrets`); here
are the other places: command lines, the hosts' disks, requests, and what a crash would leave.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from support.hosts import Host
from support.pki import weak_pair
from support.processes import watched_command_lines

from .bench import Bench
from .declarations import (
    ALIYUN_KEYS,
    HUAWEI_KEYS,
    HUAWEI_USER,
    binding,
    from_scm,
    from_secret,
    secret,
    secret_texts,
    tls_secret,
    to_hosts,
    to_slb,
)
from .places import NAME, new_host

# Not those of another process that runs this suite now.
PASSPHRASE = f"A-Passphrase-{os.urandom(8).hex()}"
PASSWORD = f"A-Password-{os.urandom(8).hex()}"


def files_with(root: Path, text: str) -> list[str]:
    needle = text.encode()
    return [
        str(path.relative_to(root)) for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink() and needle in path.read_bytes()
    ]


def declare_everything(bench: Bench, huawei, aliyun, host: Host, pair, balancer, scm_credentials) -> None:
    bench.declare(
        tls_secret("shop-tls", pair),
        secret("ssh", host.ssh_secret("rsa", passphrase=PASSPHRASE)),
        secret("huawei", scm_credentials),
        secret("aliyun", ALIYUN_KEYS),
        binding("from-scm", from_scm(huawei.url, domain=NAME), to_hosts([host])),
        binding("to-slb", from_secret("shop-tls"), to_slb(aliyun.url, balancer.id, probe=balancer.probe(NAME))),
    )


def test_secrets_stay_where_they_belong(bench, huawei, aliyun, host, authority) -> None:
    pair = authority.issue([NAME], kind="rsa")
    made = huawei.add(NAME, kind="rsa-pkcs8")  # the form that is written to hosts
    old = aliyun.certificate(NAME)
    balancer = aliyun.balancer({"port": 443, "certificateId": old["id"]})
    bench.secrets |= secret_texts(made["certificate"]["privateKey"])
    host.ssh_secret("rsa", passphrase=PASSPHRASE)  # ssh-keygen takes it as an argument, once
    with watched_command_lines() as seen:
        for credentials in (HUAWEI_KEYS, HUAWEI_USER):
            declare_everything(bench, huawei, aliyun, host, pair, balancer, credentials)
            assert bench.validate("-o", "json").code == 0
            ambient = {"env": huawei.environment}
            assert bench.plan("--ambient-credentials", **ambient).code in (0, 2)
            assert bench.apply("--ambient-credentials", **ambient).code == 0
            for output in ("table", "yaml", "name"):
                assert bench.status(output=output).code == 0
    tokens = [
        entry for entry in huawei.admin.journal() if entry["authKind"] == "token"
    ]
    assert tokens, "one of the two logins went by token"

    for text in bench.secrets:
        assert text not in "\n".join(seen), "in a command line"
        assert text not in huawei.urls() + aliyun.urls(), "in a URL"
        assert text not in "\n".join(host.exec_journal() + host.sftp_journal()), "in a command or a path"
    key_line = made["certificate"]["privateKey"].splitlines()[2]
    assert files_with(host.directory, key_line) == [
        f"nginx/conf/cert/.certbinder/{made['certificate']['sha256']}/privateKey.key"
    ]
    for word in (PASSPHRASE, HUAWEI_KEYS["secretAccessKey"], HUAWEI_USER["password"], ALIYUN_KEYS["accessKeySecret"]):
        assert files_with(host.directory, word) == []


def test_failures_tell_no_secret_either(bench, huawei, aliyun, tmp_path, authority) -> None:
    with new_host(tmp_path, password=PASSWORD, authentication=["password"]) as host:
        weak = weak_pair(authority, NAME)
        made = huawei.add(NAME, kind="rsa", export={"wrongKey": True})
        bench.secrets |= secret_texts(made["certificate"]["privateKey"])
        old = aliyun.certificate(NAME)
        balancer = aliyun.balancer({"port": 443, "certificateId": old["id"]})
        right = host.ssh_secret(password=True)
        huawei.fault(operation="ListCertificates", kind="status", status=500, every=2)
        aliyun.fault(operation="UploadServerCertificate", kind="status", status=500)
        with watched_command_lines() as seen:
            for ssh, keys in (
                ({**right, "password": "Wrong-Password-Of-Somebody-9"}, HUAWEI_KEYS),
                (right, {**HUAWEI_KEYS, "secretAccessKey": "WrongSecretAccessKey0000000000000000009"}),
                ({**right, "known_hosts": host.known_hosts("wrong")}, {**HUAWEI_USER, "password": "Wrong-Password-2x"}),
                (right, HUAWEI_KEYS),
            ):
                bench.declare(
                    tls_secret("weak-tls", weak), secret("ssh", ssh), secret("huawei", keys),
                    tls_secret("shop-tls", authority.issue([NAME], kind="rsa")),
                    secret("aliyun", {**ALIYUN_KEYS, "accessKeySecret": "not-the-secret-of-it"}, encoded=True),
                    binding("refused", from_secret("weak-tls"), to_hosts([host])),
                    binding("from-scm", from_scm(huawei.url, domain=NAME), to_hosts(
                        [host], certificatePath=str(host.certificate_path) + ".2",
                        privateKeyPath=str(host.private_key_path) + ".2")),
                    binding("to-slb", from_secret("shop-tls"), to_slb(aliyun.url, balancer.id)),
                )
                result = bench.apply()
                assert result.code == 1, result
                assert bench.plan().code == 1
        for text in bench.secrets:
            assert text not in "\n".join(seen)
            assert text not in huawei.urls() + aliyun.urls()
            assert text not in "\n".join(host.exec_journal() + host.sftp_journal())
        # The key that was refused did not stay on the disk; nobody asked for it to be kept.
        assert not any(files_with(host.prefix, text) for text in secret_texts(weak.key_pem))


def test_a_broken_declaration_shows_no_value_of_a_secret(bench) -> None:
    lines = [
        "apiVersion: v1", "kind: Secret", "metadata: {name: broken}",
        "stringData:", '  password: "The-Password-In-Question-3', "  more: x",
    ]
    bench.secrets |= {"The-Password-In-Question-3", "Another-Password-4"}
    (bench.folder / "broken.yaml").write_text("\n".join(lines))
    for text in ("\n".join(lines), "kind: Secret\napiVersion: v1\nmetadata: {name: a}\n"
                 "data: {password: Another-Password-4}\n",
                 "kind: Secret\napiVersion: v1\nmetadata: {name: a}\nstringData: [Another-Password-4]\n",
                 "kind: Secret\napiVersion: v1\nmetadata: {name: a}\nstringData:\n\tpassword: Another-Password-4\n",
                 "kind: Secret\napiVersion: v1\nmetadata: {name: a}\nstringData: {p: Another-Password-4\n",
                 "kind: Secret\napiVersion: v1\nmetadata: {name: a}\nstringData: {p: *Another-Password-4}\n"):
        (bench.folder / "broken.yaml").write_text(text)
        told = bench.validate()
        assert told.code == 1 and "broken.yaml:" in told.stdout, told
        assert bench.apply().code == 1


def test_a_crash_leaves_no_core_with_keys(bench, host, authority) -> None:
    bench.declare(
        tls_secret("shop-tls", authority.issue([NAME], kind="ec")), secret("ssh", host.ssh_secret()),
        binding("shop", from_secret("shop-tls"), to_hosts([host])),
    )
    with bench.run() as controller:
        controller.wait(lambda: "Deployed" in controller.events, "the first deployment")
        limits = Path(f"/proc/{controller.child.pid}/limits").read_text()
        [core] = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        assert core.split()[4:6] == ["0", "0"], core
        # A process that may not be dumped is not to be looked into by others of the same user either.
        maps = Path(f"/proc/{controller.child.pid}/mem")
        assert maps.stat().st_uid == 0
        os.kill(controller.child.pid, signal.SIGABRT)
        assert controller.child.wait(10) == -signal.SIGABRT
    assert not list(bench.directory.rglob("core*"))
