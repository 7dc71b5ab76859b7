"""Steps: scripts that run between resources."""

from __future__ import annotations

import stat
from typing import Any

import pulumi
import pytest
from recorder import COMMAND, PROJECT, Resource, record
from values import is_secret

from components.step import SCRIPTS, script, step

ALL_SCRIPTS = sorted(path.relative_to(SCRIPTS).as_posix() for path in SCRIPTS.rglob("*.sh"))


def declare(**arguments: Any) -> Resource:
    given = {"docker_host": None, "environment": {"A": "1"}, "opts": pulumi.ResourceOptions(), **arguments}
    return record(lambda: step("one", "echo $A", **given)).named("one", COMMAND)


def test_the_text_of_the_script_is_an_input_so_that_a_change_of_it_is_seen() -> None:
    assert declare().inputs["create"] == "echo $A"


def test_scripts_are_put_together_in_the_order_given() -> None:
    first, second = "release/health.sh", "checkpoint/prove.sh"
    texts = [(SCRIPTS / name).read_text(encoding="utf-8") for name in (first, second)]
    assert script(first, second) == "\n".join(texts)


def test_a_secret_on_standard_input_stays_wrapped() -> None:
    recording = record(
        lambda: step(
            "one",
            "cat",
            docker_host=None,
            environment={},
            opts=pulumi.ResourceOptions(),
            stdin=pulumi.Output.secret("hunter2"),
        )
    )
    stdin = recording.named("one").inputs["stdin"]
    assert is_secret(stdin)
    assert stdin["value"] == "hunter2"


def test_docker_elsewhere_is_named_by_the_environment() -> None:
    assert declare(docker_host="tcp://b:22").inputs["environment"] == {"A": "1", "DOCKER_HOST": "tcp://b:22"}


def test_docker_on_a_server_is_reached_with_the_settings_for_it() -> None:
    found = declare(docker_host="ssh://a@b:22", delete="echo bye").inputs
    assert found["environment"] == {
        "A": "1",
        "DOCKER_HOST": "ssh://a@b:22",
        "MONOPCO_SSH_CONFIG": ".state/ssh/b-22/config",
    }
    for text, own in ((found["create"], "echo $A"), (found["delete"], "echo bye")):
        assert text == f'#!/bin/sh\nPATH="$PWD/components/ssh/bin:$PATH"\nexport PATH\n{own}'


def test_docker_on_this_machine_needs_no_name() -> None:
    assert declare().inputs["environment"] == {"A": "1"}


def test_what_a_step_prints_is_a_result_and_only_its_complaints_are_shown() -> None:
    assert declare().inputs["logging"] == "stderr"


def test_a_step_does_something_at_its_end_only_when_told() -> None:
    assert "delete" not in declare().inputs
    assert declare(delete="echo bye").inputs["delete"] == "echo bye"


def test_options_reach_the_resource() -> None:
    opts = pulumi.ResourceOptions(protect=True, ignore_changes=["environment.A"])
    found = declare(opts=opts)
    assert (found.protect, found.ignore_changes) == (True, ("environment.A",))


@pytest.mark.parametrize("name", ALL_SCRIPTS)
def test_every_script_is_used_by_a_component(name: str) -> None:
    """Collected by name, so that a script that is left over is noticed. Asking for health is shared."""
    users = [path.name for path in (PROJECT / "components").glob("*.py") if f'"{name}"' in path.read_text("utf-8")]
    assert users
    assert len(users) == 1 or name in ("release/health.sh", "service/watch.sh"), users


@pytest.mark.parametrize("name", ALL_SCRIPTS)
def test_no_script_is_run_by_itself(name: str) -> None:
    assert not (SCRIPTS / name).stat().st_mode & stat.S_IXUSR, "steps hand the text to sh; the file is no program"
