"""What `alerts test` says of a test alert."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
import typer

from ops import alerts, console, containers
from ops.alerts import Job, last_reason
from ops.containers import Container
from ops.errors import CommandError

LOG = (
    'level=WARN component=dispatcher receiver=people integration=webhook[0] attempts=1 err="other"\n'
    'level=WARN component=dispatcher receiver=test integration=email[0] attempts=1 err="dial \\"mail\\": refused"\n'
)


def counts(email: tuple[int, int], webhook: tuple[int, int] | None = None) -> str:
    kinds = {"email": email, **({"webhook": webhook} if webhook else {})}
    return "".join(
        f'alertmanager_notification_requests_{name}total{{integration="{kind}",receiver_name="{receiver}"}} {value}\n'
        for kind, (sent, failed) in kinds.items()
        for receiver in ("people", "test")
        for name, value in (("", sent), ("failed_", failed))
    )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Alertmanager's figures, one text for each time that it is asked; the last one stays."""
    name = "monopco-dev-monitoring-alerts"
    there: dict[str, Any] = {"metrics": [], "posted": [], "printed": [], "running": [name]}

    def docker(arguments: Sequence[str], _host: str | None = None, stdin: str = "") -> str:
        if arguments[0] == "logs":
            return LOG
        if stdin:
            there["posted"].append(json.loads(stdin))
            return ""
        metrics = there["metrics"]
        return str(metrics.pop(0) if len(metrics) > 1 else metrics[0])

    def of_stack(_stack: str, _host: str | None) -> list[Container]:
        return [Container(one, "monitoring", "", "running", "", "", (), "") for one in there["running"]]

    monkeypatch.setattr(containers, "docker", docker)
    monkeypatch.setattr(containers, "of_stack", of_stack)
    monkeypatch.setattr(console.output, "print", there["printed"].append)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    return there


def test_each_receiver_that_has_accepted_is_told(world: dict[str, Any]) -> None:
    world["metrics"] = [counts((3, 1), (5, 0)), counts((3, 1), (6, 0)), counts((4, 1), (6, 0))]
    alerts.alerts(Job.TEST)
    assert ["accepted" in line for line in world["printed"]] == [True, True]
    ((alert,),) = world["posted"]
    assert (alert["labels"]["alertname"], alert["labels"]["stack"]) == ("Test", "dev")


def test_one_that_refuses_is_told_with_its_words(world: dict[str, Any]) -> None:
    world["metrics"] = [counts((0, 0), (0, 0)), counts((1, 0), (1, 0)), counts((1, 1), (1, 0))]
    with pytest.raises(typer.Exit):
        alerts.alerts(Job.TEST)
    mail, webhook = world["printed"]
    assert "FAILED" in mail
    assert 'dial "mail": refused' in mail
    assert "accepted" in webhook


@pytest.mark.parametrize(("running", "words"), [(True, "tells nobody of alerts"), (False, "No monitoring runs")])
def test_without_receivers_or_monitoring_it_says_what_to_set(world: dict[str, Any], running: bool, words: str) -> None:
    world["metrics"] = ["something_else 1\n"]
    world["running"] = world["running"] if running else []
    with pytest.raises(CommandError, match=words):
        alerts.alerts(Job.TEST)


def test_the_reason_is_that_of_a_test_alert_by_this_receiver() -> None:
    assert last_reason(LOG, "email") == 'dial "mail": refused'
    assert last_reason(LOG, "webhook") == ""
