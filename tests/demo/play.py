"""What `--keep` leaves for playing: small scripts in the show's folder, and a page that says what to try."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from support.processes import program

from .screen import Screen
from .stage import SHOP, Stage

# Longer than any certificate of the show, so that each renewal expires last.
_RENEWAL = '{"validForDays": 365}'

_LOOK = r"""#!/bin/sh
# What clients are served, asked with openssl.
look() {{
  printf '%-5s %-18s %-17s ' "$1" "$2" "$3"
  openssl s_client -connect "$2" -servername "$3" </dev/null 2>/dev/null |
    openssl x509 -noout -fingerprint -sha256 -enddate 2>/dev/null |
    sed -n -e '/ingerprint=/{{s/.*=//;s/://g;y/ABCDEF/abcdef/;s/^\(.\{{16\}}\).*/\1/;p;}}' \
      -e 's/notAfter=/until /p' |
    paste -s -d ' ' -
}}
{lines}"""

_STATUS = """\
#!/bin/sh
# What certbinder knows; -o json shows all of it.
exec {binary} status {options} "$@"
"""

_RENEW = """\
#!/bin/sh
# The authority renews the certificate in SCM; the newest is the one that expires last.
{command} && echo "renewed: ./look shows it in a few seconds"
"""

_OVERWRITE = """\
#!/bin/sh
# overwrite HOST: somebody installs a certificate of their own.
set -eu
case ${{1:-}} in {labels}) ;; *) echo "usage: $0 {labels}" >&2; exit 2 ;; esac
cert={directory}/$1/nginx/conf/cert
openssl req -x509 -newkey rsa:2048 -nodes -days 3 -subj /CN={name} -addext subjectAltName=DNS:{name} \\
  -keyout "$cert/my.key" -out "$cert/my.pem" 2>/dev/null
mv "$cert/my.key" "$cert/privateKey.key"
mv "$cert/my.pem" "$cert/certificate.pem"
{nginx} -p {directory}/"$1"/nginx/ -e logs/error.log -c conf/nginx.conf -s reload
"""

_BREAK = """\
#!/bin/sh
# break HOST: a configuration that nginx refuses. mend HOST takes it back.
set -eu
case ${{1:-}} in {labels}) ;; *) echo "usage: $0 {labels}" >&2; exit 2 ;; esac
echo 'this_is_no_directive on;' >{directory}/"$1"/nginx/conf/conf.d/broken.conf
"""

_MEND = """\
#!/bin/sh
set -eu
case ${{1:-}} in {labels}) ;; *) echo "usage: $0 {labels}" >&2; exit 2 ;; esac
rm -f {directory}/"$1"/nginx/conf/conf.d/broken.conf
"""


def write_scripts(stage: Stage) -> None:
    """Puts look, status, renew, overwrite, break and mend into the folder of the show."""
    directory = shlex.quote(str(stage.directory))
    labels = "|".join(stage.hosts)
    common = {"directory": directory, "labels": labels, "name": SHOP, "nginx": shlex.quote(program("nginx"))}
    looks = "".join(f"look {place.label} {place.endpoint} {place.name}\n" for place in stage.places)
    options = shlex.join(stage.options)
    scripts = {
        "look": _LOOK.format(lines=looks),
        "status": _STATUS.format(binary=shlex.quote(str(stage.binary)), options=options),
        "renew": _RENEW.format(command=renew_command(stage)),
        "overwrite": _OVERWRITE.format(**common),
        "break": _BREAK.format(**common),
        "mend": _MEND.format(**common),
    }
    for name, text in scripts.items():
        path = stage.directory / name
        path.write_text(text)
        path.chmod(0o755)


def renew_command(stage: Stage) -> str:
    url = f"{stage.scm_admin_url}/admin/certificates/{stage.scm_first}/renew"
    if shutil.which("curl"):
        return f"curl -fsS -o /dev/null -d '{_RENEWAL}' {url}"
    call = f"import urllib.request as u; u.urlopen({url!r}, {_RENEWAL!r}.encode())"
    return shlex.join([sys.executable, "-c", call])


def explain(stage: Stage, screen: Screen) -> None:
    """How to play, and how to end it."""
    directory = stage.directory
    screen.heading(screen.sign("●", "*"), "Yours to play with")
    screen.say("Everything goes on running until Ctrl-C here (or SIGTERM); then all of it is removed.")
    screen.line()
    screen.line(screen.style(f"cd {directory}", "bold"))
    screen.line()
    for command, what in (
        ("./look", "what clients are served"),
        ("./status", "what certbinder knows; ./status -o json for all of it"),
        ("./renew", "the authority renews the certificate in SCM"),
        ("./overwrite web1", "somebody installs a certificate by hand; watch it being repaired"),
        ("./break web2; ./renew", "nginx refuses its configuration: rolled back, and said so"),
        ("./mend web2", "and it converges"),
        ("$EDITOR manifests/*.yaml", "changes take effect when the file is saved; a broken file is reported"),
        ("tail -f certbinder.log", "what certbinder says, JSON lines"),
        (f"ls -la {_shown(stage, 'web1')}", "how the files of a host are laid out"),
    ):
        screen.line(f"{screen.style(command, 'cyan')}{' ' * max(2, 31 - len(command))}{what}")
    screen.line()
    screen.line(screen.style("The renewal is this call:", "dim"))
    screen.line(screen.style(renew_command(stage), "dim"))


def _shown(stage: Stage, label: str) -> Path:
    return Path(label) / stage.hosts[label].certificate_path.parent.relative_to(stage.hosts[label].directory)
