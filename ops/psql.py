"""`psql`: ask the database, by default without being able to change anything."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from ops import database
from ops.console import notes
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.stack_file import StackFile

# A database elsewhere has no role of ours: there each transaction is read-only until somebody says otherwise.
_READ_ONLY = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;\n"


def psql(
    stack: StackOption = DEFAULT_STACK,
    *,
    write: Annotated[
        bool,
        typer.Option("--write/--read-only", help="As the owner of the tables, or as a role that can only read."),
    ] = False,
    command: Annotated[str, typer.Option("--command", "-c", metavar="SQL", help="Run this and end.")] = "",
) -> None:
    """Open PostgreSQL's own prompt on the stack's database, or run SQL from -c or standard input."""
    file = StackFile.read(stack)
    with database.reached(file) as reach:
        interactive = not command and sys.stdin.isatty()
        if interactive and write:
            notes.print("[yellow]You can change and delete everything here.[/] Without --write you can only read.")
        arguments = [] if interactive else ["--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]
        if reach.external and not write:
            # It is read before what is asked for, and not by a psql that is told to leave out psqlrc.
            reach.write("/run/psqlrc", _READ_ONLY)
        else:
            arguments.append("--no-psqlrc")
        line = reach.command("psql", *arguments, role="write" if write else "read", tty=interactive)
        # The SQL may hold what nobody else on this machine should see in a list of processes.
        done = (
            subprocess.run(line, input=command.encode(), check=False) if command else subprocess.run(line, check=False)
        )
    if done.returncode != 0:
        raise typer.Exit(done.returncode)
