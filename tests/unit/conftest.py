"""What several of the unit tests start from."""

from __future__ import annotations

from pathlib import Path

import pytest
from environments import write_certificate, write_source
from recorder import StackConfig

from components.stack import Stack


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source folder of the test's own."""
    return write_source(tmp_path / "app")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source, a certificate and its key, which no test changes."""
    made = tmp_path_factory.mktemp("environment")
    write_source(made / "app")
    write_certificate(made)
    return made


@pytest.fixture
def base(folder: Path) -> StackConfig:
    """The smallest configuration that is valid."""
    return StackConfig({}).changed("app", source=str(folder / "app"), secrets=[])


@pytest.fixture
def stack() -> Stack:
    return Stack("dev")
