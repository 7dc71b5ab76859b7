from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ops import checkout
from ops.errors import CommandError
from ops.stack_file import StackFile


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "package.json").write_text("{}")
    for command in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "--quiet", "-m", "first"],
    ):
        subprocess.run(["git", "-C", folder, *command], check=True)
    return folder


def commit_of(repository: Path) -> str:
    answer = subprocess.run(["git", "-C", repository, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return answer.stdout.strip()


def stack(source: str, ref: str | None) -> StackFile:
    return StackFile("dev", {"monopco:app": {"source": source, "ref": ref}}, {})


def test_the_pinned_commit_is_fetched_without_its_history(repository: Path, tmp_path: Path) -> None:
    commit = commit_of(repository)
    checkout.ensure(stack(f"file://{repository}", commit), tmp_path)
    folder = tmp_path / ".cache" / "sources" / commit
    assert [path.name for path in folder.iterdir()] == ["package.json"]
    assert [path.name for path in folder.parent.iterdir()] == [commit]


def test_a_commit_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    commit = "a" * 40
    (tmp_path / ".cache" / "sources" / commit).mkdir(parents=True)
    checkout.ensure(stack("file:///nowhere", commit), tmp_path)


def test_a_commit_that_cannot_be_had_is_told_in_gits_words_and_leaves_nothing(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"app.source: the pinned commit cannot be fetched: .*"):
        checkout.ensure(stack(f"file://{repository}", "b" * 40), tmp_path)
    assert list((tmp_path / ".cache" / "sources").iterdir()) == []


@pytest.mark.parametrize("ref", [None, "main", "abc123"])
def test_a_source_that_pins_no_commit_is_left_to_the_program(ref: str | None, tmp_path: Path) -> None:
    checkout.ensure(stack("https://example.org/app.git", ref), tmp_path)
    assert list(tmp_path.iterdir()) == []
