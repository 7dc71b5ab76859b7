"""What all containers of ours have in common."""

from __future__ import annotations

import pulumi_docker as docker
import pytest
from recorder import CONTAINER, Resource, record

from components.container import LOG_LIMITS, SCRATCH, confinement, duration, healthcheck
from components.stack import Stack


@pytest.fixture
def container(stack: Stack) -> Resource:
    recording = record(lambda: docker.Container("app", image="image", **confinement(stack, "app", "abc")))
    return recording.named("app", CONTAINER)


def test_a_container_says_whose_it_is(container: Resource) -> None:
    assert {label["label"]: label["value"] for label in container.inputs["labels"]} == {
        "dev.monopco.stack": "dev",
        "dev.monopco.component": "app",
        "dev.monopco.release": "abc",
    }


def test_a_container_has_no_capabilities_and_gains_none(container: Resource) -> None:
    assert container.inputs["capabilities"] == {"drops": ["ALL"]}
    assert container.inputs["securityOpts"] == ["no-new-privileges"]


def test_a_container_cannot_fill_the_disk_with_its_log(container: Resource) -> None:
    assert container.inputs["logDriver"] == "json-file"
    assert container.inputs["logOpts"] == LOG_LIMITS == {"max-size": "10m", "max-file": "3"}


def test_a_container_comes_back_by_itself_unless_it_was_stopped(container: Resource) -> None:
    assert container.inputs["restart"] == "unless-stopped"


def test_a_container_has_an_init_that_hands_signals_on(container: Resource) -> None:
    assert container.inputs["init"] is True


def test_what_a_container_may_write_besides_its_volumes_is_limited() -> None:
    assert [path for path, options in SCRATCH.items() if "size=" not in options] == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1, "1s"), (59, "59s"), (60, "1m0s"), (90, "1m30s"), (900, "15m0s"), (3600, "1h0m0s"), (3661, "1h1m1s")],
)
def test_a_duration_is_written_as_docker_reports_it(seconds: int, text: str) -> None:
    """Else a refresh sees a change that is none."""
    assert duration(seconds) == text


def test_docker_asks_every_ten_seconds_once_the_start_is_over(stack: Stack) -> None:
    args = healthcheck(["ready"], start_seconds=90)
    recording = record(lambda: docker.Container("app", image="image", healthcheck=args, **confinement(stack, "app")))
    assert recording.named("app").inputs["healthcheck"] == {
        "tests": ["CMD", "ready"],
        "interval": "10s",
        "timeout": "5s",
        "retries": 3,
        "startPeriod": "1m30s",
    }
