"""One line on the last switch, and what `status` calls well."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import typer
from authorities import DAY, NOW

from ops import caretaker, certificate, console, containers, proxy, status
from ops.certificate import Served
from ops.containers import Container
from ops.errors import CommandError
from ops.proxy import Proxy
from ops.pulumi import Pulumi
from ops.stack_file import StackFile
from ops.status import last_backups, last_switch

SWITCH: dict[str, Any] = {
    "release": "def",
    "from": "abc",
    "at": "2026-11-23T07:00:00Z",
    "lost": 0,
    "cut": 0,
    "drained": True,
    "waited_seconds": 0.4,
    "watch": {"verdict": "good", "seconds": 30.2},
}
SITE = {"monopco:domain": {"name": "monopco.fr", "aliases": []}}
SERVED = Served(names=("monopco.fr",), issuer="CN=R", begin=NOW - DAY, end=NOW + 60 * DAY, serial="1f", problem="")
BEGINNING = "last switch: abc to def at 2026-11-23T07:00:00Z, "


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, f"{BEGINNING}0 requests lost, 0 left when the wait was over; watched for 30 s, did well"),
        ({"lost": 1}, f"{BEGINNING}1 request lost, 0 left when the wait was over; watched for 30 s, did well"),
        (
            {"lost": 2, "cut": 3},
            f"{BEGINNING}2 requests lost, 3 left when the wait was over; watched for 30 s, did well",
        ),
        (
            {"watch": {"verdict": "idle", "seconds": 5}},
            f"{BEGINNING}0 requests lost, 0 left when the wait was over; nobody came while it was watched",
        ),
        (
            {"watch": {"verdict": "worse", "reason": "9 of 10 answers are errors"}},
            f"{BEGINNING}0 requests lost, 0 left when the wait was over; taken back: 9 of 10 answers are errors",
        ),
        (
            {"watch": {"verdict": "worse"}},
            f"{BEGINNING}0 requests lost, 0 left when the wait was over; taken back: it did worse",
        ),
        (
            {"watch": {"verdict": "off", "seconds": 0}},
            f"{BEGINNING}0 requests lost, 0 left when the wait was over; not watched",
        ),
        ({"watch": None}, f"{BEGINNING}0 requests lost, 0 left when the wait was over; not watched"),
        (
            {"from": "", "watch": None},
            f"{BEGINNING.replace('abc', 'nothing')}0 requests lost, 0 left when the wait was over; not watched",
        ),
    ],
    ids=[
        "a good one",
        "one request lost",
        "some lost, some cut",
        "nobody came",
        "a bad one",
        "a bad one without a reason",
        "not watched",
        "an older proxy",
        "the first one",
    ],
)
def test_the_last_switch_is_one_line(changes: dict[str, Any], line: str) -> None:
    assert last_switch({**SWITCH, **changes}) == line


def container(name: str, component: str = "app", state: str = "running", health: str = "healthy") -> Container:
    return Container(name, component, "def", state, health, "2026-11-23T07:00:00Z", (), "sha256:a")


class TestFields:
    @pytest.fixture
    def world(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """What there is; a test may change it."""
        state = {"release": "def", "since": "2026-11-23T07:00:00Z", "previous": "abc", "switch": SWITCH, "requests": {}}
        found: dict[str, Any] = {
            "containers": [container("one"), container("two", "proxy")],
            "front": Proxy("two", None, {**state, "maintenance": False}),
            "outputs": {"url": "https://localhost", "release": "program", "containers": ["one", "two"]},
            "pinned": {},
            "certificate": SERVED,
            "trouble": "",
        }
        monkeypatch.setattr(certificate, "of_stack", lambda _file, _outputs: found["certificate"])
        monkeypatch.setattr(certificate, "order_trouble", lambda _stack, _host: found["trouble"])
        monkeypatch.setattr(containers, "of_stack", lambda _stack, _host: found["containers"])
        monkeypatch.setattr(proxy, "of_stack", lambda _stack, _host: found["front"])
        monkeypatch.setattr(caretaker, "of_stack", lambda _stack, _host: None)
        monkeypatch.setattr(Pulumi, "exists", lambda _self: found["outputs"] is not None)
        monkeypatch.setattr(Pulumi, "outputs", lambda _self: found["outputs"])
        monkeypatch.setattr(
            StackFile,
            "read",
            staticmethod(lambda name: StackFile(name, {"monopco:pinned": found["pinned"], **SITE}, {})),
        )
        return found

    def fields(self, monkeypatch: pytest.MonkeyPatch, *, code: int = 0) -> dict[str, Any]:
        printed: list[str] = []
        monkeypatch.setattr(console.output, "print_json", printed.append)
        if code:
            with pytest.raises(typer.Exit) as ended:
                status.status(as_json=True)
            assert ended.value.exit_code == code
        else:
            status.status(as_json=True)
        (text,) = printed
        return dict(json.loads(text))

    def test_what_runs_is_told_as_the_proxy_knows_it(
        self, monkeypatch: pytest.MonkeyPatch, world: dict[str, Any]
    ) -> None:
        world["pinned"] = {"release": "def"}
        told = self.fields(monkeypatch)
        names = [each["name"] for each in told.pop("containers")]
        assert names == ["one", "two"]
        assert told == {
            "stack": "dev",
            "url": "https://localhost",
            "release": "def",
            "since": "2026-11-23T07:00:00Z",
            "previous": "abc",
            "maintenance": False,
            "switch": SWITCH,
            "requests": {},
            "pinned": "def",
            "certificate": {**SERVED.fields(["monopco.fr"]), "trouble": None},
            "healthy": True,
            "missing": [],
            "backups": None,
        }

    def test_without_a_proxy_the_program_knows_the_release(
        self, monkeypatch: pytest.MonkeyPatch, world: dict[str, Any]
    ) -> None:
        world["front"] = None
        told = self.fields(monkeypatch)
        assert (told["release"], told["since"], told["previous"], told["switch"]) == ("program", None, None, None)
        assert told["pinned"] is None

    def test_a_container_that_should_be_there_is_missing(
        self, monkeypatch: pytest.MonkeyPatch, world: dict[str, Any]
    ) -> None:
        world["containers"] = [container("one")]
        told = self.fields(monkeypatch, code=1)
        assert (told["missing"], told["healthy"]) == (["two"], False)

    def test_a_container_that_is_not_well_is_told(self, monkeypatch: pytest.MonkeyPatch, world: dict[str, Any]) -> None:
        world["containers"] = [container("one", health="unhealthy"), container("two", "proxy")]
        told = self.fields(monkeypatch, code=1)
        assert ([each["well"] for each in told["containers"]], told["healthy"]) == ([False, True], False)

    def test_a_proof_that_is_under_way_makes_nothing_unwell(
        self, monkeypatch: pytest.MonkeyPatch, world: dict[str, Any]
    ) -> None:
        world["containers"].append(container("three", "proof", health="starting"))
        assert self.fields(monkeypatch)["healthy"] is True

    def test_a_stack_that_never_ran_is_not_well(self, monkeypatch: pytest.MonkeyPatch, world: dict[str, Any]) -> None:
        world |= {"containers": [], "front": None, "outputs": None}
        told = self.fields(monkeypatch, code=1)
        assert (told["release"], told["url"], told["healthy"]) == (None, None, False)

    @pytest.mark.parametrize(
        "shown",
        [
            replace(SERVED, end=NOW - timedelta(hours=1)),
            replace(SERVED, names=("other.fr",)),
            replace(SERVED, issuer=certificate.TEMPORARY),
            None,
        ],
        ids=["ended", "other names", "temporary", "nothing answers"],
    )
    @pytest.mark.usefixtures("world")
    def test_a_site_without_a_certificate_that_fits_is_not_well(
        self, monkeypatch: pytest.MonkeyPatch, shown: Served | None
    ) -> None:
        def of_stack(_file: StackFile, _outputs: dict[str, Any]) -> Served:
            if shown is None:
                raise CommandError("No TLS")
            return shown

        monkeypatch.setattr(certificate, "of_stack", of_stack)
        assert self.fields(monkeypatch, code=1)["healthy"] is False

    def test_an_order_that_failed_is_told_and_the_site_is_well_as_long_as_its_certificate_is(
        self, monkeypatch: pytest.MonkeyPatch, world: dict[str, Any]
    ) -> None:
        world["trouble"] = "No certificate for monopco.fr"
        told = self.fields(monkeypatch)
        assert (told["certificate"]["trouble"], told["healthy"]) == ("No certificate for monopco.fr", True)


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"places": {}, "problems": ["no answer"]}, "backups: nothing known; 1 problem: ./monopco backups"),
        ({"places": {"local": {"newest": None}}, "problems": []}, "backups: local none yet, not proved yet"),
    ],
)
def test_the_backups_are_one_line(facts: dict[str, Any], line: str) -> None:
    assert last_backups(facts) == line


def test_the_line_on_the_backups_tells_of_each_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "since", lambda text: {"a": "3 h", "b": "2 d"}[text])
    places = {"remote": {"newest": {"at": "a"}}, "local": {"newest": {"at": "a"}, "proved_at": "b"}}
    assert last_backups({"places": places, "problems": ["x", "y"]}) == (
        "backups: local 3 h ago, proved 2 d ago; remote 3 h ago, not proved yet; 2 problems: ./monopco backups"
    )
