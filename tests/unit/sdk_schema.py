"""What a Pulumi provider's Python SDK declares: resources, functions and settings, read from the installed package."""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
import types
import typing
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Union

import pulumi

SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number"}
TWICE_OPTIONAL = re.compile(r"(pulumi\.Input\[)?Optional\[(pulumi\.Input\[)?Optional\[")
FORWARD = {"Output": pulumi.Output, "T": type(None)}  # names that pulumi.Input leaves unresolved


@dataclass(frozen=True)
class Shape:
    """A scalar by its JSON name, an "array" or a "map" of items, an "object" with properties, or "any"."""

    kind: str
    item: Shape | None = None
    properties: Mapping[str, Shape] = field(default_factory=dict)
    required: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Member:
    """A resource or a function: what goes in, what comes out, and which of it is secret."""

    inputs: Shape
    outputs: Shape
    secrets: frozenset[str] = frozenset()


def differences(where: str, declared: Shape, served: Shape) -> Iterator[str]:
    """One sentence for each place where a plugin serves something else than its SDK declares."""
    if declared.kind != served.kind:
        yield f"{where}: the SDK declares {declared.kind}, the plugin serves {served.kind}"
        return
    if declared.item and served.item:
        yield from differences(f"{where}[]", declared.item, served.item)
    for name in sorted(declared.properties.keys() - served.properties.keys()):
        yield f"{where}.{name}: declared by the SDK, unknown to the plugin"
    for name in sorted(served.properties.keys() - declared.properties.keys()):
        yield f"{where}.{name}: served by the plugin, unknown to the SDK"
    for name in sorted(declared.required ^ served.required):
        yield f"{where}.{name}: required {'in the SDK' if name in declared.required else 'by the plugin'} only"
    for name in sorted(declared.properties.keys() & served.properties.keys()):
        yield from differences(f"{where}.{name}", declared.properties[name], served.properties[name])


def sdk_resources(package: str) -> dict[str, Member]:
    """Every resource class of an SDK by its type token; providers and component classes are not a plugin's."""
    found = {}
    for module in _modules(package):
        for cls in _own(module, inspect.isclass):
            if issubclass(cls, pulumi.CustomResource) and not issubclass(cls, pulumi.ProviderResource):
                source = _source(cls)
                found[_token(source)] = Member(
                    inputs=_object(getattr(module, f"{cls.__name__}Args")),
                    outputs=_object(cls),
                    secrets=frozenset(_secrets(source)),
                )
    return found


def sdk_functions(package: str) -> dict[str, Member]:
    """Every function of an SDK by its token."""
    found = {}
    for module in _modules(package):
        for function in _own(module, inspect.isfunction):
            if function.__name__.endswith("_output"):
                source = _source(function)
                token = _token(source)
                result = token[token.rindex(":") + 1 :] + "Result"
                outputs = _object(getattr(module, result[0].upper() + result[1:]))
                found[token] = Member(inputs=_arguments(function, source), outputs=outputs)
    return found


def sdk_provider(package: str) -> Shape:
    """The settings of an SDK's provider."""
    return _object(importlib.import_module(f"{package}.provider").ProviderArgs)


def _modules(package: str) -> Iterator[types.ModuleType]:
    root = importlib.import_module(package)
    for found in pkgutil.walk_packages(root.__path__, f"{package}."):
        if not found.name.rpartition(".")[2].startswith("_") and ".config" not in found.name:
            yield importlib.import_module(found.name)


def _own(module: types.ModuleType, kind: Callable[[Any], bool]) -> list[Any]:
    return [thing for _, thing in inspect.getmembers(module, kind) if thing.__module__ == module.__name__]


def _source(thing: Callable[..., Any] | type) -> ast.AST:
    return ast.parse(textwrap.dedent(inspect.getsource(thing)))


def _token(source: ast.AST) -> str:
    """The type token is the one string literal of the form package:module:Name that the code passes on."""
    return next(
        node.value
        for node in ast.walk(source)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.count(":") == 2
        and " " not in node.value
    )


def _secrets(source: ast.AST) -> Iterator[str]:
    """Output names in additional_secret_outputs=[...]."""
    for node in ast.walk(source):
        if isinstance(node, ast.keyword) and node.arg == "additional_secret_outputs":
            yield from ast.literal_eval(node.value)


def _object(cls: type) -> Shape:
    parameters = inspect.signature(cls).parameters.values()
    getters = {n: p.fget for n, p in inspect.getmembers(cls, lambda p: isinstance(p, property)) if p.fget}
    names = {n: g._pulumi_name for n, g in getters.items() if hasattr(g, "_pulumi_name")}
    module = vars(sys.modules[cls.__module__])
    properties = {names[n]: _shape(typing.get_type_hints(getters[n], module, FORWARD)["return"]) for n in names}
    required = {names[p.name] for p in parameters if p.name in names and p.default is inspect.Parameter.empty}
    return Shape("object", properties=properties, required=frozenset(required))


def _arguments(function: Callable[..., Any], source: ast.AST) -> Shape:
    """A function's inputs: each line `__args__['key'] = parameter` of its body names one.

    Every parameter is an Optional; one that may be left out is an Optional of an Optional, which only the source tells.
    """
    hints = typing.get_type_hints(function, localns=FORWARD)
    optional, keys = set(), {}
    for node in ast.walk(source):
        if isinstance(node, ast.arg) and node.annotation and TWICE_OPTIONAL.match(ast.unparse(node.annotation)):
            optional.add(node.arg)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            keys[ast.unparse(node.value)] = ast.literal_eval(node.targets[0].slice)
    return Shape(
        "object",
        properties={key: _shape(hints[name]) for name, key in keys.items()},
        required=frozenset(key for name, key in keys.items() if name not in optional),
    )


def _shape(hint: Any) -> Shape:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {Union, types.UnionType}:
        return _shape(next(a for a in arguments if a is not type(None) and typing.get_origin(a) is not Awaitable))
    if origin is pulumi.Output:
        return _shape(arguments[0])
    if origin in {Sequence, Mapping}:
        return Shape("array" if origin is Sequence else "map", item=_shape(arguments[-1]))
    if hint is Any or not inspect.isclass(hint) or hint.__module__.startswith("pulumi."):
        return Shape("any")
    return Shape(SCALARS[hint]) if hint in SCALARS else _class(hint)


def _class(cls: type) -> Shape:
    return Shape("string") if issubclass(cls, enum.Enum) else _object(cls)
