"""The whole program on a swarm: what is made where, in which order, and what goes with a node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from environments import prod_with_files, run_program, write_certificate, write_source
from recorder import COMMAND, CONTAINER, NETWORK, PROVIDER, REMOTE_COMMAND, VOLUME, Recording, Resource, StackConfig
from values import reveal

MANAGER, NODES = "10.0.0.1", ("10.0.0.2", "10.0.0.3")
HOSTS = {host: f"ssh://monopco@{host}:22" for host in (MANAGER, *NODES)}
KEY = "ssh-ed25519 AAAA"


def swarm(folder: Path) -> StackConfig:
    nodes = [{"host": host, "hostKey": KEY} for host in NODES]
    config = prod_with_files(folder).changed("monitoring", enabled=False)
    return config.changed("server", runtime="swarm", host=MANAGER, hostKey=KEY, nodes=nodes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swarm")
    write_source(folder / "app")
    write_certificate(folder)
    return folder


@pytest.fixture(scope="module", params=["previewed", "deployed"])
def recording(folder: Path, request: pytest.FixtureRequest) -> Recording:
    return run_program("prod", swarm(folder), folder, preview=request.param == "previewed")


def environment(resource: Resource) -> dict[str, Any]:
    found: dict[str, Any] = reveal(resource.inputs)["environment"]
    return found


def test_the_network_spans_the_servers_and_is_encrypted(recording: Recording) -> None:
    (network,) = recording.of_type(NETWORK)
    assert (network.inputs["driver"], network.inputs["attachable"]) == ("overlay", True)
    assert network.inputs["options"] == {"encrypted": ""}
    assert "ipRange" not in network.inputs["ipamConfigs"][0]


def test_there_is_a_proxy_on_every_server_and_the_rest_on_the_manager(recording: Recording) -> None:
    hosts = {one.urn: one.inputs.get("host") for one in recording.of_type(PROVIDER)}
    proxies = {
        hosts[one.provider]
        for one in recording.of_type(CONTAINER)
        if recording.labels(one)["dev.monopco.component"] == "proxy"
    }
    assert proxies == set(HOSTS.values())
    others = [one for one in recording.of_type(CONTAINER) if not one.name.startswith("proxy-")]
    assert {hosts[one.provider] for one in others} == {HOSTS[MANAGER]}
    assert {one.name for one in others} == {"database-server", "backups-schedule"}


def test_every_proxy_gives_up_soon_on_a_server_that_is_gone(recording: Recording) -> None:
    for proxy in (one for one in recording.of_type(CONTAINER) if one.name.startswith("proxy-")):
        assert proxy.inputs["sysctls"]["net.ipv4.tcp_retries2"] == "4"
    fronts = ["proxy", *(f"proxy-{host}" for host in NODES)]
    for step in (recording.named(f"{front}-configuration") for front in fronts):
        assert "proxy_socket_keepalive on;" in reveal(step.inputs)["stdin"]


@pytest.mark.parametrize("host", HOSTS)
def test_every_server_lets_the_others_in_and_has_a_docker_that_a_swarm_can_use(recording: Recording, host: str) -> None:
    name = "machine" if host == MANAGER else f"machine-{host}"
    firewall = recording.named(f"{name}-firewall", REMOTE_COMMAND).inputs["create"]
    others = " ".join(sorted(set(HOSTS) - {host}))
    assert f"OTHERS='{others}'" in firewall
    docker = recording.named(f"{name}-docker", REMOTE_COMMAND).inputs["create"]
    assert "LIVE_RESTORE=False\nENCRYPTED=yes\n" in docker


def test_a_node_joins_when_the_network_is_there_so_that_it_leaves_before_that_goes(recording: Recording) -> None:
    for host in NODES:
        node = recording.named(f"node-{host}-membership", COMMAND)
        assert {"network-overlay", f"machine-{host}-docker"} <= recording.waits_for(node)
        assert environment(node)["DOCKER_HOST"] == HOSTS[host]


def test_what_is_on_a_node_is_deleted_with_it(recording: Recording) -> None:
    there = [one for one in recording.resources if one.type in (CONTAINER, VOLUME) and one.deleted_with]
    assert {one.name for one in there} == {f"proxy-{host}-{what}" for host in NODES for what in ("server", "state")}
    for one in there:
        host = one.name.split("-")[1]
        assert one.deleted_with == recording.named(f"node-{host}-membership").urn


def test_the_service_waits_for_its_image_on_every_node(recording: Recording) -> None:
    service = next(one for one in recording.resources if one.type == "docker:index/service:Service")
    assert {f"copies-app-{host}" for host in NODES} <= recording.waits_for(service)
    for host in NODES:
        told = environment(recording.named(f"copies-app-{host}"))
        assert (told["SERVER"], told["HELD_BY"]) == (HOSTS[host], HOSTS[MANAGER])


def test_every_proxy_is_switched_and_told_a_name(recording: Recording) -> None:
    told = environment(recording.named("switch-traffic"))
    assert [line.split()[:2] for line in told["HOSTS"].splitlines()] == [list(pair) for pair in HOSTS.items()]
    assert told["PEERS"].startswith("tasks.monopco-prod-app-")
    assert {f"proxy-{host}-configuration" for host in NODES} <= recording.waits_for(recording.named("switch-traffic"))


def test_the_outputs_tell_what_status_looks_for(recording: Recording) -> None:
    assert recording.exports["replicas"] == 2
    if not recording.preview:
        names = set(recording.exports["containers"])
        assert {"monopco-prod-proxy", *(f"monopco-prod-proxy@{host}" for host in NODES)} <= names


def test_one_server_is_made_as_before(folder: Path) -> None:
    recording = run_program("prod", prod_with_files(folder), folder)
    assert [one.name for one in recording.resources if one.deleted_with] == []
    text = recording.named("machine-docker", REMOTE_COMMAND).inputs["create"]
    assert "LIVE_RESTORE=False" not in text
    assert "OTHERS=" not in recording.named("machine-firewall", REMOTE_COMMAND).inputs["create"]
