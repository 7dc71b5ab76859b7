"""The network on which an environment's proxy meets those of environments for pull requests."""

from __future__ import annotations

from pathlib import Path

import pytest
from environments import dev
from recorder import CONTAINER, NETWORK, Recording, record, record_program

from components.front import Front, FrontArgs
from components.stack import Stack


@pytest.fixture
def recording(stack: Stack) -> Recording:
    return record(lambda: Front("front", FrontArgs(stack=stack)))


def test_the_network_is_named_after_the_stack_and_labelled(recording: Recording) -> None:
    network = recording.named("front-bridge", NETWORK)
    assert (network.inputs["name"], network.inputs["driver"]) == ("monopco-dev-front", "bridge")
    assert recording.labels(network)["dev.monopco.component"] == "front"
    assert recording.outputs(recording.component("Front")) == {"networkName": "monopco-dev-front"}


def networks(recording: Recording) -> dict[str, list[str]]:
    return {
        one.name: [network["name"] for network in one.inputs["networksAdvanced"]]
        for one in recording.of_type(CONTAINER)
        if len(one.inputs["networksAdvanced"]) > 1
    }


def test_only_the_proxy_is_on_the_front(folder: Path) -> None:
    found = record_program("dev", dev(folder).changed("domain", name="monopco.test", environments=True))
    assert networks(found) == {"proxy-server": ["monopco-dev-network", "monopco-dev-front"]}
    assert len(found.named("proxy-server").inputs["ports"]) == 2
    assert found.named("certificate-self-signed").inputs["environment"]["NAMES"] == "monopco.test *.monopco.test"


def test_an_environment_behind_another_publishes_nothing(folder: Path) -> None:
    config = dev(folder).changed("domain", name="pr-1.monopco.test")
    config = config.changed("temporary", until="2026-12-01T08:00:00Z", origin="prod", front="prod")
    found = record_program("pr-1", config)
    assert networks(found) == {"proxy-server": ["monopco-pr-1-network", "monopco-prod-front"]}
    assert "ports" not in found.named("proxy-server").inputs
    assert found.named("server-check").inputs["environment"]["PORTS"] == ""
    assert found.exports["temporary"] == {"until": "2026-12-01T08:00:00Z", "origin": "prod"}
    assert [one.name for one in found.of_type(NETWORK)] == ["network-bridge"]


def test_what_lasts_for_a_limited_time_is_not_backed_up(folder: Path) -> None:
    found = record_program("pr-1", dev(folder).changed("temporary", until="2026-12-01T08:00:00Z", origin="dev"))
    assert [one.name for one in found.of_type(CONTAINER) if "backup" in one.name] == []
    assert "backupKey" not in found.exports
    assert "monopco-pr-1-database" in found.exports["containers"]


def test_without_environments_nothing_of_it_is_there(folder: Path) -> None:
    found = record_program("dev", dev(folder))
    assert networks(found) == {}
    assert "temporary" not in found.exports
