"""What the pipeline says on GitHub: brought up to date, never piled up, and never over what people wrote."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops import github
from ops.errors import CommandError
from ops.report import marker

GH = """\
#!/bin/sh
# Keeps what it was asked, and answers a listing with the pages that the test has put beside it.
cd "$(dirname "$0")"
printf '%s\\n' "$*" >>asked
case $* in
    *--paginate*) cat pages ;;
    *--input*) cat >>sent; printf '\\n' >>sent; printf '{"number": 7}\\n' ;;
esac
"""
BOT, PERSON = {"type": "Bot"}, {"type": "User"}


@dataclass(frozen=True)
class Hub:
    """A gh command that answers as the test says."""

    folder: Path

    def has(self, *pages: list[dict[str, Any]]) -> None:
        (self.folder / "pages").write_text(json.dumps(pages), encoding="utf-8")

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text(encoding="utf-8").splitlines()

    @property
    def sent(self) -> list[dict[str, Any]]:
        path = self.folder / "sent"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "gh").write_text(GH, encoding="utf-8")
    (folder / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GITHUB_REPOSITORY", "monopco/infrastructure")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.example")
    monkeypatch.setenv("GITHUB_RUN_ID", "42")
    found = Hub(folder)
    found.has([])
    return found


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.md"
    path.write_text(f"**No interruption**\n\n{marker('prod')}\n", encoding="utf-8")
    return path


def test_a_first_comment_is_made(hub: Hub, report: Path) -> None:
    github.comment(report, stack="prod", pull_request=5)
    assert hub.asked[-1] == "api --method POST repos/monopco/infrastructure/issues/5/comments --input -"
    assert hub.sent == [{"body": report.read_text(encoding="utf-8")}]


def test_the_next_one_takes_its_place(hub: Hub, report: Path) -> None:
    other = {"id": 1, "user": BOT, "body": f"x {marker('dev')}"}
    copied = {"id": 2, "user": PERSON, "body": f"> {marker('prod')}"}
    own = {"id": 3, "user": BOT, "body": f"x {marker('prod')}"}
    hub.has([other, copied], [own])
    github.comment(report, stack="prod", pull_request=5)
    assert hub.asked[-1] == "api --method PATCH repos/monopco/infrastructure/issues/comments/3 --input -"


@pytest.mark.usefixtures("hub")
def test_the_report_of_another_stack_is_refused(report: Path) -> None:
    with pytest.raises(CommandError, match="no report of stack dev"):
        github.comment(report, stack="dev", pull_request=5)


def test_a_first_trouble_opens_an_issue(hub: Hub, report: Path) -> None:
    github.issue("Deploying prod failed", body=report)
    (sent,) = hub.sent
    assert sent["title"] == "Deploying prod failed"
    assert sent["body"].endswith("The run: https://github.example/monopco/infrastructure/actions/runs/42")


def test_the_same_trouble_again_is_said_in_the_open_one(hub: Hub) -> None:
    hub.has([{"number": 8, "title": "T", "user": PERSON}, {"number": 9, "title": "T", "user": BOT}])
    github.issue("T")
    assert hub.asked[-1] == "api --method POST repos/monopco/infrastructure/issues/9/comments --input -"


def test_what_is_well_again_closes_its_issue(hub: Hub) -> None:
    hub.has([{"number": 9, "title": "T", "user": BOT}])
    github.resolved("T")
    assert hub.asked[-1] == "api --method PATCH repos/monopco/infrastructure/issues/9 --input -"
    assert hub.sent[-1] == {"state": "closed"}


def test_without_trouble_nothing_is_said(hub: Hub) -> None:
    hub.has([{"number": 9, "title": "T", "user": BOT, "pull_request": {}}])
    github.resolved("T")
    assert hub.sent == []


@pytest.mark.usefixtures("hub")
def test_elsewhere_than_on_github_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY")
    with pytest.raises(CommandError, match="for a pipeline on GitHub"):
        github.issue("T")


def test_what_github_refuses_is_told_in_its_words(hub: Hub) -> None:
    (hub.folder / "gh").write_text("#!/bin/sh\necho 'HTTP 403: no permission' >&2\nexit 1\n", encoding="utf-8")
    with pytest.raises(CommandError, match="HTTP 403: no permission"):
        github.issue("T")
