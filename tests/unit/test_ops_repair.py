"""Mending what a killed run left."""

from __future__ import annotations

from typing import Any

import pytest
from recorder import COMMAND, CONTAINER, IMAGE, NETWORK, VOLUME
from registers import Docker

from ops import console, repair
from ops.pulumi import Pulumi

NAME = "monopco-dev-app-abc-1"


class Interrupted(Pulumi):
    """A stack with pending operations."""

    def __init__(self, *operations: dict[str, Any], known: tuple[str, ...] = ()) -> None:
        super().__init__("dev")
        self.operations = list(operations)
        self.known = known
        self.forgotten = 0

    def pending(self) -> list[dict[str, Any]]:
        return self.operations

    def resources(self) -> list[dict[str, Any]]:
        return [{"urn": "urn:pulumi:dev::monopco::a::b", "id": one} for one in self.known]

    def forget_pending(self) -> None:
        self.forgotten += 1


def operation(what: str, kind: str, inputs: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "type": what,
        "resource": {"urn": f"urn:pulumi:dev::monopco::monopco:components:Release${kind}::one", "type": kind}
        | ({"inputs": inputs} if inputs is not None else {}),
    }


def docker(monkeypatch: pytest.MonkeyPatch, *, found: str = "new-id\n", removal: str = "") -> Docker:
    answers = {
        f"{kind} {verb}": found if verb == "ls" else removal
        for kind in ("container", "network")
        for verb in ("ls", "rm")
    }
    return Docker(dict(answers)).installed(monkeypatch)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(console.notes, "print", lambda text, **_: lines.append(text))
    return lines


def test_a_run_that_ended_leaves_nothing_to_mend(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    asked, pulumi = docker(monkeypatch), Interrupted()
    repair.interrupted(pulumi, None)
    assert (asked.asked, pulumi.forgotten, said) == ([], 0, [])


@pytest.mark.parametrize(
    ("kind", "commands"),
    [
        (
            CONTAINER,
            [
                ["container", "ls", "--all", "--quiet", "--no-trunc"],
                ["container", "rm", "--force", "new-id"],
            ],
        ),
        (NETWORK, [["network", "ls", "--quiet", "--no-trunc"], ["network", "rm", "new-id"]]),
    ],
    ids=["container", "network"],
)
def test_what_was_half_made_is_removed(
    monkeypatch: pytest.MonkeyPatch, said: list[str], kind: str, commands: list[list[str]]
) -> None:
    asked, pulumi = docker(monkeypatch), Interrupted(operation("creating", kind, {"name": NAME}))
    repair.interrupted(pulumi, "ssh://a@b:22")
    listed, removed = asked.asked
    ours = ["--filter", "label=dev.monopco.stack=dev", "--filter", f"name=^/?{NAME}$"]
    assert [listed, removed] == [[*commands[0], *ours], commands[1]]
    assert asked.hosts == {"ssh://a@b:22"}
    assert pulumi.forgotten == 1
    what = {CONTAINER: "container", NETWORK: "network"}[kind]
    assert said[1:] == [f"  creating {what} one: removed"]


@pytest.mark.usefixtures("said")
def test_what_the_state_knows_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = docker(monkeypatch, found="known-id\nnew-id\n")
    repair.interrupted(Interrupted(operation("creating", CONTAINER, {"name": NAME}), known=("known-id",)), None)
    assert asked.did("container rm") == [["container", "rm", "--force", "new-id"]]


def test_when_the_state_knows_it_nothing_is_removed(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    asked = docker(monkeypatch, found="known-id\n")
    repair.interrupted(Interrupted(operation("creating", CONTAINER, {"name": NAME}), known=("known-id",)), None)
    assert asked.did("container rm") == []
    assert said[1:] == ["  creating container one: nothing to remove"]


@pytest.mark.parametrize("what", ["updating", "deleting", "reading", "importing"])
def test_only_what_was_being_made_is_removed(monkeypatch: pytest.MonkeyPatch, said: list[str], what: str) -> None:
    asked, pulumi = docker(monkeypatch), Interrupted(operation(what, CONTAINER, {"name": NAME}))
    repair.interrupted(pulumi, None)
    assert asked.asked == []
    assert pulumi.forgotten == 1
    assert said[1:] == [f"  {what} container one: nothing to remove"]


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("kind", [VOLUME, IMAGE, COMMAND])
def test_data_and_what_is_no_container_is_never_removed(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    asked, pulumi = docker(monkeypatch), Interrupted(operation("creating", kind, {"name": "monopco-dev-data"}))
    repair.interrupted(pulumi, None)
    assert asked.asked == []
    assert pulumi.forgotten == 1


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("inputs", [None, {}, {"name": None}, {"name": {"secret": "x"}}])
def test_what_has_no_name_yet_is_not_looked_for(monkeypatch: pytest.MonkeyPatch, inputs: dict[str, Any] | None) -> None:
    asked = docker(monkeypatch)
    repair.interrupted(Interrupted(operation("creating", CONTAINER, inputs)), None)
    assert asked.asked == []


def test_a_removal_that_docker_refuses_is_told_and_hinders_nothing(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    docker(monkeypatch, removal="refused: network has active endpoints")
    pulumi = Interrupted(operation("creating", NETWORK, {"name": NAME}))
    repair.interrupted(pulumi, None)
    assert said[1:] == [
        "  Docker refused: network has active endpoints",
        "  creating network one: nothing to remove",
    ]
    assert pulumi.forgotten == 1


def test_several_operations_are_mended_one_by_one(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    docker(monkeypatch)
    pulumi = Interrupted(operation("creating", CONTAINER, {"name": NAME}), operation("deleting", VOLUME, {"name": "v"}))
    repair.interrupted(pulumi, None)
    assert said == [
        "A run was interrupted in the middle of 2 resources; mending that first:",
        "  creating container one: removed",
        "  deleting volume one: nothing to remove",
    ]
    assert pulumi.forgotten == 1
