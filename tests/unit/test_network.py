"""The private network of an environment."""

from __future__ import annotations

import pytest
from recorder import NETWORK, Recording, record

from components.network import Network, NetworkArgs
from components.stack import Stack


@pytest.fixture
def recording(stack: Stack) -> Recording:
    return record(lambda: Network("network", NetworkArgs(stack=stack, subnet="10.200.0.0/18")))


def test_the_network_is_a_bridge_named_after_the_stack(recording: Recording) -> None:
    inputs = recording.named("network-bridge", NETWORK).inputs
    assert (inputs["name"], inputs["driver"]) == ("monopco-dev-network", "bridge")


def test_docker_gives_addresses_of_the_first_slash_24_only(recording: Recording) -> None:
    (ipam,) = recording.named("network-bridge").inputs["ipamConfigs"]
    assert ipam == {"subnet": "10.200.0.0/18", "gateway": "10.200.0.1", "ipRange": "10.200.0.0/24"}


def test_the_network_carries_the_labels_of_the_stack(recording: Recording) -> None:
    assert recording.labels(recording.named("network-bridge")) == {
        "dev.monopco.stack": "dev",
        "dev.monopco.component": "network",
        "dev.monopco.release": "",
    }


def test_the_bridge_is_a_child_of_the_component(recording: Recording) -> None:
    assert [child.name for child in recording.children(recording.component("Network"))] == ["network-bridge"]


def test_containers_get_the_name_by_which_docker_knows_the_network(recording: Recording) -> None:
    assert recording.outputs(recording.component("Network")) == {
        "networkName": "monopco-dev-network",
        "networkId": "network-bridge-id",
    }
