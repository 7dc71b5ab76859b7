"""`dns`: the DNS records, what the Internet knows of them, and whether somebody has changed those that we made."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from ops import checkout, live
from ops.console import notes, output
from ops.errors import FAILED, MISTAKE, CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.pulumi import Pulumi
from ops.stack_file import StackFile
from sections import split_host_port
from zones.changes import Made, ZoneError, differs
from zones.opening import open_zone
from zones.place import Access, Place
from zones.record import ZoneRecord
from zones.resolvers import PUBLIC, Answer, State, ask

_COMPONENT = "monopco:components:Dns$command:local:Command"
_PORT = 53
_EVERY_SECONDS = 5.0
_LOOK_SECONDS = 10.0
_COLOURS = {State.RIGHT: "green", State.MISSING: "red", State.OTHER: "red", State.SILENT: "yellow"}


@dataclass(frozen=True)
class Drift:
    """A record of ours that is not in the zone as it was made. `what` says how, `record` is as MONOPCO_MEND has it."""

    urn: str
    record: str
    what: str


def dns(
    stack: StackOption = DEFAULT_STACK,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Until every resolver gives every record.")] = False,
    timeout: Annotated[int, typer.Option(min=1, help="Longest wait, in minutes.", metavar="MINUTES")] = 120,
    resolver: Annotated[
        list[str] | None,
        typer.Option(help="Ask these instead of some well-known public ones.", metavar="ADDRESS[:PORT]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show the records that the names need, ready for a provider's form, and what public resolvers answer now.

    Exit code 1 when one is not right everywhere, or when somebody has changed one that monopco made.
    """
    resolvers = _resolvers(resolver or [])
    outputs = _planned(stack)
    shown = list(outputs.get("dnsRecords") or [])
    records = [_record(one) for one in shown]
    if not records and not as_json:
        output.print(f"Stack {stack} needs no DNS records: it has no server.")
        return
    drift = drifted(stack)
    answers = ask(records, resolvers)
    if wait and not _all_right(answers):
        answers = _wait(records, resolvers, timeout * 60)
    if as_json:
        output.print_json(json.dumps(_for_programs(shown, answers, drift)))
    else:
        output.print(_table(shown, answers))
        if not any(one["name"] == f"{outputs['domain']}." and one["type"] in ("A", "AAAA") for one in shown):
            output.print(f"\nWhere {outputs['domain']} is to point at is not known: set dns.ipv4 or dns.ipv6.")
        _tell(stack, answers, drift, by_hand=any(one["by"] == "you" for one in shown))
    if drift or not _all_right(answers):
        raise typer.Exit(FAILED)


def drifted(stack: str, patience: float = _LOOK_SECONDS) -> list[Drift]:
    """The records that `up` made and that somebody has changed or deleted since.

    To mend them run `up` with `--replace URN` for each, and with the variable MONOPCO_MEND set to their `record`s, one
    a line: only then does a record that was changed by hand give way. Raises CommandError when a zone cannot be read.
    """
    pulumi = Pulumi(stack)
    if not pulumi.exists():
        return []
    if not any(_COMPONENT in str(resource["urn"]) for resource in pulumi.resources()):
        return []
    found = []
    for resource in pulumi.resources_in_clear():
        if _COMPONENT in str(resource["urn"]):
            record, what = _difference(resource, patience)
            if what:
                found.append(Drift(str(resource["urn"]), str(record), what))
    return found


def _difference(resource: dict[str, Any], patience: float) -> tuple[ZoneRecord, str]:
    inputs, outputs = resource["inputs"], resource.get("outputs") or {}
    environment = inputs["environment"]
    record = ZoneRecord.from_json(environment["RECORD"])
    zone = open_zone(
        Place.from_json(environment["PLACE"]), Access.from_json(str(_clear(inputs["stdin"]))), patience=patience
    )
    try:
        return record, differs(zone, record, Made.from_json(str(outputs.get("stdout") or "")))
    except ZoneError as error:
        raise CommandError(str(error)) from error


def _clear(value: Any) -> Any:
    """A value of an export with secrets: those are wrapped, and hold JSON."""
    return json.loads(value["plaintext"]) if isinstance(value, dict) and "plaintext" in value else value


def _resolvers(given: Sequence[str]) -> Sequence[tuple[str, int]]:
    try:
        return [split_host_port(one, _PORT) for one in given] or PUBLIC
    except ValueError as error:
        raise CommandError(f"--resolver {error}".replace("HOST", "ADDRESS"), MISTAKE) from error


def _planned(stack: str) -> dict[str, Any]:
    """The outputs that the stack file gives now; planning touches nothing."""
    file, pulumi = StackFile.read(stack), Pulumi(stack)
    checkout.ensure(file)
    live.fetch_pinned(file)
    pulumi.ensure()
    return pulumi.operate("preview", quiet=True).outputs


def _record(shown: dict[str, str]) -> ZoneRecord:
    return ZoneRecord(
        name=shown["name"].removesuffix("."), type=shown["type"], value=shown["value"], ttl=int(shown["ttl"])
    )


def _all_right(answers: Sequence[Sequence[Answer]]) -> bool:
    """Whether every record is right wherever there is an answer, and there is one from at least one resolver.

    One that cannot be reached from here says nothing about the record.
    """
    return all(
        any(one.state is State.RIGHT for one in row) and all(one.state in (State.RIGHT, State.SILENT) for one in row)
        for row in answers
    )


def _wait(records: Sequence[ZoneRecord], resolvers: Sequence[tuple[str, int]], seconds: float) -> list[list[Answer]]:
    """Asks until all are right or the time is over. Without a terminal it says each change of the figures."""
    deadline, said = time.monotonic() + seconds, ""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=notes,
        transient=True,
        disable=not notes.is_terminal,
    ) as progress:
        task = progress.add_task("", total=None)
        while True:
            answers = ask(records, resolvers)
            right = sum(one.state is State.RIGHT for row in answers for one in row)
            now = f"{right} of {len(records) * len(resolvers)} answers are right"
            progress.update(task, description=now)
            if now != said and not notes.is_terminal:
                notes.print(now)
            said = now
            if _all_right(answers) or time.monotonic() > deadline:
                return answers
            time.sleep(_EVERY_SECONDS)


def _table(shown: Sequence[dict[str, str]], answers: Sequence[Sequence[Answer]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("host", "type", "value", "TTL", "made by", "resolvers"):
        table.add_column(heading, overflow="fold")
    for one, row in zip(shown, answers, strict=True):
        table.add_row(escape(one["host"]), one["type"], escape(one["value"]), one["ttl"], one["by"], _summary(row))
    return table


def _summary(row: Sequence[Answer]) -> str:
    """How many resolvers give what, worst first, with the other values that they give."""
    parts = []
    for state in (State.OTHER, State.MISSING, State.SILENT, State.RIGHT):
        mine = [one for one in row if one.state is state]
        if not mine:
            continue
        values = sorted({value for one in mine for value in one.values}) if state is State.OTHER else []
        count = f" ({len(mine)} of {len(row)})" if len(mine) < len(row) else ""
        parts.append(f"[{_COLOURS[state]}]{state.value}[/]{escape(': ' + ', '.join(values)) if values else ''}{count}")
    return ", ".join(parts)


def _tell(stack: str, answers: Sequence[Sequence[Answer]], drift: Sequence[Drift], *, by_hand: bool) -> None:
    if all(one.state is State.SILENT for row in answers for one in row):
        notes.print("\nNo resolver can be reached from here; --resolver ADDRESS names others.")
    elif not _all_right(answers):
        advice = "Make those that are missing at the provider of the zone; " if by_hand else ""
        output.print(f"\n{advice}./monopco dns -s {stack} --wait waits until all resolvers have them.")
    for one in drift:
        output.print(f"[yellow]changed by hand[/] {escape(one.record)}: {escape(one.what)}")
    if drift:
        output.print(f"./monopco up -s {stack} puts them back as they were.")


def _for_programs(
    shown: Sequence[dict[str, str]], answers: Sequence[Sequence[Answer]], drift: Sequence[Drift]
) -> dict[str, Any]:
    return {
        "records": [
            {
                **one,
                "resolvers": [
                    {"address": each.resolver, "state": each.state.value, "values": list(each.values)} for each in row
                ],
            }
            for one, row in zip(shown, answers, strict=True)
        ],
        "drift": [{"urn": one.urn, "record": one.record, "what": one.what} for one in drift],
    }
