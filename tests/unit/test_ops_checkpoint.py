"""`checkpoint`: what it runs of the program, and what it takes for the release that it made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from environments import prod_with_files, recorded, run_program
from recorder import COMPONENT, PROVIDER, STACK, Recording
from registers import release

from ops import checkpoint, pin, register
from ops.errors import FAILED, CommandError
from ops.events import Outcome
from ops.pin import Pin
from ops.pulumi import Pulumi
from ops.stack_file import StackFile

MADE, OTHER = release(1), release(2)
# What serves, or would change what serves.
LEFT_OUT = re.compile(r"proxy-|image-proxy|schema-|switch-|retention-")
# What a first one makes besides: nobody is sent to its containers.
FIRST_ONLY = re.compile(r"release-|usable-schema-check")
# Beginnings of names instead of names, and the component whose resources they mean.
OPEN = {"release-*": "Release", "machine-*": "Machine"}


def needed(recording: Recording) -> set[str]:
    """What has to be there before a record is, and the record."""
    nothing = {one.name for one in recording.resources if one.type.startswith((COMPONENT, PROVIDER, STACK))}
    step = recording.named("checkpoint-record")
    return (recording.waits_for(step) | {step.name}) - nothing


def meant(target: str, recording: Recording) -> list[str]:
    """Names of what Pulumi takes `**::target` for."""
    ending = "::" + re.escape(target).replace(r"\*", "[^:]*")
    return [one.name for one in recording.resources if re.search(f"{ending}$", one.urn)]


def meant_by(targets: Iterable[str], recording: Recording) -> set[str]:
    return {name for target in targets for name in meant(target, recording)}


class TestTargets:
    @pytest.mark.parametrize("name", ["dev deployed", "prod deployed", "external deployed"])
    def test_a_first_checkpoint_makes_all_that_a_record_needs(self, name: str, folder: Path) -> None:
        recording = recorded(name, folder)
        found = needed(recording)
        assert len(found) > 8
        assert found - meant_by((*checkpoint._RECORD, *checkpoint._FOUNDATION), recording) == set()

    def test_a_later_one_needs_nothing_of_another_release_but_the_record(self, folder: Path) -> None:
        """Pulumi refuses to make what depends on something new that is left out."""
        before = recorded("prod deployed", folder)
        after = run_program("prod", prod_with_files(folder).changed("app", env={"A": "1"}), folder)
        new = {one.urn for one in after.resources} - {one.urn for one in before.resources}
        assert len(new) == 4
        for target in checkpoint._RECORD:
            assert after.named(target).dependencies & new == set(), target

    def test_each_of_them_is_there_in_some_environment(self, folder: Path) -> None:
        environments = [recorded(name, folder) for name in ("dev deployed", "external deployed")]
        targets = (*checkpoint._RECORD, *checkpoint._FOUNDATION)
        assert [one for one in targets if not any(meant(one, recording) for recording in environments)] == []

    def test_nothing_that_serves_is_among_them(self) -> None:
        assert [name for name in (*checkpoint._RECORD, *checkpoint._FOUNDATION) if LEFT_OUT.match(name)] == []
        assert [name for name in checkpoint._RECORD if FIRST_ONLY.match(name)] == []

    @pytest.mark.parametrize("name", ["dev deployed", "external deployed"])
    def test_each_pattern_means_one_resource(self, name: str, folder: Path) -> None:
        """`**::checkpoint-record` ends every URN that is meant and no other."""
        for target in (*checkpoint._RECORD, *checkpoint._FOUNDATION):
            if target not in OPEN:
                assert len(meant(target, recorded(name, folder))) <= 1, target

    @pytest.mark.parametrize("name", ["dev deployed", "external deployed"])
    def test_the_other_patterns_mean_all_of_a_component_and_nothing_else(self, name: str, folder: Path) -> None:
        recording = recorded(name, folder)
        for target, kind in OPEN.items():
            made = {one.name for each in recording.of_type(COMPONENT + kind) for one in recording.children(each)}
            assert meant_by([target], recording) == made


class Building(Pulumi):
    """Runs nothing; gives one outcome after another and keeps what was pinned meanwhile."""

    def __init__(self, *gives: object, there: Sequence[str] = ()) -> None:
        super().__init__("dev")
        self.gives = list(gives)
        self.there = there
        self.arguments: list[list[str]] = []

    def resources(self) -> list[dict[str, Any]]:
        return [{"urn": f"urn:pulumi:dev::monopco::a:b:C$d:e:F::{name}"} for name in self.there]

    def operate(self, verb: str, arguments: Sequence[str] = (), *, quiet: bool = False) -> Outcome:
        assert (verb, quiet) == ("up", False)
        self.arguments.append(list(arguments))
        given = self.gives.pop(0)
        if isinstance(given, CommandError):
            raise given
        return Outcome(outputs={"sourceRelease": given})

    def targets(self) -> set[str]:
        (arguments,) = self.arguments
        assert set(arguments[::2]) == {"--target"}
        return {one.removeprefix("**::") for one in arguments[1::2]}


class TestRun:
    @pytest.mark.parametrize("name", ["dev deployed", "external deployed", "pinned deployed"])
    def test_later_ones_leave_the_foundation_alone(self, name: str, folder: Path) -> None:
        """A network whose configuration has changed, for one, is not to be made anew by a checkpoint."""
        pulumi = Building(MADE.id, there=[one.name for one in recorded(name, folder).resources])
        assert checkpoint._run(pulumi) == MADE.id
        assert pulumi.targets() == set(checkpoint._RECORD)

    def test_a_first_one_makes_what_releases_stand_on_too(self) -> None:
        pulumi = Building(MADE.id)
        assert checkpoint._run(pulumi) == MADE.id
        assert pulumi.targets() == {*checkpoint._RECORD, *checkpoint._FOUNDATION}

    def test_after_a_first_one_that_failed_all_is_made_again(self, folder: Path) -> None:
        there = [one.name for one in recorded("dev deployed", folder).resources if one.name != "release-healthy"]
        pulumi = Building(MADE.id, there=there)
        checkpoint._run(pulumi)
        assert pulumi.targets() == {*checkpoint._RECORD, *checkpoint._FOUNDATION}

    def test_a_source_that_gives_nothing_is_an_empty_text(self) -> None:
        assert checkpoint._run(Building(None)) == ""


class TestRecord:
    @pytest.fixture
    def pins(self, monkeypatch: pytest.MonkeyPatch) -> list[Pin | None]:
        """What was written to the stack's file."""
        written: list[Pin | None] = []
        monkeypatch.setattr(pin, "write", lambda _stack, value: written.append(value))
        return written

    def recorded(self, monkeypatch: pytest.MonkeyPatch, *found: list[Any]) -> None:
        """What is on the Docker host, the first, second, … time that it is asked."""
        answers = list(found)
        monkeypatch.setattr(register, "recorded", lambda _stack, _host: answers.pop(0))

    def file(self, **pinned: object) -> StackFile:
        return StackFile("dev", {"monopco:pinned": pinned}, {})

    def test_it_is_the_record_of_what_the_source_gives(
        self, monkeypatch: pytest.MonkeyPatch, pins: list[Pin | None]
    ) -> None:
        self.recorded(monkeypatch, [OTHER, MADE])
        assert checkpoint._record(self.file(), Building(MADE.id)) == MADE
        assert pins == []

    def test_a_pin_is_let_go_of_for_the_time_of_recording(
        self, monkeypatch: pytest.MonkeyPatch, pins: list[Pin | None]
    ) -> None:
        self.recorded(monkeypatch, [OTHER], [OTHER, MADE])
        found = checkpoint._record(self.file(release=OTHER.id, insteadOf=MADE.id), Building(MADE.id, MADE.id))
        assert found == MADE
        assert pins == [None, Pin(OTHER.id, MADE.id)]

    def test_a_pin_is_put_back_when_recording_fails(
        self, monkeypatch: pytest.MonkeyPatch, pins: list[Pin | None]
    ) -> None:
        self.recorded(monkeypatch, [OTHER])
        with pytest.raises(CommandError, match=r"^it does not start$"):
            checkpoint._record(self.file(release=OTHER.id), Building(MADE.id, CommandError("it does not start")))
        assert pins == [None, Pin(OTHER.id)]

    def test_a_pin_stays_when_the_record_is_there_already(
        self, monkeypatch: pytest.MonkeyPatch, pins: list[Pin | None]
    ) -> None:
        self.recorded(monkeypatch, [OTHER, MADE])
        assert checkpoint._record(self.file(release=OTHER.id), Building(MADE.id)) == MADE
        assert pins == []

    @pytest.mark.usefixtures("pins")
    @pytest.mark.parametrize(("source", "told"), [(MADE.id, MADE.id), ("", "(none)")])
    def test_a_release_that_was_not_recorded_is_a_failure(
        self, monkeypatch: pytest.MonkeyPatch, source: str, told: str
    ) -> None:
        self.recorded(monkeypatch, [OTHER])
        with pytest.raises(CommandError) as caught:
            checkpoint._record(self.file(), Building(source))
        assert str(caught.value) == f"The source gives release {told}, but it was not recorded."
        assert caught.value.code == FAILED


@pytest.mark.parametrize(
    "targets", [checkpoint._RECORD, checkpoint._RECORD + checkpoint._FOUNDATION], ids=["a later one", "the first one"]
)
def test_the_components_of_all_that_is_made_are_named_too(deployed: Recording, targets: tuple[str, ...]) -> None:
    """Pulumi makes nothing inside a component that is not there and was not asked for."""
    by_urn = {one.urn: one for one in deployed.resources}
    named = [one for one in deployed.resources if one.name in targets]
    assert len(named) > 10
    parents = [by_urn[one.parent] for one in named if one.parent]
    assert {one.name for one in parents if one.type != STACK} - set(targets) == set()
