"""Programs that the steps start: what they said is kept, and none is left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ops.bootstrap import apt, commands
from ops.bootstrap.errors import StepError
from ops.places import PROJECT

STOPPED = """
import threading, time
from ops.bootstrap import commands
process, output = commands.start(["sh", "-c", "trap '' TERM; echo ready; sleep 600 & wait; wait"])
output.readline()
commands.stop_all()
print(process.returncode)
try:
    commands.start(["true"])
except Exception as error:
    print(error)
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(commands, "CACHE", tmp_path)
    return tmp_path


def test_a_step_tells_each_line_and_keeps_them_all(cache: Path) -> None:
    told: list[str] = []
    commands.run(["sh", "-c", "echo one; echo; echo two >&2"], told.append, log="example")
    assert told == ["one", "two"]
    assert "one\n\ntwo\n" in (cache / "logs" / "example.log").read_text(encoding="utf-8")


def test_a_failed_program_is_told_with_its_last_lines_and_its_log(cache: Path) -> None:
    with pytest.raises(StepError) as caught:
        commands.run(["sh", "-c", "seq 100; exit 3"], lambda _: None, log="example")
    message = str(caught.value)
    assert "failed (exit code 3); it ended with\n    86\n" in message
    assert "    100\n" in message
    assert message.endswith(f"All of it: {cache}/logs/example.log")


def test_a_question_to_a_missing_program_has_an_answer() -> None:
    assert commands.answer(["no-such-program"]).returncode == commands.NOT_FOUND


def test_a_program_that_says_nothing_is_given_up() -> None:
    assert commands.answer(["sleep", "600"], seconds=0.1).returncode == commands.NO_ANSWER


def test_what_is_running_is_ended_and_nothing_is_begun_any_more() -> None:
    done = subprocess.run([sys.executable, "-c", STOPPED], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["-9", "interrupted"]


def test_without_apt_the_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "available", lambda: False)
    with pytest.raises(StepError, match=r"docker\.io and iptables must be installed, and this machine has no apt-get"):
        apt.install(["docker.io", "iptables"], lambda _: None)


def test_without_root_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt, "available", lambda: True)
    monkeypatch.setattr(apt, "as_root", lambda _: None)
    with pytest.raises(StepError, match=r"run `sudo apt-get install docker\.io`"):
        apt.install(["docker.io"], lambda _: None)
