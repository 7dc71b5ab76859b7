"""The app's own SQL scripts."""

from __future__ import annotations

import base64
import dataclasses
import subprocess
from pathlib import Path
from typing import Any

import fake_docker
import pulumi
import pytest
from recorder import COMMAND, Recording, record
from values import is_secret, reveal, unpack

from components.schema import Schema, SchemaArgs
from components.specification import Script
from components.stack import Stack

ARGS = SchemaArgs(
    stack=Stack("dev"),
    docker_host=None,
    image_id="sha256:postgres",
    network_name="monopco-dev-network",
    owner_url="postgresql://owner:marked@database:5432/monopco",
    database_identity="one",
    record="monopco-dev/release:abc",
    scripts=[Script("b.sql", "b" * 64), Script("db/a.sql", "a" * 64)],
    checked="",
    restore_points="monopco-dev-restore-points",
    kept=5,
)


def declare(*, preview: bool = False, **changes: Any) -> Recording:
    def run() -> None:
        url = pulumi.Output.secret(ARGS.owner_url)
        Schema("schema", dataclasses.replace(ARGS, **{"owner_url": url, **changes}))

    return record(run, preview=preview)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare()


def differing(recording: Recording, **changes: Any) -> set[str]:
    """What of the step's environment differs with a changed argument."""
    before, after = (one.named("schema-migrate").inputs["environment"] for one in (recording, declare(**changes)))
    return {name for name in before if before[name] != after[name]}


def test_the_step_is_a_child_of_the_component(recording: Recording) -> None:
    assert [child.name for child in recording.children(recording.component("Schema"))] == ["schema-migrate"]


@pytest.mark.parametrize("preview", [False, True])
def test_the_connection_arrives_on_standard_input_as_a_secret(preview: bool) -> None:
    stdin = declare(preview=preview).named("schema-migrate", COMMAND).inputs["stdin"]
    assert is_secret(stdin)
    assert unpack(reveal(stdin)) == {
        "connection": "PGHOST=database\nPGPORT=5432\nPGDATABASE=monopco\nPGUSER=owner\n",
        "pgpass": "*:*:*:*:marked\n",
    }


def test_the_step_knows_where_it_works_and_what_to_run(recording: Recording) -> None:
    assert recording.named("schema-migrate").inputs["environment"] == {
        "IMAGE": "sha256:postgres",
        "NETWORK": "monopco-dev-network",
        "DATABASE": "one",
        "LABEL": "dev.monopco",
        "STACK": "dev",
        "NAME": "monopco-dev-migrate",
        "RECORD": "monopco-dev/release:abc",
        "SCRIPTS": f"{'b' * 12} b.sql\n{'a' * 12} db/a.sql\n",
        "RESTORE_POINTS": "monopco-dev-restore-points",
        "KEEP_RESTORE_POINTS": "5",
        "CHECKED": "",
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"database_identity": "two"}, {"DATABASE"}),
        ({"scripts": [Script("b.sql", "c" * 64), Script("db/a.sql", "a" * 64)]}, {"SCRIPTS"}),
        ({"scripts": list(reversed(ARGS.scripts))}, {"SCRIPTS"}),
        ({"record": "monopco-dev/release:def"}, {"RECORD"}),
    ],
    ids=["a database made anew", "a changed script", "another order", "another release"],
)
def test_the_scripts_are_looked_at_again_for(recording: Recording, changes: dict[str, Any], expected: set[str]) -> None:
    assert differing(recording, **changes) == expected


def test_another_number_of_restore_points_tells_the_step_only(recording: Recording) -> None:
    assert differing(recording, kept=0) == {"KEEP_RESTORE_POINTS"}


def test_the_password_is_nowhere_else(recording: Recording) -> None:
    inputs = {key: value for key, value in recording.named("schema-migrate").inputs.items() if key != "stdin"}
    assert "marked" not in str(inputs)


def test_what_was_done_is_kept_secret_as_it_may_quote_the_scripts(recording: Recording) -> None:
    assert is_secret(recording.outputs(recording.component("Schema"))["applied"])


# What migrate.sh asks of docker: the scripts come out of a container of the record and go into one that runs them.
DOCKER = """
if words[0] == "cp":
    print("+scripts", end="")
elif words[0] == "run":
    print("applied", sys.stdin.read())
elif words[0] not in ("rm", "create"):
    sys.exit(f"not expected: {words}")
"""


class TestScript:
    def run(self, folder: Path, **changes: Any) -> subprocess.CompletedProcess[str]:
        variables = declare(**changes).named("schema-migrate").inputs["environment"]
        stdin = base64.b64encode(b"connection").decode()
        return fake_docker.run(folder, ["schema/migrate.sh"], DOCKER, variables, stdin=stdin)

    @pytest.mark.parametrize("checked", ['{"last":"b.sql","level":2}', 'gone c.sql\n{"last":"b.sql","level":2}'])
    def test_without_a_pending_script_nothing_is_asked_of_docker(self, tmp_path: Path, checked: str) -> None:
        done = self.run(tmp_path, checked=checked)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{checked}\n", "")
        assert fake_docker.asked(tmp_path) == []

    @pytest.mark.parametrize(
        "checked",
        ["", "pending unknown", 'pending b.sql\n{"last":null,"level":0}', 'gone c.sql\npending b.sql\n{"level":1}'],
    )
    def test_otherwise_the_scripts_of_the_record_are_run(self, tmp_path: Path, checked: str) -> None:
        done = self.run(tmp_path, checked=checked)
        assert (done.returncode, done.stdout, done.stderr) == (0, "applied connection+scripts\n", "")
        (created,) = [words for words in fake_docker.asked(tmp_path) if words[0] == "create"]
        assert created[-1] == "monopco-dev/release:abc"
        (ran,) = [words for words in fake_docker.asked(tmp_path) if words[0] == "run"]
        assert ran[-3:] == ["--entrypoint", "migrate", "sha256:postgres"]
        assert "monopco-dev-restore-points:/restore-points" in ran
        assert "KEEP_RESTORE_POINTS=5" in ran

    def test_its_containers_are_removed_before_and_after(self, tmp_path: Path) -> None:
        self.run(tmp_path)
        gone = ["rm", "--force", "monopco-dev-migrate", "monopco-dev-migrate-scripts"]
        questions = fake_docker.asked(tmp_path)
        assert (questions[0], questions[-1]) == (gone, gone)

    def test_without_restore_points_no_volume_is_given(self, tmp_path: Path) -> None:
        self.run(tmp_path, kept=0)
        (ran,) = [words for words in fake_docker.asked(tmp_path) if words[0] == "run"]
        assert "--volume" not in ran
