"""What several of the unit tests start from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from environments import (
    ENVIRONMENTS,
    FROM_SOURCE,
    PINNED,
    Environment,
    recorded,
    recorded_release,
    write_certificate,
    write_source,
)
from recorder import Recording, StackConfig

from components.ssh import Ssh
from components.stack import Stack


@pytest.fixture(scope="session", autouse=True)
def _own_servers() -> Iterator[None]:
    """The files by which this project's own servers are reached stay as they are."""
    with patch.object(Ssh, "write", autospec=True):
        yield


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source folder of the test's own."""
    return write_source(tmp_path / "app")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source, a certificate and its key, and the record of a release, which no test changes."""
    made = tmp_path_factory.mktemp("environment")
    write_source(made / "app")
    write_certificate(made)
    recorded_release(made)
    return made


@pytest.fixture
def base(folder: Path) -> StackConfig:
    """The smallest configuration that is valid."""
    return StackConfig({}).changed("app", source=str(folder / "app"), secrets=[])


@pytest.fixture
def stack() -> Stack:
    return Stack("dev")


@pytest.fixture(params=ENVIRONMENTS)
def name_of_environment(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def environment(name_of_environment: str) -> Environment:
    return ENVIRONMENTS[name_of_environment]


@pytest.fixture
def recording(name_of_environment: str, folder: Path) -> Recording:
    """One run of the whole program; every environment has its turn."""
    return recorded(name_of_environment, folder)


@pytest.fixture(params=FROM_SOURCE)
def built(request: pytest.FixtureRequest, folder: Path) -> Recording:
    """One run of the whole program that makes the release from its source."""
    return recorded(request.param, folder)


@pytest.fixture(params=PINNED)
def again(request: pytest.FixtureRequest, folder: Path) -> Recording:
    """One run of the whole program that runs a recorded release again."""
    return recorded(request.param, folder)


@pytest.fixture
def deployed(folder: Path) -> Recording:
    """The whole program, deploying the stack dev."""
    return recorded("dev deployed", folder)
