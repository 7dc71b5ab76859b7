"""What is to be ordered, as the deployment wrote it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monopco_acme.places import SETTINGS


@dataclass(frozen=True, kw_only=True)
class Settings:
    names: tuple[str, ...]
    """The site's name first, then its aliases."""
    email: str
    directory: str
    """URL of the ACME directory."""
    authority: str
    """PEM certificates by which the directory's server is verified; the system's own when empty."""
    profile: str
    """Kind of certificate that the directory is asked for; its default when empty."""
    challenge: str
    dns: Mapping[str, Any]
    """How records are made, for dns-01; empty otherwise."""
    digest: str
    """Changes with any of it."""

    @staticmethod
    def read() -> Settings:
        return Settings.parse(SETTINGS.read_text(encoding="utf-8"))

    @staticmethod
    def parse(text: str) -> Settings:
        given = json.loads(text)
        return Settings(
            names=tuple(given["names"]),
            email=given["email"],
            directory=given["directory"],
            authority=given["authority"],
            profile=given["profile"],
            challenge=given["challenge"],
            dns=given["dns"],
            digest=hashlib.sha256(text.encode()).hexdigest()[:8],
        )

    @property
    def order(self) -> dict[str, Any]:
        """What decides whether a certificate that is there is the one that is asked for."""
        return {"names": sorted(self.names), "directory": self.directory, "profile": self.profile}
