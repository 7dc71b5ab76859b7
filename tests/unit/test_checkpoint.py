"""A checkpoint: what the record of a release is built from."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest
from environments import BUILT
from recorder import COMMAND, Recording, record
from specifications import SPECIFICATION
from values import in_clear, is_secret, labels_of, reveal, unpack

from components.checkpoint import Checkpoint, CheckpointArgs, Migration, dockerfile
from components.release import environment_file
from components.sealing import KEY_BYTES, unseal
from components.specification import Specification
from components.stack import Stack

ID = SPECIFICATION.release_id
KEY = base64.b64encode(bytes(range(KEY_BYTES))).decode()
SECRETS = {"DATABASE_URL": "marked-url", "KEY": "marked-key"}
ARGS = CheckpointArgs(
    stack=Stack("dev"),
    docker_host=None,
    specification=SPECIFICATION,
    image_id="sha256:app",
    base="monopco-dev/app:123",
    network_name="monopco-dev-network",
    secrets=SECRETS,
    unrecorded=frozenset({"DATABASE_URL"}),
    record_key=KEY,
    migrations=[Migration("02.sql", "SELECT 2;\n"), Migration("db/01.sql", "SELECT '$1';\n")],
    origin={"SOURCE": "/srv/app"},
)
# What every Dockerfile of a record begins with.
HEAD = ["ARG BASE", "FROM ${BASE}"]
ARGUMENTS = {**BUILT, "IMAGE": "sha256:app"}


def declare(*, preview: bool = False, **changes: Any) -> Recording:
    def run() -> None:
        hidden = {name: pulumi.Output.secret(value) for name, value in SECRETS.items()}
        given = {"secrets": hidden, "record_key": pulumi.Output.secret(KEY), **changes}
        Checkpoint("checkpoint", dataclasses.replace(ARGS, **given))

    return record(run, preview=preview)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare()


def inputs(recording: Recording) -> dict[str, Any]:
    return dict(recording.named("checkpoint-record", COMMAND).inputs)


def lines(recording: Recording) -> list[str]:
    """The two bundles on standard input."""
    *found, end = str(reveal(inputs(recording)["stdin"])).split("\n")
    assert end == ""
    return found


def context(recording: Recording) -> dict[str, str]:
    _, files = lines(recording)
    return unpack(files)


def labels(recording: Recording) -> dict[str, str]:
    return labels_of(context(recording)["Dockerfile"], ARGUMENTS)


def test_the_step_is_a_child_of_the_component(recording: Recording) -> None:
    assert [child.name for child in recording.children(recording.component("Checkpoint"))] == ["checkpoint-record"]


def test_the_step_knows_what_to_prove_and_under_which_name_to_record_it(recording: Recording) -> None:
    assert inputs(recording)["environment"] == {
        "PORT": "3000",
        "HEALTH_PATH": "/health",
        "HEALTH_EXPECT": "ok",
        "START_SECONDS": "60",
        "MEMORY_MB": "500",
        "IMAGE": "sha256:app",
        "BASE": "monopco-dev/app:123",
        "RECORD": f"monopco-dev/release:{ID}",
        "NETWORK": "monopco-dev-network",
        "NAME": f"monopco-dev-proof-{ID}",
        "LABEL": "dev.monopco",
        "STACK": "dev",
        "RELEASE": ID,
        "READ_ONLY": "true",
        "SOURCE": "/srv/app",
    }


def test_it_is_proved_with_a_writable_root_when_it_runs_with_one() -> None:
    writable = dataclasses.replace(SPECIFICATION, read_only=False)
    assert inputs(declare(specification=writable))["environment"]["READ_ONLY"] == "false"


def test_it_is_proved_with_the_configuration_that_it_will_run_with(recording: Recording) -> None:
    proof, _ = lines(recording)
    values = {"NODE_ENV": "production", **SECRETS, "PORT": "3000", "RELEASE": ID}
    assert unpack(proof) == {"env": environment_file(values)}


class TestRecord:
    def test_its_labels_tell_all_that_is_needed_to_run_it_again(self, recording: Recording) -> None:
        found = labels(recording)
        assert Specification.from_json(found.pop("dev.monopco.record")) == SPECIFICATION
        assert unseal(KEY, ID, found.pop("dev.monopco.secrets")) == {"KEY": "marked-key"}
        assert found == {
            "dev.monopco.stack": "dev",
            "dev.monopco.component": "release",
            "dev.monopco.release": ID,
            "dev.monopco.serial": "7",
            "dev.monopco.at": "2026-11-23T07:00:00Z",
            "dev.monopco.commit": "f" * 40,
            "dev.monopco.tag": "v1",
            "dev.monopco.dirty": "false",
            "dev.monopco.image": "sha256:app",
        }

    def test_scripts_and_their_order_lie_beside_the_dockerfile(self, recording: Recording) -> None:
        files = context(recording)
        del files["Dockerfile"]
        assert files == {
            "monopco/order": "02.sql\ndb/01.sql\n",
            "monopco/scripts/02.sql": "SELECT 2;\n",
            "monopco/scripts/db/01.sql": "SELECT '$1';\n",
        }

    def test_the_scripts_are_copied_into_it(self, recording: Recording) -> None:
        assert context(recording)["Dockerfile"].splitlines()[:3] == [*HEAD, "COPY monopco /usr/share/monopco"]

    def test_a_source_without_scripts_still_brings_their_empty_order(self) -> None:
        """The schema's step copies the folder."""
        files = context(declare(migrations=[]))
        assert files["monopco/order"] == ""
        assert "COPY monopco /usr/share/monopco" in files["Dockerfile"].splitlines()

    def test_a_record_on_a_record_has_its_scripts_already(self) -> None:
        files = context(declare(migrations=None))
        assert set(files) == {"Dockerfile"}
        assert "COPY" not in files["Dockerfile"]
        assert files["Dockerfile"].splitlines()[:2] == HEAD


class TestDockerfile:
    @pytest.mark.parametrize(
        "value",
        ["$HOME ${SERIAL}", 'a "quoted" word', "a \\ and \\n and \\", "#", "", " a  b ", "é", '{"a":"\\"$x\\\\"}'],
    )
    def test_what_a_label_says_is_what_was_given(self, value: str) -> None:
        text = dockerfile({"dev.monopco.record": value}, with_scripts=False)
        assert labels_of(text, ARGUMENTS)["dev.monopco.record"] == value

    def test_what_is_special_to_the_builder_is_escaped(self) -> None:
        text = dockerfile({"a": '$ " \\'}, with_scripts=False)
        assert text.endswith('LABEL a="\\$ \\" \\\\"\n')

    @pytest.mark.parametrize("value", ["one\ntwo", "one\\\ntwo", 'evil"\nUSER root\n'])
    def test_a_line_of_the_environment_begins_no_line_of_the_dockerfile(self, value: str) -> None:
        what = dataclasses.replace(SPECIFICATION, environment={"A": value})
        text = context(declare(specification=what))["Dockerfile"]
        assert [line for line in text.splitlines() if line.split(" ")[0] not in {"ARG", "FROM", "COPY", "LABEL"}] == []
        assert Specification.from_json(labels_of(text, ARGUMENTS)["dev.monopco.record"]) == what

    def test_what_is_only_known_when_it_is_built_comes_as_an_argument(self) -> None:
        found = dockerfile({}, with_scripts=False).splitlines()
        late = ["SERIAL", "AT", "COMMIT", "TAG", "DIRTY", "IMAGE"]
        assert found == [
            *HEAD,
            *(f"ARG {name}" for name in late),
            *(f'LABEL dev.monopco.{name.lower()}="${{{name}}}"' for name in late),
        ]


class TestSecrets:
    @pytest.mark.parametrize("preview", [False, True])
    def test_standard_input_is_a_secret(self, preview: bool) -> None:
        assert is_secret(inputs(declare(preview=preview))["stdin"])

    def test_none_is_in_clear_in_inputs_or_labels(self, recording: Recording) -> None:
        shown = [str(in_clear(inputs(recording))), str(context(recording))]
        assert not [text for text in shown for secret in (*SECRETS.values(), KEY) if secret in text]

    def test_what_is_always_todays_is_not_recorded(self, recording: Recording) -> None:
        assert set(unseal(KEY, ID, labels(recording)["dev.monopco.secrets"])) == {"KEY"}

    def test_a_changed_secret_changes_standard_input_and_the_id_only(self, recording: Recording) -> None:
        what = dataclasses.replace(SPECIFICATION, secret_versions={**SPECIFICATION.secret_versions, "KEY": "2"})
        other = {**SECRETS, "KEY": "other"}
        before, after = inputs(recording), inputs(declare(specification=what, secrets=other))
        assert self.differing(before, after) == {"environment", "stdin"}
        assert self.differing(before["environment"], after["environment"]) == {"RECORD", "NAME", "RELEASE"}

    def test_a_changed_secret_by_itself_changes_standard_input_only(self, recording: Recording) -> None:
        after = inputs(declare(secrets={**SECRETS, "KEY": "other"}))
        assert self.differing(inputs(recording), after) == {"stdin"}

    def differing(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
        assert before.keys() == after.keys()
        return {name for name in before if before[name] != after[name]}


def test_an_unchanged_release_shows_no_difference(recording: Recording) -> None:
    assert inputs(declare()) == inputs(recording)


def test_the_outputs_are_what_the_step_printed(recording: Recording) -> None:
    assert recording.outputs(recording.component("Checkpoint")) == {
        "imageId": "sha256:app",
        "record": f"monopco-dev/release:{ID}",
        "serial": 7,
    }
