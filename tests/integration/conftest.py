"""What several modules of integration tests share, because it is slow to make."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from components.database import DATABASE
from tests.integration import database_lab
from tests.integration.database_lab import Server
from tests.integration.proxy_lab import docker

# What takes longest begins first, so that no core waits in the end for the other's last file.
LONGEST = (
    "test_hardening",
    "test_releases",
    "test_verify",
    "test_pull_requests",
    "test_remote",
    "test_interrupted",
    "test_database_backups",
    "test_dev_stack",
    "test_production",
    "test_acme",
    "test_watched",
    "test_proxy_image",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def database_network() -> Iterator[str]:
    """A network for database containers, whose image has been built."""
    database_lab.build()
    name = f"database-test-{uuid.uuid4().hex[:8]}"
    docker("network", "create", name)
    yield name
    docker("network", "rm", name)


@pytest.fixture(scope="session")
def database_server(database_network: str) -> Iterator[Server]:
    """A server that has been provisioned, for tests that leave it as it is."""
    server = Server(database_network).start()
    server.provision()
    yield server
    server.remove()


@pytest.fixture
def database(database_server: Server) -> Server:
    """The same with a database as it is right after provisioning; the test may fill it."""
    database_server.ask(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)", database="postgres")
    database_server.provision()
    return database_server
