"""What clients of the listeners are shown, by real handshakes."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
from support.addresses import address_pool

from emulators.common.client import AdminClient, AdminFailure

from .handshake import client_context, look
from .model import AddressPool
from .pem import PemRules, parse_pair
from .tls_front import _PREFACE, Serving

PORT = 8443


@pytest.fixture(scope="module")
def pairs(factory):
    names = {"default": "default.example", "exact": "a.b.example", "wide": "*.example", "narrow": "*.b.example"}
    return {label: factory.issue([name]) for label, name in names.items()}


@pytest.fixture
def ids(admin, pairs):
    return {
        label: admin.post("/admin/certificates", {"certificate": p.bundle_pem, "privateKey": p.key_pem})["id"]
        for label, p in pairs.items()
    }


@pytest.fixture
def listener(admin, ids):
    """(load balancer id, address) of a listener with three domain extensions."""
    extensions = [{"domain": d, "certificateId": ids[label]}
                  for d, label in (("a.b.example", "exact"), ("*.example", "wide"), ("*.b.example", "narrow"))]  # fmt: skip
    seeded = admin.post("/admin/balancers", {"listeners": [
        {"port": PORT, "certificateId": ids["default"], "extensions": extensions},
    ]})  # fmt: skip
    return seeded["id"], seeded["address"]


def change(slb, balancer, **attributes):
    answer = slb.call("SetLoadBalancerHTTPSListenerAttribute", LoadBalancerId=balancer, ListenerPort=PORT, **attributes)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize(
    "name,label",
    [
        ("a.b.example", "exact"), ("A.B.Example", "exact"), ("x.b.example", "narrow"), ("x.example", "wide"),
        ("example", "default"), ("other.test", "default"), (None, "default"),
    ],
)  # fmt: skip
def test_the_exact_name_wins_then_the_longest_wildcard_then_the_default(listener, pairs, name, label):
    shown = look(listener[1], PORT, name)
    assert shown.sha256 == pairs[label].sha256
    assert shown.text.splitlines()[0].lower() == f"server name: {(name or '-').lower()}"


def test_a_new_certificate_is_shown_after_the_delay_of_the_data_plane(slb, admin, listener, ids, pairs):
    balancer, address = listener
    change(slb, balancer, ServerCertificateId=ids["wide"])
    assert look(address, PORT).sha1 == pairs["wide"].sha1
    admin.post("/admin/settle")
    admin.post("/admin/settings", {"switchSeconds": 180})
    change(slb, balancer, ServerCertificateId=ids["exact"])
    assert look(address, PORT).sha1 == pairs["wide"].sha1
    admin.post("/admin/settle")
    assert look(address, PORT).sha1 == pairs["exact"].sha1


def test_a_person_changes_a_listener_behind_the_clients_back(admin, listener, ids, pairs):
    balancer, address = listener
    path = f"/admin/balancers/{balancer}/listeners/{PORT}"
    edited = admin.call("PATCH", path, {"ServerCertificateId": ids["narrow"]})
    assert edited["served"].replace(":", "") == pairs["narrow"].sha1 == look(address, PORT).sha1
    admin.call("PATCH", path, {"Status": "stopped"})
    with pytest.raises(ConnectionRefusedError):
        look(address, PORT)
    with pytest.raises(AdminFailure, match="unknown listener attribute"):
        admin.call("PATCH", path, {"Colour": "red"})


def test_only_a_running_listener_serves(slb, admin, listener):
    balancer, address = listener
    where = {"LoadBalancerId": balancer, "ListenerPort": PORT, "ListenerProtocol": "https"}
    assert slb.call("StopLoadBalancerListener", **where).status == 200
    with pytest.raises(ConnectionRefusedError):
        look(address, PORT)
    admin.post("/admin/settle")
    assert slb.call("StartLoadBalancerListener", **where).status == 200
    admin.post("/admin/settle")
    assert look(address, PORT).version == "TLSv1.2"
    assert slb.call("DeleteLoadBalancer", LoadBalancerId=balancer).status == 200
    with pytest.raises(ConnectionRefusedError):
        look(address, PORT)


def test_an_extension_is_shown_when_it_is_processed_and_gone_when_deleted(slb, admin, ids, pairs):
    seeded = admin.post("/admin/balancers", {"listeners": [{"port": PORT, "certificateId": ids["default"]}]})
    admin.post("/admin/settings", {"extensionSeconds": 60})
    where = {"LoadBalancerId": seeded["id"], "ListenerPort": PORT}
    created = slb.call("CreateDomainExtension", **where, Domain="a.b.example", ServerCertificateId=ids["exact"]).json()
    assert look(seeded["address"], PORT, "a.b.example").sha1 == pairs["default"].sha1
    admin.post("/admin/settle")
    assert look(seeded["address"], PORT, "a.b.example").sha1 == pairs["exact"].sha1
    slb.call("DeleteDomainExtension", DomainExtensionId=created["DomainExtensionId"])
    assert look(seeded["address"], PORT, "a.b.example").sha1 == pairs["default"].sha1


def test_http2_is_offered_as_the_listener_says(slb, listener):
    balancer, address = listener
    both = ("h2", "http/1.1")
    assert look(address, PORT, alpn=both).alpn == "h2"
    change(slb, balancer, EnableHttp2="off")
    assert look(address, PORT, alpn=both).alpn == "http/1.1"


def test_an_http2_request_is_answered(listener):
    context = client_context(alpn=("h2",))
    with socket.create_connection((listener[1], PORT), timeout=5) as plain:
        with context.wrap_socket(plain, server_hostname="x.example") as tls:
            # Preface, empty SETTINGS, then HEADERS of stream 1: GET https / from HPACK's static table.
            tls.sendall(_PREFACE + bytes.fromhex("000000040000000000000003010500000001828784"))
            received = b""
            while chunk := tls.recv(4096):
                received += chunk
    assert b"\x88" in received and b"server name: x.example" in received


@pytest.mark.parametrize(
    "policy,accepted",
    [
        ("tls_cipher_policy_1_0", ("TLSv1", "TLSv1_1", "TLSv1_2")),
        ("tls_cipher_policy_1_1", ("TLSv1_1", "TLSv1_2")),
        ("tls_cipher_policy_1_2", ("TLSv1_2",)),
        ("tls_cipher_policy_1_2_strict", ("TLSv1_2",)),
        ("tls_cipher_policy_1_2_strict_with_1_3", ("TLSv1_2", "TLSv1_3")),
    ],
)
def test_the_policy_decides_on_versions(slb, listener, policy, accepted):
    balancer, address = listener
    change(slb, balancer, TLSCipherPolicy=policy)
    taken = []
    for name in ("TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"):
        try:
            look(address, PORT, version=ssl.TLSVersion[name], request=False)
            taken.append(name)
        except OSError:
            continue
    assert tuple(taken) == accepted


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_session_is_resumed(slb, listener, version):
    balancer, address = listener
    change(slb, balancer, TLSCipherPolicy="tls_cipher_policy_1_2_strict_with_1_3")
    context = client_context(version=version)
    with socket.create_connection((address, PORT), timeout=5) as plain:
        with context.wrap_socket(plain) as tls:
            tls.sendall(b"GET / HTTP/1.1\r\n\r\n")
            tls.recv(4096)
            session = tls.session
    assert not look(address, PORT, context=context, session=session).resumed


def test_junk_and_silence_hurt_nobody_else(listener, pairs):
    silent = socket.create_connection((listener[1], PORT), timeout=5)
    with socket.create_connection((listener[1], PORT), timeout=5) as junk:
        junk.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert look(listener[1], PORT).sha1 == pairs["default"].sha1
    silent.close()


def test_many_handshakes_at_once_are_answered(listener, pairs):
    shown = []
    threads = [
        threading.Thread(target=lambda: shown.append(look(listener[1], PORT, "a.b.example").sha1)) for _ in range(24)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shown == [pairs["exact"].sha1] * 24


def test_an_address_is_never_given_twice_and_comes_back(admin):
    addresses = {admin.post("/admin/balancers", {"id": f"lb-{n}"})["address"] for n in range(254)}
    network = ipaddress.ip_network(address_pool())
    assert len(addresses) == 254 and all(ipaddress.ip_address(address) in network for address in addresses)
    with pytest.raises(AdminFailure, match="No address is left"):
        admin.post("/admin/balancers", {})
    admin.delete("/admin/balancers/lb-7")
    assert admin.post("/admin/balancers", {})["address"] in addresses


def test_an_address_that_is_taken_is_reported_not_hidden(admin, ids):
    taken = str(ipaddress.ip_network(address_pool())[77])
    with socket.create_server((taken, PORT)):
        seeded = admin.post("/admin/balancers", {
            "address": taken, "listeners": [{"port": PORT, "certificateId": ids["default"]}],
        })  # fmt: skip
    assert f"cannot listen on {taken}:8443" in seeded["listeners"][0]["servingError"]


@pytest.mark.parametrize("network", ["10.0.0.0/24", "127.0.3.0/31", "127.0.3.1/24", "::1/128", "here"])
def test_load_balancers_live_on_loopback_only(network):
    with pytest.raises(ValueError):
        AddressPool(network)


@pytest.mark.parametrize("name,label", [("x.y.b", "*.b"), ("y.b", "*.b"), ("b", "default"), ("", "default")])
def test_choosing_needs_no_socket(pairs, name, label):
    made = {
        key: parse_pair(pairs[of].bundle_pem, pairs[of].key_pem, PemRules())
        for key, of in (("default", "default"), ("*.b", "wide"))
    }
    assert Serving(made["default"], {"*.b": made["*.b"]}).choose(name) is made[label]


def test_the_process_announces_itself_and_serves(tmp_path):
    file = tmp_path / "announce.json"
    command = [sys.executable, "-m", "emulators.aliyun", "--announce", str(file), "--address-pool", address_pool()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    process = subprocess.Popen(command, env=environment)
    try:
        facts = _announced(file)
        admin = AdminClient(facts["admin"])
        certificate = admin.post("/admin/certificates", {"names": ["a.example"]})
        seeded = admin.post("/admin/balancers", {"listeners": [{"port": PORT, "certificateId": certificate["id"]}]})
        assert look(seeded["address"], PORT).sha256 == certificate["fingerprintSHA256"]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def _announced(file):
    deadline, pause = time.monotonic() + 20, threading.Event()
    while not file.exists():
        assert time.monotonic() < deadline, "the emulator did not announce itself"
        pause.wait(0.01)
    return json.loads(file.read_text())
