"""The moment at which another release gets the requests."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from recorder import COMMAND, Recording, record
from values import UNKNOWN

from components.switch import Switch, SwitchArgs

ARGS = SwitchArgs(
    docker_host=None,
    proxy_container="proxy-id",
    release="abc",
    peers=["10.0.1.1:3000", "10.0.1.2:3000"],
    drain_seconds=30,
)


def declare(*, preview: bool = False, **changes: Any) -> Recording:
    return record(lambda: Switch("switch", dataclasses.replace(ARGS, **changes)), preview=preview)


def test_the_step_is_a_child_of_the_component() -> None:
    recording = declare()
    assert [child.name for child in recording.children(recording.component("Switch"))] == ["switch-traffic"]


def test_the_proxy_is_told_the_release_its_peers_and_how_long_to_wait() -> None:
    assert declare().named("switch-traffic", COMMAND).inputs["environment"] == {
        "PROXY": "proxy-id",
        "RELEASE": "abc",
        "PEERS": "10.0.1.1:3000 10.0.1.2:3000",
        "DRAIN_SECONDS": "30",
    }


@pytest.mark.parametrize(
    "changes",
    [{"release": "def"}, {"peers": ["10.0.1.1:3000"]}, {"proxy_container": "other"}],
    ids=["another release", "fewer peers", "nginx made anew"],
)
def test_the_switch_is_made_again_when_requests_must_go_elsewhere(changes: dict[str, Any]) -> None:
    before, after = (one.named("switch-traffic").inputs["environment"] for one in (declare(), declare(**changes)))
    assert before != after


def test_the_switch_is_the_same_resource_for_every_release() -> None:
    """So that Pulumi updates it, and deletes the old release only after it."""
    before, after = declare(), declare(release="def")
    assert {one.urn for one in before.resources} == {one.urn for one in after.resources}


def test_the_release_that_gets_the_requests_is_told_once_it_gets_them() -> None:
    recording = declare()
    assert recording.outputs(recording.component("Switch")) == {"release": "abc", "report": "printed by switch-traffic"}


def test_before_the_switch_it_is_not_known() -> None:
    recording = declare(preview=True)
    assert recording.outputs(recording.component("Switch"))["release"] == UNKNOWN
