"""How day-2 commands reach a database: on a server by the same connection as `up`."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.ssh import CONFIG_VARIABLE
from ops import containers
from ops.caretaker import Caretaker
from ops.database import Reach

SERVER = "ssh://monopco@a.fr:2222"


@pytest.mark.parametrize(
    "command",
    [
        Reach(SERVER, "database", external=False).command("psql"),
        Reach(SERVER, "client", external=True).command("pg_dump"),
        Caretaker("backups", SERVER)._command(),
        containers.client(SERVER),
    ],
)
def test_a_server_is_reached_by_the_projects_own_settings(command: list[str]) -> None:
    assert command[0] == "env"
    settings = dict(word.split("=", 1) for word in command[1 : command.index("docker")])
    assert settings["DOCKER_HOST"] == SERVER
    assert Path(settings[CONFIG_VARIABLE]).parts[-2:] == ("a.fr-2222", "config")
    assert (Path(settings["PATH"].split(":")[0]) / "ssh").is_file()


def test_this_machine_needs_none() -> None:
    assert containers.client(None) == ["docker"]
    assert Reach(None, "database", external=False).command("psql")[:2] == ["docker", "exec"]
