"""The checkout of a git source, against repositories of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops import checkout
from ops.errors import FAILED, MISTAKE, CommandError
from ops.pulumi import Pulumi
from ops.stack_file import StackFile
from source import tag_file
from tests.repositories import commit_all, git


def commit(folder: Path, message: str) -> str:
    git(folder, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "package.json").write_text("{}", encoding="utf-8")
    commit_all(folder)
    return folder


def commit_of(repository: Path) -> str:
    return git(repository, "rev-parse", "HEAD")


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


class TestResolve:
    def test_a_branch_is_its_newest_commit(self, repository: Path) -> None:
        git(repository, "branch", "feature/one")
        first, second = commit_of(repository), commit(repository, "second")
        url = f"file://{repository}"
        assert checkout.resolve(url, "main") == (second, "")
        assert checkout.resolve(url, "feature/one") == (first, "")

    def test_head_is_the_commit_of_the_branch_that_is_checked_out(self, repository: Path) -> None:
        git(repository, "branch", "other")
        second = commit(repository, "second")
        assert checkout.resolve(f"file://{repository}", "HEAD") == (second, "")

    def test_a_lightweight_tag_is_its_commit(self, repository: Path) -> None:
        first = commit_of(repository)
        git(repository, "tag", "v1")
        commit(repository, "second")
        assert checkout.resolve(f"file://{repository}", "v1") == (first, "v1")

    def test_an_annotated_tag_is_its_commit_and_not_its_own_object(self, repository: Path) -> None:
        first = commit_of(repository)
        git(repository, "tag", "--annotate", "-m", "One.", "v1")
        assert git(repository, "rev-parse", "v1") != first
        commit(repository, "second")
        assert checkout.resolve(f"file://{repository}", "v1") == (first, "v1")

    @pytest.mark.parametrize("kind", [[], ["--annotate", "-m", "One."]], ids=["lightweight", "annotated"])
    def test_a_branch_on_a_tagged_commit_has_its_tag(self, repository: Path, kind: list[str]) -> None:
        git(repository, "tag", *kind, "v1")
        assert checkout.resolve(f"file://{repository}", "main") == (commit_of(repository), "v1")
        assert checkout.resolve(f"file://{repository}", "HEAD") == (commit_of(repository), "v1")

    def test_of_two_tags_the_one_that_was_asked_for_is_told(self, repository: Path) -> None:
        for tag in ("a", "b"):
            git(repository, "tag", tag)
        assert checkout.resolve(f"file://{repository}", "b") == (commit_of(repository), "b")
        assert checkout.resolve(f"file://{repository}", "main") == (commit_of(repository), "a")

    def test_a_tag_comes_before_a_branch_of_its_name_as_with_git(self, repository: Path) -> None:
        first = commit_of(repository)
        git(repository, "tag", "same")
        git(repository, "switch", "--quiet", "--create", "same")
        commit(repository, "second")
        assert checkout.resolve(f"file://{repository}", "same") == (first, "same")

    @pytest.mark.parametrize("ref", ["nowhere", "refs/heads/nowhere", "", "--upload-pack=evil", "ma"])
    def test_what_is_neither_branch_nor_tag_is_a_mistake(self, repository: Path, ref: str) -> None:
        with pytest.raises(CommandError) as caught:
            checkout.resolve(f"file://{repository}", ref)
        assert str(caught.value) == (
            f"app.ref: file://{repository} has no branch or tag {ref}; git ls-remote shows those that it has"
        )
        assert caught.value.code == MISTAKE

    def test_a_repository_that_is_not_there_is_told_in_gits_words_without_its_token(self, tmp_path: Path) -> None:
        with pytest.raises(CommandError) as caught:
            checkout.resolve(f"file://me:hush@/{tmp_path}/nowhere", "main")
        assert str(caught.value).startswith(f"app.source: file:///{tmp_path}/nowhere: ")
        assert "hush" not in str(caught.value)
        assert caught.value.code == FAILED


class Written(Pulumi):
    """Keeps what would be written to the stack's file."""

    def __init__(self) -> None:
        super().__init__("dev")
        self.config: dict[str, str] = {}

    def set_config(self, path: str, value: str) -> None:
        self.config[path] = value


class TestPin:
    @pytest.fixture(autouse=True)
    def _project(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(checkout, "PROJECT", tmp_path)
        monkeypatch.setattr(StackFile, "read", staticmethod(lambda name: StackFile(name, {"read": "again"}, {})))

    def test_a_branch_becomes_the_commit_that_it_is_now(self, repository: Path) -> None:
        pulumi = Written()
        file = checkout.pin(stack(f"file://{repository}", "main"), pulumi, "")
        assert pulumi.config == {"monopco:app.ref": commit_of(repository)}
        assert file.given == {"read": "again"}

    def test_without_a_ref_it_is_the_repositorys_head(self, repository: Path) -> None:
        pulumi = Written()
        checkout.pin(stack(f"file://{repository}", None), pulumi, "")
        assert pulumi.config == {"monopco:app.ref": commit_of(repository)}

    def test_a_ref_that_is_given_comes_before_that_of_the_file(self, repository: Path, tmp_path: Path) -> None:
        git(repository, "tag", "v1")
        first = commit_of(repository)
        second, pulumi = commit(repository, "second"), Written()
        checkout.pin(stack(f"file://{repository}", second), pulumi, "v1")
        assert pulumi.config == {"monopco:app.ref": first}
        assert tag_file(tmp_path, first).read_text(encoding="utf-8") == "v1"

    def test_a_commit_is_taken_as_it_is_and_nobody_is_asked(self) -> None:
        pulumi = Written()
        checkout.pin(stack("https://127.0.0.1:1/app.git", None), pulumi, "a" * 40)
        assert pulumi.config == {"monopco:app.ref": "a" * 40}

    def test_a_commit_that_is_pinned_already_is_not_written_again(self) -> None:
        pulumi, file = Written(), stack("https://127.0.0.1:1/app.git", "a" * 40)
        assert checkout.pin(file, pulumi, "") is file
        assert pulumi.config == {}

    def test_a_folder_has_nothing_to_pin(self) -> None:
        pulumi, file = Written(), stack("../app", None)
        assert checkout.pin(file, pulumi, "") is file
        assert pulumi.config == {}

    def test_a_ref_for_a_folder_is_a_mistake(self) -> None:
        with pytest.raises(CommandError) as caught:
            checkout.pin(stack("../app", None), Written(), "main")
        assert str(caught.value) == (
            "--ref: app.source is a folder (../app), not a git repository; check it out there."
        )
        assert caught.value.code == MISTAKE

    def test_an_unknown_ref_writes_nothing(self, repository: Path) -> None:
        pulumi = Written()
        with pytest.raises(CommandError, match="has no branch or tag nowhere"):
            checkout.pin(stack(f"file://{repository}", "main"), pulumi, "nowhere")
        assert pulumi.config == {}
