"""The verbs, their help and their exit codes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.__main__ import _VERBS, command_line
from ops.builds import BuildLogs, last_line
from ops.errors import MISTAKE


def call(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(command_line(arguments), arguments)
    return result.exit_code, result.output


@pytest.mark.parametrize("verb", _VERBS)
def test_every_verb_has_help(verb: str) -> None:
    code, said = call(verb, "--help")
    assert code == 0
    assert f"{verb} [OPTIONS]" in said


def test_help_lists_every_verb() -> None:
    code, said = call("--help")
    assert code == 0
    assert all(f" {verb} " in said for verb in _VERBS)


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["up", "--nonsense"], ["logs", "nginx"], ["test", "everything"], []]
)
def test_wrong_usage_is_a_mistake(arguments: list[str]) -> None:
    assert call(*arguments)[0] == MISTAKE


def test_a_builds_last_line_is_without_what_steers_a_terminal(tmp_path: Path) -> None:
    log = tmp_path / "build-app.log"
    log.write_bytes(b"first\n\x1b[32m#14 12.23 transforming...\x1b[0m\r\n\n")
    assert last_line(log) == "#14 12.23 transforming..."


def test_only_builds_that_run_now_are_told_and_each_line_once(tmp_path: Path) -> None:
    old = tmp_path / "build-old.log"
    old.write_text("done long ago\n", encoding="utf-8")
    os.utime(old, (0, 0))
    logs = BuildLogs(tmp_path)
    new = tmp_path / "build-app.log"
    new.write_text("#1 begins\n", encoding="utf-8")
    os.utime(new, (2**31, 2**31))
    assert list(logs.news()) == [("app", "#1 begins")]
    assert list(logs.news()) == []
