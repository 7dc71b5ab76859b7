"""Pulumi.yaml and the stack files hold what the sections know, no more, no less."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from loading import fields_of
from recorder import PROJECT

import settings
from sections import Sections

STACK_FILES = sorted(path.name for path in PROJECT.glob("Pulumi.*.yaml"))
FIELDS = dict(fields_of(Sections))


def configuration(name: str) -> dict[str, Any]:
    """What a stack file says, by section."""
    content = yaml.safe_load((PROJECT / name).read_text(encoding="utf-8"))
    return {key.removeprefix("monopco:"): value for key, value in content["config"].items()}


def leaves(value: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted keys of nested objects, as deep as the known ones go."""
    for key, item in value.items():
        if isinstance(item, dict) and f"{prefix}{key}" not in FIELDS:
            yield from leaves(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def at(values: Any, location: tuple[str, ...]) -> Any:
    """What stands at a place of nested objects; None where there is nothing."""
    for key in location:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def is_encrypted(value: Any) -> bool:
    return isinstance(value, dict) and set(value) == {"secure"}


def test_pulumi_yaml_has_a_default_for_every_key_and_for_nothing_else() -> None:
    assert set(leaves(settings.default_sections())) == set(FIELDS)


def test_every_section_of_pulumi_yaml_is_described_and_typed() -> None:
    project = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text(encoding="utf-8"))
    for key, entry in project["config"].items():
        assert set(entry) == {"type", "description", "default"}, key
        assert entry["type"] == "object", key
        assert entry["description"], key


def test_every_key_is_described() -> None:
    assert [key for key, field in FIELDS.items() if not field.description] == []


def test_defaults_stand_in_pulumi_yaml_only() -> None:
    assert [key for key, field in FIELDS.items() if not field.is_required()] == []


@pytest.mark.parametrize("name", STACK_FILES)
def test_a_stack_file_holds_known_keys_only(name: str) -> None:
    given = configuration(name)
    secrets = {key for key, value in given.items() if is_encrypted(value)}
    sections = {key: value for key, value in given.items() if key not in secrets}
    assert set(leaves(sections)) - set(FIELDS) == set()
    wanted = given.get("app", {}).get("secrets", settings.default_sections()["app"]["secrets"])
    assert secrets - set(wanted) == set()


@pytest.mark.parametrize("name", STACK_FILES)
def test_a_stack_file_holds_no_secret_in_plain_text(name: str) -> None:
    given = configuration(name)
    found = {location: at(given, location) for location in settings.SECRET_KEYS}
    assert {key for key, value in found.items() if value is not None and not is_encrypted(value)} == set()
