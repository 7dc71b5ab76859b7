"""The whole environment with the sample app, as a browser, a colleague and a person with a shell meet it."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.integration.environment import Answer, Environment, docker, everything_said, wait_until

MEBIBYTE = 2**20
CANARY = "canary-5c1f0b7e9d"
SECURITY_HEADERS = (
    "strict-transport-security",
    "x-frame-options",
    "x-content-type-options",
    "referrer-policy",
    "permissions-policy",
    "content-security-policy-report-only",
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    one = Environment(tmp_path_factory.mktemp("dev") / "project", "itself")
    one.write_config(
        app={"secrets": ["PAPPERS_API_KEY"], "public": {"VITE_SUPABASE_URL": "https://canary.supabase.co"}},
        domain={"name": "localhost", "aliases": ["www.localhost"]},
    )
    one.pulumi("config", "set", "--secret", "PAPPERS_API_KEY", "--stack", one.stack, stdin=CANARY)
    try:
        one.up()
        yield one
    finally:
        one.destroy()


def asset(environment: Environment, ending: str) -> str:
    page = environment.request("GET", "/").body.decode()
    (found, *_) = re.findall(rf'"(/assets/[^"]+\.{ending})"', page)
    return str(found)


def plain_http(environment: Environment, path: str, host: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", environment.http_port, timeout=30)
    try:
        connection.request("GET", path, headers={"Host": host})
        return Answer.read(connection.getresponse())
    finally:
        connection.close()


def upload(environment: Environment, size: int) -> Answer:
    headers = {"Content-Type": "application/octet-stream"}
    return environment.request("POST", "/api/upload?name=blob", body=b"x" * size, headers=headers)


def info(environment: Environment) -> dict[str, Any]:
    answer = environment.request("GET", "/api/info")
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.json()
    return found


def write_note(environment: Environment, body: str) -> None:
    answer = environment.request(
        "POST", "/api/notes", body=json.dumps({"body": body}).encode(), headers={"Content-Type": "application/json"}
    )
    assert answer.status == 201, answer


def notes(environment: Environment) -> list[str]:
    return [note["body"] for note in environment.request("GET", "/api/notes").json()]


def test_the_app_answers_over_tls_with_its_database_behind_it(environment: Environment) -> None:
    found = info(environment)
    assert found["database"]["ok"] is True
    assert found["database"]["version"].startswith("17.")
    assert found["release"] == environment.output("release")
    assert found["settings"]["PAPPERS_API_KEY"] is True


def test_both_replicas_get_requests(environment: Environment) -> None:
    assert len({info(environment)["hostname"] for _ in range(10)}) == 2


@pytest.mark.parametrize("path", ["/", "/some/page", "/api/info", "/api/nowhere", "/favicon.ico", "asset"])
def test_security_headers_stand_in_every_location(environment: Environment, path: str) -> None:
    answer = environment.request("GET", asset(environment, "js") if path == "asset" else path)
    assert [name for name in SECURITY_HEADERS if name not in answer.headers] == []
    assert "nginx/" not in answer.headers.get("server", "")


def test_an_unknown_path_is_the_pages_and_an_unknown_api_path_is_an_error(environment: Environment) -> None:
    page, api = environment.request("GET", "/dossiers/42"), environment.request("GET", "/api/nowhere")
    assert (page.status, page.headers["content-type"].split(";")[0]) == (200, "text/html")
    assert (api.status, api.headers["content-type"].split(";")[0]) == (404, "application/json")


@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_text_is_compressed(environment: Environment, encoding: str) -> None:
    path = asset(environment, "js")
    plain = environment.request("GET", path)
    packed = environment.request("GET", path, headers={"Accept-Encoding": encoding})
    assert packed.headers["content-encoding"] == encoding
    assert len(packed.body) < len(plain.body) / 2


def test_assets_are_kept_for_a_year_and_the_page_is_asked_for_again(environment: Environment) -> None:
    assert environment.request("GET", asset(environment, "js")).headers["cache-control"] == (
        "public, max-age=31536000, immutable"
    )
    assert environment.request("GET", "/").headers["cache-control"] == "no-cache"
    assert "immutable" not in environment.request("GET", "/assets/gone-12345678.js").headers.get("cache-control", "")


def test_http_and_aliases_are_sent_to_the_one_host_with_their_path(environment: Environment) -> None:
    wanted = f"https://localhost:{environment.https_port}/a/b?c=d"
    answer = plain_http(environment, "/a/b?c=d", "localhost")
    assert (answer.status, answer.headers["location"]) == (301, wanted)
    alias = environment.request("GET", "/a/b?c=d", headers={"Host": "www.localhost"})
    assert (alias.status, alias.headers["location"]) == (301, wanted)


def test_a_web_socket_passes(environment: Environment) -> None:
    address = f"wss://localhost:{environment.https_port}/ws"
    with connect(address, ssl=environment.trust()) as socket:
        assert json.loads(socket.recv())["release"] == environment.output("release")
        socket.send("to and fro")
        assert socket.recv() == "to and fro"


def test_an_upload_at_the_limit_passes_and_one_above_is_refused(environment: Environment) -> None:
    assert upload(environment, 10 * MEBIBYTE).status == 201
    assert upload(environment, 10 * MEBIBYTE + 1).status == 413


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_http_2_is_offered(environment: Environment, version: ssl.TLSVersion) -> None:
    context = environment.trust()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    connection = http.client.HTTPSConnection("localhost", environment.https_port, context=context, timeout=30)
    connection.connect()
    assert isinstance(connection.sock, ssl.SSLSocket)
    assert connection.sock.selected_alpn_protocol() == "h2"
    connection.close()


def test_the_public_value_is_in_the_bundle(environment: Environment) -> None:
    assert b"https://canary.supabase.co" in environment.request("GET", asset(environment, "js")).body


def test_nothing_but_the_proxy_publishes_a_port(environment: Environment) -> None:
    published = {
        name: ports
        for line in docker(
            "container",
            "ls",
            "--filter",
            f"label=dev.monopco.stack={environment.stack}",
            "--format",
            "{{.Names}}\t{{.Ports}}",
        ).splitlines()
        for name, _, ports in [line.partition("\t")]
        if "->" in ports
    }
    assert list(published) == [f"monopco-{environment.stack}-proxy"]
    bound = published[f"monopco-{environment.stack}-proxy"].split(", ")
    assert all(port.startswith("127.0.0.1:") for port in bound)


def test_no_secret_is_where_it_can_be_read(environment: Environment) -> None:
    password = environment.output("databaseUrl").split(":")[2].split("@")[0]
    containers = environment.ours("container")
    places = {
        "state": (environment.folder / ".state/.pulumi/stacks/monopco" / f"{environment.stack}.json").read_text(),
        "stack file": environment.stack_file.read_text(),
        "inspect": docker("inspect", *containers),
        "logs": "".join(everything_said(container) for container in containers),
        "processes": "".join(docker("top", container, "-eo", "pid,args") for container in containers),
        "history": "".join(docker("history", "--no-trunc", image) for image in environment.ours("image")),
        "preview": environment.pulumi("preview", "--diff", "--stack", environment.stack),
        "outputs": environment.pulumi("stack", "output", "--json", "--stack", environment.stack),
    }
    for secret in (CANARY, password):
        assert [name for name, text in places.items() if secret in text] == []


def test_a_second_up_changes_nothing_and_a_refresh_finds_nothing(environment: Environment) -> None:
    environment.up("--expect-no-changes")
    environment.pulumi("preview", "--refresh", "--expect-no-changes", "--stack", environment.stack)


def test_rows_outlive_an_update_and_a_restart_of_everything(environment: Environment) -> None:
    write_note(environment, "before")
    environment.write_config(app={**environment.config["app"], "env": {"GREETING": "salut"}})
    environment.up()
    assert "before" in notes(environment)
    docker("restart", *environment.ours("container"))
    wait_until(lambda: environment.request("GET", "/api/info").status == 200, "an answer after the restart")
    wait_until(lambda: info(environment)["database"]["ok"] is True, "a database after the restart")
    assert "before" in notes(environment)
    environment.up("--expect-no-changes")


def test_a_container_removed_by_hand_is_seen_and_brought_back(environment: Environment) -> None:
    docker("rm", "--force", environment.containers("app")[0])
    assert info(environment)["database"]["ok"] is True, "the other replica must answer meanwhile"
    preview = environment.pulumi("preview", "--refresh", "--json", "--stack", environment.stack)
    assert json.loads(preview)["changeSummary"].get("create") == 1
    environment.up("--refresh")
    assert len(environment.containers("app")) == 2
    wait_until(lambda: len({info(environment)["hostname"] for _ in range(8)}) == 2, "both replicas to answer")


def test_without_any_app_the_page_says_when_to_come_back(environment: Environment) -> None:
    containers = environment.containers("app")
    docker("stop", *containers)
    answer = environment.request("GET", "/")
    assert (answer.status, "retry-after" in answer.headers) == (503, True)
    docker("start", *containers)
    wait_until(lambda: environment.request("GET", "/").status == 200, "an answer once the app is back")


def test_a_failing_script_names_its_line_and_the_old_release_goes_on(environment: Environment) -> None:
    before = info(environment)["release"]
    script = environment.folder / "examples" / "app" / "create_zebras.sql"
    script.write_text("CREATE TABLE zebras (id int);\n\nINSERT INTO nowhere VALUES (1);\n")
    done = environment.attempt_up()
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "create_zebras.sql" in said
    assert re.search(r"line 3\b|:3\b", said), said
    assert info(environment)["release"] == before
    tables = docker(
        "exec", "--user", "postgres", environment.container("database"), "psql", "-Atd", "monopco", "-c", r"\dt"
    )
    assert "zebras" not in tables
    script.unlink()
    environment.up()
    assert environment.request("GET", "/api/notes").status == 200


def test_an_edited_script_is_refused_by_name(environment: Environment) -> None:
    script = environment.folder / "examples" / "app" / "create_notes.sql"
    text = script.read_text()
    script.write_text(text + "\n-- a thought\n")
    done = environment.attempt_up()
    assert done.returncode != 0
    assert "create_notes.sql" in done.stdout + done.stderr
    assert "changed after it was applied" in done.stdout + done.stderr
    script.write_text(text)
    environment.up()


def test_an_app_that_does_not_start_is_never_given_a_request(environment: Environment) -> None:
    before = info(environment)["release"]
    server = environment.folder / "examples" / "app" / "server" / "index.ts"
    text = server.read_text()
    server.write_text(text.replace("start().catch", 'throw new Error("out of paper");\nstart().catch'))
    done = environment.attempt_up()
    assert done.returncode != 0
    assert "out of paper" in done.stdout + done.stderr
    assert info(environment)["release"] == before
    server.write_text(text)
    environment.up()


@pytest.mark.long
def test_production_dependencies_alone_fail_with_what_to_set(environment: Environment) -> None:
    app = environment.config["app"]
    environment.write_config(app={**app, "dependencies": "production"})
    done = environment.attempt_up()
    assert done.returncode != 0
    assert "app.dependencies all" in done.stdout + done.stderr
    environment.write_config(app=app)
    environment.up()


@pytest.mark.long
def test_two_stacks_live_side_by_side_and_one_can_leave(environment: Environment, tmp_path: Path) -> None:
    other = Environment(tmp_path / "project", "other")
    try:
        other.up()
        assert info(other)["release"] != info(environment)["release"]
        write_note(other, "mine")
        assert "mine" not in notes(environment)
    finally:
        other.destroy()
    assert {kind: other.ours(kind) for kind in ("container", "volume", "network", "image")} == {
        "container": [],
        "volume": [],
        "network": [],
        "image": [],
    }
    assert info(environment)["database"]["ok"] is True
