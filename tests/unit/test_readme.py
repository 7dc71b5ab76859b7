"""The README's configuration table is what Pulumi.yaml and sections.py say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sections import Sections
from settings import PROJECT, default_sections

BEGIN, END = "<!-- configuration -->", "<!-- end of configuration -->"


def described(model: type[BaseModel], defaults: Any, prefix: str) -> Iterator[tuple[str, Any, str]]:
    """Key, default and description of every key, nested objects key by key."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        nested = nested_model(field)
        if nested:
            yield from described(nested, defaults[key], f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", defaults[key], description(field)


def nested_model(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def description(field: FieldInfo) -> str:
    assert field.description, f"a key without a description: {field}"
    return field.description


def configuration_table() -> str:
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for key, default, meaning in described(Sections, default_sections(), ""):
        value = "" if default is None else f"`{default if isinstance(default, str) else json.dumps(default)}`"
        rows.append(f"| `{key}` | {value} | {meaning} |".replace("|  |", "| |"))
    return "\n".join(rows)


def test_the_configuration_table_is_what_the_program_reads() -> None:
    readme = Path(PROJECT / "README.md").read_text(encoding="utf-8")
    shown = readme.split(BEGIN)[1].split(END)[0].strip()
    expected = configuration_table()
    assert shown == expected, f"the table between the markers must be:\n{expected}"
