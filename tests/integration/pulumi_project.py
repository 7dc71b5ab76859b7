"""A Pulumi program in a folder of its own, with a state of its own, and what the engine does with it."""

from __future__ import annotations

import json
import subprocess
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from environment import shell_environment

PASSPHRASE = "a passphrase for tests"
SECRET = "4dabf18193072939515e22adb298388d"
STACK = "test"


@dataclass(frozen=True)
class Step:
    """What the engine does to one resource: the operation, and the paths of the properties that ask for it."""

    operation: str
    differences: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One run of the engine, read from its events."""

    events: list[dict[str, Any]]
    returncode: int
    stderr: str

    @property
    def steps(self) -> dict[str, Step]:
        """The step of every resource by its name; of a replacement the step that makes the new one."""
        found: dict[str, Step] = {}
        for event in self.events:
            metadata = event.get("resourcePreEvent", event.get("resOutputsEvent", {})).get("metadata")
            if metadata and not metadata["type"].startswith("pulumi:") and metadata["op"] != "delete-replaced":
                differences = {path: entry["diffKind"] for path, entry in (metadata["detailedDiff"] or {}).items()}
                found.setdefault(name_of(metadata["urn"]), Step(metadata["op"], differences))
        return found

    @property
    def operations(self) -> dict[str, str]:
        """The operation on every resource by its name."""
        return {name: step.operation for name, step in self.steps.items()}

    @property
    def order(self) -> list[str]:
        """Every operation in the order in which it began, as "operation name"."""
        started = (event["resourcePreEvent"]["metadata"] for event in self.events if "resourcePreEvent" in event)
        return [f"{metadata['op']} {name_of(metadata['urn'])}" for metadata in started]

    @property
    def changes(self) -> dict[str, int]:
        """How many resources each operation was done to; what stays the same is left out."""
        (summary,) = (event["summaryEvent"] for event in self.events if "summaryEvent" in event)
        return {operation: count for operation, count in summary["resourceChanges"].items() if operation != "same"}

    def messages(self, *severities: str) -> list[str]:
        """What was said, without colours; everything but debug messages unless severities are given."""
        said = (event["diagnosticEvent"] for event in self.events if "diagnosticEvent" in event)
        return [
            one["message"].strip()
            for one in said
            if one["severity"] in (severities or ("info", "info#err", "warning", "error"))
        ]

    @property
    def failure(self) -> str:
        """Why the run failed; asserts that it did."""
        assert self.returncode != 0, "the run succeeded"
        return "\n".join(self.messages("error"))


@dataclass
class PulumiProject:
    """A program that is deployed from `folder`."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "state").mkdir(parents=True)
        (self.folder / "Pulumi.yaml").write_text("name: conformance\nruntime: python\n", encoding="utf-8")
        self.variables = {
            **shell_environment(),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
            "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true",
            **self.variables,
        }
        self.variables.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
        self.pulumi("stack", "init", STACK)

    def write(self, program: str) -> None:
        """Make this the program; it has pulumi, random and command at hand."""
        imports = "import pulumi\nimport pulumi_command as command\nimport pulumi_random as random\n\n"
        (self.folder / "__main__.py").write_text(imports + textwrap.dedent(program), encoding="utf-8")

    def command(self, *arguments: str) -> list[str]:
        """The command line of a pulumi command in this project."""
        return ["pulumi", *arguments, "--non-interactive", "--cwd", str(self.folder)]

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run pulumi; success is the caller's question."""
        return subprocess.run(self.command(*arguments), env=self.variables, capture_output=True, text=True, check=False)

    def pulumi(self, *arguments: str) -> str:
        """Run pulumi and return what it prints; a failure fails the test and shows it."""
        done = self.attempt(*arguments)
        assert done.returncode == 0, f"pulumi {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def try_up(self, *arguments: str) -> Run:
        """Deploy; success is the caller's question."""
        return self._run("up", "--yes", "--skip-preview", *arguments)

    def up(self, *arguments: str) -> Run:
        return _succeeded(self.try_up(*arguments))

    def preview(self, *arguments: str) -> Run:
        return _succeeded(self._run("preview", *arguments))

    def refresh(self, *arguments: str) -> Run:
        return _succeeded(self._run("refresh", "--yes", "--skip-preview", *arguments))

    def destroy(self) -> Run:
        return _succeeded(self._run("destroy", "--yes", "--skip-preview"))

    def state(self, *, show_secrets: bool = False) -> dict[str, dict[str, Any]]:
        """Every resource of the state by its name, without Pulumi's own."""
        flags = ("--show-secrets",) if show_secrets else ()
        deployment = json.loads(self.pulumi("stack", "export", *flags))["deployment"]
        resources = deployment.get("resources", [])
        return {name_of(one["urn"]): one for one in resources if not one["type"].startswith("pulumi:")}

    def outputs(self, resource: str) -> dict[str, Any]:
        """The outputs of a resource in the state, secrets in clear."""
        return {name: in_clear(value) for name, value in self.state(show_secrets=True)[resource]["outputs"].items()}

    def secret_outputs(self, resource: str) -> set[str]:
        """Names of a resource's outputs that the state keeps encrypted as a whole."""
        outputs = self.state()[resource]["outputs"]
        return {name for name, value in outputs.items() if isinstance(value, dict) and SECRET in value}

    def stored(self) -> str:
        """All that is on the disk of the state, its history and its backups included."""
        return "".join(
            file.read_text(encoding="utf-8") for file in (self.folder / "state").rglob("*") if file.is_file()
        )

    def _run(self, *arguments: str) -> Run:
        done = self.attempt(*arguments, "--json")
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return Run(events, done.returncode, done.stderr)


def name_of(urn: str) -> str:
    """The name of the resource that a URN names."""
    return urn.rsplit("::", 1)[1]


def in_clear(value: Any) -> Any:
    """A value of a state that was exported with secrets shown, without the marks of secrets."""
    if isinstance(value, dict) and SECRET in value:
        return in_clear(json.loads(value["plaintext"]))
    if isinstance(value, dict):
        return {name: in_clear(item) for name, item in value.items()}
    if isinstance(value, list):
        return [in_clear(item) for item in value]
    return value


def _succeeded(run: Run) -> Run:
    assert run.returncode == 0, "\n".join([*run.messages(), run.stderr])
    return run
