"""`status`: what runs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from ops import caretaker, certificate, containers, heartbeat, pin, proxy
from ops.certificate import Served
from ops.console import output
from ops.containers import Container
from ops.errors import FAILED, MISTAKE, CommandError
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
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again every 2 seconds, until Ctrl-C.")] = False,
) -> None:
    """Show what runs: release, address, containers and their health. Exit code 1 when something is not well."""
    if watch and as_json:
        raise CommandError("--watch is for people, --json for programs: take one of them.", MISTAKE)
    file, pulumi = StackFile.read(stack), Pulumi(stack)
    outputs = pulumi.outputs() if pulumi.exists() else {}
    if watch:
        # Containers come and go meanwhile: those that the last run has left need not be there.
        heartbeat.follow(lambda: _show(_look(file, {**outputs, "containers": []})))
        return
    seen = _look(file, outputs)
    if as_json:
        output.print_json(json.dumps(_fields(seen)))
    else:
        _show(seen)
    if not seen.well:
        raise typer.Exit(FAILED)


@dataclass(frozen=True)
class _Seen:
    """One look at a stack: the program's outputs, the containers, what the proxy and the caretaker of the backups know,
    and what visitors are shown."""

    stack: str
    outputs: dict[str, Any]
    containers: list[Container]
    state: dict[str, Any]
    pinned: Pin | None
    fronted: bool
    """Whether there is a proxy."""
    served: Served | None
    """The certificate that visitors are shown."""
    names: list[str]
    """What the certificate has to be for."""
    trouble: str
    """What is wrong with the certificate or with the order of another one."""
    backups: dict[str, Any] | None

    @property
    def release(self) -> str:
        return str(self.state.get("release") or self.outputs.get("release") or "")

    @property
    def missing(self) -> list[str]:
        there = {each.name for each in self.containers}
        lost = [name for name in self.outputs.get("containers") or [] if name not in there]
        # On a swarm the app's containers have no names that are known before.
        wanted = int(self.outputs.get("replicas") or 0)
        running = sum(each.well for each in self.containers if (each.component, each.release) == ("app", self.release))
        return [*lost, *(["app"] * (wanted - running))]

    @property
    def well(self) -> bool:
        lasting = [each for each in self.containers if each.component != "proof"]
        running = bool(self.containers) and not self.missing and all(each.well for each in lasting)
        return running and (not self.fronted or (self.served is not None and self.served.valid(self.names)))


def _look(file: StackFile, outputs: dict[str, Any]) -> _Seen:
    front = proxy.of_stack(file.name, file.docker_host)
    keeper = caretaker.of_stack(file.name, file.docker_host)
    served, trouble = _certificate(file, outputs) if front else (None, "")
    return _Seen(
        stack=file.name,
        outputs=outputs,
        containers=containers.everywhere(file),
        state=front.state if front else {},
        pinned=pin.read(file),
        fronted=front is not None,
        served=served,
        names=certificate.names(file),
        trouble=trouble,
        backups=keeper.facts() if keeper else None,
    )


def _certificate(file: StackFile, outputs: dict[str, Any]) -> tuple[Served | None, str]:
    """What visitors are shown, and what is wrong with that or with the order of another one."""
    trouble = certificate.order_trouble(file.name, file.docker_host)
    try:
        return certificate.of_stack(file, outputs), trouble
    except CommandError as error:
        return None, trouble or str(error)


def _fields(seen: _Seen) -> dict[str, Any]:
    state = seen.state
    return {
        "stack": seen.stack,
        "url": seen.outputs.get("url"),
        "release": seen.release or None,
        "since": state.get("since") or None,
        "previous": state.get("previous") or None,
        "maintenance": bool(state.get("maintenance")),
        "switch": state.get("switch"),
        "requests": state.get("requests") or {},
        "pinned": seen.pinned.release if seen.pinned else None,
        "certificate": {**seen.served.fields(seen.names), "trouble": seen.trouble or None} if seen.served else None,
        "healthy": seen.well,
        "missing": seen.missing,
        "backups": seen.backups,
        "containers": [{**asdict(each), "well": each.well} for each in seen.containers],
    }


def _show(seen: _Seen) -> dict[str, Any]:
    """Print what was seen; returns what the proxy knows."""
    _show_containers(seen)
    _show_traffic(seen.state, seen.pinned)
    if seen.backups:
        output.print(f"  {escape(last_backups(seen.backups))}", style="" if seen.backups["ok"] else "yellow")
    _show_certificate(seen.served, seen.names, seen.trouble)
    return seen.state


def _show_containers(seen: _Seen) -> None:
    if not seen.containers and not seen.missing:
        output.print(f"Stack {seen.stack} does not run; ./monopco up -s {seen.stack} starts it.")
        return
    output.print(f"[bold]{escape(str(seen.outputs.get('url') or 'no address'))}[/]  release {escape(seen.release)}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("Component", "Container", "Release", "State", "Since"):
        table.add_column(title)
    for each in seen.containers:
        state = each.health or each.state if each.state == "running" else each.state
        table.add_row(
            each.component,
            each.name,
            each.release,
            f"[{'green' if each.well else 'red'}]{state}[/]",
            since(each.started),
        )
    for name in seen.missing:
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


def _show_certificate(shown: Served | None, names: list[str], trouble: str) -> None:
    if shown and not shown.temporary:
        output.print(f"\nCertificate until {shown.end:%Y-%m-%d %H:%M} UTC", style="bold")
        output.print(f"  for {escape(', '.join(shown.names))}, by {escape(shown.issuer)}, serial {shown.serial}")
    for warning in shown.warnings(names) if shown else ():
        output.print(f"  [yellow]{escape(warning)}[/]")
    if trouble:
        output.print(f"  [yellow]{escape(trouble)}[/]")


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


def last_backups(facts: dict[str, Any]) -> str:
    """One line on the backups: how old the newest are, when they were proved, and whether anything is wrong."""
    parts = []
    for name, place in sorted(facts["places"].items()):
        newest, proved = place.get("newest"), place.get("proved_at")
        taken = f"{since(newest['at'])} ago" if newest else "none yet"
        parts.append(f"{name} {taken}, {f'proved {since(proved)} ago' if proved else 'not proved yet'}")
    problems = len(facts["problems"])
    more = f"; {problems} {'problem' if problems == 1 else 'problems'}: ./monopco backups" if problems else ""
    return f"backups: {'; '.join(parts) or 'nothing known'}{more}"


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
