"""The example app on its own image, with a database that its own scripts were applied to."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from components.database import APP_ROLE, DATABASE, HOST
from tests.integration import database_lab
from tests.integration.node_lab import EXAMPLE, App, Builder
from tests.integration.proxy_lab import docker, wait_until

MEGABYTE = 1024 * 1024
LIMIT = 50 * MEGABYTE
ECHO = """
const socket = new WebSocket(`ws://${process.argv[1]}:3000/ws`);
const heard = [];
socket.onmessage = ({ data }) => {
  heard.push(data);
  if (heard.length === 1) socket.send("ping 1");
  if (heard.length === 2) console.log(JSON.stringify(heard));
};
socket.onclose = ({ code }) => console.log(code);
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    builder = Builder(tmp_path_factory.mktemp("build") / "project")
    yield builder.app(EXAMPLE)
    builder.remove()


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    name = f"node-test-{uuid.uuid4().hex[:8]}"
    docker("network", "create", name)
    yield name
    docker("network", "rm", name)


@pytest.fixture(scope="module")
def database(network: str) -> Iterator[database_lab.Server]:
    """With the tables of the example app's scripts."""
    database_lab.build()
    server = database_lab.Server(network)
    try:
        server.start().provision()
        scripts = {script.name: script.read_text(encoding="utf-8") for script in sorted(EXAMPLE.glob("*.sql"))}
        outcome = server.migrate(scripts)
        assert outcome.status == 0, outcome.errors
        applied = re.findall(r"^applied (\S+) ", outcome.output, re.MULTILINE)
        assert applied == ["create_notes.sql", "create_uploads.sql"]
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def environment(database: database_lab.Server) -> dict[str, str]:
    """With a way into the database."""
    database.wait()
    database.wait()
    password = quote(database_lab.PASSWORDS[APP_ROLE], safe="")
    return {
        "DATABASE_URL": f"postgresql://{APP_ROLE}:{password}@{HOST}:5432/{DATABASE}",
        "JWT_SECRET": uuid.uuid4().hex,
        "RELEASE": "5158f0c999",
    }


@pytest.fixture(scope="module")
def app(
    image: str, network: str, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[App]:
    app = App(image, network, tmp_path_factory.mktemp("app"), environment)
    yield app.create().healthy()
    app.remove()


def test_it_tells_what_runs_but_no_secret(app: App, environment: dict[str, str]) -> None:
    reply = app.ask("/api/info")
    info = reply.json()
    assert (info["release"], info["database"]["ok"]) == ("5158f0c999", True)
    assert info["database"]["version"].startswith("17.")
    assert info["hostname"] == app.run("hostname")[1]
    assert info["settings"] == {
        "DATABASE_URL": True,
        "JWT_SECRET": True,
        "RESEND_API_KEY": False,
        "PAPPERS_API_KEY": False,
    }
    assert environment["JWT_SECRET"] not in reply.body.decode()


def test_every_path_is_the_page_except_those_of_the_api(app: App) -> None:
    page = app.ask("/")
    assert (page.status, page.headers.get_content_type()) == (200, "text/html")
    assert app.ask("/dossiers/12?tab=1").body == page.body
    missing = app.ask("/api/nothing")
    assert (missing.status, missing.headers.get_content_type()) == (404, "application/json")
    assert missing.json() == {"error": "no GET /api/nothing"}


def test_a_note_is_kept_and_its_author_recognized_by_any_container(
    app: App, image: str, network: str, environment: dict[str, str], tmp_path: Path
) -> None:
    body = f"note {uuid.uuid4()}"
    written = app.ask("/api/notes", "POST", json.dumps({"body": body}).encode(), Content_Type="application/json")
    assert written.status == 201
    cookie = written.headers["Set-Cookie"]
    assert cookie.split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Lax"]  # by the patch of the cookie package
    other = App(image, network, tmp_path, environment)
    try:
        other.create().healthy()
        assert [note for note in other.ask("/api/notes").json() if note["body"] == body] == [written.json()]
        session = cookie.split("; ")[0]
        me = other.ask("/api/trpc/auth.me?batch=1&input=%7B%7D", Cookie=session)
        assert me.json() == [{"result": {"data": {"json": written.json()["author"]}}}]
        forged = other.ask("/api/trpc/auth.me?batch=1&input=%7B%7D", Cookie=session[:-3] + "AAA")
        assert forged.json() == [{"result": {"data": {"json": None}}}]
    finally:
        other.remove()


@pytest.mark.parametrize("body", [b'{"body": " "}', b'{"body": "' + b"x" * 501 + b'"}', b"{", b""])
def test_a_note_that_is_none_is_refused(app: App, body: bytes) -> None:
    reply = app.ask("/api/notes", "POST", body, Content_Type="application/json")
    assert reply.status == 400
    assert reply.json()["error"]


@pytest.mark.parametrize("size", [0, LIMIT])
def test_an_upload_up_to_the_limit_is_recorded(app: App, database: database_lab.Server, size: int) -> None:
    content, name = bytes(size), f"file {uuid.uuid4()}"
    digest = hashlib.sha256(content).hexdigest()
    reply = app.ask(f"/api/upload?name={quote(name)}", "POST", content)
    assert (reply.status, reply.json()) == (201, {"name": name, "size": size, "sha256": digest})
    recorded = database.value("SELECT concat_ws('|', name, size, sha256) FROM uploads").splitlines()
    assert f"{name}|{size}|{digest}" in recorded


def test_an_upload_above_the_limit_is_refused_before_it_is_sent(app: App) -> None:
    with closing(app.connection()) as connection:
        connection.putrequest("POST", "/api/upload")
        connection.putheader("Content-Length", str(LIMIT + 1))
        connection.endheaders()
        response = connection.getresponse()
        assert response.status == 413
        assert json.loads(response.read()) == {"error": "a file may have 52428800 bytes at most"}


def test_without_a_database_it_runs_and_says_so(image: str, network: str, tmp_path: Path) -> None:
    app = App(image, network, tmp_path, {"JWT_SECRET": "x", "DATABASE_URL": f"postgresql://nobody@{HOST}:5433/none"})
    try:
        app.create().healthy()
        assert app.ask("/api/info").json()["database"] == {"ok": False, "error": "ECONNREFUSED"}
        notes = app.ask("/api/notes")
        assert (notes.status, notes.json()) == (500, {"error": "the request failed"})
    finally:
        app.remove()


def test_a_websocket_answers_and_is_told_when_the_app_stops(
    image: str, network: str, environment: dict[str, str], tmp_path: Path
) -> None:
    app = App(image, network, tmp_path, environment)
    client = App(image, network, tmp_path, command=("node", "--eval", ECHO, app.name))
    try:
        app.create().healthy()
        client.create()
        wait_until(lambda: "ping 1" in client.log(), "the socket answers")
        docker("kill", "--signal", "TERM", app.name)
        status, log = client.ended()
        heard, code = log.splitlines()
        assert (status, code) == (0, "1001")
        greeting, echo = json.loads(heard)
        assert (json.loads(greeting)["release"], echo) == ("5158f0c999", "ping 1")
        assert app.ended()[0] == 0
    finally:
        app.remove()
        client.remove()
