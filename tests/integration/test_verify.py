"""The checklist and the doctor on a whole environment: all is well; then each thing is broken for real, and named."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ops.checklist import runner
from ops.checklist.result import Result, Verdict
from ops.diagnosis.finding import Certainty, Symptom
from ops.survey import Survey
from tests.integration.breaks import BREAKS, source_has
from tests.integration.checklist_lab import CANARY, Lab, Service, service, watch_from_here
from tests.integration.environment import Environment
from tests.integration.symptoms import CASES
from tests.sampled import sampled

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two releases, so that there is a way back."""
    one = Environment(tmp_path_factory.mktemp("verify") / "project", "checklist")
    one.write_config(
        app={"secrets": ["PAPPERS_API_KEY", "RESEND_API_KEY"], "watchSeconds": 0},
        domain={"name": "localhost", "aliases": ["www.localhost"]},
    )
    for name in ("PAPPERS_API_KEY", "RESEND_API_KEY"):
        one.pulumi("config", "set", "--secret", name, "--stack", one.stack, stdin=f"{CANARY}-{name.lower()}")
    with pytest.MonkeyPatch.context() as patch:
        try:
            one.up()
            one.write_config(app={**one.config["app"], "drainSeconds": 5})
            one.up()
            one.monopco("backup")
            one.monopco("backups", "--prove")
            watch_from_here(one, patch)
            yield Lab(one)
        finally:
            one.destroy()


@pytest.fixture(scope="module")
def keepers() -> Iterator[Service]:
    """Resend and Pappers."""
    with service() as one, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESEND_URL", one.url)
        patch.setenv("PAPPERS_URL", one.url)
        yield one


def test_all_is_well_and_the_report_holds_no_secret(lab: Lab, keepers: Service, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    done = lab.environment.attempt_monopco(
        "verify", "--json", "--junit", str(report), "--online", RESEND_URL=keepers.url, PAPPERS_URL=keepers.url
    )
    told = json.loads(done.stdout)
    failures = {one["id"]: one["said"] for one in told["checks"] if one["verdict"] == "failed"}
    failures.pop("monitoring.disk", None)  # how full the disk of the machine is that tests
    failures.pop("performance.load", None)  # and how busy
    assert failures == {}
    assert done.returncode == (0 if told["passed"] else 1)
    assert told["release"] == lab.live
    verdicts = {one["id"]: one["verdict"] for one in told["checks"]}
    assert sorted(verdicts) == sorted(one.id for one in runner.checks() if not one.slow)
    allowed = {"configuration.template", "configuration.drizzle", "security.scan", "security.hsts"}
    allowed |= {"performance.pictures", "performance.answers", "documentation.docs"}
    allowed |= {"monitoring.monitoring", "monitoring.alerts"}
    assert {name for name, verdict in verdicts.items() if verdict == "not applicable"} <= allowed
    cases = ET.fromstring(report.read_text()).iter("testcase")  # noqa: S314 - written a moment ago
    assert sorted(str(case.get("classname")) for case in cases) == sorted(verdicts)
    assert CANARY not in done.stdout + done.stderr + report.read_text()
    asked = dict(keepers.asked)
    assert asked["/domains"]["Authorization"] == f"Bearer {CANARY}-resend_api_key"
    assert asked["/suivi-jetons"]["Api-Key"] == f"{CANARY}-pappers_api_key"


def test_the_doctor_finds_nothing_where_all_is_well(lab: Lab) -> None:
    done = lab.environment.attempt_monopco("doctor", "--json")
    told = json.loads(done.stdout)
    # How full and how busy the machine is that tests is not the environment's.
    found = [
        one for one in told["findings"] if one["cause"] not in ("the disk fills up", "a container is at its limit")
    ]
    assert (found, told["unknown"]) == ([], {})
    assert done.returncode == (0 if told["well"] else 1)


@contextmanager
def refusing(lab: Lab, keepers: Service, status: int, body: Mapping[str, Any]) -> Iterator[Any]:
    """Resend and Pappers answer something else."""
    before = keepers.status, keepers.body
    keepers.status, keepers.body = status, dict(body)
    try:
        yield lab.survey(online=True)
    finally:
        keepers.status, keepers.body = before


ONLINE: dict[str, tuple[int, Mapping[str, Any]]] = {
    "configuration.resend-key": (403, {"name": "invalid_api_key"}),
    "configuration.pappers-key": (401, {"error": "unknown key"}),
    "tests.mail": (200, {"data": [{"name": "monopco.fr", "status": "pending"}]}),
}


def test_every_check_is_broken_by_a_test() -> None:
    assert sorted([*BREAKS, *ONLINE]) == sorted(one.id for one in runner.checks())


def seen(lab: Lab, check: str, given: Any) -> Result:
    return lab.check(check, given if hasattr(given, "stack") else None)


@pytest.mark.parametrize("check", sampled(BREAKS, 5))
def test_a_check_fails_when_its_thing_is_broken_and_not_after_it_is_mended(lab: Lab, check: str) -> None:
    with BREAKS[check](lab) as given:
        broken = seen(lab, check, given)
    assert broken.verdict is Verdict.FAILED, broken
    assert "cannot be checked" not in broken.said or check == "configuration.database-connection", broken
    assert broken.todo
    assert CANARY not in broken.said
    if check not in ("monitoring.disk", "performance.load"):  # they also look at the machine that tests
        mended = lab.check(check)
        assert mended.verdict is not Verdict.FAILED, mended


@pytest.mark.parametrize("check", ONLINE)
def test_a_check_of_another_server_fails_when_that_refuses(lab: Lab, keepers: Service, check: str) -> None:
    with refusing(lab, keepers, *ONLINE[check]) as survey:
        broken = lab.check(check, survey)
    assert broken.verdict is Verdict.FAILED, broken
    assert lab.check(check, lab.survey(online=True)).verdict is Verdict.PASSED
    assert lab.check(check).verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize("symptom", Symptom)
def test_each_symptom_is_brought_about(symptom: Symptom) -> None:
    assert [name for name, case in CASES.items() if case.symptom is symptom]


@pytest.mark.parametrize("name", sampled(CASES, 4))
def test_the_doctor_names_the_cause_and_the_next_command(lab: Lab, name: str) -> None:
    case = CASES[name]
    with case.way(lab) as given:
        found = lab.doctor(case.symptom, given if isinstance(given, Survey) else None)
    first, *_ = found.findings
    assert (first.cause, case.command in first.command) == (case.cause, True), found
    assert first.evidence
    assert CANARY not in first.evidence
    if name != "no memory left":  # that also looks at the machine that tests
        mended = lab.doctor(case.symptom)
        assert case.cause not in [one.cause for one in mended.findings], mended


def test_the_doctor_tells_of_drizzle_and_calls_nothing_broken_because_of_it(lab: Lab) -> None:
    with source_has("drizzle.config.ts", 'export default { dialect: "mysql" };\n')(lab):
        found = lab.doctor(Symptom.NO_START)
    assert [(one.cause, one.certainty) for one in found.findings] == [
        ("MonOPCO's drizzle.config.ts is for MySQL", Certainty.NOTE)
    ]
    assert found.well


@pytest.mark.parametrize(
    "way", ["Docker is down", "nothing was deployed", "the proxy is gone", "the database was stopped"]
)
def test_verify_tells_what_is_broken_and_never_how_python_failed(lab: Lab, way: str) -> None:
    with CASES[way].way(lab) as given:
        survey = given if isinstance(given, Survey) else lab.survey()
        outcomes = runner.run(survey, runner.chosen([], slow=False), lambda _: None)
    failures = [one.result for one in outcomes if one.result.verdict is Verdict.FAILED]
    assert failures
    assert [one for one in failures if "Error:" in one.said and "cannot be checked" in one.said] == []
    assert all(one.todo for one in failures)
    lab.recovered()
