"""A swarm of three fresh servers: what visitors lose by changes of it, and by the end of a server."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPSConnection
from typing import Any

import pytest

from bench.load import Load, Options
from tests.integration import swarm_lab
from tests.integration.environment import Environment, wait_until
from tests.integration.server_lab import LabServer, docker
from tests.integration.swarm_lab import SwarmLab
from tests.integration.test_remote import set_secret

# Servers of their own, which are set up, switched off and started again.
pytestmark = pytest.mark.long

STACK = "swarm"
REPLICAS = 3
# Whether a kernel encrypts as Docker does. Without, an encrypted network lets nothing through.
ENCRYPTS = (
    "modprobe esp4 2>/dev/null; ip xfrm state add src 127.0.0.1 dst 127.0.0.2 proto esp spi 0x6d6f mode transport "
    "aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 64 && "
    "ip xfrm state delete src 127.0.0.1 dst 127.0.0.2 proto esp spi 0x6d6f"
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SwarmLab]:
    with swarm_lab.servers(tmp_path_factory.mktemp("lab")) as servers:
        yield servers


@pytest.fixture(scope="module")
def environment(lab: SwarmLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    one = Environment(tmp_path_factory.mktemp("swarm") / "project", STACK)
    one.write_config(
        app={"secrets": [], "replicas": REPLICAS, "watchSeconds": 2, "drainSeconds": 10, "env": {"ROUND": "1"}},
        http={"httpPort": 80, "httpsPort": 443, "address": "0.0.0.0"},  # noqa: S104 - in a network of its own
        server={
            "runtime": "swarm",
            "host": lab.manager.address,
            "hostKey": lab.manager.host_key,
            "nodes": [{"host": each.address, "hostKey": each.host_key} for each in lab.nodes],
        },
        policies={"production": False},  # it is taken away again
    )
    set_secret(one, "server.privateKey", lab.key.private)
    if lab.manager.attempt(ENCRYPTS).returncode != 0:
        refused = one.attempt_up()
        assert refused.returncode != 0
        assert "cannot encrypt what the servers of a swarm say to each other" in refused.stdout + refused.stderr
        change(one, "server", encrypted=False)
    try:
        one.monopco("up")
        yield one
    finally:
        one.destroy()
    for server in lab.servers:
        if server("docker info --format '{{.Swarm.LocalNodeState}}'", check=False) != "":
            assert server("docker info --format '{{.Swarm.LocalNodeState}}'") == "inactive", server.container
            assert server(f"docker ps --all --quiet --filter label=dev.monopco.stack={STACK}") == "", server.container


def change(environment: Environment, section: str, **keys: Any) -> None:
    environment.write_config(**{section: {**environment.config[section], **keys}})


def next_round(environment: Environment) -> None:
    """A change that makes another release without a build."""
    number = int(environment.config["app"]["env"]["ROUND"]) + 1
    change(environment, "app", env={"ROUND": str(number)})


def release(environment: Environment, server: LabServer) -> str:
    """What answers at that server's own proxy."""
    context = ssl.create_default_context(cadata=environment.output("caCertificate"))
    connection = HTTPSConnection(server.address, timeout=30, context=context)
    reached = socket.create_connection((server.address, 443), timeout=30)
    connection.sock = context.wrap_socket(reached, server_hostname="localhost")
    try:
        connection.request("GET", "/api/info", headers={"Host": "localhost"})
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    assert answer["database"]["ok"] is True
    return str(answer["release"])


@contextmanager
def visitors(environment: Environment, *servers: LabServer) -> Iterator[list[Any]]:
    """Clients of these servers' proxies that never retry; what they lost is in the list at the end."""
    lost: list[Any] = []
    with ExitStack() as running:
        loads = []
        for server in servers:
            options = Options(
                url="https://localhost",
                ca=str(environment.authority()),
                connect=server.address,
                seconds=900,
                keeping=3,
                reconnecting=3,
                rate=3,
                paths=("/", "/api/info"),
            )
            loads.append(running.enter_context(Load(options)))
        for load in loads:
            load.more(30)
        yield lost
        for load in loads:
            load.more(60)
    for load in loads:
        print(f"{load.report['requests']} requests, {load.report['failed']} lost")
        lost += load.report["failures"]


def service(lab: SwarmLab) -> str:
    return lab.manager(f"docker service ls --quiet --filter label=dev.monopco.stack={STACK}")


def running(lab: SwarmLab, *without: LabServer) -> int:
    """Containers that Docker counts on, on the other servers."""
    names = {f"server{1 + lab.servers.index(each)}" for each in without}
    form = "{{.Node}} {{.CurrentState}}"
    told = lab.manager(f"docker service ps --filter desired-state=running --format '{form}' {service(lab)}")
    states = [line.split()[:2] for line in told.splitlines()]
    return sum(state == "Running" and name not in names for name, state in states)


def test_every_server_has_a_proxy_with_the_release_and_a_second_up_changes_nothing(
    environment: Environment, lab: SwarmLab
) -> None:
    live = environment.output("release")
    assert [release(environment, server) for server in lab.servers] == [live] * 3
    environment.up("--expect-no-changes")
    environment.pulumi("preview", "--refresh", "--expect-no-changes", "--stack", environment.stack)
    assert "Changed by hand" not in environment.monopco("preview"), "each server is compared with its own steps"
    status = json.loads(environment.monopco("status", "--json"))
    assert (status["release"], status["healthy"], status["missing"]) == (live, True, [])
    assert sum(each["component"] == "proxy" for each in status["containers"]) == len(lab.servers)
    assert environment.monopco("logs", "app").count(f"release {live} listens") == REPLICAS
    assert lab.manager("docker network inspect --format '{{.Driver}}' monopco-swarm-network") == "overlay"
    told = environment.pulumi("stack", "export", "--stack", environment.stack)
    assert "SWMTKN" not in told


def test_a_rolling_update_loses_no_request(environment: Environment, lab: SwarmLab) -> None:
    """What Docker does by itself: one container after the other, the new one first."""
    before = lab.manager(f"docker service ps --quiet --filter desired-state=running {service(lab)}").split()
    with visitors(environment, *lab.servers) as lost:
        lab.manager(f"docker service update --quiet --force {service(lab)}")
    after = lab.manager(f"docker service ps --quiet --filter desired-state=running {service(lab)}").split()
    assert not set(before) & set(after)
    assert lost == []


def test_another_release_and_the_way_back_lose_no_request(environment: Environment, lab: SwarmLab) -> None:
    first = environment.output("release")
    next_round(environment)
    with visitors(environment, *lab.servers) as lost:
        environment.monopco("up")
        second = environment.output("release")
        assert {release(environment, server) for server in lab.servers} == {second} != {first}
        environment.monopco("rollback")
        assert {release(environment, server) for server in lab.servers} == {first}
    assert lost == []


def test_a_server_that_is_switched_off_costs_the_visitors_of_the_others_nothing(
    environment: Environment, lab: SwarmLab
) -> None:
    dead, *others = lab.nodes[0], lab.manager, lab.nodes[1]
    with visitors(environment, *others) as lost:
        docker("kill", dead.container)
        wait_until(lambda: running(lab, dead) == REPLICAS, "its containers run on the others")
    assert lost == []
    status = environment.attempt_monopco("status", "--json")
    assert status.returncode == 1
    assert json.loads(status.stdout)["missing"] == [f"monopco-swarm-proxy@{dead.address}"]

    next_round(environment)
    live = {release(environment, server) for server in others}
    refused = environment.attempt("up", "--yes", "--skip-preview", "--stack", environment.stack)
    assert refused.returncode != 0
    assert f"Docker on {dead.address} does not answer" in refused.stdout + refused.stderr
    assert "take it out of server.nodes" in refused.stdout + refused.stderr
    assert {release(environment, server) for server in others} == live

    nodes = [each for each in environment.config["server"]["nodes"] if each["host"] != dead.address]
    change(environment, "server", nodes=nodes)
    with visitors(environment, *others) as lost:
        environment.monopco("up")
    assert lost == []
    assert {release(environment, server) for server in others} == {environment.output("release")}
    assert len(lab.manager("docker node ls --quiet").split()) == len(others)
    environment.up("--expect-no-changes")
