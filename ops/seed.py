"""The data that an environment for a pull request begins with: a copy of another stack's, made anonymous."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.database import DATABASE
from ops import caretaker, copies, database, import_
from ops.console import notes, output
from ops.errors import MISTAKE, CommandError
from ops.pulumi import Pulumi
from ops.stack_file import StackFile

_SEEDED = f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = '{DATABASE}'"  # noqa: S608


@dataclass(frozen=True)
class Seed:
    """Whose data, and the SQL by which it tells of nobody."""

    source: StackFile
    rules: str


def seed(data_of: str, anonymise: Path | None) -> Seed | None:
    """What was asked for, once it is known that it can be had. Raises CommandError.

    An empty option is none, as pipelines give them.
    """
    anonymise = None if anonymise == Path() else anonymise
    if not data_of and anonymise is None:
        return None
    if not data_of or anonymise is None:
        raise CommandError(
            "--data-of STACK and --anonymise RULES.sql go together: people's data never reaches an environment for a "
            "pull request (docs/anonymise.sql is an example).",
            MISTAKE,
        )
    rules = copies.rules_of(anonymise, as_it_is=False)
    source = StackFile.read(data_of)
    caretaker.running(source.name, source.docker_host)
    return Seed(source, rules or "")


def sow(wanted: Seed, pulumi: Pulumi) -> None:
    """Put the copy in the place of the data of an environment that has had none. Raises CommandError.

    The mark is set last: what failed on the way is done again by the next run.
    """
    file, source = StackFile.read(pulumi.name), wanted.source.name
    with database.reached(file) as reach:
        if reach.ask(_SEEDED):
            notes.print(
                f"The data of {pulumi.name} stays as it is. A new copy: ./monopco restore --into-stack "
                f"{pulumi.name} --anonymise RULES.sql -s {source}"
            )
            return
    copied = copies.copy(wanted.source, file, wanted.rules, {}, yes=True)
    if copied["unseen"]:  # they are run on the copy as they will be on the data that it is of
        pulumi.operate("up", import_.SCRIPTS_AGAIN, quiet=True)
    with database.reached(file) as reach:
        reach.ask(f"COMMENT ON DATABASE {DATABASE} IS 'anonymous copy of {source}, {copied['backup']}'")
    output.print(f"  {'Data':<9}of {source} as of {copied['reached']}, made anonymous")
