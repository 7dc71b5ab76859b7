"""Faults of what the machine gives, room and time: what was stored stays, and afterwards nobody is needed.

Neither is done to this machine: the database gets a small disk of its own, and the containers a library that tells them
another time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.faults.measure import Costs, Fault, cost_of
from tests.integration.environment import LABEL, Environment, docker, wait_until

STACK = "fullness"
VOLUME, HOLDER = f"monopco-{STACK}-database", f"monopco-{STACK}-holder"
POSTGRES = 10002
BASE = "monopco/base:trixie"
# PostgreSQL's files and its log of changes take about 100 MB of it.
SIZE = "400m"
BALLAST = "/data/ballast"
# What time it is for the programs of a container: as long as the file is there, as it says. Timers go on as they are.
CLOCK = "/tmp/clock"  # noqa: S108 - of the container
AHEAD = "+2d"
_OTHER_TIME = f"""USER 0
RUN apt-get update && apt-get install --yes --no-install-recommends libfaketime
ENV LD_PRELOAD=/usr/\\$LIB/faketime/libfaketimeMT.so.1 FAKETIME_TIMESTAMP_FILE={CLOCK} FAKETIME_NO_CACHE=1 \\
    FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1
"""
LAST_LINES = {
    "postgres": "USER 10002:10002\n",
    "nginx": "USER 33:33\n",
    "node": "COPY start healthcheck /usr/local/bin/\n",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """An environment whose database has a small disk of its own: this machine's stays as it is."""
    one = Environment(tmp_path_factory.mktemp("fullness") / "project", STACK)
    one.write_config(app={"secrets": [], "watchSeconds": 0})
    for image, line in LAST_LINES.items():
        one.edit(f"images/{image}/Dockerfile", line, _OTHER_TIME + line)
    limited = f"o=size={SIZE},uid={POSTGRES},gid={POSTGRES},mode=0700"
    labels = [f"--label={LABEL}={STACK}", "--label=dev.monopco.component=database"]
    docker("volume", "create", *labels, "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", limited, VOLUME)
    # While somebody has it mounted, it keeps what it holds.
    docker("run", "--detach", "--init", "--name", HOLDER, "--volume", f"{VOLUME}:/data", BASE, "sleep", "infinity")
    try:
        one.up()
        yield one
    finally:
        docker("rm", "--force", HOLDER)
        one.destroy()
        docker("volume", "rm", "--force", VOLUME)


def no_room_is_left(_: Environment) -> None:
    docker("exec", HOLDER, "sh", "-c", f"cat /dev/zero >{BALLAST}", check=False)


def there_is_room_again(_: Environment) -> None:
    docker("exec", HOLDER, "rm", BALLAST)


def nothing_can_be_stored(environment: Environment) -> bool:
    body = b'{"body": "one more"}'
    answer = environment.request("POST", "/api/notes", body, {"Content-Type": "application/json"})
    return answer.status >= 500


FULL = Fault(
    no_room_is_left,
    "what is to be stored; pages are served",
    felt=nothing_can_be_stored,
    cause="the disk is full",
    end=there_is_room_again,
)


def test_a_full_disk_of_the_database_loses_nothing_and_needs_nobody_once_there_is_room(
    environment: Environment, costs: Costs
) -> None:
    cost = cost_of(environment, "the disk of the database is full", FULL)
    costs.add(cost)
    assert cost.data_lost == 0


def clock_of(container: str) -> float:
    return float(docker("exec", container, "date", "+%s"))


def everything_of(environment: Environment) -> list[str]:
    components = ("database", "backups", "proxy", "app")
    return [container for component in components for container in environment.containers(component)]


def the_clock_goes_ahead(environment: Environment) -> None:
    for container in everything_of(environment):
        docker("exec", container, "sh", "-c", f"echo {AHEAD} >{CLOCK}")


def it_is_another_day(environment: Environment) -> bool:
    """And a full backup is made on it: after a smaller one, the next would begin anew by itself."""
    now = time.time()
    assert all(clock_of(one) > now + 86400 for one in everything_of(environment))
    return environment.attempt_monopco("backup", "--full").returncode == 0


def the_clock_is_set_right(environment: Environment) -> None:
    for container in everything_of(environment):
        docker("exec", container, "rm", CLOCK)


JUMP = Fault(
    the_clock_goes_ahead, "nothing, neither ahead nor back", 0, felt=it_is_another_day, end=the_clock_is_set_right
)


@pytest.mark.long
def test_a_clock_that_jumps_ahead_and_back_loses_nothing_and_tells_what_holds_up_the_backups(
    environment: Environment, costs: Costs
) -> None:
    cost = cost_of(environment, "the clock was two days ahead", JUMP)
    assert (cost.lost, cost.data_lost) == (0, 0)
    environment.monopco("backup")
    # Whether the clock was ahead or is behind no program can know, so it is a person who removes a backup.
    refused, words = environment.attempt_monopco("backup", "--full"), "its newest backup is of a time to come"
    assert refused.returncode != 0
    assert words in refused.stderr
    listed = json.loads(environment.attempt_monopco("backups", "--json").stdout)["backups"]
    newest = max((one for one in listed if one["kind"] == "full"), key=lambda one: str(one["id"]))
    (keeper,) = environment.containers("backups")
    pgbackrest = ("exec", keeper, "pgbackrest", "--stanza=monopco", "--repo=1")
    history = f"backup/monopco/backup.history/{newest['id'][:4]}"
    docker(*pgbackrest, f"--set={newest['id']}", "expire")
    for record in docker(*pgbackrest, "repo-ls", history).split():
        if record.startswith(newest["id"]):
            docker(*pgbackrest, "repo-rm", f"{history}/{record}")
    environment.monopco("backup", "--full")
    person = "remove a full backup of that day; until then no other full one is made"
    costs.add(replace(cost, said=f"backup: {words}", person=person))


@pytest.mark.long
def test_a_backup_of_a_day_to_come_does_not_hold_up_the_next(environment: Environment) -> None:
    """As it is left when the clock was ahead for the time of a backup, and the machine begins anew after that."""
    (keeper,) = environment.containers("backups")
    stamp = "/var/lib/monopco-backups/stamps/take"
    docker("exec", keeper, "touch", "-d", "+2 years", stamp)
    docker("restart", keeper)
    wait_until(lambda: float(docker("exec", keeper, "stat", "-c", "%Y", stamp)) < time.time() + 60, "it is forgotten")
