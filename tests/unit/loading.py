"""Loads settings as the program does, each time in a context of its own, and lists the keys that they know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextvars import copy_context
from typing import Any

import pytest
from pulumi.runtime import set_all_config
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from recorder import StackConfig

import settings
from sections import Section
from settings import ConfigError, Settings

APP_KEYS = (
    "source, ref, replicas, memory, port, health, dependencies, env, secrets, public, drainSeconds, watchSeconds, "
    "keepReleases, readOnly, assets, buildOn"
)


def load(config: StackConfig, stack: str = "dev") -> Settings:
    def run() -> Settings:
        set_all_config(dict(config.values), list(config.secret_keys))
        return settings.load(stack)

    return copy_context().run(run)


def mistakes(config: StackConfig, stack: str = "dev") -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(config, stack)
    return list(raised.value.mistakes)


def fields_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key of the sections that is no section itself, dotted, with its field."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from fields_of(field.annotation, f"{key}.")
        else:
            yield key, field


def nested(keys: Sequence[str], value: Any) -> dict[str, Any]:
    """{"a": {"b": value}} for ["a", "b"]."""
    first, *rest = keys
    return {first: nested(rest, value) if rest else value}
