"""The steps run side by side, in their order, and tell what they do."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Callable

import pytest

from ops.bootstrap.__main__ import needs
from ops.bootstrap.commands import Report
from ops.bootstrap.errors import StepError
from ops.bootstrap.steps import Display, Step, make, missing


def step(
    name: str, action: Callable[[], str] = lambda: "", *, ready: bool = False, after: tuple[str, ...] = ()
) -> Step:
    def run(_report: Report) -> str:
        return action()

    return Step(name, lambda: ready, run, after)


def fail() -> str:
    raise StepError("no network\nmore about it")


def test_what_is_there_is_not_made() -> None:
    assert [each.name for each in missing([step("a", ready=True), step("b")])] == ["b"]


def test_steps_run_side_by_side() -> None:
    together = threading.Barrier(2, timeout=30)

    def meet() -> str:
        together.wait()
        return ""

    assert make([step("a", meet), step("b", meet)], Display(io.StringIO())) == {}


def test_a_step_waits_for_those_before_it() -> None:
    order: list[str] = []

    def note(name: str) -> Callable[[], str]:
        def action() -> str:
            order.append(name)
            return ""

        return action

    make(
        [step("Docker", note("Docker")), step("Base image", note("Base image"), after=("Docker",))],
        Display(io.StringIO()),
    )
    assert order == ["Docker", "Base image"]


def test_a_step_that_is_ready_holds_nobody_up() -> None:
    done = step("Base image", after=("Docker",))
    assert make([done], Display(io.StringIO())) == {}


def test_after_a_failure_the_others_go_on_and_those_behind_it_do_not() -> None:
    shown = io.StringIO()
    steps = [step("Docker", fail), step("Pulumi", lambda: "3.259.0"), step("Base image", after=("Docker",))]
    failures = make(steps, Display(shown))
    assert str(failures["Docker"]) == "no network\nmore about it"
    assert str(failures["Base image"]) == "not made, because Docker failed"
    assert "Pulumi" not in failures
    assert "Base image" not in shown.getvalue()


def test_without_a_terminal_a_step_is_told_in_two_plain_lines() -> None:
    shown = io.StringIO()
    make([step("Pulumi", lambda: "official download")], Display(shown))
    begun, ended = shown.getvalue().splitlines()
    assert begun.strip().startswith("Pulumi")
    assert re.fullmatch(r"\S Pulumi +\d+\.\d s  official download", ended)
    assert "\x1b" not in shown.getvalue()


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], set()),
        (["--help"], set()),
        (["up", "--help"], set()),
        (["nonsense"], set()),
        (["env"], {"pulumi", "docker", "base image"}),
        (["env", "create", "pr-1", "--from", "dev"], {"pulumi", "docker", "base image"}),
        (["env", "list"], {"pulumi"}),
        (["env", "reconcile"], {"pulumi", "docker"}),
        (["plan", "-s", "prod"], set()),
        (["github", "issue", "T"], set()),
        (["up", "-s", "prod"], {"pulumi", "docker", "base image"}),
        (["test", "unit"], {"pulumi", "tests"}),
        (["test"], {"pulumi", "docker", "base image", "tests"}),
        (["test", "bench"], {"pulumi", "docker", "base image", "tests"}),
    ],
)
def test_a_command_gets_what_it_needs_and_no_more(arguments: list[str], wanted: set[str]) -> None:
    assert needs(arguments) == wanted
