"""The releases of a stack that can be started: their records, as they lie on the Docker host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.label import label_instruction
from ops import containers
from ops.bootstrap.stamps import write_atomically
from ops.errors import MISTAKE, CommandError
from ops.places import PROJECT
from record import Record, RecordError, record_file

_DESCRIPTION = "description"


@dataclass(frozen=True)
class Recorded:
    """A release that can be started."""

    record: Record
    size: int  # bytes of its image

    @property
    def id(self) -> str:
        return self.record.release_id

    @property
    def at(self) -> str:
        return self.record.labels["at"]

    @property
    def description(self) -> str:
        return self.record.labels.get(_DESCRIPTION, "")

    @property
    def schema_level(self) -> int:
        return len(self.record.specification.scripts)

    def fields(self) -> dict[str, Any]:
        """What programs are told; the secrets are not among it."""
        labels, what = self.record.labels, self.record.specification
        return {
            "id": self.id,
            "time": self.at,
            "description": self.description,
            "commit": labels.get("commit") or None,
            "tag": labels.get("tag") or None,
            "dirty": {"true": True, "false": False}.get(labels.get("dirty", "")),
            "image": self.record.image,
            "size": self.size,
            "schema": {"level": self.schema_level, "last": what.scripts[-1].name if what.scripts else None},
            "configuration": {
                "memoryMb": what.memory_mb,
                "port": what.port,
                "health": {"path": what.health.path, "expect": what.health.expect},
                "environment": dict(what.environment),
                "secretVersions": dict(what.secret_versions),
            },
        }


def recorded(stack: str, host: str | None) -> list[Recorded]:
    """Every release of `stack` that can be started, newest first. Raises CommandError when Docker does not answer."""
    wanted = [*containers.filters(stack, "release"), "--filter", "dangling=false"]
    names = containers.docker(["image", "ls", *wanted, "--format", "{{.Repository}}:{{.Tag}}"], host).split()
    if not names:
        return []
    there = set(
        containers.docker(["image", "ls", "--all", "--quiet", "--no-trunc", *containers.filters(stack)], host).split()
    )
    found = [_recorded(image, there) for image in _inspected(names, host)]
    startable = [one for one in found if one]
    return sorted(startable, key=lambda one: (one.at, int(one.record.labels["serial"])), reverse=True)


def _inspected(names: list[str], host: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(containers.docker(["image", "inspect", *names], host))
    return found


def _recorded(image: Mapping[str, Any], there: set[str]) -> Recorded | None:
    """None when it cannot be started: by this version of monopco, or because its app's image was removed."""
    try:
        record = Record.of_image(image["RepoTags"][0], image["Config"]["Labels"])
        _ = record.specification
    except RecordError:
        return None
    return Recorded(record, int(image["Size"])) if record.image in there else None


def find(releases: list[Recorded], wanted: str) -> Recorded:
    """The release with this id or this beginning of it. Raises CommandError, which lists what there is."""
    matching = [one for one in releases if wanted and one.id.startswith(wanted)]
    if len(matching) == 1:
        return matching[0]
    there = ", ".join(one.id for one in releases) or "none"
    what = "is no release that can be started" if not matching else "begins the id of several releases"
    raise CommandError(f"{wanted} {what} (there are: {there}); ./monopco releases shows them.", MISTAKE)


def fetch(stack: str, host: str | None, release: str) -> None:
    """Copy the record of a release to where the program reads it. Raises CommandError when there is none."""
    keep(stack, find(recorded(stack, host), release))


def keep(stack: str, release: Recorded) -> None:
    """Write the record where the program reads it."""
    path = record_file(PROJECT, stack, release.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, release.record.to_json())


def describe(release: Recorded, text: str, host: str | None) -> None:
    """Put a description on the record: the same image with one label more, under the same name."""
    labels = {f"{containers.LABEL}.{_DESCRIPTION}": " ".join(text.splitlines())}
    dockerfile = f"FROM {release.record.name}\n{label_instruction(labels)}\n"
    containers.docker(["build", "--quiet", "--tag", release.record.name, "-"], host, stdin=dockerfile)
