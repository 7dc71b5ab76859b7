"""The record of a release as it lies on the Docker host, and the copy of it that the program reads.

The program itself asks nobody while it is being built. So `./monopco` copies the record of a release that is pinned
into .cache, as it does with the commit of a git source.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.specification import Specification
from components.stack import LABEL


class RecordError(ValueError):
    """The record cannot be used; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """A release that can be run again. `labels` are those of its image, without the prefix."""

    release_id: str
    name: str
    """Name of the image that is the record."""
    labels: Mapping[str, str]

    @staticmethod
    def of_image(name: str, labels: Mapping[str, str]) -> Record:
        """What `docker image inspect` says. Raises RecordError when something is missing."""
        own = {key.removeprefix(f"{LABEL}."): value for key, value in labels.items() if key.startswith(f"{LABEL}.")}
        missing = {"release", "record", "secrets", "serial", "at", "image"} - own.keys()
        if missing:
            raise RecordError(
                f"the image {name} is no record of a release: it has no label {', '.join(sorted(missing))}"
            )
        return Record(release_id=own["release"], name=name, labels=own)

    @property
    def specification(self) -> Specification:
        try:
            return Specification.from_json(self.labels["record"])
        except ValueError as error:
            raise RecordError(f"release {self.release_id} cannot be run by this version of monopco: {error}") from error

    @property
    def image(self) -> str:
        """Id of the app's image."""
        return self.labels["image"]

    @property
    def serial(self) -> int:
        """Number of the release among those of its stack."""
        return int(self.labels["serial"])

    @property
    def sealed(self) -> str:
        """The encrypted secrets."""
        return self.labels["secrets"]

    def to_json(self) -> str:
        labels = {f"{LABEL}.{key}": value for key, value in self.labels.items()}
        return json.dumps({"name": self.name, "labels": labels}, indent=1, sort_keys=True)


def record_file(project: Path, stack: str, release: str) -> Path:
    """Where the copy of a pinned release's record lies."""
    return project / ".cache" / "releases" / stack / f"{release}.json"


def _checked(record: Record, release: str) -> Record:
    if not release == record.release_id == record.specification.release_id:
        raise ValueError(f"it is of release {record.release_id}")
    return record


def read_record(project: Path, stack: str, release: str) -> Record:
    """The copy of the record. Raises RecordError, which says how to get it, when it is not there."""
    path = record_file(project, stack, release)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        record = _checked(Record.of_image(content["name"], content["labels"]), release)
    except OSError as error:
        raise RecordError(
            f"pinned.release: the record of release {release} has not been fetched; ./monopco up -s {stack} fetches it"
        ) from error
    except RecordError as error:
        raise RecordError(f"pinned.release: {error}") from error
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        raise RecordError(
            f"pinned.release: {path} cannot be read ({error}); remove it and run ./monopco up -s {stack}"
        ) from error
    return record
