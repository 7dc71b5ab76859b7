"""Backups of a real server in real places: what comes back, to which second, and what is said when something fails."""

# ruff: noqa: S608 - the SQL is the test's own
from __future__ import annotations

import dataclasses
import json
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from components.database import DATABASE
from ops.places import BASE_IMAGE
from tests.integration.backups_lab import ACCESS, BUCKET, KEY, SECRET, Bucket, Lab, bucket, lab, sftp
from tests.integration.proxy_lab import build_image, docker, wait_until

ROWS = "CREATE TABLE beats (n serial PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp());"
COUNT = "SELECT count(*) FROM beats"
# One row a second would take minutes; a tenth of that is no different.
BEAT_SECONDS = 0.1


@pytest.fixture(scope="module")
def service(database_network: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    with bucket(tmp_path_factory.mktemp("s3"), [database_network]) as made:
        yield made


@pytest.fixture(scope="module")
def backed(database_network: str, service: Bucket) -> Iterator[Lab]:
    """A database with rows and a backup in both places, for tests that leave the live one as it is."""
    with lab(database_network, remote=service.at("/backed")) as one:
        one.server.ask(ROWS + "CREATE TABLE big AS SELECT n, md5(n::text) AS t FROM generate_series(1, 50000) AS n;")
        one.answer("take")
        yield one


def clock_image() -> str:
    """An image with the library by which a program is told another time."""
    name = "monopco/clock:test"
    with tempfile.TemporaryDirectory() as folder:
        install = "RUN apt-get update && apt-get install -y --no-install-recommends libfaketime\n"
        (Path(folder) / "Dockerfile").write_text(f"FROM {BASE_IMAGE}\n{install}")
        build_image(name, Path(folder))
    return name


class Beats:
    """Rows that are written all the time, until the server ends."""

    def __init__(self, one: Lab) -> None:
        self.told: list[tuple[int, float]] = []
        command = ["docker", "exec", "--interactive", one.server.name, "psql", "--no-psqlrc", "-qtA", DATABASE]
        self._session = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        stdin, stdout = self._session.stdin, self._session.stdout
        assert stdin
        assert stdout
        try:
            while not self._ended.wait(BEAT_SECONDS):
                stdin.write("INSERT INTO beats DEFAULT VALUES RETURNING n, extract(epoch FROM at);\n")
                stdin.flush()
                line = stdout.readline()
                if not line:
                    return
                number, at = line.strip().split("|")
                self.told.append((int(number), float(at)))
        except BrokenPipeError:
            return

    def end(self) -> None:
        self._ended.set()
        self._thread.join()
        self._session.kill()
        self._session.communicate()


def database_of(answer: dict[str, Any]) -> str:
    return str(answer["database"])


def test_a_backup_of_each_place_is_listed_and_proved(backed: Lab) -> None:
    assert {(each["place"], each["kind"], each["proved_at"]) for each in backed.answer("list")} == {
        ("local", "full", None),
        ("remote", "full", None),
    }
    records = backed.answer("prove")
    assert [(each["place"], each["proved"], each["problems"]) for each in records] == [
        ("local", True, []),
        ("remote", True, []),
    ]
    assert all(each["rows"] >= 50000 and each["moment"] for each in records)
    assert all(each["proved_at"] for each in backed.answer("list"))
    state = backed.state()
    assert (state["ok"], state["problems"]) == (True, [])
    assert backed.sh("ls -A /scratch") == "lock\nlog"


def test_what_a_backup_holds_comes_back_into_a_new_database(backed: Lab) -> None:
    (chosen, *_) = backed.answer("list")
    backed.server.ask("INSERT INTO beats DEFAULT VALUES")
    done = backed.answer("restore", f"backup={chosen['id']}", "into=as_it_was")
    assert (done["database"], done["place"]) == ("as_it_was", chosen["place"])
    assert done["live_rows"]["public.beats"] == done["rows"]["public.beats"] + 1
    content = "SELECT count(*), md5(string_agg(t, '' ORDER BY n)) FROM big"
    assert backed.server.value(content, database="as_it_was") == backed.server.value(content)
    owners = "SELECT datname, datacl FROM pg_database WHERE datname = "
    assert (
        backed.server.value(f"{owners} 'as_it_was'").split("|")[1]
        == backed.server.value(f"{owners} 'monopco'").split("|")[1]
    )


@pytest.mark.parametrize("option", ["into=monopco", "into=postgres"])
def test_a_restore_never_writes_into_a_database_that_is_there(backed: Lab, option: str) -> None:
    before = backed.server.value(COUNT)
    done = backed.run("restore", option)
    assert done.status == 4
    assert "a restore never writes into one" in done.errors
    assert backed.server.value(COUNT) == before


def test_a_server_that_is_killed_loses_at_most_a_minute_and_any_moment_comes_back(
    database_network: str, service: Bucket
) -> None:
    with lab(database_network, remote=service.at("/killed")) as one:
        one.server.ask(ROWS)
        one.answer("take")
        beats = Beats(one)
        wait_until(lambda: len(beats.told) >= 40, "rows are written")
        # The switch that archive_timeout does by itself within 40 s.
        assert one.server.value("SHOW archive_timeout") == "40s"
        one.server.ask("SELECT pg_switch_wal()")
        switched = len(beats.told)
        wait_until(one.archived, "the segment is archived")
        wait_until(lambda: len(beats.told) >= switched + 20, "more rows are written")
        docker("kill", "--signal", "KILL", one.server.name)
        beats.end()
        told = dict(beats.told)
        # Elsewhere: a new server, which has the second place and the key and nothing else.
        with lab(database_network, remote=service.at("/killed")) as other:
            assert "the remote place holds the backups of another database" in other.problems()
            other.server.ask(ROWS)
            latest = database_of(other.answer("restore", "from=remote", "scratch=1"))
            last = int(other.server.value("SELECT max(n) FROM beats", database=latest))
            assert last >= switched - 1
            assert told[max(told)] - told[last] < 60
            number = sorted(told)[switched // 2]
            moment = (told[number] + told[number + 1]) / 2
            done = other.answer("restore", "from=remote", "scratch=1", "into=moment", f"to={moment:.6f}", "to_text=x")
            found = other.server.value("SELECT string_agg(n::text, ' ' ORDER BY n) FROM beats", database="moment")
            assert found.split() == [str(n) for n in range(1, number + 1)], done
            # In the place of the live one, and the backups go on with this server.
            kept = other.answer("swap", latest)["kept"]
            assert other.server.value(COUNT) == str(last)
            assert other.server.value(COUNT, database=kept) == "0"
            assert other.answer("establish", "--adopt")["adopted"] is True
            other.answer("take", "full")
            assert other.problems() == ""


def test_a_moment_after_the_last_change_is_the_last_change(backed: Lab) -> None:
    backed.server.ask("INSERT INTO beats DEFAULT VALUES")
    now = time.time()
    done = backed.answer("restore", "into=just_now", f"to={now:.6f}", "to_text=now")
    assert done["rows"] == done["live_rows"]


@pytest.mark.long
def test_the_second_place_may_be_a_folder_on_an_sftp_server(database_network: str, tmp_path: Path) -> None:
    with sftp(tmp_path / "sftp", database_network) as place, lab(database_network, remote=place) as one:
        one.server.ask(ROWS)
        one.answer("take")
        assert [(each["place"], each["proved"]) for each in one.answer("prove")] == [("local", True), ("remote", True)]
        assert one.run("keep", "state.tar", stdin="all of the state").status == 0
        assert one.run("fetch", "state.tar").output == "all of the state"
        strange = " ".join((place.host_key.split()[0], "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43))
        one.configure(remote=dataclasses.replace(place, host_key=strange))
        done = one.run("take")
        assert done.status == 1
        assert "its host key is not the one in backups.remote.hostKey" in done.errors
        # The local place goes on.
        assert {each["place"] for each in json.loads(done.output.splitlines()[-1])["made"]} == {"local"}


@pytest.fixture(scope="module")
def shared(database_network: str, service: Bucket) -> Iterator[Lab]:
    with lab(database_network, remote=service.at("/faults")) as made:
        made.server.ask(ROWS + "INSERT INTO beats SELECT FROM generate_series(1, 1000);")
        made.answer("take")
        yield made


@pytest.fixture
def one(shared: Lab, service: Bucket) -> Iterator[Lab]:
    """A database with a backup in both places, which the test may harm; its settings are as they were afterwards."""
    yield shared
    shared.configure(remote=service.at("/faults"), key=KEY)


def test_access_keys_that_are_refused(one: Lab, service: Bucket) -> None:
    one.configure(remote=dataclasses.replace(service.at("/faults"), secret="wrong"))
    done = one.run("take")
    assert done.status == 1
    assert "the remote place: it refuses these access keys" in done.errors
    # The local place got its backup, and the fault is seen by who looks.
    assert "it refuses these access keys" in one.problems()
    assert one.state()["places"]["remote"]["readable"] is False
    one.configure(remote=service.at("/faults"))
    one.answer("take")
    assert one.problems() == ""


@pytest.mark.long
def test_a_second_place_that_hangs_holds_up_nobody_and_loses_nothing(one: Lab, service: Bucket) -> None:
    docker("pause", service.container)
    try:
        one.server.ask("INSERT INTO beats DEFAULT VALUES; SELECT pg_switch_wal();")
        wait_until(lambda: one.state()["archive"]["waiting"] > 0, "a segment waits")
        one.server.ask("INSERT INTO beats DEFAULT VALUES")
    finally:
        docker("unpause", service.container)
    # PostgreSQL gives up after three tries, and tries again a minute later.
    wait_until(one.archived, "what waited is archived", seconds=180)
    done = one.answer("restore", "from=remote", "into=after_hanging")
    assert done["rows"] == done["live_rows"]


def test_another_key_opens_nothing(one: Lab) -> None:
    one.configure(key="another key")
    for done in (one.run("list"), one.run("take")):
        assert done.status == 1
        assert "cannot be read with this key" in done.errors


def test_a_flipped_byte_in_the_place_is_found_by_the_proof(one: Lab, service: Bucket) -> None:
    one.answer("take", "full")
    (newest, *_) = [each for each in one.answer("list") if each["place"] == "remote"]
    folder = service.folder / "data" / BUCKET / "faults" / "database" / "backup" / "monopco" / newest["id"]
    damaged = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    done = one.run("prove", "remote", "--quiet")
    assert done.status == 1
    assert [each["proved"] for each in json.loads(done.output)] == [False]
    assert "the remote place: the last proof failed" in one.problems()
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    one.answer("prove", "remote")
    assert one.problems() == ""


@pytest.mark.long
def test_two_backups_at_once_and_one_that_is_killed(one: Lab) -> None:
    one.server.ask("CREATE TABLE filling AS SELECT n, md5(n::text) FROM generate_series(1, 300000) AS n")
    before = {each["id"] for each in one.answer("list") if each["place"] == "local"}
    first = subprocess.Popen(
        ["docker", "exec", one.keeper, "backups", "take", "full"], stdout=subprocess.PIPE, text=True
    )
    assert first.stdout
    wait_until(lambda: one.sh("ls /tmp/pgbackrest || true") != "", "the first one has begun")
    second = one.run("take")
    assert second.status == 3
    assert "another backup is under way" in second.errors
    docker("kill", "--signal", "KILL", one.keeper)
    first.communicate()
    docker("start", one.keeper)
    assert {each["id"] for each in one.answer("list") if each["place"] == "local"} == before
    one.answer("take")
    assert one.answer("prove", "local")[0]["proved"] is True


@pytest.mark.long
def test_a_backup_of_another_stack_is_refused(one: Lab) -> None:
    one.configure(stack="elsewhere")
    try:
        done = one.run("restore")
        assert done.status == 4
        assert "is of stack lab, and this is stack elsewhere; nothing was touched" in done.errors
    finally:
        one.configure(stack="lab")


@pytest.mark.long
def test_two_restores_at_once(one: Lab) -> None:
    holder = subprocess.Popen(["docker", "exec", one.keeper, "flock", "/scratch/lock", "sleep", "600"])
    try:
        wait_until(lambda: one.run("restore").status == 3, "the second one is refused")
    finally:
        one.sh("kill $(pgrep -x sleep -n)")
        holder.wait()


def test_a_disk_that_is_too_small_for_the_restore_is_told_before_it_begins(database_network: str) -> None:
    with lab(database_network, scratch_size="64m") as one:
        one.server.ask(ROWS)
        one.answer("take")
        done = one.run("restore")
        assert done.status == 1
        assert "GB are free on that disk; nothing was begun" in done.errors
        assert one.server.value("SELECT count(*) FROM pg_database WHERE datname ~ 'restored'") == "0"


@pytest.mark.long
def test_a_full_repository_is_told_and_nothing_is_lost(database_network: str) -> None:
    with lab(database_network, size="64m") as one:
        one.server.ask(ROWS)
        one.sh("cat /dev/zero >/var/lib/monopco-backups/filling 2>/dev/null || true")
        one.server.ask("INSERT INTO beats DEFAULT VALUES; SELECT pg_switch_wal();")
        wait_until(lambda: "No space left" in one.server.log(), "archiving fails")
        # Told although there is no room to write it down.
        done = one.run("state")
        assert "the disk of the local place has 0.0 GB free" in done.output
        assert one.server.value(COUNT) == "1"
        one.sh("rm /var/lib/monopco-backups/filling")
        wait_until(one.archived, "what waited is archived", seconds=180)
        one.answer("take")
        assert one.answer("restore", "into=whole")["rows"]["public.beats"] == 1


@pytest.mark.long
def test_a_clock_that_was_ahead_is_told_and_the_next_backup_is_a_new_beginning(database_network: str) -> None:
    """Of server and tools, which have one clock on one machine."""
    library = docker("run", "--rm", clock_image(), "sh", "-c", "base64 /usr/lib/*/faketime/libfaketime.so.1").stdout
    with lab(database_network) as one:
        place = "/var/lib/postgresql/clock.so"
        one.server.run("sh", "-c", f"base64 -d >{place}", stdin=library)
        one.answer("take")
        ahead = ("--env", f"LD_PRELOAD={place}", "--env", "FAKETIME=+3d", "--env", "FAKETIME_DONT_FAKE_MONOTONIC=1")
        usual = one.server.options
        for options in ((*usual, *ahead), usual):
            docker("stop", one.server.name)
            one.server.remove(keep_volume=True)
            one.server.options = options
            one.server.start()
            one.answer("take")
            if options is usual:
                break
            one.server.ask(ROWS + "INSERT INTO beats DEFAULT VALUES")
        assert "is from the future, by" in one.problems()
        kinds = {each["kind"] for each in one.answer("list") if each["stopped"] < time.time()}
        assert kinds == {"full"}
        assert one.answer("restore", "into=later")["rows"]["public.beats"] == 1


def test_no_secret_is_seen_from_outside(backed: Lab) -> None:
    backed.answer("take")
    seen = [
        docker("inspect", backed.server.name, backed.keeper).stdout,
        *(docker("logs", name).stdout + docker("logs", name).stderr for name in (backed.server.name, backed.keeper)),
        json.dumps(backed.state()),
        backed.sh("cat /var/lib/monopco-backups/records/*"),
    ]
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            lines = subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=True).stdout.splitlines()
            # The S3 service itself is given its keys so.
            seen.append("\n".join(line for line in lines if "versitygw" not in line))

    watcher = threading.Thread(target=watch)
    watcher.start()
    backed.answer("take", "full")
    backed.run("keep", "state.tar", stdin="state")
    stop.set()
    watcher.join()
    assert len(seen) > 6
    for secret in (KEY, ACCESS, SECRET):
        assert [index for index, text in enumerate(seen) if secret in text] == [], secret


@pytest.mark.long
def test_a_volume_from_before_backups_goes_on(database_network: str) -> None:
    """Data that an image made which knew no archiving."""
    one = Lab(database_network)
    try:
        docker("volume", "create", one.repository)
        plain = dataclasses.replace(one.server, options=())
        plain.start().provision("none")
        plain.ask(ROWS + "INSERT INTO beats DEFAULT VALUES;")
        assert plain.value("SHOW archive_mode") == "off"
        plain.remove(keep_volume=True)
        one.server.volume = plain.volume
        one.configure()
        one.server.start()
        assert one.server.value(COUNT) == "1"
        one.start_keeper()
        one.answer("establish")
        one.answer("take")
        assert one.answer("prove")[0]["proved"] is True
    finally:
        one.remove()


@pytest.mark.long
def test_the_schedule_runs_what_is_due(backed: Lab) -> None:
    """A time that passed while the container was down is made up for."""
    before = backed.answer("list")
    docker("stop", backed.keeper)
    yesterday = (datetime.now(timezone.utc) - timedelta(hours=25)).strftime("%Y%m%d%H%M")
    docker(
        *("run", "--rm", "--volume", f"{backed.repository}:/place", "--entrypoint", "touch"),
        *("monopco/base:trixie", "-t", yesterday, "/place/stamps/take"),
    )
    docker("start", backed.keeper)
    wait_until(lambda: len(backed.answer("list")) > len(before), "a backup is taken by the schedule")
