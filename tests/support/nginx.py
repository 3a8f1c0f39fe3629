"""nginx with a prefix of its own, and what a client sees of it."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

from support.pki import leaf_sha256
from support.processes import command_line, descendants, program, start, stop, wait_until

_CONFIG = """\
daemon off;
worker_processes 1;
{user}
pid run/nginx.pid;
error_log logs/error.log notice;
# A client that keeps a connection must not keep a worker of an old configuration.
worker_shutdown_timeout 2s;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path tmp/body;
  proxy_temp_path tmp/proxy;
  fastcgi_temp_path tmp/fastcgi;
  uwsgi_temp_path tmp/uwsgi;
  scgi_temp_path tmp/scgi;
  server_names_hash_bucket_size 128;
  include conf.d/*.conf;
{servers}
}}
"""

_SERVER = """\
  server {{
    listen {address}:{port} ssl{default};
    server_name {name};
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    location / {{ return 200 "{name}\\n"; }}
  }}
"""


class NginxServer:
    """One master with one worker below `prefix`, which serves the pair to every name of `names`."""

    def __init__(
        self, prefix: Path, address: str, port: int, names: Sequence[str], certificate: Path, private_key: Path
    ) -> None:
        self.prefix = prefix
        self.address = address
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        for folder in ("conf/conf.d", "logs", "run", "tmp"):
            (prefix / folder).mkdir(parents=True)
        servers = "".join(
            _SERVER.format(
                address=address, port=port, name=name, default=" default_server" if index == 0 else "",
                certificate=certificate, key=private_key,
            )
            for index, name in enumerate(names)
        )
        user = "user root;" if os.geteuid() == 0 else ""
        (prefix / "conf/nginx.conf").write_text(_CONFIG.format(user=user, servers=servers))
        (prefix / "logs/error.log").touch()

    @property
    def command(self) -> list[str]:
        """nginx for this prefix; what it has to say goes to the prefix's own log from the first line."""
        return self.command_for(self.prefix)

    @staticmethod
    def command_for(prefix: Path) -> list[str]:
        """The same for whoever sees the prefix under another path."""
        return [program("nginx"), "-p", f"{prefix}/", "-e", "logs/error.log", "-c", "conf/nginx.conf"]

    @property
    def pid(self) -> int:
        """Of the master; 0 while there is none."""
        try:
            return int((self.prefix / "run/nginx.pid").read_text() or 0)
        except FileNotFoundError:
            return 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns when the ports are open. Raises RuntimeError with nginx's words where it does not start."""
        # A master that was killed leaves its pid file.
        (self.prefix / "run/nginx.pid").unlink(missing_ok=True)
        self._process = start(self.command)
        process = self._process
        wait_until(
            lambda: self.pid or process.poll() is not None,
            f"nginx to listen on {self.address}:{self.port}",
            evidence=self.log,
        )
        if process.poll() is not None:
            raise RuntimeError(f"nginx did not start:\n{self.log()}")

    def stop(self) -> None:
        if self._process is not None:
            stop(self._process)
            self._process = None

    def set_snippet(self, name: str, text: str | None) -> None:
        """Puts a file into conf.d, or removes it; running workers do not see it before a reload."""
        path = self.prefix / "conf/conf.d" / f"{name}.conf"
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text)

    def accepting_workers(self) -> int:
        """Workers that take new connections. For a tenth of a second and more after a reload those of the old
        configuration do as well as the new ones, and a client may meet either."""
        titles = [command_line(pid) for pid in descendants(self.pid)] if self.running else []
        return titles.count("nginx: worker process")

    def log(self) -> str:
        return (self.prefix / "logs/error.log").read_text(errors="replace")

    def reloads(self) -> int:
        """How often the master was asked to read its configuration again."""
        return self.log().count("(SIGHUP) received")


def served(address: str, port: int, server_name: str | None, timeout: float = 5.0) -> str:
    """SHA-256 (lower-case hex) of the leaf that a TLS client gets, whatever is wrong with it.

    Raises OSError (ssl.SSLError is one) where there is no handshake.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # Looking at a weak certificate is the point of some tests.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with socket.create_connection((address, port), timeout) as raw:
        with context.wrap_socket(raw, server_hostname=server_name) as connection:
            der = connection.getpeercert(binary_form=True)
    if der is None:
        raise ssl.SSLError(f"{address}:{port} showed no certificate")
    return hashlib.sha256(der).hexdigest()


def openssl_served(address: str, port: int, server_name: str | None, timeout: float = 10.0) -> tuple[str, int]:
    """The same by openssl's own client, with the number of certificates in the chain that was sent."""
    name = ["-servername", server_name] if server_name else ["-noservername"]
    result = subprocess.run(
        [program("openssl"), "s_client", "-connect", f"{address}:{port}", *name, "-showcerts"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout,
    )
    certificates = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", result.stdout, re.DOTALL)
    if not certificates:
        raise ConnectionError(f"openssl s_client got no certificate from {address}:{port}: {result.stderr.strip()}")
    return leaf_sha256(certificates[0]), len(certificates)
