"""Dumps of a real server that is somebody else's: what is kept of it, whether it comes back, what is said when not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from components.database import DATABASE, OWNER_ROLE
from tests.integration.backups_lab import BUCKET, KEY, SECRET, Bucket, Lab, bucket, lab, unique
from tests.integration.database_lab import PASSWORDS, Server
from tests.integration.proxy_lab import docker, wait_until

PEOPLE = """
SET ROLE monopco_owner;
INSERT INTO auth.users (id, email)
    SELECT gen_random_uuid(), 'person' || n || '@example.org' FROM generate_series(1, 50) n;
CREATE TABLE people (id uuid PRIMARY KEY DEFAULT extensions.uuid_generate_v4(), user_id uuid REFERENCES auth.users (id),
    email text NOT NULL, note text);
INSERT INTO people (user_id, email, note) SELECT id, email, 'marked-note' FROM auth.users;
ALTER TABLE people ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON people FOR SELECT TO authenticated USING (auth.uid() = user_id);
ALTER PUBLICATION supabase_realtime ADD TABLE people;
CREATE TABLE big AS SELECT n, md5(n::text) AS t FROM generate_series(1, 20000) AS n;
"""
RULES = """
-- Nobody can be known by it.
UPDATE people SET email = 'someone-' || id || '@example.invalid', note = NULL;
UPDATE auth.users SET email = 'someone-' || id || '@example.invalid';
"""


@pytest.fixture(scope="module")
def provider(database_network: str) -> Iterator[Server]:
    """A server of which the role that is given owns what is the app's, and not the schema of the users."""
    name = unique("provider")
    server = Server(database_network, name=name, alias=f"{name}.test").start()
    server.provision("supabase")
    server.ask(PEOPLE)
    # What of a provider's this image has not.
    server.ask("CREATE ROLE dashboard_user; CREATE SCHEMA vault; CREATE TABLE vault.secrets (n int);")
    server.ask("GRANT SELECT ON people TO dashboard_user")
    yield server
    server.remove()


@pytest.fixture(scope="module")
def service(database_network: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with bucket(tmp_path_factory.mktemp("s3"), [database_network]) as made:
        yield made


def url(server: Server, password: str = "") -> str:
    secret = quote(password or PASSWORDS[OWNER_ROLE], safe="")
    return f"postgresql://{OWNER_ROLE}:{secret}@{server.alias}:5432/{DATABASE}?sslmode=disable"


@pytest.fixture(scope="module")
def one(database_network: str, provider: Server, service: Bucket) -> Iterator[Lab]:
    with lab(database_network, external=url(provider), remote=service.at("/dumps")) as made:
        yield made


def copied(one: Lab, path: Path, rules: str = "", *options: str) -> tuple[int, str]:
    """A copy as the command gets it; exit code, and what was said."""
    more = ["rules=1"] if rules else []
    command = ["docker", "exec", "--interactive", one.keeper, "backups", "copy", *more, *options]
    with path.open("wb") as file:
        done = subprocess.run(command, input=rules.encode(), stdout=file, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stderr.decode()


def test_a_dump_is_kept_in_both_places_and_proved_by_a_restore(one: Lab) -> None:
    assert "the local place holds no backup yet" in one.problems()
    assert {each["place"] for each in one.answer("take")["made"]} == {"local", "remote"}
    assert {(each["place"], each["kind"], each["stack"], each["proved_at"]) for each in one.answer("list")} == {
        ("local", "dump", "lab", None),
        ("remote", "dump", "lab", None),
    }
    records = one.answer("prove")
    assert [(each["place"], each["proved"], each["problems"]) for each in records] == [
        ("local", True, []),
        ("remote", True, []),
    ]
    # All tables of the app, with the users that they refer to and the record of scripts.
    assert all(each["rows"] >= 20100 and each["lacking"] == [] for each in records), records
    assert all(each["proved_at"] for each in one.answer("list"))
    state = one.state()
    assert (state["ok"], state["problems"], state["archive"]) == (True, [], None)
    # A second night costs less: what is the same is kept once.
    one.answer("take")
    newest, first = [each["stored_bytes"] for each in one.answer("list") if each["place"] == "local"]
    assert newest < first


@pytest.mark.long
def test_a_copy_leaves_only_when_all_rules_were_applied(one: Lab, provider: Server, tmp_path: Path) -> None:
    dump = tmp_path / "copy.dump"
    status, said = copied(one, dump, RULES)
    assert status == 0, said
    done = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    assert (done["rows"]["public.people"], done["before"]["public.people"]) == (50, 50)
    docker("exec", "--user", "postgres", provider.name, "createdb", "copied")
    with dump.open("rb") as file:
        restoring = ["docker", "exec", "--interactive", provider.name, "pg_restore", "--dbname=copied"]
        subprocess.run(restoring, stdin=file, capture_output=True, check=False)
    left = "SELECT count(*) FROM people WHERE email ~ 'example.org' OR note IS NOT NULL"
    assert provider.value(left, database="copied") == "0"
    assert provider.value("SELECT count(*) FROM people", database="copied") == "50"
    assert provider.value(left) == "50"
    for rules, words in (
        ("UPDATE people SET email = '';\n\nUPDATE peoples SET email = '';", 'the rules, line 3: relation "peoples"'),
        ("-- nothing\n", "the rules hold no statement"),
        ("UPDATE people SET email = ''; COMMIT;", "remove BEGIN, COMMIT and ROLLBACK"),
        ("\\! touch /tmp/x", "backslash commands are not SQL"),
    ):
        status, said = copied(one, dump, rules)
        assert (status, words in said) == (1, True), said
        assert "was copied" in said
        assert dump.stat().st_size == 0
    status, said = copied(one, dump, "", "to=1764000000", "to_text=x")
    assert (status, "dumps know only the moments at which they were taken" in said) == (4, True)
    assert one.sh("ls -A /scratch") in ("lock\nlog\ntaking", "lock\nlog")


@pytest.mark.long
def test_faults_are_told_and_nothing_is_lost(one: Lab, provider: Server, service: Bucket) -> None:
    before = one.answer("list")
    # The provider is away, or has another password: nothing is kept that is none.
    one.configure(external=url(provider, "wrong"))
    done = one.run("take")
    assert (done.status, "password authentication failed" in done.errors) == (1, True), done
    assert "the last backup failed" in one.problems()
    assert one.answer("list") == before
    one.configure(external=url(provider))

    # A second place that refuses or hangs holds up the local one not.
    docker("pause", service.container)
    try:
        assert "the remote place: it does not answer" in one.problems()
    finally:
        docker("unpause", service.container)

    one.configure(key="another key")
    done = one.run("take")
    assert (done.status, "cannot be read with this key" in done.errors) == (1, True), done
    one.configure(key=KEY)

    one.configure(stack="elsewhere")
    done = one.run("copy")
    assert (done.status, "is of stack lab, and this is stack elsewhere; nothing was touched" in done.errors) == (
        4,
        True,
    )
    one.configure(stack="lab")
    one.answer("take")
    assert one.problems() == ""


@pytest.mark.long
def test_a_flipped_byte_and_a_dump_that_has_shrunk(one: Lab, provider: Server, service: Bucket) -> None:
    folder = service.folder / "data" / BUCKET / "dumps" / "dumps" / "data"
    damaged = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    done = one.run("prove", "remote", "--quiet")
    assert (done.status, json.loads(done.output)[0]["proved"]) == (1, False)
    assert "the remote place: the last proof failed" in one.problems()
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    provider.ask("TRUNCATE big")
    one.answer("take")
    assert "the newest backup holds" in one.problems()
    assert one.run("restore").status == 4


def test_no_secret_is_seen_from_outside(one: Lab) -> None:
    seen = [
        docker("inspect", one.keeper).stdout,
        docker("logs", one.keeper).stdout + docker("logs", one.keeper).stderr,
        one.sh("cat /var/lib/monopco-backups/records/*"),
    ]
    taking = subprocess.Popen(["docker", "exec", one.keeper, "backups", "take"], stdout=subprocess.DEVNULL)
    while taking.poll() is None:
        lines = subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=True).stdout.splitlines()
        seen.append("\n".join(line for line in lines if "versitygw" not in line))
    for secret in (KEY, SECRET, PASSWORDS[OWNER_ROLE], "marked-note", quote(PASSWORDS[OWNER_ROLE], safe="")):
        assert [text for text in seen if secret in text] == []
    wait_until(lambda: one.sh("ls -A /scratch/dumping 2>/dev/null || true") == "", "the dump is gone")
