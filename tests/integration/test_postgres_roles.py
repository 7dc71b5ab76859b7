"""The roles and the compatibility schema that the database component makes, tried as each role, over the network."""

# ruff: noqa: S608 - the SQL is the test's own
from __future__ import annotations

import os
import subprocess

import pytest

from components.database import APP_ROLE, DATABASE, OWNER_ROLE, app_login, scram_verifier
from components.step import script
from tests.integration.database_lab import PASSWORDS, Server

ALICE, BOB = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
NOTES = f"""
INSERT INTO auth.users (id, email) VALUES ('{ALICE}', 'a@example.org'), ('{BOB}', 'b@example.org');
CREATE TABLE notes (id bigserial PRIMARY KEY, user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE, text text);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY "own notes" ON notes USING (auth.uid() = user_id) WITH CHECK (auth.uid() = user_id);
CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql AS $$ SELECT upper($1) $$;
ALTER PUBLICATION supabase_realtime ADD TABLE notes;
INSERT INTO notes (user_id, text) VALUES ('{ALICE}', 'of Alice'), ('{BOB}', 'of Bob');
"""
STATE = """
SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolconnlimit, rolpassword
    FROM pg_authid ORDER BY rolname;
SELECT datname, datdba, datacl FROM pg_database ORDER BY 1;
SELECT nspname, nspowner, nspacl FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1;
SELECT * FROM pg_default_acl ORDER BY oid;
SELECT * FROM pg_db_role_setting ORDER BY 1, 2;
SELECT oid, relname, relowner, relacl FROM pg_class
    WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_') ORDER BY oid;
SELECT oid, proname, proowner, proacl FROM pg_proc WHERE pronamespace = 'auth'::regnamespace ORDER BY 1;
SELECT * FROM pg_publication; SELECT extname, extnamespace FROM pg_extension ORDER BY 1;
SELECT * FROM pg_auth_members ORDER BY oid;
"""


@pytest.fixture
def notes(database: Server) -> Server:
    """The same with a table in the manner of Supabase, made by the owner."""
    assert database.ask_as(OWNER_ROLE, NOTES).errors == ""
    return database


def test_provisioning_again_changes_nothing(notes: Server) -> None:
    before = notes.value(STATE)
    notes.provision()
    assert notes.value(STATE) == before


def test_a_new_password_is_taken_and_the_old_one_refused(notes: Server) -> None:
    changed = {**PASSWORDS, APP_ROLE: "new:one"}
    notes.provision(passwords=changed)
    assert notes.ask_as(APP_ROLE, "SELECT 1", password="new:one").output == "1"
    assert 'password authentication failed for user "monopco_app"' in notes.ask_as(APP_ROLE, "SELECT 1").errors


def test_each_password_has_a_login_with_the_rights_of_the_app_and_the_one_before_stays(notes: Server) -> None:
    changed, login = {**PASSWORDS, APP_ROLE: "new:one"}, app_login("2")
    notes.provision(passwords=changed, login=login)
    assert notes.ask_as(APP_ROLE, "SELECT count(*) FROM notes").output == "2", "the old one, with its password"
    asked = "BEGIN; SET LOCAL ROLE authenticated; SELECT current_user; COMMIT; SHOW statement_timeout;"
    asked += "SELECT count(*) FROM notes"
    assert notes.ask_as(login, asked, password="new:one").output.split() == ["authenticated", "1min", "2"]
    assert "must be owner" in notes.ask_as(login, "DROP TABLE notes", password="new:one").errors

    def locked(keep: str) -> str:
        environment = {**os.environ, "CONTAINER": notes.name, "ROLE": APP_ROLE, "LOGIN": keep}
        done = subprocess.run(
            ["sh", "-c", script("old_logins/lock.sh")], env=environment, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.strip()

    assert locked(login) == login
    assert "password authentication failed" in notes.ask_as(APP_ROLE, "SELECT 1").errors
    assert notes.ask_as(login, "SELECT 1", password="new:one").output == "1"

    notes.provision(passwords=changed, login=app_login("3"))
    locked(app_login("3"))
    notes.provision(passwords=changed, login=app_login("3"))
    assert notes.value(f"SELECT count(*) FROM pg_roles WHERE rolname = '{login}'") == "0", "a locked one goes"
    notes.provision()
    assert notes.ask_as(APP_ROLE, "SELECT 1").output == "1", "a rotation back opens its login again"


def test_a_person_who_looks_sees_rows_and_no_passwords(notes: Server) -> None:
    def look(sql: str) -> str:
        options = ("--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--username=monopco_reader")
        done = notes.run("psql", *options, f"--dbname={DATABASE}", stdin=sql, check=False)
        return done.output + done.errors

    assert look("SELECT string_agg(text, ', ' ORDER BY id) FROM notes") == "of Alice, of Bob"
    assert "read-only transaction" in look("DELETE FROM notes")
    for forbidden in ("DELETE FROM notes", "SELECT * FROM pg_authid", "SET ROLE monopco_owner"):
        assert "permission denied" in look(f"SET default_transaction_read_only = off; {forbidden}"), forbidden
    assert "fe_sendauth" in notes.ask_as("monopco_reader", "SELECT 1", password=" ").errors or (
        "password authentication failed" in notes.ask_as("monopco_reader", "SELECT 1", password=" ").errors
    )


def test_postgresql_stores_the_verifier_that_was_computed_outside_of_it(database: Server) -> None:
    salt = b"sixteen bytes..."
    verifier = scram_verifier("pencil", salt)
    database.ask(
        f"CREATE ROLE penciller LOGIN PASSWORD '{verifier}'; GRANT CONNECT ON DATABASE {DATABASE} TO penciller"
    )
    assert database.value("SELECT rolpassword FROM pg_authid WHERE rolname = 'penciller'") == verifier
    assert database.ask_as("penciller", "SELECT current_user", password="pencil").output == "penciller"
    assert "password authentication failed" in database.ask_as("penciller", "SELECT 1", password="pen").errors
    database.ask(f"REVOKE CONNECT ON DATABASE {DATABASE} FROM penciller; DROP ROLE penciller")


def test_the_owner_changes_the_schema_and_is_no_superuser(notes: Server) -> None:
    assert (
        notes.ask_as(
            OWNER_ROLE, "ALTER TABLE notes ADD COLUMN more text; CREATE SCHEMA extra; DROP SCHEMA extra"
        ).errors
        == ""
    )
    assert notes.ask_as(OWNER_ROLE, "CREATE EXTENSION IF NOT EXISTS citext; DROP EXTENSION citext").errors == ""
    for forbidden in (
        "CREATE ROLE x",
        "CREATE DATABASE x",
        "DELETE FROM pg_authid",
        "CREATE TABLE auth.t ()",
        "COPY notes FROM PROGRAM 'id'",
        "CREATE EXTENSION dblink",
        "SET ROLE postgres",
    ):
        assert "permission denied" in notes.ask_as(OWNER_ROLE, forbidden).errors, forbidden


def test_the_app_reads_and_writes_rows(notes: Server) -> None:
    for allowed in (
        "SELECT count(*) FROM notes",
        f"INSERT INTO notes (user_id, text) VALUES ('{ALICE}', 'new') RETURNING id",
        "UPDATE notes SET text = 'other' RETURNING id",
        "DELETE FROM notes RETURNING id",
        "SELECT shout('x')",
        "INSERT INTO auth.users (id) VALUES (gen_random_uuid()) RETURNING id",
        f"DELETE FROM auth.users WHERE id = '{BOB}' RETURNING id",
        "SELECT crypt('x', gen_salt('bf')), uuid_generate_v4()",
    ):
        done = notes.ask_as(APP_ROLE, allowed)
        assert (done.status, done.errors) == (0, ""), allowed
        assert done.output, allowed


def test_the_app_changes_nothing_but_rows(notes: Server) -> None:
    assert notes.migrate({}).status == 0
    for forbidden in (
        "CREATE TABLE public.t (n int)",
        "CREATE TEMPORARY TABLE t (n int)",
        "CREATE SCHEMA s",
        "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "TRUNCATE notes",
        "SELECT setval('notes_id_seq', 1)",
        "SELECT * FROM monopco.migrations",
        "SET ROLE monopco_owner",
        "CREATE ROLE x",
    ):
        assert "permission denied" in notes.ask_as(APP_ROLE, forbidden).errors, forbidden


def test_the_app_owns_nothing_that_it_could_drop(notes: Server) -> None:
    assert "must be owner of table notes" in notes.ask_as(APP_ROLE, "DROP TABLE notes").errors
    assert (
        "must be owner of table notes" in notes.ask_as(APP_ROLE, "ALTER TABLE notes DISABLE ROW LEVEL SECURITY").errors
    )


def test_the_app_gives_up_waiting_before_its_visitors_do(database: Server) -> None:
    settings = "SHOW statement_timeout; SHOW lock_timeout; SHOW idle_in_transaction_session_timeout"
    assert database.ask_as(APP_ROLE, settings).output.split() == ["1min", "15s", "1min"]
    assert database.ask_as(OWNER_ROLE, settings).output.split() == ["0", "0", "0"]


def test_others_see_no_database(database: Server) -> None:
    database.ask("CREATE ROLE stranger LOGIN PASSWORD 'stranger'")
    assert 'permission denied for database "monopco"' in database.ask_as("stranger", "SELECT 1", "stranger").errors
    database.ask("DROP ROLE stranger")


def test_the_server_sees_all_rows_and_a_person_only_his_own(notes: Server) -> None:
    texts = "SELECT string_agg(text, ', ' ORDER BY id) FROM notes"

    def seen(role: str, setting: str = "SELECT 1 WHERE false") -> str:
        return notes.ask_as(APP_ROLE, f"BEGIN; SET LOCAL ROLE {role}; {setting}; {texts}; COMMIT").output

    assert notes.ask_as(APP_ROLE, texts).output == "of Alice, of Bob"
    assert seen("authenticated", f'SET LOCAL request.jwt.claims = \'{{"sub": "{ALICE}"}}\'') == "of Alice"
    assert seen("authenticated", f"SET LOCAL request.jwt.claim.sub = '{BOB}'") == "of Bob"
    assert seen("anon") == ""
    assert seen("service_role") == "of Alice, of Bob"


def test_a_person_cannot_write_in_the_name_of_another(notes: Server) -> None:
    person = f"SET ROLE authenticated; SET request.jwt.claim.sub = '{BOB}';"
    written = notes.ask_as(APP_ROLE, f"{person} INSERT INTO notes (user_id) VALUES ('{ALICE}')")
    assert "violates row-level security policy" in written.errors


def test_who_asks_is_read_from_the_token_and_nobody_without_one(database: Server) -> None:
    claims = f"""SET request.jwt.claims = '{{"sub": "{ALICE}", "role": "authenticated", "email": "a@example.org"}}';"""
    asked = "SELECT auth.uid(), auth.role(), auth.email(), auth.jwt() ->> 'sub'"
    assert database.ask_as(APP_ROLE, claims + asked).output == f"{ALICE}|authenticated|a@example.org|{ALICE}"
    assert database.ask_as(APP_ROLE, asked).output == "|||"
    assert database.ask_as(APP_ROLE, "SET request.jwt.claims = ''; " + asked).output == "|||"


def test_realtime_knows_the_table_that_the_owner_added(notes: Server) -> None:
    assert notes.value("SELECT tablename FROM pg_publication_tables WHERE pubname = 'supabase_realtime'") == "notes"


def test_without_compatibility_there_is_nothing_of_supabase(database_server: Server) -> None:
    database_server.ask(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", database="postgres")
    database_server.ask("DROP ROLE IF EXISTS anon, authenticated, service_role", database="postgres")
    database_server.provision(compatibility="none")
    assert database_server.value("SELECT count(*) FROM pg_namespace WHERE nspname IN ('auth', 'extensions')") == "0"
    assert (
        database_server.value(
            "SELECT count(*) FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role')"
        )
        == "0"
    )
    assert database_server.ask_as(OWNER_ROLE, "CREATE TABLE t (n int); INSERT INTO t VALUES (7)").errors == ""
    assert database_server.ask_as(APP_ROLE, "SELECT n FROM t").output == "7"
