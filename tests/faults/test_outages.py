"""Faults of a server: Docker and the machine itself end and begin again, and all comes back without a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.faults.measure import Costs, Fault, cost_of, under_load
from tests.integration import server_lab
from tests.integration.environment import Environment, wait_until
from tests.integration.server_lab import LabServer

# Servers of their own, which are set up, switched off and started again.
pytestmark = pytest.mark.long

STACK = "outage"
NEW_ONES = "new connections, and names for the app's own, until Docker is back; the containers live on"


@dataclass(frozen=True)
class Production:
    environment: Environment
    server: LabServer

    def begun(self) -> str:
        """When each container was started."""
        ours = f"docker ps --quiet --filter label=dev.monopco.stack={STACK}"
        return self.server(f"docker inspect --format '{{{{.Name}}}} {{{{.State.StartedAt}}}}' $({ours}) | sort")

    def answers(self) -> bool:
        try:
            return self.environment.request("GET", "/api/notes").status == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """A server as `./monopco up` leaves it, with its ports at this machine's, where the visitors are."""
    folder = tmp_path_factory.mktemp("outage")
    environment = Environment(folder / "project", STACK)
    ports = (environment.http_port, environment.https_port)
    published = [option for port in ports for option in ("--publish", f"127.0.0.1:{port}:{port}")]
    with server_lab.server(folder, options=published) as server:
        environment.write_config(
            app={"secrets": [], "watchSeconds": 0},
            http={"address": "0.0.0.0", "httpPort": ports[0], "httpsPort": ports[1]},  # noqa: S104 - of the server
            server={"host": server.address},
            policies={"production": False},  # it is taken away again
        )
        path = ("--path", "monopco:server.privateKey")
        environment.pulumi("config", "set", "--secret", *path, "--stack", STACK, stdin=server.key.private)
        environment.monopco("up")
        yield Production(environment, server)


def test_docker_is_restarted(production: Production, costs: Costs) -> None:
    before = production.begun()

    def strike(_: Environment) -> None:
        production.server("systemctl restart docker")

    fault = Fault(strike, NEW_ONES)
    cost = cost_of(production.environment, "Docker is restarted on the server", fault)
    costs.add(cost)
    assert cost.data_lost == 0
    assert production.begun() == before


def test_docker_is_killed(production: Production, costs: Costs) -> None:
    before = production.begun()

    def strike(_: Environment) -> None:
        daemon = production.server("pidof dockerd")
        production.server(f"kill -KILL {daemon}")
        wait_until(
            lambda: production.server("pidof dockerd && docker info >/dev/null", check=False) not in ("", daemon),
            "systemd has started Docker again",
        )

    fault = Fault(strike, NEW_ONES)
    cost = cost_of(production.environment, "Docker is killed on the server", fault)
    costs.add(cost)
    assert cost.data_lost == 0
    assert production.begun() == before


def test_the_power_of_the_server_fails(production: Production, costs: Costs) -> None:
    fault = Fault(lambda _: production.server.restart(), "all requests until it is up")
    cost = cost_of(production.environment, "the power of the server fails for a moment", fault)
    costs.add(cost)
    assert cost.data_lost == 0
    wait_until(production.answers, "the site answers again")


def test_nothing_is_to_be_done_afterwards(production: Production) -> None:
    with under_load(production.environment):
        assert "Nothing to change" in production.environment.monopco("up")
