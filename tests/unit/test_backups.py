"""The container that looks after backups."""

from __future__ import annotations

import dataclasses
from typing import Any

import pulumi_docker as docker
import pytest
from recorder import COMMAND, CONTAINER, VOLUME, Recording, record

from components.backups import Backups, BackupsArgs, job_times, jobs
from components.stack import Stack

TIMES = jobs(("0", "2", "*", "*", "*"), ("0", "4", "*", "*", "0"))


def declare(**changes: Any) -> Recording:
    def run() -> None:
        args = BackupsArgs(
            stack=Stack("dev"),
            docker_host=None,
            image_id="sha256:postgres",
            network_name="monopco-dev-network",
            data_volume="monopco-dev-database",
            repository=[docker.ContainerVolumeArgs(volume_name="places", container_path="/places")],
            version="1",
            database_identity="database-id",
            times=TIMES,
        )
        Backups("backups", dataclasses.replace(args, **changes))

    return record(run)


@pytest.fixture(scope="module")
def keeper() -> Any:
    return declare().named("backups-schedule", CONTAINER).inputs


def test_scratch_schedule_and_places_are_children_of_the_component() -> None:
    recording = declare()
    assert {(child.type, child.name) for child in recording.children(recording.component("Backups"))} == {
        (VOLUME, "backups-scratch"),
        (CONTAINER, "backups-schedule"),
        (COMMAND, "backups-established"),
    }


def test_the_times_are_arguments_so_that_a_change_is_seen(keeper: Any) -> None:
    assert keeper["entrypoints"] == ["schedule"]
    assert keeper["command"] == [
        "take -M 0 -H 2 -d * -m * -w *",
        "prove -M 0 -H 4 -d * -m * -w 0",
        "state -H * -M /5",
    ]


def test_times_are_in_the_order_in_which_cron_has_them() -> None:
    assert job_times(("1", "2", "3", "4", "5")) == "-M 1 -H 2 -d 3 -m 4 -w 5"


def test_the_data_can_be_read_only(keeper: Any) -> None:
    assert keeper["volumes"] == [
        {"volumeName": "monopco-dev-database", "containerPath": "/var/lib/postgresql", "readOnly": True},
        {"volumeName": "places", "containerPath": "/places"},
        {"volumeName": "monopco-dev-backups-scratch", "containerPath": "/scratch"},
    ]


def test_what_is_elsewhere_has_no_data_here_and_who_watches_gets_figures() -> None:
    volumes = declare(data_volume=None, metrics_volume="metrics").named("backups-schedule", CONTAINER).inputs["volumes"]
    assert volumes == [
        {"volumeName": "places", "containerPath": "/places"},
        {"volumeName": "monopco-dev-backups-scratch", "containerPath": "/scratch"},
        {"volumeName": "metrics", "containerPath": "/var/lib/monopco/metrics"},
    ]


def test_it_is_confined_and_gives_way_to_who_is_visited(keeper: Any) -> None:
    assert keeper["readOnly"] is True
    assert keeper["capabilities"] == {"drops": ["ALL"]}
    assert (keeper["memory"], keeper["memorySwap"], keeper["cpuShares"]) == (512, 512, 256)
    assert "ports" not in keeper


def test_the_places_are_made_ready_again_when_settings_or_database_change() -> None:
    before = declare().named("backups-established").inputs["environment"]
    assert before["CONTAINER"] == "backups-schedule-id"
    for change in ({"version": "2"}, {"database_identity": "another"}):
        assert declare(**change).named("backups-established").inputs["environment"] != before
