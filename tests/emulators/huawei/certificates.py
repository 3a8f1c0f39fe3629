"""The certificates of the account, their states, and what export makes of them."""

from __future__ import annotations

import re
import threading
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import SignatureAlgorithmOID

from emulators.common.admin import AdminError
from emulators.common.certs import CertificateFactory, Issued, fingerprint
from emulators.common.clock import Clock, parse_time

ID_PATTERN = re.compile(r"scs\d{13}")
STATUSES = (
    "PAID",
    "ISSUED",
    "CHECKING",
    "CHECKING_DOMAIN",
    "CHECKING_ORG",
    "CANCELCHECKING",
    "UNPASSED",
    "EXPIRED",
    "ISSUING",
    "REVOKING",
    "CANCLEREVOKING",
    "REVOKED",
    "UPLOAD",
    "SUPPLEMENTCHECKING",
    "CANCELSUPPLEMENTING",
)
EXPORTABLE = ("ISSUED", "UPLOAD")
NO_KEY = ("absent", "null", "empty", "SCM.0059")
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.S)


@dataclass
class ExportBehaviour:
    """How export departs from leaf, intermediate and key in good order.

    noKey           own CSR: one of NO_KEY; None: the key is there
    wrongKey        another certificate's key
    brokenOrder     the chain stands before the leaf in entire_certificate
    missingNewline  nothing between END and BEGIN of two blocks
    crlf            lines end with CR LF
    withRoot        the root stands at the end of the chain
    withoutChain    no intermediate at all
    withoutEntire   entire_certificate is absent, as in the first version of the API
    ignoreState     exported in any state and after expiry
    encryptionPair  enc_certificate and enc_private_key are there, as for SM2
    """

    noKey: str | None = None
    wrongKey: bool = False
    brokenOrder: bool = False
    missingNewline: bool = False
    crlf: bool = False
    withRoot: bool = False
    withoutChain: bool = False
    withoutEntire: bool = False
    ignoreState: bool = False
    encryptionPair: bool = False


def parse_behaviour(value: dict[str, Any], present: ExportBehaviour) -> ExportBehaviour:
    known = {f.name for f in fields(ExportBehaviour)}
    if not isinstance(value, dict):
        raise AdminError(400, "export behaviour is an object")
    for name, entry in value.items():
        if name not in known:
            raise AdminError(400, f"unknown export behaviour {name!r}; known are {', '.join(sorted(known))}")
        if name == "noKey" and entry is not None and entry not in NO_KEY:
            raise AdminError(400, f"noKey is null or one of {', '.join(NO_KEY)}")
        if name != "noKey" and not isinstance(entry, bool):
            raise AdminError(400, f"{name} is true or false")
    return replace(present, **value)


def split_pem(text: str) -> list[str]:
    """The certificate blocks of a text, each ending with a newline."""
    return [block.replace("\r\n", "\n") + "\n" for block in _BLOCK.findall(text)]


@dataclass
class Material:
    """A leaf with what belongs to it; all PEM texts with newlines at their ends."""

    leaf: str
    chain: list[str]
    key: str
    root: str
    certificate: x509.Certificate

    @property
    def names(self) -> list[str]:
        try:
            san = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return [str(a.value) for a in self.certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
        return [str(name.value) for name in san]

    @property
    def not_before(self) -> datetime:
        return self.certificate.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        return self.certificate.not_valid_after_utc


def material_of(issued: Issued) -> Material:
    return Material(issued.leaf_pem, [issued.intermediate_pem], issued.key_pem, issued.root_pem, issued.certificate)


def material_from_pem(certificate: str, chain: str, key: str, root: str = "") -> Material:
    """Given texts; the certificate's text may hold the chain. Raises ValueError when they do not parse."""
    blocks = split_pem(certificate)
    if not blocks:
        raise ValueError("the certificate holds no PEM block")
    above = split_pem(chain) if chain else blocks[1:]
    leaf = x509.load_pem_x509_certificate(blocks[0].encode())
    return Material(blocks[0], above, key, root, leaf)


@dataclass
class Certificate:
    """One entry of the account. Times are aware; `status` is the stored one, see Store.status."""

    id: str
    name: str
    status: str
    names: list[str]
    kind: str
    created: datetime
    updated: datetime
    material: Material | None = None
    issue_time: datetime | None = None
    brand: str = "GEOTRUST"
    type: str = "DV_SSL_CERT"
    validity_period: int = 12
    description: str | None = None
    enterprise_project_id: str = "0"
    deploy_support: bool = True
    shared: bool = False
    revoke_reason: str = ""
    export: ExportBehaviour = field(default_factory=ExportBehaviour)

    @property
    def domain_type(self) -> str:
        if any(name.startswith("*.") for name in self.names):
            return "WILDCARD"
        return "MULTI_DOMAIN" if len(self.names) > 1 else "SINGLE_DOMAIN"

    @property
    def signature_algorithm(self) -> str:
        if self.material is None:
            return ""
        ecdsa = self.material.certificate.signature_algorithm_oid == SignatureAlgorithmOID.ECDSA_WITH_SHA256
        return "SHA256withECDSA" if ecdsa else "SHA256withRSA"

    @property
    def order_id(self) -> str:
        return "CS" + self.created.strftime("%y%m%d%H%M") + self.id[-6:]

    @property
    def sha1(self) -> str:
        return fingerprint(self.material.certificate, hashes.SHA1()) if self.material else ""


def _window(wanted: dict[str, Any], now: datetime) -> tuple[datetime | None, datetime | None]:
    """notBefore and notAfter of a wish: as times, or as days from now."""
    begin = end = None
    if "notBefore" in wanted:
        begin = parse_time(str(wanted["notBefore"]))
    elif "validFromDays" in wanted:
        begin = now + timedelta(days=float(wanted["validFromDays"]))
    if "notAfter" in wanted:
        end = parse_time(str(wanted["notAfter"]))
    elif "validForDays" in wanted:
        end = now + timedelta(days=float(wanted["validForDays"]))
    if end is not None and begin is None:
        # An end in the past still needs a beginning before it.
        begin = min(now - timedelta(hours=1), end - timedelta(days=90))
    return begin, end


_ADD_FIELDS = {
    "names",
    "kind",
    "status",
    "name",
    "brand",
    "type",
    "validityPeriod",
    "description",
    "enterpriseProjectID",
    "deploySupport",
    "shared",
    "notBefore",
    "notAfter",
    "validFromDays",
    "validForDays",
    "export",
    "certificate",
    "certificateChain",
    "privateKey",
    "root",
}


class Store:
    """The account's certificates by id. Thread-safe; returned objects are changed only here."""

    def __init__(self, clock: Clock, factory: CertificateFactory) -> None:
        self._clock = clock
        self._factory = factory
        self.lock = threading.RLock()
        self._certificates: dict[str, Certificate] = {}
        self._last_id = 0
        self._last_update: datetime | None = None

    # -- reading ------------------------------------------------------------

    def find(self, certificate_id: str) -> Certificate | None:
        with self.lock:
            return self._certificates.get(certificate_id)

    def get(self, certificate_id: str) -> Certificate:
        """For the admin face: raises AdminError when there is none."""
        found = self.find(certificate_id)
        if found is None:
            raise AdminError(404, f"there is no certificate {certificate_id}")
        return found

    def all(self) -> list[Certificate]:
        with self.lock:
            return list(self._certificates.values())

    def status(self, certificate: Certificate) -> str:
        """The stored status, or EXPIRED once an issued or uploaded one has run out."""
        if certificate.status in EXPORTABLE and certificate.material is not None:
            if certificate.material.not_after <= self._clock.now():
                return "EXPIRED"
        return certificate.status

    # -- changing -----------------------------------------------------------

    def _touch(self) -> datetime:
        """The time of a change; later than every one before, so that sorting by it is definite."""
        now = self._clock.now()
        if self._last_update is not None and now <= self._last_update:
            now = self._last_update + timedelta(microseconds=1)
        self._last_update = now
        return now

    def _new_id(self) -> str:
        self._last_id = max(self._last_id + 1, int(self._clock.now().timestamp() * 1000))
        return f"scs{self._last_id:013d}"

    def _issue(self, names: list[str], kind: str, wanted: dict[str, Any]) -> Material:
        now = self._clock.now()
        begin, end = _window(wanted, now)
        return material_of(self._factory.issue(names, kind, begin or now - timedelta(hours=1), end))

    def add(self, wanted: dict[str, Any]) -> Certificate:
        """A new entry; issued (status ISSUED) unless the wish says otherwise."""
        unknown = set(wanted) - _ADD_FIELDS
        if unknown:
            known = ", ".join(sorted(_ADD_FIELDS))
            raise AdminError(400, f"unknown fields {', '.join(sorted(unknown))}; known are {known}")
        status = str(wanted.get("status", "ISSUED"))
        if status not in STATUSES:
            raise AdminError(400, f"unknown status {status!r}; known are {', '.join(STATUSES)}")
        kind = str(wanted.get("kind", "rsa"))
        material, names = self._wanted_material(wanted, kind, status)
        with self.lock:
            now = self._touch()
            certificate = Certificate(
                self._new_id(),
                "",
                status,
                names,
                kind,
                now,
                now,
                material,
                now if material else None,
                brand=str(wanted.get("brand", "GEOTRUST")),
                type=str(wanted.get("type", "DV_SSL_CERT")),
                validity_period=int(wanted.get("validityPeriod", 12)),
                description=wanted.get("description"),
                enterprise_project_id=str(wanted.get("enterpriseProjectID", "0")),
                deploy_support=bool(wanted.get("deploySupport", True)),
                shared=bool(wanted.get("shared", False)),
                export=parse_behaviour(wanted.get("export", {}), ExportBehaviour()),
            )
            certificate.name = str(wanted.get("name") or f"scm-{certificate.id[-6:]}")
            self._certificates[certificate.id] = certificate
            return certificate

    def _wanted_material(self, wanted: dict[str, Any], kind: str, status: str) -> tuple[Material | None, list[str]]:
        if "certificate" in wanted:
            texts = [str(wanted.get(f, "")) for f in ("certificate", "certificateChain", "privateKey", "root")]
            material = material_from_pem(*texts)
            return material, material.names
        names = wanted.get("names", [])
        if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
            raise AdminError(400, "names is an array of host names")
        issued = status in ("ISSUED", "UPLOAD", "EXPIRED", "REVOKING", "CANCLEREVOKING", "REVOKED")
        if issued and not names:
            raise AdminError(400, f"a certificate in state {status} needs names")
        return (self._issue(names, kind, wanted) if issued else None), list(names)

    def add_import(self, material: Material, name: str, enterprise_project_id: str) -> Certificate:
        """What the API's import call makes: an entry in state UPLOAD."""
        with self.lock:
            now = self._touch()
            certificate = Certificate(
                self._new_id(),
                name,
                "UPLOAD",
                material.names,
                "import",
                now,
                now,
                material,
                now,
                enterprise_project_id=enterprise_project_id,
            )
            self._certificates[certificate.id] = certificate
            return certificate

    def renew(self, certificate_id: str, wanted: dict[str, Any]) -> Certificate:
        """A follow-up under a new id; the old one stays. It also lives what was left of the old one."""
        old = self.get(certificate_id)
        fresh = {
            "names": old.names,
            "kind": old.kind if old.kind != "import" else "rsa",
            "brand": old.brand,
            "type": old.type,
            "enterpriseProjectID": old.enterprise_project_id,
            "description": old.description,
            "shared": old.shared,
            "deploySupport": old.deploy_support,
            "export": asdict(old.export),
        }
        if old.material is not None and not {"notAfter", "validForDays"} & set(wanted):
            left = max(old.material.not_after - self._clock.now(), timedelta())
            fresh["notAfter"] = (self._clock.now() + left + timedelta(days=90)).isoformat()
        return self.add({**fresh, **wanted})

    def reissue(self, certificate_id: str, wanted: dict[str, Any]) -> Certificate:
        """New bytes under the same id."""
        certificate = self.get(certificate_id)
        kind = str(wanted.get("kind", certificate.kind if certificate.kind != "import" else "rsa"))
        material, names = self._wanted_material({"names": certificate.names, **wanted}, kind, "ISSUED")
        with self.lock:
            certificate.material, certificate.names, certificate.kind = material, names, kind
            certificate.status = "UPLOAD" if certificate.status == "UPLOAD" else "ISSUED"
            certificate.updated = certificate.issue_time = self._touch()
            return certificate

    def set_status(self, certificate_id: str, status: str, reason: str = "") -> Certificate:
        """Moves it on; a certificate is made when it first becomes ISSUED."""
        if status not in STATUSES:
            raise AdminError(400, f"unknown status {status!r}; known are {', '.join(STATUSES)}")
        certificate = self.get(certificate_id)
        with self.lock:
            if status in EXPORTABLE and certificate.material is None:
                certificate.material = self._issue(certificate.names, certificate.kind, {})
                certificate.issue_time = self._clock.now()
            certificate.status, certificate.revoke_reason = status, reason
            certificate.updated = self._touch()
            return certificate

    def set_export(self, certificate_id: str, value: dict[str, Any]) -> Certificate:
        certificate = self.get(certificate_id)
        with self.lock:
            certificate.export = parse_behaviour(value, certificate.export)
            return certificate

    def update(self, certificate_id: str, value: dict[str, Any]) -> Certificate:
        """Changes name, description, enterpriseProjectID, deploySupport or shared."""
        names = {
            "name": ("name", str),
            "description": ("description", str),
            "shared": ("shared", bool),
            "enterpriseProjectID": ("enterprise_project_id", str),
            "deploySupport": ("deploy_support", bool),
        }
        certificate = self.get(certificate_id)
        with self.lock:
            for name, entry in value.items():
                if name not in names or not isinstance(entry, names[name][1]):
                    raise AdminError(400, f"{name} is not known or has the wrong type")
                setattr(certificate, names[name][0], entry)
            certificate.updated = self._touch()
            return certificate

    def touch_oldest(self) -> None:
        """Changes the entry that was changed longest ago: what stands on a last page moves to the first."""
        with self.lock:
            if self._certificates:
                min(self._certificates.values(), key=lambda c: (c.updated, c.id)).updated = self._touch()

    def delete(self, certificate_id: str) -> bool:
        with self.lock:
            return self._certificates.pop(certificate_id, None) is not None

    # -- export -------------------------------------------------------------

    def export(self, certificate: Certificate) -> dict[str, str | None]:
        """The fields of an export answer; the caller has checked that it may be exported."""
        material, how = certificate.material, certificate.export
        if material is None:
            raise ValueError("a certificate without material cannot be exported")
        chain = [] if how.withoutChain else list(material.chain)
        if how.withRoot and material.root:
            chain.append(material.root)
        blocks = chain[::-1] + [material.leaf] if how.brokenOrder else [material.leaf] + chain
        answer: dict[str, str | None] = {
            "entire_certificate": _join(blocks, how),
            "certificate": _join([material.leaf], how),
            "certificate_chain": _join(chain[::-1] if how.brokenOrder else chain, how),
        }
        if how.withoutEntire:
            del answer["entire_certificate"]
        key = self._other_key(certificate) if how.wrongKey else material.key
        answer["private_key"] = _join([key], how)
        if how.noKey == "absent":
            del answer["private_key"]
        elif how.noKey is not None:
            answer["private_key"] = None if how.noKey == "null" else ""
        if how.encryptionPair:
            pair = self._factory.issue(certificate.names, "ec-pkcs8")
            answer["enc_certificate"], answer["enc_private_key"] = pair.leaf_pem, pair.key_pem
        return answer

    def _other_key(self, certificate: Certificate) -> str:
        kind = certificate.kind if certificate.kind != "import" else "ec"
        while True:
            key = self._factory.issue(["other.example"], kind).key_pem
            if certificate.material is None or key != certificate.material.key:
                return key


def _join(blocks: list[str], how: ExportBehaviour) -> str:
    text = "".join(block.rstrip("\n") for block in blocks) if how.missingNewline else "".join(blocks)
    return text.replace("\n", "\r\n") if how.crlf else text


def public_key_bytes(key: PublicKeyTypes) -> bytes:
    """The key in the form in which two of them compare."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
