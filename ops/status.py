"""`status`: what runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ops import containers, pin, proxy
from ops.console import output
from ops.containers import Container
from ops.errors import FAILED
from ops.options import StackOption
from ops.pin import Pin
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
    file, pulumi = StackFile.read(stack), Pulumi(stack)
    outputs = pulumi.outputs() if pulumi.exists() else {}
    found, front = containers.of_stack(stack, file.docker_host), proxy.of_stack(stack, file.docker_host)
    state = front.state if front else {}
    release = str(state.get("release") or outputs.get("release") or "")
    missing = [name for name in outputs.get("containers") or [] if name not in {each.name for each in found}]
    well = bool(found) and not missing and all(each.well for each in found if each.component != "proof")
    if as_json:
        fields: dict[str, Any] = {
            "stack": stack,
            "url": outputs.get("url"),
            "release": release or None,
            "since": state.get("since") or None,
            "previous": state.get("previous") or None,
            "maintenance": bool(state.get("maintenance")),
            "switch": state.get("switch"),
            "requests": state.get("requests") or {},
            "pinned": pinned.release if (pinned := pin.read(file)) else None,
            "healthy": well,
            "missing": missing,
            "containers": [{**asdict(each), "well": each.well} for each in found],
        }
        output.print_json(json.dumps(fields))
    else:
        _show(stack, {**outputs, "release": release}, found, missing)
        _show_traffic(state, pin.read(file))
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


def _show_traffic(state: dict[str, Any], pinned: Pin | None) -> None:
    """What the proxy tells: since when the release is live, and how the last switch went."""
    if not state.get("release"):
        return
    output.print(f"\nLive for {since(state['since'])}: release {escape(state['release'])}", style="bold")
    if state.get("previous"):
        output.print(f"  before it: {escape(state['previous'])} (./monopco rollback goes there)")
    if pinned:
        output.print(f"  pinned: release {pinned.release} stays until source or configuration change")
    if state.get("maintenance"):
        output.print("  [yellow]maintenance is on[/]: visitors get a page (./monopco maintenance off)")
    if switch := state.get("switch"):
        output.print(f"  {escape(last_switch(switch))}")


def last_switch(switch: dict[str, Any]) -> str:
    """One line on the last switch: when, from what to what, what it lost, how the new one did."""
    watch = switch.get("watch") or {}
    verdict = {
        "good": f"watched for {watch.get('seconds', 0):.0f} s, did well",
        "idle": "nobody came while it was watched",
        "worse": f"taken back: {watch.get('reason', 'it did worse')}",
    }.get(str(watch.get("verdict")), "not watched")
    lost, cut = switch.get("lost", 0), switch.get("cut", 0)
    return (
        f"last switch: {switch.get('from') or 'nothing'} to {switch.get('release')} at {switch.get('at')}, "
        f"{lost} {'request' if lost == 1 else 'requests'} lost, {cut} left when the wait was over; {verdict}"
    )


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
