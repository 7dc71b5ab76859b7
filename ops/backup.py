"""`backup`: a backup now."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ops import caretaker
from ops.console import notes, output
from ops.errors import FAILED, CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.stack_file import StackFile


def backup(
    stack: StackOption = DEFAULT_STACK,
    *,
    full: Annotated[
        bool, typer.Option("--full", help="All of it, even if the last full one is younger than a week.")
    ] = False,
) -> None:
    """Back the database up now, in every place. The app goes on meanwhile."""
    started = time.monotonic()
    keeper = caretaker.running(stack, StackFile.read(stack).docker_host)
    answer = keeper.follow("take", *(["full"] if full else []))
    made = (answer.data or {}).get("made") or []
    for each in made:
        output.print(f"[green]+[/] {each['id']} in the {each['place']} place")
    if answer.code != 0:
        if not made:
            raise CommandError(answer.errors)
        notes.print(f"[bold red]monopco:[/] not everywhere: {answer.errors}", markup=True)
        raise typer.Exit(FAILED)
    output.print(f"[dim]({time.monotonic() - started:.0f} s)[/]")
