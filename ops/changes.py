"""What a preview would change, read from Pulumi's events: each resource, and which field from what to what."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.events import changed_keys, name, own_name, plain_errors, shown_names

SECRET = "[secret]"  # noqa: S105 - what stands in a secret's place
UNKNOWN = "known afterwards"
NOTHING = "nothing"
# How the engine's protocol marks a secret, and a value that only a provider will know.
_SIGNATURE = "4dabf18193072939515e22adb298388d"
_NOT_KNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_VERBS = {"create": "create", "update": "change", "replace": "replace", "delete": "delete", "import": "import"}
_STEP = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[\]]+)')
_RELEASE = "monopco:components:Release"


@dataclass(frozen=True)
class Field:
    """One input that differs, as people may see it."""

    path: str
    before: str
    after: str

    @property
    def follows(self) -> bool:
        """Whether it only follows from another change, so that its value is not known yet."""
        return UNKNOWN in self.after

    def lines(self) -> list[str]:
        """What differs; of a text with several lines, those that do."""
        if self.before == self.after == SECRET:
            return [f"{self.path}: another {SECRET}"]
        old, new = self.before.splitlines(), self.after.splitlines()
        if len(old) < 2 and len(new) < 2:  # noqa: PLR2004 - one line each
            return [f"{self.path}: {self.before} → {self.after}"]
        changed = [
            line for line in difflib.unified_diff(old, new, n=0, lineterm="") if not line.startswith(("---", "+++"))
        ]
        return [f"{self.path}:", *(f"  {line}" for line in changed if not line.startswith("@@"))]


@dataclass(frozen=True)
class Change:
    """What would become of one resource."""

    verb: str  # create, change, replace, delete, import
    kind: str  # as "docker:index/volume:Volume"
    name: str  # in the program
    called: str  # outside the program, where it has a name there
    fields: tuple[Field, ...] = ()
    forcing: tuple[str, ...] = ()
    """Inputs that cannot be changed in place."""

    @property
    def short_kind(self) -> str:
        return self.kind.rpartition(":")[2].lower()


@dataclass(frozen=True)
class Changes:
    """All that a preview told."""

    resources: tuple[Change, ...]
    before: Mapping[str, Any] | None
    """What the release that runs is made of (its specification); None when there is none, or it is not known."""
    after: Mapping[str, Any] | None
    release: str
    """The release that runs; empty when there is none."""
    warnings: tuple[str, ...]
    errors: tuple[str, ...]
    first: bool
    """Whether nothing is there yet."""
    drift: tuple[str, ...]
    """What is not as it was left, when it was looked at first (--refresh)."""

    def named(self, name: str) -> Change | None:
        return next((change for change in self.resources if change.name == name), None)


def read(events: Iterable[dict[str, Any]]) -> Changes:
    """Take in the events of one preview."""
    resources: list[Change] = []
    drift: list[str] = []
    warnings: list[str] = []
    errors: list[str] = []
    release: tuple[Any, Any] = (None, None)
    first = False
    for event in events:
        if (begun := event.get("resourcePreEvent")) and (metadata := begun["metadata"])["op"] in _VERBS:
            first = first or (metadata["type"] == "pulumi:pulumi:Stack" and metadata["op"] == "create")
            if shown_names(metadata):
                resources.append(_change(metadata))
        elif ended := event.get("resOutputsEvent"):
            metadata = ended["metadata"]
            if metadata["op"] == "refresh":
                drift += _drift(metadata)
            elif metadata["type"] == _RELEASE:
                # Told twice: when it is registered, and when its outputs are.
                release = (_outputs(metadata, "old"), _outputs(metadata, "new"))
        elif told := event.get("diagnosticEvent"):
            _take_in(told, warnings, errors)
    old, new = release
    return Changes(
        resources=tuple(resources),
        before=_specification(old),
        after=_specification(new),
        release=str((old or {}).get("releaseId") or ""),
        warnings=tuple(warnings),
        errors=tuple(errors),
        first=first,
        drift=tuple(drift),
    )


def _change(metadata: dict[str, Any]) -> Change:
    old, new = (_inputs(metadata, side) for side in ("old", "new"))
    paths = sorted(metadata.get("detailedDiff") or metadata.get("diffs") or ())
    called = (new or old).get("name")
    return Change(
        verb=_VERBS[metadata["op"]],
        kind=metadata["type"],
        name=own_name(metadata["urn"]),
        called=called if isinstance(called, str) and called != _NOT_KNOWN else "",
        fields=tuple(Field(path, shown(_at(old, path)), shown(_at(new, path))) for path in paths),
        forcing=tuple(metadata.get("keys") or ()),
    )


def _drift(metadata: dict[str, Any]) -> list[str]:
    """What became of a resource outside of the program."""
    if not metadata.get("new"):
        return [f"{name(metadata['urn'])} is gone"]
    keys = changed_keys(metadata)
    return [f"{name(metadata['urn'])} was changed ({', '.join(keys)})"] if keys else []


def shown(value: Any) -> str:
    """A value as people may see it: no secret, and nothing but text."""
    hidden = _hidden(value)
    if hidden is None:
        return NOTHING
    return hidden if isinstance(hidden, str) and hidden else json.dumps(hidden, ensure_ascii=False, sort_keys=True)


def is_hidden(value: Any) -> bool:
    """Whether a value is a secret."""
    return isinstance(value, Mapping) and _SIGNATURE in value


def _hidden(value: Any) -> Any:
    if isinstance(value, Mapping):
        return SECRET if is_hidden(value) else {key: _hidden(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    return value.replace(_NOT_KNOWN, UNKNOWN) if isinstance(value, str) else value


def _at(values: Any, path: str) -> Any:
    """What stands at a path of Pulumi's, such as `ports[0].external` or `label["a.b"]`; None where there is nothing.

    Inside a secret it is the secret.
    """
    for quoted, index, key in _STEP.findall(path):
        if is_hidden(values):
            return values
        if index and isinstance(values, Sequence):
            values = values[int(index)] if int(index) < len(values) else None
        elif isinstance(values, Mapping):
            values = values.get(key or quoted)
        else:
            return None
    return values


def _inputs(metadata: dict[str, Any], side: str) -> dict[str, Any]:
    return dict((metadata.get(side) or {}).get("inputs") or {})


def _outputs(metadata: dict[str, Any], side: str) -> dict[str, Any]:
    return dict((metadata.get(side) or {}).get("outputs") or {})


def _specification(outputs: dict[str, Any] | None) -> Mapping[str, Any] | None:
    try:
        found = json.loads((outputs or {}).get("specification") or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _take_in(told: dict[str, Any], warnings: list[str], errors: list[str]) -> None:
    if told.get("ephemeral"):
        return
    if told["severity"] == "error":
        errors += [text for text in plain_errors(told) if text not in errors]
    elif told["severity"] == "warning" and (text := told["message"].strip()) not in warnings:
        warnings.append(text)
