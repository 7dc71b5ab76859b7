"""`releases`: what can be started."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from ops import proxy, register
from ops.console import output
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.proxy import Proxy
from ops.register import Recorded
from ops.stack_file import StackFile
from ops.status import since

_MB = 10**6


def releases(
    stack: StackOption = DEFAULT_STACK,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """List the releases that can be started, newest first, with the live one and the one that rollback goes to."""
    file = StackFile.read(stack)
    found, front = register.recorded(stack, file.docker_host), proxy.of_stack(stack, file.docker_host)
    live, previous = _marks(found, front)
    if as_json:
        fields = [{**one.fields(), "live": one.id == live, "previous": one.id == previous} for one in found]
        output.print_json(json.dumps(fields))
    elif found:
        output.print(_table(found, live, previous))
    else:
        output.print(f"No release is recorded in stack {stack}; ./monopco checkpoint -m TEXT makes one.")


def _marks(found: list[Recorded], front: Proxy | None) -> tuple[str, str]:
    """The live release, and the good one before it that can be started."""
    if front is None:
        return "", ""
    there = {one.id for one in found}
    return front.live, next((one for one in reversed(front.history) if one in there and one != front.live), "")


def _table(found: list[Recorded], live: str, previous: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("Release", "", "Made", "Commit", "Schema", "Description"):
        table.add_column(title)
    table.add_column("MB", justify="right")
    for one in found:
        mark = "[green]live[/]" if one.id == live else "previous" if one.id == previous else ""
        table.add_row(
            one.id,
            mark,
            f"{since(one.at)} ago",
            escape(commit(one)),
            str(one.schema_level),
            escape(one.description),
            f"{one.size / _MB:.0f}",
        )
    return table


def commit(one: Recorded) -> str:
    """The tag or the short commit, with a + when the source had changes that were not committed."""
    labels = one.record.labels
    name = labels.get("tag") or labels.get("commit", "")[:10]
    return f"{name}+" if name and labels.get("dirty") == "true" else name
