"""A request's parameters, typed and checked, as the actions take them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Iterable, Mapping

from .errors import ApiError, invalid_parameter, missing_parameter
from .model import Cell, World

TAG_LIMIT = 20
_NUMBERED = re.compile(r"^(\d+)(?:\.(\w+))?$")


@dataclass(frozen=True)
class Parameters:
    """One admitted request: what was sent, and the part of the world that it is about."""

    world: World
    cell: Cell
    values: Mapping[str, str]
    request_id: str

    def has(self, name: str) -> bool:
        return self.values.get(name, "") != ""

    def text(self, name: str, default: str = "") -> str:
        return self.values.get(name) or default

    def required(self, name: str) -> str:
        value = self.values.get(name, "")
        if not value:
            raise missing_parameter(name)
        return value

    def integer(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """A number in range; without a default it is required."""
        if not self.has(name) and default is not None:
            return default
        value = self.required(name)
        if re.fullmatch(r"-?\d{1,18}", value) is None or not low <= int(value) <= high:
            raise invalid_parameter(f"The specified {name} is not valid: it is a number from {low} to {high}.")
        return int(value)

    def choice(self, name: str, allowed: Iterable[str], default: str | None = None) -> str:
        """One of a few words; without a default it is required."""
        allowed = tuple(allowed)
        value = self.required(name) if default is None else self.text(name, default)
        if value not in allowed:
            raise invalid_parameter(f"The specified {name} is not valid: it is one of {', '.join(allowed)}.")
        return value

    def numbered(self, prefix: str, limit: int) -> list[str]:
        """`Prefix.1`, `Prefix.2` …, in the order of their numbers."""
        found: dict[int, str] = {}
        for name, value in self.values.items():
            if name.startswith(prefix + "."):
                match = _NUMBERED.match(name[len(prefix) + 1 :])
                if match is not None and match[2] is None:
                    found[int(match[1])] = value
        if len(found) > limit:
            raise invalid_parameter(f"At most {limit} values of {prefix} are possible.")
        return [found[number] for number in sorted(found)]

    def tags(self) -> list[tuple[str, str | None]]:
        """`Tag.N.Key`, `Tag.N.Value` as pairs; the value is None where it is absent (a filter by key)."""
        found: dict[int, dict[str, str]] = {}
        for name, value in self.values.items():
            match = _NUMBERED.match(name[4:]) if name.startswith("Tag.") else None
            if match is not None and match[2] in ("Key", "Value"):
                found.setdefault(int(match[1]), {})[match[2]] = value
        if len(found) > TAG_LIMIT:
            raise ApiError(400, "TagCountLimit", f"At most {TAG_LIMIT} tags are possible in a request.")
        return [(found[number].get("Key", ""), found[number].get("Value")) for number in sorted(found)]

    def new_tags(self) -> dict[str, str]:
        """Tags to be set: checked, an absent value is empty."""
        tags = {}
        for key, value in self.tags():
            check_tag(key, value or "")
            tags[key] = value or ""
        return tags

    def matches_tags(self, tags: Mapping[str, str]) -> bool:
        """Whether something with `tags` passes the request's tag filter."""
        return all(key in tags and value in (None, "", tags[key]) for key, value in self.tags())

    def json_list(self, name: str, limit: int) -> list[dict[str, Any]]:
        """A parameter that holds a JSON array of objects as text."""
        try:
            value = json.loads(self.required(name))
        except (ValueError, RecursionError):
            raise malformed(name) from None
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise malformed(name)
        if len(value) > limit:
            raise invalid_parameter(f"At most {limit} entries of {name} are possible.")
        return value


def malformed(name: str) -> ApiError:
    return ApiError(400, f"{name}Malformed", f"The specified {name} is malformed.")


def check_tag(key: str, value: str) -> None:
    lowered = key.lower()
    wrong = (
        not 1 <= len(key) <= 64
        or len(value) > 128
        or lowered.startswith(("aliyun", "acs:"))
        or any(scheme in text.lower() for text in (key, value) for scheme in ("http://", "https://"))
    )
    if wrong:
        raise invalid_parameter("The specified Tag is not valid.")


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


def iso_seconds(milliseconds: int) -> str:
    """UTC to the second, as most answers write times."""
    return datetime.fromtimestamp(milliseconds // 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
