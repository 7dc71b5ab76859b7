"""Making a recorded release live: the pin before, during and after it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from registers import release

from ops import console, containers, live, pin, proxy, register
from ops.containers import Container
from ops.errors import FAILED, CommandError
from ops.events import Outcome
from ops.pin import Pin
from ops.proxy import Proxy
from ops.pulumi import Pulumi
from ops.stack_file import StackFile
from record import record_file

TARGET, OTHER = release(1), release(2)
READ, WRITE = StackFile.read, pin.write


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of the test's own with the stack dev."""
    (tmp_path / "Pulumi.yaml").write_text("name: monopco\n", encoding="utf-8")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  monopco:app: {}\n", encoding="utf-8")
    monkeypatch.setattr(StackFile, "read", staticmethod(lambda name: READ(name, tmp_path)))
    monkeypatch.setattr(pin, "write", partial(WRITE, project=tmp_path))
    for module in (live, register):
        monkeypatch.setattr(module, "PROJECT", tmp_path)
    return tmp_path


def pinned() -> Pin | None:
    return pin.read(StackFile.read("dev"))


def gave(source: object) -> Outcome:
    return Outcome(outputs={"release": TARGET.id, "sourceRelease": source})


class TestSettle:
    @pytest.mark.parametrize("source", ["0123456789", "", None])
    def test_nothing_is_pinned_by_itself(self, project: Path, source: object) -> None:
        before = (project / "Pulumi.dev.yaml").read_text(encoding="utf-8")
        live.settle("dev", gave(source))
        assert (project / "Pulumi.dev.yaml").read_text(encoding="utf-8") == before

    @pytest.mark.parametrize("source", ["", None, 5, {"secret": "x"}])
    @pytest.mark.parametrize("before", [Pin(TARGET.id), Pin(TARGET.id, "abcdef0123")])
    def test_a_source_that_could_not_be_read_changes_no_pin(self, source: object, before: Pin) -> None:
        pin.write("dev", before)
        live.settle("dev", gave(source))
        assert pinned() == before

    @pytest.mark.parametrize("instead_of", [None, "abcdef0123", TARGET.id])
    def test_a_release_that_the_source_gives_itself_needs_no_pin(self, instead_of: str | None) -> None:
        pin.write("dev", Pin(TARGET.id, instead_of))
        live.settle("dev", gave(TARGET.id))
        assert pinned() is None

    def test_what_the_source_gave_is_noted_once(self) -> None:
        pin.write("dev", Pin(TARGET.id, accepts=("02.sql",)))
        live.settle("dev", gave("abcdef0123"))
        assert pinned() == Pin(TARGET.id, "abcdef0123", ("02.sql",))

    def test_a_source_that_gives_the_same_as_then_leaves_the_pin(self) -> None:
        before = Pin(TARGET.id, "abcdef0123", ("02.sql",))
        pin.write("dev", before)
        live.settle("dev", gave("abcdef0123"))
        assert pinned() == before

    def test_a_source_that_has_moved_on_ends_it_and_that_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said: list[str] = []
        monkeypatch.setattr(console.notes, "print", said.append)
        pin.write("dev", Pin(TARGET.id, "abcdef0123"))
        live.settle("dev", gave("9876543210"))
        assert pinned() is None
        assert said == [f"The source has changed: release {TARGET.id} is not pinned any more."]


def container(**changes: Any) -> Container:
    fields: dict[str, Any] = {
        "name": "monopco-dev-app-1",
        "component": "app",
        "release": TARGET.id,
        "state": "running",
        "health": "healthy",
        "started": "",
        "ports": (),
        "image": TARGET.record.image,
    }
    return Container(**{**fields, **changes})


class TestCheck:
    def check(
        self, monkeypatch: pytest.MonkeyPatch, *found: Container, answers: str = TARGET.id, runs_as: str = TARGET.id
    ) -> list[str]:
        """What is noted; `answers` is the release that the proxy names."""
        said: list[str] = []
        monkeypatch.setattr(console.notes, "print", said.append)
        monkeypatch.setattr(proxy, "of_stack", lambda _stack, host: Proxy("p", host, {"release": answers}))
        monkeypatch.setattr(containers, "of_stack", lambda _stack, _host: list(found))
        live.check(StackFile("dev", {}, {}), Outcome(outputs={"release": runs_as}), TARGET)
        return said

    def refusal(self, monkeypatch: pytest.MonkeyPatch, *found: Container, answers: str = TARGET.id) -> str:
        with pytest.raises(CommandError) as caught:
            self.check(monkeypatch, *found, answers=answers)
        assert caught.value.code == FAILED
        return str(caught.value)

    @pytest.mark.parametrize("health", ["healthy", "starting", ""])
    def test_containers_that_run_as_recorded_are_right(self, monkeypatch: pytest.MonkeyPatch, health: str) -> None:
        assert self.check(monkeypatch, container(health=health), container(name="b")) == []

    def test_what_is_of_another_release_or_no_app_is_not_looked_at(self, monkeypatch: pytest.MonkeyPatch) -> None:
        others = [container(release="old", state="exited"), container(component="proof", state="exited")]
        assert self.check(monkeypatch, container(), *others) == []

    @pytest.mark.parametrize(("answers", "told"), [(OTHER.id, OTHER.id), ("", "none")])
    def test_a_proxy_that_asks_others_is_told(self, monkeypatch: pytest.MonkeyPatch, answers: str, told: str) -> None:
        assert self.refusal(monkeypatch, container(), answers=answers) == (
            f"The proxy gives the requests to release {told} instead of {TARGET.id}."
        )

    @pytest.mark.parametrize(
        "change",
        [
            {"state": "exited"},
            {"state": "exited", "health": "starting"},
            {"state": "restarting", "health": "starting"},
            {"health": "unhealthy"},
            {"image": "sha256:other"},
        ],
    )
    def test_a_container_that_does_not_run_as_recorded_is_named(
        self, monkeypatch: pytest.MonkeyPatch, change: dict[str, str]
    ) -> None:
        found = [container(name="good"), container(name="bad", **change)]
        assert self.refusal(monkeypatch, *found) == f"Release {TARGET.id} does not run as it was recorded: bad."

    def test_a_container_that_is_wrong_twice_is_named_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = container(name="bad", state="exited", health="", image="sha256:other")
        assert self.refusal(monkeypatch, found) == f"Release {TARGET.id} does not run as it was recorded: bad."

    def test_no_container_at_all_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        expected = f"Release {TARGET.id} does not run as it was recorded: no container."
        assert self.refusal(monkeypatch, container(release="old")) == expected

    def test_another_id_is_told_with_its_reason(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said = self.check(monkeypatch, container(release=OTHER.id), answers=OTHER.id, runs_as=OTHER.id)
        assert "\n".join(said) == (
            f"It runs as release {OTHER.id}: image, configuration and secrets of {TARGET.id}, with the present "
            "password of the database and as this version of monopco makes containers."
        )


class Deploying(Pulumi):
    """Runs nothing; keeps what was pinned meanwhile."""

    def __init__(self, outcome: Outcome | CommandError) -> None:
        super().__init__("dev")
        self.outcome = outcome
        self.meanwhile: list[Pin | None] = []

    def pending(self) -> list[dict[str, Any]]:
        return []

    def operate(self, verb: str, arguments: Sequence[str] = (), *, quiet: bool = False) -> Outcome:
        assert (verb, list(arguments), quiet) == ("up", [], False)
        self.meanwhile.append(pinned())
        if isinstance(self.outcome, CommandError):
            raise self.outcome
        return self.outcome


class TestSwitchTo:
    def switch(self, pulumi: Pulumi, accepts: Sequence[str] = ()) -> Outcome:
        return live.switch_to(StackFile.read("dev"), pulumi, TARGET, accepts)

    def test_the_release_is_pinned_while_pulumi_runs_and_its_record_is_there(
        self, monkeypatch: pytest.MonkeyPatch, project: Path
    ) -> None:
        monkeypatch.setattr(live, "check", lambda *_: None)
        pulumi = Deploying(gave("abcdef0123"))
        self.switch(pulumi, ["02.sql"])
        assert pulumi.meanwhile == [Pin(TARGET.id, accepts=("02.sql",))]
        assert pinned() == Pin(TARGET.id, "abcdef0123", ("02.sql",))
        assert record_file(project, "dev", TARGET.id).is_file()

    @pytest.mark.parametrize("before", [None, Pin(OTHER.id, "abcdef0123", ("01.sql",))])
    def test_when_it_fails_the_pin_is_as_before(self, before: Pin | None) -> None:
        pin.write("dev", before)
        with pytest.raises(CommandError, match=r"^it did worse$"):
            self.switch(Deploying(CommandError("it did worse")))
        assert pinned() == before

    def test_an_older_pin_is_replaced_and_not_taken_for_what_the_source_gave(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live, "check", lambda *_: None)
        pin.write("dev", Pin(OTHER.id, "9876543210", ("01.sql",)))
        pulumi = Deploying(gave("abcdef0123"))
        self.switch(pulumi)
        assert pulumi.meanwhile == [Pin(TARGET.id)]
        assert pinned() == Pin(TARGET.id, "abcdef0123")


class TestFetchPinned:
    @pytest.fixture
    def fetched(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        asked: list[str] = []
        monkeypatch.setattr(register, "fetch", lambda _stack, _host, wanted: asked.append(wanted))
        return asked

    def test_without_a_pin_there_is_nothing_to_fetch(self, fetched: list[str]) -> None:
        live.fetch_pinned(StackFile.read("dev"))
        assert fetched == []

    def test_a_record_that_is_not_there_is_fetched(self, fetched: list[str]) -> None:
        pin.write("dev", Pin(TARGET.id))
        live.fetch_pinned(StackFile.read("dev"))
        assert fetched == [TARGET.id]

    def test_a_record_that_is_there_is_not_fetched_again(self, fetched: list[str]) -> None:
        register.keep("dev", TARGET)
        pin.write("dev", Pin(TARGET.id))
        live.fetch_pinned(StackFile.read("dev"))
        assert fetched == []
