"""The logins of earlier passwords are locked once the requests have gone from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from environments import prod_with_files, recorded, run_program
from recorder import COMMAND, record

from components.database import APP_ROLE, app_login
from components.old_logins import OldLogins, OldLoginsArgs


def test_a_login_follows_from_the_rotation_and_the_first_has_the_roles_own_name() -> None:
    assert app_login("1") == APP_ROLE
    others = {app_login(value) for value in ("2", "3", "20261125T060000Z")}
    assert len(others) == 3
    assert all(other.startswith(f"{APP_ROLE}_") and len(other) == len(APP_ROLE) + 9 for other in others)


def test_the_one_that_stays_is_named_and_all_others_are_locked() -> None:
    args = OldLoginsArgs(docker_host=None, container="monopco-dev-database", server="id", login="monopco_app_1")
    made = record(lambda: OldLogins("old-logins", args)).named("old-logins-lock", COMMAND)
    assert made.inputs["environment"] == {
        "CONTAINER": "monopco-dev-database",
        "SERVER": "id",
        "ROLE": APP_ROLE,
        "LOGIN": "monopco_app_1",
    }


def test_they_are_locked_after_the_switch(folder: Path) -> None:
    recording = recorded("prod deployed", folder)
    assert "switch-traffic" in recording.waits_for(recording.named("old-logins-lock", COMMAND))


def test_a_database_elsewhere_has_no_logins_of_ours(folder: Path) -> None:
    assert [one.name for one in recorded("external deployed", folder).resources if "old-logins" in one.name] == []


@pytest.mark.parametrize("rotation", ["2", "a word"])
def test_another_rotation_gives_the_app_another_login(folder: Path, rotation: str) -> None:
    recording = run_program("prod", prod_with_files(folder).changed("rotation", database=rotation), folder)
    locking = recording.named("old-logins-lock", COMMAND)
    assert locking.inputs["environment"]["LOGIN"] == app_login(rotation)
    assert f"postgresql://{app_login(rotation)}:" in str(recording.exports["databaseUrl"])
