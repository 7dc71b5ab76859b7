"""The serial number of a release: the step, and its script against a Docker of the test's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fake_docker
import pytest
from recorder import COMMAND, SERIAL, Recording, record
from values import UNKNOWN

from components.serial import Serial, SerialArgs
from components.stack import Stack

ARGS = SerialArgs(stack=Stack("dev"), docker_host=None, release="abc", image_id="sha256:app")


def declare(*, preview: bool = False, **changes: Any) -> Recording:
    args = SerialArgs(**{**ARGS.__dict__, **changes})
    return record(lambda: Serial("serial", args), preview=preview)


def environment(**changes: Any) -> dict[str, str]:
    return dict(declare(**changes).named("serial-number", COMMAND).inputs["environment"])


def test_the_step_is_a_child_of_the_component() -> None:
    recording = declare()
    assert [child.name for child in recording.children(recording.component("Serial"))] == ["serial-number"]


def test_the_step_knows_the_release_its_record_and_its_image() -> None:
    assert environment() == {
        "LABEL": "dev.monopco",
        "STACK": "dev",
        "RELEASE": "abc",
        "RECORD": "monopco-dev/release:abc",
        "IMAGE": "sha256:app",
    }


def test_it_is_counted_on_the_host_of_the_stack() -> None:
    assert environment(docker_host="ssh://a@b:22")["DOCKER_HOST"] == "ssh://a@b:22"


@pytest.mark.parametrize(
    ("changes", "differing"),
    [({"release": "def"}, {"RELEASE", "RECORD"}), ({"image_id": "sha256:other"}, {"IMAGE"})],
    ids=["another release", "an image built anew"],
)
def test_it_is_counted_again_for(changes: dict[str, Any], differing: set[str]) -> None:
    before, after = environment(), environment(**changes)
    assert {name for name in before if before[name] != after[name]} == differing


def test_the_outputs_are_what_the_step_printed() -> None:
    recording = declare()
    assert recording.outputs(recording.component("Serial")) == {"number": SERIAL, "imageId": "sha256:app"}


def test_before_it_is_counted_nothing_is_known() -> None:
    recording = declare(preview=True)
    assert recording.outputs(recording.component("Serial")) == {"number": UNKNOWN, "imageId": UNKNOWN}


# What count.sh asks of docker. An image or container without a label has an empty one, as in Docker's templates.
DOCKER = """
kind, verb = words[:2]
if verb == "ls":
    assert "label=dev.monopco.stack=dev" in words, words
    component = next(word for word in words if ".component=" in word).partition(".component=")[2]
    for name, labels in world[kind].items():
        if labels.get("component") == component:
            print(name)
elif verb == "inspect" and "--format" in words:
    found = 0
    at = words.index("--format")
    shown = [part.split('"')[1].removeprefix("dev.monopco.") for part in words[at + 1].split("{{")[1:]]
    for name in words[at + 2:]:
        if name not in world[kind]:
            found = 1
            continue
        print(*(world[kind][name].get(label, "") for label in shown))
    sys.exit(found)
elif words[:2] == ["image", "inspect"]:
    sys.exit(0 if words[2] in world["image"] else 1)
else:
    sys.exit(f"not expected: {words}")
"""


def recorded(release: str, serial: int, image: str) -> dict[str, dict[str, str]]:
    """An image that is a record, by its name."""
    labels = {"component": "release", "release": release, "serial": str(serial), "image": image}
    return {f"monopco-dev/release:{release}": labels}


def container(release: str, serial: str) -> dict[str, str]:
    return {"component": "app", "release": release, "serial": serial}


@dataclass
class World:
    """What the Docker of the test has."""

    folder: Path
    images: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    containers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def count(self) -> dict[str, Any]:
        """What the script prints for the release abc, whose image is "sha256:new"."""
        variables = {**environment(), "IMAGE": "sha256:new"}
        world = {"image": self.images, "container": self.containers}
        done = fake_docker.run(self.folder, ["serial/count.sh"], DOCKER, variables, world=world)
        assert (done.returncode, done.stderr) == (0, "")
        return dict(json.loads(done.stdout))


class TestScript:
    def test_a_docker_that_does_not_answer_is_no_stack_without_releases(self, tmp_path: Path) -> None:
        done = fake_docker.run(tmp_path, ["serial/count.sh"], 'sys.exit("no route to host")', environment())
        assert (done.returncode, done.stdout) == (1, "")
        assert "no route to host" in done.stderr

    def test_the_first_release_of_a_stack_has_the_number_one(self, tmp_path: Path) -> None:
        assert World(tmp_path).count() == {"serial": 1, "image": "sha256:new"}

    def test_a_recorded_release_keeps_its_number_and_its_image(self, tmp_path: Path) -> None:
        images = {**recorded("abc", 3, "sha256:old"), **recorded("def", 8, "sha256:old"), "sha256:old": {}}
        assert World(tmp_path, images).count() == {"serial": 3, "image": "sha256:old"}

    def test_without_the_image_of_its_record_it_runs_the_new_one_and_keeps_its_number(self, tmp_path: Path) -> None:
        images = {**recorded("abc", 3, "sha256:gone"), **recorded("def", 8, "sha256:gone")}
        assert World(tmp_path, images).count() == {"serial": 3, "image": "sha256:new"}

    def test_another_release_has_one_more_than_the_largest_of_the_records(self, tmp_path: Path) -> None:
        """As numbers: 10 is more than 9."""
        images = {**recorded("def", 9, "sha256:old"), **recorded("123", 10, "sha256:old"), "sha256:old": {}}
        assert World(tmp_path, images).count() == {"serial": 11, "image": "sha256:new"}

    def test_a_container_of_a_release_that_is_not_recorded_counts_as_well(self, tmp_path: Path) -> None:
        """It holds its addresses."""
        found = World(tmp_path, recorded("def", 9, "sha256:old"), {"one": container("456", "12")}).count()
        assert found["serial"] == 13

    def test_a_release_that_runs_unrecorded_keeps_its_number(self, tmp_path: Path) -> None:
        containers = {"one": container("abc", "10"), "two": container("abc", "10"), "three": container("456", "12")}
        found = World(tmp_path, recorded("def", 9, "sha256:old"), containers).count()
        assert found == {"serial": 10, "image": "sha256:new"}

    def test_a_container_from_before_there_were_such_labels_does_no_harm(self, tmp_path: Path) -> None:
        images, containers = recorded("def", 9, "sha256:old"), {"one": container("abc", "")}
        assert World(tmp_path, images, containers).count()["serial"] == 10

    def test_what_is_no_release_is_not_counted(self, tmp_path: Path) -> None:
        images = {"monopco-dev/app:1": {"component": "app", "serial": "50"}}
        containers = {"proof": {"component": "proof", "release": "abc", "serial": "60"}}
        assert World(tmp_path, images, containers).count()["serial"] == 1
