"""Who may call: the account, its users, keys, agencies and tokens."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import os
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from emulators.common.admin import AdminError
from emulators.common.clock import Clock
from emulators.common.http_server import Request
from emulators.huawei import signature
from emulators.huawei.errors import ApiError

DOMAIN_NAME = "example-account"
DOMAIN_ID = "0123456789abcdef0123456789abcdef"
PROJECTS = {"ap-southeast-1": "aa2d97d7e62c4b7da3ffdfc11551f878", "cn-north-4": "bb2d97d7e62c4b7da3ffdfc11551f878"}
DEFAULT_AK = "EMULATEDACCESSKEY001"
DEFAULT_SK = "EmulatedSecretAccessKey00000000000000001"
DEFAULT_USER = "certificate-reader"
DEFAULT_PASSWORD = "Emulated-Password-1"
DEFAULT_AGENCY = "certificate-agency"
ALL_ACTIONS = ("scm:*", "iam:*")
TOKEN_LIFE = timedelta(hours=24)


@dataclass
class User:
    name: str
    password: str
    actions: set[str]
    id: str = field(default_factory=lambda: secrets.token_hex(16))
    enabled: bool = True


@dataclass
class Key:
    ak: str
    sk: str
    actions: set[str]
    security_token: str | None = None
    expires_at: datetime | None = None


@dataclass
class Token:
    user: str
    actions: set[str]
    issued_at: datetime
    expires_at: datetime
    project: str | None
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Caller:
    """Who a request comes from, after authentication."""

    kind: str  # "token", "aksk" or "temporary"
    key_id: str
    actions: frozenset[str]
    project_id: str | None = None

    def may(self, *actions: str) -> bool:
        """True when any of the actions is granted; grants may hold `*`."""
        return any(fnmatch.fnmatchcase(action, grant) for action in actions for grant in self.actions)


def token_label(token: str) -> str:
    """A name for a token that does not give it away."""
    return "token-" + hashlib.sha256(token.encode()).hexdigest()[:12]


class Access:
    """All credentials of the emulated account. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self.token_life = TOKEN_LIFE
        self.users = {DEFAULT_USER: User(DEFAULT_USER, DEFAULT_PASSWORD, set(ALL_ACTIONS))}
        self.keys = {DEFAULT_AK: Key(DEFAULT_AK, DEFAULT_SK, set(ALL_ACTIONS))}
        self.agencies: dict[str, set[str]] = {DEFAULT_AGENCY: set(ALL_ACTIONS)}
        self.projects = dict(PROJECTS)
        self._tokens: dict[str, Token] = {}

    # -- checks -------------------------------------------------------------

    def describe(self, request: Request) -> tuple[str, str]:
        """Auth kind and key id as claimed, for the journal, before anything is checked."""
        if request.has_header("X-Auth-Token"):
            return "token", token_label(request.header("X-Auth-Token"))
        if request.has_header("Authorization"):
            parsed = signature.parse_authorization(request.header("Authorization"))
            kind = "temporary" if request.has_header("X-Security-Token") else "aksk"
            return kind, parsed.access if parsed else ""
        return "none", ""

    def authenticate(self, request: Request) -> Caller:
        """Raises ApiError for whoever is not known."""
        if request.has_header("X-Auth-Token"):
            return self._by_token(request.header("X-Auth-Token"))
        if request.has_header("Authorization"):
            return self._by_signature(request)
        raise ApiError("APIGW.0301", "the request has neither a token nor a signature")

    def _by_token(self, value: str) -> Caller:
        with self._lock:
            token = self._tokens.get(value)
            if token is None:
                raise ApiError("SCM.1000")
            if token.expires_at <= self._clock.now():
                raise ApiError("APIGW.0307")
            project = self.projects.get(token.project) if token.project else None
            return Caller("token", token_label(value), frozenset(token.actions), project)

    def _by_signature(self, request: Request) -> Caller:
        parsed = signature.parse_authorization(request.header("Authorization"))
        if parsed is None:
            raise ApiError("APIGW.0301", "the Authorization header has a wrong format")
        with self._lock:
            key = self.keys.get(parsed.access)
        if key is None:
            raise ApiError("APIGW.0301", f"get secretKey failed,ak:{parsed.access},err:ak not exist")
        now = self._clock.now()
        self._check_temporary(request, key, now)
        wrong = signature.complaint(request, parsed, key.sk, now)
        if wrong is not None:
            raise ApiError("APIGW.0301", wrong)
        kind = "aksk" if key.security_token is None else "temporary"
        return Caller(kind, key.ak, frozenset(key.actions))

    @staticmethod
    def _check_temporary(request: Request, key: Key, now: datetime) -> None:
        if key.security_token is None:
            return
        if not secrets.compare_digest(request.header("X-Security-Token").encode(), key.security_token.encode()):
            raise ApiError("APIGW.0301", "the security token is missing or wrong")
        if key.expires_at is not None and key.expires_at <= now:
            raise ApiError("APIGW.0301", "the security token has expired")

    # -- tokens -------------------------------------------------------------

    def check_password(self, name: str, password: str, domain: str) -> User | None:
        """The user, when name, password and account are right and the user is enabled."""
        with self._lock:
            user = self.users.get(name)
            if user is None or not user.enabled or domain not in (DOMAIN_NAME, DOMAIN_ID):
                return None
            return user if secrets.compare_digest(user.password.encode(), password.encode()) else None

    def new_token(self, user: str, actions: Iterable[str], project: str | None, method: str) -> tuple[str, Token]:
        now = self._clock.now()
        # Real tokens are kilobytes long; a client with a short buffer should fail here.
        value = "MII" + base64.b64encode(os.urandom(2400)).decode().replace("/", "-")
        token = Token(user, set(actions), now, now + self.token_life, project, (method,))
        with self._lock:
            self._tokens[value] = token
        return value, token

    def token(self, value: str) -> Token | None:
        """The token if it is known and still lives."""
        with self._lock:
            token = self._tokens.get(value)
            return token if token and token.expires_at > self._clock.now() else None

    def set_token_life(self, seconds: float) -> None:
        """How long tokens made from now on live."""
        with self._lock:
            self.token_life = timedelta(seconds=seconds)

    def expire_tokens(self) -> int:
        with self._lock:
            for token in self._tokens.values():
                token.expires_at = self._clock.now()
            return len(self._tokens)

    def forget_tokens(self, user: str | None = None) -> int:
        with self._lock:
            gone = [value for value, token in self._tokens.items() if user in (None, token.user)]
            for value in gone:
                del self._tokens[value]
            return len(gone)

    # -- administration -----------------------------------------------------

    def put_key(self, wanted: dict[str, Any]) -> Key:
        """Makes a key, or changes the one of the same `ak`; what is absent is chosen or kept."""
        temporary = bool(wanted.get("temporary", False))
        with self._lock:
            ak = str(wanted.get("ak") or ("HST" if temporary else "EMU") + secrets.token_hex(9)[:17].upper())
            key = self.keys.get(ak) or Key(ak, secrets.token_hex(20), set(ALL_ACTIONS))
            key.sk = str(wanted.get("sk") or key.sk)
            key.actions = _actions(wanted, key.actions)
            if temporary:
                key.security_token = str(wanted.get("securityToken") or secrets.token_urlsafe(900))
            if "expiresIn" in wanted:
                key.expires_at = self._clock.now() + timedelta(seconds=float(wanted["expiresIn"]))
            self.keys[ak] = key
            return key

    def put_user(self, wanted: dict[str, Any]) -> User:
        """Makes or changes a user. A change ends the user's tokens, as the service does."""
        name = str(wanted.get("name") or "")
        if not name:
            raise AdminError(400, "a user needs a name")
        with self._lock:
            user = self.users.get(name) or User(name, DEFAULT_PASSWORD, set(ALL_ACTIONS))
            user.password = str(wanted.get("password") or user.password)
            user.actions = _actions(wanted, user.actions)
            user.enabled = bool(wanted.get("enabled", user.enabled))
            self.users[name] = user
            self.forget_tokens(name)
            return user

    def put_agency(self, wanted: dict[str, Any]) -> None:
        """Makes or changes an agency, which callers with a token may assume."""
        name = str(wanted.get("name") or "")
        if not name:
            raise AdminError(400, "an agency needs a name")
        with self._lock:
            self.agencies[name] = _actions(wanted, set(ALL_ACTIONS))

    def remove(self, kind: str, name: str) -> None:
        with self._lock:
            tables: dict[str, dict[str, Any]] = {"keys": self.keys, "users": self.users, "agencies": self.agencies}
            if tables[kind].pop(name, None) is None:
                raise AdminError(404, f"there is no {name} in {kind}")
            if kind == "users":
                self.forget_tokens(name)

    def describe_all(self) -> dict[str, Any]:
        with self._lock:
            return {
                "domainName": DOMAIN_NAME,
                "domainId": DOMAIN_ID,
                "projects": dict(self.projects),
                "keys": [describe_key(key) for key in self.keys.values()],
                "users": [describe_user(user) for user in self.users.values()],
                "agencies": [{"name": n, "actions": sorted(a)} for n, a in self.agencies.items()],
                "tokens": len(self._tokens),
            }


def describe_key(key: Key) -> dict[str, Any]:
    return {
        "ak": key.ak,
        "sk": key.sk,
        "actions": sorted(key.actions),
        "securityToken": key.security_token,
        "expiresAt": key.expires_at.isoformat() if key.expires_at else None,
    }


def describe_user(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "password": user.password,
        "id": user.id,
        "actions": sorted(user.actions),
        "enabled": user.enabled,
    }


def _actions(wanted: dict[str, Any], present: set[str]) -> set[str]:
    if "actions" not in wanted:
        return set(present)
    actions = wanted["actions"]
    if not isinstance(actions, list) or not all(isinstance(a, str) for a in actions):
        raise AdminError(400, "actions is an array of texts")
    return set(actions)
