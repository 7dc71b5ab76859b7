"""How a zone is reached: what steps are given on standard input, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a zone is changed; nothing of it is secret."""

    mode: str
    zone: str
    host: str = ""
    port: int = 53
    key_name: str = ""
    key_algorithm: str = ""
    provider: str = ""

    def to_json(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value != ""}, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Place:
        return Place(**json.loads(text))


@dataclass(frozen=True, kw_only=True)
class Access:
    """The secrets by which it is changed."""

    key_secret: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps({"key_secret": self.key_secret, "credentials": dict(self.credentials)}, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> Access:
        return Access(**json.loads(text))
