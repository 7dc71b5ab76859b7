"""Database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ops.checklist import guide
from ops.checklist.check import check
from ops.checklist.result import Result, failed, judged, not_applicable, passed
from ops.reading import created_tables, published_tables
from ops.survey import Survey

_TABLES = """
SELECT relname AS name FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
"""
_APPLIED = "SELECT name, checksum FROM monopco.migrations"
_PUBLISHED = "SELECT tablename AS name FROM pg_publication_tables WHERE pubname = 'supabase_realtime'"
# Rows of a user: a column that names one, or a reference to auth.users. What matters is who may ask for them with a
# token of their own: the roles of Supabase's API.
_USER_TABLES = """
SELECT relname AS name, relrowsecurity AS secured,
    EXISTS (SELECT FROM pg_policy WHERE polrelid = pg_class.oid) AS policies
FROM pg_class
WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace
    AND (
        EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
            AND lower(attname) IN ('user_id', 'userid', 'owner_id', 'ownerid'))
        OR EXISTS (SELECT FROM pg_constraint WHERE conrelid = pg_class.oid AND contype = 'f'
            AND confrelid = to_regclass('auth.users'))
    )
    AND EXISTS (SELECT FROM pg_roles WHERE rolname IN ('anon', 'authenticated')
        AND has_table_privilege(pg_roles.oid, pg_class.oid, 'SELECT, INSERT, UPDATE, DELETE'))
ORDER BY relname
"""
_RIGHTS = """
SELECT current_user AS who, rolsuper AS superuser, rolcreaterole AS "create roles", rolcreatedb AS "create databases",
    has_database_privilege(current_database(), 'CREATE') AS "create schemas",
    has_schema_privilege('public', 'CREATE') AS "create tables",
    EXISTS (SELECT FROM pg_class WHERE relowner = pg_roles.oid) AS "own tables",
    pg_has_role(current_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'MEMBER')
        AS "act as the owner"
FROM pg_roles WHERE rolname = current_user
"""


def _names(rows: Sequence[dict[str, Any]]) -> set[str]:
    return {str(row["name"]) for row in rows}


@check(guide.TABLES, "Every table that the scripts make is there")
def tables(survey: Survey) -> Result:
    wanted = created_tables(list(survey.scripts.values()))
    if not wanted:
        return not_applicable("the release has no SQL script that makes a table")
    lost = sorted(wanted - _names(survey.ask_database(_TABLES)))
    todo = f"bring a restore point or a backup back (docs/operations.md); ./monopco doctor -s {survey.stack}"
    return judged([f"missing: {', '.join(lost)}" for _ in lost[:1]], todo, ", ".join(sorted(wanted)))


def judge_scripts(wanted: dict[str, str], applied: dict[str, str], stack: str) -> Result:
    """Whether the record of the database is the release's list of scripts, by name and checksum."""
    pending = sorted(wanted.keys() - applied.keys())
    changed = sorted(name for name in wanted.keys() & applied.keys() if wanted[name] != applied[name])
    if pending:
        return failed(f"not applied: {', '.join(pending)}", f"./monopco up -s {stack}")
    if changed:
        return failed(
            f"applied with another text: {', '.join(changed)}",
            "put the script back as it was when it ran, and write what it should do now as a new script",
        )
    more = sorted(applied.keys() - wanted.keys())
    later = f"; of other releases: {', '.join(more)}" if more else ""
    return passed(f"{len(wanted)} applied, each with its checksum{later}")


@check(guide.SCRIPTS)
def scripts(survey: Survey) -> Result:
    wanted = {script.name: script.checksum for script in survey.release.record.specification.scripts}
    if not wanted:
        return not_applicable("the release has no SQL script")
    applied = {str(row["name"]): str(row["checksum"]) for row in survey.ask_database(_APPLIED)}
    return judge_scripts(wanted, applied, survey.stack)


@check(guide.REALTIME)
def realtime(survey: Survey) -> Result:
    wanted = published_tables(list(survey.scripts.values()))
    if not wanted:
        return not_applicable("no script adds a table to the publication supabase_realtime")
    lost = sorted(wanted - _names(survey.ask_database(_PUBLISHED)))
    return judged(
        [f"not in the publication supabase_realtime: {', '.join(lost)}" for _ in lost[:1]],
        f"a new SQL script: ALTER PUBLICATION supabase_realtime ADD TABLE {', '.join(lost)};",
        f"published: {', '.join(sorted(wanted))}",
    )


@check(guide.RLS)
def row_level_security(survey: Survey) -> Result:
    found = survey.ask_database(_USER_TABLES)
    if not found:
        return not_applicable("no table with rows of users can be read by Supabase's API roles")
    bare = [str(row["name"]) for row in found if not row["secured"]]
    return judged(
        [f"no row level security on {', '.join(bare)}" for _ in bare[:1]],
        "a new SQL script: " + " ".join(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;" for name in bare),
        f"on {', '.join(str(row['name']) for row in found)}",
    )


def excess(row: dict[str, Any]) -> list[str]:
    """What the app's role may do beyond rows."""
    return [right for right, has in row.items() if has is True]


@check(guide.Group.DATABASE, "The app's role cannot change the schema")
def rights(survey: Survey) -> Result:
    if not survey.own_database:
        return not_applicable("an external database is used with the one role of its URL")
    (row,) = survey.ask_as_app(_RIGHTS)
    more = excess(row)
    return judged(
        [f"{row['who']} may {', '.join(more)}" for _ in more[:1]],
        f"take the rights back with REVOKE, or ./monopco up -s {survey.stack} after pulumi refresh",
        f"{row['who']} reads and writes rows, no more",
    )
