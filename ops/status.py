"""`status`: what runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ops import containers
from ops.console import output
from ops.containers import Container
from ops.errors import FAILED
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.pulumi import Pulumi
from ops.stack_file import StackFile

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def status(
    stack: StackOption = DEFAULT_STACK,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what runs: release, address, containers and their health. Exit code 1 when something is not well."""
    StackFile.read(stack)
    pulumi = Pulumi(stack)
    outputs = pulumi.outputs() if pulumi.exists() else {}
    found = containers.of_stack(stack)
    release = str(outputs.get("release") or "")
    missing = [name for name in outputs.get("containers") or [] if name not in {each.name for each in found}]
    well = bool(found) and not missing and all(each.well for each in found)
    if as_json:
        fields: dict[str, Any] = {
            "stack": stack,
            "url": outputs.get("url"),
            "release": release or None,
            "healthy": well,
            "missing": missing,
            "containers": [{**asdict(each), "well": each.well} for each in found],
        }
        output.print_json(json.dumps(fields))
    else:
        _show(stack, outputs, found, missing)
    if not well:
        raise typer.Exit(FAILED)


def _show(stack: str, outputs: dict[str, Any], found: list[Container], missing: list[str]) -> None:
    if not found and not missing:
        output.print(f"Stack {stack} does not run; ./monopco up -s {stack} starts it.")
        return
    output.print(
        f"[bold]{escape(str(outputs.get('url') or 'no address'))}[/]  release {escape(str(outputs.get('release')))}"
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("Component", "Container", "Release", "State", "Since"):
        table.add_column(title)
    for each in found:
        state = each.health or each.state if each.state == "running" else each.state
        table.add_row(
            each.component,
            each.name,
            each.release,
            f"[{'green' if each.well else 'red'}]{state}[/]",
            since(each.started),
        )
    for name in missing:
        table.add_row("", escape(name), "", "[red]missing[/]", "")
    output.print(table)


def since(started: str, now: datetime | None = None) -> str:
    """How long ago a time of Docker's was, in its largest unit."""
    try:
        then = datetime.strptime(started[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return ""
    seconds = int(((now or datetime.now(timezone.utc)) - then).total_seconds())
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{max(seconds, 0)} s"
