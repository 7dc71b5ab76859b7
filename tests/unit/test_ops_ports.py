"""Ports that are taken are moved, unless the stack's file asks for them."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from ops import containers, ports, preflight
from ops.containers import Container
from ops.errors import MISTAKE, CommandError
from ops.pulumi import Pulumi
from ops.stack_file import StackFile


@pytest.fixture
def taken() -> socket.socket:  # type: ignore[misc]
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def port_of(server: socket.socket) -> int:
    return int(server.getsockname()[1])


class Recorder(Pulumi):
    """Keeps what would be written to the stack's file."""

    def __init__(self) -> None:
        super().__init__("dev")
        self.written: dict[str, str] = {}

    def check(self) -> None:
        """The configuration is right."""

    def set_config(self, path: str, value: str) -> None:
        self.written[path] = value


def stack(http: dict[str, object], given: dict[str, object] | None = None) -> StackFile:
    return StackFile(
        "dev", {"monopco:http": given} if given else {}, {"monopco:http": {"address": "127.0.0.1", **http}}
    )


def running(monkeypatch: pytest.MonkeyPatch, *found: Container) -> None:
    monkeypatch.setattr(containers, "of_stack", lambda _stack: list(found))
    monkeypatch.setattr(containers, "publisher", lambda _port: "")


def test_a_listening_port_is_not_free(taken: socket.socket) -> None:
    assert not ports.is_free("127.0.0.1", port_of(taken))


def test_a_port_that_was_let_go_is_free(taken: socket.socket) -> None:
    port = port_of(taken)
    taken.close()
    assert ports.is_free("127.0.0.1", port)


def test_the_next_free_port_is_neither_taken_nor_promised() -> None:
    assert ports.next_free(8080, lambda port: port != 8081, [8082]) == 8083


def test_there_may_be_no_free_port_nearby() -> None:
    assert ports.next_free(65535, lambda _: True) is None


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the process is found in Linux's /proc")
def test_the_process_that_listens_is_named(taken: socket.socket) -> None:
    assert ports.listener(port_of(taken)) is not None
    assert f"(process {os.getpid()})" in str(ports.listener(port_of(taken)))


def test_a_taken_default_port_is_moved_in_the_stacks_file(
    monkeypatch: pytest.MonkeyPatch, taken: socket.socket
) -> None:
    running(monkeypatch)
    pulumi, port = Recorder(), port_of(taken)
    moved = preflight.settle_ports(stack({"httpPort": port, "httpsPort": port + 1}), pulumi)
    free = moved["httpPort"][1]
    assert moved["httpPort"][0] == port
    assert free not in (port, port + 1)
    assert pulumi.written["monopco:http.httpPort"] == str(free)


def test_a_taken_port_that_the_stacks_file_asks_for_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, taken: socket.socket
) -> None:
    running(monkeypatch)
    pulumi, port = Recorder(), port_of(taken)
    with pytest.raises(CommandError) as caught:
        preflight.settle_ports(stack({}, {"httpsPort": port}), pulumi)
    assert caught.value.code == MISTAKE
    assert str(caught.value).startswith(f"http.httpsPort: port {port} is taken by ")
    assert "pulumi config set --stack dev --path monopco:http.httpsPort PORT" in str(caught.value)
    assert pulumi.written == {}


def test_our_own_proxy_may_have_the_port(monkeypatch: pytest.MonkeyPatch, taken: socket.socket) -> None:
    port = port_of(taken)
    running(monkeypatch, Container("monopco-dev-proxy", "proxy", "", "running", "healthy", "", (port,), ""))
    assert preflight.settle_ports(stack({"httpPort": port}), Recorder()) == {}


def test_the_app_of_another_component_may_not(monkeypatch: pytest.MonkeyPatch, taken: socket.socket) -> None:
    port = port_of(taken)
    running(monkeypatch, Container("monopco-dev-x", "app", "", "running", "healthy", "", (port,), ""))
    assert list(preflight.settle_ports(stack({"httpPort": port}), Recorder())) == ["httpPort"]


@pytest.mark.parametrize("nonsense", ["8080", 0, 70000, None])
def test_what_is_no_port_is_left_to_the_settings(monkeypatch: pytest.MonkeyPatch, nonsense: object) -> None:
    running(monkeypatch)
    assert preflight.settle_ports(stack({"httpPort": nonsense}), Recorder()) == {}


def test_an_almost_full_disk_is_told_with_its_numbers() -> None:
    with pytest.raises(CommandError) as caught:
        preflight.check_disk(1_200_000_000, "/var/lib/docker")
    assert str(caught.value).startswith("The disk is almost full: 1.1 GB are free in /var/lib/docker,")
    assert "3 GB are needed" in str(caught.value)


def test_enough_disk_is_no_matter() -> None:
    preflight.check_disk(preflight.FREE_DISK_BYTES, "/var/lib/docker")


@pytest.mark.parametrize(
    ("host", "docker_host", "local"),
    [
        (None, None, True),
        (None, "unix:///run/docker.sock", True),
        ("monopco.fr", None, False),
        (None, "ssh://a@b", False),
    ],
)
def test_only_this_machine_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, host: str | None, docker_host: str | None, local: bool
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    if docker_host:
        monkeypatch.setenv("DOCKER_HOST", docker_host)
    file = StackFile("dev", {"monopco:server": {"host": host}}, {})
    assert preflight.is_local(file) is local


def test_mistakes_are_told_before_a_port_is_moved(monkeypatch: pytest.MonkeyPatch, taken: socket.socket) -> None:
    class Refusing(Recorder):
        def check(self) -> None:
            raise CommandError("1 mistake in the configuration", MISTAKE)

    running(monkeypatch)
    pulumi = Refusing()
    with pytest.raises(CommandError, match="1 mistake in the configuration"):
        preflight.settle_ports(stack({"httpPort": port_of(taken)}), pulumi)
    assert pulumi.written == {}


def test_a_container_that_has_the_port_is_named(monkeypatch: pytest.MonkeyPatch, taken: socket.socket) -> None:
    running(monkeypatch)
    monkeypatch.setattr(containers, "publisher", lambda _port: "web")
    with pytest.raises(CommandError, match="is taken by the container web"):
        preflight.settle_ports(stack({}, {"httpsPort": port_of(taken)}), Recorder())
