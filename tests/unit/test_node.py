"""A swarm and its nodes: how they are made, what is deleted with them, and that no token is where others read."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest
from recorder import COMMAND, PROJECT, Recording, record

from components.node import Node, NodeArgs
from components.stack import Stack
from components.swarm import Swarm, SwarmArgs

MANAGER = "ssh://monopco@10.0.0.1:22"
TOKEN = "SWMTKN-1-marked-token"
# A docker command that knows just so much, and writes down with what arguments it was called.
DOCKER = """#!/bin/sh
printf '%s %s\\n' "$DOCKER_HOST" "$*" >>calls
case "$*" in
    'info --format {{.Swarm.LocalNodeState}}') cat state ;;
    'info --format {{.Swarm.NodeID}}') echo node-id ;;
    'swarm join-token --quiet worker') echo SWMTKN-1-marked-token ;;
    'system dial-stdio') cat >request; cat answer ;;
    'node inspect --format {{.Status.State}} node-id') echo ready ;;
    'version') exit "$(cat alive)" ;;
esac
"""


def step(name: str, recording: Recording) -> dict[str, str]:
    inputs = recording.named(name, COMMAND).inputs
    return {"create": inputs["create"], "delete": inputs["delete"], **inputs["environment"]}


@pytest.fixture(scope="module")
def node() -> dict[str, str]:
    args = NodeArgs(
        stack=Stack("prod"),
        docker_host="ssh://monopco@node.example:22",
        host="node.example",
        address="10.0.0.2",
        manager=MANAGER,
        manager_address="10.0.0.1",
        release="abc",
    )
    return step("node-membership", record(lambda: Node("node", args)))


@pytest.fixture
def run(node: dict[str, str], tmp_path: Path) -> Runner:
    return Runner(node, tmp_path)


class Runner:
    """Runs the scripts of a node beside a docker command that is none."""

    def __init__(self, node: dict[str, str], folder: Path) -> None:
        self.node, self.folder = node, folder
        (folder / "docker").write_text(DOCKER)
        (folder / "docker").chmod(stat.S_IRWXU)
        self.give(state="inactive", answer="HTTP/1.1 200 OK\r\n\r\n", alive="0", calls="")

    def give(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name).write_text(text)

    def __call__(self, which: str) -> subprocess.CompletedProcess[str]:
        # Without what sets the path to the ssh that is ours.
        script = self.node[which].replace('PATH="$PWD/components/ssh/bin:$PATH"', "")
        given = {key: value for key, value in self.node.items() if key.isupper()}
        path = f"{self.folder}:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", "-c", script],
            cwd=self.folder,
            env={**given, "PATH": path, "PULUMI_COMMAND_STDOUT": "node-id"},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls(self) -> str:
        return (self.folder / "calls").read_text()


def test_the_manager_begins_a_swarm_and_ends_it_only_when_nobody_needs_it() -> None:
    args = SwarmArgs(stack=Stack("prod"), docker_host=MANAGER, address="10.0.0.1")
    made = step("swarm-manager", record(lambda: Swarm("swarm", args)))
    assert (made["ADDRESS"], made["DOCKER_HOST"]) == ("10.0.0.1", MANAGER)
    assert (PROJECT / "components/swarm/begin.sh").read_text() in made["create"]
    assert (PROJECT / "components/swarm/end.sh").read_text() in made["delete"]


def test_a_node_joins_with_a_token_that_is_in_no_argument_and_not_printed(run: Runner) -> None:
    done = run("create")
    assert (done.returncode, done.stdout, done.stderr) == (0, "node-id\n", "")
    assert TOKEN not in run.calls
    head, _, body = (run.folder / "request").read_text().partition("\n\n")
    assert head.startswith("POST /swarm/join HTTP/1.0\n")
    assert f"Content-Length: {len(body)}" in head
    assert f'"JoinToken":"{TOKEN}"' in body
    assert '"AdvertiseAddr":"10.0.0.2","RemoteAddrs":["10.0.0.1:2377"]' in body


def test_a_node_that_is_in_the_swarm_does_not_join_again(run: Runner) -> None:
    run.give(state="active")
    assert run("create").returncode == 0
    assert "dial-stdio" not in run.calls
    assert f"{MANAGER} node update --availability active --label-add dev.monopco.host=node.example" in run.calls


def test_a_node_that_is_refused_says_why_and_which_ports_must_be_open(run: Runner) -> None:
    run.give(answer='HTTP/1.1 503 Service Unavailable\r\n\r\n{"message":"no route"}')
    done = run("create")
    assert done.returncode == 1
    assert 'node.example cannot join the swarm: {"message":"no route"}' in done.stderr
    assert "7946 (TCP and UDP)" in done.stderr
    assert TOKEN not in done.stdout + done.stderr


def test_a_node_that_answers_is_drained_before_it_leaves(run: Runner) -> None:
    assert run("delete").returncode == 0
    order = [line.partition(" ")[2] for line in run.calls.splitlines()]
    drained, left, removed = (
        order.index(call)
        for call in ("node update --availability drain node-id", "swarm leave", "node rm --force node-id")
    )
    assert drained < left < removed


def test_a_node_that_is_dead_is_taken_out_all_the_same(run: Runner) -> None:
    run.give(alive="1")
    done = run("delete")
    assert done.returncode == 0
    assert "node.example does not answer. It is taken out of the swarm" in done.stderr
    assert "swarm leave" not in run.calls
    assert f"{MANAGER} node rm --force node-id" in run.calls
