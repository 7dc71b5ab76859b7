"""A small Pulumi project in a folder of its own, driven through the CLI, for tests of what the plugins do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.environment import variables

STACK = "test"
SECRET_MARK = "4dabf18193072939515e22adb298388d"  # how the engine marks a secret in a state
STACK_TYPE = "pulumi:pulumi:Stack"


class PulumiError(Exception):
    """A command failed; the message is all that it printed."""


@dataclass(frozen=True)
class Step:
    """What the engine did, or would do, to one resource: the operation, and the inputs that differ."""

    op: str
    type: str
    name: str
    diffs: tuple[str, ...]
    replaces: tuple[str, ...]


class PulumiProject:
    """One program with one stack, its state in a file backend beside it.

    The environment is that of `./monopco env`, with what is given on top.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        (folder / "state").mkdir(parents=True)
        (folder / "Pulumi.yaml").write_text(
            json.dumps({"name": "conformance", "runtime": {"name": "python", "options": {"virtualenv": sys.prefix}}})
        )
        own = {
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "only for tests",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_DEBUG_COMMANDS": "true",  # --event-log
        }
        self.environment = {**os.environ, **variables(os.environ), **own, **(environment or {})}
        self.pulumi("stack", "init", STACK)

    def write(self, program: str) -> None:
        """Make this Python source the project's program."""
        (self.folder / "__main__.py").write_text(textwrap.dedent(program))

    def up(self, *options: str) -> list[Step]:
        """Make it so."""
        return self._operation("up", "--skip-preview", *options)

    def preview(self, *options: str) -> list[Step]:
        """What `up` would do."""
        return self._operation("preview", *options)

    def refresh(self, *options: str) -> list[Step]:
        """Read every resource again."""
        return self._operation("refresh", "--skip-preview", *options)

    def destroy(self, *options: str) -> list[Step]:
        """Delete every resource."""
        return self._operation("destroy", "--skip-preview", *options)

    def close(self) -> None:
        """Delete what a failed test left."""
        self.pulumi("destroy", "--yes", "--skip-preview", "--stack", STACK, check=False)

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets in clear."""
        outputs: dict[str, Any] = json.loads(self.pulumi("stack", "output", "--json", "--show-secrets"))
        return outputs

    def resources(self, *, show_secrets: bool = False) -> dict[str, dict[str, Any]]:
        """Every resource in the state by its Pulumi name, the stack and the providers left out."""
        return {
            resource["urn"].rsplit("::", 1)[1]: resource
            for resource in self.state(show_secrets=show_secrets).get("resources", [])
            if not resource["type"].startswith("pulumi:")
        }

    def state(self, *, show_secrets: bool = False) -> dict[str, Any]:
        """The deployment as it is kept."""
        options = ["--show-secrets"] if show_secrets else []
        deployment: dict[str, Any] = json.loads(self.pulumi("stack", "export", *options))["deployment"]
        return deployment

    def state_text(self) -> str:
        """The state as the backend keeps it, every file of it, to look for a secret in clear."""
        return "".join(path.read_text() for path in (self.folder / "state").rglob("*.json*") if path.is_file())

    def pulumi(self, *arguments: str, check: bool = True) -> str:
        """What a command prints. Raises PulumiError when it fails."""
        done = subprocess.run(
            ["pulumi", "--non-interactive", "--color=never", *arguments],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode != 0:
            raise PulumiError(f"pulumi {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def _operation(self, verb: str, *options: str) -> list[Step]:
        """Run an update and read its steps from the engine's event log."""
        log = self.folder / "events.jsonl"
        log.unlink(missing_ok=True)
        approve = [] if verb == "preview" else ["--yes"]
        self.pulumi(verb, *approve, "--stack", STACK, "--event-log", str(log), *options)
        kind = "resourcePreEvent" if verb == "preview" else "resOutputsEvent"
        events = (json.loads(line) for line in log.read_text().splitlines())
        return [step for event in events if kind in event and (step := _step(event[kind]["metadata"]))]


def _step(metadata: Mapping[str, Any]) -> Step | None:
    if metadata["type"].startswith("pulumi:"):
        return None
    detailed = metadata.get("detailedDiff") or {}
    return Step(
        op=metadata["op"],
        type=metadata["type"],
        name=metadata["urn"].rsplit("::", 1)[1],
        diffs=tuple(sorted(detailed) or metadata.get("diffs") or ()),
        replaces=tuple(sorted(path for path, diff in detailed.items() if diff["diffKind"].endswith("-replace"))),
    )


def changes(steps: list[Step]) -> dict[str, list[str]]:
    """The operations on each resource by its name, in order; what stays the same is left out.

    A replacement is a creation and a deletion here; the engine's third step for it touches nothing.
    """
    found: dict[str, list[str]] = {}
    for step in steps:
        if step.op not in {"same", "refresh", "read", "replace"}:
            found.setdefault(step.name, []).append(step.op)
    return found


def is_secret(value: Any) -> bool:
    """Whether a value of the state is kept as a secret."""
    return isinstance(value, dict) and SECRET_MARK in value
