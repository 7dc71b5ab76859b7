"""A PostgreSQL that is somebody else's."""

from __future__ import annotations

import pulumi
import pytest
from recorder import COMMAND, Recording, record
from values import is_secret, reveal, unpack

from components.external_database import ExternalDatabase, ExternalDatabaseArgs

URL = "postgresql://app:marked@db.example:5432/data"


def declare(*, preview: bool = False) -> Recording:
    def run() -> None:
        args = ExternalDatabaseArgs(docker_host=None, image_id="sha256:postgres", url=pulumi.Output.secret(URL))
        database = ExternalDatabase("database", args)
        pulumi.CustomResource("test:index:User", "user", {"url": database.app_url, "owner": database.owner_url})

    return record(run, preview=preview)


def test_the_database_is_asked_and_nothing_of_ours_is_made() -> None:
    recording = declare()
    (check,) = recording.children(recording.component("ExternalDatabase"))
    assert (check.type, check.name) == (COMMAND, "database-check")


def test_the_question_holds_the_connection_on_standard_input_only() -> None:
    check = declare().named("database-check").inputs
    assert is_secret(check["stdin"])
    assert unpack(reveal(check["stdin"]))["pgpass"] == "*:*:*:*:marked\n"
    assert check["environment"] == {"IMAGE": "sha256:postgres"}


@pytest.mark.parametrize("preview", [False, True])
def test_the_urls_stay_secret(preview: bool) -> None:
    recording = declare(preview=preview)
    outputs = recording.outputs(recording.component("ExternalDatabase"))
    assert is_secret(outputs["appUrl"])
    assert is_secret(outputs["ownerUrl"])


def test_app_and_scripts_use_the_url_as_it_was_given() -> None:
    recording = declare()
    outputs = reveal(recording.outputs(recording.component("ExternalDatabase")))
    assert (outputs["appUrl"], outputs["ownerUrl"]) == (URL, URL)


def test_nobody_gets_the_url_before_the_database_has_answered() -> None:
    recording = declare()
    assert "database-check" in recording.waits_for(recording.named("user"))


def test_there_is_no_container_and_no_change_of_server_to_see() -> None:
    recording = declare()
    outputs = recording.outputs(recording.component("ExternalDatabase"))
    assert (outputs["container"], outputs["identity"]) == ("", "external")
