"""The server itself: its steps, their order, and the texts that run there."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
from recorder import REMOTE_COMMAND, Recording, Resource, record
from values import is_secret, reveal

from components.machine import Machine, MachineArgs
from components.stack import Stack

KEY = "marked-private-key"
ARGS = MachineArgs(
    stack=Stack("prod"),
    host="server.example",
    port=2222,
    user="root",
    private_key=KEY,
    host_key="ssh-ed25519 AAAA",
    authorized_key="ssh-ed25519 BBBB",
    ports=(443, 80),
)
SHELLCHECK = str(Path(sys.executable).with_name("shellcheck"))
# Functions of the library that a step has no use for, and what it is told of its own name.
UNUSED = "SC2034,SC2317,SC2329"


def declare(args: MachineArgs = ARGS, *, preview: bool = False) -> Recording:
    return record(lambda: Machine("machine", args), preview=preview)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare()


@pytest.fixture(scope="module")
def steps(recording: Recording) -> dict[str, Resource]:
    return {one.name.removeprefix("machine-"): one for one in recording.of_type(REMOTE_COMMAND)}


def text(step: Resource) -> str:
    found: str = reveal(step.inputs)["create"]
    return found


def test_each_step_is_a_resource_of_its_own(steps: dict[str, Resource], recording: Recording) -> None:
    assert set(steps) == {
        *("requirements", "packages", "account", "docker", "ssh", "ssh-confirmation", "firewall"),
        *("firewall-confirmation", "fail2ban", "kernel", "swap", "clock", "logs"),
    }
    assert len(recording.children(recording.component("Machine"))) == len(steps)


def test_a_step_says_what_it_is_made_from(steps: dict[str, Resource]) -> None:
    assert "STACK=prod\nACCOUNT=monopco\nAUTHORIZED_KEY='ssh-ed25519 BBBB'\n" in text(steps["account"])
    assert "STACK=prod\nPORTS='80 443'\n" in text(steps["firewall"])
    assert "HOST_KEY_TYPE=ssh-ed25519\n" in text(steps["ssh"])
    assert "MEMORY_MB=1850\n" in text(steps["requirements"])


def test_a_changed_port_changes_the_firewall_alone(steps: dict[str, Resource]) -> None:
    after = declare(dataclasses.replace(ARGS, ports=(80, 8443)))
    changed = {name for name, one in steps.items() if text(after.named(f"machine-{name}")) != text(one)}
    assert changed == {"firewall"}


def test_the_server_is_looked_at_before_anything_is_done(steps: dict[str, Resource], recording: Recording) -> None:
    for name, step in steps.items():
        assert name == "requirements" or "machine-requirements" in recording.waits_for(step)
        assert name in ("requirements", "packages") or "machine-packages" in recording.waits_for(step)


def test_what_can_be_done_side_by_side_is(recording: Recording) -> None:
    alone = {"machine-requirements", "machine-packages"}
    for name in ("account", "docker", "ssh", "fail2ban", "kernel", "swap", "clock", "logs"):
        assert recording.waits_for(recording.named(f"machine-{name}")) <= alone, name


@pytest.mark.parametrize("name", ["ssh", "firewall"])
def test_a_change_that_could_lock_out_is_confirmed_over_a_connection_of_its_own(
    steps: dict[str, Resource], recording: Recording, name: str
) -> None:
    confirmation = steps[f"{name}-confirmation"]
    assert f"machine-{name}" in recording.waits_for(confirmation)
    assert confirmation.inputs["triggers"] == [f"printed by machine-{name}"]
    assert int(reveal(confirmation.inputs)["connection"]["dialErrorLimit"]) == 25


def test_the_connection_is_a_secret_and_the_key_is_nowhere_else(steps: dict[str, Resource]) -> None:
    for step in steps.values():
        assert is_secret(step.inputs["connection"])
        connection = reveal(step.inputs)["connection"]
        assert (connection["host"], connection["port"], connection["user"]) == ("server.example", 2222, "root")
        assert (connection["hostKey"], connection["privateKey"]) == ("ssh-ed25519 AAAA", KEY)
        assert KEY not in text(step)


def test_nothing_is_done_when_it_is_destroyed(steps: dict[str, Resource]) -> None:
    assert {one.inputs.get("delete") for one in steps.values()} == {None}


def test_it_is_told_what_was_found(recording: Recording) -> None:
    machine = recording.component("Machine")
    assert recording.outputs(machine) == {"ready": "printed by machine-requirements"}


def test_a_step_is_a_script_that_shellcheck_has_nothing_against(steps: dict[str, Resource], tmp_path: Path) -> None:
    for name, step in steps.items():
        # What the shell reads first, and what it hands on to another one.
        first, _, second = text(step).partition("<<'END_OF_STEP'\n")
        (tmp_path / f"{name}-root.sh").write_text(f"{first}<<'END_OF_STEP'\nEND_OF_STEP\n", encoding="utf-8")
        (tmp_path / f"{name}.sh").write_text(second.removesuffix("END_OF_STEP\n"), encoding="utf-8")
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    done = subprocess.run(
        [SHELLCHECK, "--shell", "sh", "--exclude", UNUSED, *files], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
    assert len(files) == 2 * len(steps)


def test_a_user_who_may_not_become_root_is_told_so(steps: dict[str, Resource], tmp_path: Path) -> None:
    for name, says in (("id", "[ $1 = -un ] && echo eve || echo 1000"), ("sudo", "exit 1")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{says}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", text(steps["requirements"])],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "The user eve may not become root without a password." in done.stderr
