"""Which tests are run, and which are tried once more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops import test as command


class Runs:
    """Pytest's runs: what each is to note as failed, and what each was given."""

    def __init__(self, note: Path, *failures: list[str]) -> None:
        self._note = note
        self._failures: Iterator[list[str]] = iter(failures)
        self.given: list[list[str]] = []

    def __call__(self, _module: str, *arguments: str) -> int:
        self.given.append([argument for argument in arguments if argument.startswith("tests/")])
        failed = next(self._failures)
        self._note.write_text(json.dumps(dict.fromkeys(failed, True)), encoding="utf-8")
        return int(bool(failed))


def tried(monkeypatch: pytest.MonkeyPatch, folder: Path, *failures: list[str]) -> tuple[bool, list[list[str]]]:
    note = folder / "lastfailed"
    note.write_text('{"tests/integration/test_old.py::test_long_ago": true}', encoding="utf-8")
    runs = Runs(note, *failures)
    monkeypatch.setattr(command, "_LAST_FAILED", note)
    monkeypatch.setattr(command, "_python", runs)
    return command._tests_with_real_parts("integration", True), runs.given


A, B = "tests/integration/test_a.py", "tests/integration/test_b.py"


def test_nothing_is_tried_again_that_passed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert tried(monkeypatch, tmp_path, []) == (True, [["tests/integration"]])


def test_the_whole_file_of_a_failed_test_is_tried_once_more_and_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = [f"{A}::TestOne::test_x[1]", f"{A}::test_y", f"{B}::test_z"]
    assert tried(monkeypatch, tmp_path, failed, []) == (True, [["tests/integration"], [A, B]])
    assert f"passed only when tried once more: {A} {B}" in " ".join(capsys.readouterr().out.split())


def test_what_fails_twice_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    passed, given = tried(monkeypatch, tmp_path, [f"{A}::test_x"], [f"{A}::test_x"])
    assert not passed
    assert len(given) == 2


def test_many_failed_files_are_no_accident(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failed = [f"tests/integration/test_{number}.py::test_x" for number in range(command.TRIED_AGAIN + 1)]
    assert tried(monkeypatch, tmp_path, failed) == (False, [["tests/integration"]])


def test_a_run_that_did_not_come_to_tests_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "_LAST_FAILED", tmp_path / "none")
    monkeypatch.setattr(command, "_python", lambda *_arguments: 4)
    assert not command._tests_with_real_parts("integration", True)


@pytest.mark.parametrize(
    ("suite", "folders", "left_out"),
    [
        (None, ["unit", "integration", "faults"], True),
        (command.Suite.INTEGRATION, ["integration"], False),
        (command.Suite.FAULTS, ["faults"], False),
        (command.Suite.UNIT, ["unit"], False),
    ],
)
def test_what_takes_long_is_left_out_only_where_no_suite_is_named_and_that_is_told(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    suite: command.Suite | None,
    folders: list[str],
    left_out: bool,
) -> None:
    runs: list[tuple[str, ...]] = []

    def passes(_module: str, *arguments: str) -> int:
        runs.append(arguments)
        return 0

    monkeypatch.setattr(command, "_python", passes)
    monkeypatch.setattr(command, "_checked", lambda: True)
    command.test(suite)
    assert [run[0] for run in runs] == [f"tests/{folder}" for folder in folders]
    assert ["not long" in run for run in runs if run[0] != "tests/unit"] == [
        left_out for folder in folders if folder != "unit"
    ]
    assert ("left out" in capsys.readouterr().out) == left_out
