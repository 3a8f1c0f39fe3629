"""What happens on the stage, step by step. Every step says what it expects and fails where that does not come."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from .clients import Audience, Place, Seen, look, look_everywhere
from .screen import Screen
from .stage import BALANCER, PAY, SHOP, Stage, StatusItem

_DEADLINE = 30.0
_POLL_INTERVAL = 0.15
_LOOK = "openssl s_client -connect … -servername NAME   # what clients are served"
# The time of day of an expiry; the date is enough for a line.
_CLOCK = re.compile(r"(?<=\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\dZ")
_WRONG_DIRECTIVE = "this_is_no_directive"


class Unmet(Exception):
    """Something that the show expects did not happen."""


def expect(holds: object, what: str) -> None:
    if not holds:
        raise Unmet(what)


class Show:
    """Runs the steps in order. `seconds` is what each took, by its title."""

    def __init__(self, stage: Stage, screen: Screen) -> None:
        self.stage = stage
        self.screen = screen
        self.seconds: dict[str, float] = {}
        self._audience = Audience(stage.places)
        self._heard = 0
        self._items: dict[str, StatusItem] = {}
        self._table = ""
        self._summary = ""

    def play(self) -> None:
        self._audience.start()
        try:
            self._introduce()
            self._before()
            self._first_run()
            self._renewal()
            self._drift()
            self._bad_configuration()
            self._mended()
            self._changed_file()
        finally:
            self._audience.stop()
        self._clients_were_served()

    # The steps

    def _introduce(self) -> None:
        stage, screen = self.stage, self.screen
        with self._step("The stage", numbered=False):
            screen.table(
                ("", "SSH", "HTTPS", "WHAT IT IS"),
                [
                    *(
                        (label, host.endpoint, f"{host.address}:{host.tls_port}", "a host with real sshd and nginx")
                        for label, host in stage.hosts.items()
                    ),
                    ("slb", "", stage.places[-1].endpoint, f"listener of {BALANCER} at an emulated Alibaba SLB"),
                    ("scm", "", "", f"an emulated Huawei SCM with a certificate for {SHOP}"),
                ],
            )
            if not stage.one_binding:
                screen.say(
                    "Mount namespaces are not allowed here (they take root, and CAP_SYS_ADMIN in a container), so the "
                    "hosts have different paths, and a binding each in place of one for all three.", "dim",
                )  # fmt: skip

    def _before(self) -> None:
        stage, screen = self.stage, self.screen
        with self._step("Before: certificates that somebody installed by hand"):
            self._look({place: "by hand" for place in stage.places})
            screen.line()
            screen.command("certbinder validate -f manifests")
            done = stage.command("validate", "-f", str(stage.folder))
            screen.block(done.stdout + done.stderr)
            expect(done.returncode == 0, "validate to find no fault")
            screen.command("certbinder plan -f manifests")
            done = stage.command("plan", *stage.options)
            screen.block(done.stdout + done.stderr)
            expect(done.returncode == 2, f"plan to exit with 2 (changes to make), not {done.returncode}")

    def _first_run(self) -> None:
        stage, screen = self.stage, self.screen
        with self._step("certbinder run: what is declared is brought about"):
            screen.command("certbinder run -f manifests --state-dir state")
            stage.run()
            self._converge()
            self._show_status()
            self._look()

    def _renewal(self) -> None:
        with self._step("Renewed in SCM"):
            sha256 = self.stage.renew("renewed in SCM", days=120)
            self.screen.say(f"SCM has a follow-up now: {sha256[:16]}. Nobody touches a host or a console.")
            self._converge()
            self._show_status(endpoints=False)
            self._look()

    def _drift(self) -> None:
        stage, screen = self.stage, self.screen
        with self._step("A certificate is overwritten by hand on web2"):
            host, place = stage.hosts["web2"], stage.places[1]
            began = time.monotonic()
            own = stage.hand_made("overwritten by hand", SHOP)
            host.install_plain(own.bundle_pem, own.key_pem)
            screen.command("cp my.pem certificate.pem; cp my.key privateKey.key; nginx -s reload   # on web2")
            stage.reload_nginx("web2")
            self._glimpse(place, own.sha256)
            screen.line()
            self._hear("DriftDetected", host.endpoint)
            self._hear("DriftCorrected", host.endpoint)
            changes = self._changes_until(place, began, stage.wanted)
            # Between a reload and the end of the old workers both answer in turn: the first and the last word count.
            for when, sha256 in changes[:1] + changes[1:][-1:]:
                text = f"are served the certificate {stage.known.get(sha256, sha256[:16])}"
                screen.entry(f"{f'+{when - began:.1f} s':>8}  {'clients':<16} {'of web2':<9}", text)
            if not changes:
                screen.say("certbinder was quicker than any client")
            self._converge()
            self._show_status(endpoints=False)
            self._look()

    def _bad_configuration(self) -> None:
        stage, screen = self.stage, self.screen
        with self._step("Renewed again, while web2's nginx configuration is broken"):
            before, host, began = stage.wanted, stage.hosts["web2"], time.monotonic()
            host.break_nginx_config()
            stage.renew("renewed again", days=200)
            screen.command(f"echo '{_WRONG_DIRECTIVE} on;' > conf.d/broken.conf   # on web2")
            self._hear("RolledBack", host.endpoint)
            self._converge(self._has_rolled_back)
            self._show_status()
            held = stage.places[1:3] if stage.one_binding else stage.places[1:2]
            self._look({place: before for place in held})
            failed = self._web_binding_of("web2").condition("Deployed")
            expect(failed["reason"] == "ConfigTestFailed", f"the reason ConfigTestFailed, not {failed['reason']}")
            expect(_WRONG_DIRECTIVE in failed["message"], f"nginx's own words in the message: {failed['message']}")
            screen.line()
            screen.entry(f"Deployed {failed['status']} {failed['reason']}:", failed["message"])
            changes = self._audience.changes(stage.places[1], began)
            expect(not changes, f"clients of web2 to be served the old certificate throughout, not {changes}")
            screen.good("web2 was switched back before any client could notice" + (
                ", and web3 was not touched" if stage.one_binding else ""
            ))  # fmt: skip

    def _mended(self) -> None:
        with self._step("The configuration is mended"):
            self.stage.hosts["web2"].mend_nginx_config()
            self.screen.command("rm conf.d/broken.conf   # on web2")
            self._converge()
            self._show_status(endpoints=False)
            self._look()

    def _changed_file(self) -> None:
        stage = self.stage
        with self._step(f"A new pair in the Secret of {PAY}"):
            stage.renew_pay("new in the Secret")
            self.screen.command("mv 40-pay-tls.yaml.new manifests/40-pay-tls.yaml")
            self._converge()
            self._show_status(endpoints=False)
            self._look()

    def _clients_were_served(self) -> None:
        failures = self._audience.failures
        expect(not failures, f"every client to be served; {len(failures)} were not: {'; '.join(failures[:3])}")

    def finish(self, total: float) -> None:
        """Ends certbinder as systemd does, and sums up."""
        screen = self.screen
        with self._step("SIGTERM"):
            code = self.stage.end()
            expect(code == 0, f"certbinder run to exit with 0 on SIGTERM, not {code}")
            screen.good("certbinder ended the work in hand and exited with 0")
        self.sum_up(total)

    def sum_up(self, total: float) -> None:
        screen = self.screen
        screen.heading(screen.sign("●", "*"), "Summary")
        for title, seconds in self.seconds.items():
            screen.good(f"{seconds:5.1f} s  {title}")
        screen.good(
            f"{total:5.1f} s  in all; another client made {self._audience.handshakes} handshakes meanwhile, all of "
            "them were answered"
        )

    # Looking and waiting

    @contextmanager
    def _step(self, title: str, numbered: bool = True) -> Iterator[None]:
        number = str(len(self.seconds) + 1) if numbered else self.screen.sign("●", "*")
        self.screen.heading(number, title)
        began = time.monotonic()
        self._began_at = time.time()
        yield
        if numbered:
            self.seconds[title] = time.monotonic() - began

    def _look(self, others: dict[Place, str] | None = None) -> None:
        """Asks each place by openssl, and expects what is wanted there; `others` are held to be served another
        certificate, by SHA-256 or by a part of its label."""
        stage = self.stage
        seen = self._settled_look(others or {})
        self.screen.line()
        self._show_seen(seen)
        expect(not self._surprises(seen, others or {}), "; ".join(self._surprises(seen, others or {})))

    def _changes_until(self, place: Place, since: float, sha256: str) -> list[tuple[float, str]]:
        """What the audience was served since then, once that has ended with this certificate. Nothing, where certbinder
        was quicker than any client."""
        end = time.monotonic() + _DEADLINE
        before = self._audience.handshakes_at(place)
        while True:
            changes = self._audience.changes(place, since)
            if changes and changes[-1][1] == sha256:
                return changes
            if not changes and self._audience.handshakes_at(place) >= before + 2:
                return []
            expect(time.monotonic() < end, f"clients of {place.label} to be served {sha256[:16]} again")
            time.sleep(_POLL_INTERVAL)

    def _glimpse(self, place: Place, sha256: str) -> None:
        """Catches what is served for a moment only, if openssl is quick enough; the audience sees it in any case."""
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            seen = look(place, self.stage.authorities)
            if seen.sha256 == sha256:
                self._show_seen([seen])
                return

    def _show_seen(self, seen: Sequence[Seen]) -> None:
        self.screen.command(_LOOK)
        self.screen.table(
            ("", "NAME", "SUBJECT", "SHA-256", "UNTIL", "CHAIN", "WHICH ONE"),
            [
                (
                    one.place.label, one.place.name, one.subject, one.sha256[:16], one.not_after,
                    "verified" if one.verified else "refused", self.stage.known.get(one.sha256, "unknown"),
                )
                for one in seen
            ],
        )  # fmt: skip

    def _settled_look(self, others: dict[Place, str]) -> list[Seen]:
        """After a reload nginx's old workers answer for a moment more, so a look that surprises is taken again."""
        end = time.monotonic() + _DEADLINE
        while True:
            seen = look_everywhere(self.stage.places, self.stage.authorities)
            if not self._surprises(seen, others) or time.monotonic() > end:
                return seen

    def _surprises(self, seen: Sequence[Seen], others: dict[Place, str]) -> list[str]:
        found = []
        for one in seen:
            expected = others.get(one.place) or self.stage.wanted_at(one.place)
            label = self.stage.known.get(one.sha256, "")
            if one.sha256 != expected and expected not in label:
                found.append(f"clients of {one.place.label} to be served {expected[:16]}, not {one.sha256[:16]}")
            # Before certbinder a name may well be served another name's certificate.
            if not one.verified and not others:
                found.append(f"the chain of {one.place.label} to verify")
        return found

    def _converge(self, reached: Callable[[dict[str, StatusItem]], bool] | None = None) -> None:
        """Shows the status until everything is Ready with the certificate that is wanted, or `reached` says so."""
        done = reached or self._all_ready
        began = time.monotonic()
        while True:
            items, table = self.stage.status(), self.stage.status_table()
            self._items, self._table = items, table
            if done(items):
                break
            self._show_progress(items, table, time.monotonic() - began)
            self._check_alive()
            expect(time.monotonic() < began + _DEADLINE, f"certbinder to converge; it says:\n{table}")
            time.sleep(_POLL_INTERVAL)
        self.screen.erase()
        self._tell_events()

    def _show_progress(self, items: dict[str, StatusItem], table: str, seconds: float) -> None:
        """The table itself where it can be drawn anew, else a line for each change."""
        if self.screen.terminal:
            self.screen.redraw(table)
            return
        summary = " | ".join(item.summary for item in items.values())
        if summary != self._summary:
            self.screen.line(self.screen.words(f"{f'+{seconds:.1f} s':>8}  {summary}"))
            self._summary = summary

    def _show_status(self, endpoints: bool = True) -> None:
        """What `_converge` saw last: both tables, or the one of the bindings."""
        self.screen.line()
        self.screen.command("certbinder status -f manifests")
        self.screen.block(self._table if endpoints else self._table.split("\n\n")[0])

    def _all_ready(self, items: dict[str, StatusItem]) -> bool:
        return bool(items) and all(
            item.is_ready_with(self.stage.wanted_pay if item.name == "pay-slb" else self.stage.wanted)
            for item in items.values()
        )

    def _has_rolled_back(self, items: dict[str, StatusItem]) -> bool:
        """web2 is back at the old certificate, web1 and the listener have the new one."""
        stage, hosts = self.stage, self.stage.hosts
        states = {name: endpoint for item in items.values() for name, endpoint in item.endpoints.items()}

        def holds(name: str, state: str, sha256: str) -> bool:
            endpoint = states.get(name, {})
            return endpoint.get("state") == state and endpoint.get("servedFingerprintSHA256") == sha256

        return (
            holds(hosts["web1"].endpoint, "InSync", stage.wanted)
            and states.get(hosts["web2"].endpoint, {}).get("state") == "RolledBack"
            and items["shop-slb"].is_ready_with(stage.wanted)
        )

    def _web_binding_of(self, label: str) -> StatusItem:
        """As `_converge` saw it last: the next try may be under way by now."""
        return self._items["shop-web" if self.stage.one_binding else f"shop-{label}"]

    def _hear(self, event: str, endpoint: str) -> None:
        """Waits until certbinder tells of this event since the step began."""
        end = time.monotonic() + _DEADLINE
        while not any(
            line["event"] == event and endpoint in line["msg"] for line in self.stage.events()[self._heard :]
        ):
            self._check_alive()
            expect(time.monotonic() < end, f"the event {event} for {endpoint}")
            time.sleep(_POLL_INTERVAL)

    def _tell_events(self) -> None:
        """Prints what certbinder told since last time; what it repeats on each try is printed once."""
        events = self.stage.events()
        if len(events) > self._heard:
            self.screen.command("grep event certbinder.log")
        told: set[tuple[str, ...]] = set()
        for line in events[self._heard :]:
            key = (line["event"], line["name"], line["msg"])
            if key in told:
                continue
            told.add(key)
            after = datetime.fromisoformat(line["ts"]).timestamp() - self._began_at
            head = f"{f'+{after:.1f} s':>8}  {line['event']:<16} {line['name']:<9}"
            self.screen.entry(head, self._short(line), lines=4)
        self._heard = len(events)

    def _short(self, line: dict[str, Any]) -> str:
        text = str(line["msg"])
        for label, host in self.stage.hosts.items():
            text = text.replace(host.endpoint, label)
        return _CLOCK.sub("", text)

    def _check_alive(self) -> None:
        code = self.stage.exit_code()
        expect(code is None, f"certbinder run to go on; it ended with {code}")
