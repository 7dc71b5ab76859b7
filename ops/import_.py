"""`import`: put a dump into the database, as a whole or not at all."""

from __future__ import annotations

import re
import shlex
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from components.database import APP_ROLE, DATABASE, OWNER_ROLE, READER_ROLE, inside_sql, reader_sql
from ops import contents, database, transfer
from ops.console import notes, output
from ops.contents import Entry
from ops.database import Reach
from ops.errors import MISTAKE, CommandError
from ops.export import dump
from ops.options import StackOption
from ops.places import DEFAULT_STACK, STATE
from ops.stack_file import StackFile

NEW = f"{DATABASE}_import"
# What there is to lose: tables of the app, and sessions of somebody else.
_TABLES = """
SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
    WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'monopco', 'auth') ORDER BY 1
"""
_SESSIONS = """
SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_SCRIPTS = "SELECT name FROM monopco.migrations ORDER BY 1"
_LIST = "/tmp/import.list"  # noqa: S108 - a tmpfs of the container's own
_SCHEMAS = "SELECT nspname FROM pg_namespace"
_FOREIGN_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE NOT pg_has_role(nspowner, 'USAGE')"
_EXTENSIONS = "SELECT name FROM pg_available_extensions"
_INSTALLED = "SELECT extname FROM pg_extension"
_PUBLICATIONS = "SELECT pubname FROM pg_publication"
_USERS = "SELECT to_regclass('auth.users') IS NOT NULL"
# What pg_restore says, and what it means for whoever has such a dump.
_ADVICE = (
    (
        r'violates foreign key constraint[\s\S]*table "users"',
        "Rows of it refer to auth.users, whose rows are not in it: dump that, too (--schema=public --schema=auth).",
    ),
    (
        r'schema "auth" does not exist|role "(anon|authenticated|service_role)" does not exist',
        "It is of Supabase: set database.compatibility to supabase, and run up.",
    ),
    (
        r'column "[^"]*" of relation "users" does not exist',
        "Its auth.users has a column that this environment's does not have; copy the users by hand.",
    ),
    (r'role "[^"]*" does not exist', "It names a role that this server does not have."),
    (r"extension|could not open.*control file", "It needs an extension that this PostgreSQL does not have."),
    (
        r"(operator class|function|type|operator|collation) .* does not exist",
        "It uses an extension that is not in it, because a dump of some schemas holds none: add --extension='*'.",
    ),
)
SCRIPTS_AGAIN = ("--replace", "**::usable-schema-check", "--replace", "**::schema-migrate")
"""By which `pulumi up` runs the SQL scripts that the database has not seen."""
_HAS_SCRIPTS = "SELECT to_regclass('monopco.migrations') IS NOT NULL"


def import_(
    file: Annotated[Path, typer.Argument(help="A dump in pg_dump's custom format, such as export writes.")],
    stack: StackOption = DEFAULT_STACK,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also when the database has tables or is in use; what was there is kept.")
    ] = False,
) -> None:
    """Put a dump into the stack's database. Nothing has changed when it fails; what was there before is kept.

    In a container it is restored beside the live database and then takes its place, which ends the app's sessions.
    """
    if not file.is_file():
        raise CommandError(f"There is no file {file}.", MISTAKE)
    stack_file = StackFile.read(stack)
    with database.reached(stack_file) as reach:
        entries = contents.of_dump(reach, file)
        _refuse_loss(reach, stack, replace=replace)
        tell_unseen(stack, put(reach, file, entries, stack_file))
    tables = len(contents.tables(entries))
    output.print(f"[bold]{escape(str(file))} is in the database of stack {stack}[/]: the rows of {tables} tables.")


def put(reach: Reach, file: Path, entries: list[Entry], stack: StackFile) -> list[str]:
    """A dump in the place of a stack's data, as a whole or not at all; what was there is kept.

    Returns the SQL scripts that were run there and that the dump has not seen. Raises CommandError; nothing has
    changed then.
    """
    if reach.external:
        _into_external(reach, file, entries, stack.name)
        return []
    return _into_container(reach, file, entries, stack)


def tell_unseen(stack: str, scripts: list[str]) -> None:
    """That what is in the database now has not seen these SQL scripts, and how to run them."""
    if scripts:
        notes.print(
            f"[yellow]The dump has not seen these SQL scripts:[/] {escape(', '.join(scripts))}. To run them:\n"
            f"  pulumi up --stack {stack} {shlex.join(SCRIPTS_AGAIN)}"
        )


def _refuse_loss(reach: Reach, stack: str, *, replace: bool) -> None:
    tables = reach.ask(_TABLES)
    (sessions,) = reach.ask(_SESSIONS)
    found = [f"{len(tables)} tables ({', '.join(tables)})"] if tables else []
    if sessions != "0" and not reach.external:
        found.append(f"{sessions} sessions of the app or others")
    if found and not replace:
        raise CommandError(
            f"The database of stack {stack} has {' and '.join(found)}. Nothing was changed. "
            "--replace puts the dump in its place and keeps what is there now.",
            MISTAKE,
        )


def _into_container(reach: Reach, file: Path, entries: list[Entry], stack: StackFile) -> list[str]:
    before = f"{DATABASE}_before_{datetime.now(timezone.utc).strftime('%Y%m%dt%H%M%Sz')}"
    reach.ask(f'DROP DATABASE IF EXISTS "{NEW}" WITH (FORCE)', database="postgres")
    reach.ask(f'CREATE DATABASE "{NEW}" TEMPLATE template0 OWNER "{OWNER_ROLE}"', database="postgres")
    try:
        # One that has nothing of the owner of our tables was made elsewhere, with that server's roles and rights.
        foreign = OWNER_ROLE not in {one.owner for one in entries}
        options = _prepare(reach, entries, stack) if foreign else []
        transfer.from_file(file, reach.command("pg_restore", "--exit-on-error", *options, database=NEW), "import")
        _settle(reach)
        missing = sorted(set(_scripts(reach, DATABASE)) - set(_scripts(reach, NEW)))
        _swap(reach, before)
    except CommandError as error:
        reach.ask(f'ALTER DATABASE "{DATABASE}" ALLOW_CONNECTIONS true', database="postgres")
        reach.ask(f'DROP DATABASE IF EXISTS "{NEW}" WITH (FORCE)', database="postgres")
        raise as_it_was(error) from error
    output.print(f"The database of before is kept as {before}. To drop it:")
    output.print(f"  docker exec {reach.container} dropdb --username=postgres {before}")
    return missing


def _prepare(reach: Reach, entries: list[Entry], stack: StackFile) -> list[str]:
    """Make the new database one of ours before a foreign dump comes in; the options by which it becomes ours, too."""
    reach.ask(inside_sql(NEW, str(stack.value("database", "compatibility"))), database=NEW)
    users = reach.ask(_USERS, database=NEW) == ["t"]
    schemas, extensions = (set(reach.ask(sql, database=NEW)) for sql in (_SCHEMAS, _EXTENSIONS))
    publications = set(reach.ask(_PUBLICATIONS, database=NEW))

    def ours(one: Entry) -> bool:
        if one.kind == "TABLE DATA" and (one.schema, one.name) == ("auth", "users"):
            return users
        return not (
            one.provider
            or one.kind == "EVENT TRIGGER"
            or (one.kind == "SCHEMA" and one.name.strip('"') in schemas)
            or (one.kind == "EXTENSION" and one.name.strip('"') not in extensions)
            or (one.kind == "COMMENT" and one.name.startswith(("EXTENSION ", "SCHEMA ")))
            or (one.kind == "PUBLICATION" and one.name in publications)
        )

    options = _chosen(reach, entries, [one for one in entries if ours(one)])
    return ["--no-owner", "--no-privileges", f"--role={OWNER_ROLE}", *options]


def _chosen(reach: Reach, entries: list[Entry], kept: list[Entry]) -> list[str]:
    """The options by which pg_restore takes only those; what is left out is told."""
    left = [one for one in entries if one not in kept and one.kind not in ("SCHEMA", "COMMENT", "ACL", "DEFAULT ACL")]
    if left:
        notes.print(f"[yellow]Not taken over, because it is the provider's:[/] {escape(contents.told(left))}.")
    reach.write(_LIST, "".join(f"{one.line}\n" for one in kept))
    return [f"--use-list={_LIST}"]


def as_it_was(error: CommandError) -> CommandError:
    """The same failure with what it means for the database, and for whoever made the dump."""
    said = str(error)
    advice = next((f" {words}" for pattern, words in _ADVICE if re.search(pattern, said)), "")
    return CommandError(f"The dump could not be restored; the database is as it was.{advice} {said}")


def _settle(reach: Reach) -> None:
    """The rights and settings of the database itself, which a dump does not hold: those of the live one."""
    copied = f"""
        SELECT format(
            CASE split_part(one, '=', 1) WHEN 'search_path' THEN 'ALTER DATABASE {NEW} SET %s TO %s'
                ELSE 'ALTER DATABASE {NEW} SET %s TO %L' END,
            split_part(one, '=', 1), substr(one, strpos(one, '=') + 1))
        FROM pg_db_role_setting CROSS JOIN unnest(setconfig) AS one
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = '{DATABASE}') AND setrole = 0 \\gexec
        REVOKE ALL ON DATABASE {NEW} FROM PUBLIC;
        GRANT CONNECT ON DATABASE {NEW} TO {APP_ROLE}, {READER_ROLE};
        ANALYZE;
        {reader_sql()}
    """  # noqa: S608 - every name is ours
    reach.ask(copied, database=NEW)


def _swap(reach: Reach, before: str) -> None:
    """Nobody can come in between: connections are refused until both have their names."""
    ended = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname IN"
    reach.ask(
        f"""
        ALTER DATABASE "{DATABASE}" ALLOW_CONNECTIONS false;
        {ended} ('{DATABASE}', '{NEW}') AND pid <> pg_backend_pid();
        BEGIN;
        ALTER DATABASE "{DATABASE}" RENAME TO "{before}";
        ALTER DATABASE "{NEW}" RENAME TO "{DATABASE}";
        COMMIT;
        ALTER DATABASE "{before}" ALLOW_CONNECTIONS true;
        """,
        database="postgres",
    )


def _scripts(reach: Reach, name: str) -> list[str]:
    return reach.ask(_SCRIPTS, database=name) if reach.ask(_HAS_SCRIPTS, database=name) == ["t"] else []


def _into_external(reach: Reach, file: Path, entries: list[Entry], stack: str) -> None:
    """In one transaction, after a dump of what is there. What is not the role's own there stays as it is."""
    folder = STATE / "restore-points"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = folder / f"{stack}-{datetime.now(timezone.utc).strftime('%Y%m%dT%H%M%SZ')}.dump"
    dump(reach, kept)
    notes.print(f"What is there now is kept in {kept}.")
    foreign, installed = set(reach.ask(_FOREIGN_SCHEMAS)), set(reach.ask(_INSTALLED))

    def ours(one: Entry) -> bool:
        name = one.name.removeprefix("SCHEMA ").removeprefix("EXTENSION ").strip('"')
        return not (
            one.schema in foreign
            or (one.schema == "-" and one.kind in ("SCHEMA", "COMMENT", "ACL") and name in foreign)
            or (one.kind in ("EXTENSION", "COMMENT") and name in installed)
            or one.kind == "EVENT TRIGGER"
        )

    options = ("--clean", "--if-exists", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error")
    chosen = _chosen(reach, entries, [one for one in entries if ours(one)])
    try:
        transfer.from_file(file, reach.command("pg_restore", *options, *chosen, "--dbname="), "import")
    except CommandError as error:
        raise as_it_was(error) from error
