"""The app's own SQL scripts."""

from __future__ import annotations

import pulumi
import pytest
from recorder import COMMAND, Recording, record
from values import is_secret, reveal, unpack

from components.schema import Migration, Schema, SchemaArgs
from components.stack import Stack

SCRIPTS = [Migration("b.sql", "SELECT 2;\n"), Migration("db/a.sql", "SELECT 1;\n")]


def declare(*, preview: bool = False, identity: str = "one") -> Recording:
    def run() -> None:
        args = SchemaArgs(
            stack=Stack("dev"),
            docker_host=None,
            image_id="sha256:postgres",
            network_name="monopco-dev-network",
            owner_url=pulumi.Output.secret("postgresql://owner:marked@database:5432/monopco"),
            database_identity=identity,
            migrations=SCRIPTS,
        )
        Schema("schema", args)

    return record(run, preview=preview)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare()


def test_the_step_is_a_child_of_the_component(recording: Recording) -> None:
    assert [child.name for child in recording.children(recording.component("Schema"))] == ["schema-migrate"]


def test_scripts_and_connection_arrive_on_standard_input_as_a_secret(recording: Recording) -> None:
    stdin = recording.named("schema-migrate", COMMAND).inputs["stdin"]
    assert is_secret(stdin)
    assert unpack(reveal(stdin)) == {
        "connection": "PGHOST=database\nPGPORT=5432\nPGDATABASE=monopco\nPGUSER=owner\n",
        "pgpass": "*:*:*:*:marked\n",
        "order": "b.sql\ndb/a.sql\n",
        "scripts/b.sql": "SELECT 2;\n",
        "scripts/db/a.sql": "SELECT 1;\n",
    }


def test_neither_password_nor_scripts_are_anywhere_else(recording: Recording) -> None:
    inputs = {key: value for key, value in recording.named("schema-migrate").inputs.items() if key != "stdin"}
    assert "marked" not in str(inputs)
    assert "SELECT" not in str(inputs)


def test_a_database_made_anew_is_given_its_tables_again(recording: Recording) -> None:
    before, after = (one.named("schema-migrate").inputs["environment"] for one in (recording, declare(identity="two")))
    assert {name for name in before if before[name] != after[name]} == {"DATABASE"}


def test_the_container_of_the_step_is_named_and_labelled_after_the_stack(recording: Recording) -> None:
    environment = recording.named("schema-migrate").inputs["environment"]
    assert (environment["NAME"], environment["STACK"]) == ("monopco-dev-migrate", "dev")


def test_what_was_done_is_kept_secret_as_it_may_quote_the_scripts(recording: Recording) -> None:
    assert is_secret(recording.outputs(recording.component("Schema"))["applied"])
