"""The database's container: how it starts, what it keeps, what it refuses."""

# ruff: noqa: S608 - the SQL is the test's own
from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from components.database import APP_ROLE, DATABASE, HOST, OWNER_ROLE
from tests.integration.database_lab import (
    CONFINEMENT,
    IMAGE,
    PASSWORDS,
    Server,
)
from tests.integration.proxy_lab import docker, wait_until

PARTIAL = "mkdir -p 17/main.new && echo 17 >17/main.new/PG_VERSION"


@pytest.fixture
def own(database_network: str) -> Iterator[Server]:
    """A server that has not been started; the test may break it."""
    server = Server(database_network)
    server.volume = server.name
    yield server
    server.remove()


def prepare_volume(volume: str, shell: str) -> None:
    docker("run", "--rm", "--volume", f"{volume}:/var/lib/postgresql", "--entrypoint", "sh", IMAGE, "-ec", shell)


def test_it_runs_without_root_without_capabilities_and_on_a_read_only_root(database_server: Server) -> None:
    status = database_server.run(
        "sh", "-c", 'grep -E "^(Uid|CapEff|CapBnd|NoNewPrivs):" /proc/$(head -1 $PGDATA/postmaster.pid)/status'
    )
    assert [line.split()[1] for line in status.output.splitlines()] == ["10002", "0" * 16, "0" * 16, "1"]
    assert "Read-only file system" in database_server.run("touch", "/etc/x", check=False).errors


def test_the_data_directory_has_checksums_utf_8_and_an_order_that_no_library_changes(database_server: Server) -> None:
    assert database_server.value("SHOW data_checksums; SHOW server_encoding; SHOW server_version_num").split()[:2] == [
        "on",
        "UTF8",
    ]
    assert (
        database_server.value("SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'monopco'")
        == "bC.UTF-8"
    )
    assert database_server.value("SELECT lower('ÉTÉ') = 'été'") == "t"


def test_every_line_of_the_configuration_is_one_that_postgresql_takes(database_server: Server) -> None:
    assert (
        database_server.value("SELECT name, error FROM pg_file_settings WHERE NOT applied OR error IS NOT NULL") == ""
    )
    assert database_server.value("SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL") == ""
    assert database_server.value("SHOW jit; SHOW log_statement; SHOW TimeZone").split() == ["off", "none", "UTC"]


def test_a_query_that_would_be_worth_compiling_runs_without_a_compiler(database_server: Server) -> None:
    settings = "SET jit = on; SET jit_above_cost = 0; SET jit_inline_above_cost = 0;"
    assert database_server.value(f"{settings} SELECT sum(n) FROM generate_series(1, 1000) AS n") == "500500"


def test_the_superuser_comes_in_over_the_socket_only(database_server: Server) -> None:
    psql = ("psql", "--no-psqlrc", "--no-password", "--command=SELECT 1")
    assert database_server.run(*psql, "--username=postgres").status == 0
    refused = database_server.run(*psql, "--username=postgres", f"--host={HOST}", check=False)
    assert "pg_hba.conf rejects connection for host" in refused.errors
    app = database_server.run(*psql, f"--username={APP_ROLE}", f"--dbname={DATABASE}", check=False)
    assert "no pg_hba.conf entry" in app.errors
    stranger = database_server.run(*psql, f"--username={OWNER_ROLE}", check=False, user="nobody")
    assert "Permission denied" in stranger.errors


def test_memory_settings_follow_the_container_memory_and_change_with_it(own: Server) -> None:
    question = (
        "SHOW shared_buffers; SHOW effective_cache_size; SHOW maintenance_work_mem; SHOW work_mem; SHOW max_connections"
    )
    own.memory_mb = 512
    own.start()
    assert own.value(question, database="postgres").split() == ["128MB", "384MB", "32MB", "4MB", "100"]
    own.ask("CREATE TABLE kept AS SELECT 42 AS n", database="postgres")
    own.remove(keep_volume=True)
    own.memory_mb = 32768
    own.start()
    assert own.value(question, database="postgres").split() == ["8GB", "24GB", "1GB", "256MB", "100"]
    assert own.value("SELECT n FROM kept", database="postgres") == "42"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("lots", 'database: MEMORY_MB must be a whole number of megabytes (got "lots")\n'),
        ("0512", 'database: MEMORY_MB must be a whole number of megabytes (got "0512")\n'),
        ("-1", 'database: MEMORY_MB must be a whole number of megabytes (got "-1")\n'),
        ("63", "database: MEMORY_MB must be at least 64 (got 63)\n"),
    ],
)
def test_an_impossible_memory_is_refused(database_network: str, given: str, message: str) -> None:
    assert database_network
    done = docker("run", "--rm", *CONFINEMENT, "--env", f"MEMORY_MB={given}", IMAGE, check=False)
    assert (done.returncode, done.stderr) == (1, message)


def test_without_a_volume_it_does_not_start_on_a_read_only_root(database_network: str) -> None:
    assert database_network
    done = docker("run", "--rm", *CONFINEMENT, IMAGE, check=False)
    assert done.stderr.startswith("database: cannot write to /var/lib/postgresql; mount a volume there")


def test_committed_rows_survive_a_stop_a_kill_and_a_new_container(own: Server) -> None:
    own.start()
    own.ask("CREATE TABLE written (n int)", database="postgres")
    for number, end in enumerate(("restart", "kill", "replace")):
        own.ask(f"INSERT INTO written VALUES ({number})", database="postgres")
        if end == "restart":
            docker("restart", own.name)
        elif end == "kill":
            docker("kill", "--signal", "KILL", own.name)
            docker("start", own.name)
        else:
            own.remove(keep_volume=True)
            own.create()
        own.wait()
        assert own.value("SELECT count(*) FROM written", database="postgres") == str(number + 1)


def test_a_stop_closes_the_database_in_order_while_clients_are_connected(own: Server) -> None:
    own.start()
    docker("exec", "--detach", own.name, "psql", "--command=SELECT pg_sleep(3600)")
    wait_until(
        lambda: (
            own.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)'", database="postgres")
            != "0"
        ),
        "a client is busy",
    )
    docker("stop", "--time", "60", own.name)
    ended = own.stopped()
    assert ended.status == 0
    assert "database system is shut down" in ended.errors


def test_an_interrupted_first_start_leaves_nothing_that_looks_like_data(own: Server) -> None:
    prepare_volume(own.volume, PARTIAL)
    own.start()
    assert own.value("SELECT 1", database="postgres") == "1"
    assert own.run("ls", "/var/lib/postgresql/17").output == "main"


@pytest.mark.parametrize(
    ("folder", "version"), [("16/main", "16"), ("18/main", "18"), ("data", "14"), ("17/main", "15")]
)
def test_a_volume_of_another_major_version_is_refused_and_not_touched(own: Server, folder: str, version: str) -> None:
    prepare_volume(own.volume, f"mkdir -p {folder}; echo {version} >{folder}/PG_VERSION; echo row >{folder}/row")
    own.create()
    ended = own.stopped()
    assert ended.status == 1
    found, advice = ended.errors.splitlines()
    assert found == (
        f"database: this is PostgreSQL 17, and the volume holds data of PostgreSQL {version} "
        f"in /var/lib/postgresql/{folder}"
    )
    assert advice == (
        "database: nothing was touched; go back to the old image, or dump there and restore into an empty volume here"
    )
    left = docker("run", "--rm", "--volume", f"{own.volume}:/v", "--entrypoint", "find", IMAGE, "/v", "-type", "f")
    assert sorted(left.stdout.split()) == [f"/v/{folder}/PG_VERSION", f"/v/{folder}/row"]


def test_a_second_server_on_the_same_volume_is_refused_and_harms_nothing(own: Server, database_network: str) -> None:
    own.start()
    second = Server(database_network, volume=own.volume)
    try:
        second.create()
        ended = second.stopped()
    finally:
        second.remove(keep_volume=True)
    assert (ended.status, ended.errors) == (1, "database: another container uses this volume; stop it first\n")
    assert own.value("SELECT 1", database="postgres") == "1"


def test_ready_is_false_when_the_server_hangs(own: Server) -> None:
    own.start()
    signal = 'kill -{} $(head -1 "$PGDATA/postmaster.pid")'
    own.run("sh", "-c", signal.format("STOP"))
    assert own.run("ready", check=False).status != 0
    own.run("sh", "-c", signal.format("CONT"))
    assert own.run("ready").status == 0


def test_work_that_is_spread_over_processes_finds_its_shared_memory(database_server: Server) -> None:
    settings = (
        "SET min_parallel_table_scan_size = 0; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;"
        "SET debug_parallel_query = on; SET max_parallel_workers_per_gather = 2;"
    )
    database_server.ask(
        "CREATE TABLE IF NOT EXISTS spread AS SELECT generate_series(1, 200000) AS n", database="postgres"
    )
    plan = database_server.value(f"{settings} EXPLAIN ANALYZE SELECT count(*) FROM spread", database="postgres")
    assert "Workers Launched: 2" in plan


def test_no_password_shows_in_the_container_its_log_or_its_processes(database_server: Server) -> None:
    database_server.ask_as(OWNER_ROLE, "SELECT 1")
    database_server.ask_as(OWNER_ROLE, "SELECT 1", password="wrong:marked-4b1d")
    verifiers = database_server.value("SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL").split()
    assert len(verifiers) == 2
    inspected = json.dumps(json.loads(docker("inspect", database_server.name).stdout))
    history = docker("history", "--no-trunc", IMAGE).stdout
    processes = database_server.run("sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n'").output
    settings = database_server.run("sh", "-c", "cat /run/postgresql/memory.conf $PGDATA/*.conf").output
    for secret in [*PASSWORDS.values(), *verifiers, ":marked"]:
        for place in (inspected, history, database_server.log(), processes, settings):
            assert secret not in place


def test_nothing_of_a_statement_that_fails_in_provisioning_is_told_or_logged(database_server: Server) -> None:
    for statement in (
        "ALTER ROLE nobody PASSWORD 'SCRAM-SHA-256$marked-77';",
        "ALTER ROLE nobody PASSWORDD 'SCRAM-SHA-256$marked-77';",
        "SELECT pg_sleep(1.1), 'SCRAM-SHA-256$marked-77'; SELECT 1 / 0 AS \"SCRAM-SHA-256$marked-77\";",
    ):
        done = database_server.run("provision", stdin=statement, check=False)
        assert done.status == 3
        assert "ERROR" in done.errors
        assert "marked-77" not in done.errors
    assert "marked-77" not in database_server.log()
