"""The machine that runs the containers."""

from __future__ import annotations

import dataclasses

import pytest
from recorder import COMMAND, Recording, record

from components.server import Server, ServerArgs
from components.stack import Stack

ARGS = ServerArgs(
    stack=Stack("dev"),
    docker_host=None,
    address="127.0.0.1",
    ports=(8080, 8443),
    subnet="10.200.0.0/18",
    builds="0" * 64,
)


def declare(args: ServerArgs = ARGS) -> Recording:
    return record(lambda: Server("server", args))


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    found: dict[str, str] = declare().named("server-check", COMMAND).inputs["environment"]
    return found


def test_the_check_is_a_child_of_the_component() -> None:
    recording = declare()
    assert [child.name for child in recording.children(recording.component("Server"))] == ["server-check"]


def test_the_check_knows_what_will_be_needed(environment: dict[str, str]) -> None:
    assert environment == {
        "BASE": "monopco/base:trixie",
        "STACK": "dev",
        "LABEL": "dev.monopco",
        "FREE_DISK_MB": "3072",
        "ADDRESS": "127.0.0.1",
        "PORTS": "8080 8443",
        "PROXY": "monopco-dev-proxy",
        "SUBNET": "10.200.0.0/18",
        "NETWORK": "monopco-dev-network",
        "BUILDS": "0" * 64,
    }


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        (dataclasses.replace(ARGS, builds="1" * 64), "BUILDS"),
        (dataclasses.replace(ARGS, ports=(80, 443)), "PORTS"),
        (dataclasses.replace(ARGS, address="0.0.0.0"), "ADDRESS"),  # noqa: S104
        (dataclasses.replace(ARGS, subnet="10.201.0.0/18"), "SUBNET"),
    ],
    ids=["builds", "ports", "address", "subnet"],
)
def test_the_check_runs_again_when_something_else_is_needed(
    environment: dict[str, str], changed: ServerArgs, name: str
) -> None:
    after = declare(changed).named("server-check").inputs["environment"]
    assert {key for key in environment if environment[key] != after[key]} == {name}


def test_the_images_go_with_the_environment() -> None:
    assert "docker image rm" in declare().named("server-check").inputs["delete"]


def test_cleaning_up_touches_no_volume_and_prunes_nothing() -> None:
    delete = declare().named("server-check").inputs["delete"]
    assert [word for word in ("prune", "volume", "container rm", "system") if word in delete] == []
    assert "label=$LABEL.stack=$STACK" in delete


def test_what_was_found_is_told() -> None:
    recording = declare()
    assert recording.outputs(recording.component("Server")) == {"checked": "printed by server-check"}
