"""Questions to the database of a stack, asked beside it, with the rights of the server's own user or of the app."""

from __future__ import annotations

import json
from typing import Any

from components.connection import Connection
from components.database import DATABASE
from ops import containers
from ops.errors import CommandError

_PSQL = "psql --no-psqlrc --quiet --no-align --tuples-only --set=ON_ERROR_STOP=1"
_AS_CLIENT = f"""
set -eu
. /usr/local/lib/monopco/connection.sh
base64 -d | {{
    unpack
    connect >/dev/null
    exec {_PSQL} --no-password --file=query.sql
}}
"""
Rows = list[dict[str, Any]]


def as_server(container: str, query: str, host: str | None) -> Rows:
    """Rows of a query that the container's own superuser asks. Raises CommandError."""
    command = ["exec", "--interactive", "--user", "postgres", container, *_PSQL.split(), f"--dbname={DATABASE}"]
    return _rows(containers.docker(command, host, stdin=_as_json(query)))


def as_client(url: str, query: str, client: list[str], host: str | None) -> Rows:
    """Rows of a query that comes with the user and password of `url`. Raises CommandError with what to do.

    `client` are Docker's arguments that begin a shell where PostgreSQL's programs are.
    """
    bundle = Connection.from_url(url).bundled(**{"query.sql": _as_json(query)})
    return _rows(containers.docker([*client, "-c", _AS_CLIENT], host, stdin=bundle))


def _as_json(query: str) -> str:
    # Every query is a constant of ours.
    return f"SELECT coalesce(json_agg(row_to_json(found)), '[]') FROM ({query}) AS found;\n"  # noqa: S608


def _rows(printed: str) -> Rows:
    try:
        found = json.loads(printed)
    except ValueError as error:
        raise CommandError(f"The database gave an answer that cannot be read: {printed[:200]}") from error
    return list(found)
