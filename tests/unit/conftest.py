"""What several of the unit tests start from."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorder import StackConfig

from components.stack import Stack


def write_source(folder: Path) -> Path:
    """The smallest source that can be built, with one SQL script."""
    (folder / "src").mkdir(parents=True)
    (folder / "package.json").write_text('{"name": "app", "packageManager": "pnpm@10.4.1"}\n', encoding="utf-8")
    (folder / "pnpm-lock.yaml").write_text("lockfileVersion: '9.0'\n", encoding="utf-8")
    (folder / "src" / "index.js").write_text("console.log(1);\n", encoding="utf-8")
    (folder / "01-tables.sql").write_text("CREATE TABLE notes (id int);\n", encoding="utf-8")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source folder of the test's own."""
    return write_source(tmp_path / "app")


@pytest.fixture(scope="session")
def shared_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source folder that no test changes."""
    return write_source(tmp_path_factory.mktemp("source") / "app")


@pytest.fixture
def stack() -> Stack:
    return Stack("dev")


@pytest.fixture
def base(shared_source: Path) -> StackConfig:
    """The smallest configuration that is valid."""
    return StackConfig({}).changed("app", source=str(shared_source), secrets=[])
