"""Which release is to run: the one that the source gives, or one that publish or rollback has pinned."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from components.specification import Health, Script, Specification
from record import Record
from sections import parse_size
from settings import Settings
from source import Source, is_git_url, without_login

# Never brought back with a release: a database knows one password at a time, and nobody wants its data split in two.
UNRECORDED = frozenset({"DATABASE_URL"})


@dataclass(frozen=True, kw_only=True)
class Plan:
    specification: Specification
    base: Source | Record
    """What the release is made from: a source to build, or a record to run again."""
    source_release: str
    """What the source would give; empty when it cannot be read."""
    origin: Mapping[str, str]
    """Where the source came from, for the record."""

    @property
    def recorded(self) -> Record | None:
        """The record that is run again exactly as it is; None when a new one has to be made."""
        if isinstance(self.base, Record) and self.base.release_id == self.specification.release_id:
            return self.base
        return None

    @property
    def note(self) -> str:
        """What a person should know about it; empty when nothing is out of the ordinary."""
        if isinstance(self.base, Source):
            return ""
        running, asked = self.specification.release_id, self.base.release_id
        moved = "" if running == asked else f", as {running} because of what changed around it"
        instead = f"; the source's {self.source_release} is set aside" if self.source_release else ""
        return f"release {asked} is pinned (pinned.release){moved}{instead}"


def image_digest(settings: Settings, node_digest: str) -> str:
    """SHA-256 over all that the app's image is built from; empty without a source."""
    if settings.source is None:
        return ""
    app = settings.sections.app
    parts = [node_digest, settings.source.digest, app.public, app.dependencies]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def plan(settings: Settings, subnet: str, digest: str) -> Plan:
    """Decide. A pinned release gives way once the source gives something else than when it was pinned."""
    source, pinned = settings.source, settings.pinned
    ours = _of_source(settings, source, subnet, digest) if source else None
    theirs = ours.release_id if ours else ""
    if pinned and not (ours and _gives_way(settings, pinned, theirs)):
        return _again(settings, pinned, subnet, theirs)
    if source is None or ours is None:
        raise ValueError("settings accept no environment that has neither a source nor a pinned release")
    return Plan(specification=ours, base=source, source_release=theirs, origin=_origin(settings, source))


def _gives_way(settings: Settings, pinned: Record, source_release: str) -> bool:
    return pinned.release_id == source_release or settings.sections.pinned.instead_of not in (None, source_release)


def _again(settings: Settings, pinned: Record, subnet: str, source_release: str) -> Plan:
    versions = {name: version for name, version in settings.secret_versions().items() if name in UNRECORDED}
    labels = pinned.labels
    return Plan(
        specification=pinned.specification.in_place(subnet, versions),
        base=pinned,
        source_release=source_release,
        origin={
            "SOURCE": pinned.name,
            "COMMIT": labels.get("commit", "") or "unknown",
            "TAG": labels.get("tag", ""),
            "DIRTY": labels.get("dirty", ""),
        },
    )


def _of_source(settings: Settings, source: Source, subnet: str, digest: str) -> Specification:
    app = settings.sections.app
    return Specification(
        image_digest=digest,
        subnet=subnet,
        memory_mb=parse_size(app.memory) // 2**20,
        port=app.port,
        health=Health(path=app.health.path, expect=app.health.expect, start_seconds=app.health.start_seconds),
        read_only=app.read_only,
        drain_seconds=app.drain_seconds,
        environment={"NODE_ENV": "production", **app.public, **app.env},
        secret_versions=settings.secret_versions(),
        scripts=tuple(Script(script.name, script.checksum) for script in source.migrations),
    )


def _origin(settings: Settings, source: Source) -> dict[str, str]:
    app = settings.sections.app
    if is_git_url(app.source):
        return {"SOURCE": without_login(app.source), "COMMIT": app.ref or "", "TAG": source.tag}
    return {"SOURCE": app.source}
