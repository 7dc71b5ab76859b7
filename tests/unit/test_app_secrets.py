"""The secrets that are generated."""

from __future__ import annotations

from typing import Any

import pytest
from recorder import BYTES, PASSWORD, Recording, record
from values import is_secret

from components.app_secrets import AppSecrets, AppSecretsArgs
from components.sealing import KEY_BYTES


def declare(*, database: str = "1", jwt: str = "1", preview: bool = False) -> Recording:
    args = AppSecretsArgs(database_rotation=database, jwt_rotation=jwt)
    return record(lambda: AppSecrets("secrets", args), preview=preview)


@pytest.mark.parametrize("name", ["secrets-owner-password", "secrets-app-password"])
def test_a_password_is_long_and_needs_no_quoting(name: str) -> None:
    inputs = declare().named(name, PASSWORD).inputs
    assert (inputs["length"], inputs["special"]) == (32, False)


def test_the_jwt_secret_has_32_bytes() -> None:
    assert declare().named("secrets-jwt", BYTES).inputs["length"] == 32


def test_the_key_of_the_records_is_as_long_as_sealing_needs_it() -> None:
    assert declare().named("secrets-record-key", BYTES).inputs["length"] == KEY_BYTES == 64


@pytest.mark.parametrize("preview", [False, True])
def test_every_output_is_a_secret(preview: bool) -> None:
    recording = declare(preview=preview)
    outputs = recording.outputs(recording.component("AppSecrets"))
    assert set(outputs) == {"ownerPassword", "appPassword", "jwtSecret", "recordKey"}
    assert [name for name, value in outputs.items() if not is_secret(value)] == []


def test_the_two_roles_have_passwords_of_their_own() -> None:
    recording = declare()
    outputs = recording.outputs(recording.component("AppSecrets"))
    assert outputs["ownerPassword"]["value"] == "generated.secrets-owner-password"
    assert outputs["appPassword"]["value"] == "generated.secrets-app-password"


@pytest.mark.parametrize(
    ("rotated", "made_anew"),
    [
        ({}, set()),
        ({"database": "2"}, {"secrets-owner-password", "secrets-app-password"}),
        ({"jwt": "2"}, {"secrets-jwt"}),
        ({"database": "2", "jwt": "2"}, {"secrets-owner-password", "secrets-app-password", "secrets-jwt"}),
    ],
    ids=["nothing", "database", "jwt", "both, and never the key that all records are sealed with"],
)
def test_a_rotation_makes_anew_what_it_names_and_nothing_else(rotated: dict[str, Any], made_anew: set[str]) -> None:
    before, after = declare(), declare(**rotated)
    changed = {
        one.name for one in before.resources if one.inputs.get("keepers") != after.named(one.name).inputs.get("keepers")
    }
    assert changed == made_anew


def test_the_secrets_are_children_of_the_component() -> None:
    recording = declare()
    assert {child.name for child in recording.children(recording.component("AppSecrets"))} == {
        "secrets-owner-password",
        "secrets-app-password",
        "secrets-jwt",
        "secrets-record-key",
    }
