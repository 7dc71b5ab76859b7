"""`migrate --check`: whether a release can use the schema as it is. It changes nothing."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Mapping

import pytest

from components.database import APP_ROLE
from tests.integration.database_lab import FIRST, PASSWORDS, SECOND, Outcome, Server, Tool
from tests.integration.proxy_lab import wait_until
from tests.integration.test_postgres_migrate import LOCK, hold

COMPATIBLE = "-- adds only\n-- monopco: backward-compatible\n" + SECOND
EVERYTHING = (
    "SELECT md5(string_agg(to_jsonb(c)::text, '' ORDER BY oid)) FROM pg_class AS c WHERE relnamespace > 16000; "
    "SELECT nspname FROM pg_namespace ORDER BY 1"
)


def order(scripts: Mapping[str, str]) -> dict[str, str | bytes]:
    """What a release says of the scripts that it knows."""
    lines = [f"{name} {hashlib.sha256(text.encode()).hexdigest()}\n" for name, text in scripts.items()]
    return {"order": "".join(lines)}


def check(database: Server, scripts: Mapping[str, str], *accepted: str, **changes: object) -> Outcome:
    """In a container of its own."""
    options = ("--env", "ACCEPT=" + "\n".join(accepted))
    return Tool(
        "migrate", database.network, database.bundle(order(scripts), **changes), options, ("--check",)
    ).outcome()


def applied(database: Server, name: str) -> str:
    return database.value(
        f"SELECT to_char(applied_at, 'YYYY-MM-DD HH24:MI') || ' UTC' FROM monopco.migrations WHERE name = '{name}'"  # noqa: S608 - the test's own
    )


def test_a_release_that_knows_what_was_applied_can_use_it_and_is_told_what_is_pending(database: Server) -> None:
    scripts = {"b.sql": FIRST, "a 1.sql": SECOND}
    database.migrate(scripts)
    done = check(database, {**scripts, "later.sql": "not applied yet"})
    assert (done.status, done.errors, done.output) == (0, "", 'pending later.sql\n{"last":"a 1.sql","level":2}\n')


def test_a_database_without_a_record_is_at_level_zero_and_stays_as_it_is(database: Server) -> None:
    database.ask("DROP SCHEMA monopco")
    before = database.value(EVERYTHING)
    done = check(database, {"1.sql": FIRST})
    assert (done.status, done.errors, done.output) == (0, "", 'pending 1.sql\n{"last":null,"level":0}\n')
    assert database.value(EVERYTHING) == before


def test_scripts_that_the_release_does_not_know_are_all_named_in_their_order(database: Server) -> None:
    database.migrate({"1.sql": FIRST, "z.sql": SECOND, "a.sql": "SELECT 1"})
    done = check(database, {"1.sql": FIRST})
    assert (done.status, done.output) == (5, "")
    first, second = (
        f"the schema is ahead of this release: {name} was applied on {applied(database, name)} "
        "and this release does not know it\n"
        for name in ("z.sql", "a.sql")
    )
    assert done.errors == "migrate: " + first + second


def test_scripts_that_say_that_they_are_compatible_or_are_accepted_do_no_harm(database: Server) -> None:
    database.migrate({"1.sql": FIRST, "2.sql": COMPATIBLE, "3 x.sql": "SELECT 1", "4.sql": "SELECT 1"})
    done = check(database, {"1.sql": FIRST}, "3 x.sql", "4.sql")
    assert (done.status, done.errors) == (0, "")
    assert done.output == 'gone 2.sql\ngone 3 x.sql\ngone 4.sql\n{"last":"4.sql","level":4}\n'
    partly = check(database, {"1.sql": FIRST}, "4.sql")
    assert partly.status == 5
    assert partly.errors.count("\n") == 1
    assert "3 x.sql was applied on " in partly.errors


def test_a_script_that_was_changed_is_told_as_migrate_tells_it(database: Server) -> None:
    database.migrate({"1.sql": FIRST, "2.sql": SECOND})
    done = check(database, {"1.sql": FIRST + " "}, "2.sql")
    assert (done.status, done.output) == (3, "")
    assert done.errors.startswith("migrate: 1.sql was changed after it was applied on ")


@pytest.mark.parametrize(
    ("script", "compatible"),
    [
        ("-- monopco: backward-compatible\nSELECT 1", "t"),
        ("\ufeff\r\n-- A table.\r\n\r\n/* by\n * us */ --  MonOPCO: Backward-Compatible  \r\nSELECT 1", "t"),
        ("--monopco: backward-compatible", "t"),
        ("SELECT 1; -- monopco: backward-compatible", "f"),
        ("SELECT 1;\n-- monopco: backward-compatible\n", "f"),
        ("/*\n-- monopco: backward-compatible\n*/ SELECT 1", "f"),
        ("-- not monopco: backward-compatible\nSELECT 1", "f"),
        ("-- monopco: backward-compatible?\nSELECT 1", "f"),
        ("SELECT '\n-- monopco: backward-compatible\n'", "f"),
    ],
)
def test_the_words_count_as_a_comment_before_the_first_statement(
    database: Server, script: str, compatible: str
) -> None:
    assert database.migrate({"1.sql": script}).status == 0
    assert database.value("SELECT backward_compatible FROM monopco.migrations") == compatible


def test_a_record_of_an_older_version_is_read_as_it_is_and_completed_by_the_next_migrate(database: Server) -> None:
    database.migrate({"1.sql": FIRST})
    database.ask("ALTER TABLE monopco.migrations DROP COLUMN backward_compatible")
    assert check(database, {"1.sql": FIRST}).status == 0
    assert check(database, {}).status == 5
    assert database.migrate({"1.sql": FIRST, "2.sql": COMPATIBLE}).status == 0
    flags = database.value("SELECT string_agg(name || backward_compatible, ' ' ORDER BY name) FROM monopco.migrations")
    assert flags == "1.sqlfalse 2.sqltrue"


def test_it_runs_inside_the_database_container_with_one_connection(database: Server) -> None:
    database.migrate({"1.sql": FIRST, "2.sql": SECOND})

    def inside(scripts: Mapping[str, str], accepted: str = "") -> subprocess.CompletedProcess[bytes]:
        command = ["docker", "exec", "--interactive", "--env", f"ACCEPT={accepted}", database.name]
        bundle = database.bundle(order(scripts))
        return subprocess.run([*command, "migrate", "--check"], input=bundle, capture_output=True, check=False)

    database.ask("ALTER SYSTEM SET log_connections = on; SELECT pg_reload_conf()")
    wait_until(lambda: database.value("SHOW log_connections") == "on", "connections are logged")
    before = database.log().count("connection authorized: user=monopco_owner")
    done = inside({"1.sql": FIRST, "2.sql": SECOND})
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == {"level": 2, "last": "2.sql"}
    assert database.log().count("connection authorized: user=monopco_owner") == before + 1
    assert inside({"1.sql": FIRST}).returncode == 5
    assert inside({"1.sql": FIRST}, "2.sql").returncode == 0
    assert database.run("sh", "-c", "ls /tmp").output == ""
    database.ask("ALTER SYSTEM RESET log_connections; SELECT pg_reload_conf()")


def test_it_does_not_wait_for_a_migrate(database: Server) -> None:
    database.migrate({"1.sql": FIRST})
    session = hold(database, f"SELECT pg_advisory_xact_lock({LOCK})")
    assert check(database, {"1.sql": FIRST}).status == 0
    database.ask(f"SELECT pg_terminate_backend({session})")


def test_what_keeps_it_from_asking_is_told(database: Server) -> None:
    wrong = check(database, {}, password="wrong:marked")
    assert wrong.status == 14
    assert wrong.errors.startswith("migrate: database:5432/monopco as monopco_owner: user or password is refused;")
    assert "marked" not in wrong.errors
    denied = check(database, {}, user=APP_ROLE, password=PASSWORDS[APP_ROLE])
    assert denied.status == 4
    assert denied.errors == "migrate: monopco.migrations, the record: permission denied for schema monopco (42501)\n"
    files: dict[str, str | bytes] = {"order": "1.sql\n"}
    listed = Tool("migrate", database.network, database.bundle(files), (), ("--check",)).outcome()
    assert (listed.status, listed.errors) == (2, 'migrate: "1.sql" in order is not a name and a checksum\n')
    usage = Tool("migrate", database.network, b"", (), ("--checks",)).outcome()
    assert (usage.status, usage.errors) == (2, "migrate: the only argument is --check\n")
