"""Which commands can do without a Docker of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.bootstrap.__main__ import docker_is_optional

ON_SERVER = "config:\n  monopco:server:\n    port: 22\n    host: a.fr\n"
BUILT_THERE = "  monopco:app:\n    buildOn: server\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "dev": "config:\n  monopco:http: {httpPort: 80}\n",
        "prod": ON_SERVER,
        "there": ON_SERVER + BUILT_THERE,
        "local": "config:\n  monopco:server:\n    host:\n" + BUILT_THERE,
    }
    for name, text in files.items():
        (tmp_path / f"Pulumi.{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "optional"),
    [
        ("env", True),
        ("up", False),
        ("up -s prod", False),
        ("rollback -s prod", True),
        ("publish 1a2b --stack prod", True),
        ("down --stack=prod", True),
        ("up -s there", True),
        ("checkpoint -m x -s there", True),
        ("up -s local", False),
        ("rollback", False),
        ("up -s nowhere", False),
        ("", False),
    ],
)
def test_docker_here_is_needed_only_where_something_is_built_or_runs_here(
    project: Path, line: str, optional: bool
) -> None:
    assert docker_is_optional(line.split(), project) is optional
