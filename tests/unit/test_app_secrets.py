"""The secrets that are generated."""

from __future__ import annotations

import base64
import math
from typing import Any

import pytest
from recorder import PASSWORD, Recording, record
from values import is_secret

from components.app_secrets import AppSecrets, AppSecretsArgs
from components.sealing import KEY_BYTES


def declare(
    *,
    database: str = "1",
    jwt: str = "1",
    page: str = "1",
    monitoring: bool = True,
    protect: bool = False,
    preview: bool = False,
) -> Recording:
    args = AppSecretsArgs(
        database_rotation=database, jwt_rotation=jwt, page_rotation=page, monitoring=monitoring, protect=protect
    )
    return record(lambda: AppSecrets("secrets", args), preview=preview)


@pytest.mark.parametrize("protect", [False, True])
def test_the_key_of_the_backups_is_protected_as_they_are_and_nothing_else(protect: bool) -> None:
    found = [one.name for one in declare(protect=protect).resources if one.protect]
    assert found == (["secrets-backup-key"] if protect else [])


@pytest.mark.parametrize("name", ["secrets-owner-password", "secrets-app-password", "secrets-page-password"])
def test_a_password_is_long_and_needs_no_quoting(name: str) -> None:
    inputs = declare().named(name, PASSWORD).inputs
    assert (inputs["length"], inputs["special"]) == (32, False)


def test_the_jwt_secret_holds_more_than_256_bits() -> None:
    inputs = declare().named("secrets-jwt", PASSWORD).inputs
    assert inputs["length"] * math.log2(62) > 256


def test_the_key_of_the_backups_is_no_bytes_whose_id_would_tell_it() -> None:
    assert declare().named("secrets-backup-key", PASSWORD).inputs["length"] == 64


def test_the_key_of_the_records_is_as_long_as_sealing_needs_it() -> None:
    recording = declare()
    assert recording.named("secrets-record-key", PASSWORD).inputs["length"] * math.log2(62) > KEY_BYTES * 8
    key = recording.outputs(recording.component("AppSecrets"))["recordKey"]["value"]
    assert len(base64.b64decode(key)) == KEY_BYTES


def test_no_secret_is_made_by_a_resource_whose_id_tells_it() -> None:
    """An id is not encrypted in the state, and RandomBytes, RandomId, RandomString and others are their own ids."""
    recording = declare()
    made = {child.type for child in recording.children(recording.component("AppSecrets"))}
    assert made == {PASSWORD}


@pytest.mark.parametrize("preview", [False, True])
def test_every_output_is_a_secret(preview: bool) -> None:
    recording = declare(preview=preview)
    outputs = recording.outputs(recording.component("AppSecrets"))
    assert set(outputs) == {
        *("ownerPassword", "appPassword", "jwtSecret", "recordKey", "backupKey"),
        *("monitorPassword", "pagePassword"),
    }
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
        ({"database": "2"}, {"secrets-owner-password", "secrets-app-password", "secrets-monitor-password"}),
        ({"jwt": "2"}, {"secrets-jwt"}),
        ({"page": "2"}, {"secrets-page-password"}),
        (
            {"database": "2", "jwt": "2"},
            {"secrets-owner-password", "secrets-app-password", "secrets-monitor-password", "secrets-jwt"},
        ),
    ],
    ids=["nothing", "database", "jwt", "page", "both, and never the key that all records are sealed with"],
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
        "secrets-backup-key",
        "secrets-monitor-password",
        "secrets-page-password",
    }


def test_without_monitoring_there_are_no_passwords_for_it() -> None:
    made = {one.name for one in declare(monitoring=False).of_type(PASSWORD)}
    assert {one.name for one in declare().of_type(PASSWORD)} - made == {
        "secrets-monitor-password",
        "secrets-page-password",
    }
