"""What is known of an environment: asked once, secrets blotted out, questions to a web server and a source."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ops import reading
from ops.asked import Asked, Memory
from ops.errors import CommandError
from ops.page import Page
from ops.pulumi import Pulumi
from ops.stack_file import StackFile
from ops.survey import Survey, forms
from ops.web import Answer, Web

SECRET = 'hunter2-"quoted"-hunter2'
STATE = "state-5d1f"


def survey(**sections: Mapping[str, Any]) -> Survey:
    return Survey(StackFile("dev", {f"monopco:{name}": keys for name, keys in sections.items()}, {}))


class Asker:
    """Something whose answer is counted."""

    def __init__(self, error: CommandError | None = None) -> None:
        self.memory, self.times, self.error = Memory(), 0, error

    @Asked
    def answer(self) -> int:
        """An answer."""
        self.times += 1
        if self.error:
            raise self.error
        return 42


def test_what_several_ask_at_once_is_asked_once() -> None:
    one, heard = Asker(), list[int]()
    threads = [threading.Thread(target=lambda: heard.append(one.answer)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (heard, one.times) == ([42] * 8, 1)


def test_a_failure_is_remembered_like_an_answer() -> None:
    one = Asker(CommandError("no", 2))
    for _ in range(3):
        with pytest.raises(CommandError, match="no") as told:
            _ = one.answer
        assert told.value.code == 2
    assert one.times == 1


class TestSecrets:
    @pytest.fixture
    def known(self) -> Survey:
        one = survey()
        one.memory.recall("secrets", lambda: {"KEY": SECRET, "JWT": "x" * 40, "SHORT": "abc"})
        return one

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            (f"the key is {SECRET}!", ["KEY"]),
            (f"KEY={base64.b64encode(SECRET.encode()).decode()}", ["KEY"]),
            (json.dumps({"key": SECRET, "jwt": "x" * 40}), ["JWT", "KEY"]),
            ("abc is too short to look for", []),
            ("nothing", []),
        ],
        ids=["as it is", "in base64", "two in JSON", "a short one", "none"],
    )
    def test_they_are_found_however_they_are_written(self, known: Survey, text: str, names: list[str]) -> None:
        assert known.disclosed(text) == names

    def test_a_key_is_found_by_a_line_that_no_other_key_has(self) -> None:
        frame, first = "-----BEGIN OPENSSH PRIVATE KEY-----", "b3BlbnNzaC1rZXktdjEA" * 3
        lines = [frame, first, "own" * 20, "last", "-----END OPENSSH PRIVATE KEY-----"]
        one = survey()
        one.memory.recall("secrets", lambda: {"KEY": "\n".join(lines) + "\n"})
        assert one.disclosed(f"{frame}\n{first}\nof somebody else") == []
        assert one.disclosed(f'["{lines[2]}"]') == ["KEY"]

    def test_a_secret_of_short_lines_is_found_as_a_whole_only(self) -> None:
        one = survey()
        one.memory.recall("secrets", lambda: {"KEY": "one\ntwo\nthree\n"})
        assert one.disclosed("three is no secret") == []
        assert one.disclosed("one\ntwo\nthree\n") == ["KEY"]

    @pytest.mark.parametrize("form", sorted(forms(SECRET)))
    def test_they_are_blotted_out(self, known: Survey, form: str) -> None:
        assert known.redacted(f"<{form}>") in ("<***>", "<***=>")

    def test_where_pulumi_does_not_tell_them_those_of_the_app_are_blotted_out(self) -> None:
        one = survey(app={"secrets": ["KEY"]})
        one.memory.recall("variables", lambda: {"KEY": SECRET, "PORT": "a plain value"})
        with pytest.raises(CommandError):
            one.memory.recall("secrets", _refuse)
        assert one.redacted(f"{SECRET} and a plain value") == "*** and a plain value"

    def test_a_password_in_a_url_is_blotted_out_even_when_nothing_is_known(self) -> None:
        one = survey(app={"secrets": []})
        for name in ("secrets", "variables"):
            with pytest.raises(CommandError):
                one.memory.recall(name, _refuse)
        assert one.redacted("at postgresql://app:pass@db:5432/x") == "at postgresql://app:***@db:5432/x"


def _refuse() -> dict[str, str]:
    raise CommandError("the passphrase is another one")


@pytest.mark.parametrize(
    ("server", "address", "expected"),
    [
        (None, "127.0.0.1", "127.0.0.1"),
        (None, "0.0.0.0", "127.0.0.1"),  # noqa: S104
        (None, "10.0.0.7", "10.0.0.7"),
        ("server.example", "0.0.0.0", "server.example"),  # noqa: S104
    ],
)
def test_the_site_is_asked_where_it_listens(server: str | None, address: str, expected: str) -> None:
    one = survey(
        server={"host": server},
        http={"address": address, "httpPort": 80, "httpsPort": 443},
        domain={"name": "monopco.fr"},
    )
    assert one.web == Web(expected, 80, 443, "monopco.fr")
    assert one.web.url == "https://monopco.fr"


def test_a_missing_source_is_told_and_can_be_asked_for(tmp_path: Path) -> None:
    one = Survey(StackFile("dev", {"monopco:app": {"source": "gone", "ref": None}}, {}), project=tmp_path)
    assert one.has_source is False
    with pytest.raises(CommandError, match=r"not on this machine \(gone\)"):
        _ = one.source
    (tmp_path / "here").mkdir()
    other = Survey(StackFile("dev", {"monopco:app": {"source": "here", "ref": None}}, {}), project=tmp_path)
    assert (other.has_source, other.source) == (True, (tmp_path / "here").resolve())


def test_the_secrets_are_those_that_people_set_and_those_that_were_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = "4dabf18193072939515e22adb298388d"
    state = [
        {
            "urn": "urn:pulumi:dev::monopco::random:index/randomPassword:RandomPassword::secrets-jwt",
            "type": "random:index/randomPassword:RandomPassword",
            "outputs": {"result": {mark: "x", "plaintext": '"generated"'}, "length": 44},
        },
        {"urn": "a::step", "type": "command:local:Command", "outputs": {"stdout": {mark: "x", "plaintext": '"no"'}}},
    ]
    values = {"monopco:KEY": "given", "monopco:database": {"url": "postgresql://a:b@c/d", "mode": "external"}}
    monkeypatch.setattr(Pulumi, "resources_in_clear", lambda _self: state)
    monkeypatch.setattr(Pulumi, "opened_config", lambda _self: values)
    file = {"monopco:KEY": {"secure": "v1:"}, "monopco:database": {"url": {"secure": "v1:"}, "mode": "external"}}
    assert Survey(StackFile("dev", file, {})).secrets == {
        "secrets-jwt (result)": "generated",
        "KEY": "given",
        "database.url": "postgresql://a:b@c/d",
    }


class TestReading:
    def test_names_of_a_template(self, tmp_path: Path) -> None:
        (tmp_path / ".env.example").write_text("# KEY=no\nA=1\nexport B_2=\n\n C = x\nnot a line\n")
        assert reading.names_in_template(tmp_path) == {"A", "B_2", "C"}
        assert reading.names_in_template(tmp_path / "elsewhere") == set()

    def test_variables_that_the_code_reads(self, tmp_path: Path) -> None:
        (tmp_path / "server").mkdir()
        (tmp_path / "server" / "a.ts").write_text('process.env.KEY ?? process.env["OTHER"]; import.meta.env.VITE_A')
        (tmp_path / "server" / "a.test.ts").write_text("process.env.TESTED")
        (tmp_path / "node_modules").mkdir()
        (tmp_path / "node_modules" / "b.js").write_text("process.env.FOREIGN")
        assert reading.read_from_environment(tmp_path) == {"KEY", "OTHER"}
        assert reading.built_into_page(tmp_path) == {"VITE_A"}

    def test_tables_that_scripts_make(self) -> None:
        scripts = [
            'CREATE TABLE IF NOT EXISTS a (id int);\ncreate table "B_c" (id int);\n-- CREATE TABLE no (id int);',
            "CREATE TABLE public.d (id int);\n/* CREATE TABLE\nno (x) */ CREATE TEMP TABLE t (id int);",
            "DROP TABLE a;",
        ]
        assert reading.created_tables(scripts) == {"b_c", "d"}

    def test_tables_that_scripts_publish(self) -> None:
        add = "ALTER PUBLICATION supabase_realtime ADD TABLE"
        text = f'{add} a, public."b";\n-- {add} c;'
        assert reading.published_tables([text]) == {"a", "b"}

    @pytest.mark.parametrize(
        ("text", "dialect"),
        [(None, ""), ('{ dialect: "mysql" }', "mysql"), ("{dialect:'postgresql'}", "postgresql"), ("{}", "unknown")],
    )
    def test_the_dialect_of_drizzle(self, tmp_path: Path, text: str | None, dialect: str) -> None:
        if text is not None:
            (tmp_path / "drizzle.config.ts").write_text(f"export default defineConfig({text});")
        assert reading.drizzle_dialect(tmp_path) == dialect


class Site:
    """Answers by path, in the place of a web server."""

    def __init__(self, answers: Mapping[str, tuple[str, str]]) -> None:
        self.answers = answers

    def ask(self, path: str) -> Answer:
        kind, text = self.answers.get(path, ("text/html", "the page"))
        return Answer(200, {"content-type": kind}, text.encode())


PAGE = """
<script src="/assets/a.js"></script><link href="/assets/a.css"><img src="logo.png">
<script src="https://other.example/b.js"></script><script src="/assets/gone.js"></script>
<img src="https://other.example/c.png">
"""


def test_a_page_knows_its_files_and_pictures() -> None:
    site: Any = Site(
        {
            "/": (
                "text/html; charset=utf-8",
                PAGE,
            ),
            "/assets/a.js": ("text/javascript", 'import("./chunk.js"); const picture = "/photo.webp", x = "no.png";'),
            "/assets/a.css": ("text/css", "a { background: url(/back.svg) }"),
            "/assets/chunk.js": ("text/javascript", "1"),
        }
    )
    page = Page.read(site)
    assert sorted(page.assets) == ["/assets/a.css", "/assets/a.js", "/assets/chunk.js"]
    assert page.pictures == ["/back.svg", "/logo.png", "/photo.webp"]


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(301)
        self.send_header("Location", f"https://{self.headers['Host']}{self.path}")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_plain_request_is_not_followed(port: int) -> None:
    found = Web("127.0.0.1", port, port, "monopco.fr").plain("/a?b", "www.monopco.fr")
    assert (found.status, found.headers["location"]) == (301, "https://www.monopco.fr/a?b")


def test_a_server_that_is_not_there_or_speaks_no_tls_is_told_in_words(port: int) -> None:
    web = Web("127.0.0.1", port, port, "localhost")
    with pytest.raises(CommandError, match=rf"https://localhost:{port} gives no answer: "):
        web.ask("/")
    with pytest.raises(CommandError, match="gives no answer"):
        Web("127.0.0.1", 1, 1, "localhost").plain("/", "localhost")
