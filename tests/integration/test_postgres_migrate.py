"""`migrate`: each script once, in order, in one transaction with its record, whoever else is at work."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest

from components.database import APP_ROLE, DATABASE, OWNER_ROLE
from tests.integration.database_lab import FIRST, PASSWORDS, SECOND, TABLES, Server, Tool, archive
from tests.integration.proxy_lab import docker, wait_until

LOCK = int.from_bytes(b"monopco", "big")


def hold(database: Server, sql: str) -> int:
    """Run `sql` in a transaction that stays open; returns the process of its session."""
    docker(
        "exec",
        "--detach",
        database.name,
        "psql",
        f"--dbname={DATABASE}",
        f"--command=BEGIN; {sql}; SELECT pg_sleep(3600)",
    )
    sleeping = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    wait_until(lambda: database.value(sleeping) != "", "the session holds its locks")
    return int(database.value(sleeping))


def waiting(database: Server) -> int:
    return int(database.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))


def test_scripts_are_applied_in_the_order_that_is_given_and_recorded(database: Server) -> None:
    done = database.migrate({"b/2.sql": FIRST, "a 1.sql": SECOND})
    assert (done.status, done.errors) == (0, "")
    lines = done.output.splitlines()
    assert [re.sub(r" \d+ ms$", " N ms", line) for line in lines[:-1]] == [
        "applied b/2.sql N ms",
        "applied a 1.sql N ms",
    ]
    assert json.loads(lines[-1]) == {"level": 2, "last": "a 1.sql"}
    record = "SELECT checksum, applied_at > now() - interval '1 hour', duration_ms >= 0 FROM monopco.migrations"
    checksum = hashlib.sha256(FIRST.encode()).hexdigest()
    assert database.value(f"{record} WHERE name = 'b/2.sql'") == f"{checksum}|t|t"
    assert database.ask_as(APP_ROLE, "SELECT n, m FROM first").output == "1|"


def test_applied_scripts_are_kept_and_new_ones_added(database: Server) -> None:
    database.migrate({"1.sql": FIRST})
    done = database.migrate({"1.sql": FIRST, "2.sql": SECOND})
    assert done.output.splitlines()[0] == "kept 1.sql"
    assert done.output.splitlines()[1].startswith("applied 2.sql ")
    again = database.migrate({"1.sql": FIRST, "2.sql": SECOND})
    assert again.output == 'kept 1.sql\nkept 2.sql\n{"last":"2.sql","level":2}\n'


def test_nothing_to_apply_is_level_zero(database: Server) -> None:
    done = database.migrate({})
    assert (done.status, done.output) == (0, '{"last":null,"level":0}\n')


def test_a_script_that_is_not_given_any_more_is_told(database: Server) -> None:
    database.migrate({"1.sql": FIRST, "2.sql": SECOND})
    done = database.migrate({"2.sql": SECOND})
    assert (done.status, done.output) == (0, 'kept 2.sql\ngone 1.sql\n{"last":"2.sql","level":2}\n')


def test_scripts_changed_after_they_were_applied_are_all_named_and_nothing_is_applied(database: Server) -> None:
    database.migrate({"1.sql": FIRST, "2.sql": SECOND})
    done = database.migrate({"0.sql": "CREATE TABLE zero (n int)", "1.sql": FIRST + " ", "2.sql": SECOND + "-- more"})
    assert (done.status, done.output) == (3, "")
    old, new = (hashlib.sha256(text.encode()).hexdigest()[:12] for text in (FIRST, FIRST + " "))
    when = database.value(
        "SELECT to_char(applied_at, 'YYYY-MM-DD HH24:MI') FROM monopco.migrations WHERE name = '1.sql'"
    )
    first, second, advice = done.errors.splitlines()
    assert first == f"migrate: 1.sql was changed after it was applied on {when} UTC (checksum {old}, now {new})"
    assert second.startswith("2.sql was changed after it was applied on ")
    assert advice == "Nothing was applied. Put the old text back, and write what is to change as a new script."
    assert database.value(TABLES) == "first"


def test_what_one_script_sets_does_not_reach_the_next(database: Server) -> None:
    leaky = (
        "CREATE SCHEMA other; CREATE TEMPORARY TABLE passing (n int); SET ROLE authenticated; SET search_path = other;"
        "SELECT set_config('search_path', '', false); SET client_min_messages = error"
    )
    done = database.migrate({"1.sql": leaky, "2.sql": FIRST})
    assert (done.status, done.errors) == (0, "")
    assert database.value(TABLES) == "first"
    assert database.value("SELECT tableowner FROM pg_tables WHERE tablename = 'first'") == OWNER_ROLE


def test_what_postgresql_warns_of_is_shown_with_the_script(database: Server) -> None:
    done = database.migrate({"1.sql": "DO $$ BEGIN RAISE NOTICE 'hm'; RAISE WARNING 'mind this'; END $$;"})
    assert (done.status, done.errors) == (0, "1.sql: WARNING:  mind this\n")


def test_two_runs_at_once_wait_for_each_other_and_apply_each_script_once(database: Server) -> None:
    scripts = {f"{number}.sql": f"CREATE TABLE t{number} (n int)" for number in range(5)}
    session = hold(database, f"SELECT pg_advisory_xact_lock({LOCK})")
    runs = [database.migrating(scripts) for _ in range(2)]
    wait_until(lambda: waiting(database) == 2, "both runs wait")
    assert database.value(TABLES) == ""
    database.ask(f"SELECT pg_terminate_backend({session})")
    outcomes = [run.outcome() for run in runs]
    for outcome in outcomes:
        assert outcome.status == 0
        assert outcome.errors.startswith("migrate: waiting for ")
        assert json.loads(outcome.output.splitlines()[-1]) == {"level": 5, "last": "4.sql"}
    assert sum(outcome.output.count("applied ") for outcome in outcomes) == 5
    told = [outcome.errors.splitlines()[0] for outcome in outcomes]
    assert told == [f"migrate: waiting for psql of postgres, process {session}"] * 2


def test_a_run_that_is_killed_leaves_nothing_and_lets_in_the_one_that_waits(database: Server) -> None:
    run = database.migrating({"1.sql": FIRST + "SELECT pg_sleep(3600)"})
    wait_until(lambda: database.value("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1", "it runs")
    next_run = database.migrating({"1.sql": FIRST})
    wait_until(lambda: waiting(database) == 1, "the next run waits")
    docker("kill", run.name)
    run.outcome()
    done = next_run.outcome()
    assert done.status == 0
    assert done.output.startswith("applied 1.sql ")
    told = r"migrate: waiting for monopco migrate of monopco_owner from [\d.]+, process \d+, since \d\d:\d\d:\d\d UTC\n"
    assert re.fullmatch(told, done.errors)


def test_a_table_in_use_is_given_up_so_that_the_app_goes_on(database: Server) -> None:
    database.migrate({"1.sql": FIRST})
    session = hold(database, "SELECT * FROM first")
    done = database.migrate({"1.sql": FIRST, "2.sql": SECOND})
    database.ask(f"SELECT pg_terminate_backend({session})")
    assert done.status == 4
    assert "migrate: 2.sql, line 1: canceling statement due to lock timeout (55P03)" in done.errors
    assert "other sessions kept a lock for too long, so the script gave way to them; run it again" in done.errors


def test_a_server_that_goes_away_in_the_middle_is_told_with_the_script(database: Server) -> None:
    run = database.migrating({"1.sql": FIRST + "SELECT pg_sleep(3600)"})
    wait_until(lambda: database.value("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1", "it runs")
    database.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    done = run.outcome()
    assert done.status == 4
    assert "migrate: 1.sql, line 4: FATAL:  terminating connection due to administrator command" in done.errors
    assert database.value(TABLES) == ""


def test_its_input_may_be_archives_in_a_row_as_docker_and_tar_write_them(database: Server, tmp_path: Path) -> None:
    (tmp_path / "scripts" / "a").mkdir(parents=True)
    (tmp_path / "order").write_text("a/1.sql\n")
    (tmp_path / "scripts" / "a" / "1.sql").write_text(FIRST)
    (tmp_path / "scripts" / "a").chmod(0o500)
    scripts = subprocess.run(["tar", "--create", "."], cwd=tmp_path, capture_output=True, check=True).stdout
    assert scripts.startswith(b"./\0")
    done = Tool("migrate", database.network, database.bundle({}) + scripts).outcome()
    assert (done.status, done.errors) == (0, "")
    assert done.output.startswith("applied a/1.sql ")


@pytest.mark.parametrize("stdin", [b"", b"SELECT 1;\n" * 100, archive({"order": "x" * 600})[:1024]])
def test_what_is_no_archive_or_no_whole_one_is_refused(database: Server, stdin: bytes) -> None:
    done = Tool("migrate", database.network, stdin).outcome()
    assert (done.status, done.errors) == (2, "migrate: standard input must be a tar archive\n")
    after = Tool("migrate", database.network, database.bundle({"order": ""}) + stdin).outcome()
    assert after.status == (2 if stdin else 0)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "migrate: the archive has no file order"),
        ({"order": "1.sql\n"}, "migrate: the archive has no readable file scripts/1.sql"),
        ({"order": "1.sql\n1.sql\n", "scripts/1.sql": ""}, 'migrate: "1.sql" stands twice in order'),
        ({"order": "../connection\n"}, 'migrate: "../connection" in order is not a path below scripts/'),
        ({"order": "/etc/passwd\n"}, 'migrate: "/etc/passwd" in order is not a path below scripts/'),
    ],
)
def test_a_list_that_does_not_fit_is_refused(database: Server, files: dict[str, str | bytes], message: str) -> None:
    done = database.tool("migrate", files).outcome()
    assert (done.status, done.errors) == (2, message + "\n")


def test_a_wrong_password_is_told_as_check_tells_it_without_the_password(database: Server) -> None:
    done = database.tool("migrate", {"order": ""}, password="wrong:marked").outcome()
    assert done.status == 14
    assert done.errors.startswith("migrate: database:5432/monopco as monopco_owner: user or password is refused;")
    assert "marked" not in done.errors + database.log()


def test_a_role_that_may_not_keep_the_record_is_told(database: Server) -> None:
    done = database.tool("migrate", {"order": ""}, user=APP_ROLE, password=PASSWORDS[APP_ROLE]).outcome()
    assert done.status == 4
    assert done.errors == "migrate: monopco.migrations, the record: permission denied for schema monopco (42501)\n"


def test_the_scripts_run_where_no_password_shows(database: Server) -> None:
    run = database.migrating({"1.sql": "SELECT pg_sleep(3600)"})
    wait_until(lambda: database.value("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "1", "it runs")
    shown = (
        docker("inspect", run.name).stdout
        + docker("exec", run.name, "sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ").stdout
    )
    assert "PGPASSFILE" in shown
    assert docker("exec", run.name, "sh", "-c", "stat -c %a /tmp/*/pgpass").stdout == "600\n"
    docker("kill", run.name)
    run.outcome()
    assert PASSWORDS[OWNER_ROLE] not in shown
    assert ":marked" not in shown
