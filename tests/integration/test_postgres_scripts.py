"""How `migrate` reads a script, what it refuses in one, and what it says when PostgreSQL refuses it."""

# ruff: noqa: S608 - the SQL is the test's own
from __future__ import annotations

import pytest

from components.database import OWNER_ROLE
from tests.integration.database_lab import FIRST, RECORDS, SECOND, TABLES, Server

# Whatever could fool a reader of SQL: each INSERT that runs leaves its number, and what must not run would end it all.
TRICKY = r"""
/* begin; /* nested; */ commit; */ -- rollback; \q
CREATE TABLE tricky (n serial, t text);
INSERT INTO tricky (t) VALUES ('a;''b\'); INSERT INTO tricky (t) VALUES (E'a\';COMMIT;--'), (e'\\');
INSERT INTO tricky (t) VALUES (E'a\''
    -- the literal goes on; '
    '\'; COMMIT; --'), ($$;COMMIT;$$), ($tag$ $$ ; $other$ COMMIT; $tag$), ($été$;\q$été$);
CREATE TABLE "be;gin" ("a""; COMMIT; \q" int); INSERT INTO "be;gin" VALUES (1);
CREATE TABLE odde (e text); INSERT INTO odde VALUES ('x\'); SELECT 'x'AS"commit", e FROM odde WHERE e<>'y\';
CREATE TABLE dollar$name$ (n int); INSERT INTO dollar$name$ VALUES (1);
CREATE FUNCTION block() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN 1; END; $$;
CREATE FUNCTION atomic(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC
    SELECT CASE WHEN x > 0 THEN 1 ELSE 2 END; SELECT 3; END;
CREATE OR REPLACE PROCEDURE doing() BEGIN ATOMIC INSERT INTO tricky (t) VALUES ('done'); END; CALL doing();
CREATE RULE two AS ON DELETE TO odde DO ALSO
    (INSERT INTO tricky (t) VALUES ('r1'); INSERT INTO tricky (t) VALUES ('r2'));
DELETE FROM odde;
DO $$ BEGIN PERFORM 1; END $$;;;
SAVEPOINT here; INSERT INTO tricky (t) VALUES ('gone'); ROLLBACK TO SAVEPOINT here; ROLLBACK WORK TO here; RELEASE here;
SELECT '{"a": 1}'::jsonb ? 'a' WHERE false
"""


def test_a_script_that_fails_leaves_nothing_and_those_before_it_stay(database: Server) -> None:
    broken = "-- broken\nCREATE TABLE half (n int);\n\nINSERT INTO half\n  (n, missing)\n  VALUES (1, 2);\n"
    done = database.migrate({"1.sql": FIRST, "2.sql": broken, "3.sql": SECOND})
    assert done.status == 4
    assert done.output.startswith("applied 1.sql ")
    assert done.errors.splitlines() == [
        'migrate: 2.sql, line 5: column "missing" of relation "half" does not exist (42703)',
        "     4  INSERT INTO half",
        ">    5    (n, missing)",
        "     6    VALUES (1, 2)",
        "Nothing of this script was kept.",
    ]
    assert (database.value(TABLES), database.value(RECORDS)) == ("first", "1.sql")
    mended = database.migrate(
        {"1.sql": FIRST, "2.sql": broken.replace(", missing", "").replace(", 2", ""), "3.sql": SECOND}
    )
    assert mended.status == 0
    assert database.value(RECORDS) == "1.sql 2.sql 3.sql"


def test_an_error_without_a_place_is_put_where_its_statement_begins_with_all_that_postgresql_says(
    database: Server,
) -> None:
    done = database.migrate(
        {"é.sql": "SELECT 'é';\r\n\r\n" + FIRST.replace("\n", "\r\n") + "INSERT INTO first VALUES (1);"}
    )
    assert done.status == 4
    assert done.errors.splitlines() == [
        'migrate: é.sql, line 6: duplicate key value violates unique constraint "first_pkey" (23505)',
        "  DETAIL: Key (n)=(1) already exists.",
        ">    6  INSERT INTO first VALUES (1)",
        "Nothing of this script was kept.",
    ]


def test_a_place_after_letters_of_several_bytes_is_counted_right(database: Server) -> None:
    done = database.migrate({"1.sql": "SELECT 'ééééééééééééééé',\n  'é',\n  missing,\n  1;"})
    assert done.errors.startswith('migrate: 1.sql, line 3: column "missing" does not exist (42703)')


def test_an_error_in_a_function_says_where_in_the_function(database: Server) -> None:
    done = database.migrate({"1.sql": "DO $$\nBEGIN\n  RAISE EXCEPTION 'no way' USING HINT = 'turn back';\nEND $$;"})
    assert done.errors.splitlines()[:3] == [
        "migrate: 1.sql, line 1: no way (P0001)",
        "  HINT: turn back",
        "  CONTEXT: PL/pgSQL function inline_code_block line 3 at RAISE",
    ]


def test_an_error_at_the_end_of_the_transaction_is_told_too(database: Server) -> None:
    script = (
        FIRST
        + "CREATE TABLE later (n int REFERENCES first DEFERRABLE INITIALLY DEFERRED); INSERT INTO later VALUES (2);"
    )
    done = database.migrate({"1.sql": script})
    assert done.status == 4
    assert done.errors.startswith('migrate: 1.sql, at its end: insert or update on table "later" violates foreign key')
    assert database.value(TABLES) == ""


def test_a_long_statement_is_shown_around_its_mistake(database: Server) -> None:
    columns = [f"  c{number} int," for number in range(1, 100)]
    columns[59] = "  c60 nonsense,"
    script = "\n".join(["CREATE TABLE long (", *columns, "  c100 int", ");"])
    shown = database.migrate({"1.sql": script}).errors.splitlines()
    assert shown[0] == 'migrate: 1.sql, line 61: type "nonsense" does not exist (42704)'
    assert len(shown) == 1 + 20 + 1 + 1
    assert ">   61    c60 nonsense," in shown
    assert shown[-2] == "        (82 more lines)"


def test_text_that_only_looks_like_commands_is_taken_as_it_is(database: Server) -> None:
    done = database.migrate({"tricky.sql": TRICKY})
    assert (done.status, done.errors) == (0, "")
    assert database.value("SELECT string_agg(t, '|' ORDER BY n) FROM tricky") == (
        r"a;'b\|a';COMMIT;--|\|a''; COMMIT; --|;COMMIT;| $$ ; $other$ COMMIT; |;\q|done|r1|r2"
    )


def test_psql_reads_the_tricky_script_the_same_way(database: Server) -> None:
    """So that what is expected of our own splitting is what PostgreSQL's own client does."""
    assert database.ask_as(OWNER_ROLE, f"BEGIN; {TRICKY}; COMMIT;").errors == ""
    assert database.value("SELECT count(*) FROM tricky") == "10"


BACKSLASH = "psql's backslash commands are not SQL and can read files; write SQL instead"
TRANSACTION = "the script runs in one transaction of our own; remove BEGIN, COMMIT and ROLLBACK"
COPY = "COPY from STDIN or to STDOUT needs psql; write INSERT instead"
ENDINGS = (
    *("BEGIN", "begin work", "START -- x\n TRANSACTION", "COMMIT", "end", "ABORT", "ROLLBACK", "rollback and chain"),
    *("PREPARE TRANSACTION 'x'", "COMMIT PREPARED 'x'"),
)


@pytest.mark.parametrize(
    ("script", "line", "why"),
    [
        ("SELECT 1;\n\\i /etc/passwd", 2, BACKSLASH),
        ("SELECT 1 \\g", 1, BACKSLASH),
        ("SELECT 1\n;\n\\! id", 3, BACKSLASH),
        ("SELECT 1,\n2 \\copy x from y", 2, BACKSLASH),
        *((f"SELECT 1;\n/* x */ {ending};", 2, TRANSACTION) for ending in ENDINGS),
        ("COPY first (n)\nFROM stdin;\n1\n\\.", 1, COPY),
    ],
)
def test_what_only_psql_or_another_transaction_could_do_is_refused_before_anything_runs(
    database: Server, script: str, line: int, why: str
) -> None:
    done = database.migrate({"1.sql": FIRST, "2.sql": script})
    assert (done.status, done.output) == (4, "")
    assert done.errors.splitlines()[0] == f"migrate: 2.sql, line {line}: {why}. Nothing was applied"
    assert database.value(TABLES) == ""


@pytest.mark.parametrize("statement", ["CREATE INDEX CONCURRENTLY i ON first (n)", "VACUUM", "CREATE DATABASE other"])
def test_what_cannot_run_inside_a_transaction_is_refused_with_advice(database: Server, statement: str) -> None:
    done = database.migrate({"1.sql": f"{FIRST}{statement};"})
    assert done.status == 4
    assert done.errors.splitlines()[0].startswith("migrate: 1.sql, line 4: ")
    assert "  each script runs in one transaction; what cannot run inside one is done by hand" in done.errors
    assert database.value(TABLES) == ""


def test_a_procedure_cannot_end_the_transaction(database: Server) -> None:
    done = database.migrate({"1.sql": FIRST + "DO $$ BEGIN COMMIT; END $$;"})
    assert "invalid transaction termination (2D000)" in done.errors
    assert database.value(TABLES) == ""


def test_a_script_that_slips_out_of_the_transaction_is_not_recorded(database: Server) -> None:
    script = FIRST + "SET standard_conforming_strings = off;\n" + r"SELECT '\''; COMMIT; SELECT '"
    script += "';"
    done = database.migrate({"1.sql": script})
    assert done.status == 4
    assert "1.sql ended our transaction, so what it did up to there is kept without a record" in done.errors
    assert database.value(RECORDS) == ""


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("SELECT 1;\nSELECT 'caf\xe9';\n".encode("latin-1"), 2),
        ("SELECT 1;\n".encode("utf-16"), 1),
        (b"SELECT 1;\n\nSELECT 2;\0 DROP TABLE first;", 3),
        (b"SELECT 1;\nSELECT '\xed\xa0\x80';", 2),
    ],
)
def test_a_script_that_is_not_utf_8_is_refused(database: Server, content: bytes, line: int) -> None:
    done = database.migrate({"1.sql": FIRST, "2.sql": content})
    assert (done.status, done.output) == (4, "")
    assert (
        done.errors == f"migrate: 2.sql, line {line}: not UTF-8 text; save the script as UTF-8. Nothing was applied\n"
    )


def test_line_ends_of_windows_a_byte_order_mark_and_empty_scripts_are_fine(database: Server) -> None:
    windows = b"\xef\xbb\xbf" + FIRST.replace("\n", "\r\n").encode()
    done = database.migrate({"1.sql": windows, "2.sql": "", "3.sql": "-- nothing\n;;\n/* here */"})
    assert (done.status, done.errors) == (0, "")
    assert database.value(RECORDS) == "1.sql 2.sql 3.sql"


def test_a_large_script_is_applied(database: Server) -> None:
    rows = "".join(f"INSERT INTO large VALUES ({number}, 'it''s; \"{number}\"');\n" for number in range(20000))
    done = database.migrate({"1.sql": "CREATE TABLE large (n int, t text);\n" + rows})
    assert done.status == 0
    assert database.value("SELECT count(*), count(DISTINCT t) FROM large") == "20000|20000"
