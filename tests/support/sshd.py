"""OpenSSH's server on an address of its own, with a record of who came and what was run."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from support import ssh_keys
from support.accounts import Account, namespace_command, root_is_locked
from support.processes import program, start, stop, wait_until
from support.ssh_keys import SshKey, hashed_name, known_hosts_name

_SFTP_SERVER = "/usr/lib/openssh/sftp-server"

# bash reads the file named by BASH_ENV before a command that it was given; but one started by sshd reads
# ~/.bashrc instead unless SHLVL says that it is not the first shell. So the journal is complete, and the
# command runs as with any sshd: no ForceCommand, no environment that tells it.
_JOURNAL = """\
printf '%s\\0' "$BASH_EXECUTION_STRING" >>'{journal}'
unset BASH_ENV
"""

_SFTP_WRAPPER = """\
#!/bin/sh
exec {server} -e -l DEBUG3 2>>'{log}'
"""

# Lays one folder over another, for the command that follows and all that comes from it.
_AT = """\
set -eu
mount --bind "$1" "$2"
shift 2
exec "$@"
"""

_ATTEMPT = re.compile(
    r"^(?P<result>Accepted|Failed) (?P<method>\S+) for (?:invalid user )?(?P<user>\S+)"
    r" from \S+ port \d+ ssh2(?:: (?P<key>.*))?$"
)


@dataclass(frozen=True)
class AuthAttempt:
    """One attempt that sshd judged. `key` names a public key: its type and SHA256 fingerprint."""

    accepted: bool
    method: str
    user: str
    key: str


@lru_cache(maxsize=None)
def openssh_version() -> tuple[int, int]:
    text = subprocess.run([program("ssh"), "-V"], capture_output=True, text=True).stderr
    match = re.search(r"OpenSSH_(\d+)\.(\d+)", text)
    if match is None:
        raise RuntimeError(f"ssh -V tells no version: {text.strip()}")
    return int(match[1]), int(match[2])


class SshServer:
    """sshd in the folder `directory`, listening on `address`:`port` between `start` and `stop`.

    `authentication` is what the server offers: "publickey", "password", "keyboard-interactive".
    With `host_certificates` its host keys are certified by `ssh_keys.authority("host")`; user
    certificates of `ssh_keys.authority("user")` are always accepted. `mount` is a folder and the place, a
    folder too, where those who log in find it; nobody else sees it there. It takes root.
    """

    def __init__(
        self,
        directory: Path,
        address: str,
        port: int,
        account: Account,
        *,
        own_account: bool = False,
        host_key_kinds: Sequence[str] = ("ed25519", "ecdsa"),
        host_certificates: bool = False,
        authentication: Sequence[str] = ("publickey",),
        log_level: str = "VERBOSE",
        options: Sequence[str] = (),
        mount: tuple[Path, Path] | None = None,
    ) -> None:
        self.directory = directory
        self.address = address
        self.port = port
        self.account = account
        self._own_account = own_account
        self._host_certificates = host_certificates
        self._authentication = tuple(authentication)
        self._log_level = log_level
        self._options = tuple(options)
        self._mount = mount
        self._authorized: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._host_keys: list[SshKey] = []
        directory.mkdir(parents=True)
        self._write_fixtures()
        self.use_host_keys(host_key_kinds)

    def start(self) -> None:
        if os.geteuid() == 0:
            # What systemd or the init script does before sshd, which refuses to start without it.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self._config.write_text(self._config_text())
        self._log.touch()
        seen = self.log().count("Server listening on")
        errors = self.directory / "stderr"
        with errors.open("wb") as stderr:
            self._process = start(
                [*self._namespace(), program("sshd"), "-D", "-f", self._config, "-E", self._log], stderr=stderr
            )
        process = self._process
        wait_until(
            lambda: self.log().count("Server listening on") > seen or process.poll() is not None,
            f"sshd to listen on {self.address}:{self.port}",
            evidence=self.log,
        )
        if process.poll() is not None:
            raise RuntimeError(f"sshd did not start: {errors.read_text()}{self.log()}")

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process)
            self._process = None

    def freeze(self) -> None:
        """From now on connections are accepted by the kernel, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def use_host_keys(self, kinds: Sequence[str]) -> None:
        """Makes fresh host keys of these kinds; they count from the next `start`."""
        for old in self.directory.glob("host_key_*"):
            old.unlink()
        self._host_keys = [ssh_keys.new_key(kind) for kind in kinds]
        for key in self._host_keys:
            path = self.directory / f"host_key_{key.kind}"
            path.touch(0o600)
            path.write_text(key.private)
            if self._host_certificates:
                certificate = ssh_keys.sign(ssh_keys.authority("host"), key.public, [self.address], host=True)
                Path(f"{path}-cert.pub").write_text(certificate + "\n")

    @property
    def host_keys(self) -> tuple[SshKey, ...]:
        return tuple(self._host_keys)

    def authorize(self, key: SshKey) -> SshKey:
        """Lets the account in with this key, and gives the key back."""
        if key.public not in self._authorized:
            self._authorized.append(key.public)
            self._authorized_keys.write_text("".join(line + "\n" for line in self._authorized))
        return key

    def revoke_all(self) -> None:
        """From now on no plain key opens the account."""
        self._authorized.clear()
        self._authorized_keys.write_text("")

    def user_certificate(self, key: SshKey, validity: str = "always:forever") -> str:
        """A certificate for the key that this server accepts for its account, without the key being authorized."""
        return ssh_keys.sign(
            ssh_keys.authority("user"), key.public, [self.account.name], host=False, validity=validity
        )

    def known_hosts(self, form: str = "plain", kinds: Sequence[str] | None = None) -> str:
        """Lines for this server.

        Forms: plain, hashed, wildcard (a pattern over the whole network), cert-authority (needs
        `host_certificates`), revoked (each key listed and revoked), wrong (keys of somebody else).
        """
        name = known_hosts_name(self.address, self.port)
        keys = [key for key in self._host_keys if kinds is None or key.kind in kinds]
        if form == "cert-authority":
            return f"@cert-authority {name} {ssh_keys.authority('host').public}\n"
        if form == "wrong":
            return "".join(f"{name} {ssh_keys.new_key(key.kind).public}\n" for key in keys)
        if form == "wildcard":
            pattern = known_hosts_name(self.address.rsplit(".", 1)[0] + ".*", self.port)
            return "".join(f"{pattern} {key.public}\n" for key in keys)
        if form == "hashed":
            return "".join(f"{hashed_name(name)} {key.public}\n" for key in keys)
        if form == "revoked":
            return "".join(f"{name} {key.public}\n@revoked {name} {key.public}\n" for key in keys)
        if form == "plain":
            return "".join(f"{name} {key.public}\n" for key in keys)
        raise ValueError(f"unknown form of known_hosts {form!r}")

    def log(self) -> str:
        return self._log.read_text(errors="replace").replace("\r", "")

    def auth_attempts(self) -> list[AuthAttempt]:
        """All attempts that were judged, in order; asking which methods there are ("none") is no attempt."""
        found = []
        for line in self.log().splitlines():
            match = _ATTEMPT.match(line)
            if match and match["method"] != "none":
                found.append(
                    AuthAttempt(match["result"] == "Accepted", match["method"], match["user"], match["key"] or "")
                )
        return found

    def connections(self) -> int:
        """How many TCP connections were made so far."""
        return sum(line.startswith("Connection from ") for line in self.log().splitlines())

    def exec_journal(self) -> list[str]:
        """Every command that came over SSH, in order, exactly as it came. The start of SFTP is left out."""
        if self._journal.stat().st_size == 0:
            return []
        commands = self._journal.read_bytes().decode(errors="surrogateescape").split("\0")[:-1]
        return [command for command in commands if command != str(self._sftp_wrapper)]

    def sftp_journal(self) -> list[str]:
        """What was done over SFTP, in order, in the words of sftp-server: open "PATH" flags … mode 0600, …"""
        return self._sftp_log.read_text(errors="replace").replace("\r", "").splitlines()

    def sftp_sessions(self) -> int:
        return sum(line.startswith("session opened for local user") for line in self.sftp_journal())

    def forget(self) -> None:
        """Empties log and journals, so that a test counts from here."""
        for path in (self._log, self._journal, self._sftp_log):
            os.truncate(path, 0)

    def _write_fixtures(self) -> None:
        self._config = self.directory / "sshd_config"
        self._log = self.directory / "sshd.log"
        self._authorized_keys = self.directory / "authorized_keys"
        self._authorized_keys.touch()
        self._journal = self.directory / "exec.journal"
        self._sftp_log = self.directory / "sftp.log"
        for path in (self._journal, self._sftp_log):
            path.touch()
            path.chmod(0o666)  # written by whichever account logs in
        self._environment = self.directory / "journal.bash"
        self._environment.write_text(_JOURNAL.format(journal=self._journal))
        self._sftp_wrapper = self.directory / "sftp-server"
        self._sftp_wrapper.write_text(_SFTP_WRAPPER.format(server=_SFTP_SERVER, log=self._sftp_log))
        self._sftp_wrapper.chmod(0o755)
        (self.directory / "user_ca.pub").write_text(ssh_keys.authority("user").public + "\n")
        if not shutil.which(_SFTP_SERVER):
            raise RuntimeError(f"{_SFTP_SERVER} is missing: run scripts/deps")

    def _namespace(self) -> list[str]:
        command: list[str] = []
        needed = self._own_account or self.account.password is not None
        if needed or (os.geteuid() == 0 and root_is_locked()):
            command += namespace_command(self.directory / "overlay", self.account)
        if self._mount is not None:
            command += [program("unshare"), "--mount", "--propagation", "private", "--"]
            command += ["/bin/sh", "-c", _AT, "at", *map(str, self._mount)]
        return command

    def _config_text(self) -> str:
        def offered(method: str) -> str:
            return "yes" if method in self._authentication else "no"

        lines = [
            f"ListenAddress {self.address}:{self.port}",
            *(f"HostKey {self.directory / f'host_key_{key.kind}'}" for key in self._host_keys),
            "PidFile none",
            f"AuthorizedKeysFile {self._authorized_keys}",
            f"TrustedUserCAKeys {self.directory / 'user_ca.pub'}",
            # The folder belongs to the test and may lie below a world-writable one.
            "StrictModes no",
            "PermitRootLogin yes",
            f"PubkeyAuthentication {offered('publickey')}",
            f"PasswordAuthentication {offered('password')}",
            f"KbdInteractiveAuthentication {offered('keyboard-interactive')}",
            # sshd has keyboard-interactive by PAM only.
            f"UsePAM {offered('keyboard-interactive')}",
            "UseDNS no",
            "PrintMotd no",
            "PrintLastLog no",
            "AllowTcpForwarding yes",
            "MaxStartups 200",
            "MaxSessions 50",
            f"LogLevel {self._log_level}",
            f"SetEnv BASH_ENV={self._environment} SHLVL=1",
            f"Subsystem sftp {self._sftp_wrapper}",
        ]
        if self._host_certificates:
            lines += [f"HostCertificate {self.directory / f'host_key_{key.kind}-cert.pub'}" for key in self._host_keys]
        if openssh_version() >= (9, 8):
            # Else a test of refused logins would lock the loopback address out for the tests after it.
            lines.append("PerSourcePenalties no")
        # Of two lines for one keyword sshd takes the first.
        return "\n".join([*self._options, *lines]) + "\n"

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("sshd is not running")
        os.kill(self._process.pid, number)
