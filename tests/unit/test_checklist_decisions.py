"""What each check decides from what was seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from ops.checklist import configuration, database, documentation, monitoring, performance, security, trials
from ops.checklist.result import Result, Verdict, failed, judged, not_applicable, passed
from ops.errors import CommandError
from ops.stack_file import StackFile
from ops.survey import Survey
from ops.usage import Usage, parse
from ops.web import Answer

PASSED, FAILED, NOT_APPLICABLE = Verdict.PASSED, Verdict.FAILED, Verdict.NOT_APPLICABLE
STRONG = "q7Hn2vXk9LmT4cRzW8bYpD5sGfJ1eAu3KxQ6oViN0hBt"
DAY = timedelta(days=1)


def survey(**sections: dict[str, Any]) -> Survey:
    return Survey(StackFile("dev", {f"monopco:{name}": keys for name, keys in sections.items()}, {}))


def answer(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def test_a_result_is_judged_by_its_problems() -> None:
    assert judged([], "do it", "fine") == passed("fine")
    assert judged(["a", "b"], "do it", "fine") == failed("a; b", "do it")


class TestConfiguration:
    def test_a_variable_that_is_empty_is_missing(self) -> None:
        assert configuration.missing({"A", "B", "C"}, {"A": "1", "B": ""}) == ["B", "C"]

    def test_what_the_stack_file_promises_is_expected(self) -> None:
        app = {"env": {"MODE": "x"}, "secrets": ["KEY"], "public": {"VITE_A": "1"}}
        assert configuration.expected_variables(survey(app=app)) == {
            *("NODE_ENV", "PORT", "RELEASE", "DATABASE_URL", "JWT_SECRET"),
            *("MODE", "KEY", "VITE_A"),
        }

    @pytest.mark.parametrize(
        ("secret", "problem"),
        [
            (STRONG, ""),
            ("", "it has 0 characters"),
            ("short", "it has 5 characters"),
            ("a" * 64, "its characters repeat so much"),
            ("abab" * 20, "its characters repeat so much"),
            ("my very long and winding secret, changed by nobody at all", "it looks like a placeholder"),
        ],
    )
    def test_a_weak_secret_is_told_why(self, secret: str, problem: str) -> None:
        found = configuration.weakness(secret, {})
        assert found.startswith(problem)
        assert bool(found) is bool(problem)

    def test_a_secret_is_used_for_one_thing(self) -> None:
        assert configuration.weakness(STRONG, {"OTHER": STRONG, "A": "b"}) == "it is the same as OTHER"

    @pytest.mark.parametrize(
        ("status", "body", "verdict"),
        [
            (200, "{}", PASSED),
            (401, '{"name":"restricted_api_key"}', PASSED),
            (401, '{"name":"missing_api_key"}', FAILED),
            (403, '{"name":"invalid_api_key"}', FAILED),
            (429, "", FAILED),
            (500, "", FAILED),
        ],
    )
    def test_a_key_is_judged_by_what_its_service_says(self, status: int, body: str, verdict: Verdict) -> None:
        assert configuration.judge_key(configuration.RESEND, status, body).verdict is verdict

    def test_domains_are_read_from_what_resend_says(self) -> None:
        assert configuration.domains_of('{"data":[{"name":"a.fr","status":"verified"}]}') == {"a.fr": "verified"}
        assert configuration.domains_of("<html>") == configuration.domains_of("[]") == {}

    @pytest.mark.parametrize(
        ("scripts", "found"),
        [
            ({"start": "node dist/index.js", "db:push": "drizzle-kit push"}, []),
            ({"start": "pnpm db:push && node x", "postinstall": "drizzle-kit generate"}, ["postinstall", "start"]),
            (None, []),
        ],
    )
    def test_a_script_of_a_deploy_that_runs_drizzle_is_found(self, scripts: Any, found: list[str]) -> None:
        assert configuration.scripts_with_drizzle({"scripts": scripts}) == found


class TestDatabase:
    @pytest.mark.parametrize(
        ("applied", "verdict", "said"),
        [
            ({"a.sql": "1", "b.sql": "2"}, PASSED, "2 applied"),
            ({"a.sql": "1", "b.sql": "2", "c.sql": "3"}, PASSED, "of other releases: c.sql"),
            ({"a.sql": "1"}, FAILED, "not applied: b.sql"),
            ({"a.sql": "1", "b.sql": "9"}, FAILED, "applied with another text: b.sql"),
        ],
    )
    def test_scripts_are_compared_by_name_and_checksum(
        self, applied: dict[str, str], verdict: Verdict, said: str
    ) -> None:
        found = database.judge_scripts({"a.sql": "1", "b.sql": "2"}, applied, "dev")
        assert (found.verdict, said in found.said) == (verdict, True)

    def test_what_the_role_may_do_beyond_rows_is_listed(self) -> None:
        row = {"who": "app", "superuser": False, "create tables": True, "own tables": True, "create roles": None}
        assert database.excess(row) == ["create tables", "own tables"]


class Certificate:
    """As much of one as is looked at."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self.not_valid_before_utc, self.not_valid_after_utc = start, end


class TestSecurity:
    NOW = datetime(2026, 11, 25, tzinfo=timezone.utc)

    @pytest.mark.parametrize(
        ("start", "end", "problem"),
        [
            (-1, 21, ""),
            (-80, 20, "it ends in 20 days"),
            (-1, 6, ""),
            (-5, 1, "it ends in 1 days"),
            (-9, -1, "it ended on 2026-11-24"),
            (2, 90, "it holds from 2026-11-27 on"),
        ],
    )
    def test_a_certificate_holds_now_and_for_three_weeks_or_a_quarter_of_its_time(
        self, start: int, end: int, problem: str
    ) -> None:
        made: Any = Certificate(self.NOW + start * DAY, self.NOW + end * DAY)
        assert security.judge_dates(made, self.NOW) == problem

    @pytest.mark.parametrize(
        ("found", "verdict"),
        [([22, 80, 443], PASSED), ([443], PASSED), ([], PASSED), ([22, 443, 3000, 5432], FAILED)],
    )
    def test_a_scan_allows_ssh_and_the_two_of_the_proxy(self, found: list[int], verdict: Verdict) -> None:
        prod = survey(
            server={"host": "server.example", "port": 22, "user": "monopco"},
            http={"address": "0.0.0.0", "httpPort": 80, "httpsPort": 443},  # noqa: S104
            domain={"name": "monopco.fr"},
        )
        result = security.judge_scan(prod, found)
        assert result.verdict is verdict
        assert verdict is PASSED or result.said == "open on server.example: 3000, 5432"

    CONFINED: ClassVar[dict[str, Any]] = {
        "HostConfig": {"CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "NetworkMode": "x"},
        "Mounts": [{"Source": "/var/lib/docker/volumes/x"}],
    }

    @pytest.mark.parametrize(
        ("host", "mounts", "found"),
        [
            ({}, [], []),
            ({"Privileged": True}, [], ["is privileged"]),
            ({"CapDrop": None}, [], ["has capabilities"]),
            ({"CapAdd": ["NET_ADMIN"]}, [], ["has capabilities"]),
            ({"SecurityOpt": None}, [], ["may gain privileges"]),
            ({"NetworkMode": "host"}, [], ["is in the host's network"]),
            ({"PidMode": "host"}, [], ["sees the host's processes"]),
            ({}, [{"Source": "/var/run/docker.sock"}], ["has Docker's socket"]),
        ],
    )
    def test_what_a_container_may_do_too_much_is_named(
        self, host: dict[str, Any], mounts: list[Any], found: list[str]
    ) -> None:
        fields = {"HostConfig": {**self.CONFINED["HostConfig"], **host}, "Mounts": mounts}
        assert security.looseness(fields) == found

    @pytest.mark.parametrize(
        ("component", "network", "found"),
        [
            ("monitoring", "none", []),
            ("monitoring", "bridge", ["has Docker's socket"]),
            ("app", "none", ["has Docker's socket"]),
        ],
    )
    def test_dockers_socket_is_for_what_watches_containers_without_a_network(
        self, component: str, network: str, found: list[str]
    ) -> None:
        fields = {
            "Config": {"Labels": {"dev.monopco.component": component}},
            "HostConfig": {**self.CONFINED["HostConfig"], "NetworkMode": network},
            "Mounts": [{"Source": "/var/run/docker.sock"}],
        }
        assert security.looseness(fields) == found

    def test_an_answer_without_a_header_or_with_too_much_is_named(self) -> None:
        told = answer(x_frame_options="DENY", server="nginx/1.26", x_powered_by="Express")
        assert security.lacking(told, ["x-frame-options", "referrer-policy"]) == [
            "has no referrer-policy",
            "tells x-powered-by",
            "tells its version",
        ]
        assert security.lacking(answer(server="nginx"), []) == []

    @pytest.mark.parametrize(
        ("header", "problem"),
        [
            ("max-age=31536000; includeSubDomains", ""),
            ("max-age=3153600", "is max-age=3153600"),
            ("max-age=315360000", "is max-age=315360000"),
            ("", "is not there"),
        ],
    )
    def test_hsts_is_what_is_configured(self, header: str, problem: str) -> None:
        assert security.judge_hsts(header, 31536000) == problem


class TestPerformance:
    @pytest.mark.parametrize(
        ("told", "fine"),
        [
            ("public, max-age=31536000, immutable", True),
            ("public, max-age=31536000", False),
            ("public, max-age=3600, immutable", False),
            ("", False),
        ],
    )
    def test_an_asset_is_kept_for_a_year(self, told: str, fine: bool) -> None:
        assert (performance.judge_cache("/a.js", answer(cache_control=told)) == "") is fine

    def test_what_is_compressed_is_smaller_and_the_same(self) -> None:
        plain = b"text " * 1000
        assert performance.judge_packed("br", plain, answer(body=b"x", content_encoding="br")) == ""
        assert "not given" in performance.judge_packed("br", plain, answer(body=b"x"))
        assert "no smaller" in performance.judge_packed("br", plain, answer(body=plain, content_encoding="br"))

    @pytest.mark.parametrize(
        ("status", "kind", "size", "problem"),
        [
            (200, "image/webp", 500_000, ""),
            (200, "image/png", 600_000, "/p has 600 kB"),
            (200, "image/bmp", 10, "/p is image/bmp"),
            (404, "text/html", 10, "/p is not there"),
            (200, "text/html", 10, "/p is not there"),
        ],
    )
    def test_a_picture_is_there_and_small(self, status: int, kind: str, size: int, problem: str) -> None:
        assert performance.judge_picture("/p", answer(status, bytes(size), content_type=kind)) == problem

    @pytest.mark.parametrize(
        ("text", "fine"), [("let a=1;" * 900, True), ("let a = 1;\n" * 900, False), ("let a = 1;\n", True)]
    )
    def test_a_minifier_leaves_long_lines(self, text: str, fine: bool) -> None:
        assert performance.is_minified(text) is fine

    @pytest.mark.parametrize(
        ("total", "errors", "p95", "verdict"),
        [
            (99, 99, 9000, NOT_APPLICABLE),
            (1000, 10, 500, PASSED),
            (1000, 11, 10, FAILED),
            (1000, 0, 501, FAILED),
            (1000, 0, None, PASSED),
        ],
    )
    def test_the_guides_limits_of_errors_and_time(self, total: int, errors: int, p95: Any, verdict: Verdict) -> None:
        figures = {"total": total, "errors_5xx": errors, "p95_ms": p95}
        assert performance.judge_figures(figures).verdict is verdict

    def test_load_is_a_share_of_the_memory_and_of_all_cores(self) -> None:
        used = {"app": Usage(0.81, 0.75), "proxy": Usage(0.8, 0.85), "database": Usage(0.8, 0.8)}
        assert performance.judge_load(used) == ["app uses 81% of its memory", "proxy uses 85% of the machine's CPU"]

    def test_what_a_container_uses_is_read_from_two_looks(self) -> None:
        looks = "1000000000 900 1000 100 5000000\n2000000000 950 1000 100 1005000000 2"
        assert parse(looks) == Usage(memory=0.8, processors=0.5)
        assert parse(looks.replace("1000 100", "max 100")).memory == 0
        with pytest.raises(CommandError, match="does not tell"):
            parse("sh: 1: cannot open")


class TestMonitoring:
    @pytest.mark.parametrize(
        ("log", "problem"),
        [
            ({"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}, ""),
            ({"Type": "json-file", "Config": {"max-size": "10m"}}, "has no max-file"),
            ({"Type": "json-file", "Config": None}, "has no max-size and no max-file"),
            ({"Type": "journald", "Config": {}}, ""),
            ({"Type": "none"}, "keeps no log"),
        ],
    )
    def test_a_log_has_a_limit(self, log: dict[str, Any], problem: str) -> None:
        assert monitoring.unlimited_log({"HostConfig": {"LogConfig": log}}) == problem

    @pytest.mark.parametrize(
        ("written", "verdict"),
        [
            ('{"request_id":"r1","method":"GET","path":"/x","status":200}', PASSED),
            ('{"request_id":"r1","method":"GET","path":"/x?secret=mark","status":200}', FAILED),
            ('{"request_id":"r2","method":"GET","path":"/x","status":200}', FAILED),
            ("GET /x r1 200", FAILED),
            ("", FAILED),
        ],
    )
    def test_a_request_has_a_line_without_its_query(self, written: str, verdict: Verdict) -> None:
        assert monitoring.judge_log("r1", "mark", written).verdict is verdict

    def test_a_line_that_comes_a_moment_after_the_answer_is_found(self) -> None:
        line = json.dumps({"request_id": "r1", "method": "GET", "path": "/", "status": 200})
        logs = iter(["", "of another request", line])
        web = SimpleNamespace(ask=lambda _path: SimpleNamespace(headers={"x-request-id": "r1"}))
        one: Any = SimpleNamespace(
            web=web, running=lambda _component: [SimpleNamespace(name="proxy")], said=lambda *_: next(logs)
        )
        assert monitoring.request_log(one).verdict is Verdict.PASSED

    @pytest.mark.parametrize(
        ("told", "kinds"),
        [
            ({}, []),
            ({"email": {"to": ["a@b.fr"]}, "heartbeatUrl": "https://a.fr"}, ["email"]),
            ({"email": {"to": [], "smtpPort": 587}, "webhook": {"url": None}, "heartbeatUrl": None}, []),
            ({"email": {"to": ["a@b.fr"]}, "webhook": {"url": {"secure": "x"}}}, ["email", "webhook"]),
        ],
    )
    def test_a_receiver_of_alerts_has_an_address(self, told: dict[str, Any], kinds: list[str]) -> None:
        assert monitoring.receivers(told) == kinds

    @pytest.mark.parametrize(
        ("facts", "result"),
        [
            (
                {"problems": [], "places": {"local": {"newest": {"at": "today"}, "proved_at": "yesterday"}}},
                passed("local: today, proved yesterday"),
            ),
            ({"problems": [], "places": {"local": {}}}, passed("local: none, proved never")),
            (
                {"problems": ["too old", "not proved"], "places": {}},
                failed("too old; not proved", "./monopco backups"),
            ),
        ],
    )
    def test_backups_are_judged_by_what_their_container_knows(self, facts: dict[str, Any], result: Result) -> None:
        assert monitoring.judge_backups(facts) == result

    @pytest.mark.parametrize(("free", "verdict"), [(20, PASSED), (19, FAILED), (0, FAILED)])
    def test_a_fifth_of_the_disk_is_free(self, free: int, verdict: Verdict) -> None:
        assert monitoring.judge_disk(100, free).verdict is verdict


class TestTrials:
    @pytest.mark.parametrize(
        ("line", "wrong"),
        [
            ("release abc listens on port 3000", False),
            ("0 errors", False),
            ("errorHandler ready", False),
            ("TypeError: out of paper", True),
            ("Error: connect ECONNREFUSED 10.0.0.1:5432", True),
            ("Unhandled promise rejection", True),
            ("FATAL: no way", True),
            ("[OAuth] ERROR: OAUTH_SERVER_URL is not configured!", True),
        ],
    )
    def test_an_error_is_told_from_other_lines(self, line: str, wrong: bool) -> None:
        assert bool(trials.errors_in(line)) is wrong

    def test_only_the_first_seconds_belong_to_the_start(self) -> None:
        log = "2026-11-25T02:00:00.5Z one\n2026-11-25T02:00:30Z two\n2026-11-25T02:00:31Z three\n"
        assert trials.first_lines(log, 30) == "one\ntwo"
        assert trials.first_lines("", 30) == ""

    def test_a_start_is_judged_by_docker_and_by_the_log(self) -> None:
        fields = {"Name": "/app-1", "RestartCount": 2, "State": {"OOMKilled": True}}
        assert trials.judge_start(fields, "fine\nError: x\n") == [
            "app-1 was started again 2 times",
            "app-1 was ended by the kernel for want of memory",
            "app-1: Error: x",
        ]
        assert trials.judge_start({"Name": "/app-1", "RestartCount": 0, "State": {}}, "fine") == []

    @pytest.mark.parametrize(
        ("code", "printed", "result"),
        [
            (0, " Test Files  2 passed\n      Tests  9 passed\n", passed("Test Files  2 passed; Tests  9 passed")),
            (0, "all good\n", passed("all good")),
            (
                1,
                "\x1b[31mFAIL  a.test.ts\x1b[0m\nTests  1 failed\n",
                failed("exit code 1: FAIL  a.test.ts; Tests  1 failed", trials.MEND_TESTS),
            ),
        ],
    )
    def test_the_apps_tests_are_judged_by_their_exit_code(self, code: int, printed: str, result: Result) -> None:
        assert trials.judge_tests(code, printed) == result

    @pytest.mark.parametrize(
        ("status", "body", "verdict"),
        [
            (200, '{"data":[{"name":"a.fr","status":"verified"}]}', PASSED),
            (200, '{"data":[{"name":"a.fr","status":"pending"}]}', FAILED),
            (200, '{"data":[]}', FAILED),
            (401, '{"name":"restricted_api_key"}', NOT_APPLICABLE),
            (403, "{}", FAILED),
        ],
    )
    def test_mails_need_a_verified_domain(self, status: int, body: str, verdict: Verdict) -> None:
        assert trials.judge_mail(status, body).verdict is verdict

    @pytest.mark.parametrize(
        ("at_limit", "above", "verdict"),
        [(404, 413, PASSED), (200, 413, PASSED), (413, 413, FAILED), (503, 413, FAILED), (404, 404, FAILED)],
    )
    def test_uploads_end_at_the_limit(self, at_limit: int, above: int, verdict: Verdict) -> None:
        assert trials.judge_uploads(10, 10, at_limit, above).verdict is verdict


class TestDocumentation:
    def test_a_link_that_leads_nowhere_is_found(self, tmp_path: Path) -> None:
        (tmp_path / "docs").mkdir()
        (tmp_path / "README.md").write_text(
            "[a](docs/a.md) [b](docs/b.md#part) [web](https://x.fr/a) [root](/docs/a.md) [m](mailto:a@b.fr)"
        )
        (tmp_path / "docs" / "a.md").write_text("[up](../README.md) [gone](c.md)\n```ts\na[b](d.md)\n```\n`[e](f.md)`")
        found = documentation.dead_links(tmp_path, [tmp_path / "README.md", tmp_path / "docs" / "a.md"])
        assert found == [
            "README.md points at docs/b.md, which is not there",
            "docs/a.md points at c.md, which is not there",
        ]

    @pytest.mark.parametrize(
        ("history", "startable", "verdict"),
        [
            ([], ["b"], NOT_APPLICABLE),
            (["b"], ["b"], NOT_APPLICABLE),
            (["a", "b"], ["a", "b"], PASSED),
            (["a", "x", "b"], ["a", "b"], PASSED),
            (["a", "b"], ["b"], FAILED),
        ],
    )
    def test_there_is_a_release_to_go_back_to(self, history: list[str], startable: list[str], verdict: Verdict) -> None:
        assert documentation.judge_rollback("b", history, startable).verdict is verdict

    def test_containers_are_compared_by_id_and_state(self) -> None:
        wanted = {"a": "1", "b": "2", "c": "3", "d": "4"}
        found = {"a": ("1", "running"), "b": ("9", "running"), "c": ("3", "exited")}
        assert documentation.judge_drift(wanted, found) == [
            "b was made anew by somebody else",
            "c is exited",
            "d is gone",
        ]


@pytest.mark.parametrize("make", [passed, not_applicable])
def test_only_a_failure_says_what_to_do(make: Callable[[str], Result]) -> None:
    assert make("x").todo == ""
