"""The dump that `migrate` takes before it applies scripts: when, of what, and that all comes back from it."""

# ruff: noqa: S608 - the SQL is the test's own
from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from components.database import APP_ROLE, DATABASE, OWNER_ROLE
from tests.integration.database_lab import FIRST, FOLDER, SECOND, Folder, Server, restore_points, taken
from tests.integration.proxy_lab import wait_until
from tests.integration.test_postgres_migrate import LOCK, hold, waiting

ALICE, BOB = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
# Tables whose policies would hide every row: from all but their owner, and from everybody.
GUARDED = f"""
INSERT INTO auth.users (id, email) VALUES ('{ALICE}', 'a@example.org'), ('{BOB}', 'b@example.org');
CREATE TABLE notes (id bigserial PRIMARY KEY, user_id uuid NOT NULL REFERENCES auth.users, text text);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY "own notes" ON notes USING (auth.uid() = user_id);
CREATE TABLE forced (n int, t text);
ALTER TABLE forced ENABLE ROW LEVEL SECURITY;
ALTER TABLE forced FORCE ROW LEVEL SECURITY;
ALTER PUBLICATION supabase_realtime ADD TABLE notes;
INSERT INTO notes (user_id, text) VALUES ('{ALICE}', 'of Alice'), ('{BOB}', 'é; of Bob');
INSERT INTO forced SELECT n, md5(n::text) FROM generate_series(1, 1000) AS n;
"""
CONTENT = """
SELECT string_agg(text, ', ' ORDER BY id) FROM notes;
SELECT count(*), md5(string_agg(t, '' ORDER BY n)) FROM forced;
SELECT string_agg(email, ' ' ORDER BY email) FROM auth.users;
SELECT name, checksum FROM monopco.migrations;
SELECT tablename, tableowner FROM pg_tables WHERE schemaname IN ('public', 'auth', 'monopco') ORDER BY 1;
SELECT tablename, policyname, qual FROM pg_policies; SELECT * FROM pg_publication_tables;
SELECT last_value FROM notes_id_seq; SHOW search_path;
"""
FREE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'monopco' AND pid <> pg_backend_pid();"


@pytest.fixture
def folder(database_network: str) -> Iterator[Folder]:
    """An empty volume, as Docker makes it from the image."""
    assert database_network
    with restore_points() as made:
        yield made


def test_all_rows_come_back_into_a_new_database_whatever_policies_hide_them(database: Server, folder: Folder) -> None:
    first = database.migrate({"1.sql": GUARDED}, *folder.options)
    assert (first.status, first.errors) == (0, "")
    assert folder.files() == []
    content = database.value(CONTENT)
    assert "of Alice, é; of Bob\n1000|" in content
    harm = "DELETE FROM notes; DROP TABLE forced; DELETE FROM auth.users"
    done = database.migrate({"1.sql": GUARDED, "a/b c é.sql": harm}, *folder.options)
    assert (done.status, done.errors) == (0, "")
    name = taken(done)
    assert name.endswith("Z-before-a-b-c-.sql.dump")
    assert done.output.splitlines()[0] == "kept 1.sql"
    owner, mode, size = folder.sh(f"stat -c '%U %a %s' {FOLDER}/{name}").split()
    assert (owner, mode) == ("postgres", "600")
    assert f"restore-point {name} {size}" in done.output.splitlines()
    database.ask(f"{FREE} ALTER DATABASE {DATABASE} RENAME TO before_restore", database="postgres")
    try:
        folder.restore(database, name)
        assert database.value(CONTENT) == content
        database.provision()
        assert database.ask_as(APP_ROLE, "SELECT count(*) FROM forced").output == "1000"
        assert database.migrate({"1.sql": GUARDED}).output.startswith("kept 1.sql\n")
    finally:
        database.ask("DROP DATABASE before_restore WITH (FORCE)", database="postgres")


def test_without_the_compatibility_schema_it_is_the_same(database_server: Server, folder: Folder) -> None:
    database_server.ask(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", database="postgres")
    database_server.provision(compatibility="none")
    database_server.migrate({"1.sql": FIRST})
    name = taken(database_server.migrate({"1.sql": FIRST, "2.sql": SECOND}, *folder.options))
    database_server.ask(f"{FREE} DROP DATABASE {DATABASE}", database="postgres")
    folder.restore(database_server, name)
    assert database_server.ask_as(APP_ROLE, "SELECT * FROM first").output == "1"


def test_one_is_taken_only_when_there_is_something_to_apply_and_something_to_lose(
    database: Server, folder: Folder
) -> None:
    for scripts, one in (
        ({}, False),
        ({"1.sql": "SELECT 1"}, False),
        ({"1.sql": "SELECT 1"}, False),
        ({"1.sql": "SELECT 1", "2.sql": FIRST, "3.sql": SECOND}, True),
        ({"1.sql": "SELECT 1", "2.sql": FIRST, "3.sql": SECOND}, False),
    ):
        done = database.migrate(scripts, *folder.options)
        assert done.status == 0
        assert ("restore-point " in done.output) is one, scripts
    assert len(folder.files()) == 1


@pytest.mark.parametrize(
    "something",
    [f"SET ROLE {OWNER_ROLE}; CREATE TABLE t (n int)", "INSERT INTO auth.users (id) VALUES (gen_random_uuid())"],
)
def test_rows_that_no_script_of_ours_made_are_something_to_lose(
    database: Server, folder: Folder, something: str
) -> None:
    database.ask(something)
    assert taken(database.migrate({"1.sql": FIRST}, *folder.options)).endswith("-before-1.sql.dump")


def test_the_newest_are_kept_and_files_of_others_stay(database: Server, folder: Folder) -> None:
    database.migrate({"1.sql": FIRST})
    older = [f"2020010{day}T000000Z-before-x.sql.dump" for day in range(1, 7)]
    foreign = ["20200101T000000Z-before-x.sql.dump.txt", "20200101-before-x.dump", "nightly.dump", "lost+found"]
    stale = ".20200101T000000Z-before-x.sql.partial"
    folder.sh(f"cd {FOLDER}; touch {' '.join([*older, *foreign, stale])}")
    scripts = {"1.sql": FIRST, "2.sql": SECOND}
    name = taken(database.migrate(scripts, *folder.options))
    assert folder.files() == sorted([*older[2:], *foreign, name])
    scripts["3.sql"] = "SELECT 1"
    last = taken(database.migrate(scripts, *folder.options, "--env", "KEEP_RESTORE_POINTS=1"))
    assert folder.files() == sorted([*foreign, last])


def test_the_number_to_keep_is_a_number(database: Server, folder: Folder) -> None:
    for wrong in ("0", "many", "-1"):
        done = database.migrate({"1.sql": FIRST}, *folder.options, "--env", f"KEEP_RESTORE_POINTS={wrong}")
        assert done.status == 2
        assert done.errors == f'migrate: KEEP_RESTORE_POINTS must be a whole number above 0 (got "{wrong}")\n'


def test_a_long_name_keeps_its_end_and_marks_the_log_of_changes(database: Server, folder: Folder) -> None:
    database.migrate({"1.sql": FIRST})
    long = "supabase/migrations/20260101000000_" + "x" * 30 + "_notes.sql"
    start = database.value("SELECT pg_current_wal_insert_lsn()")
    name = taken(database.migrate({"1.sql": FIRST, long: SECOND}, *folder.options)).removesuffix(".dump")
    assert len(name) == 63
    assert name.endswith("xxx_notes.sql")
    log = database.run("pg_waldump", "--path=/var/lib/postgresql/17/main/pg_wal", f"--start={start}", check=False)
    assert f"RESTORE_POINT {name}" in log.output


def test_a_script_that_fails_ends_with_the_name_of_the_restore_point(database: Server, folder: Folder) -> None:
    database.migrate({"1.sql": FIRST})
    done = database.migrate({"1.sql": FIRST, "2.sql": SECOND, "3.sql": "SELECT nothing"}, *folder.options)
    assert done.status == 4
    assert done.errors.splitlines()[-2:] == [
        "Nothing of this script was kept.",
        f"The restore point before this run is {taken(done)}.",
    ]


def test_two_runs_at_once_apply_once_after_one_dump(database: Server, folder: Folder) -> None:
    database.migrate({"1.sql": FIRST})
    scripts = {"1.sql": FIRST, "2.sql": SECOND}
    session = hold(database, f"SELECT pg_advisory_xact_lock({LOCK})")
    runs = [database.migrating(scripts, *folder.options) for _ in range(2)]
    wait_until(lambda: waiting(database) == 2, "both runs wait")
    database.ask(f"SELECT pg_terminate_backend({session})")
    outcomes = [run.outcome() for run in runs]
    for outcome in outcomes:
        assert outcome.status == 0
        assert json.loads(outcome.output.splitlines()[-1]) == {"level": 2, "last": "2.sql"}
    said = "".join(outcome.output for outcome in outcomes)
    assert (said.count("applied 2.sql "), said.count("restore-point ")) == (1, 1)
    assert len(folder.files()) == 1


def test_the_app_goes_on_while_the_dump_is_taken(database: Server, folder: Folder) -> None:
    database.migrate({"1.sql": FIRST + "CREATE TABLE other (n int);"})
    session = hold(database, "LOCK TABLE other IN ACCESS EXCLUSIVE MODE")
    scripts = {"1.sql": FIRST + "CREATE TABLE other (n int);", "2.sql": SECOND}
    run = database.migrating(scripts, *folder.options)
    wait_until(folder.files, "the dump has begun")
    assert database.ask_as(APP_ROLE, "INSERT INTO first VALUES (2) RETURNING n").output == "2"
    database.ask(f"SELECT pg_terminate_backend({session})")
    assert run.outcome().status == 0
