"""The data as a person works with it: passwords made anew under load, looking and not touching, taking it along."""

# ruff: noqa: S608 - the SQL is the test's own
from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest

from components.database import APP_ROLE, DATABASE, app_login
from tests.integration.environment import Environment, docker, run, wait_until
from tests.integration.visitors import visitors

# What a login gives: printed by psql, which connects anew for it, over the network and with its password.
_LOGIN = (
    "read -r pass; umask 077; printf '*:*:*:*:%s\\n' \"$pass\" >/tmp/pass.$$; trap 'rm -f /tmp/pass.$$' EXIT;"
    'PGPASSFILE=/tmp/pass.$$ psql --no-psqlrc --no-password -c "SELECT 1" --host=database --username="$1" --dbname="$2"'
)
MARK = "a note that is looked for"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    one = Environment(tmp_path_factory.mktemp("data") / "project", "data")
    one.write_config(app={"secrets": ["PAPPERS_API_KEY"], "watchSeconds": 0})
    one.pulumi("config", "set", "--secret", "PAPPERS_API_KEY", "--stack", one.stack, stdin="first-value")
    try:
        one.monopco("up")
        psql(one, f"INSERT INTO notes (author, body) VALUES ('test', '{MARK}')", "--write")
        yield one
    finally:
        one.destroy()


def psql(environment: Environment, sql: str, *arguments: str) -> str:
    return environment.monopco("psql", "-c", f"\\pset tuples_only\n\\pset format unaligned\n{sql}", *arguments).strip()


def superuser(environment: Environment, sql: str, database: str = DATABASE) -> str:
    server = environment.container("database")
    return docker("exec", "--user", "postgres", server, "psql", "-tAc", sql, f"--dbname={database}")


def given(environment: Environment, name: str) -> str:
    """A variable as the live containers are given it."""
    (first, *_) = environment.containers("app")
    lines = docker("exec", first, "cat", "/etc/monopco/env").splitlines()
    return base64.b64decode(dict(line.split("=", 1) for line in lines)[name]).decode()


def lets_in(environment: Environment, url: str) -> bool:
    """Whether a new connection with the user and password of a URL is accepted."""
    parts = urlsplit(url)
    server = environment.container("database")
    command = ["docker", "exec", "--interactive", server, "sh", "-c", _LOGIN, "sh", str(parts.username), DATABASE]
    return run(command, env=environment.variables, input=f"{parts.password}\n").returncode == 0


@dataclass
class Newcomer:
    """Opens one new connection after the other with the password of the release that serves."""

    environment: Environment
    url: str
    refused: list[str] = field(default_factory=list)
    tried: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def go_on(self) -> None:
        proxy = self.environment.container("proxy")
        first = docker("exec", proxy, "state", "live")
        while not self.ended.is_set():
            came_in = lets_in(self.environment, self.url)
            if docker("exec", proxy, "state", "live") != first:
                return
            self.tried += 1
            if not came_in:
                self.refused.append(first)


def test_a_new_database_password_loses_no_request_and_locks_the_old_one_out(environment: Environment) -> None:
    old = given(environment, "DATABASE_URL")
    assert urlsplit(old).username == APP_ROLE
    newcomer = Newcomer(environment, old)
    thread = threading.Thread(target=newcomer.go_on)
    with visitors(environment, rate=5, paths=("/api/notes", "/api/info")) as load:
        thread.start()
        wait_until(lambda: newcomer.tried > 0, "a first connection")
        environment.monopco("secrets", "rotate", "database")
        newcomer.ended.set()
        thread.join()
    assert list(load.report["failures"]) == []
    assert newcomer.refused == [], f"of {newcomer.tried} new connections before the switch"

    new = given(environment, "DATABASE_URL")
    assert urlsplit(new).username == app_login("2")
    assert lets_in(environment, new)
    assert not lets_in(environment, old)
    environment.up("--expect-no-changes")
    assert superuser(environment, f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{APP_ROLE}'") == "f"

    assert environment.request("GET", "/api/notes").status == 200


def test_a_new_value_of_an_app_secret_comes_by_standard_input(environment: Environment) -> None:
    command = environment.command("secrets", "rotate", "PAPPERS_API_KEY")
    done = run(command, cwd=environment.folder, env=environment.variables, input="marked-second-value\n")
    assert done.returncode == 0, done.stderr
    assert given(environment, "PAPPERS_API_KEY") == "marked-second-value"
    assert "marked-second-value" not in done.stdout + done.stderr + environment.stack_file.read_text()
    unknown = environment.attempt_monopco("secrets", "rotate", "COLOUR")
    assert (unknown.returncode, "there are: database, jwt, PAPPERS_API_KEY" in unknown.stderr) == (2, True)


def test_a_person_looks_and_cannot_touch_unless_asked_to(environment: Environment) -> None:
    assert psql(environment, "SELECT current_user") == "monopco_reader"
    assert MARK in psql(environment, "SELECT body FROM notes")
    for forbidden in (
        "DELETE FROM notes",
        "SET default_transaction_read_only = off; DELETE FROM notes",
        "SET default_transaction_read_only = off; CREATE TABLE public.t ()",
        "SET ROLE monopco_owner",
        "SELECT rolpassword FROM pg_authid",
    ):
        done = environment.attempt_monopco("psql", "-c", forbidden)
        assert done.returncode != 0, forbidden
        assert "read-only transaction" in done.stderr or "permission denied" in done.stderr, done.stderr
    assert psql(environment, "SELECT current_user", "--write") == "monopco_owner"
    assert MARK in psql(environment, "SELECT body FROM notes")


def test_the_data_is_taken_along_and_put_back(environment: Environment) -> None:
    dump = environment.folder / "data.dump"
    counted = "SELECT count(*) FROM notes"
    before = psql(environment, counted)
    said = environment.monopco("export", str(dump))
    assert "It holds people's data" in said
    assert dump.stat().st_mode & 0o777 == 0o600
    again = environment.attempt_monopco("export", str(dump))
    assert (again.returncode, "exists; give another name" in again.stderr) == (2, True)

    psql(environment, "INSERT INTO notes (author, body) VALUES ('test', 'after the export')", "--write")
    refused = environment.attempt_monopco("import", str(dump))
    assert refused.returncode == 2
    assert "public.notes" in refused.stderr or "notes" in refused.stderr
    assert "--replace puts the dump in its place" in refused.stderr
    assert psql(environment, counted) == str(int(before) + 1)

    said = environment.monopco("import", str(dump), "--replace")
    assert psql(environment, counted) == before
    kept = next(word.rstrip(".") for word in said.split() if word.startswith(f"{DATABASE}_before_"))
    assert superuser(environment, counted, kept) == str(int(before) + 1)
    wait_until(lambda: environment.request("GET", "/api/notes").status == 200, "the app has the imported data")
    assert json.loads(environment.request("GET", "/api/notes").body)
    environment.up("--expect-no-changes")
    created = environment.attempt_monopco("psql", "--write", "-c", "CREATE TABLE extra (id int); DROP TABLE extra")
    assert created.returncode == 0, created.stderr
    assert psql(environment, "SHOW search_path") == '"$user", public, extensions'


@pytest.mark.long
def test_a_dump_that_is_cut_or_none_leaves_the_database_as_it_was(environment: Environment) -> None:
    whole = (environment.folder / "data.dump").read_bytes()
    before = psql(environment, "SELECT count(*) FROM notes")
    databases = superuser(environment, "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database")
    for name, content, words in (
        ("cut", whole[: len(whole) - 200], "the database is as it was"),
        ("none", b"hello", "is no dump"),
    ):
        (environment.folder / name).write_bytes(content)
        done = environment.attempt_monopco("import", str(environment.folder / name), "--replace")
        assert done.returncode != 0
        assert words in done.stderr.replace("\n", " "), done.stderr
    assert psql(environment, "SELECT count(*) FROM notes") == before
    assert superuser(environment, "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database") == databases
