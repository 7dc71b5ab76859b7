"""What the doctor makes of what it saw, and how it tells it."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from ops import console, doctor
from ops.diagnosis import app, database, ground, mail, traffic
from ops.diagnosis.finding import Certainty, Finding, Suspect, Symptom
from ops.errors import CommandError
from ops.stack_file import StackFile
from ops.survey import Survey


def fields(status: str, **state: Any) -> dict[str, Any]:
    """A container of the app as Docker describes it."""
    restarts = state.pop("restarts", 0)
    return {
        "Name": "/app-1",
        "RestartCount": restarts,
        "State": {"Status": status, "ExitCode": 1, **state},
        "Config": {"Labels": {"dev.monopco.release": "abc"}},
        "HostConfig": {"Memory": 100 * 2**20},
    }


@pytest.mark.parametrize(
    ("container", "log", "cause", "command"),
    [
        (fields("exited", OOMKilled=True), "", "the app needs more memory than it may have", "app.memory 200M"),
        (fields("restarting", ExitCode=137), "", "the app needs more memory than it may have", "app.memory 200M"),
        (fields("created", Error="port is allocated"), "", "Docker cannot start the app", "docker start app-1"),
        (
            fields("restarting", restarts=3),
            "JWT_SECRET is not set: sessions cannot be signed",
            "the app ends as soon as it starts: a variable of its environment is missing",
            "./monopco verify configuration -s dev",
        ),
        (
            fields("running", restarts=3, Health={"Status": "starting"}),
            "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'vite'",
            "the app ends as soon as it starts: a module is missing in the image",
            "app.dependencies all",
        ),
        (fields("restarting"), "EROFS: read-only file system", "it writes where it may not", "app.readOnly false"),
        (fields("restarting"), "listen EADDRINUSE :::3000", "its port is taken", "logs app --release abc -s dev"),
        (fields("exited"), "Error: connect ECONNREFUSED", "it cannot reach something", "doctor connections -s dev"),
        (fields("exited", ExitCode=137), "connect ECONNREFUSED", "and was not started again", "docker start app-1"),
        (fields("exited", ExitCode=3), "bye", "the app ended", "docker start app-1"),
    ],
)  # fmt: skip
def test_how_an_app_ended_tells_what_to_do(container: dict[str, Any], log: str, cause: str, command: str) -> None:
    found = app.judge_end(container, log, "dev", container["State"]["ExitCode"])
    assert found
    assert cause in found.cause
    assert command in found.command or (command == "docker start app-1" and "logs app" in found.command)
    assert "app-1" in found.evidence


def test_an_app_that_was_restarted_and_is_well_is_no_finding() -> None:
    assert app.judge_end(fields("running", restarts=2, Health={"Status": "healthy"}), "", "dev", 1) is None


def test_where_docker_forgot_how_a_container_ended_its_next_end_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(["running 0\n", "running 0\n", "restarting 137\n"])
    monkeypatch.setattr(
        "ops.containers.docker", lambda arguments, _host: "" if arguments[0] == "events" else next(looks)
    )
    survey: Any = SimpleNamespace(host=None)
    again = {**fields("running", restarts=1, Health={"Status": "starting"}), "Id": "a1"}
    assert app.exit_code(survey, again) == 137
    well = {**fields("running", restarts=1, Health={"Status": "healthy"}), "Id": "a1"}
    assert app.exit_code(survey, well) == 0


def test_ports_are_read_from_proc() -> None:
    table = (
        "  sl  local_address rem_address   st\n"
        "   0: 0B00007F:9C5F 00000000:0000 0A\n"
        "   1: 00000000:0BB8 00000000:0000 0A\n"
        "   2: 00000000000000000000000000000000:0FA0 00000000000000000000000000000000:0000 0A\n"
        "   3: 0100007F:1F90 0100007F:0BB8 01\n"
    )
    assert app.listening(table) == [3000, 4000]


def test_what_is_full_is_read_from_df() -> None:
    printed = "Mounted on 1B-blocks Avail\n/ 100 50\n/proc/acpi 0 0\n/dev/shm 64 64\n/data 10 0\n/etc/hosts 9 1\n"
    assert ground.mounts(printed.replace("Mounted on", "Mounted")) == [("/", 100, 50), ("/data", 10, 0)]


def session(role: str, sessions: int, own: int, total: int = 100) -> dict[str, Any]:
    return {"role": role, "sessions": sessions, "idle": sessions, "waiting": 0, "own": own, "all": total}


@pytest.mark.parametrize(
    ("rows", "full"),
    [
        ([], None),
        ([session("app", 71, 80)], None),
        ([session("app", 72, 80)], "app"),
        ([session("app", 50, 80), session("owner", 40, -1)], "app"),
        ([session("app", 10, 80), session("other", 80, -1)], "other"),
    ],
    ids=["nobody", "below", "the role's own limit", "all together", "a role without a limit"],
)
def test_connections_are_counted_by_role_and_in_all(rows: list[dict[str, Any]], full: str | None) -> None:
    found = database.judge_sessions(rows)
    assert (found and found[0]) == full


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        (
            'Resend error: {"statusCode":429,"name":"rate_limit_exceeded"}',
            "Resend's limit of 2 requests a second was met",
        ),
        ("[mail] Too many requests. You can only make 2 requests per second.", "Resend's limit of 2 requests a second"),
        ("resend: The monopco.fr domain is not verified.", "the sending domain is not verified at Resend"),
        ("Failed to send email: API key is invalid", "Resend refuses the key"),
        ("RESEND_API_KEY is not configured", "Resend refuses the key"),
        ("resend daily_quota_exceeded", "the quota of mails"),
        ("mail: You can only send testing emails to your own address", "a test account"),
        ("Resend: fetch failed", "Resend cannot be reached"),
    ],
)
def test_what_resend_refuses_is_named(line: str, meaning: str) -> None:
    found = mail.judge_mail_log(["hello", line])
    assert found
    assert meaning in found[0]


@pytest.mark.parametrize("line", ["GET /x 429", "email sent", "database: connect ECONNREFUSED"])
def test_other_lines_say_nothing_about_mails(line: str) -> None:
    assert mail.judge_mail_log([line]) is None


def test_the_domains_that_mails_are_sent_from() -> None:
    texts = ["const FROM_EMAIL = 'MonOPCO <noreply@monopco.fr>'; // mine", 'const to = "somebody@elsewhere.fr";']
    assert mail.senders(texts) == {"monopco.fr"}
    assert mail.wanted_records("a.fr") == [("resend._domainkey.a.fr", "TXT"), ("send.a.fr", "TXT"), ("send.a.fr", "MX")]


def test_the_access_log_is_read_and_other_lines_are_left_out() -> None:
    log = '{"time":"x","status":200}\n{"event":"switched"}\n{"time":"broken\nplain\n'
    assert traffic.requests(log) == [{"time": "x", "status": 200}]


def request(status: int) -> dict[str, Any]:
    return {"status": status, "path": "/a", "request_id": str(status)}


@pytest.mark.parametrize(
    ("statuses", "found"),
    [([200] * 10, False), ([500] * 4, False), ([500] * 5, True), ([200] * 1000 + [502] * 5, False)],
    ids=["none", "a few", "all", "fewer than 1 %"],
)
def test_errors_are_counted_before_they_are_a_finding(statuses: list[int], found: bool) -> None:
    assert (traffic.judge_errors([request(status) for status in statuses]) is not None) is found


FINDING = Finding("it is broken", "seen", "mend it", Certainty.LIKELY)
SURE = Finding("it is surely broken", "seen clearly", "mend this", Certainty.CERTAIN)
NOTE = Finding("worth knowing", "so", "look", Certainty.NOTE)


def suspect(look: Callable[[Survey], Finding | None], *symptoms: Symptom) -> Suspect:
    return Suspect(getattr(look, "__name__", "x"), frozenset(symptoms or Symptom), look)


def nothing(_survey: Survey) -> None:
    return None


def unanswered(_survey: Survey) -> Finding | None:
    raise CommandError("no\nanswer")


def unforeseen(_survey: Survey) -> Finding | None:
    raise KeyError("State")


class TestVerb:
    @pytest.fixture(autouse=True)
    def world(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(StackFile, "read", staticmethod(lambda name: StackFile(name, {}, {})))
        monkeypatch.setattr(Survey, "redacted", lambda _survey, text: text)

    def run(self, monkeypatch: pytest.MonkeyPatch, *found: Suspect, **options: Any) -> tuple[int, str]:
        monkeypatch.setattr(doctor, "suspects", lambda: list(found))
        with console.output.capture() as printed:
            try:
                doctor.doctor(**options)
                code = 0
            except typer.Exit as ended:
                code = ended.exit_code
        return code, printed.get()

    def test_where_nothing_is_found_all_is_well(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.run(monkeypatch, suspect(nothing)) == (0, "Stack dev is well: nothing was found.\n")

    def test_the_likeliest_comes_first_with_one_command(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looks = [suspect(nothing), suspect(lambda _: FINDING), suspect(lambda _: SURE), suspect(lambda _: NOTE)]
        code, said = self.run(monkeypatch, *looks)
        assert code == 1
        assert said.splitlines() == [
            "It is surely broken.",
            "  seen clearly",
            "  Next: mend this",
            "Also found:",
            "  - it is broken: seen",
            "Worth knowing:",
            "  - worth knowing: so",
        ]

    def test_a_note_alone_breaks_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        code, said = self.run(monkeypatch, suspect(nothing), suspect(lambda _: NOTE))
        assert (code, "is well" in said, "worth knowing" in said) == (0, True, True)

    def test_only_causes_of_the_symptom_are_looked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looks = [suspect(nothing), suspect(lambda _: FINDING, Symptom.SLOW), suspect(lambda _: SURE, Symptom.MAIL)]
        _, said = self.run(monkeypatch, *looks, symptom=Symptom.SLOW)
        assert ("It is broken" in said, "surely" in said) == (True, False)

    def test_when_the_first_explains_all_nothing_else_is_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looks = [suspect(lambda _: SURE), suspect(lambda _: pytest.fail("asked"))]
        assert "Also found" not in self.run(monkeypatch, *looks)[1]

    @pytest.mark.parametrize(
        ("look", "reason"), [(unanswered, "unanswered: no answer"), (unforeseen, "unforeseen: KeyError: 'State'")]
    )
    def test_what_cannot_be_looked_at_is_told_and_is_not_well(
        self, monkeypatch: pytest.MonkeyPatch, look: Callable[[Survey], Finding | None], reason: str
    ) -> None:
        code, said = self.run(monkeypatch, suspect(nothing), suspect(look))
        assert (code, reason in said, "not everything could be looked at" in said) == (1, True, True)

    def test_programs_are_told_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        code, said = self.run(monkeypatch, suspect(nothing), suspect(lambda _: SURE), suspect(unanswered), as_json=True)
        assert code == 1
        assert json.loads(said) == {
            "stack": "dev",
            "well": False,
            "findings": [
                {
                    "cause": "it is surely broken",
                    "evidence": "seen clearly",
                    "command": "mend this",
                    "certainty": "certain",
                }
            ],
            "unknown": {"unanswered": "no answer"},
        }


def test_every_symptom_has_causes_and_docker_is_asked_first() -> None:
    found = doctor.suspects()
    assert found[0].name == "docker-is-down"
    assert all(any(symptom in one.symptoms for one in found) for symptom in Symptom)
    assert len({one.name for one in found}) == len(found)
