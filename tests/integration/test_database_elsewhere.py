"""A database that is somebody else's: asked first, given the scripts, and never made, stopped or removed by us."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from components.database import DATABASE, OWNER_ROLE
from tests.integration.database_lab import PASSWORDS, Server
from tests.integration.environment import Environment, free_ports, run


@pytest.fixture
def external(database_network: str) -> Iterator[tuple[Server, str]]:
    """A server that is reached through an address of the machine, and its URL."""
    bridge = json.loads(run(["ip", "-json", "-4", "address", "show", "docker0"]).stdout)
    gateway = bridge[0]["addr_info"][0]["local"]
    (port,) = free_ports(1)
    server = Server(database_network, options=("--publish", f"{gateway}:{port}:5432")).start()
    server.provision()
    password = quote(PASSWORDS[OWNER_ROLE], safe="")
    yield server, f"postgresql://{OWNER_ROLE}:{password}@{gateway}:{port}/{DATABASE}?sslmode=disable"
    server.remove()


def test_the_app_runs_on_an_external_database_that_outlives_it(external: tuple[Server, str], tmp_path: Path) -> None:
    server, url = external
    environment = Environment(tmp_path / "project", "abroad")
    environment.write_config(database={"mode": "external"})
    environment.pulumi(
        "config", "set", "--secret", "--path", "monopco:database.url", "--stack", environment.stack, stdin=url
    )
    try:
        environment.up()
        assert environment.request("GET", "/api/info").json()["database"]["ok"] is True
        assert environment.request("GET", "/api/notes").status == 200
        assert environment.containers("database") == []
        state = environment.folder / ".state/.pulumi/stacks/monopco" / f"{environment.stack}.json"
        assert quote(PASSWORDS[OWNER_ROLE], safe="") not in state.read_text()
        assert PASSWORDS[OWNER_ROLE] not in state.read_text()
        environment.up("--expect-no-changes")
    finally:
        environment.destroy()
    kept = server.run("psql", "-Atd", DATABASE, "-U", "postgres", "-c", "SELECT count(*) FROM monopco.migrations")
    assert kept.output == "2"
