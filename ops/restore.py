"""`restore`: what was, beside what is, or in its place."""

from __future__ import annotations

import enum
import re
import sys
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from ops import backup_key, caretaker, copies, import_, proxy
from ops.caretaker import Caretaker
from ops.console import notes, output
from ops.errors import MISTAKE, CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.pulumi import Pulumi
from ops.stack_file import StackFile
from ops.up import up

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(:\d\d(\.\d{1,6})?)?)\s*(Z|UTC|[+-]\d\d:\d\d)?")
_SHOWN_TABLES = 40


class Place(str, enum.Enum):
    """Where a backup lies."""

    LOCAL = "local"
    REMOTE = "remote"


def restore(  # noqa: PLR0913 - one for each option
    stack: StackOption = DEFAULT_STACK,
    *,
    to: Annotated[
        str, typer.Option("--to", metavar="TIME", help='A moment, "2026-11-25 14:30:05"; UTC, or with its offset.')
    ] = "",
    backup: Annotated[str, typer.Option("--backup", metavar="ID", help="As that backup is.")] = "",
    into: Annotated[str, typer.Option("--into", metavar="NAME", help="Name of the new database.")] = "",
    source: Annotated[Place | None, typer.Option("--from", help="The place; the nearest one when left out.")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Then put it in the place of the live database, after asking.")
    ] = False,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="On a new server: everything from the second place, and live.")
    ] = False,
    into_stack: Annotated[
        str, typer.Option("--into-stack", metavar="STACK", help="Not here: in the place of that stack's data.")
    ] = "",
    anonymise: Annotated[
        Path | None,
        typer.Option(
            "--anonymise", metavar="RULES.sql", help="SQL that is run before a copy leaves, for --into-stack."
        ),
    ] = None,
    as_it_is: Annotated[bool, typer.Option("--as-it-is", help="With people's data, for --into-stack.")] = False,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="Key file of the lost server, for --from-scratch.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Restore the database into a new one beside the live one: the latest there is, a backup, or a moment.

    The live database is not touched without --live, and even then it is kept under another name. With --into-stack a
    copy goes into the database of another stack, after the rules of --anonymise.
    """
    started = time.monotonic()
    if to and backup:
        raise CommandError("--to and --backup contradict each other; give one of them.", MISTAKE)
    if key and not from_scratch:
        raise CommandError("--key is for --from-scratch; a server that has its stack has its key.", MISTAKE)
    moment = _moment(to) if to else None
    _refuse_mixed(into_stack, here=bool(live or from_scratch or into), copying=bool(anonymise or as_it_is))
    if (live or from_scratch) and not yes and not sys.stdin.isatty():
        raise CommandError("The live database would be replaced; say --yes where nobody can be asked.", MISTAKE)
    file = StackFile.read(stack)
    wanted = {
        "to": f"{moment.timestamp():.6f}" if moment else "",
        "to_text": f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "",
        "backup": backup,
        "from": source.value if source else "",
    }
    if into_stack:
        rules = copies.rules_of(anonymise, as_it_is=as_it_is)
        copied = copies.copy(file, StackFile.read(into_stack), rules, wanted, yes=yes)
        _show_copy(file.name, into_stack, copied, time.monotonic() - started)
        import_.tell_unseen(into_stack, copied["unseen"])
        return
    if file.value("database", "mode") == "external":
        _restore_elsewhere(file, wanted, live=live, yes=yes)
        return
    if from_scratch:
        source = Place.REMOTE
        _prepare_new_server(file, key)
        file = StackFile.read(stack)
    keeper = caretaker.running(stack, file.docker_host)
    wanted |= {"into": into, "from": source.value if source else "", "scratch": "1" if from_scratch else ""}
    done = keeper.follow("restore", *(f"{name}={value}" for name, value in wanted.items() if value)).data_or_error()
    _show(done, time.monotonic() - started)
    if live or from_scratch:
        _go_live(file, keeper, str(done["database"]), yes=yes)
        # Where the backups were another server's, they are continued with this one's.
        if keeper.ask("establish", "--adopt").data_or_error()["adopted"]:
            keeper.follow("take", "full").data_or_error()
    else:
        output.print(
            "\nThe live database was not touched; --live puts a restored one in its place. To look at this one:"
        )
        output.print(f"  docker exec -it monopco-{stack}-database psql -U postgres {done['database']}")
        output.print(
            f"  docker exec monopco-{stack}-database dropdb -U postgres {done['database']}   # when it is not needed"
        )


def _refuse_mixed(into_stack: str, *, here: bool, copying: bool) -> None:
    if into_stack and here:
        raise CommandError("--into-stack goes with --to, --backup, --from, --anonymise and --as-it-is only.", MISTAKE)
    if copying and not into_stack:
        raise CommandError(
            "--anonymise and --as-it-is are for --into-stack, which takes data to another stack.", MISTAKE
        )


def _restore_elsewhere(file: StackFile, wanted: dict[str, str], *, live: bool, yes: bool) -> None:
    """A dump back into the database that it is of."""
    if not live:
        raise CommandError(
            f"The database of stack {file.name} is elsewhere, and gets no second one beside it. --into-stack STACK "
            "puts the backup into another stack; --live puts it in the place of the data, in one transaction, and "
            "keeps what is there in a file.",
            MISTAKE,
        )
    if not yes and not typer.confirm(f"Put the backup in the place of the data of stack {file.name}?"):
        raise CommandError("The live database was not touched.")
    done = copies.bring_back(file, wanted)
    output.print(f"[bold]{done['backup']} is live[/]: taken at {done['reached']}, {done['place']} place.")
    _show_rows(("Restored", done["rows"]), ("Backup", done["before"]))


def _prepare_new_server(file: StackFile, key: Path | None) -> None:
    remote = file.value("backups", "remote")
    if not (isinstance(remote, dict) and remote.get("type")):
        raise CommandError(
            "backups.remote is not set, and what was on the lost server is only there. Set it as it was.", MISTAKE
        )
    if key:
        pulumi = Pulumi(file.name)
        pulumi.ensure()
        pulumi.set_secret("monopco:backups.key", backup_key.read(key))
    up(file.name)


def _moment(text: str) -> datetime:
    match = _TIME.fullmatch(text.strip())
    try:
        if match:
            day, clock, seconds, fraction, offset = match.groups()
            clock += "" if seconds else ":00"
            clock += f"{'' if fraction else '.'}{'0' * (7 - len(fraction or '.'))}"
            zone = "+00:00" if offset in (None, "Z", "UTC") else offset
            return datetime.fromisoformat(f"{day}T{clock}{zone}").astimezone(timezone.utc)
    except ValueError:
        pass
    raise CommandError(f'--to: a moment is written as "2026-11-25 14:30:05", in UTC (got "{text}")', MISTAKE)


def _show(done: dict[str, Any], seconds: float) -> None:
    reached = f", up to the change of {done['reached']}" if done.get("reached") else ""
    output.print(
        f"\n[bold]{done['database']}[/] from {done['backup']}, {done['place']} place{reached} [dim]({seconds:.0f} s)[/]"
    )
    _show_rows(("Restored", done["rows"]), ("Live", done["live_rows"]))


def _show_copy(source: str, target: str, done: dict[str, Any], seconds: float) -> None:
    reached = f", up to the change of {done['reached']}" if done.get("reached") else ""
    output.print(
        f"\n[bold]Stack {target} has a copy of {source}'s data[/], from {done['backup']}, {done['place']} place"
        f"{reached} [dim]({seconds:.0f} s)[/]"
    )
    _show_rows(("Copied", done["rows"]), ("Before the rules", done["before"]))


def _show_rows(first: tuple[str, dict[str, int]], second: tuple[str, dict[str, int]]) -> None:
    """The rows of each table, those that differ first."""
    (one, rows), (other, live) = first, second
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("Table")
    table.add_column(one, justify="right")
    table.add_column(other, justify="right")
    names = sorted(rows.keys() | live.keys(), key=lambda name: (rows.get(name) == live.get(name), name))
    for name in names[:_SHOWN_TABLES]:
        same = rows.get(name) == live.get(name)
        counts = [str(each[name]) if name in each else "-" for each in (rows, live)]
        table.add_row(name, *counts, style="" if same else "yellow")
    output.print(table)
    if len(names) > _SHOWN_TABLES:
        output.print(f"and {len(names) - _SHOWN_TABLES} more tables")


def _go_live(file: StackFile, keeper: Caretaker, database: str, *, yes: bool) -> None:
    """Swap, with the maintenance page on meanwhile."""
    if not yes and not typer.confirm(
        f"\nPut {database} in the place of the live database? Visitors get the maintenance page for some seconds; "
        "what is live now is kept under another name."
    ):
        raise CommandError(f"The live database was not touched; {database} is beside it.")
    front = proxy.running(file.name, file.docker_host)
    was_on = bool(front.state.get("maintenance"))
    front.run("maintenance", "on")
    try:
        kept = keeper.ask("swap", database).data_or_error()["kept"]
    finally:
        if not was_on:
            front.run("maintenance", "off")
    output.print(
        f"\n[bold]{database} is live.[/] What was live before is kept as {kept}, and marked so in the archive."
    )
    notes.print(
        f"If the release expects scripts that are not in it: ./monopco rollback -s {file.name} goes to one that fits.",
        markup=False,
    )
