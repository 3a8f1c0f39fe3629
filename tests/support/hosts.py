"""Hosts as certbinder meets them: a real sshd and a real nginx on a loopback address of their own.

    with Host(tmp_path, names=["shop.example.com"]) as host:
        secret = host.ssh_secret()           # the data of the Secret that opens the host
        target = host.target("web-ssh")      # spec.target.nginx for it
        ...
        host.wait_served(new.sha256)

Everything a host has lies below its folder; nothing of the machine is changed. Any number of test processes
may run at once. As root and as a plain user alike, except for hosts with an `account` or a `password`,
which take root.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import nginx as nginx_module
from support.accounts import current_account, plain_account
from support.nginx import NginxServer
from support.pki import CertificateFactory, Issued
from support.processes import free_port, wait_until
from support.sshd import AuthAttempt, SshServer
from support.ssh_keys import SshKey, client_key

# Below the ephemeral range; 22 and 443 may be taken at 0.0.0.0 by the machine's own servers.
_SSH_PORT = 20022
_TLS_PORT = 20443
# Whoever listens on this port of an address owns the address.
_CLAIM_PORT = 20001


@dataclass(frozen=True)
class FileState:
    """All that a write, a replacement or a touch would change."""

    kind: str
    mode: int
    uid: int
    gid: int
    inode: int
    mtime_ns: int
    content: str
    """SHA-256 of a file, destination of a link, empty for a folder."""


class _Claim:
    """Ownership of a loopback address, by a socket: the kernel gives it up when the process ends in any way."""

    def __init__(self) -> None:
        # Start at a place that differs between processes, so that many of them rarely meet.
        first = os.getpid() * 37
        for number in range(254 * 8):
            third, fourth = divmod((first + number) % (254 * 8), 254)
            address = f"127.0.{2 + third}.{1 + fourth}"
            claim = socket.socket()
            try:
                claim.bind((address, _CLAIM_PORT))
                claim.listen(1)
            except OSError:
                claim.close()
                continue
            self.address, self._socket = address, claim
            return
        raise RuntimeError("all loopback addresses from 127.0.2.1 to 127.0.9.254 are in use by other tests")

    def release(self) -> None:
        self._socket.close()


class Host:
    """A server with sshd and nginx. Use as a context manager, or `start` and `stop`.

    workdir          where the host's folder is made
    names            what nginx serves, each by SNI; the first is also the default
    initial          the pair in place at the start; default: an EC leaf for `names` under an authority of its own
    account          None: log in as whoever runs the tests; else the name of a plain user made for this host
    password         opens the account; makes "password" one of the methods unless `authentication` says otherwise
    sudo             the account may run anything by sudo -n
    authentication   methods that sshd offers: publickey, password, keyboard-interactive
    host_key_kinds, host_certificates, sshd_options, log_level: see SshServer
    nginx            False: sshd alone, a jump host for instance
    ssh_port, tls_port  fixed ports, 22 and 443 for instance; default: free ones
    site             a folder as which everyone who logs in sees nginx's prefix: with the same site several hosts have
                     the same paths, as the hosts of one binding must. Takes root
    """

    def __init__(
        self,
        workdir: str | os.PathLike[str],
        names: Sequence[str] = ("shop.example.com",),
        *,
        initial: Issued | None = None,
        account: str | None = None,
        password: str | None = None,
        sudo: bool = False,
        authentication: Sequence[str] | None = None,
        host_key_kinds: Sequence[str] = ("ed25519", "ecdsa"),
        host_certificates: bool = False,
        sshd_options: Sequence[str] = (),
        log_level: str = "VERBOSE",
        nginx: bool = True,
        ssh_port: int | None = None,
        tls_port: int | None = None,
        site: Path | None = None,
    ) -> None:
        self.names = tuple(names)
        self._claim = _Claim()
        self.address = self._claim.address
        self._own_folder = False
        try:
            self.directory = self._make_directory(Path(workdir), account)
            self.ssh_port = ssh_port or free_port(self.address, _SSH_PORT)
            self.tls_port = tls_port or free_port(self.address, _TLS_PORT)
            home = self.directory / "home"
            home.mkdir()
            if account is None:
                self.account = current_account(home, password)
            else:
                self.account = plain_account(account, home, password, sudo)
                os.chown(home, self.account.uid, self.account.gid)
            if authentication is None:
                authentication = ("publickey",) if password is None else ("publickey", "password")
            self.sshd = SshServer(
                self.directory / "ssh", self.address, self.ssh_port, self.account,
                own_account=account is not None, host_key_kinds=host_key_kinds, host_certificates=host_certificates,
                authentication=authentication, log_level=log_level, options=sshd_options,
                mount=None if site is None else (self.directory / "nginx", site),
            )
            self._site = site
            self._make_nginx(nginx, initial)
        except BaseException:
            self._claim.release()
            self._remove_own_folder()
            raise

    def _make_directory(self, workdir: Path, account: str | None) -> Path:
        parents = [workdir.resolve(), *workdir.resolve().parents]
        if account is None or all(parent.stat().st_mode & stat.S_IXOTH for parent in parents):
            path = Path(tempfile.mkdtemp(prefix="host-", dir=workdir))
        else:
            # pytest's folders are closed to other users, and a plain account has to reach its host's files.
            _remove_abandoned()
            path = Path(tempfile.mkdtemp(prefix=f"certbinder-host-{os.getpid()}-"))
            self._own_folder = True
        path.chmod(0o755)
        return path

    def _make_nginx(self, wanted: bool, initial: Issued | None) -> None:
        self.prefix = self.directory / "nginx"
        self.certificate_path = self.prefix / "conf/cert/certificate.pem"
        self.private_key_path = self.prefix / "conf/cert/privateKey.key"
        self.nginx: NginxServer | None = None
        if wanted:
            self.nginx = NginxServer(
                self.prefix, self.address, self.tls_port, self.names, self.certificate_path, self.private_key_path
            )
            self.initial = initial or CertificateFactory("Host").issue(self.names, kind="ec")
            self.install_plain(self.initial.bundle_pem, self.initial.key_pem)

    def start(self) -> Host:
        self.sshd.start()
        if self.nginx is not None:
            self.nginx.start()
        return self

    def stop(self) -> None:
        """Stops both servers and gives the address back. Idempotent."""
        self.sshd.stop()
        if self.nginx is not None:
            self.nginx.stop()
        self._claim.release()
        self._remove_own_folder()

    def __enter__(self) -> Host:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _remove_own_folder(self) -> None:
        if self._own_folder:
            shutil.rmtree(self.directory, ignore_errors=True)

    # What a binding says about this host

    @property
    def endpoint(self) -> str:
        """The name of the endpoint in status.endpoints."""
        return f"{self.address}:{self.ssh_port}"

    @property
    def user(self) -> str:
        return self.account.name

    @property
    def site(self) -> Path:
        """nginx's prefix as those see it who log in."""
        return self._site or self.prefix

    @property
    def test_command(self) -> list[str]:
        return [*self._nginx().command_for(self.site), "-t"]

    @property
    def reload_command(self) -> list[str]:
        return [*self._nginx().command_for(self.site), "-s", "reload"]

    def entry(self) -> dict[str, Any]:
        """This host as a member of spec.target.nginx.hosts, with its own place to probe."""
        return {
            "address": self.address, "port": self.ssh_port,
            "probe": {"port": self.tls_port, "serverName": self.names[0]},
        }

    def target(self, credentials: str, **overrides: Any) -> dict[str, Any]:
        """spec.target.nginx for this host; `credentials` is the name of the Secret with `ssh_secret`.

        With `hosts`, the `entry` of each, it is the target of several hosts of one site.
        """
        return {
            "hosts": [{"address": self.address, "port": self.ssh_port}],
            "ssh": {"user": self.user, "credentialsRef": {"name": credentials}},
            "sudo": self.account.sudo,
            "certificatePath": str(self.site / self.certificate_path.relative_to(self.prefix)),
            "privateKeyPath": str(self.site / self.private_key_path.relative_to(self.prefix)),
            "testCommand": self.test_command,
            "reloadCommand": self.reload_command,
            "probe": {"port": self.tls_port, "serverName": self.names[0], "timeout": "5s"},
            **overrides,
        }

    # SSH

    def client_key(self, kind: str = "ed25519", form: str = "openssh", passphrase: str = "") -> SshKey:
        """A key (of ed25519, ecdsa, rsa) that opens the account; the same for all hosts of this process."""
        return self.sshd.authorize(client_key(kind, form, passphrase))

    def known_hosts(self, form: str = "plain", kinds: Sequence[str] | None = None) -> str:
        return self.sshd.known_hosts(form, kinds)

    def ssh_secret(
        self,
        kind: str = "ed25519",
        *,
        form: str = "openssh",
        passphrase: str = "",
        password: bool = False,
        certificate: bool = False,
        known_hosts: str = "plain",
    ) -> dict[str, str]:
        """Data of a Secret that opens this host: by key, by `password`, or by a key with a user `certificate`
        and without the key itself being authorized."""
        if password:
            if self.account.password is None:
                raise ValueError("this host has no password: give one to Host()")
            return {"password": self.account.password, "known_hosts": self.known_hosts(known_hosts)}
        key = client_key(kind, form, passphrase)
        secret = {"ssh-privatekey": key.private, "known_hosts": self.known_hosts(known_hosts)}
        if passphrase:
            secret["passphrase"] = passphrase
        if certificate:
            secret["ssh-certificate"] = self.sshd.user_certificate(key)
        else:
            self.sshd.authorize(key)
        return secret

    def log(self) -> str:
        return self.sshd.log()

    def auth_attempts(self) -> list[AuthAttempt]:
        return self.sshd.auth_attempts()

    def connections(self) -> int:
        return self.sshd.connections()

    def exec_journal(self) -> list[str]:
        return self.sshd.exec_journal()

    def sftp_journal(self) -> list[str]:
        return self.sshd.sftp_journal()

    # Files

    def install_plain(self, certificate_pem: str, key_pem: str) -> None:
        """Puts the pair in place as a person would: two plain files. No reload."""
        self.certificate_path.parent.mkdir(parents=True, exist_ok=True)
        pair = ((self.certificate_path, certificate_pem, 0o644), (self.private_key_path, key_pem, 0o600))
        for path, text, mode in pair:
            path.unlink(missing_ok=True)
            path.touch(mode)
            path.chmod(mode)
            path.write_text(text)

    def certificate_on_disk(self) -> str:
        return self.certificate_path.read_text()

    def snapshot(self, root: Path | None = None) -> dict[str, FileState]:
        """Every file, link and folder below `root` (default: nginx's conf, where the pair lies), by relative path."""
        top = root or self.prefix / "conf"
        return {str(path.relative_to(top)): _state(path) for path in [top, *_walk(top)]}

    # nginx

    def _nginx(self) -> NginxServer:
        if self.nginx is None:
            raise RuntimeError("this host was made without nginx")
        return self.nginx

    def start_nginx(self) -> None:
        self._nginx().start()

    def stop_nginx(self) -> None:
        self._nginx().stop()

    def break_nginx_config(self) -> None:
        """A syntax error beside the certificate: `nginx -t` fails whatever the pair, the running workers go on."""
        self._nginx().set_snippet("broken", "this_is_no_directive on;\n")

    def mend_nginx_config(self) -> None:
        """Takes back `break_nginx_config` and `refuse_small_keys`."""
        self._nginx().set_snippet("broken", None)
        self._nginx().set_snippet("strict", None)

    def refuse_small_keys(self) -> None:
        """From its next start, test or reload on nginx refuses RSA keys below 3072 bits ("ee key too small")
        and takes EC P-256: a configuration that is sound until the wrong pair comes."""
        self._nginx().set_snippet("strict", "ssl_ciphers DEFAULT:@SECLEVEL=3;\n")

    def reloads(self) -> int:
        return self._nginx().reloads()

    def nginx_log(self) -> str:
        return self._nginx().log()

    def served(self, server_name: str | None = None) -> str:
        """SHA-256 of the leaf that a client gets for the name (default: the first)."""
        return nginx_module.served(self.address, self.tls_port, server_name or self.names[0])

    def openssl_served(self, server_name: str | None = None) -> str:
        return nginx_module.openssl_served(self.address, self.tls_port, server_name or self.names[0])[0]

    def wait_served(self, sha256: str, server_name: str | None = None, deadline: float = 10.0) -> None:
        """Waits until this leaf is what clients get, and nothing else any more."""
        nginx = self._nginx()
        wait_until(
            # In this order: once the new leaf was seen, a single worker can only be the new one.
            lambda: self.served(server_name) == sha256 and nginx.accepting_workers() == 1,
            f"{self.endpoint} to serve {sha256[:16]}…", deadline, evidence=self.nginx_log,
        )


def shared_ssh_secret(hosts: Iterable[Host], kind: str = "ed25519", **options: Any) -> dict[str, str]:
    """Data of one Secret that opens all these hosts, as the hosts of one binding need it."""
    secrets = [host.ssh_secret(kind, **options) for host in hosts]
    return {**secrets[0], "known_hosts": "".join(secret["known_hosts"] for secret in secrets)}


def _walk(top: Path) -> list[Path]:
    return [Path(folder) / name for folder, folders, files in os.walk(top) for name in sorted(folders + files)]


def _state(path: Path) -> FileState:
    info = path.lstat()
    if stat.S_ISLNK(info.st_mode):
        kind, content = "link", os.readlink(path)
    elif stat.S_ISDIR(info.st_mode):
        kind, content = "folder", ""
    else:
        kind, content = "file", hashlib.sha256(path.read_bytes()).hexdigest()
    return FileState(
        kind, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, info.st_ino, info.st_mtime_ns, content
    )


def _remove_abandoned() -> None:
    """Folders of `_make_directory` whose process was killed before it could remove them."""
    for folder in Path(tempfile.gettempdir()).glob("certbinder-host-*-*"):
        pid = folder.name.split("-")[2]
        if folder.stat().st_uid == os.geteuid() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(folder, ignore_errors=True)
