"""What Pulumi's engine does with a program: each run's steps, their order, what differs and what is said."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.pulumi_project import SECRET_MARK, STACK, PulumiProject, is_secret

IMPORTS = "import pulumi\nimport pulumi_command as command\nimport pulumi_random as random\n"


@dataclass(frozen=True)
class Step:
    """What the engine does to one resource: the operation, and the kind of difference by the property's path."""

    operation: str
    differences: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One run of the engine, read from its events."""

    events: list[dict[str, Any]]

    @property
    def steps(self) -> dict[str, Step]:
        """The step of every resource by its name; of a replacement the one that makes the new resource."""
        found: dict[str, Step] = {}
        for metadata in self._metadata("resourcePreEvent", "resOutputsEvent"):
            if metadata["op"] not in {"delete-replaced", "replace"}:
                differences = {path: one["diffKind"] for path, one in (metadata["detailedDiff"] or {}).items()}
                found.setdefault(_name(metadata), Step(metadata["op"], differences))
        return found

    @property
    def operations(self) -> dict[str, str]:
        """The operation on every resource by its name."""
        return {name: step.operation for name, step in self.steps.items()}

    @property
    def changes(self) -> dict[str, str]:
        """The operation on every resource that does not stay the same."""
        return {name: operation for name, operation in self.operations.items() if operation not in {"same", "refresh"}}

    @property
    def order(self) -> list[str]:
        """Every operation in the order in which it began, as "operation name"."""
        return [f"{metadata['op']} {_name(metadata)}" for metadata in self._metadata("resourcePreEvent")]

    @property
    def failure(self) -> str:
        """Why the run failed; asserts that it did."""
        assert not self.succeeded, "the run succeeded"
        return "\n".join(self.messages("error"))

    @property
    def succeeded(self) -> bool:
        return any(event.get("summaryEvent", {}).get("result") == "succeeded" for event in self.events)

    def messages(self, *severities: str) -> list[str]:
        """What was said with these severities."""
        said = (event["diagnosticEvent"] for event in self.events if "diagnosticEvent" in event)
        return [one["message"].strip() for one in said if one["severity"] in severities]

    def _metadata(self, *kinds: str) -> list[dict[str, Any]]:
        every = (event[kind]["metadata"] for event in self.events for kind in kinds if kind in event)
        return [metadata for metadata in every if not metadata["type"].startswith("pulumi:")]


class Engine:
    """A program in a folder of its own, with a state of its own; it has random and command at hand."""

    def __init__(self, folder: Path) -> None:
        self.project = PulumiProject(folder)
        self.log = folder / "events.jsonl"

    def write(self, program: str) -> None:
        """Make this the program."""
        self.project.write(program)
        file = self.project.folder / "__main__.py"
        file.write_text(IMPORTS + file.read_text(encoding="utf-8"), encoding="utf-8")

    def up(self, *options: str) -> Run:
        return _succeeded(self.try_up(*options))

    def try_up(self, *options: str) -> Run:
        """Deploy; success is the caller's question."""
        return self._run("up", "--yes", "--skip-preview", *options)

    def preview(self) -> Run:
        return _succeeded(self._run("preview"))

    def refresh(self) -> Run:
        return _succeeded(self._run("refresh", "--yes", "--skip-preview"))

    def destroy(self) -> Run:
        return _succeeded(self._run("destroy", "--yes", "--skip-preview"))

    def start_up(self, *options: str) -> subprocess.Popen[str]:
        """Begin to deploy; the engine's events arrive in the log while it runs."""
        self.log.unlink(missing_ok=True)
        return subprocess.Popen(
            ["pulumi", *self._arguments("up", "--yes", "--skip-preview", *options), "--non-interactive"],
            cwd=self.project.folder,
            env=self.project.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def so_far(self) -> Run:
        """What has happened since a run was started."""
        lines = self.log.read_text(encoding="utf-8").split("\n")[:-1] if self.log.exists() else []
        return Run([json.loads(line) for line in lines])

    def values(self) -> dict[str, dict[str, Any]]:
        """The outputs of every resource in the state by its name, secrets in clear."""
        resources = self.project.resources(show_secrets=True)
        return {name: in_clear(one.get("outputs", {})) for name, one in resources.items()}

    def outputs(self, resource: str) -> dict[str, Any]:
        """The outputs of a resource in the state, secrets in clear."""
        return self.values()[resource]

    def secret_outputs(self, resource: str) -> set[str]:
        """Names of a resource's outputs that the state keeps encrypted as a whole."""
        outputs = self.project.resources()[resource]["outputs"]
        return {name for name, value in outputs.items() if is_secret(value) and "ciphertext" in value}

    def _arguments(self, *arguments: str) -> list[str]:
        return [*arguments, "--stack", STACK, "--event-log", str(self.log)]

    def _run(self, *arguments: str) -> Run:
        self.log.unlink(missing_ok=True)
        printed = self.project.pulumi(*self._arguments(*arguments), check=False)
        assert self.log.exists(), printed
        return self.so_far()


def in_clear(value: Any) -> Any:
    """A value of a state that was exported with secrets shown, without the marks of secrets."""
    if is_secret(value) and "plaintext" in value:
        return in_clear(json.loads(value["plaintext"]))
    if isinstance(value, dict):
        return {name: in_clear(item) for name, item in value.items() if name != SECRET_MARK}
    if isinstance(value, list):
        return [in_clear(item) for item in value]
    return value


def _name(metadata: Mapping[str, Any]) -> str:
    name: str = metadata["urn"].rsplit("::", 1)[1]
    return name


def _succeeded(run: Run) -> Run:
    assert run.succeeded, "\n".join(run.messages("error", "warning", "info"))
    return run
