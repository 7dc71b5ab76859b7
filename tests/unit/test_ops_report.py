"""The report of a preview, from events that a real stack with the sample app gave (tests/unit/previews).

They were recorded with `pulumi preview --json` and PULUMI_ENABLE_STREAMING_JSON_PREVIEW=true, and lost what the report
does not look at. Beside each stands the report for a pull request, as it must be.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ops.changes import read
from ops.report import Impact, Report, markdown, refused, report, text

PREVIEWS = Path(__file__).parent / "previews"
FIRST_LINES = {
    "first": "First deployment: 30 resources; 5 images are built (app, build, database, proxy, runtime); "
    "release `9acbbe2fd7` starts.",
    "nothing": "Nothing would change.",
    "variable": "No interruption: one environment variable changes (`FEATURE`); "
    "a new release `63f4bc6d2c` replaces `9acbbe2fd7`.",
    "secret": "No interruption: the secret `PAPPERS_API_KEY` changes; "
    "a new release `804f05fcb0` replaces `9acbbe2fd7`.",
    "replica": "No interruption: 1 app container more.",
    "nginx": "No interruption: nginx's settings change.",
    "domain": "No interruption: nginx's settings change; the certificate is for other names.",
    "script": "No interruption: the app is built anew; 1 SQL script to run; "
    "a new release `817fd67cde` replaces `9acbbe2fd7`.",
    "port": "Some seconds of interruption: nginx's container is replaced (ports).",
    "database": "Some seconds of interruption: PostgreSQL's container is replaced (envs, shmSize).",
    "external": "DATA WOULD BE LOST: the volume `monopco-golden-database` would be deleted; "
    "the secret `DATABASE_URL` changes; a new release `38e9cafbe3` replaces `9acbbe2fd7`.",
    "protected": "Refused: the volume `monopco-golden-database` would be deleted, and it is protected.",
    "mistake": "Refused: 1 mistake in the configuration; nothing was touched: app.health.path: must begin with / "
    'and hold no space (got "nonsense").',
    "drift": "No interruption: container release-9acbbe2fd7-2 is gone.",
}


def recorded(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (PREVIEWS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def of(name: str) -> Report:
    return report(read(recorded(name)))


def test_every_recording_is_looked_at() -> None:
    assert {path.stem for path in PREVIEWS.glob("*.jsonl")} == FIRST_LINES.keys()


@pytest.mark.parametrize("name", FIRST_LINES)
def test_the_first_line_says_what_a_reviewer_needs(name: str) -> None:
    assert of(name).headline == FIRST_LINES[name]
    assert markdown(of(name), "golden").splitlines()[0] == f"**`golden`: {FIRST_LINES[name]}**"


@pytest.mark.parametrize("name", FIRST_LINES)
def test_the_report_for_a_pull_request(name: str) -> None:
    assert markdown(of(name), "golden") == (PREVIEWS / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FIRST_LINES)
def test_the_terminal_has_the_same_words(name: str) -> None:
    def words(shown: str) -> list[str]:
        shown = re.sub(r"<!--.*-->|</?details>|</?summary>|```\w*", " ", shown)
        return [word for word in re.sub(r"[`*\\]", "", shown).split() if word != "-"]

    assert words(text(of(name))) == words(markdown(of(name), "golden").replace("`golden`: ", ""))


@pytest.mark.parametrize("name", FIRST_LINES)
def test_details_are_collapsed_and_the_comment_can_be_found_again(name: str) -> None:
    shown = markdown(of(name), "golden")
    assert shown.rstrip().endswith("<!-- monopco preview golden -->")
    opened = shown.partition("<details>")[0]
    assert "environment." not in opened
    assert shown.count("<details>") == shown.count("</details>") == bool(of(name).details)


def with_variable(name: str, value: str) -> list[dict[str, Any]]:
    """The recording in which a variable is added, with another one in its place."""
    events = recorded("variable")
    for event in events:
        if "resOutputsEvent" in event:
            outputs = event["resOutputsEvent"]["metadata"]["new"]["outputs"]
            specification = json.loads(outputs["specification"])
            specification["environment"] = {"NODE_ENV": "production", name: value}
            outputs["specification"] = json.dumps(specification)
    return events


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAIL_TOKEN", "marked-value"), ("MAIL", "re_markedvalue123"), ("DB", "postgres://a:marked@b/c")],
)
def test_what_looks_like_a_secret_is_not_shown(name: str, value: str) -> None:
    found = report(read(with_variable(name, value)))
    assert "[secret]" in text(found)
    assert "marked" not in text(found) + markdown(found, "dev")


def test_a_value_cannot_break_out_of_its_place() -> None:
    shown = markdown(report(read(with_variable("HTML", "a`b\n</details> @team"))), "dev")
    assert "`a'b </details> @team`" in shown


def test_a_refusal_without_events_is_a_report_too() -> None:
    shown = markdown(refused("There is no stack prud"), "prud")
    assert shown.splitlines()[0] == "**`prud`: Refused: There is no stack prud.**"


def test_of_each_policy_that_is_broken_the_first_line_says_what() -> None:
    finding = "replicas: app.replicas is 1. One that crashes or hangs would be all there is. Set app.replicas to 2."
    other = "dataProtected: the volume database-data may be deleted. One wrong change would delete all data. Mend it."
    found = refused(f"2 findings against the policies; nothing was touched\n  - {finding}\n  - {other}")
    assert found.headline == (
        "Refused: 2 findings against the policies; nothing was touched: replicas: app.replicas is 1, "
        "dataProtected: the volume database-data may be deleted."
    )
    assert "One that crashes or hangs would be all there is" in text(found)


def test_a_message_cannot_put_tags_or_mentions_into_the_comment() -> None:
    shown = markdown(refused("bad: <img src=x> @team [a](b)"), "dev")
    assert "\\<img src=x\\> \\@team \\[a\\](b)" in shown


def test_a_comment_stays_below_the_limit_of_its_place() -> None:
    events = recorded("nginx")
    for event in events:
        if "resourcePreEvent" in event:
            inputs = event["resourcePreEvent"]["metadata"]["new"]["inputs"]
            inputs["stdin"] = "".join(f"line {number} {'x' * 90}\n" for number in range(2000))
    shown = markdown(report(read(events)), "dev")
    assert len(shown) < 65_536
    assert "the rest is in the job's log" in shown
    assert shown.count("```") == 2


def test_what_visitors_notice_is_graded() -> None:
    assert {of(name).impact for name in ("variable", "secret", "replica", "nginx", "domain", "script")} == {
        Impact.UNNOTICED
    }
    assert {of(name).impact for name in ("port", "database")} == {Impact.SECONDS}
    assert of("external").impact is Impact.DATA
    assert {of(name).impact for name in ("protected", "mistake")} == {Impact.REFUSED}
