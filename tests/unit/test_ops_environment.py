"""What `./monopco env` sets, and what it leaves to the user."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ops import environment
from ops.environment import exports, uses_own_state, variables
from ops.places import PASSPHRASE, PROJECT, PULUMI_HOME, STATE, TOOLS, VENV

OWN = {"PATH": "/usr/bin:/bin", "HOME": "/home/anna"}


def test_tools_come_first_on_path() -> None:
    assert variables(OWN)["PATH"] == f"{TOOLS}:{VENV}/bin:/usr/bin:/bin"


def test_the_state_lies_in_the_project() -> None:
    made = variables(OWN)
    assert made["PULUMI_BACKEND_URL"] == f"file://{STATE}"
    assert made["PULUMI_CONFIG_PASSPHRASE_FILE"] == str(PASSPHRASE)
    assert made["PULUMI_HOME"] == str(PULUMI_HOME)
    assert "PULUMI_CREDENTIALS_PATH" not in made


def test_setting_it_twice_changes_nothing() -> None:
    once = {**OWN, **variables(OWN)}
    assert variables(once) == variables(OWN)


@pytest.mark.parametrize(
    "own", [{"PULUMI_BACKEND_URL": "s3://bucket"}, {"PULUMI_ACCESS_TOKEN": "pul-1"}, {"PULUMI_BACKEND_URL": "file://~"}]
)
def test_a_backend_of_the_users_own_is_kept(own: dict[str, str]) -> None:
    given = {**OWN, **own}
    assert not uses_own_state(given)
    assert "PULUMI_BACKEND_URL" not in variables(given)
    assert variables(given)["PULUMI_CREDENTIALS_PATH"] == str(Path.home() / ".pulumi")


def test_a_backend_and_a_token_that_are_empty_are_none() -> None:
    given = {**OWN, "PULUMI_BACKEND_URL": "", "PULUMI_ACCESS_TOKEN": ""}
    assert uses_own_state(given)
    assert variables(given)["PULUMI_BACKEND_URL"] == f"file://{STATE}"


@pytest.mark.parametrize("name", ["PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"])
def test_a_passphrase_of_the_users_own_is_kept(name: str) -> None:
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in variables({**OWN, name: "x"})


def test_the_settings_of_another_clone_are_not_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "PROJECT", Path("/other"))
    for name, place in (("STATE", STATE), ("PASSPHRASE", PASSPHRASE), ("TOOLS", TOOLS), ("VENV", VENV)):
        monkeypatch.setattr(environment, name, Path("/other") / place.relative_to(PROJECT))
    other = {**OWN, **variables(OWN)}
    monkeypatch.undo()
    assert other["PULUMI_BACKEND_URL"] == "file:///other/.state"
    made = variables(other)
    assert made["PULUMI_BACKEND_URL"] == f"file://{STATE}"
    assert made["PULUMI_CONFIG_PASSPHRASE_FILE"] == str(PASSPHRASE)
    assert made["PATH"] == f"{TOOLS}:{VENV}/bin:/usr/bin:/bin"


def test_a_shell_reads_back_what_was_printed_whatever_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    strange = Path('/home/it\'s a "project" with $HOME and `id`')
    monkeypatch.setattr(environment, "PULUMI_HOME", strange)
    lines = exports(OWN)
    script = f'{lines}\nprintf %s "$PULUMI_HOME"'
    printed = subprocess.run(["sh", "-c", script], env=OWN, capture_output=True, text=True, check=True).stdout
    assert printed == str(strange)
