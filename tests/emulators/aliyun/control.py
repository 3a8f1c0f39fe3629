"""The admin face's own verbs: seeding, looking behind the API, and what a person does by hand.

| verb | body or query | does |
|---|---|---|
| GET, POST /admin/settings | see settings.py | shows or changes behaviour |
| POST /admin/settle | | ends every transition and delay under way |
| GET /admin/state | region | everything but PEM and secrets |
| POST /admin/certificates | region, names, kind, notBefore, notAfter; or certificate, privateKey; name, tags, fromCas | adds a certificate |
| POST /admin/balancers | region, id, name, address, spec, addressType, tags, backendServers, listeners, … | adds an instance |
| GET, DELETE /admin/balancers/ID | | shows or removes it |
| POST /admin/bulk | region, loadBalancers, listenersEach, certificateId, firstPort, idPrefix, serve (false) | adds many |
| GET, POST, PATCH, DELETE /admin/balancers/ID/listeners/PORT | POST as in listeners; PATCH attributes, ServerCertificateId, Status | one listener |
| GET, POST /admin/keys, DELETE /admin/keys/ID | id, secret, account, allowed, denied, active, token, expiresInSeconds | access keys |
| POST /admin/roles | arn, allowed, longestSeconds, oidcProvider, oidcTokens | roles of the token service |

A listener is {port, certificateId, attributes, status (running), serve (true), tags, extensions: [{domain, certificateId}]}.
`account` may be given wherever `region` may.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Mapping

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from emulators.common.admin import AdminCall, AdminError, AdminFace
from emulators.common.certs import CertificateFactory
from emulators.common.clock import Clock, parse_time

from . import attributes, pem
from .accounts import DEFAULT_ACCOUNT, Key, KeyRing, Role
from .errors import ApiError
from .gateway import DEFAULT_REGION
from .model import Balancer, Cell, Certificate, Extension, Listener, World

_LISTENER_DEFAULTS: dict[str, str | int] = {
    "BackendServerPort": 80, "Bandwidth": -1, "HealthCheck": "off", "StickySession": "off",
}  # fmt: skip
_BALANCER_FIELDS = {
    "name": "name", "addressType": "address_type", "spec": "spec", "status": "status", "vpcId": "vpc_id",
    "vSwitchId": "vswitch_id", "networkType": "network_type", "masterZoneId": "master_zone",
    "slaveZoneId": "slave_zone", "deleteProtection": "delete_protection",
}  # fmt: skip


def _known(body: Mapping[str, Any], *names: str) -> None:
    unknown = set(body) - set(names)
    if unknown:
        raise AdminError(400, f"unknown fields {', '.join(sorted(unknown))}; known are {', '.join(names)}")


def _text_map(value: Any, what: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(entry, str) for entry in value.values()):
        raise AdminError(400, f"{what} is an object of texts")
    return dict(value)


@dataclass
class Control:
    """The verbs. Each takes the world's lock for as long as it needs it."""

    world: World
    keys: KeyRing
    factory: CertificateFactory
    clock: Clock

    def _cell(self, body: Mapping[str, Any]) -> Cell:
        try:
            return self.world.cell(str(body.get("account", DEFAULT_ACCOUNT)), str(body.get("region", DEFAULT_REGION)))
        except ApiError as error:
            raise AdminError(400, error.message) from error

    def _find(self, balancer_id: str) -> tuple[Cell, Balancer]:
        for cell in self.world.cells():
            if balancer_id in cell.balancers:
                return cell, cell.balancers[balancer_id]
        raise AdminError(404, f"there is no load balancer {balancer_id}")

    def _find_listener(self, call: AdminCall) -> tuple[Cell, Listener]:
        cell, balancer = self._find(call.params["balancer"])
        try:
            return cell, balancer.listeners[int(call.params["port"])]
        except KeyError:
            raise AdminError(404, f"{balancer.id} has no listener on port {call.params['port']}") from None

    # -- settings and time ----------------------------------------------------

    def change_settings(self, call: AdminCall) -> Any:
        with self.world.lock:
            self.world.settings.change(call.object())
            return self.world.settings.view()

    def settle(self, _: AdminCall) -> Any:
        """Ends every transition and delay that is under way."""
        self.world.timeline.settle(everything=True)

    # -- certificates -----------------------------------------------------------

    def add_certificate(self, call: AdminCall) -> Any:
        """Issues a pair for `names`, or takes a given one, without the rules and the quota of the API."""
        body = call.object()
        _known(body, "account", "region", "names", "kind", "notBefore", "notAfter", "certificate", "privateKey",
               "name", "tags", "fromCas")  # fmt: skip
        pair = self._pair(body)
        with self.world.lock:
            certificate = self.world.add_certificate(
                self._cell(body), pair, str(body.get("name", "")), _text_map(body.get("tags", {}), "tags"),
                bool(body.get("fromCas", False)),
            )  # fmt: skip
            return certificate_view(certificate)

    def _pair(self, body: Mapping[str, Any]) -> pem.Pair:
        if "certificate" in body:
            chain = x509.load_pem_x509_certificates(str(body["certificate"]).encode())
            return pem.describe(chain, load_pem_private_key(str(body["privateKey"]).encode(), None))
        times = {
            argument: parse_time(str(body[name]))
            for name, argument in (("notBefore", "not_before"), ("notAfter", "not_after"))
            if name in body
        }
        issued = self.factory.issue([str(name) for name in body["names"]], str(body.get("kind", "rsa")), **times)
        return pem.describe([issued.certificate, self.factory.intermediate], issued.key)

    # -- instances and listeners --------------------------------------------------

    def add_balancer(self, call: AdminCall) -> Any:
        """An instance with its listeners, which run at once unless they say otherwise."""
        body = call.object()
        _known(body, "account", "region", "id", "address", "tags", "backendServers", "serverGroups", "listeners",
               *_BALANCER_FIELDS)  # fmt: skip
        with self.world.lock:
            cell = self._cell(body)
            balancer = self._new_balancer(cell, body)
            for entry in body.get("listeners", []):
                self._seed_listener(cell, balancer, entry)
            return balancer_view(self.world, balancer)

    def _new_balancer(self, cell: Cell, body: Mapping[str, Any]) -> Balancer:
        balancer_id = str(body.get("id") or self.world.new_balancer_id(cell.region))
        if any(balancer_id in other.balancers for other in self.world.cells()):
            raise AdminError(409, f"{balancer_id} exists already")
        if "address" in body:
            address = str(body["address"])
            self.world.addresses.claim(address)
        else:
            try:
                address = self.world.addresses.take()
            except ApiError as error:
                raise AdminError(400, error.message) from error
        balancer = Balancer(balancer_id, str(body.get("name", balancer_id)), address, self.clock.now())
        for name, attribute in _BALANCER_FIELDS.items():
            if name in body:
                setattr(balancer, attribute, str(body[name]))
        balancer.tags = _text_map(body.get("tags", {}), "tags")
        balancer.server_groups = {str(group) for group in body.get("serverGroups", [])}
        for server in body.get("backendServers", []):
            weight = int(server.get("weight", 100))
            balancer.backends[str(server["serverId"])] = {
                "ServerId": str(server["serverId"]), "Weight": weight, "Type": "ecs",
            }  # fmt: skip
        cell.balancers[balancer_id] = balancer
        return balancer

    def _seed_listener(self, cell: Cell, balancer: Balancer, entry: Mapping[str, Any]) -> Listener:
        _known(entry, "port", "certificateId", "attributes", "status", "serve", "tags", "extensions")
        certificate_id = str(entry["certificateId"])
        if certificate_id not in cell.certificates:
            raise AdminError(400, f"there is no certificate {certificate_id} in {cell.region}")
        values = attributes.with_defaults({**_LISTENER_DEFAULTS, **attributes.edited(entry.get("attributes", {}))})
        listener = Listener(
            balancer, int(entry["port"]), certificate_id, values,
            status=str(entry.get("status", "running")),
            serve=bool(entry.get("serve", True)),
            tags=_text_map(entry.get("tags", {}), "tags"),
        )  # fmt: skip
        for extension in entry.get("extensions", []):
            self._seed_extension(cell, listener, extension)
        balancer.listeners[listener.port] = listener
        cell.listeners_changed()
        if listener.status == "running":
            self.world.serve(cell, listener)
        return listener

    def _seed_extension(self, cell: Cell, listener: Listener, entry: Mapping[str, Any]) -> None:
        _known(entry, "domain", "certificateId")
        certificate_id = str(entry["certificateId"])
        if certificate_id not in cell.certificates:
            raise AdminError(400, f"there is no certificate {certificate_id} in {cell.region}")
        domain = str(entry["domain"]).lower()
        extension = Extension(self.world.new_extension_id(), listener, domain, certificate_id, visible=True)
        listener.extensions.append(extension)
        cell.extensions[extension.id] = extension

    def add_many(self, call: AdminCall) -> Any:
        """Many like instances with many like listeners, on the ports from `firstPort` on."""
        body = call.object()
        _known(body, "account", "region", "loadBalancers", "listenersEach", "certificateId", "serve", "status",
               "firstPort", "idPrefix", "addressType", "attributes")  # fmt: skip
        each, first = int(body.get("listenersEach", 1)), int(body.get("firstPort", 443))
        prefix = str(body.get("idPrefix", ""))
        options = {"region": body.get("region", DEFAULT_REGION), "addressType": body.get("addressType", "internet")}
        ids = []
        with self.world.lock:
            cell = self._cell(body)
            entry = {
                "certificateId": body["certificateId"], "serve": body.get("serve", False),
                "status": body.get("status", "running"), "attributes": body.get("attributes", {}),
            }  # fmt: skip
            for number in range(int(body["loadBalancers"])):
                own = {"id": f"{prefix}{number:05}"} if prefix else {}
                balancer = self._new_balancer(cell, {**options, **own})
                ids.append(balancer.id)
                for port in range(first, first + each):
                    self._seed_listener(cell, balancer, {**entry, "port": port})
        return {"loadBalancerIds": ids, "listeners": len(ids) * each}

    def remove_balancer(self, call: AdminCall) -> Any:
        with self.world.lock:
            cell, balancer = self._find(call.params["balancer"])
            self.world.remove_balancer(cell, balancer)

    def show_balancer(self, call: AdminCall) -> Any:
        with self.world.lock:
            self.world.timeline.settle()
            return balancer_view(self.world, self._find(call.params["balancer"])[1])

    def show_listener(self, call: AdminCall) -> Any:
        with self.world.lock:
            self.world.timeline.settle()
            return listener_view(self.world, self._find_listener(call)[1])

    def add_listener(self, call: AdminCall) -> Any:
        with self.world.lock:
            cell, balancer = self._find(call.params["balancer"])
            port = int(call.params["port"])
            if port in balancer.listeners:
                raise AdminError(409, f"{balancer.id} has a listener on port {port} already")
            return listener_view(self.world, self._seed_listener(cell, balancer, {**call.object(), "port": port}))

    def edit_listener(self, call: AdminCall) -> Any:
        """A person's change in the console: attributes, certificate or status, at once and without rules."""
        body = dict(call.object())
        with self.world.lock:
            cell, listener = self._find_listener(call)
            certificate_id = str(body.pop("ServerCertificateId", listener.certificate_id))
            status = str(body.pop("Status", listener.status))
            if certificate_id not in cell.certificates:
                raise AdminError(400, f"there is no certificate {certificate_id} in {cell.region}")
            if status not in ("running", "stopped"):
                raise AdminError(400, "Status is running or stopped")
            listener.attributes = {**listener.attributes, **attributes.edited(body)}
            listener.certificate_id = certificate_id
            listener.status = status
            if status == "running":
                self.world.serve(cell, listener)
            else:
                self.world.front.close(listener.balancer.address, listener.port)
            return listener_view(self.world, listener)

    def remove_listener(self, call: AdminCall) -> Any:
        with self.world.lock:
            cell, listener = self._find_listener(call)
            self.world.remove_listener(cell, listener)

    def show_state(self, call: AdminCall) -> Any:
        """Everything, or one `region`: instances with listeners, and certificates without their PEM."""
        region = call.query.get("region")
        with self.world.lock:
            self.world.timeline.settle()
            return {
                "cells": [
                    {
                        "account": cell.account,
                        "region": cell.region,
                        "loadBalancers": [balancer_view(self.world, b) for b in cell.balancers.values()],
                        "certificates": [certificate_view(c) for c in cell.certificates.values()],
                    }
                    for cell in self.world.cells()
                    if region in (None, cell.region)
                ]
            }

    # -- keys -----------------------------------------------------------------------

    def put_key(self, call: AdminCall) -> Any:
        body = call.object()
        _known(body, "id", "secret", "account", "name", "kind", "allowed", "denied", "active", "token",
               "expiresInSeconds")  # fmt: skip
        expires: datetime | None = None
        if "expiresInSeconds" in body:
            expires = self.clock.now() + timedelta(seconds=float(body["expiresInSeconds"]))
        key = Key(
            id=str(body["id"]), secret=str(body["secret"]), account=str(body.get("account", DEFAULT_ACCOUNT)),
            name=str(body.get("name", "certbinder")), kind=str(body.get("kind", "SubUser")),
            allowed=tuple(str(p) for p in body.get("allowed", ["*"])),
            denied=tuple(str(p) for p in body.get("denied", [])),
            active=bool(body.get("active", True)), token=str(body.get("token", "")), expires=expires,
        )  # fmt: skip
        self.keys.put(key)
        return key_view(key)

    def show_keys(self, _: AdminCall) -> Any:
        return {"keys": [key_view(key) for key in self.keys.keys()]}

    def put_role(self, call: AdminCall) -> Any:
        body = call.object()
        _known(body, "arn", "allowed", "longestSeconds", "oidcProvider", "oidcTokens")
        allowed = tuple(str(pattern) for pattern in body.get("allowed", ["*"]))
        tokens = tuple(str(token) for token in body.get("oidcTokens", []))
        longest, provider = int(body.get("longestSeconds", 3600)), str(body.get("oidcProvider", ""))
        self.keys.put_role(Role(str(body["arn"]), allowed, longest, provider, tokens))


def key_view(key: Key) -> dict[str, Any]:
    """A key without its secret and token."""
    return {
        "id": key.id, "account": key.account, "name": key.name, "kind": key.kind, "allowed": list(key.allowed),
        "denied": list(key.denied), "active": key.active, "temporary": bool(key.token),
    }  # fmt: skip


def certificate_view(certificate: Certificate) -> dict[str, Any]:
    pair = certificate.pair
    return {
        "id": certificate.id, "name": certificate.name, "fingerprint": pair.fingerprint,
        "fingerprintSHA256": pair.fingerprint_sha256, "commonName": pair.common_name, "names": list(pair.names),
        "createdMs": certificate.created_ms, "notAfterMs": pair.not_after_ms, "tags": dict(certificate.tags),
        "fromCas": certificate.from_cas,
    }  # fmt: skip


def listener_view(world: World, listener: Listener) -> dict[str, Any]:
    served = world.front.serving(listener.balancer.address, listener.port)
    return {
        "loadBalancerId": listener.balancer.id, "address": listener.balancer.address, "port": listener.port,
        "status": listener.status, "certificateId": listener.certificate_id, "attributes": dict(listener.attributes),
        "tags": dict(listener.tags), "servingError": listener.serving_error,
        "served": served.default.fingerprint if served else None,
        "servedByName": {name: pair.fingerprint for name, pair in served.by_name.items()} if served else {},
        "extensions": [
            {"id": e.id, "domain": e.domain, "certificateId": e.certificate_id, "processing": e.processing}
            for e in listener.extensions
        ],
    }  # fmt: skip


def balancer_view(world: World, balancer: Balancer) -> dict[str, Any]:
    return {
        "id": balancer.id, "name": balancer.name, "address": balancer.address, "addressType": balancer.address_type,
        "status": balancer.status, "spec": balancer.spec, "tags": dict(balancer.tags),
        "busy": list(balancer.pending), "backendServers": list(balancer.backends.values()),
        "listeners": [listener_view(world, balancer.listeners[port]) for port in sorted(balancer.listeners)],
    }  # fmt: skip


def add_routes(admin: AdminFace, world: World, keys: KeyRing, factory: CertificateFactory, clock: Clock) -> None:
    control = Control(world, keys, factory, clock)
    listener = "/admin/balancers/{balancer}/listeners/{port}"
    for method, path, verb in (
        ("GET", "/admin/settings", lambda _: world.settings.view()),
        ("POST", "/admin/settings", control.change_settings),
        ("POST", "/admin/settle", control.settle),
        ("GET", "/admin/state", control.show_state),
        ("POST", "/admin/certificates", control.add_certificate),
        ("POST", "/admin/balancers", control.add_balancer),
        ("POST", "/admin/bulk", control.add_many),
        ("GET", "/admin/balancers/{balancer}", control.show_balancer),
        ("DELETE", "/admin/balancers/{balancer}", control.remove_balancer),
        ("GET", listener, control.show_listener),
        ("POST", listener, control.add_listener),
        ("PATCH", listener, control.edit_listener),
        ("DELETE", listener, control.remove_listener),
        ("GET", "/admin/keys", control.show_keys),
        ("POST", "/admin/keys", control.put_key),
        ("DELETE", "/admin/keys/{id}", lambda call: keys.remove(call.params["id"])),
        ("POST", "/admin/roles", control.put_role),
    ):
        admin.route(method, path, verb)
