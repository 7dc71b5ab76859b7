"""A database that is somebody else's: asked first, given the scripts, dumped, copied, never made or removed by us."""

# ruff: noqa: S608 - the SQL is the test's own
from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml

from components.database import APP_ROLE, DATABASE, OWNER_ROLE
from tests.integration.database_lab import PASSWORDS, Server
from tests.integration.environment import Environment, docker, free_ports, run, wait_until

WRITE, COUNT = "INSERT INTO notes (author, body) VALUES ('a person', 'b')", "SELECT count(*) FROM notes"
RULES = "UPDATE notes SET author = 'nobody';\n"
# As Supabase makes them: owners and rights that a server of ours has not, and what only the provider may have.
SUPABASE = """
CREATE ROLE supabase_admin SUPERUSER;
CREATE ROLE supabase_auth_admin;
CREATE ROLE dashboard_user;
CREATE DATABASE supabase;
\\connect supabase
CREATE SCHEMA extensions;
CREATE EXTENSION "uuid-ossp" SCHEMA extensions;
CREATE EXTENSION pg_trgm SCHEMA public;
CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin;
CREATE TABLE auth.users (id uuid PRIMARY KEY, email varchar(255), created_at timestamptz);
CREATE TABLE auth.sessions (id uuid PRIMARY KEY, user_id uuid REFERENCES auth.users (id));
ALTER TABLE auth.users OWNER TO supabase_auth_admin;
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS 'SELECT NULL::uuid';
CREATE SCHEMA vault;
CREATE TABLE vault.secrets (n int);
CREATE TABLE public.files (id uuid PRIMARY KEY DEFAULT extensions.uuid_generate_v4(),
    user_id uuid NOT NULL REFERENCES auth.users (id) ON DELETE CASCADE, title text);
CREATE INDEX files_title ON public.files USING gin (title gin_trgm_ops);
ALTER TABLE public.files ENABLE ROW LEVEL SECURITY;
CREATE POLICY "People see their own" ON public.files FOR SELECT TO authenticated USING (auth.uid() = user_id);
GRANT ALL ON public.files TO anon, dashboard_user;
ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin IN SCHEMA public GRANT ALL ON TABLES TO dashboard_user;
CREATE PUBLICATION supabase_realtime FOR TABLE public.files;
CREATE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER watching ON ddl_command_end EXECUTE FUNCTION public.watch();
INSERT INTO auth.users SELECT gen_random_uuid(), n || '@example.org', now() FROM generate_series(1, 3) AS n;
INSERT INTO public.files (user_id, title) SELECT id, 'of ' || email FROM auth.users;
"""


@pytest.fixture(scope="module")
def external(database_network: str) -> Iterator[tuple[Server, str]]:
    """A server that is reached through an address of the machine, and its URL."""
    bridge = json.loads(run(["ip", "-json", "-4", "address", "show", "docker0"]).stdout)
    gateway = bridge[0]["addr_info"][0]["local"]
    (port,) = free_ports(1)
    server = Server(database_network, options=("--publish", f"{gateway}:{port}:5432")).start()
    server.provision()
    password = quote(PASSWORDS[OWNER_ROLE], safe="")
    yield server, f"postgresql://{OWNER_ROLE}:{password}@{gateway}:{port}/{DATABASE}?sslmode=disable"
    server.remove()


@pytest.fixture(scope="module")
def environment(external: tuple[Server, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    server, url = external
    one = Environment(tmp_path_factory.mktemp("elsewhere") / "project", "elsewhere")
    one.write_config(database={"mode": "external"})
    one.pulumi("config", "set", "--secret", "--path", "monopco:database.url", "--stack", one.stack, stdin=url)
    try:
        one.up()
        yield one
    finally:
        one.destroy()
    kept = server.run("psql", "-Atd", DATABASE, "-U", "postgres", "-c", "SELECT count(*) FROM monopco.migrations")
    assert kept.output == "2"


@pytest.fixture(scope="module")
def copy(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """Another environment, with a database of its own, that the first one's command knows."""
    one = Environment(tmp_path_factory.mktemp("copy") / "project", "afield-copy")
    try:
        one.up()
        shutil.copy(one.stack_file, environment.folder)
        yield one
    finally:
        one.destroy()


def test_the_app_runs_on_an_external_database(environment: Environment) -> None:
    assert environment.request("GET", "/api/info").json()["database"]["ok"] is True
    assert environment.request("GET", "/api/notes").status == 200
    assert environment.containers("database") == []
    state = environment.folder / ".state/.pulumi/stacks/monopco" / f"{environment.stack}.json"
    assert quote(PASSWORDS[OWNER_ROLE], safe="") not in state.read_text()
    assert PASSWORDS[OWNER_ROLE] not in state.read_text()
    environment.up("--expect-no-changes")


def test_a_person_looks_and_takes_along_through_a_container_that_is_gone_afterwards(
    environment: Environment, external: tuple[Server, str]
) -> None:
    server, _ = external
    refused = environment.attempt_monopco("psql", "-c", WRITE)
    assert refused.returncode != 0
    assert "read-only transaction" in refused.stderr
    environment.monopco("psql", "--write", "-c", WRITE)
    dump = environment.folder / "data.dump"
    environment.monopco("export", str(dump))
    environment.monopco("psql", "--write", "-c", WRITE)
    assert server.value(COUNT) == "2"
    done = environment.attempt_monopco("import", str(dump))
    assert (done.returncode, "notes" in done.stderr) == (2, True), done.stderr
    said = environment.attempt_monopco("import", str(dump), "--replace")
    assert said.returncode == 0, said.stderr
    assert "is kept in" in said.stderr.replace("\n", " ")
    assert server.value(COUNT) == "1"
    assert environment.request("GET", "/api/notes").status == 200
    assert environment.containers("client") == []


def test_its_dumps_are_proved_and_one_is_brought_back(environment: Environment, external: tuple[Server, str]) -> None:
    server, _ = external
    wait_until(lambda: '"dump"' in environment.attempt_monopco("backups", "--json").stdout, "the first dump is made")
    environment.monopco("backup")
    proved = environment.monopco("backups", "--prove")
    assert "no damage found" in proved
    assert json.loads(environment.monopco("status", "--json"))["backups"]["ok"] is True

    environment.monopco("psql", "--write", "-c", WRITE)
    refused = environment.attempt_monopco("restore")
    assert (refused.returncode, "gets no second one beside it" in refused.stderr.replace("\n", " ")) == (2, True)
    assert server.value(COUNT) == "2"
    said = environment.monopco("restore", "--live", "--yes")
    assert "is live" in said
    assert server.value(COUNT) == "1"
    assert environment.request("GET", "/api/notes").status == 200


@pytest.mark.long
def test_a_copy_goes_to_another_environment_without_people(environment: Environment, copy: Environment) -> None:
    rules = environment.folder / "rules.sql"
    rules.write_text(RULES)
    to = ("restore", "--into-stack", copy.stack)
    notes = copy.monopco("psql", "-c", COUNT)
    protected = {"config": {"monopco:database": {"protect": True}}}
    (environment.folder / "Pulumi.live.yaml").write_text(yaml.safe_dump(protected))
    for arguments, words in (
        (to, "Give --anonymise RULES.sql"),
        ((*to, "--anonymise", str(rules), "--as-it-is"), "contradict each other"),
        ((*to, "--anonymise", str(rules)), "say --yes where nobody can be asked"),
        ((*to, "--live", "--as-it-is", "--yes"), "--into-stack goes with"),
        (("restore", "--as-it-is"), "are for --into-stack"),
        (("restore", "--into-stack", environment.stack, "--as-it-is", "--yes"), "is where the copy comes from"),
        (("restore", "--into-stack", "live", "--as-it-is", "--yes"), "is a production environment"),
    ):
        done = environment.attempt_monopco(*arguments)
        assert (done.returncode, words in done.stderr.replace("\n", " ")) == (2, True), done.stderr
    rules.write_text(f"{RULES}UPDATE nothing SET author = '';\n")
    failed = environment.attempt_monopco(*to, "--anonymise", str(rules), "--yes")
    assert (failed.returncode, "the rules, line 2" in failed.stderr) == (1, True), failed.stderr
    assert "Nothing was copied" in failed.stderr
    assert copy.monopco("psql", "-c", COUNT) == notes

    rules.write_text(RULES)
    said = environment.monopco(*to, "--anonymise", str(rules), "--yes")
    assert f"Stack {copy.stack} has a copy of {environment.stack}'s data" in said.replace("\n", " ")
    wait_until(lambda: copy.request("GET", "/api/notes").status == 200, "the app has the copy")
    assert {note["author"] for note in copy.request("GET", "/api/notes").json()} == {"nobody"}
    assert "a person" in environment.monopco("psql", "-c", "SELECT author FROM notes")
    # The app may write to tables that were somebody else's.
    body = json.dumps({"body": "on the copy"}).encode()
    assert copy.request("POST", "/api/notes", body, {"Content-Type": "application/json"}).status == 201
    assert list((environment.folder / ".state").glob("copy-*")) == []


@pytest.mark.long
def test_a_copy_of_a_database_of_ours_goes_elsewhere(
    environment: Environment, copy: Environment, external: tuple[Server, str]
) -> None:
    server, _ = external
    copy.monopco("backup")
    newest = json.loads(copy.monopco("backups", "--json"))["backups"][0]["id"]
    shutil.copy(environment.stack_file, copy.folder)
    # The URL of the other stack is a secret of its own state.
    done = run(
        copy.command("restore", "--backup", newest, "--into-stack", environment.stack, "--as-it-is", "--yes"),
        cwd=environment.folder,
        env=environment.variables,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.value("SELECT string_agg(body, ' ' ORDER BY body) FROM notes") == "b on the copy"
    assert environment.request("GET", "/api/notes").status == 200


@pytest.mark.long
def test_a_dump_of_supabase_is_taken_as_far_as_it_is_the_apps(
    copy: Environment, external: tuple[Server, str], tmp_path: Path
) -> None:
    server, _ = external
    server.run("psql", "-v", "ON_ERROR_STOP=1", "-qU", "postgres", stdin=SUPABASE)

    def dumped(name: str, *options: str) -> str:
        command = ["docker", "exec", server.name, "pg_dump", "-U", "postgres", *options, "supabase"]
        (tmp_path / name).write_bytes(subprocess.run(command, capture_output=True, check=True).stdout)
        return str(tmp_path / name)

    bare = dumped("bare.dump", "--format=custom", "--schema=public")
    without = dumped("without.dump", "--format=custom", "--schema=public", "--extension=*")
    plain = dumped("plain.sql")
    (tmp_path / "zipped.gz").write_bytes(gzip.compress(Path(plain).read_bytes()))
    before = copy.monopco("psql", "-c", COUNT)
    for file, words in (
        (bare, "It uses an extension that is not in it"),
        (without, "whose rows are not in it"),
        (plain, "is a dump in plain SQL"),
        (str(tmp_path / "zipped.gz"), "unpack it first"),
    ):
        done = copy.attempt_monopco("import", file, "--replace")
        assert done.returncode != 0
        assert words in done.stderr.replace("\n", " "), done.stderr
        assert copy.monopco("psql", "-c", COUNT) == before

    done = copy.attempt_monopco("import", dumped("whole.dump", "--format=custom"), "--replace")
    assert done.returncode == 0, done.stderr
    said = done.stderr.replace("\n", " ")
    assert "Not taken over, because it is the provider's" in said
    assert "of schema vault" in said
    assert "event trigger watching" in said
    rows = "SELECT count(*) FROM files JOIN auth.users ON users.id = user_id"
    own = docker("exec", "--user", "postgres", copy.container("database"), "psql", "-tAc", rows, DATABASE)
    assert own == "3"
    rights = (
        f"SELECT has_table_privilege('{APP_ROLE}', 'files', 'SELECT,INSERT,UPDATE,DELETE'), tableowner FROM pg_tables"
    )
    told = docker("exec", copy.container("database"), "psql", "-tAc", f"{rights} WHERE tablename = 'files'", DATABASE)
    assert told == f"t|{OWNER_ROLE}"
