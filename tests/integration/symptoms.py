"""How each symptom that `doctor` knows is brought about for real, and what it must be found to come from."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import pytest

from ops import locks, names
from ops.diagnosis.finding import Symptom
from tests.integration.breaks import BREAKS, SLEEP, another, another_app, database, forget_figures, source_has
from tests.integration.checklist_lab import BASE, Lab
from tests.integration.environment import docker, everything_said, shell_environment, wait_until

Way = Callable[[Lab], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Case:
    """A symptom, what really causes it, what is said of that, and what the next command holds."""

    symptom: Symptom
    way: Way
    cause: str
    command: str


CASES: dict[str, Case] = {}


def case(name: str, symptom: Symptom, cause: str, command: str) -> Callable[[Callable[[Lab], Iterator[Any]]], Way]:
    """Register a way to bring a symptom about; it yields the survey to ask, if it is a special one."""

    def register(way: Callable[[Lab], Iterator[Any]]) -> Way:
        made = contextmanager(way)
        CASES[name] = Case(symptom, made, cause, command)
        return made

    return register


def simple(name: str, symptom: Symptom, way: Way, cause: str, command: str) -> None:
    CASES[name] = Case(symptom, way, cause, command)


@case("Docker is down", Symptom.NO_START, "Docker does not answer", "systemctl start docker")
def _docker_is_down(_lab: Lab) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
        yield


@case("nothing was deployed", Symptom.NO_START, "the environment does not run", "./monopco up -s nothing")
def _nothing_was_deployed(lab: Lab) -> Iterator[Any]:
    path = lab.environment.folder / "Pulumi.nothing.yaml"
    path.write_text("config: {}\n")
    try:
        yield lab.survey(stack="nothing")
    finally:
        path.unlink()


# The app itself, as a release that is to follow the live one or as one more process of that.


def app_that(ends: tuple[str, ...], options: tuple[str, ...], said: Callable[[str], bool]) -> Way:
    @contextmanager
    def way(lab: Lab) -> Iterator[None]:
        with lab.container("app", *ends, image=lab.app_image, options=options, release=lab.live) as name:
            wait_until(lambda: said(name), "the app is as wanted")
            yield

    return way


def restarts(name: str) -> bool:
    return int(docker("inspect", "--format={{.RestartCount}}", name)) > 0


def state(name: str, key: str) -> str:
    return docker("inspect", f"--format={{{{.State.{key}}}}}", name)


simple(
    "a variable is missing",
    Symptom.NO_START,
    app_that(("start",), ("--restart=always",), restarts),
    "the app ends as soon as it starts: a variable of its environment is missing",
    "verify configuration",
)
simple(
    "a module is missing",
    Symptom.NO_START,
    app_that(("node", "/app/gone.js"), (), lambda name: state(name, "Status") == "exited"),
    "the app ended: a module is missing in the image",
    "app.dependencies all",
)
simple(
    "too little memory",
    Symptom.NO_START,
    app_that(
        ("node", "-e", "const kept = []; for (;;) kept.push(Buffer.alloc(1e7, 1));"),
        ("--memory=64m", "--memory-swap=64m", "--restart=always"),
        restarts,
    ),
    "the app needs more memory than it may have",
    "app.memory 128M",
)
simple(
    "another port",
    Symptom.GATEWAY,
    app_that(
        ("node", "-e", "require('http').createServer().listen(4000, () => console.log('listens'))"),
        (),
        lambda name: "listens" in everything_said(name),
    ),
    "the app listens on another port",
    "app.port 4000",
)
simple(
    "the app hangs",
    Symptom.GATEWAY,
    app_that(
        SLEEP,
        ("--health-cmd=echo no answer; exit 1", "--health-interval=1s", "--health-retries=1"),
        lambda name: state(name, "Health.Status") == "unhealthy",
    ),
    "the app runs but does not answer",
    "docker restart a-",
)


@case("the app was stopped", Symptom.GATEWAY, "the app ended, and was not started again", "docker start monopco-")
def _the_app_was_stopped(lab: Lab) -> Iterator[None]:
    both = [lab.app(1), lab.app(2)]
    docker("kill", *both)
    try:
        yield
    finally:
        docker("start", *both)
        lab.recovered()


@case("the proxy was stopped", Symptom.GATEWAY, "the proxy does not run", "docker start monopco-")
def _the_proxy_was_stopped(lab: Lab) -> Iterator[None]:
    docker("kill", lab.name("proxy"))
    try:
        yield
    finally:
        docker("start", lab.name("proxy"))
        lab.recovered()


@case("the proxy is gone", Symptom.GATEWAY, "the proxy is gone", "pulumi up --refresh")
def _the_proxy_is_gone(lab: Lab) -> Iterator[Any]:
    """An environment of which there is an app and no proxy."""
    path = lab.environment.folder / "Pulumi.proxyless.yaml"
    path.write_text("config: {}\n")
    with ExitStack() as mending:
        mending.callback(path.unlink)
        name = f"a-proxyless-{lab.stack}"
        ours = ["--label=dev.monopco.stack=proxyless", "--label=dev.monopco.component=app"]
        docker("run", "--detach", "--init", "--name", name, *ours, "--entrypoint", *SLEEP[:1], BASE, *SLEEP[1:])
        mending.callback(docker, "rm", "--force", name)
        yield lab.survey(stack="proxyless")


simple("maintenance", Symptom.GATEWAY, BREAKS["security.https"], "maintenance is on", "maintenance off")


@case("the database was stopped", Symptom.GATEWAY, "the database does not run", "docker start monopco-")
def _the_database_was_stopped(lab: Lab) -> Iterator[None]:
    docker("kill", lab.name("database"))
    try:
        yield
    finally:
        docker("start", lab.name("database"))
        lab.recovered()


simple(
    "the app's role may not sign in",
    Symptom.CONNECTIONS,
    database("ALTER ROLE monopco_app NOLOGIN", "ALTER ROLE monopco_app LOGIN"),
    "the database refuses the app",
    "./monopco up",
)


@case("requests fail", Symptom.GATEWAY, "the app answers with errors", "logs --request")
def _requests_fail(lab: Lab) -> Iterator[None]:
    with database("ALTER TABLE notes RENAME TO gone", "ALTER TABLE gone RENAME TO notes")(lab):
        for _ in range(40):
            lab.survey().web.ask("/api/notes")
    yield
    forget_log(lab)


def forget_log(lab: Lab) -> None:
    """More requests that go well than the doctor looks at."""
    web = lab.survey().web
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: web.plain("/", "localhost"), range(2000)))


# Slow.


@contextmanager
def session(lab: Lab, statement: str) -> Iterator[None]:
    """A session of the database that goes on until the block ends."""
    command = [
        "docker",
        "exec",
        "--interactive",
        "--user",
        "postgres",
        lab.name("database"),
        "psql",
        "-Xq",
        "-d",
        "monopco",
    ]
    with subprocess.Popen(
        command, env=dict(shell_environment()), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdin
        client.stdin.write(f"{statement}\n")
        client.stdin.flush()
        try:
            yield
        finally:
            ours = "application_name = 'psql' AND pid <> pg_backend_pid()"
            lab.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")  # noqa: S608
            client.stdin.close()
            client.wait()


@contextmanager
def locked(lab: Lab) -> Iterator[None]:
    """Nobody else can use the table of notes."""
    held = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'notes'::regclass AND mode = 'AccessExclusiveLock'"
    with session(lab, "BEGIN; LOCK TABLE notes;"):
        wait_until(lambda: lab.sql(held) == "t", "the lock is held")
        yield


@case("a lock", Symptom.SLOW, "one session of the database keeps others waiting", "pg_terminate_backend")
def _a_lock(lab: Lab) -> Iterator[None]:
    waiting = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as pool, locked(lab):
        pool.submit(lab.survey().web.ask, "/api/notes")
        wait_until(lambda: lab.sql(waiting) == "t", "a request waits for the lock")
        yield


@case("a long query", Symptom.SLOW, "a query takes long", "pg_cancel_backend")
def _a_long_query(lab: Lab) -> Iterator[None]:
    others = "FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    long = f"SELECT count(*) > 0 {others} AND query LIKE '%pg_sleep%' AND now() - query_start > '6s'"
    with session(lab, "SELECT pg_sleep(600);"):
        wait_until(lambda: lab.sql(long) == "t", "the query has been running for a while")
        yield


@case(
    "the limit of requests", Symptom.SLOW, "visitors are held back by the limit of requests", "http.requestsPerSecond"
)
def _the_limit_of_requests(lab: Lab) -> Iterator[None]:
    with lab.nginx("burst=1000 nodelay", "burst=1 nodelay"), ThreadPoolExecutor(8) as pool:
        web = lab.survey().web
        with lab.nginx("rate=500r/s", "rate=1r/s"):
            list(pool.map(lambda _: web.ask("/api/info"), range(20)))
    yield
    forget_log(lab)


@case("a slow app", Symptom.SLOW, "the app takes long", "logs app")
def _a_slow_app(lab: Lab) -> Iterator[None]:
    """Its requests wait for a table for a second, and then go on."""
    web = lab.survey().web
    waited = (
        "SELECT coalesce(max(now() - query_start) > '1s', false) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    )
    with ThreadPoolExecutor(120) as pool:
        with locked(lab):
            answers = [pool.submit(web.ask, "/api/notes") for _ in range(120)]
            wait_until(lambda: lab.sql(waited) == "t", "requests have waited for a second")
        assert all(answer.result().status for answer in answers)
    yield
    forget_figures(lab)


simple("no memory left", Symptom.SLOW, BREAKS["performance.load"], "a container is at its limit", "app.memory")


# Mail.


def app_says(line: str) -> Way:
    @contextmanager
    def way(lab: Lab) -> Iterator[None]:
        with another_app("sh", "-c", f"echo '{line}'; sleep 600")(lab) as name:
            wait_until(lambda: line in everything_said(name), "it has said so")
            yield

    return way


simple(
    "Resend's limit",
    Symptom.MAIL,
    app_says('[Resend] {"statusCode":429,"name":"rate_limit_exceeded","message":"2 requests per second"}'),
    "Resend's limit of 2 requests a second was met",
    "logs app",
)
simple(
    "the domain at Resend",
    Symptom.MAIL,
    app_says("[Resend] Failed to send email: The monopco.fr domain is not verified."),
    "the sending domain is not verified at Resend",
    "verify tests.mail --online",
)
simple(
    "the key of Resend",
    Symptom.MAIL,
    app_says("[Resend] error 403 invalid_api_key: API key is invalid"),
    "Resend refuses the key",
    "pulumi config set",
)
simple(
    "no key of Resend",
    Symptom.MAIL,
    another_app("node", "-e", "setInterval(() => {}, 1000)"),
    "the app has no key of Resend",
    "--secret RESEND_API_KEY",
)


@case(
    "domain records",
    Symptom.MAIL,
    "the sending domain lacks DNS records",
    "dig +short TXT resend._domainkey.monopco.fr",
)
def _domain_records(lab: Lab) -> Iterator[Any]:
    sender = source_has("server/mail.ts", "const FROM_EMAIL = 'MonOPCO <noreply@monopco.fr>';\n")
    with name_server() as address, sender(lab), pytest.MonkeyPatch.context() as patch:
        patch.setenv(names.SERVER, address)
        patch.setenv("RESEND_URL", "http://127.0.0.1:9")  # nobody listens there, which is another finding
        yield lab.survey(online=True)


@contextmanager
def name_server() -> Iterator[str]:
    """A name server that knows no name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def answer() -> None:
            while True:
                try:
                    question, client = server.recvfrom(4096)
                except OSError:
                    return
                if not question:
                    return
                reply = dns.message.make_response(dns.message.from_wire(question))
                reply.set_rcode(dns.rcode.NXDOMAIN)
                reply.flags |= dns.flags.RA
                server.sendto(reply.to_wire(), client)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        address, port = server.getsockname()
        yield f"{address}:{port}"
        server.sendto(b"", (address, port))
        thread.join()


# Realtime.

simple(
    "the publication",
    Symptom.REALTIME,
    BREAKS["database.realtime"],
    "changes of a table are not published",
    "ALTER PUBLICATION supabase_realtime ADD TABLE notes",
)
simple(
    "WebSockets",
    Symptom.REALTIME,
    BREAKS["tests.websocket"],
    "WebSockets do not pass the proxy",
    "pulumi up --refresh",
)
simple(
    "the keys of Supabase",
    Symptom.REALTIME,
    source_has("client/src/supabase.ts", "export const key = import.meta.env.VITE_SUPABASE_ANON_KEY;\n"),
    "the page does not know its Supabase project",
    "app.public.VITE_SUPABASE_ANON_KEY",
)


# Disk.

simple(
    "a full disk",
    Symptom.DISK,
    another(
        "database",
        *("sh", "-c", "head --bytes=9M /dev/zero > /data/full; sleep 600"),
        options=("--tmpfs=/data:size=8m",),
    ),
    "the disk is full",
    "docker builder prune",
)


# Certificate.

simple(
    "an ended certificate",
    Symptom.CERTIFICATE,
    lambda lab: lab.certificate(days=-1),
    "the certificate does not hold",
    "certificate self-signed localhost www.localhost",
)
simple(
    "a certificate that ends soon",
    Symptom.CERTIFICATE,
    lambda lab: lab.certificate(days=5),
    "the certificate ends soon",
    "certificate self-signed localhost www.localhost",
)
simple(
    "a stranger's certificate",
    Symptom.CERTIFICATE,
    lambda lab: lab.certificate(days=300),
    "browsers do not trust the certificate",
    "certificate self-signed localhost www.localhost",
)


# Connections.


@case("connections", Symptom.CONNECTIONS, "the database is full of connections", "pg_terminate_backend")
def _connections(lab: Lab) -> Iterator[None]:
    """As many sessions of the app as it may have, which are few for the time being."""
    with lab.database("ALTER ROLE monopco_app CONNECTION LIMIT 2", "ALTER ROLE monopco_app CONNECTION LIMIT 80"):
        web = lab.survey().web

        def used_up() -> bool:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda _: web.ask("/api/notes"), range(8)))
            return int(lab.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'monopco_app'")) >= 2

        wait_until(used_up, "the app has all sessions that it may have")
        yield


# Deploys.


@case("a killed deploy", Symptom.DEPLOY, "a deploy was killed and left its lock", "./monopco up")
def _a_killed_deploy(lab: Lab) -> Iterator[None]:
    one = lab.environment
    command = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", one.stack]
    with subprocess.Popen(
        command, cwd=one.folder, env=one.variables, start_new_session=True, stdout=subprocess.DEVNULL
    ) as deploy:
        wait_until(lambda: bool(locks.of_stack(one.stack)), "the deploy holds the stack")
        os.killpg(deploy.pid, signal.SIGKILL)
    yield
    one.monopco("up")
