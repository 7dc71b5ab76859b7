"""The verbs, their help and their exit codes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.__main__ import _VERBS, command_line
from ops.builds import BuildLogs, failed_step, last_line
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


def test_env_alone_prints_the_settings_of_a_shell(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file://~")  # a backend of one's own: no stack is made by the way
    code, said = call("env")
    said += capfd.readouterr().out
    assert code == 0
    assert all(line.startswith("export ") for line in said.splitlines())
    assert "export PULUMI_HOME=" in said


@pytest.mark.parametrize("verb", ["create", "remove", "list", "reconcile"])
def test_env_has_verbs_of_its_own(verb: str) -> None:
    code, said = call("env", verb, "--help")
    assert code == 0
    assert f"env {verb} [OPTIONS]" in said


def test_a_builds_last_line_is_without_what_steers_a_terminal(tmp_path: Path) -> None:
    log = tmp_path / "build-app.log"
    log.write_bytes(b"first\n\x1b[32m#14 12.23 transforming...\x1b[0m\r\n\n")
    assert last_line(log) == "#14 12.23 transforming..."


def test_what_the_failed_step_said_is_shown_without_what_others_said_beside_it() -> None:
    log = [
        "#3 0.100 another step",
        "#14 0.650 api.ts:62: unexpected end",
        "#3 DONE 0.2s",
        "#14 ERROR: executor failed running [/bin/sh]",
        "------",
        "0.650 api.ts:62: unexpected end",
    ]
    assert failed_step(log) == ["api.ts:62: unexpected end"]
    assert failed_step(["no such step"]) == ["no such step"]


def test_a_build_of_an_earlier_run_has_no_last_words(tmp_path: Path) -> None:
    log = tmp_path / "build-app.log"
    log.write_text("#1 ERROR: old\n", encoding="utf-8")
    os.utime(log, (0, 0))
    assert BuildLogs(tmp_path).last_words("app") == []
    assert BuildLogs(tmp_path).last_words("proxy") == []


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
