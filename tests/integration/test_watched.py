"""An environment that is watched: what is seen, who is told, what the page shows, and that no request needs it."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.integration.browser import Browser, Page
from tests.integration.environment import Answer, Environment, docker, everything_said, run, wait_until
from tests.integration.receivers import MailServer, Webhook

MEGABYTE = 10**6
PASSWORD, TOKEN, BEAT = "canary-mail-2f8e1d", "canary-hook-7b9a30", "canary-beat-c41d5e"
WIDTH = """document.querySelector('#releases img[alt="Home page of {}"]')?.naturalWidth"""
PARTS = ("watch", "alerts", "prober", "machine", "containers", "database")


@dataclass
class Watched:
    """The environment, and those who are told of it."""

    environment: Environment
    mail: MailServer
    webhook: Webhook

    @cached_property
    def login(self) -> dict[str, str]:
        given = self.environment.output("dashboard")
        pair = f"{given['user']}:{given['password']}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def page(self, path: str = "", method: str = "GET", headers: dict[str, str] | None = None) -> Answer:
        return self.environment.request(method, f"/_monopco/{path}", headers=self.login if headers is None else headers)

    def query(self, expression: str) -> dict[str, float]:
        """Value of each sample, by its labels in order."""
        answer = self.page(f"api/v1/query?{urlencode({'query': expression})}")
        assert answer.status == 200, answer
        result = answer.json()["data"]["result"]
        return {" ".join(sorted(one["metric"].values())): float(one["value"][1]) for one in result}

    def part(self, name: str) -> str:
        return f"monopco-{self.environment.stack}-monitoring-{name}"

    def told(self, alert: str, status: str) -> list[dict[str, Any]]:
        """What the webhook was told of an alert."""
        return [
            one
            for one in self.webhook.alerts(f"/{TOKEN}")
            if (one["labels"]["alertname"], one["status"]) == (alert, status)
        ]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """With a look every 2 seconds instead of 15, and messages that wait for others for 1 second."""
    one = Environment(tmp_path_factory.mktemp("watched") / "project", "watched")
    mail, webhook = MailServer("monopco", PASSWORD), Webhook()
    here = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    one.edit("images/monitoring/etc/prometheus.yml", "15s", "2s")
    one.edit("images/monitoring/etc/prometheus.yml", "10s", "2s")
    one.edit("images/monitoring/bin/watch-containers", "SECONDS_BETWEEN=30", "SECONDS_BETWEEN=2")
    one.edit("images/monitoring/etc/rules.yml", "keep_firing_for: 1m", "keep_firing_for: 1s")
    one.edit("components/alertmanager.py", '"group_wait": "10s"', '"group_wait": "1s"')
    one.edit("components/alertmanager.py", '"group_interval": "1m"', '"group_interval": "2s"')
    server = {"smtpHost": here, "smtpPort": mail.port, "username": mail.username, "tls": False}
    one.write_config(
        app={"secrets": [], "watchSeconds": 1},
        monitoring={
            "enabled": True,
            "pictures": True,
            "alerts": {"email": {"to": ["ops@monopco.test"], "from": "monopco@monopco.test", **server}},
        },
    )
    secrets = {
        "email.password": PASSWORD,
        "webhook.url": f"http://{here}:{webhook.port}/{TOKEN}",
        "heartbeatUrl": f"http://{here}:{webhook.port}/{BEAT}",
    }
    for key, value in secrets.items():
        path = f"monopco:monitoring.alerts.{key}"
        one.pulumi("config", "set", "--secret", "--path", path, "--stack", one.stack, stdin=value)
    with ExitStack() as stack:
        stack.enter_context(mail.running())
        stack.enter_context(webhook.running())
        stack.callback(one.destroy)
        one.up()
        context = one.trust()
        one.trust = lambda: context  # type: ignore[method-assign] # asking Pulumi takes a second each time
        yield Watched(one, mail, webhook)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    one = Browser()
    try:
        yield one.start()
    finally:
        one.stop()


def opened(watched: Watched, browser: Browser, *, width: int = 1280, scheme: str = "light") -> Page:
    page = browser.page()
    page.appearance(width=width, height=900, scheme=scheme)
    address = f"https://localhost:{watched.environment.https_port}/_monopco/"
    page.open(address, watched.login, "document.body && document.body.dataset.state === 'shown'")
    return page


def disturbed(page: Page) -> bool:
    """Whether a network of this machine came or went meanwhile: the browser gives its requests up then."""
    return any("ERR_NETWORK_CHANGED" in complaint for complaint in page.complaints())


def test_everything_is_asked_and_answers(watched: Watched) -> None:
    jobs = {
        *("proxy proxy", "localhost site", "machine machine", "database database"),
        *("monitoring prometheus", "alerts monitoring", "monitoring prober"),
    }
    wanted = dict.fromkeys(jobs, 1.0)
    wait_until(lambda: watched.query("sum by (job, instance) (up)") == wanted, "every part answers")
    wait_until(lambda: watched.query('sum(probe_success{job="site"})') == {"": 1}, "the site is tried")
    for _ in range(10):
        assert watched.environment.request("GET", "/api/info").status == 200
    wait_until(lambda: watched.query("sum(monopco_requests_total)")[""] >= 10, "the requests are counted")
    release = watched.environment.output("release")
    assert watched.query("sum by (release) (monopco_release_live)") == {release: 1}
    wait_until(
        lambda: watched.query("sum by (release) (monopco_release_info)") == {release: 1}, "the release is described"
    )
    assert 20 < watched.query("(probe_ssl_earliest_cert_expiry - time()) / 86400").popitem()[1] < 400
    containers = len(watched.environment.output("containers"))
    wait_until(
        lambda: watched.query("count(monopco_container_healthy == 1)") == {"": containers}, "all containers are seen"
    )
    wait_until(lambda: watched.query("monopco:disk:free > 0") != {}, "the disks are seen")
    assert watched.query("pg_settings_max_connections").popitem()[1] == 100


def test_the_figures_of_the_backups_arrive(watched: Watched) -> None:
    watched.environment.monopco("backup")
    watched.environment.monopco("backups", "--prove")

    def age(what: str) -> float:
        return time.time() - watched.query(f"max(monopco_backup_{what}_timestamp_seconds)").get("", 0)

    for what in ("success", "proved"):
        wait_until(lambda what=what: age(what) < 600, f"the time of the last {what} is known")  # type: ignore[misc]
    wait_until(lambda: watched.query("max(monopco_wal_lag_seconds)").get("", 1000) < 300, "the archive's lag is known")
    assert watched.query("max(monopco_backup_trouble)") == {"": 0}


def test_the_role_that_watches_the_database_reads_no_table(watched: Watched) -> None:
    database = watched.environment.container("database")
    script = "SET ROLE monopco_monitor; SELECT * FROM public.notes"
    done = run(["docker", "exec", database, "psql", "-U", "postgres", "-d", "monopco", "-c", script])
    assert "permission denied" in done.stderr


def test_the_page_needs_its_password_and_gives_two_questions_only(watched: Watched) -> None:
    assert watched.page(headers={}).status == 401
    wrong = base64.b64encode(b"monopco:wrong").decode()
    assert watched.page(headers={"Authorization": f"Basic {wrong}"}).status == 401
    assert watched.page().status == 200
    for path in ("api/v1/status/config", "api/v1/admin/tsdb/snapshot", "api/v1/query/x", "api/v1/targets", "metrics"):
        assert watched.page(path).status == 404, path
    assert watched.page("api/v1/query?query=up", method="POST").status == 403
    assert b"monopco_requests" not in watched.environment.request("GET", "/metrics").body


def test_the_page_shows_what_prometheus_says(watched: Watched, browser: Browser, record_property: Any) -> None:
    before = watched.environment.output("release")
    watched.environment.pulumi(
        "config", "set", "--path", "monopco:app.env.GREETING", "salut", "--stack", watched.environment.stack
    )
    watched.environment.up()
    release = watched.environment.output("release")
    assert release != before
    wait_until(
        lambda: (
            watched.query("sum by (release) (monopco_release_info)") == {before: 1, release: 1}
            and watched.query("sum by (release) (monopco_release_live)") == {release: 1}
        ),
        "both releases are seen",
    )
    for width, scheme in ((1280, "light"), (390, "dark")):
        page = opened(watched, browser, width=width, scheme=scheme)
        record_property(f"milliseconds until shown, {scheme}", page.evaluate("performance.now()"))
        text = str(page.evaluate("document.body.innerText"))
        assert release in text
        assert "answers" in str(page.evaluate("document.getElementById('facts').innerText"))
        firing = watched.query('ALERTS{alertstate="firing",alertname!="Watchdog"}')
        assert page.evaluate("document.querySelectorAll('#alerts li').length") == len(firing)
        rows = page.evaluate("[...document.querySelectorAll('#releases tbody tr')].map((row) => row.innerText)")
        assert sorted(row.split()[0] for row in rows) == sorted([before, release])
        assert [row.split()[0] for row in rows if "live" in row] == [release]
        assert page.evaluate("document.querySelectorAll('[role=img] canvas').length") > 0
        for one in (before, release):
            wait_until(
                lambda page=page, one=one: page.evaluate(WIDTH.format(one)) == 1280,  # type: ignore[misc]
                f"the home page of {one} is shown",
            )
        wait_until(
            lambda page=page, release=release: (
                page.evaluate(f"GRAPHS[0].marks.some((mark) => mark.release === '{release}')")  # type: ignore[misc]
                or page.evaluate("refresh().then(() => false)")
            ),
            "the deploy is marked",
        )
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it does not fit"
        assert page.accessibility() == []
        while disturbed(page):
            page = opened(watched, browser, width=width, scheme=scheme)
        assert page.complaints() == []
        assert page.hosts() == {f"localhost:{watched.environment.https_port}"}


def test_an_alert_arrives_once_by_mail_and_webhook_and_is_over_when_it_is_over(watched: Watched) -> None:
    apps = watched.environment.containers("app")
    docker("stop", *apps)
    try:
        wait_until(lambda: bool(watched.told("SiteDown", "firing")), "the webhook is told", 240)
        wait_until(lambda: any("critical: The site" in one for one in watched.mail.subjects()), "a mail comes", 60)
    finally:
        docker("start", *apps)
    wait_until(lambda: bool(watched.told("SiteDown", "resolved")), "the webhook is told that it is over", 240)
    wait_until(lambda: any("over: The site" in one for one in watched.mail.subjects()), "a mail says so", 60)
    assert len({one["startsAt"] for one in watched.told("SiteDown", "firing")}) == 1
    subjects = Counter(one for one in watched.mail.subjects() if "The site does not answer" in one)
    assert subjects == {
        "[watched] critical: The site does not answer as it should": 1,
        "[watched] over: The site does not answer as it should": 1,
    }
    (mail, *_) = [one for one in watched.mail.mails if "critical: The site" in str(one["Subject"])]
    text = mail.get_body(("plain",))
    assert text is not None
    assert "docs/operations.md#what-is-going-on" in text.get_content()
    assert f"https://localhost:{watched.environment.https_port}/_monopco/#health" in text.get_content()


def test_somebody_elsewhere_hears_that_the_watching_goes_on(watched: Watched) -> None:
    wait_until(lambda: bool(watched.webhook.alerts(f"/{BEAT}")), "the heartbeat arrives")
    assert {one["labels"]["alertname"] for one in watched.webhook.alerts(f"/{BEAT}")} == {"Watchdog"}
    assert "Watchdog" not in {one["labels"]["alertname"] for one in watched.webhook.alerts(f"/{TOKEN}")}


def test_a_test_alert_says_who_has_taken_it(watched: Watched) -> None:
    said = watched.environment.monopco("alerts", "test")
    assert said.count("accepted") == 2
    assert any("This is a test" in one for one in watched.mail.subjects())
    assert watched.told("Test", "firing")
    watched.mail.refuses = True
    try:
        done = watched.environment.attempt_monopco("alerts", "test")
    finally:
        watched.mail.refuses = False
    assert done.returncode == 1
    assert "554 this server is full" in done.stdout
    assert done.stdout.count("accepted") == 1


def test_the_command_tells_where_the_page_is(watched: Watched) -> None:
    told = json.loads(watched.environment.monopco("dashboard", "--json"))
    assert told == watched.environment.output("dashboard")
    assert told["url"] == f"https://localhost:{watched.environment.https_port}/_monopco/"


def test_no_secret_of_the_monitoring_is_where_it_can_be_read(watched: Watched) -> None:
    one = watched.environment
    containers = one.ours("container")
    places = {
        "state": (one.folder / ".state/.pulumi/stacks/monopco" / f"{one.stack}.json").read_text(),
        "stack file": one.stack_file.read_text(),
        "inspect": docker("inspect", *containers),
        "logs": "".join(everything_said(container) for container in containers),
        "processes": "".join(docker("top", container, "-eo", "pid,args") for container in containers),
        "history": "".join(docker("history", "--no-trunc", image) for image in one.ours("image")),
        "outputs": one.pulumi("stack", "output", "--json", "--stack", one.stack),
    }
    for secret in (PASSWORD, TOKEN, BEAT, one.output("dashboard")["password"]):
        assert [name for name, text in places.items() if secret in text] == [], secret


def test_all_of_it_together_has_at_most_250_mb(watched: Watched, record_property: Any) -> None:
    resident = {part: sum(map(_resident, _processes(watched.part(part)))) for part in PARTS}
    record_property("resident bytes", resident)
    assert sum(resident.values()) <= 250 * MEGABYTE, resident


def _processes(container: str) -> list[str]:
    return docker("top", container, "-eo", "pid").split()[1:]


def _resident(process: str) -> int:
    """Bytes; none of a process that has ended meanwhile."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss:"))


@pytest.mark.long
def test_a_log_never_has_more_than_its_three_files(watched: Watched) -> None:
    container = watched.environment.containers("app")[0]
    docker("exec", container, "sh", "-c", "head -c 45000000 /dev/zero | tr '\\0' x | fold -w 1000 > /proc/1/fd/1")
    folder = str(Path(docker("inspect", "--format", "{{.LogPath}}", container)).parent)
    image = docker("inspect", "--format", "{{.Image}}", watched.part("machine"))
    listed = docker(
        *("run", "--rm", "--user", "0:0", "--volume", f"{folder}:/log:ro", "--entrypoint", "sh", image, "-c"),
        "stat --format '%s %n' /log/*-json.log*",
    )
    sizes = [int(line.split()[0]) for line in listed.splitlines()]
    assert len(sizes) == 3
    assert sum(sizes) < 32 * MEGABYTE, listed


@pytest.mark.long
@pytest.mark.parametrize("encrypting", [False, True])
def test_a_database_elsewhere_is_read_whether_it_encrypts_or_not(watched: Watched, encrypting: bool) -> None:
    database, reader = watched.environment.container("database"), watched.part("database")
    certificate = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=database"
    if encrypting:
        docker("exec", database, "sh", "-c", f"cd $PGDATA && {certificate} -keyout server.key -out server.crt")
    asked = ["psql", "-U", "postgres", "-c", f"ALTER SYSTEM SET ssl = {encrypting}", "-c", "SELECT pg_reload_conf()"]
    docker("exec", database, *asked)
    name, network = f"{reader}-elsewhere", f"monopco-{watched.environment.stack}-network"
    image = docker("inspect", "--format", "{{.Image}}", reader)
    start = "cp /given/* /etc/monopco/secrets/ && echo prefer > /etc/monopco/secrets/sslmode && exec watch-database"
    given = f"{reader}-secrets:/given:ro"
    options = ["--name", name, "--network", network, "--volume", given, "--entrypoint", "sh"]
    try:
        docker("run", "--detach", *options, image, "-c", start)
        asks = ["docker", "exec", name, "curl", "-s", "http://127.0.0.1:9187/metrics"]
        wait_until(lambda: "pg_up 1" in run(asks).stdout, "it is read")
    finally:
        docker("rm", "--force", name)
        docker(
            "exec", database, "psql", "-U", "postgres", "-c", "ALTER SYSTEM RESET ssl", "-c", "SELECT pg_reload_conf()"
        )


@pytest.mark.long
def test_what_was_removed_by_hand_is_an_alert_until_it_is_made_anew(watched: Watched) -> None:
    docker("rm", "--force", watched.part("prober"))
    shown = watched.environment.monopco("preview", "--refresh").replace("`", "")
    assert "monitoring-prober is gone; up --refresh mends it" in shown
    wait_until(lambda: bool(watched.told("DriftFound", "firing")), "it is told")
    watched.environment.monopco("up", "--refresh")
    wait_until(lambda: bool(watched.told("DriftFound", "resolved")), "it is told that it is mended")


@pytest.mark.long
def test_killing_all_of_it_costs_no_request(watched: Watched) -> None:
    lost: list[object] = []
    asked = 0
    over = threading.Event()

    def client() -> None:
        nonlocal asked
        while not over.is_set():
            try:
                answer = watched.environment.request("GET", "/api/info")
                lost.extend([answer] if answer.status != 200 else [])
            except (OSError, HTTPException) as error:
                lost.append(error)
            asked += 1

    visitor = threading.Thread(target=client)
    visitor.start()
    try:
        wait_until(lambda: asked > 10, "requests come")
        docker("kill", *(watched.part(part) for part in PARTS))
        before = asked
        wait_until(lambda: asked > before + 50, "requests come without it")
    finally:
        over.set()
        visitor.join()
    assert lost == []
    answer = watched.page()
    assert (answer.status, b"The site does not depend on it" in answer.body) == (503, True)
    docker("restart", watched.environment.container("proxy"))
    wait_until(lambda: _answers(watched), "the proxy starts without it")
    watched.environment.up("--refresh")
    wait_until(lambda: watched.page().status == 200, "the page is there again")


def _answers(watched: Watched) -> bool:
    try:
        return watched.environment.request("GET", "/api/info").status == 200
    except (OSError, HTTPException):
        return False


def test_a_second_up_changes_nothing_and_a_refresh_finds_nothing(watched: Watched) -> None:
    watched.environment.up("--expect-no-changes")
    stack = watched.environment.stack
    watched.environment.pulumi("preview", "--refresh", "--expect-no-changes", "--stack", stack)
