"""`verify`: the guide's checklist, run against what is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from ops.checklist import report, runner
from ops.checklist.result import Verdict
from ops.checklist.runner import Outcome
from ops.console import notes, output
from ops.errors import FAILED, MISTAKE, CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.stack_file import StackFile
from ops.survey import Survey


def verify(
    checks: Annotated[
        list[str] | None, typer.Argument(metavar="[CHECK]...", help="Ids of checks, or headings; all when left out.")
    ] = None,
    stack: StackOption = DEFAULT_STACK,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write a JUnit report there, too.")
    ] = None,
    online: Annotated[
        bool, typer.Option("--online", help="Ask Resend and Pappers whether they accept the keys.")
    ] = False,
    tests: Annotated[
        bool, typer.Option("--tests", help="Run the app's own unit tests, too; that takes minutes.")
    ] = False,
) -> None:
    """Check all that the deployment guide lists, and what this project promises. Exit code 0 when nothing failed.

    What is printed holds no secret and can be pasted into a ticket.
    """
    survey = Survey(StackFile.read(stack), online=online)
    wanted = runner.chosen(checks or [], slow=tests)
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=notes, transient=True
    ) as progress:
        task = progress.add_task("checking", total=len(wanted))

        def tell(outcome: Outcome) -> None:
            progress.update(task, advance=1, description=outcome.check.id)

        outcomes = runner.run(survey, wanted, tell)
    release = live_release(survey)
    if junit is not None:
        _write(junit, report.junit(stack, outcomes))
    if as_json:
        output.print_json(json.dumps(report.fields(stack, release, outcomes)))
    else:
        _show(stack, release, outcomes)
    if any(one.result.verdict is Verdict.FAILED for one in outcomes):
        raise typer.Exit(FAILED)


def live_release(survey: Survey) -> str:
    """The release that gets the requests; empty when that cannot be known."""
    try:
        return survey.live
    except CommandError:
        return ""


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"--junit: {path} cannot be written: {error.strerror}", MISTAKE) from error


def _show(stack: str, release: str, outcomes: list[Outcome]) -> None:
    for group, found in runner.by_group(outcomes):
        output.print(f"[bold]{group.value.capitalize()}[/]")
        for one in found:
            output.print(Text(report.line(one), style=report.style(one.result.verdict)))
    output.print(Text(f"\n{report.summary(stack, release, outcomes)}", style="bold"))
