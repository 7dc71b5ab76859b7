"""The commands on a swarm: every server is looked at, and one that does not answer hides no other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_ops_first_contact import ED25519, SCANNED, pin

from ops import containers, drift, key_file, logs, maintenance, proxy, ssh
from ops.containers import Container
from ops.errors import CommandError
from ops.stack_file import StackFile

MANAGER, FIRST, SECOND = "10.0.0.1", "10.0.0.2", "10.0.0.3"
NODES = [{"host": FIRST, "hostKey": ED25519}, {"host": SECOND}]


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch) -> StackFile:
    monkeypatch.setattr(key_file, "write", lambda *_: None)
    server = {"host": MANAGER, "hostKey": ED25519, "port": 2222, "privateKey": None, "user": "root", "nodes": NODES}
    return StackFile("prod", {"monopco:server": server}, {})


def docker_of(host: str) -> str:
    return f"ssh://monopco@{host}:2222"


def test_the_nodes_are_reached_as_the_manager_is_each_by_its_own_key(file: StackFile) -> None:
    assert [(each.host, each.port, each.host_key) for each in file.nodes] == [
        (FIRST, 2222, ED25519),
        (SECOND, 2222, None),
    ]
    assert file.node_hosts == {host: docker_of(host) for host in (FIRST, SECOND)}


def test_one_server_has_no_nodes() -> None:
    assert StackFile("dev", {}, {"monopco:server": {"host": None, "nodes": []}}).nodes == []


def test_the_host_key_of_each_node_is_pinned_at_the_first_contact(monkeypatch: pytest.MonkeyPatch) -> None:
    server = {"host": MANAGER, "hostKey": ED25519, "nodes": NODES}
    assert pin(
        StackFile("prod", {"monopco:server": server}, {"monopco:server": {"port": 22}}), monkeypatch, SCANNED
    ) == {"monopco:server.nodes[1].hostKey": ED25519}


def test_containers_of_every_server_are_found_and_a_dead_one_is_told(
    file: StackFile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def of_stack(_: str, host: str | None) -> list[Container]:
        if host == docker_of(SECOND):
            raise CommandError("does not answer")
        return [Container("monopco-prod-proxy", "proxy", "", "running", "healthy", "", (), "")]

    monkeypatch.setattr(containers, "of_stack", of_stack)
    assert [each.name for each in containers.everywhere(file)] == ["monopco-prod-proxy", f"monopco-prod-proxy@{FIRST}"]
    assert f"{SECOND}: does not answer" in "".join(capsys.readouterr())


@pytest.mark.parametrize(("state", "count"), [("running", 1), ("exited", 0), ("created", 0)])
def test_what_a_swarm_keeps_for_its_log_is_not_counted(monkeypatch: pytest.MonkeyPatch, state: str, count: int) -> None:
    labels = {"dev.monopco.component": "app", "com.docker.swarm.task.id": "x"}
    inspected = [{"Name": "/app.1", "Config": {"Labels": labels}, "State": {"Status": state}, "HostConfig": {}}]
    monkeypatch.setattr(containers, "docker", lambda command, *_: "id" if "ps" in command else json.dumps(inspected))
    assert len(containers.of_stack("prod")) == count


def test_the_log_of_a_container_is_asked_for_where_it_is(file: StackFile, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str | None]] = []

    class Nothing:
        stdout = ()

        def __enter__(self) -> Nothing:
            return self

        def __exit__(self, *_: object) -> None:
            return None

    def start(name: str, host: str | None, **_: Any) -> Nothing:
        asked.append((name, host))
        return Nothing()

    found = [Container(name, "app", "abc", "running", "healthy", "", (), "") for name in ("app.1", f"app.2@{FIRST}")]
    monkeypatch.setattr(StackFile, "read", staticmethod(lambda _: file))
    monkeypatch.setattr(containers, "everywhere", lambda _: found)
    monkeypatch.setattr(logs, "_start", start)
    logs.logs(stack="prod")
    assert asked == [("app.1", docker_of(MANAGER)), ("app.2", docker_of(FIRST))]


def test_maintenance_is_for_the_visitors_of_every_server(file: StackFile, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str | None, tuple[str, ...]]] = []

    class Front:
        def __init__(self, host: str | None) -> None:
            self.host = host

        def run(self, *command: str) -> str:
            told.append((self.host, command))
            return ""

    monkeypatch.setattr(StackFile, "read", staticmethod(lambda _: file))
    monkeypatch.setattr(proxy, "running", lambda _, host: Front(host))
    maintenance.maintenance(maintenance.Wanted.ON, stack="prod")
    assert told == [(docker_of(host), ("maintenance", "on")) for host in (MANAGER, FIRST, SECOND)]


def test_each_server_is_asked_by_its_own_steps(file: StackFile, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, list[str]] = {}

    class Pulumi:
        def resources(self) -> list[dict[str, str]]:
            parents = ("machine", f"machine-{FIRST}", f"machine-{FIRST}", "machine-10.0.0.9")
            return [{"urn": f"urn::{number}", "parent": f"urn::{name}"} for number, name in enumerate(parents)]

    def of_server(steps: list[dict[str, str]], command: list[str]) -> list[Any]:
        asked[command[0]] = [each["urn"] for each in steps]
        return []

    monkeypatch.setattr(ssh, "command", lambda *_: [MANAGER])
    monkeypatch.setattr(ssh, "node_command", lambda _, node, __: [node.host])
    monkeypatch.setattr(drift, "of_server", of_server)
    drift.of_stack(file, Pulumi())  # type: ignore[arg-type]
    assert asked == {MANAGER: ["urn::0"], FIRST: ["urn::1", "urn::2"]}
