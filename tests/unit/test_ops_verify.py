"""The run of the checks and its three reports."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from ops import console, verify
from ops.checklist import guide, report, runner
from ops.checklist.check import Check
from ops.checklist.guide import Group
from ops.checklist.result import Result, Verdict, failed, not_applicable, passed
from ops.errors import MISTAKE, CommandError
from ops.stack_file import StackFile
from ops.survey import Survey

SECRET = "hunter2-hunter2"


def check(name: str, run: Callable[[Survey], Result], group: Group = Group.SECURITY) -> Check:
    return Check(f"{group.value}.{name}", group, f"About {name}", guide.HTTPS if name == "boxed" else None, run)


def raising(error: Exception) -> Callable[[Survey], Result]:
    def run(_survey: Survey) -> Result:
        raise error

    return run


@pytest.fixture
def survey() -> Survey:
    one = Survey(StackFile("dev", {}, {}))
    one.memory.recall("secrets", lambda: {"KEY": SECRET})
    return one


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (CommandError("Docker refused: no"), "cannot be checked: Docker refused: no"),
        (KeyError("State"), "cannot be checked: KeyError: 'State'"),
        (OSError("gone"), "cannot be checked: OSError: gone"),
    ],
)
def test_what_cannot_be_asked_is_a_failure_with_a_next_step(survey: Survey, error: Exception, said: str) -> None:
    found = runner.ask(survey, check("a", raising(error))).result
    assert found == failed(said, "./monopco doctor -s dev")


def test_no_secret_gets_into_a_result(survey: Survey) -> None:
    found = runner.ask(survey, check("a", lambda _: failed(f"key {SECRET}\nis wrong", f"set {SECRET}"))).result
    assert (found.said, found.todo) == ("key *** is wrong", "set ***")


def test_all_are_run_and_told_and_stay_in_order(survey: Survey) -> None:
    wanted = [check(str(number), lambda _: passed("fine")) for number in range(20)]
    told: list[str] = []
    outcomes = runner.run(survey, wanted, lambda one: told.append(one.check.id))
    assert [one.check for one in outcomes] == wanted
    assert sorted(told) == sorted(one.id for one in wanted)


@pytest.fixture
def outcomes(survey: Survey) -> list[runner.Outcome]:
    wanted = [
        check("boxed", lambda _: passed("seen")),
        check("bad", lambda _: failed("it is <wrong>\x07", "mend it")),
        check("off", lambda _: not_applicable("why not"), Group.TESTS),
    ]
    return runner.run(survey, wanted, lambda _: None)


def test_the_summary_counts(outcomes: list[runner.Outcome]) -> None:
    text = report.summary("dev", "abc", outcomes)
    assert text.startswith("dev, release abc, ")
    assert text.endswith(" UTC: 1 passed, 1 failed, 1 not applicable")


def test_a_line_says_what_was_seen_and_what_to_do(outcomes: list[runner.Outcome]) -> None:
    assert [report.line(one) for one in outcomes] == [
        "  ✓ About boxed: seen",
        "  ✗ About bad: it is <wrong>\x07\n    [security.bad] → mend it",
        "  - About off: why not",
    ]


def test_json_has_the_guides_own_words(outcomes: list[runner.Outcome]) -> None:
    fields = report.fields("dev", "", outcomes)
    assert (fields["stack"], fields["release"], fields["passed"]) == ("dev", None, False)
    first, second, third = fields["checks"]
    assert (first["box"], first["verdict"], first["todo"]) == ("SSL/HTTPS est configuré et fonctionne", "passed", None)
    assert (second["box"], second["said"], second["todo"]) == (None, "it is <wrong>\x07", "mend it")
    assert third["verdict"] == "not applicable"


def test_junit_has_a_suite_for_each_heading(outcomes: list[runner.Outcome]) -> None:
    root = ET.fromstring(report.junit("dev", outcomes))  # noqa: S314 - of our own making
    suites = {suite.get("name"): (suite.get("tests"), suite.get("failures"), suite.get("skipped")) for suite in root}
    assert suites == {"security": ("2", "1", "0"), "tests": ("1", "0", "1")}
    failure, skipped = next(root.iter("failure")), next(root.iter("skipped"))
    assert (failure.get("message"), failure.text) == ("it is <wrong>", "it is <wrong>\nmend it")
    assert skipped.get("message") == "why not"


class TestVerb:
    @pytest.fixture(autouse=True)
    def world(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(StackFile, "read", staticmethod(lambda name: StackFile(name, {}, {})))
        monkeypatch.setattr(verify, "live_release", lambda _survey: "abc")
        monkeypatch.setattr(Survey, "redacted", lambda _survey, text: text)

    def run(self, monkeypatch: pytest.MonkeyPatch, result: Result, **options: object) -> tuple[int, str]:
        monkeypatch.setattr(runner, "chosen", lambda _names, slow: [check("a", lambda _: result)] if not slow else [])
        with console.output.capture() as printed:
            try:
                verify.verify(**options)  # type: ignore[arg-type]
                code = 0
            except typer.Exit as ended:
                code = ended.exit_code
        return code, printed.get()

    @pytest.mark.parametrize(
        ("result", "code"),
        [(passed("x"), 0), (not_applicable("x"), 0), (failed("x", "y"), 1)],
        ids=str,
    )
    def test_only_a_failure_fails(self, monkeypatch: pytest.MonkeyPatch, result: Result, code: int) -> None:
        assert self.run(monkeypatch, result)[0] == code
        told = json.loads(self.run(monkeypatch, result, as_json=True)[1])
        assert told["passed"] is (result.verdict is not Verdict.FAILED)

    def test_it_prints_headings_lines_and_the_summary(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _, said = self.run(monkeypatch, failed("[bold]x[/]", "y"))
        first, second, third, *_, last = said.splitlines()
        assert (first, second, third) == ("Security", "  ✗ About a: [bold]x[/]", "    [security.a] → y")
        assert last.startswith("dev, release abc, ")

    def test_a_junit_file_that_cannot_be_written_is_a_mistake(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        self.run(monkeypatch, passed("x"), junit=tmp_path / "report.xml")
        assert (tmp_path / "report.xml").read_text().startswith("<?xml")
        with pytest.raises(CommandError, match="--junit: ") as told:
            self.run(monkeypatch, passed("x"), junit=tmp_path / "gone" / "report.xml")
        assert told.value.code == MISTAKE
