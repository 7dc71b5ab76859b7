"""The commands of the documents that no other test types, at one environment whose source is a git repository."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.integration.environment import PROJECT, Environment, wait_until
from tests.repositories import commit_all, git

TAG = "v1.2.0"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample app in a repository, tagged; a later commit does not even have a package."""
    folder = tmp_path_factory.mktemp("source") / "app"
    shutil.copytree(PROJECT / "examples" / "app", folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
    commit_all(folder)
    git(folder, "tag", TAG)
    (folder / "package.json").unlink()
    git(folder, "commit", "--quiet", "--all", "--message", "broken")
    return folder


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Iterator[Environment]:
    folder = tmp_path_factory.mktemp("commands") / "project"
    one = Environment(folder, "commands", {"app": {"source": f"file://{source}", "replicas": 1, "secrets": []}})
    try:
        one.monopco("checkpoint", "--message", TAG, "--ref", TAG)
        one.monopco("publish")
        yield one
    finally:
        one.destroy()


def note(environment: Environment, body: str) -> None:
    environment.monopco("psql", "--write", "-c", f"INSERT INTO notes (author, body) VALUES ('me', '{body}')")  # noqa: S608


def notes(environment: Environment) -> list[str]:
    return sorted(one["body"] for one in environment.request("GET", "/api/notes").json())


def test_a_tag_of_the_source_is_what_runs(environment: Environment, source: Path) -> None:
    assert git(source, "rev-parse", f"{TAG}^{{commit}}") in environment.stack_file.read_text()
    (recorded,) = json.loads(environment.monopco("releases", "--json"))
    assert (recorded["tag"], recorded["description"]) == (TAG, TAG)
    assert environment.request("GET", "/api/info").json()["release"] == recorded["id"]


def test_a_run_that_would_wait_need_not(environment: Environment) -> None:
    assert "Nothing to change" in environment.monopco("up", "--wait", "900", "--lease", "30")


def test_the_nightly_report_finds_nothing(environment: Environment, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    environment.monopco("preview", "--refresh", "--expect-no-changes", "--markdown", str(report))
    assert "Nothing would change" in report.read_text()


def test_the_status_is_shown_until_it_is_interrupted(environment: Environment, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    with (
        shown.open("w") as file,
        subprocess.Popen(
            # Whoever runs the tests in the background has interrupts ignored, and so would all that they start.
            ["env", "--default-signal=INT", *environment.command("status", "--watch")],
            cwd=environment.folder,
            env=environment.variables,
            stdout=file,
        ) as watching,
    ):
        try:
            wait_until(lambda: shown.read_text().count(environment.output("release")) > 1, "it looks a second time")
        finally:
            watching.send_signal(signal.SIGINT)
    assert watching.returncode == 0


def test_a_plan_needs_nothing_but_the_two_commits(environment: Environment, tmp_path: Path) -> None:
    first = commit_all(environment.folder)
    assert "Nothing would change" in environment.monopco("plan")
    set_greeting = ("config", "set", "--path", "monopco:app.env.GREETING", "hello")
    environment.pulumi(*set_greeting, "--stack", environment.stack)
    report = tmp_path / "report.md"
    assert "GREETING" in environment.monopco("plan", "--against", first, "--markdown", str(report))
    assert "GREETING" in report.read_text()


@pytest.mark.long
def test_a_moment_and_a_backup_are_restored_and_a_moment_is_made_live(environment: Environment) -> None:
    note(environment, "kept")
    environment.monopco("backup")
    listed = json.loads(environment.monopco("backups", "--json", "--prove"))
    assert [proof["proved"] for proof in listed["proofs"]] == [True]
    newest = listed["backups"][0]["id"]
    moment = datetime.now(timezone.utc).isoformat(sep=" ", timespec="microseconds")
    note(environment, "after that moment")
    for where in (("--to", moment), ("--backup", newest)):
        environment.monopco("restore", *where)
    assert notes(environment) == ["after that moment", "kept"]
    environment.monopco("restore", "--to", moment, "--live", "--yes")
    wait_until(lambda: notes(environment) == ["kept"], "the app reads what was at that moment")


@pytest.mark.long
def test_data_that_is_kept_is_there_again(environment: Environment) -> None:
    newest = json.loads(environment.monopco("backups", "--json"))["backups"][0]["id"]
    environment.monopco("down", "--keep-data", "--yes")
    assert environment.ours("container") == []
    environment.monopco("up")
    assert notes(environment) == ["kept"]
    # The backups from before, and their key, too.
    environment.monopco("backup")
    backups = json.loads(environment.monopco("backups", "--json"))["backups"]
    assert newest in [one["id"] for one in backups]
