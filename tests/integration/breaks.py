"""How each thing that `verify` looks at is broken for real, and mended again."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest

from ops import usage
from ops.checklist import security
from tests.integration.checklist_lab import BASE, CANARY, Lab
from tests.integration.environment import docker, everything_said, free_ports, wait_until

Break = Callable[[Lab], AbstractContextManager[Any]]
BREAKS: dict[str, Break] = {}
CLOSING = "        location @closing {"


def breaks(check: str) -> Callable[[Callable[[Lab], Iterator[Any]]], Break]:
    """Register how the thing is broken that a check looks at. What is yielded is the survey to ask, if any."""

    def register(way: Callable[[Lab], Iterator[Any]]) -> Break:
        BREAKS[check] = contextmanager(way)
        return BREAKS[check]

    return register


def simple(check: str, way: Break) -> None:
    BREAKS[check] = way


def nginx(old: str, new: str) -> Break:
    return lambda lab: lab.nginx(old, new)


def database(breaking: str, mending: str) -> Break:
    return lambda lab: lab.database(breaking, mending)


# What only the stack's file says.
def file_says(**sections: Mapping[str, Any]) -> Break:
    @contextmanager
    def way(lab: Lab) -> Iterator[Any]:
        yield lab.survey(sections)

    return way


# What stands in the source, and is not deployed.
def source_has(name: str, text: str | None) -> Break:
    @contextmanager
    def way(lab: Lab) -> Iterator[None]:
        path = lab.source / name
        before = path.read_text() if path.exists() else None
        path.parent.mkdir(exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            if before is not None:
                path.write_text(before)

    return way


def another(component: str, *command: str, **options: Any) -> Break:
    return lambda lab: lab.container(component, *command, **options)


def another_app(*command: str, options: tuple[str, ...] = ()) -> Break:
    """A process beside those of the app's live release."""
    return lambda lab: lab.container("app", *command, image=lab.app_image, options=options, release=lab.live)


SLEEP = ("sleep", "600")
SOURCE_OF_ONE = ("node", "-e", "setInterval(() => {}, 1000)")

simple("configuration.variables", file_says(app={"env": {"GREETING": "salut"}}))
simple("configuration.template", source_has(".env.example", "DATABASE_URL=\nNEEDED_KEY=\n"))
simple("configuration.node-env", another_app(*SOURCE_OF_ONE, options=("--env=NODE_ENV=development",)))
simple("configuration.jwt-secret", another_app(*SOURCE_OF_ONE, options=("--env=JWT_SECRET=change-me",)))
simple(
    "configuration.database-connection",
    database("ALTER ROLE monopco_app NOLOGIN", "ALTER ROLE monopco_app LOGIN"),
)


@breaks("configuration.drizzle")
def _configuration_drizzle(lab: Lab) -> Iterator[None]:
    package = (lab.source / "package.json").read_text()
    with (
        source_has("drizzle.config.ts", 'export default { dialect: "mysql" };\n')(lab),
        source_has("package.json", package.replace('"start": "', '"start": "pnpm db:push && '))(lab),
    ):
        yield


simple(
    "database.tables",
    database("ALTER TABLE uploads RENAME TO gone", "ALTER TABLE gone RENAME TO uploads"),
)
simple(
    "database.scripts",
    database(
        "UPDATE monopco.migrations SET checksum = reverse(checksum)",
        "UPDATE monopco.migrations SET checksum = reverse(checksum)",
    ),
)
simple(
    "database.realtime",
    database(
        "ALTER PUBLICATION supabase_realtime DROP TABLE notes", "ALTER PUBLICATION supabase_realtime ADD TABLE notes"
    ),
)
simple(
    "database.row-level-security",
    database("ALTER TABLE notes DISABLE ROW LEVEL SECURITY", "ALTER TABLE notes ENABLE ROW LEVEL SECURITY"),
)
simple(
    "database.rights",
    database("GRANT CREATE ON SCHEMA public TO monopco_app", "REVOKE CREATE ON SCHEMA public FROM monopco_app"),
)


@breaks("security.https")
def _security_https(lab: Lab) -> Iterator[None]:
    docker("exec", lab.name("proxy"), "maintenance", "on")
    try:
        yield
    finally:
        docker("exec", lab.name("proxy"), "maintenance", "off")


simple("tests.functions", BREAKS["security.https"])
simple("security.redirects", nginx("return 301 https://$site", "return 302 https://$site"))
simple("security.certificate-dates", lambda lab: lab.certificate(days=20))
simple("security.certificate-chain", lambda lab: lab.certificate(days=300))
simple("security.certificate-renewal", file_says(tls={"mode": "acme"}))
simple(
    "security.tls-versions",
    nginx(
        "ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_ciphers ",
        "ssl_protocols TLSv1.1 TLSv1.2 TLSv1.3;\n    ssl_ciphers ALL:@SECLEVEL=0:",
    ),
)
simple(
    "security.published-ports",
    lambda lab: lab.container("app", *SLEEP, options=(f"--publish=127.0.0.1:{free_ports(1)[0]}:80",)),
)
simple("security.confinement", another("app", *SLEEP, run=False))
simple("security.secrets-in-logs", another("app", "echo", f"the key is {CANARY}-pappers_api_key"))
simple(
    "security.secrets-in-containers",
    another("app", *SLEEP, options=(f"--env=KEY={CANARY}-pappers_api_key",), run=False),
)
simple("security.headers", nginx("    add_header X-Frame-Options", "    #add_header X-Frame-Options"))
simple("security.hsts", nginx('"max-age=31536000; ', '"max-age=5; '))
simple("security.limits", nginx("rate=500r/s", "rate=900r/s"))
simple("security.foreign-names", nginx("return 421;", "return 200;"))


@breaks("security.scan")
def _security_scan(lab: Lab) -> Iterator[Any]:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.MonkeyPatch.context() as patch:
        patch.setattr(security, "_SCANNED", [listener.getsockname()[1], *free_ports(3)])
        yield lab.survey({"server": {"host": "127.0.0.1"}})


def image_with(lab: Lab, base: str, lines: str) -> str:
    """An image of this stack's, made on another one."""
    name = f"monopco-{lab.stack}/leak:test"
    docker(
        "build",
        "--quiet",
        f"--label=dev.monopco.stack={lab.stack}",
        "--tag",
        name,
        "-",
        stdin=f"FROM {base}\n{lines}\n",
    )
    return name


@breaks("security.secrets-in-images")
def _security_secrets_in_images(lab: Lab) -> Iterator[None]:
    name = image_with(lab, BASE, f"ENV KEY={CANARY}-pappers_api_key")
    try:
        yield
    finally:
        docker("image", "rm", name)


@breaks("security.secrets-in-files")
def _security_secrets_in_files(lab: Lab) -> Iterator[None]:
    with ExitStack() as mending:
        lines = f"USER 0\nRUN printf '{CANARY}-pappers_api_key' > /app/dist/settings.json"
        name = image_with(lab, lab.app_image, lines)
        mending.callback(docker, "image", "rm", name)
        mending.enter_context(lab.container("app", *SLEEP, image=name, release=lab.live))
        yield


@breaks("security.secrets-in-state")
def _security_secrets_in_state(lab: Lab) -> Iterator[None]:
    file = lab.environment.stack_file
    before = file.read_text()
    file.write_text(f"{before}# the key is {CANARY}-pappers_api_key\n")
    try:
        yield
    finally:
        file.write_text(before)


simple("performance.asset-cache", nginx("public, max-age=31536000, immutable", "public, max-age=3600"))
simple("performance.page-cache", nginx('"~^\\d \\d+ text/html" "no-cache";', '"~^\\d \\d+ text/html" "max-age=600";'))
simple("performance.compression", nginx("brotli on;", "brotli off;"))


@breaks("performance.pictures")
def _performance_pictures(lab: Lab) -> Iterator[None]:
    with (
        lab.page("= /large.png", "image/png", 'string.rep("x", 600000)'),
        lab.page("= /", "text/html", """ [[<img src="/large.png">]] """),
    ):
        yield


simple(
    "performance.minified",
    lambda lab: lab.page("~ ^/assets/.+js$", "text/javascript", 'string.rep("const name = 1;\\n", 900)'),
)


@breaks("performance.answers")
def _performance_answers(lab: Lab) -> Iterator[None]:
    lab.sql("ALTER TABLE notes RENAME TO gone")
    try:
        for _ in range(110):
            lab.survey().web.ask("/api/notes")
    finally:
        lab.sql("ALTER TABLE gone RENAME TO notes")
    yield
    forget_figures(lab)


def forget_figures(lab: Lab) -> None:
    docker("restart", lab.name("proxy"))
    lab.recovered()


@breaks("performance.load")
def _performance_load(lab: Lab) -> Iterator[None]:
    filled = "head --bytes=56M /dev/zero > /memory/full; sleep 600"
    limits = ("--memory=64m", "--memory-swap=64m", "--tmpfs=/memory:size=60m")
    with lab.container("app", "sh", "-c", filled, options=limits) as name:
        wait_until(lambda: usage.of_container(name, None).memory > 0.8, "the container has filled its memory")
        yield


simple("monitoring.rotation", another("app", *SLEEP, run=False))
simple("monitoring.request-log", nginx('"path":"$path"', '"path":"$request_uri"'))
simple("monitoring.monitoring", file_says(monitoring={"enabled": True}))
simple("monitoring.alerts", file_says(monitoring={"enabled": True}))
simple(
    "monitoring.disk",
    another(
        "proxy",
        *("sh", "-c", "head --bytes=7M /dev/zero > /var/lib/monopco/full; sleep 600"),
        options=("--tmpfs=/var/lib/monopco:size=8m",),
    ),
)


@breaks("monitoring.backups")
def _monitoring_backups(lab: Lab) -> Iterator[None]:
    with lab.container("backups", "false") as name:
        wait_until(lambda: docker("inspect", "--format={{.State.Status}}", name) == "exited", "it has ended")
        yield


@breaks("monitoring.health")
def _monitoring_health(lab: Lab) -> Iterator[None]:
    name = lab.app(2)
    docker("kill", name)
    try:
        yield
    finally:
        docker("start", name)
        healthy(name)


def healthy(name: str) -> None:
    wait_until(lambda: docker("inspect", "--format={{.State.Health.Status}}", name) == "healthy", f"{name} is healthy")


@breaks("tests.start")
def _tests_start(lab: Lab) -> Iterator[None]:
    with another_app("sh", "-c", "echo 'TypeError: out of paper'; sleep 600")(lab) as name:
        wait_until(lambda: "out of paper" in everything_said(name), "it has said so")
        yield


simple("tests.websocket", nginx("proxy_set_header Upgrade $upgrade;", 'proxy_set_header Upgrade "";'))
simple("tests.uploads", nginx("client_max_body_size 10M;", "client_max_body_size 1M;"))
simple("tests.sign-in", nginx(CLOSING, f"        location = /login {{ return 404; }}\n{CLOSING}"))


@breaks("tests.unit-tests")
def _tests_unit_tests(lab: Lab) -> Iterator[None]:
    package = (lab.source / "package.json").read_text()
    with source_has(
        "package.json", package.replace('"check": ', '"test": "node --eval \'process.exit(7)\'", "check": ')
    )(lab):
        yield


simple("documentation.readme", source_has("README.md", None))
simple("documentation.docs", source_has("docs/guide.md", "See [the plan](plan.md).\n"))
simple("documentation.documented-variables", file_says(app={"env": {"GREETING": "salut"}}))


@breaks("documentation.rollback")
def _documentation_rollback(lab: Lab) -> Iterator[None]:
    """The record of the release before is not there any more; an image of another stack keeps what is in it."""
    name = next(one for one in lab.survey().releases if one.id != lab.live).record.name
    kept = f"monopco-elsewhere/kept:{lab.stack}"
    build = ["build", "--quiet", "--tag"]
    docker(*build, kept, "-", stdin=f"FROM {name}\nLABEL dev.monopco.stack=elsewhere\n")
    docker("image", "rm", "--force", name)
    try:
        yield
    finally:
        docker(*build, name, "-", stdin=f"FROM {kept}\nLABEL dev.monopco.stack={lab.stack}\n")
        docker("image", "rm", kept)


@breaks("documentation.drift")
def _documentation_drift(lab: Lab) -> Iterator[None]:
    name = lab.app(2)
    docker("rename", name, f"{name}-renamed")
    try:
        yield
    finally:
        docker("rename", f"{name}-renamed", name)


simple("documentation.nginx-configuration", nginx("send_timeout 60s;", "send_timeout 61s;"))


@breaks("documentation.release")
def _documentation_release(lab: Lab) -> Iterator[None]:
    live, peer = lab.live, lab.survey().proxy.state["peers"]
    addresses = [one["address"] for one in peer]
    docker("exec", lab.name("proxy"), "switch", "elsewhere", "0", "0", *addresses)
    try:
        yield
    finally:
        docker("exec", lab.name("proxy"), "switch", live, "0", "0", *addresses)
