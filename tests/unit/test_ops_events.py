"""Pulumi's events become lines for people and an outcome."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from ops import events
from ops.events import Display, Outcome, changed_keys, name

STACK = "urn:pulumi:dev::monopco::pulumi:pulumi:Stack::monopco-dev"
APP = "urn:pulumi:dev::monopco::monopco:components:Release$docker:index/container:Container::release-1a2b-1"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    lines = io.StringIO()
    monkeypatch.setattr(events, "output", Console(file=lines, width=200, highlight=False))
    return lines


def pre(urn: str, operation: str, **more: Any) -> dict[str, Any]:
    return {"resourcePreEvent": {"metadata": {"urn": urn, "op": operation, "type": kind(urn), **more}}}


def done(urn: str, operation: str, **outputs: Any) -> dict[str, Any]:
    metadata = {"urn": urn, "op": operation, "type": kind(urn), "new": {"outputs": outputs}}
    return {"resOutputsEvent": {"metadata": metadata}}


def diagnostic(severity: str, message: str, urn: str = "") -> dict[str, Any]:
    return {"diagnosticEvent": {"severity": severity, "message": message, "urn": urn}}


def kind(urn: str) -> str:
    return urn.split("::")[-2].rpartition("$")[2]


def follow(*stream: dict[str, Any]) -> Outcome:
    return Display().follow(stream)


def test_a_resource_is_named_by_its_kind_and_its_name() -> None:
    assert name(APP) == "container release-1a2b-1"
    assert name("urn:pulumi:dev::monopco::random:index/randomPassword:RandomPassword::a") == "randompassword a"


def test_what_was_done_is_one_line_each(shown: io.StringIO) -> None:
    follow(pre(APP, "create"), done(APP, "create"))
    assert shown.getvalue().startswith("+ created         container release-1a2b-1 ")
    assert len(shown.getvalue().splitlines()) == 1


def test_what_stays_the_same_and_components_are_not_told(shown: io.StringIO) -> None:
    component = "urn:pulumi:dev::monopco::monopco:components:Proxy::proxy"
    follow(
        pre(STACK, "create"),
        pre(component, "create"),
        done(component, "create"),
        pre(APP, "same"),
        done(APP, "same"),
        done(STACK, "create"),
    )
    assert shown.getvalue() == ""


def test_the_plan_tells_which_properties_differ(shown: io.StringIO) -> None:
    event = pre(APP, "update", detailedDiff={"labels[0].value": {}, "memory": {}})
    event["resourcePreEvent"]["planning"] = True
    follow(event)
    assert shown.getvalue() == "~ change   container release-1a2b-1 (labels, memory)\n"


def test_differing_properties_are_known_without_details() -> None:
    assert changed_keys({"detailedDiff": None, "diffs": ["memory"]}) == ["memory"]
    assert changed_keys({}) == []


def test_the_outcome_has_the_stacks_outputs_and_counts() -> None:
    outcome = follow(
        done(STACK, "same", url="https://localhost:8443"),
        {"summaryEvent": {"resourceChanges": {"create": 2, "same": 30}}},
    )
    assert outcome.outputs == {"url": "https://localhost:8443"}
    assert outcome.changed == 2


def test_an_error_is_kept_once_and_without_pulumis_echo() -> None:
    outcome = follow(
        diagnostic("error", "2 mistakes in the configuration\n  - a: b\n", STACK),
        diagnostic("error", "2 mistakes in the configuration\n  - a: b\n", STACK),
        diagnostic("error", "an unhandled error occurred: program exited with non-zero exit code: 1\n", STACK),
        diagnostic("error", "update failed"),
        diagnostic("error", "port is taken", APP),
    )
    assert outcome.errors == ["2 mistakes in the configuration\n  - a: b", "container release-1a2b-1: port is taken"]


def test_square_brackets_in_a_message_are_shown_as_they_are(shown: io.StringIO) -> None:
    follow(diagnostic("info", "applied [bold]x[/] 12 ms", APP), diagnostic("debug", "noise"))
    assert shown.getvalue() == "  container release-1a2b-1: applied [bold]x[/] 12 ms\n"


def test_a_failure_is_told_where_it_happens(shown: io.StringIO) -> None:
    failed = {"resOpFailedEvent": {"metadata": {"urn": APP, "op": "create", "type": kind(APP)}}}
    follow(pre(APP, "create"), failed)
    assert shown.getvalue() == "! failed          container release-1a2b-1\n"


def test_how_far_an_image_has_come_is_told_without_a_terminal_too(shown: io.StringIO) -> None:
    brings = "urn:pulumi:prod::monopco::monopco:components:Image$command:local:Command::image-app-bring"
    step = "urn:pulumi:prod::monopco::monopco:components:Schema$command:local:Command::schema-migrate"

    def says(urn: str, message: str) -> dict[str, Any]:
        event = diagnostic("info", message, urn)
        event["diagnosticEvent"]["ephemeral"] = True
        return event

    follow(
        pre(brings, "create"),
        says(brings, "a:1: 20 % of 9.0 MB sent\n"),
        pre(step, "create"),
        says(step, "one script\n"),
    )
    assert shown.getvalue() == "  a:1: 20 % of 9.0 MB sent\n"
