"""What decides how a release behaves, and with that its name: two releases with one id are the same in all but number.

It is written into the release's record, so that it can be run again when source and configuration have moved on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_NUMBER = re.compile(r"[0-9]+(e[0-9]+)?")
ID_LENGTH = 10
# A container that is made differently is another release, even when the app is the same.
MADE_BY = hashlib.sha256(
    b"".join((Path(__file__).parent / name).read_bytes() for name in ("release.py", "container.py"))
).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Health:
    path: str
    expect: str
    start_seconds: int


class Script(NamedTuple):
    """An SQL script that the release brings: its name and the SHA-256 of its text."""

    name: str
    checksum: str


@dataclass(frozen=True, kw_only=True)
class Specification:
    image_digest: str
    """SHA-256 over all that the app's image is built from."""
    subnet: str
    memory_mb: int
    port: int
    health: Health
    read_only: bool
    drain_seconds: int
    environment: Mapping[str, str]
    secret_versions: Mapping[str, str]
    """For each secret something that changes with its value and does not tell it."""
    scripts: tuple[Script, ...]
    made_by: str = MADE_BY

    @property
    def release_id(self) -> str:
        """Short digest of everything here; the number of replicas is not part of it."""
        return short_id(hashlib.sha256(self.to_json().encode()).hexdigest())

    def to_json(self) -> str:
        """One line that is always the same for the same specification."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Specification:
        """The inverse of `to_json`. Raises ValueError when it is not what `to_json` writes."""
        try:
            fields = json.loads(text)
            health = Health(**fields.pop("health"))
            scripts = tuple(Script(*script) for script in fields.pop("scripts"))
            return Specification(health=health, scripts=scripts, **fields)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a specification of this version of monopco: {error}") from error

    def in_place(self, subnet: str, versions: Mapping[str, str]) -> Specification:
        """The same where it is to run now: in this network, with these versions of what cannot be brought back."""
        secret_versions = {name: versions.get(name, version) for name, version in self.secret_versions.items()}
        return dataclasses.replace(self, subnet=subnet, secret_versions=secret_versions, made_by=MADE_BY)


def short_id(digest: str) -> str:
    """The first digits of a hexadecimal digest, which no reader of YAML may take for a number (0811019978, 12e5)."""
    short = digest[:ID_LENGTH]
    return f"{'abcdef'[int(short[0], 16) % 6]}{short[1:]}" if _NUMBER.fullmatch(short) else short
