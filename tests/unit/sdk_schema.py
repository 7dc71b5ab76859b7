"""What a Pulumi provider's Python SDK declares, read from the installed package and compared with a plugin's schema."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import textwrap
import typing
from dataclasses import dataclass, field
from typing import Any, Callable

import pulumi
from pulumi._types import (
    input_type_py_to_pulumi_names,
    input_type_types,
    is_input_type,
    is_output_type,
    output_type_types,
    resource_py_to_pulumi_names,
    resource_types,
    unwrap_type,
)

SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number"}


@dataclass(frozen=True)
class Shape:
    """A type as both sides can say it: a scalar's name, "array" or "map" of one, or an object with properties."""

    kind: str
    item: Shape | None = None
    properties: dict[str, Shape] = field(default_factory=dict)
    required: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Member:
    """A resource or a function: what goes in, what comes out, and which of each is secret."""

    inputs: Shape
    outputs: Shape
    secret_inputs: frozenset[str] = frozenset()
    secret_outputs: frozenset[str] = frozenset()


def sdk_resources(package: str) -> dict[str, Member]:
    """Every resource class of the SDK by type token; components and providers are not resources of a plugin."""
    sdk = importlib.import_module(package)
    classes = [c for _, c in inspect.getmembers(sdk, inspect.isclass) if issubclass(c, pulumi.CustomResource)]
    return {_token(c): _resource(c) for c in classes if not issubclass(c, pulumi.ProviderResource)}
