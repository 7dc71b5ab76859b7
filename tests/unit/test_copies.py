"""Copies of an image on the nodes of a swarm."""

from __future__ import annotations

import pytest
from recorder import COMMAND, record

from components.copies import Copies, CopiesArgs, _the_same
from components.delivery import Delivery
from components.stack import Stack

MANAGER = "ssh://monopco@10.0.0.1:22"
NODES = {host: f"ssh://monopco@{host}:22" for host in ("10.0.0.2", "10.0.0.3")}


def test_every_node_gets_the_image_from_here_or_else_from_the_manager() -> None:
    delivery = Delivery(stack=Stack("prod"), docker_host=MANAGER, built_on="here", registry=None)
    args = CopiesArgs(delivery=delivery, nodes=NODES, image_id="sha256:1", reference="app:1")
    recording = record(lambda: Copies("copies", args))
    for host, docker_host in NODES.items():
        told = recording.named(f"copies-{host}", COMMAND).inputs["environment"]
        assert (told["SERVER"], told["HELD_BY"]) == (docker_host, MANAGER)
        assert told["HELD_BY_CONFIG"] == ".state/ssh/10.0.0.1-22/config"
        assert (told["IMAGE"], told["REFERENCE"]) == ("sha256:1", "app:1")


def test_servers_that_name_an_image_differently_are_told_apart() -> None:
    assert _the_same(["sha256:1", "sha256:1"]) == "sha256:1"
    with pytest.raises(Exception, match="containerd-snapshotter"):
        _the_same(["sha256:1", "sha256:2"])
