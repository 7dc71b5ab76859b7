"""The moment at which another release gets the requests."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import fake_docker
import pytest
from recorder import COMMAND, Recording, record
from values import UNKNOWN

from components.switch import Switch, SwitchArgs

ARGS = SwitchArgs(
    docker_host=None,
    proxy_container="proxy-id",
    release="abc",
    containers=["one-id", "two-id"],
    peers=["10.0.1.1:3000", "10.0.1.2:3000"],
    health={"PORT": "3000", "START_SECONDS": "60"},
    drain_seconds=30,
    watch_seconds=20,
)


def declare(*, preview: bool = False, **changes: Any) -> Recording:
    return record(lambda: Switch("switch", dataclasses.replace(ARGS, **changes)), preview=preview)


def environment(**changes: Any) -> dict[str, str]:
    return dict(declare(**changes).named("switch-traffic", COMMAND).inputs["environment"])


def test_the_step_is_a_child_of_the_component() -> None:
    recording = declare()
    assert [child.name for child in recording.children(recording.component("Switch"))] == ["switch-traffic"]


def test_the_proxy_is_told_the_release_its_containers_and_how_long_to_wait_and_watch() -> None:
    assert environment() == {
        "PROXY": "proxy-id",
        "RELEASE": "abc",
        "CONTAINERS": "one-id two-id",
        "PEERS": "10.0.1.1:3000 10.0.1.2:3000",
        "DRAIN_SECONDS": "30",
        "WATCH_SECONDS": "20",
        "PORT": "3000",
        "START_SECONDS": "60",
    }


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ({"release": "def"}, {"RELEASE"}),
        ({"peers": ["10.0.1.1:3000"]}, {"PEERS"}),
        ({"containers": ["one-id", "three-id"]}, {"CONTAINERS"}),
        ({"proxy_container": "other"}, {"PROXY"}),
    ],
    ids=["another release", "fewer peers", "a container made anew at the same address", "nginx made anew"],
)
def test_the_switch_is_made_again_when_requests_must_go_elsewhere(changes: dict[str, Any], differing: set[str]) -> None:
    before, after = environment(), environment(**changes)
    assert {name for name in before if before[name] != after[name]} == differing


def test_the_switch_is_the_same_resource_for_every_release() -> None:
    """So that Pulumi updates it, and deletes the old release only after it."""
    before, after = declare(), declare(release="def")
    assert {one.urn for one in before.resources} == {one.urn for one in after.resources}


def test_the_release_that_gets_the_requests_is_told_once_it_gets_them() -> None:
    recording = declare()
    outputs = recording.outputs(recording.component("Switch"))
    assert outputs["release"] == json.loads(outputs["report"])["release"] == "abc"


def test_it_is_the_one_that_the_proxy_names_and_not_the_one_in_mind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that leaves the switch out keeps what it printed."""
    monkeypatch.setattr("recorder._printed", lambda _name, _environment: '{"release": "live"}')
    recording = declare()
    assert recording.outputs(recording.component("Switch")) == {"release": "live", "report": '{"release": "live"}'}


def test_before_the_switch_it_is_not_known() -> None:
    recording = declare(preview=True)
    assert recording.outputs(recording.component("Switch"))["release"] == UNKNOWN


# What switch.sh asks of docker. `world` has the exit code of the proxy's switch, and what is live afterwards.
DOCKER = """
if words[0] == "exec" and words[2] == "switch":
    sys.exit(world["code"])
elif words[0] == "exec" and words[2:] == ["state", "live"]:
    if world["live"] is None:
        sys.exit("the proxy does not run")
    print(world["live"])
elif words[0] == "inspect" and "RestartCount" in words[2]:
    print("\\n".join(f"{name} 0 true" for name in words[3:]))
elif words[0] == "inspect":
    print("false" if "OOM" in words[2] else "/" + words[3])
elif words[0] == "logs":
    print("said by", words[-1])
elif words[0] != "stop":
    sys.exit(f"not expected: {words}")
"""


@pytest.mark.parametrize(
    ("code", "live", "stopped"),
    [
        (3, "other", [["stop", "one", "two"]]),
        (1, "other", [["stop", "one", "two"]]),
        (1, "", [["stop", "one", "two"]]),
        (1, "abc", []),
        (137, None, []),
    ],
    ids=["taken back", "refused", "nobody is live", "it serves all the same", "the proxy is gone"],
)
def test_containers_are_stopped_only_when_it_is_known_that_they_do_not_serve(
    code: int, live: str | None, stopped: list[list[str]], tmp_path: Path
) -> None:
    given = declare().named("switch-traffic", COMMAND).inputs["environment"]
    variables = {**given, "CONTAINERS": "one two", "MEMORY_MB": "500"}
    names = ["release/health.sh", "switch/switch.sh"]
    done = fake_docker.run(tmp_path, names, DOCKER, variables, world={"code": code, "live": live})
    assert done.returncode == 1
    assert "said by one" in done.stderr
    assert [words for words in fake_docker.asked(tmp_path) if words[0] == "stop"] == stopped
