"""What a dump holds, by the list of contents that stands at its beginning."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ops import containers
from ops.database import Reach
from ops.errors import MISTAKE, CommandError

# Schemas that whoever runs a database makes, such as Supabase; an app's own objects are in none of them.
PROVIDER = frozenset(
    (
        *("auth", "storage", "realtime", "_realtime", "extensions", "graphql", "graphql_public", "vault", "pgbouncer"),
        *("pgsodium", "pgsodium_masks", "supabase_functions", "supabase_migrations", "cron", "net", "pgtle"),
    )
)
_LINE = re.compile(r"(?P<number>\d+); \d+ \d+ (?P<kind>[A-Z]+(?: [A-Z]+)*) (?P<schema>\S+) (?P<name>.*) (?P<owner>\S*)")
_READ = 1 << 16
# Each kind of file that people try, by how it begins, and what to do with it.
_CUSTOM, _ZIPPED = b"PGDMP", (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"PK\x03\x04")
_SQL = re.compile(rb"^(--|SET |CREATE |COPY |INSERT |ALTER |BEGIN|\\)", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """One thing in a dump. `schema` is "-" for what is in none."""

    number: int
    kind: str
    schema: str
    name: str
    owner: str
    line: str

    @property
    def provider(self) -> bool:
        """Whether it belongs to whoever runs the database that the dump is of."""
        if self.kind in ("SCHEMA", "COMMENT", "ACL") and self.schema == "-":
            return self.name.removeprefix("SCHEMA ").strip('"') in PROVIDER
        return self.schema in PROVIDER


def of_dump(reach: Reach, file: Path) -> list[Entry]:
    """Everything in a dump. Raises CommandError, with what to do, when it is none that can be restored as a whole."""
    _refuse_others(file)
    # Without a database pg_restore only reads.
    program = ["connected", "pg_restore"] if reach.external else ["pg_restore"]
    with file.open("rb") as stream:
        done = subprocess.run(
            [*containers.client(reach.host), "exec", "--interactive", reach.container, *program, "--list"],
            stdin=stream,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        if "unsupported version" in done.stderr:
            raise CommandError(
                f"{file} was made by a newer pg_dump than the one here understands: {done.stderr.strip()}. "
                "Make it with the pg_dump of PostgreSQL 17, which reads older and equal servers.",
                MISTAKE,
            )
        raise CommandError(f"{file} is no dump in pg_dump's custom format: {done.stderr.strip()}", MISTAKE)
    return parsed(done.stdout)


def parsed(text: str) -> list[Entry]:
    """The entries of pg_restore's list."""
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return [
        Entry(int(one["number"]), one["kind"], one["schema"], one["name"], one["owner"], one[0]) for one in found if one
    ]


def tables(entries: Iterable[Entry]) -> list[str]:
    """The tables whose rows it holds."""
    return [f"{one.schema}.{one.name}" for one in entries if one.kind == "TABLE DATA"]


def told(entries: Iterable[Entry]) -> str:
    """Many entries in few words: how many of each schema, and those that are in none."""
    per_schema, alone = Counter[str](), []
    for one in entries:
        if one.schema == "-":
            alone.append(f"{one.kind.lower()} {one.name}")
        else:
            per_schema[one.schema] += 1
    return ", ".join([*(f"{count} of schema {name}" for name, count in sorted(per_schema.items())), *sorted(alone)])


def _refuse_others(file: Path) -> None:
    with file.open("rb") as stream:
        start = stream.read(_READ)
    if start.startswith(_CUSTOM):
        return
    made = "It is made so: pg_dump --format=custom --file=NAME.dump URL"
    if start.startswith(_ZIPPED):
        raise CommandError(
            f"{file} is compressed as a whole; unpack it first. A dump in custom format is small anyway."
        )
    if _SQL.search(start):
        raise CommandError(
            f"{file} is a dump in plain SQL, which cannot be restored as a whole or not at all, and may do anything on "
            f"the way. A dump in custom format is needed. {made}. When the database it came from is gone: psql it into "
            "an empty PostgreSQL, and dump that.",
            MISTAKE,
        )
    raise CommandError(f"{file} is no dump in pg_dump's custom format. {made}", MISTAKE)
