"""`preview`: what was changed by hand on a server is told in the report, and made anew in what is previewed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops import checkout, drift, first_contact, live
from ops.__main__ import command_line
from ops.pulumi import Pulumi
from ops.stack_file import StackFile

STEP = "urn:pulumi:prod::monopco::monopco:components:Machine$command:remote:Command::machine-firewall"
MADE_ANEW = {"op": "replace", "urn": STEP, "type": "command:remote:Command", "old": {}, "new": {}}


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Pulumi was given, for a server on which a rule of the firewall is missing."""
    given: list[str] = []

    def previewed(_pulumi: Pulumi, passed: Sequence[str], seen: list[dict[str, Any]]) -> None:
        given.extend(passed)
        seen.append({"resourcePreEvent": {"metadata": MADE_ANEW}})

    def instead(place: object, name: str, of: Callable[..., object]) -> None:
        monkeypatch.setattr(place, name, of)

    file = StackFile("prod", {"monopco:server": {"host": "monopco.fr"}}, {})
    instead(StackFile, "read", lambda _stack: file)
    instead(Pulumi, "ensure", lambda _pulumi: None)
    instead(Pulumi, "preview", previewed)
    instead(first_contact, "pin_host_key", lambda given_file, _pulumi: given_file)
    instead(checkout, "ensure", lambda _file: None)
    instead(live, "fetch_pinned", lambda _file: None)
    instead(drift, "of_stack", lambda _file, _pulumi: [drift.Finding(STEP, ("a rule is missing: limit 22/tcp",))])
    return given


def test_what_was_changed_by_hand_is_told_and_made_anew(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    report = tmp_path / "report.md"
    result = CliRunner().invoke(command_line(["preview"]), ["preview", "-s", "prod", "--markdown", str(report)])
    assert result.exit_code == 0, result.output
    assert arguments == ["--replace", STEP]
    for text in (result.output + capsys.readouterr().out, report.read_text(encoding="utf-8")):
        assert "machine-firewall: a rule is missing: limit 22/tcp; up --refresh mends it" in text.replace("`", "")
