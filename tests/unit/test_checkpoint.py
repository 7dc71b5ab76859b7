"""A checkpoint: what the record of a release is built from."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fake_docker
import pulumi
import pytest
from environments import labels_of_record
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
    serial=7,
    proved="healthy other one-id",
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
    return labels_of_record(reveal(inputs(recording)))


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
        "SERIAL": "7",
        "PROVED": "healthy other one-id",
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
        assert labels_of(text) == {"dev.monopco.record": value}

    def test_what_is_special_to_the_builder_is_escaped(self) -> None:
        text = dockerfile({"a": '$ " \\'}, with_scripts=False)
        assert text.endswith('LABEL a="\\$ \\" \\\\"\n')

    def test_all_labels_are_one_instruction_because_each_costs_time(self) -> None:
        text = dockerfile({"a": "1", "b": 'x y" c="2'}, with_scripts=False)
        assert text.splitlines() == [*HEAD, 'LABEL a="1" \\', ' b="x y\\" c=\\"2"']
        assert labels_of(text) == {"a": "1", "b": 'x y" c="2'}

    @pytest.mark.parametrize("value", ["one\ntwo", "one\\\ntwo", 'evil"\nUSER root\n'])
    def test_a_line_of_the_environment_begins_no_line_of_the_dockerfile(self, value: str) -> None:
        what = dataclasses.replace(SPECIFICATION, environment={"A": value})
        text = context(declare(specification=what))["Dockerfile"]
        first = {line.split(" ")[0] for line in text.replace(" \\\n ", " ").splitlines()}
        assert first <= {"ARG", "FROM", "COPY", "LABEL"}
        assert Specification.from_json(labels_of(text)["dev.monopco.record"]) == what

    def test_what_is_only_known_when_it_is_built_is_not_in_it(self, recording: Recording) -> None:
        found = labels_of(context(recording)["Dockerfile"])
        assert {name.removeprefix("dev.monopco.") for name in found} == {
            "stack",
            "component",
            "release",
            "record",
            "secrets",
        }


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


def test_the_output_is_what_the_step_printed(recording: Recording) -> None:
    assert recording.outputs(recording.component("Checkpoint")) == {"record": f"monopco-dev/release:{ID}"}


def test_what_was_found_out_about_its_containers_reaches_the_step_and_nothing_else(recording: Recording) -> None:
    before, after = inputs(recording), inputs(declare(proved=f"healthy {ID} one-id"))
    assert TestSecrets().differing(before, after) == {"environment"}
    assert TestSecrets().differing(before["environment"], after["environment"]) == {"PROVED"}


# What record.sh asks of docker. `world` has the images by name, each with the image that it says, and how healthy the
# container of the proof is.
DOCKER = """
images = world["images"]
if words[:2] == ["image", "inspect"]:
    if words[-1] not in images:
        sys.exit(1)
    if "--format" in words:
        print(images[words[-1]])
elif words[0] == "build":
    sys.stdin.buffer.read()
    if world["broken"]:
        sys.exit("no space left on device")
elif words[0] == "exec":
    sys.exit(0 if world["healthy"] else 1)
elif words[0] == "inspect":
    print(words[2].replace("{{.State.Status}}", "exited").replace("{{.State.OOMKilled}}", "false")
          .replace("{{.State.ExitCode}}", "3").replace("{{.RestartCount}}", "0"))
elif words[0] == "cp":
    sys.stdin.buffer.read()
elif words[0] not in ("rm", "volume", "create", "start", "logs"):
    sys.exit(f"not expected: {words}")
"""
NAME = f"monopco-dev/release:{ID}"


class TestScript:
    def run(
        self,
        folder: Path,
        *,
        proved: str = "",
        images: Mapping[str, str] | None = None,
        healthy: bool = True,
        broken: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        step = reveal(inputs(declare(proved=proved)))
        variables = {**step["environment"], "COMMIT": "f" * 40, "TAG": "v1"}
        world = {"images": images or {}, "healthy": healthy, "broken": broken}
        names = ["release/health.sh", "checkpoint/prove.sh", "checkpoint/record.sh"]
        return fake_docker.run(folder, names, DOCKER, variables, world=world, stdin=step["stdin"])

    def proves(self, folder: Path) -> bool:
        return "start" in fake_docker.verbs(folder)

    def builds(self, folder: Path) -> list[list[str]]:
        return [words for words in fake_docker.asked(folder) if words[0] == "build"]

    def test_containers_of_the_release_that_have_answered_are_the_proof(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, proved=f"healthy {ID} one-id two-id")
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{NAME}\n", "")
        assert set(fake_docker.verbs(tmp_path)) == {"image", "build"}

    @pytest.mark.parametrize("proved", ["", "healthy other one-id", f"healthy {ID}", f"healthy other {ID} one-id"])
    def test_otherwise_one_is_started_apart_and_goes(self, tmp_path: Path, proved: str) -> None:
        done = self.run(tmp_path, proved=proved)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{NAME}\n", "")
        assert self.proves(tmp_path)
        assert len(self.builds(tmp_path)) == 1
        (created,) = [words for words in fake_docker.asked(tmp_path) if words[0] == "create"]
        assert created[-1] == "sha256:app"
        assert "dev.monopco.component=proof" in created
        proof = f"monopco-dev-proof-{ID}"
        assert fake_docker.asked(tmp_path)[-2:] == [["rm", "--force", "--volumes", proof], ["volume", "rm", proof]]

    def test_what_does_not_answer_is_not_recorded(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, healthy=False)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("The app ended with exit code 3 instead of answering.\n")
        assert self.builds(tmp_path) == []
        assert fake_docker.verbs(tmp_path)[-2:] == ["rm", "volume"]

    def test_a_release_that_is_recorded_is_left_as_it_is(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, images={NAME: "sha256:old", "sha256:old": ""})
        assert (done.returncode, done.stdout) == (0, f"{NAME}\n")
        assert set(fake_docker.verbs(tmp_path)) == {"image"}

    def test_a_record_whose_image_is_gone_is_made_anew(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, images={NAME: "sha256:old"})
        assert (done.returncode, done.stdout) == (0, f"{NAME}\n")
        assert self.proves(tmp_path)
        assert len(self.builds(tmp_path)) == 1

    def test_what_is_known_only_now_is_given_to_the_builder_as_labels(self, tmp_path: Path) -> None:
        self.run(tmp_path, proved=f"healthy {ID} one-id")
        (words,) = self.builds(tmp_path)
        assert words[:6] == ["build", "--quiet", "--tag", NAME, "--build-arg", "BASE=monopco-dev/app:123"]
        assert words[-1] == "-"
        given = dict(one.split("=", 1) for flag, one in itertools.pairwise(words) if flag == "--label")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", given.pop("dev.monopco.at"))
        assert given == {
            "dev.monopco.image": "sha256:app",
            "dev.monopco.serial": "7",
            "dev.monopco.commit": "f" * 40,
            "dev.monopco.tag": "v1",
            "dev.monopco.dirty": "false",
        }

    def test_what_the_builder_complains_of_is_told(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, proved=f"healthy {ID} one-id", broken=True)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "The release could not be recorded: no space left on device\n"
