"""Runs components, or the whole program, without an engine and keeps what they asked it for.

Secrets keep the wrapper that the engine sees, so that a test can tell what would be stored in clear text. What a
provider would compute is supplied by `COMPUTED`; in a preview it is unknown, as with the engine.
"""

from __future__ import annotations

import asyncio
import json
import re
import runpy
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import empty_pb2, json_format, struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import Mocks, Settings, configure, set_all_config
from pulumi.runtime.mocks import MockEngine, MockMonitor
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_in_stack
from values import reveal, texts, wrapped

PROJECT = Path(__file__).resolve().parents[2]

STACK = "pulumi:pulumi:Stack"
CONTAINER = "docker:index/container:Container"
IMAGE = "docker:index/remoteImage:RemoteImage"
NETWORK = "docker:index/network:Network"
VOLUME = "docker:index/volume:Volume"
PROVIDER = "pulumi:providers:docker"
COMMAND = "command:local:Command"
REMOTE_COMMAND = "command:remote:Command"
PASSWORD = "random:index/randomPassword:RandomPassword"
COMPONENT = "monopco:components:"

# Python itself may say None.
_PROGRAM = (PROJECT / "components" / "delivery" / "deliver.py").read_text(encoding="utf-8")
# Number that the record of a release has.
SERIAL = 7


def _printed(name: str, environment: Mapping[str, str]) -> str:
    """What a step says; of these the program or another step reads it."""
    if name == "serial-number":
        return json.dumps({"serial": SERIAL, "image": environment["IMAGE"]})
    if "PROGRAM" in environment:  # brings an image
        return json.dumps({"image": environment["IMAGE"], "sent": 0})
    if name == "checkpoint-record":
        return environment["RECORD"]
    if name == "release-healthy":
        return f"healthy {environment['RELEASE']} {environment['CONTAINERS']}"
    if name == "switch-traffic":
        return json.dumps({"release": environment["RELEASE"], "lost": 0})
    return f"printed by {name}"


# What each provider computes, of which the program reads anything, from the resource's name and inputs.
COMPUTED: Mapping[str, Callable[[str, Any], Mapping[str, str]]] = {
    IMAGE: lambda name, _: {"imageId": f"sha256:{name}"},
    PASSWORD: lambda name, _: {"result": f"generated.{name}"},
    REMOTE_COMMAND: lambda name, _: {"stdout": f"printed by {name}", "stderr": ""},
    COMMAND: lambda name, inputs: {"stdout": _printed(name, inputs["environment"]), "stderr": ""},
}


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource as it was registered; addresses are URNs."""

    type: str
    name: str
    urn: str
    parent: str
    custom: bool
    provider: str
    protect: bool
    aliases: tuple[str, ...]
    """Where it was before: the parent then and its name."""
    ignore_changes: tuple[str, ...]
    delete_before_replace: bool
    deleted_with: str
    dependencies: frozenset[str]
    inputs: Mapping[str, Any]
    computed: Mapping[str, Any]


@dataclass(frozen=True)
class Recording:
    """All that one run registered, in order."""

    preview: bool
    resources: list[Resource] = field(default_factory=list)
    registered: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Outputs that components and the stack registered, by URN."""

    def of_type(self, type_: str) -> list[Resource]:
        return [resource for resource in self.resources if resource.type == type_]

    def named(self, name: str, type_: str | None = None) -> Resource:
        """The one resource of that name (and type)."""
        found = [one for one in self.resources if one.name == name and type_ in (None, one.type)]
        assert len(found) == 1, f"{len(found)} resources are named {name}: there are {[r.name for r in self.resources]}"
        return found[0]

    def matching(self, pattern: str) -> Resource:
        """The one resource whose name is the pattern."""
        found = [one for one in self.resources if re.fullmatch(pattern, one.name)]
        assert len(found) == 1, f"{len(found)} match {pattern}: there are {[r.name for r in self.resources]}"
        return found[0]

    def component(self, kind: str) -> Resource:
        (found,) = self.of_type(COMPONENT + kind)
        return found

    def outputs(self, resource: Resource) -> dict[str, Any]:
        return self.registered[resource.urn]

    @property
    def exports(self) -> dict[str, Any]:
        """The stack's outputs."""
        (stack,) = self.of_type(STACK)
        return self.registered[stack.urn]

    def labels(self, resource: Resource) -> dict[str, str]:
        return {label["label"]: label["value"] for label in resource.inputs["labels"]}

    def children(self, resource: Resource) -> list[Resource]:
        return [one for one in self.resources if one.parent == resource.urn]

    def waits_for(self, resource: Resource) -> set[str]:
        """Names of all that has to be there before the resource, by any number of steps."""
        by_urn = {one.urn: one for one in self.resources}
        reached: set[str] = set()
        waiting = [resource.urn]
        while waiting:
            for urn in by_urn[waiting.pop()].dependencies - reached:
                reached.add(urn)
                waiting.append(urn)
        return {by_urn[urn].name for urn in reached}


class Recorder(MockMonitor):
    """Answers registrations as the engine and its providers would."""

    def __init__(self, recording: Recording, stack: str) -> None:
        super().__init__(_NoCalls())
        self.recording = recording
        self.stack = stack

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the engine's protocol names it
        resource = Resource(
            type=request.type,
            name=request.name,
            urn=self._urn(request.parent, request.type, request.name),
            parent=request.parent,
            custom=request.custom,
            provider=request.provider.rpartition("::")[0],
            protect=request.protect,
            aliases=tuple(f"{one.spec.parentUrn} {one.spec.name}" for one in request.aliases),
            ignore_changes=tuple(request.ignoreChanges),
            delete_before_replace=request.deleteBeforeReplace,
            deleted_with=request.deletedWith,
            dependencies=frozenset(request.dependencies),
            inputs=json_format.MessageToDict(request.object),
            computed=self._computed(request),
        )
        self.recording.resources.append(resource)
        state = struct_pb2.Struct()
        state.CopyFrom(request.object)
        state.update(resource.computed)
        known = resource.custom and not self.recording.preview
        return resource_pb2.RegisterResourceResponse(
            urn=resource.urn, id=f"{resource.name}-id" if known else "", object=state
        )

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        self.recording.registered[request.urn] = json_format.MessageToDict(request.outputs)
        return empty_pb2.Empty()

    def _urn(self, parent: str, type_: str, name: str) -> str:
        above = parent.split("::")[2] if parent else ""
        types = type_ if above in ("", STACK) else f"{above}${type_}"
        return f"urn:pulumi:{self.stack}::monopco::{types}::{name}"

    def _computed(self, request: Any) -> dict[str, Any]:
        if self.recording.preview:
            return {}
        compute = COMPUTED.get(request.type)
        values = compute(request.name, reveal(json_format.MessageToDict(request.object))) if compute else {}
        hidden = set(request.additionalSecretOutputs)
        return {key: wrapped(value) if key in hidden else value for key, value in values.items()}


class _NoCalls(Mocks):
    """The program looks nothing up, so there is nothing to answer."""

    def new_resource(self, args: Any) -> Any:
        raise AssertionError(f"{args.name} was read instead of registered")

    def call(self, args: Any) -> Any:
        raise AssertionError(f"the program called {args.token} while it was being built")


def record(
    declare: Callable[[], object],
    *,
    stack: str = "dev",
    preview: bool = False,
    config: Mapping[str, str] | None = None,
    secret_keys: Sequence[str] = (),
    into: Recording | None = None,
) -> Recording:
    """What `declare` registers. Fails if it failed, or if a value that nothing supplied became the text "None".

    With `into` given, what was registered before a failure can be looked at.
    """
    recording = into or Recording(preview)

    def run() -> None:
        recorder = Recorder(recording, stack)
        configure(Settings("monopco", stack, monitor=recorder, engine=MockEngine(None), dry_run=preview))
        set_all_config(dict(config or {}), list(secret_keys))
        asyncio.run(run_in_stack(lambda: _ignore(declare())))

    copy_context().run(run)
    for resource in recording.resources:
        for text in texts(reveal(resource.inputs)):
            assert text == _PROGRAM or not re.search(r"\bNone\b", text), (
                f"an input of {resource.name} says None: {text}"
            )
    return recording


def _ignore(_: object) -> None:
    return None


def record_program(
    stack: str, config: StackConfig, *, preview: bool = False, into: Recording | None = None
) -> Recording:
    """What the whole program registers for a stack of that configuration."""
    return record(
        lambda: runpy.run_path(str(PROJECT / "__main__.py"), run_name="__main__"),
        stack=stack,
        preview=preview,
        config=config.values,
        secret_keys=config.secret_keys,
        into=into,
    )


@dataclass(frozen=True)
class StackConfig:
    """Configuration as Pulumi hands it to the program: text, objects as JSON, and which keys are secret."""

    values: Mapping[str, str]
    secret_keys: tuple[str, ...] = ()

    @staticmethod
    def of_file(stack: str) -> StackConfig:
        """What Pulumi.<stack>.yaml says."""
        content = yaml.safe_load((PROJECT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8"))
        return StackConfig({key: _text(value) for key, value in content["config"].items()})

    def changed(self, section: str, **keys: Any) -> StackConfig:
        """The same with some keys of one section given."""
        name = f"monopco:{section}"
        values = {**json.loads(self.values.get(name, "{}")), **keys}
        return StackConfig({**self.values, name: _text(values)}, self.secret_keys)

    def with_secrets(self, **secrets: str) -> StackConfig:
        """The same with secrets set."""
        given = {f"monopco:{name}": value for name, value in secrets.items()}
        return StackConfig({**self.values, **given}, (*self.secret_keys, *given))

    def marked_secret(self, *sections: str) -> StackConfig:
        """The same with sections that hold a secret."""
        return StackConfig(self.values, (*self.secret_keys, *(f"monopco:{section}" for section in sections)))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
