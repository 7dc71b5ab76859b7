"""`backups`: what can be restored, and what has been restored to see whether it can be."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ops import caretaker
from ops.caretaker import Answer
from ops.console import notes, output
from ops.errors import FAILED
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.stack_file import StackFile

_WIDTH = 130  # ids are there to be copied, so no column is cut short where nobody sees how wide the screen is
_UNITS = ("B", "kB", "MB", "GB", "TB")


def backups(
    stack: StackOption = DEFAULT_STACK,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    prove: Annotated[
        bool, typer.Option("--prove", help="First restore the newest one of each place, and look at what comes out.")
    ] = False,
) -> None:
    """List the backups: when, how large, of which kind, where, and when each was last proved by a restore.

    Exit code 1 when something is wrong with them: too old, not proved, not readable, an archive that lags.
    """
    keeper = caretaker.running(stack, StackFile.read(stack).docker_host)
    proof = keeper.follow("prove") if prove else None
    listed, state = keeper.ask("list"), keeper.ask("state")
    if as_json:
        fields = {"backups": listed.data or [], "state": state.data, "proofs": proof.data if proof else None}
        output.print_json(json.dumps(fields))
    else:
        _show(listed, state)
        if proof:
            _show_proofs(proof)
    if any(answer.code != 0 for answer in (listed, state, proof) if answer):
        raise typer.Exit(FAILED)


def size(count: int) -> str:
    """Bytes in their largest unit."""
    value, unit = float(count), _UNITS[0]
    for unit in _UNITS:  # noqa: B007 - the last one that fits
        if value < 1000:  # noqa: PLR2004 - the step between units
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def _show(listed: Answer, state: Answer) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("Id", "Taken", "Kind", "Place", "Database", "Stored", "Last proved"):
        table.add_column(title)
    for each in listed.data or []:
        proved = f"[green]{each['proved_at']}[/]" if each["proved_at"] else "[dim]never[/]"
        table.add_row(
            each["id"],
            each["at"],
            each["kind"],
            each["place"],
            size(each["database_bytes"]),
            size(each["stored_bytes"]),
            proved,
        )
    if listed.data:
        output.print(table, width=max(output.width, _WIDTH))
    else:
        output.print("There is no backup yet; ./monopco backup makes one.")
    problems = (state.data or {}).get("problems") or ([state.errors] if state.errors else [])
    for problem in problems:
        notes.print(f"[red]✗[/] {escape(problem)}")


def _moment(proof: dict[str, Any]) -> str:
    """A dump knows no other moment than its own."""
    return f" and the moment {proof['moment']} were" if proof.get("moment") else " was"


def _show_proofs(proof: Answer) -> None:
    for each in proof.data or []:
        if each["proved"]:
            output.print(
                f"[green]✓[/] {each['place']}: {each['backup']}{_moment(each)} restored in "
                f"{each['seconds']} s: {each['tables']} tables, {each['rows']} rows, no damage found"
            )
            for lacking in each.get("lacking") or []:
                output.print(f"  [dim]without what is the provider's: {escape(lacking)}[/]")
        else:
            output.print(f"[red]✗[/] {each['place']}: {escape('; '.join(each['problems']))}")
    if proof.data is None:
        notes.print(escape(proof.errors))
