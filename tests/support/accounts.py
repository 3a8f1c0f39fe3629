"""Login accounts that exist for one sshd alone, by way of a private mount namespace.

Password login and sudo need entries in /etc/passwd, /etc/shadow and /etc/sudoers. Copies with those entries
are laid over the real files in a mount namespace of the server's own: real authentication by OpenSSH, and
the machine stays as it is, whatever happens to the test.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.processes import program

# Above what useradd gives to people and below what systemd uses for dynamic users.
_FIRST_UID = 60600

_ENTER = """\
set -eu
overlay=$1
shift
for file in etc/passwd etc/group etc/shadow etc/sudoers etc/pam.d/sshd; do
  if [ -e "$overlay/$file" ]; then mount --bind "$overlay/$file" "/$file"; fi
done
exec "$@"
"""

_PAM_SSHD = """\
auth required pam_unix.so nodelay
account required pam_unix.so
session required pam_unix.so
"""


@dataclass(frozen=True)
class Account:
    """Who logs in. `password` None means that only keys open the account."""

    name: str
    uid: int
    gid: int
    home: Path
    password: str | None = None
    sudo: bool = False


def current_account(home: Path, password: str | None) -> Account:
    """The user who runs the tests: root on a build machine, anyone at a desk."""
    entry = pwd.getpwuid(os.geteuid())
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, home, password)


def plain_account(name: str, home: Path, password: str | None, sudo: bool) -> Account:
    """A user without privileges who exists nowhere else. Raises RuntimeError where this process is not root."""
    _require_root()
    if any(entry.pw_name == name for entry in pwd.getpwall()):
        raise ValueError(f"the account {name} exists on this machine; take another name for the test's")
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    uid = next(candidate for candidate in range(_FIRST_UID, _FIRST_UID + 1000) if candidate not in taken)
    return Account(name, uid, uid, home, password, sudo)


def _require_root() -> None:
    if os.geteuid() != 0:
        raise RuntimeError("an account of its own or a password for a host takes root: run these tests as root")


def root_is_locked() -> bool:
    """Whether sshd would refuse even keys for root, as it does without PAM for a "!" in /etc/shadow."""
    for line in Path("/etc/shadow").read_text().splitlines():
        name, password = line.split(":")[:2]
        if name == "root":
            return password.startswith("!")
    return False


def namespace_command(overlay: Path, account: Account) -> list[str]:
    """What to put before a command so that it, and only it, knows the account. Writes the files into `overlay`.

    Raises RuntimeError where this process may not make mount namespaces.
    """
    _require_root()
    probe = subprocess.run(
        [program("unshare"), "--mount", "--propagation", "private", "true"], capture_output=True, text=True
    )
    if probe.returncode != 0:
        raise RuntimeError(
            "an account of its own or a password for a host takes a mount namespace, which was refused "
            f"({probe.stderr.strip()}): give the container CAP_SYS_ADMIN"
        )
    _write_overlay(overlay, account)
    enter = overlay / "enter"
    enter.write_text(_ENTER)
    return [program("unshare"), "--mount", "--propagation", "private", "--", "/bin/sh", str(enter), str(overlay)]


def _write_overlay(overlay: Path, account: Account) -> None:
    secret = _crypt(account.password) if account.password is not None else "*"
    known = account.name in {entry.pw_name for entry in pwd.getpwall()}
    passwd = Path("/etc/passwd").read_text()
    group = Path("/etc/group").read_text()
    if not known:
        passwd += f"{account.name}:x:{account.uid}:{account.gid}:test account:{account.home}:/bin/bash\n"
        group += f"{account.name}:x:{account.gid}:\n"
    shadow = [line for line in Path("/etc/shadow").read_text().splitlines() if line.split(":")[0] != account.name]
    shadow.append(f"{account.name}:{secret}:20000:0:99999:7:::")
    _write(overlay / "etc/passwd", passwd, 0o644)
    _write(overlay / "etc/group", group, 0o644)
    _write(overlay / "etc/shadow", "\n".join(shadow) + "\n", 0o600)
    _write(overlay / "etc/pam.d/sshd", _PAM_SSHD, 0o644)
    if Path("/etc/sudoers").exists():
        rule = f"{account.name} ALL=(ALL:ALL) NOPASSWD: ALL\n" if account.sudo else ""
        _write(overlay / "etc/sudoers", f"root ALL=(ALL:ALL) ALL\n{rule}", 0o440)
    elif account.sudo:
        raise RuntimeError("sudo is not installed: run scripts/deps")


def _write(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)


def _crypt(password: str) -> str:
    result = subprocess.run(
        [program("openssl"), "passwd", "-6", "-stdin"], input=password, capture_output=True, text=True, check=True
    )
    return result.stdout.strip()
