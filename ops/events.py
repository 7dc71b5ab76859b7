"""Pulumi's stream of events, turned into lines that a person reads and into what came of the run."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from ops.builds import BuildLogs
from ops.console import output

_DONE = {
    "create": ("[green]+[/]", "created"),
    "update": ("[yellow]~[/]", "changed"),
    "delete": ("[red]-[/]", "deleted"),
    "create-replacement": ("[green]+[/]", "made anew"),
    "delete-replaced": ("[red]-[/]", "old one deleted"),
    "import": ("[green]=[/]", "imported"),
}
_PLANNED = {
    "create": ("[green]+[/]", "create"),
    "update": ("[yellow]~[/]", "change"),
    "delete": ("[red]-[/]", "delete"),
    "replace": ("[yellow]±[/]", "replace"),
    "import": ("[green]=[/]", "import"),
}
_BUILD = re.compile(r"::image-([a-z-]+)-build$")
# Endings of the steps that bring an image to a server.
_SENDING = ("-bring", "-base")
# Pulumi's own last words, which repeat that there was an error.
_ECHO = re.compile(
    r"^(update failed|preview failed|destroy failed|resource monitor shut down.*"
    r"|(an unhandled error occurred: )?[Pp]rogram exited with non-zero exit code: \d+"
    # What the Docker provider logs of an error that it reports as well.
    r"|sdk-v2/provider2\.go:\d+: sdk\.helper_schema: .*)$",
    re.DOTALL,
)


@dataclass
class Outcome:
    """What a run did: how many resources it changed in which way, the stack's outputs, what went wrong."""

    changes: dict[str, int] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    @property
    def changed(self) -> int:
        return sum(count for operation, count in self.changes.items() if operation not in ("same", "read", "refresh"))


def count(number: int) -> str:
    """A number of resources."""
    return "1 resource" if number == 1 else f"{number} resources"


def own_name(urn: str) -> str:
    """A resource's name in the program."""
    return urn.rpartition("::")[2]


def name(urn: str) -> str:
    """A resource as "container release-1a2b-1": its kind and its name in the program."""
    *_, kind, own = urn.split("::")
    return f"{kind.rpartition(':')[2].lower()} {own}"


def shown_names(metadata: dict[str, Any]) -> bool:
    """Whether a resource is told about: not the stack, components, or providers, which stand for nothing outside."""
    kind = metadata["type"]
    return not kind.startswith(("pulumi:", "monopco:"))


def plain_errors(event: dict[str, Any]) -> list[str]:
    """What a diagnostic says went wrong, and about which resource; nothing when it only repeats that something did."""
    message = event["message"].strip()
    if _ECHO.match(message):
        return []
    about = _about(event)
    return [f"{about}: {message}" if about else message]


def _about(event: dict[str, Any]) -> str:
    return name(event["urn"]) if "::" in event.get("urn", "") and "pulumi:pulumi:Stack" not in event["urn"] else ""


class Display:
    """Lines for what is done, and on a terminal spinners for what is being done."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.outcome = Outcome()
        self._console = Console(file=io.StringIO()) if quiet else output
        self._builds = BuildLogs()
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}

    def follow(self, events: Iterable[dict[str, Any]]) -> Outcome:
        """Show `events` as they come; what came of them."""
        handlers = {
            "resourcePreEvent": self._begun,
            "resOutputsEvent": self._ended,
            "resOpFailedEvent": self._failed,
            "diagnosticEvent": self._diagnostic,
            "summaryEvent": self._summary,
        }
        with self._progress, self._builds.followed(self._tell_build):
            for event in events:
                for kind, told in handlers.items():
                    if kind in event:
                        told(event[kind])
        return self.outcome

    def _begun(self, event: dict[str, Any]) -> None:
        metadata = event["metadata"]
        urn, operation = metadata["urn"], metadata["op"]
        if event.get("planning"):
            if operation in _PLANNED and shown_names(metadata):
                mark, verb = _PLANNED[operation]
                keys = f" [dim]({', '.join(changed_keys(metadata))})[/]" if operation in ("update", "replace") else ""
                self._console.print(f"{mark} {verb:<8} {escape(name(urn))}{keys}")
        elif operation in _DONE and shown_names(metadata):
            self._started[urn] = time.monotonic()
            self._tasks[urn] = self._progress.add_task(escape(name(urn)), total=None)

    def _ended(self, event: dict[str, Any]) -> None:
        metadata = event["metadata"]
        if metadata["type"] == "pulumi:pulumi:Stack" and metadata.get("new"):
            self.outcome.outputs = metadata["new"].get("outputs") or {}
        if started := self._end(metadata["urn"]):
            mark, verb = _DONE[metadata["op"]]
            self._console.print(
                f"{mark} {verb:<16}{escape(name(metadata['urn']))} [dim]{time.monotonic() - started:.1f} s[/]"
            )

    def _failed(self, event: dict[str, Any]) -> None:
        urn = event["metadata"]["urn"]
        if self._end(urn):
            self._console.print(f"[bold red]![/] failed          {escape(name(urn))}")
        if (build := _BUILD.search(urn)) and (words := self._builds.last_words(build[1])):
            self.outcome.errors.append(f"The build of the {build[1]} image ended so:\n" + "\n".join(words))

    def _summary(self, event: dict[str, Any]) -> None:
        self.outcome.changes = event["resourceChanges"] or {}

    def _end(self, urn: str) -> float | None:
        if urn in self._tasks:
            self._progress.remove_task(self._tasks.pop(urn))
        return self._started.pop(urn, None)

    def _diagnostic(self, event: dict[str, Any]) -> None:
        message = event["message"].strip()
        if event.get("ephemeral"):
            self._tell_progress(event.get("urn", ""), message)
            return
        about = _about(event)
        if event["severity"] == "error":
            self.outcome.errors += [text for text in plain_errors(event) if text not in self.outcome.errors]
        elif event["severity"] == "warning" and message:
            self._console.print(f"[yellow]warning[/] {escape(f'{about}: {message}' if about else message)}")
        elif event["severity"] in ("info", "info#err") and message:
            self._console.print(f"[dim]  {escape(f'{about}: {message}' if about else message)}[/]")

    def _tell_progress(self, urn: str, message: str) -> None:
        """What a step says while it runs, beside it; without a terminal only how far an image that is sent has come."""
        if urn in self._tasks and message:
            line = message.splitlines()[-1]
            self._progress.update(self._tasks[urn], description=f"{escape(name(urn))} [dim]{escape(line[:90])}[/]")
            if not self._console.is_terminal and urn.endswith(_SENDING):
                self._console.print(f"  {escape(line)}")

    def _tell_build(self, build: str, line: str) -> None:
        """The last line of a build's log, beside its image; without a terminal as a line of its own."""
        if not self._console.is_terminal:
            self._console.print(f"  {escape(f'{build}: {line}')}")
            return
        for urn, task in self._tasks.items():
            if (match := _BUILD.search(urn)) and match[1] == build:
                self._progress.update(task, description=f"{escape(name(urn))} [dim]{escape(line[:70])}[/]")


def changed_keys(metadata: dict[str, Any]) -> list[str]:
    """The inputs that differ, as Pulumi names them."""
    detailed = metadata.get("detailedDiff") or {}
    return sorted({re.split(r"[.\[]", path)[0] for path in detailed} or set(metadata.get("diffs") or []))
