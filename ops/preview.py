"""`preview`: what `up` would change."""

from __future__ import annotations

import subprocess
from typing import Annotated

import typer

from ops import checkout, live
from ops.console import output
from ops.events import count
from ops.options import StackOption
from ops.places import DEFAULT_STACK, PROJECT
from ops.pulumi import Pulumi
from ops.stack_file import StackFile


def preview(
    stack: StackOption = DEFAULT_STACK,
    *,
    refresh: Annotated[bool, typer.Option("--refresh", help="Ask Docker what is really there, first.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show every property that differs, as Pulumi does.")] = False,
) -> None:
    """Show what `up` would change, without touching anything."""
    file = StackFile.read(stack)
    checkout.ensure(file)
    live.fetch_pinned(file)
    pulumi = Pulumi(stack)
    pulumi.ensure()
    arguments = ["--refresh"] if refresh else []
    outcome = pulumi.operate("preview", arguments)
    if diff and outcome.changed:
        command = ["pulumi", "preview", "--diff", "--suppress-progress", "--stack", stack, *arguments]
        subprocess.run(command, cwd=PROJECT, check=True)
    elif outcome.changed:
        output.print(f"\n[bold]{count(outcome.changed)} would change.[/]")
    else:
        output.print("Nothing would change.")
