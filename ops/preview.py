"""`preview`: what `up` would change, and what that means for visitors and data."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ops import checkout, drift, first_contact, live, report
from ops.changes import read
from ops.console import notes, output
from ops.errors import FAILED, CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK, PROJECT
from ops.pulumi import Pulumi
from ops.report import Impact, Report
from ops.stack_file import StackFile


def preview(
    stack: StackOption = DEFAULT_STACK,
    *,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask Docker what is really there, first.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show every property that differs, as Pulumi does.")] = False,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the report for a pull request there, too.")
    ] = None,
    expect_no_changes: Annotated[
        bool, typer.Option("--expect-no-changes", help="Fail when anything would change.")
    ] = False,
) -> None:
    """Show what `up` would change and what visitors notice of it, without touching anything.

    Fails when it would be refused, and when data would be lost.
    """
    arguments: list[str] = []
    try:
        found = _asked(stack, arguments, markdown, refresh=refresh)
    except CommandError as error:
        if markdown and not markdown.exists():
            markdown.write_text(report.markdown(report.refused(str(error)), stack), encoding="utf-8")
        raise
    if diff and found.impact is not Impact.NOTHING:
        command = ["pulumi", "preview", "--diff", "--suppress-progress", "--stack", stack, *arguments]
        subprocess.run(command, cwd=PROJECT, check=True)
    if found.impact is Impact.DATA:
        raise CommandError("Data would be lost; see above. Nothing was touched.")
    if expect_no_changes and found.impact is not Impact.NOTHING:
        raise typer.Exit(FAILED)


def _asked(stack: str, arguments: list[str], markdown: Path | None, *, refresh: bool) -> Report:
    """Run the preview and tell about it; `arguments` gets what makes anew that was changed by hand.

    Raises CommandError when it is refused, after having told what was seen.
    """
    if markdown:
        markdown.unlink(missing_ok=True)
    file, pulumi = StackFile.read(stack), Pulumi(stack)
    pulumi.ensure()
    file = first_contact.pin_host_key(file, pulumi)
    checkout.ensure(file)
    live.fetch_pinned(file)
    by_hand = _drift(file, pulumi)
    arguments += [*(["--refresh"] if refresh else []), *drift.replacing(by_hand)]
    events: list[dict[str, Any]] = []
    try:
        pulumi.preview(arguments, events)
    finally:
        changes = read(events)
        found = report.report(replace(changes, drift=(*changes.drift, *map(str, by_hand))))
        if events:
            output.print(report.text(found), end="", markup=False)
            if markdown:
                markdown.write_text(report.markdown(found, stack), encoding="utf-8")
    if refresh:
        drift.leave(file, len(changes.drift) + len(by_hand))
    return found


def _drift(file: StackFile, pulumi: Pulumi) -> list[drift.Finding]:
    """What was changed by hand. What `up` would change can be told without the server."""
    try:
        return drift.of_stack(file, pulumi) if file.value("server", "host") else []
    except CommandError as error:
        notes.print(f"{error}\nWhat was changed by hand there is not shown.", markup=False)
        return []
