"""The plan: the program of two commits compared, without secrets, state or Docker."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from recorder import PROJECT
from typer.testing import CliRunner

from ops import plan
from ops.__main__ import command_line
from ops.rehearsal.program import PLACEHOLDER, config_of
from ops.stack_file import StackFile
from tests.repositories import commit_all, git


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parts of the project that its program reads, in a repository of their own."""
    folder = tmp_path_factory.mktemp("plan") / "project"
    folder.mkdir()
    for path in [*PROJECT.glob("*.py"), PROJECT / "Pulumi.yaml"]:
        shutil.copy2(path, folder / path.name)
    for name in ("components", "images", "examples", "zones"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    config = {
        "monopco:app": {"secrets": ["MAIL_KEY"], "source": "examples/app"},
        "monopco:MAIL_KEY": {"secure": "v1:cannot-be-read-here"},
        "monopco:database": {"protect": True},
    }
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}), encoding="utf-8")
    commit_all(folder)
    return folder


@pytest.fixture
def project(committed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(plan, "PROJECT", committed)
    original = StackFile.read
    monkeypatch.setattr(StackFile, "read", staticmethod(lambda name, folder=committed: original(name, folder)))
    yield committed
    git(committed, "checkout", "--quiet", "--", ".")


def change(project: Path, section: str, **keys: Any) -> None:
    path = project / "Pulumi.dev.yaml"
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    document["config"].setdefault(f"monopco:{section}", {}).update(keys)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")


def planned(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(command_line(["plan"]), ["plan", "-s", "dev", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    """Exit code and lines of a plan."""
    code, shown = planned(*arguments)
    return code, (shown + capsys.readouterr().out).splitlines()


@pytest.mark.usefixtures("project")
def test_the_same_commit_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = run(capsys)
    assert (code, lines[0]) == (0, "Nothing would change.")


def test_a_variable_is_told_like_by_a_preview(
    project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    change(project, "app", env={"FEATURE": "on"})
    code, lines = run(capsys, "--markdown", str(tmp_path / "report.md"))
    assert code == 0
    assert lines[0].startswith("No interruption: one environment variable changes (FEATURE); a new release ")
    assert "  - FEATURE: nothing → on" in lines
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert report.startswith("**`dev`: No interruption: one environment variable changes (`FEATURE`)")
    assert PLACEHOLDER not in report + "\n".join(lines)


def test_a_port_replaces_the_proxy(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(project, "http", httpPort=8090)
    code, lines = run(capsys)
    assert (code, lines[0]) == (0, "Some seconds of interruption: nginx's container is replaced (ports).")


def test_deleting_protected_data_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(project, "database", mode="external", url={"secure": "v1:x"})
    code, lines = run(capsys)
    assert code == 1
    assert lines[0].startswith("Refused: ")
    assert "the volume monopco-dev-database would be deleted, and it is protected" in lines[0]


def test_a_mistake_is_told_with_its_key(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(project, "app", replicas=0)
    code, lines = run(capsys)
    assert code == 2
    assert lines[0].startswith("Refused: 1 mistake in the configuration; nothing was touched: app.replicas: must be")


def test_a_broken_policy_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(project, "app", env={"SMTP_PASSWORD": "x"})
    code, lines = run(capsys)
    assert code == 2
    assert lines[0].startswith("Refused: 1 finding against the policies; nothing was touched: noPlainSecrets: ")


def test_secrets_of_every_kind_are_stood_in_for_and_nothing_is_written(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hidden = {"secure": "v1:x"}
    change(project, "server", host="monopco.fr", privateKey=hidden)
    remote = {"type": "s3", "endpoint": "s3.fr", "bucket": "b", "region": "r", "key": hidden, "secret": hidden}
    change(project, "backups", key=hidden, remote=remote)
    change(project, "monitoring", enabled=True, alerts={"webhook": {"url": hidden}, "heartbeatUrl": hidden})
    change(project, "dns", mode="rfc2136", server="ns.fr", keyName="k", keySecret=hidden, ipv4="192.0.2.1")
    code, lines = run(capsys)
    assert code == 0, lines
    assert any("create container monitoring-watch" in line for line in lines)
    assert PLACEHOLDER not in "\n".join(lines)
    assert not (project / ".state").exists()


def test_no_worktree_stays(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys)
    listed = subprocess.run(["git", "worktree", "list"], cwd=project, check=True, capture_output=True, text=True).stdout
    assert len(listed.splitlines()) == 1


def test_every_secret_is_a_placeholder(project: Path) -> None:
    change(project, "database", url={"secure": "v1:x"})
    values, secret = config_of(project, "dev")
    assert values["monopco:MAIL_KEY"] == PLACEHOLDER
    assert secret == ["monopco:MAIL_KEY", "monopco:database"]
    assert "v1:" not in "".join(values.values())
