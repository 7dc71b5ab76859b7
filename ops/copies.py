"""A copy of one stack's data in the database of another one, made anonymous before it leaves."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from ops import caretaker, contents, database, import_
from ops.console import notes
from ops.database import Reach
from ops.errors import MISTAKE, CommandError
from ops.places import STATE
from ops.stack_file import StackFile

_PRODUCTION = ("prod", "production")
_DATA = "/var/lib/postgresql"
# Of what is restored: indexes and the log of changes come to it.
_ROOM = 1.3


def rules_of(path: Path | None, *, as_it_is: bool) -> str | None:
    """The SQL by which people's data goes; None when the person says that it may stay. Raises CommandError."""
    if path and as_it_is:
        raise CommandError("--anonymise and --as-it-is contradict each other; give one of them.", MISTAKE)
    if path is None:
        if not as_it_is:
            raise CommandError(
                "A copy would take people's data along. Give --anonymise RULES.sql, SQL that is run before anything "
                "leaves (docs/anonymise.sql is an example), or say --as-it-is.",
                MISTAKE,
            )
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--anonymise: the file cannot be read: {error}", MISTAKE) from error


def refuse_target(source: StackFile, target: StackFile) -> None:
    """A copy goes into no production environment. Raises CommandError."""
    if source.name == target.name:
        raise CommandError(
            f"--into-stack: {target.name} is where the copy comes from; --live restores that one.", MISTAKE
        )
    if target.name in _PRODUCTION or target.value("database", "protect") is True:
        why = "its name says so" if target.name in _PRODUCTION else "database.protect is true"
        raise CommandError(
            f"--into-stack: {target.name} is a production environment ({why}), and a copy never replaces its data.",
            MISTAKE,
        )


def copy(
    source: StackFile, target: StackFile, rules: str | None, wanted: Mapping[str, str], *, yes: bool
) -> dict[str, Any]:
    """Restore a backup of `source` aside, apply the rules there, and put the result in the place of `target`'s data.

    `wanted` are the options of the backups' own tool (to, to_text, backup, from). Returns what was copied: the backup,
    its place, the last change in it, rows before and after the rules, and the SQL scripts of `target` that it has not
    seen (`unseen`). What `target` had is kept.

    Raises CommandError; when a rule fails nothing has left the source, and `target` is as it was.
    """
    refuse_target(source, target)
    keeper = caretaker.running(source.name, source.docker_host)
    with database.reached(target) as reach:
        _need_space(keeper, reach, wanted)
        _ask(source, target, anonymous=rules is not None, yes=yes)
        return _put(keeper, reach, target, rules, wanted)


def bring_back(file: StackFile, wanted: Mapping[str, str]) -> dict[str, Any]:
    """A backup of a database elsewhere in the place of its data. Raises CommandError; nothing has changed then."""
    keeper = caretaker.running(file.name, file.docker_host)
    with database.reached(file) as reach:
        return _put(keeper, reach, file, None, wanted)


def _put(
    keeper: caretaker.Caretaker, reach: Reach, target: StackFile, rules: str | None, wanted: Mapping[str, str]
) -> dict[str, Any]:
    with _folder() as folder:
        path = folder / "copy.dump"
        done = taken(keeper, path, rules, wanted)
        done["unseen"] = import_.put(reach, path, contents.of_dump(reach, path), target)
    return done


def taken(keeper: caretaker.Caretaker, path: Path, rules: str | None, wanted: Mapping[str, str]) -> dict[str, Any]:
    """A backup as a dump in a file of this machine, after the rules. Raises CommandError."""
    options = [f"{name}={value}" for name, value in wanted.items() if value]
    if rules is not None:
        options.append("rules=1")
    answer = keeper.receive(path, rules or "", "copy", *options)
    if answer.code == 0 and answer.errors:
        notes.print(answer.errors, markup=False)
    return dict(answer.data_or_error())


@contextmanager
def _folder() -> Iterator[Path]:
    """Where the dump lies meanwhile: on a disk, for its owner only, and gone afterwards."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="copy-", dir=STATE) as name:
        yield Path(name)


def _ask(source: StackFile, target: StackFile, *, anonymous: bool, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(
            f"The data of stack {target.name} would be replaced; say --yes where nobody can be asked.", MISTAKE
        )
    what = "an anonymous copy" if anonymous else "a copy, AS IT IS,"
    if not typer.confirm(f"Replace the data of stack {target.name} by {what} of {source.name}'s? What it has is kept."):
        raise CommandError(f"Stack {target.name} was not touched.")


def _need_space(keeper: caretaker.Caretaker, reach: Reach, wanted: Mapping[str, str]) -> None:
    """Told before anything is begun; the scratch place of the source looks at its own disk."""
    listed = keeper.ask("list").data or []
    sizes = [int(each["database_bytes"]) for each in listed if wanted.get("backup") in ("", None, each["id"])]
    need = int(max(sizes, default=0) * _ROOM)
    free = {f"this machine ({STATE})": shutil.disk_usage(STATE.parent).free}
    if not reach.external:
        free["the disk of the other database"] = reach.free_bytes(_DATA)
    for where, there in free.items():
        if there < need:
            raise CommandError(
                f"The copy takes {need / 1e9:.1f} GB, and {where} has {there / 1e9:.1f} GB free; nothing was begun."
            )
