"""Causes in the database."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from components.connection import PORT
from ops.diagnosis.finding import Certainty, Finding, Symptom, cause
from ops.diagnosis.ground import last, refresh
from ops.errors import CommandError
from ops.reading import published_tables
from ops.survey import Survey

_LONG = 5  # seconds
_FULL = 0.9
_SESSIONS = """
SELECT usename AS role, count(*) AS sessions, count(*) FILTER (WHERE state = 'idle') AS idle,
    count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS waiting,
    (SELECT rolconnlimit FROM pg_roles WHERE rolname = usename) AS own,
    current_setting('max_connections')::int AS all
FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY usename
"""
_BLOCKED = """
SELECT blocker.pid AS pid, blocker.state AS state, blocker.application_name AS application,
    left(blocker.query, 100) AS query, count(*) AS waiting,
    max(extract(epoch FROM now() - blocked.query_start))::int AS seconds
FROM pg_stat_activity AS blocked CROSS JOIN unnest(pg_blocking_pids(blocked.pid)) AS by_pid
    JOIN pg_stat_activity AS blocker ON blocker.pid = by_pid
WHERE cardinality(pg_blocking_pids(blocker.pid)) = 0
GROUP BY 1, 2, 3, 4 ORDER BY count(*) DESC LIMIT 1
"""
_BUSY = """
SELECT pid, left(query, 100) AS query, extract(epoch FROM now() - query_start)::int AS seconds
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid() ORDER BY query_start LIMIT 1
"""
_PUBLISHED = "SELECT tablename AS name FROM pg_publication_tables WHERE pubname = 'supabase_realtime'"
_OF_THE_DATABASE = (Symptom.NO_START, Symptom.GATEWAY, Symptom.SLOW, Symptom.CONNECTIONS, Symptom.REALTIME)


@cause(*_OF_THE_DATABASE)
def database_does_not_run(survey: Survey) -> Finding | None:
    if not survey.own_database or not survey.containers:
        return None
    found = survey.of("database")
    if not found:
        return Finding("the database is gone", "its container was removed", refresh(survey), Certainty.CERTAIN)
    (one, *_) = found
    if one.well or one.health == "starting":
        return None
    said = last(survey.said(one.name, "--tail", "20").splitlines())
    return Finding(
        "the database does not run" if one.state != "running" else "the database does not answer",
        f"{one.name} is {one.health if one.state == 'running' else one.state}; it said last: {said}",
        f"docker start {one.name}" if one.state != "running" else f"docker restart {one.name}",
        Certainty.CERTAIN,
    )


def judge_sessions(rows: list[dict[str, Any]]) -> tuple[str, str] | None:
    """What is full and who fills it; None when there is room."""
    total = sum(int(row["sessions"]) for row in rows)
    for row in sorted(rows, key=lambda one: -int(one["sessions"])):
        own, everything = int(row["own"] or -1), int(row["all"])
        limit, used = (own, int(row["sessions"])) if own >= 0 else (everything, total)
        if used >= _FULL * limit or total >= _FULL * everything:
            return str(row["role"]), (
                f"{row['role']} has {row['sessions']} sessions, {limit} may be; "
                f"{row['idle']} are idle and {row['waiting']} wait inside a transaction"
            )
    return None


@cause(Symptom.CONNECTIONS, Symptom.SLOW, Symptom.GATEWAY)
def connections_are_used_up(survey: Survey) -> Finding | None:
    full = judge_sessions(survey.ask_database(_SESSIONS))
    if full is None:
        return None
    role, evidence = full
    idle = f"usename = '{role}' AND state <> 'active'"
    ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {idle}"  # noqa: S608 - for a person to run
    return Finding("the database is full of connections", evidence, psql(survey, ended), Certainty.CERTAIN)


def psql(survey: Survey, statement: str) -> str:
    """The command that runs a statement in the database."""
    if not survey.own_database:
        return f"psql YOUR_DATABASE_URL -c {_quoted(statement)}"
    name = next((one.name for one in survey.of("database")), "DATABASE")
    return f"docker exec {name} psql -U postgres -d monopco -c {_quoted(statement)}"


def _quoted(statement: str) -> str:
    return '"' + statement.replace('"', '\\"') + '"'


@cause(Symptom.SLOW, Symptom.CONNECTIONS)
def session_blocks_others(survey: Survey) -> Finding | None:
    rows = survey.ask_database(_BLOCKED)
    if not rows:
        return None
    (row,) = rows
    who = f"process {row['pid']} ({row['application'] or 'no name'}, {row['state']})"
    return Finding(
        "one session of the database keeps others waiting",
        f"{row['waiting']} sessions wait for up to {row['seconds']} s for {who}: {row['query']}",
        psql(survey, f"SELECT pg_terminate_backend({row['pid']})"),
        Certainty.CERTAIN,
    )


@cause(Symptom.SLOW)
def query_takes_long(survey: Survey) -> Finding | None:
    rows = survey.ask_database(_BUSY)
    if not rows or int(rows[0]["seconds"]) < _LONG:
        return None
    (row,) = rows
    return Finding(
        "a query takes long",
        f"process {row['pid']} has been busy for {row['seconds']} s with: {row['query']}",
        psql(survey, f"SELECT pg_cancel_backend({row['pid']})"),
        Certainty.LIKELY,
    )


@cause(Symptom.NO_START, Symptom.GATEWAY, Symptom.CONNECTIONS)
def database_refuses_the_app(survey: Survey) -> Finding | None:
    if survey.own_database and not any(one.state == "running" for one in survey.of("database")):
        return None  # that it does not run is another cause
    try:
        survey.ask_as_app("SELECT 1 AS one")
    except CommandError as error:
        if "DATABASE_URL" not in survey.variables:
            return None
        words = " ".join(str(error).split())
        return Finding(
            "the database refuses the app",
            words[:300],
            f"./monopco logs database -s {survey.stack}"
            if "takes no connection" in words
            else f"./monopco up -s {survey.stack}",
            Certainty.LIKELY,
        )
    return None


# Asked in the app's own container: what it can resolve and reach is what counts.
_RESOLVE = 'timeout 5 getent hosts "$1" >/dev/null'
_CONNECT = 'timeout 3 bash -c "exec 3<>/dev/tcp/$1/$2"'


@cause(Symptom.NO_START, Symptom.GATEWAY, Symptom.CONNECTIONS, Symptom.SLOW)
def app_does_not_reach_the_database(survey: Survey) -> Finding | None:
    if survey.own_database and not any(one.state == "running" for one in survey.of("database")):
        return None  # that it does not run is another cause
    where = urlsplit(survey.variables.get("DATABASE_URL", ""))
    if not where.hostname:
        return None
    host, port = where.hostname, str(where.port or PORT)
    command = f"docker network inspect monopco-{survey.stack}-network"
    for one in survey.running("app"):
        ask = ["exec", one.name, "sh", "-c"]
        if survey.docker([*ask, _RESOLVE, "sh", host])[0] != 0:
            evidence = f"{one.name} gets no address for {host}; connections that are open go on"
            return Finding("the app cannot resolve the name of its database", evidence, command, Certainty.CERTAIN)
        if survey.docker([*ask, _CONNECT, "sh", host, port])[0] != 0:
            evidence = f"{one.name} gets no connection to {host}:{port} within 3 s"
            return Finding("the app does not reach its database", evidence, command, Certainty.CERTAIN)
    return None


@cause(Symptom.REALTIME)
def realtime_is_not_published(survey: Survey) -> Finding | None:
    wanted = published_tables(list(survey.scripts.values()))
    lost = sorted(wanted - {str(row["name"]) for row in survey.ask_database(_PUBLISHED)})
    if not lost:
        return None
    return Finding(
        "changes of a table are not published",
        f"not in the publication supabase_realtime: {', '.join(lost)}; the scripts put it there",
        psql(survey, f"ALTER PUBLICATION supabase_realtime ADD TABLE {', '.join(lost)}"),
        Certainty.CERTAIN,
    )
