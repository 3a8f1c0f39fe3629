"""What people type and what they write: bad input gets a sentence, an exit code, and never a crash."""

from __future__ import annotations

import copy
import random
import re

import pytest
from support.hosts import Host

from .bench import Bench, Result
from .declarations import binding, documents, from_scm, from_secret, secret, tls_secret, to_hosts, to_slb
from .places import NAME

HOST = {"address": "10.0.0.4"}
NGINX = {
    "hosts": [HOST], "ssh": {"credentialsRef": {"name": "ssh"}},
    "certificatePath": "/etc/nginx/cert/certificate.pem", "privateKeyPath": "/etc/nginx/cert/privateKey.key",
}
SOUND = binding("shop", from_secret("shop-tls"), {"nginx": NGINX})
COMMANDS = ("validate", "plan", "apply", "status")


def sentence(result: Result, code: int = 1) -> None:
    """Ended by itself, with that code, and said why."""
    assert result.code == code, result
    said = result.stdout + result.stderr
    assert re.search(r"[a-z]{3,} [a-z]{2,}", said), result
    assert "terminate called" not in said and "what():" not in said, result


def check(bench: Bench, text: str | bytes) -> Result:
    path = bench.folder / "input.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return bench.validate()


# The command line itself


@pytest.mark.parametrize("arguments", [
    [], ["no-such-command"], ["apply"], ["apply", "-f"], ["plan", "-o", "xml", "-f", "."], ["status", "--no-such"],
    ["apply", "-f", ".", "--workers", "0"], ["apply", "-f", ".", "--workers", "many"], ["version", "-f", "."],
    ["apply", "-f", ".", "--log-level", "loud"], ["validate"],
], ids=lambda arguments: " ".join(arguments) or "nothing")
def test_wrong_arguments_get_a_sentence(bench, arguments) -> None:
    sentence(bench.command(*arguments))


def test_help_and_version_are_no_mistakes(bench) -> None:
    shown = bench.command("--help")
    assert shown.code == 0 and all(word in shown.stdout for word in ("apply", "plan", "run", "status", "validate"))
    for command in (*COMMANDS, "run", "version"):
        assert bench.command(command, "--help").code == 0
    version = bench.command("version", "-o", "json")
    assert version.code == 0 and {"certbinder", "openssl", "libssh2"} <= {key for key in version.data}, version
    assert re.search(r"^certbinder +\d+\.\d+\.\d+", bench.command("version").stdout, re.M)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_path_that_is_not_there_is_named(bench, command) -> None:
    state = [] if command == "validate" else ["--state-dir", str(bench.state)]
    result = bench.command(command, "-f", "/no/such/place.yaml", *state)
    sentence(result)
    assert "/no/such/place.yaml" in result.stdout + result.stderr


def test_an_empty_folder_is_told(bench) -> None:
    for command in (bench.apply, bench.plan, bench.status):
        result = command()
        assert "no CertificateBinding" in result.stderr, result
    assert bench.apply().code == 1


def test_a_state_directory_that_cannot_be_is_told(bench) -> None:
    bench.declare(SOUND)
    file = bench.directory / "file"
    file.write_text("")
    for command in ("apply", "run"):
        result = bench.command(command, "-f", str(bench.folder), "--state-dir", str(file / "below"))
        sentence(result)
        assert "--state-dir" in result.stderr
    # Who only looks needs none.
    sentence(bench.command("plan", "-f", str(bench.folder), "--state-dir", str(file / "below")))
    assert bench.command("status", "-f", str(bench.folder), "--state-dir", str(file / "below")).code == 1


def test_a_stored_status_that_is_broken_is_made_anew(bench) -> None:
    bench.declare(SOUND)
    assert bench.apply().code == 1
    [stored] = [path for path in bench.state.rglob("*.json")]
    odd = '{"metadata": {"generation": "x"}, "status": {"endpoints": {}}}'
    for text in ("", "{", "[]", '{"status": 7}', "\0\0\0", odd):
        stored.write_text(text)
        assert bench.status().code == 1
        assert bench.apply().code == 1
        assert bench.status().binding.verdict()[0] == "False"


def test_standard_input_is_read_where_a_dash_is_given(bench) -> None:
    text = documents([SOUND])
    assert bench.command("validate", "-f", "-", given=text).code == 0
    broken = bench.command("validate", "-f", "-", given=text.replace("hosts:", "hostz:"))
    sentence(broken)
    assert "hostz" in broken.stdout


def test_files_may_be_given_many_times_and_objects_once(bench) -> None:
    one, two = bench.declare(SOUND, file="one"), bench.declare(SOUND, file="two")
    assert bench.command("validate", "-f", str(one)).code == 0
    twice = bench.command("validate", "-f", str(one), "-f", str(two))
    sentence(twice)
    assert "default/shop" in twice.stdout or "shop" in twice.stdout


# What is in the files


def test_a_sound_folder_is_valid(bench, authority) -> None:
    bench.declare(SOUND, tls_secret("shop-tls", authority.issue([NAME], kind="ec")))
    result = bench.validate()
    assert result.code == 0 and result.stdout == "" and "1 CertificateBindings" in result.stderr, result


@pytest.mark.parametrize(("line", "replacement", "at", "words"), [
    ("certificatePath:", "certificatPath:", None, ["certificatPath", "certificatePath"]),
    ('"10.0.0.4"', "10", None, ["address", "text"]),
    ('"shop-tls"', '"Shop_TLS"', None, ["secret.name"]),
    ('"CertificateBinding"', '"CertificateBindings"', None, []),
    ('"certbinder.io/v1alpha1"', '"certbinder.io/v1"', None, ["v1alpha1"]),
    ('"/etc/nginx/cert/certificate.pem"', '"/etc/passwd"', None, ["certificatePath", "system"]),
    ('"/etc/nginx/cert/certificate.pem"', '"relative.pem"', None, ["certificatePath"]),
])
def test_each_mistake_is_located(bench, line, replacement, at, words) -> None:
    text = documents([SOUND])
    assert line in text
    broken = text.replace(line, replacement, 1)
    result = check(bench, broken)
    if replacement == '"CertificateBindings"':
        # Another kind of object is somebody else's business; there is just no binding then.
        assert result.code in (0, 1), result
        return
    sentence(result)
    row = next(number for number, entry in enumerate(broken.splitlines(), 1) if replacement in entry)
    assert f"input.yaml:{row}:" in result.stdout, result
    assert re.search(r"input\.yaml:\d+:\d+: ", result.stdout), result
    for word in words:
        assert word in result.stdout, result


@pytest.mark.parametrize(("change", "words"), [
    (lambda spec: spec["source"].update(huaweiSCM={"region": "ap-southeast-1", "domain": NAME}), ["exactly one"]),
    (lambda spec: spec["source"].clear(), ["exactly one"]),
    (lambda spec: spec["target"].clear(), ["exactly one"]),
    (lambda spec: spec.pop("source"), ["source"]),
    (lambda spec: spec["target"]["nginx"].update(hosts=[]), ["hosts"]),
    (lambda spec: spec["target"]["nginx"].update(hosts=[HOST, HOST]), ["hosts"]),
    (lambda spec: spec["target"]["nginx"].update(privateKeyPath=NGINX["certificatePath"]), ["differ"]),
    (lambda spec: spec["target"]["nginx"].update(testCommand="nginx -t"), ["testCommand"]),
    (lambda spec: spec["target"]["nginx"].update(testCommand=[]), ["testCommand"]),
    (lambda spec: spec["target"]["nginx"].update(rollout={"maxConcurrent": "0%"}), ["maxConcurrent"]),
    (lambda spec: spec["target"]["nginx"].update(rollout={"canary": -1}), ["canary"]),
    (lambda spec: spec["target"]["nginx"].update(probe={"port": 70000}), ["port"]),
    (lambda spec: spec.update(checkInterval="500ms"), ["checkInterval"]),
    (lambda spec: spec.update(checkInterval="soon"), ["checkInterval"]),
    (lambda spec: spec.update(allowDowngrade="yes"), ["allowDowngrade"]),
    (lambda spec: spec.update(deletionPolicy="Perhaps"), ["deletionPolicy"]),
    (lambda spec: spec.update(unknown=1), ["unknown"]),
    (lambda spec: spec.update(target=to_slb("https://slb.example.com", "not-a-balancer")), ["loadBalancerID"]),
    (lambda spec: spec.update(source=from_scm("https://scm.example.com")), ["exactly one"]),
])
def test_each_rule_of_the_schema_is_obeyed_offline(bench, change, words) -> None:
    broken = copy.deepcopy(SOUND)
    change(broken["spec"])
    result = check(bench, documents([broken]))
    sentence(result)
    assert re.search(r"input\.yaml:\d+:\d+: ", result.stdout), result
    for word in words:
        assert word in result.stdout, result
    # What validate refuses no command works on.
    assert bench.apply().code == 1 and bench.plan().code == 1
    as_data = bench.validate("-o", "json")
    assert as_data.code == 1 and all(item["line"] > 0 and item["message"] for item in as_data.data["items"])


ODD_YAML = {
    "tab": "kind: CertificateBinding\n\tmetadata: {}\n",
    "duplicate-key": documents([SOUND]) + "kind: CertificateBinding\n",
    "unclosed": "apiVersion: certbinder.io/v1alpha1\nkind: CertificateBinding\nmetadata: {name: x\n",
    "unknown-anchor": "kind: *nobody\n",
    "alias-bomb": "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(12)
    ),
    "deep": "[" * 20000,
    "deep-map": "{a: " * 20000,
    "not-utf8": b"kind: \xff\xfe\xfd\n",
    "nul": b"kind: Certificate\0Binding\n",
    "merge-key": "base: &b {a: 1}\nother: {<<: *b}\nkind: CertificateBinding\napiVersion: certbinder.io/v1alpha1\n",
    "tagged": "kind: !!python/object:os.system CertificateBinding\napiVersion: certbinder.io/v1alpha1\n",
    "scalar": "just a text\n",
    "list": "- kind: CertificateBinding\n",
    "number": "42\n",
    "kind-as-list": "kind: [CertificateBinding]\napiVersion: certbinder.io/v1alpha1\n",
    "utf16": "kind: CertificateBinding\n".encode("utf-16"),
}


@pytest.mark.parametrize("name", sorted(ODD_YAML))
def test_odd_yaml_gets_a_place_and_a_sentence(bench, name) -> None:
    result = check(bench, ODD_YAML[name])
    assert result.seconds < 5
    if result.code == 0:
        # Sound YAML which is none of our business.
        assert name in ("merge-key", "scalar", "list", "number"), result
        return
    sentence(result)
    assert re.search(r"input\.yaml:\d+:\d+: ", result.stdout), result
    assert len(result.stdout) < 20000
    assert bench.apply().code == 1


def test_a_file_that_is_too_large_is_refused_unread(bench) -> None:
    result = check(bench, "# padding\n" * 3_000_000)
    sentence(result)
    assert "input.yaml" in result.stdout and result.seconds < 10


@pytest.mark.parametrize(("before", "after", "word"), [
    ('  target:', "  suspend: yes\n  target:", "suspend"),
    ('address: "10.0.0.4"', 'address: "10.0.0.4"\n          port: 010', "port"),
    ('address: "10.0.0.4"', 'address: "10.0.0.4"\n          port: 22.5', "port"),
    ('address: "10.0.0.4"', 'address: "10.0.0.4"\n          port: "22"', "port"),
], ids=["yes", "octal-port", "fraction", "quoted-port"])
def test_yaml_that_reads_as_something_else_is_caught(bench, before, after, word) -> None:
    text = documents([SOUND])
    assert before in text
    result = check(bench, text.replace(before, after, 1))
    sentence(result)
    assert re.search(r"input\.yaml:\d+:\d+: ", result.stdout) and word in result.stdout, result


def test_one_broken_binding_keeps_no_other_from_being_worked_on(bench, host: Host, authority) -> None:
    pair = authority.issue([NAME], kind="ec")
    bench.declare(tls_secret("shop-tls", pair), secret("ssh", host.ssh_secret()),
                  binding("shop", from_secret("shop-tls"), to_hosts([host])))
    (bench.folder / "broken.yaml").write_text("kind: [\n")
    result = bench.apply()
    assert result.code == 1 and "broken.yaml:" in result.stderr, result
    assert host.served() == pair.sha256 and result.binding.verdict() == ("True", "InSync")


def test_bytes_by_chance_never_crash_a_command(bench) -> None:
    chance = random.Random(20)
    text = documents([SOUND, secret("a", {"b": "c-not-shown"})]).encode()
    for _ in range(60):
        data = bytearray(text)
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(len(data))
            kind = chance.randrange(3)
            if kind == 0:
                data[at] = chance.randrange(256)
            elif kind == 1:
                del data[at : at + chance.randrange(1, 30)]
            else:
                signs = b"{}[]:-&*!|>'\"%@`#,?\n\t \0"
                data[at:at] = bytes(chance.choice(signs) for _ in range(chance.randrange(1, 5)))
        result = check(bench, bytes(data))
        assert result.code in (0, 1), result
        assert (result.code == 1) == bool(result.stdout), result
