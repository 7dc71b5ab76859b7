"""What keeps `migrate` from taking its restore point; then nothing is applied."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.database import DATABASE, OWNER_ROLE
from tests.integration.database_lab import (
    FIRST,
    FOLDER,
    PASSWORDS,
    SECOND,
    Folder,
    Outcome,
    Server,
    restore_points,
    taken,
)
from tests.integration.proxy_lab import docker, wait_until
from tests.integration.test_postgres_migrate import hold

ADVICE = (
    "Nothing was applied. Free space or mend what is said above, and run it again; or go without restore points, "
    "with database.restorePoints: 0 in the stack file."
)


@pytest.fixture
def folder(database_network: str) -> Iterator[Folder]:
    """An empty volume, as Docker makes it from the image."""
    assert database_network
    with restore_points() as made:
        yield made


@pytest.fixture
def small(database_network: str) -> Iterator[Folder]:
    """A volume in memory that is soon full."""
    assert database_network
    with restore_points("--opt=type=tmpfs", "--opt=device=tmpfs", "--opt=o=size=40m,uid=10002,mode=0700") as made:
        yield made


def refused(done: Outcome, database: Server, folder: Folder) -> str:
    """Why there was no restore point; nothing was applied, and nothing that could be taken for one is left."""
    assert (done.status, done.output) == (6, "kept 1.sql\n")
    first, *more, last = done.errors.splitlines()
    assert first.startswith("migrate: no restore point before 2.sql: ")
    assert last == ADVICE
    assert database.value("SELECT string_agg(name, ' ') FROM monopco.migrations") == "1.sql"
    assert database.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'first'::regclass AND attnum > 0") == "1"
    assert [name for name in folder.files() if "before" in name] == []
    assert "marked" not in done.errors
    return "\n".join([first.removeprefix("migrate: no restore point before 2.sql: "), *more])


def test_a_folder_that_is_not_writable_stops_the_run(database: Server, folder: Folder) -> None:
    database.migrate({"1.sql": FIRST})
    # Docker gives an empty volume its owner again.
    folder.sh(f"touch {FOLDER}/something; chown root {FOLDER}")
    why = refused(database.migrate({"1.sql": FIRST, "2.sql": SECOND}, *folder.options), database, folder)
    assert why == f"cannot write to {FOLDER}; mount a volume there that belongs to user 10002"
    folder.sh(f"chown 10002 {FOLDER}")
    options = ("--volume", f"{folder.volume}:{FOLDER}:ro", "--env", f"RESTORE_POINTS={FOLDER}")
    why = refused(database.migrate({"1.sql": FIRST, "2.sql": SECOND}, *options), database, folder)
    assert "Read-only file system" in why
    why = refused(
        database.migrate({"1.sql": FIRST, "2.sql": SECOND}, "--env", "RESTORE_POINTS=/none"), database, folder
    )
    assert why == "cannot write to /none; mount a volume there that belongs to user 10002"


def test_less_room_than_the_database_takes_is_told_before_it_begins(database: Server, small: Folder) -> None:
    database.migrate({"1.sql": FIRST})
    small.sh(f"dd if=/dev/zero of={FOLDER}/other bs=1M count=36 status=none")
    why = refused(database.migrate({"1.sql": FIRST, "2.sql": SECOND}, *small.options), database, small)
    free, size = re.findall(r"has (\d+\.\d) MB free, and the database takes (\d+\.\d) MB", why)[0]
    assert float(free) == pytest.approx(4.2, abs=0.1)
    assert float(size) == pytest.approx(int(database.value(f"SELECT pg_database_size('{DATABASE}')")) / 1e6, abs=0.1)


# Programs that are found before PostgreSQL's own, each as a way in which a dump can go wrong.
BROKEN = {
    "full disk": (
        'dd if=/dev/zero of=/restore-points/other bs=1M status=none; exec /usr/lib/postgresql/17/bin/pg_dump "$@"',
        "No space left on device",
    ),
    "killed": ('/usr/lib/postgresql/17/bin/pg_dump "$@"; kill -9 $$', "pg_dump was ended by signal 9"),
    "failed": ("echo 'pg_dump: error: no' >&2; exit 1", "pg_dump ended with 1\n  pg_dump: error: no"),
    "nothing": ("exit 0", "pg_dump wrote an empty file"),
    "garbage": (
        'for option; do case $option in --file=*) echo garbage >"${option#--file=}" ;; esac; done',
        "pg_restore ended with 1",
    ),
}


@pytest.mark.parametrize("way", BROKEN)
def test_a_dump_that_goes_wrong_stops_the_run(database: Server, small: Folder, tmp_path: Path, way: str) -> None:
    scripts = {"1.sql": FIRST}
    database.migrate(scripts)
    program = tmp_path / "pg_dump"
    shell, said = BROKEN[way]
    program.write_text(f"#!/bin/sh\n{shell}\n")
    program.chmod(0o755)
    tmp_path.chmod(0o755)
    instead = ("--volume", f"{program}:/usr/local/bin/pg_dump:ro")
    scripts["2.sql"] = SECOND
    assert said in refused(database.migrate(scripts, *small.options, *instead), database, small)
    small.sh(f"rm -f {FOLDER}/other")
    assert taken(database.migrate(scripts, *small.options)) in small.files()


def test_a_server_that_ends_the_dump_stops_the_run(database: Server, folder: Folder) -> None:
    database.migrate({"1.sql": FIRST})
    session = hold(database, "LOCK TABLE first IN ACCESS EXCLUSIVE MODE")
    run = database.migrating({"1.sql": FIRST, "2.sql": SECOND}, *folder.options)
    dumping = (
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'monopco restore point' AND wait_event_type = 'Lock'"
    )
    wait_until(lambda: database.value(dumping) != "", "the dump waits for the table")
    assert [name for name in folder.files() if not name.startswith(".")] == []
    database.ask(f"SELECT pg_terminate_backend({database.value(dumping)}); SELECT pg_terminate_backend({session})")
    assert "terminating connection due to administrator command" in refused(run.outcome(), database, folder)


def test_a_run_that_is_killed_in_its_dump_leaves_nothing_that_looks_like_one(database: Server, folder: Folder) -> None:
    database.migrate({"1.sql": FIRST})
    session = hold(database, "LOCK TABLE first IN ACCESS EXCLUSIVE MODE")
    run = database.migrating({"1.sql": FIRST, "2.sql": SECOND}, *folder.options)
    wait_until(folder.files, "the dump has begun")
    docker("kill", run.name)
    run.outcome()
    assert all(name.endswith(".partial") for name in folder.files())
    database.ask(f"SELECT pg_terminate_backend({session})")
    name = taken(database.migrate({"1.sql": FIRST, "2.sql": SECOND}, *folder.options))
    assert folder.files() == [name]


@pytest.fixture
def stranger(database_server: Server) -> Iterator[Server]:
    """A database like one at a provider: its user owns it, and may do nothing else in the server."""
    password = PASSWORDS[OWNER_ROLE].replace("'", "''")
    gone = "DROP DATABASE IF EXISTS elsewhere WITH (FORCE); DROP ROLE IF EXISTS tenant;"
    made = f"{gone} CREATE ROLE tenant LOGIN PASSWORD '{password}'; CREATE DATABASE elsewhere OWNER tenant"
    database_server.ask(made, database="postgres")
    yield database_server
    database_server.ask(gone, database="postgres")


def test_a_user_with_few_rights_dumps_what_is_its_own_and_says_what_is_not(stranger: Server, folder: Folder) -> None:
    elsewhere = {"database": "elsewhere", "user": "tenant"}
    stranger.ask(
        'CREATE SCHEMA "other""s"; CREATE TABLE "other""s"."$secret*" (n serial); CREATE TABLE public.hidden (n int);'
        "CREATE TABLE public.shown (n int); GRANT SELECT ON public.shown TO tenant;",
        database="elsewhere",
    )
    stranger.migrate({"1.sql": FIRST}, **elsewhere)
    done = stranger.migrate({"1.sql": FIRST, "2.sql": SECOND}, *folder.options, **elsewhere)
    assert done.status == 0
    assert done.errors == (
        "migrate: not in the restore point, because this role may not read it: "
        '"other""s"."$secret*", "other""s"."$secret*_n_seq", public.hidden\n'
    )
    listed = folder.sh(f"pg_restore --list {FOLDER}/{taken(done)}")
    assert set(re.findall(r"TABLE DATA (\S+ \S+)", listed)) == {
        "public first",
        "public shown",
        "monopco migrations",
    }


def test_rows_that_a_policy_hides_from_the_user_are_not_left_out_silently(stranger: Server, folder: Folder) -> None:
    elsewhere = {"database": "elsewhere", "user": "tenant"}
    forced = FIRST + "ALTER TABLE first ENABLE ROW LEVEL SECURITY; ALTER TABLE first FORCE ROW LEVEL SECURITY;"
    stranger.migrate({"1.sql": forced}, **elsewhere)
    done = stranger.migrate({"1.sql": forced, "2.sql": SECOND}, *folder.options, **elsewhere)
    assert done.status == 6
    assert 'query would be affected by row-level security policy for table "first"' in done.errors
    assert folder.files() == []
