"""A release: its configuration and its containers."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fake_docker
import pulumi
import pytest
from recorder import COMMAND, CONTAINER, VOLUME, Recording, record
from specifications import SPECIFICATION, SUBNET
from values import is_secret, reveal, unpack

from components.release import Release, ReleaseArgs, address, environment_file
from components.stack import Stack

ID = SPECIFICATION.release_id
SECRETS = {"DATABASE_URL": "marked-url", "KEY": "marked-key"}
ARGS = ReleaseArgs(
    stack=Stack("dev"),
    docker_host=None,
    specification=SPECIFICATION,
    image_id="sha256:app",
    serial=7,
    network_name="monopco-dev-network",
    replicas=2,
    secrets=SECRETS,
    permission="",
)


def declare(*, preview: bool = False, **changes: Any) -> Recording:
    """With changed arguments, those of the specification included."""
    own = {field.name for field in dataclasses.fields(ReleaseArgs)}
    what = dataclasses.replace(SPECIFICATION, **{name: value for name, value in changes.items() if name not in own})

    def run() -> None:
        secrets = {name: pulumi.Output.secret(value) for name, value in SECRETS.items()}
        given = {"secrets": secrets, **{name: value for name, value in changes.items() if name in own}}
        Release("release", dataclasses.replace(ARGS, specification=what, **given))

    return record(run, preview=preview)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare()


@pytest.mark.parametrize("replicas", [0, 17])
def test_a_number_of_containers_without_addresses_of_their_own_is_refused(replicas: int) -> None:
    with pytest.raises(ValueError, match=rf"^a release has 1 to 16 replicas \(got {replicas}\)$"):
        dataclasses.replace(ARGS, replicas=replicas)


@pytest.mark.parametrize("secrets", [{}, {"DATABASE_URL": "a"}, {**SECRETS, "OTHER": "a"}])
def test_a_secret_whose_change_nobody_would_see_is_refused(secrets: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"^every secret needs a version, and every version a secret$"):
        dataclasses.replace(ARGS, secrets=secrets)


def test_everything_is_inside_the_component_and_named_after_the_release(recording: Recording) -> None:
    assert {(child.type, child.name) for child in recording.children(recording.component("Release"))} == {
        (VOLUME, f"release-{ID}-configuration"),
        (COMMAND, f"release-{ID}-environment"),
        (CONTAINER, f"release-{ID}-1"),
        (CONTAINER, f"release-{ID}-2"),
        (COMMAND, "release-healthy"),
    }


def test_another_release_shares_no_resource_with_the_one_that_runs() -> None:
    """Else Pulumi would change or replace what serves, before the switch."""
    before, after = declare(), declare(image_digest="1" * 64)
    shared = {one.name for one in before.resources} & {one.name for one in after.resources}
    assert shared == {"monopco-dev", "release", "release-healthy"}


def test_another_replica_changes_nothing_of_those_that_run() -> None:
    before, after = declare(replicas=2), declare(replicas=3)
    for one in before.resources:
        other = after.named(one.name)
        if one.name != "release-healthy":
            assert other.inputs == one.inputs, one.name


class TestContainers:
    @pytest.fixture(params=[1, 2])
    def number(self, request: pytest.FixtureRequest) -> int:
        number: int = request.param
        return number

    @pytest.fixture
    def container(self, recording: Recording, number: int) -> Any:
        return recording.named(f"release-{ID}-{number}", CONTAINER)

    def test_the_name_says_stack_release_and_number(self, container: Any, number: int) -> None:
        assert container.inputs["name"] == f"monopco-dev-app-{ID}-{number}"

    def test_the_labels_say_which_release_it_is(self, recording: Recording, container: Any) -> None:
        assert recording.labels(container) == {
            "dev.monopco.stack": "dev",
            "dev.monopco.component": "app",
            "dev.monopco.release": ID,
            "dev.monopco.serial": "7",
        }

    def test_it_has_the_address_of_its_number(self, container: Any, number: int) -> None:
        (network,) = container.inputs["networksAdvanced"]
        assert network == {"name": "monopco-dev-network", "ipv4Address": address(SUBNET, 7, number)}

    def test_it_runs_the_image_of_the_release(self, container: Any) -> None:
        assert container.inputs["image"] == "sha256:app"

    def test_it_publishes_nothing(self, container: Any) -> None:
        assert "ports" not in container.inputs

    def test_its_memory_is_limited(self, container: Any) -> None:
        assert (container.inputs["memory"], container.inputs["memorySwap"]) == (500, 500)

    def test_its_root_is_read_only(self, container: Any) -> None:
        assert container.inputs["readOnly"] is True

    def test_its_configuration_is_a_volume_that_it_cannot_write(self, container: Any) -> None:
        assert container.inputs["volumes"] == [
            {"volumeName": f"monopco-dev-app-{ID}", "containerPath": "/etc/monopco", "readOnly": True}
        ]

    def test_its_definition_holds_no_environment(self, container: Any) -> None:
        assert "envs" not in container.inputs
        assert "marked" not in str(reveal(container.inputs))

    def test_its_health_is_an_answer_with_the_expected_text(self, container: Any) -> None:
        check = container.inputs["healthcheck"]
        assert check["tests"] == ["CMD", "healthcheck", "3000", "/health", "ok"]
        assert check["startPeriod"] == "1m0s"

    def test_it_may_finish_its_requests_before_it_stops(self, container: Any) -> None:
        inputs = container.inputs
        assert (inputs["stopSignal"], inputs["stopTimeout"], inputs["destroyGraceSeconds"]) == ("SIGTERM", 30, 30)

    def test_it_waits_for_its_configuration(self, recording: Recording, container: Any) -> None:
        assert f"release-{ID}-environment" in recording.waits_for(container)

    def test_it_is_not_replaced_because_its_image_was_built_anew(self, container: Any) -> None:
        assert container.ignore_changes == ("image",)


def test_an_app_that_must_write_can_be_given_a_writable_root() -> None:
    assert declare(read_only=False).matching("release-[0-9a-f]{10}-1").inputs["readOnly"] is False


def test_no_wait_still_gives_a_container_a_second_to_stop() -> None:
    assert declare(drain_seconds=0).matching("release-[0-9a-f]{10}-1").inputs["stopTimeout"] == 1


def test_another_serial_number_gives_other_addresses() -> None:
    before, after = (
        {one.inputs["networksAdvanced"][0]["ipv4Address"] for one in declare(serial=serial).of_type(CONTAINER)}
        for serial in (7, 8)
    )
    assert len(before) == len(after) == 2
    assert before & after == set()


class TestEnvironment:
    @pytest.fixture
    def step(self, recording: Recording) -> Any:
        return recording.named(f"release-{ID}-environment", COMMAND)

    def test_it_reaches_the_volume_on_standard_input_as_a_secret(self, step: Any) -> None:
        assert is_secret(step.inputs["stdin"])
        assert step.inputs["environment"] == {
            "IMAGE": "sha256:app",
            "VOLUME": f"monopco-dev-app-{ID}",
            "NAME": f"monopco-dev-configure-{ID}",
        }

    def test_it_holds_what_is_configured_what_is_secret_and_what_the_release_sets(self, step: Any) -> None:
        values = {"NODE_ENV": "production", **SECRETS, "PORT": "3000", "RELEASE": ID}
        assert unpack(reveal(step.inputs["stdin"])) == {"env": environment_file(values)}

    def test_an_image_built_anew_does_not_write_it_again(self, step: Any) -> None:
        assert step.ignore_changes == ("environment.IMAGE",)

    def test_in_a_preview_it_is_secret_as_well(self) -> None:
        assert is_secret(declare(preview=True).named(f"release-{ID}-environment").inputs["stdin"])


def test_healthy_asks_every_container_as_the_specification_says(recording: Recording) -> None:
    assert recording.named("release-healthy", COMMAND).inputs["environment"] == {
        "PORT": "3000",
        "HEALTH_PATH": "/health",
        "HEALTH_EXPECT": "ok",
        "START_SECONDS": "60",
        "MEMORY_MB": "500",
        "RELEASE": ID,
        "PROXY": "monopco-dev-proxy",
        "CONTAINERS": f"release-{ID}-1-id release-{ID}-2-id",
    }


def test_the_outputs_tell_the_proxy_where_the_app_is(recording: Recording) -> None:
    assert recording.outputs(recording.component("Release")) == {
        "releaseId": ID,
        "containerIds": [f"release-{ID}-1-id", f"release-{ID}-2-id"],
        "peers": [f"{address(SUBNET, 7, number)}:3000" for number in (1, 2)],
        "healthy": f"healthy {ID} release-{ID}-1-id release-{ID}-2-id",
        "specification": SPECIFICATION.to_json(),
    }


# What healthy.sh asks of docker. `world` has the live release, and of each container what it says of its state; one
# that is "running" answers. With "restarts", it has been started again whenever it is asked how often that was.
DOCKER = """
if words[0] == "exec" and words[2:] == ["state", "live"]:
    if world["live"] is None:
        sys.exit("No such container")
    print(world["live"])
elif words[0] == "exec":
    assert words[2:6] == ["healthcheck", "3000", "/health", "ok"], words
    sys.exit(0 if world["containers"][words[1]] in ("running", "stopped") else "connection refused")
elif words[0] == "inspect" and words[2] == "{{.State.Running}}":
    for name in words[3:]:
        print("false" if world["containers"][name].split()[0] in ("exited", "dead", "stopped") else "true")
elif words[0] == "inspect" and words[2] == "{{.RestartCount}}":
    asked = [line for line in (here / "asked").read_text().splitlines() if "RestartCount" in line and words[3] in line]
    print(len(asked) if world["containers"][words[3]] == "restarts" else 0)
elif words[0] == "inspect":
    state = world["containers"][words[3]]
    print({"slow": "running false 0", "restarts": "running false 0"}.get(state, state))
elif words[0] == "logs":
    print("said by", words[-1])
elif words[0] not in ("start", "stop"):
    sys.exit(f"not expected: {words}")
"""
OTHER = "0123456789"


class TestHealthyScript:
    def run(
        self, folder: Path, containers: Mapping[str, str], live: str | None = OTHER, seconds: int = 5
    ) -> subprocess.CompletedProcess[str]:
        variables = {
            **declare().named("release-healthy").inputs["environment"],
            "CONTAINERS": " ".join(containers),
            "START_SECONDS": str(seconds),
        }
        world = {"live": live, "containers": containers}
        names = ["release/health.sh", "release/healthy.sh"]
        return fake_docker.run(folder, names, DOCKER, variables, world=world)

    def stopped(self, folder: Path) -> list[str]:
        return [words[1] for words in fake_docker.asked(folder) if words[0] == "stop"]

    def test_when_all_have_answered_the_release_and_they_are_told(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, {"one": "running", "two": "running"})
        assert (done.returncode, done.stdout, done.stderr) == (0, f"healthy {ID} one two\n", "")
        assert self.stopped(tmp_path) == []

    def test_they_are_started_first_when_an_earlier_run_has_stopped_one(self, tmp_path: Path) -> None:
        self.run(tmp_path, {"one": "stopped", "two": "running"})
        verbs = fake_docker.verbs(tmp_path)
        assert ["start", "one", "two"] in fake_docker.asked(tmp_path)
        assert verbs.index("start") < verbs.index("exec")

    def test_those_that_run_are_not_started(self, tmp_path: Path) -> None:
        self.run(tmp_path, {"one": "running", "two": "running"})
        assert "start" not in fake_docker.verbs(tmp_path)

    @pytest.mark.parametrize("live", [OTHER, "", None], ids=["another is live", "none is live", "no proxy yet"])
    def test_one_that_failed_is_stopped_and_no_other(self, tmp_path: Path, live: str | None) -> None:
        done = self.run(tmp_path, {"one": "exited false 3", "two": "running"}, live)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("The app ended with exit code 3 instead of answering.\n")
        assert done.stderr.endswith("The last lines that the app wrote:\nsaid by one\n")
        assert self.stopped(tmp_path) == ["one"]

    def test_all_that_failed_are_stopped(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, {"one": "exited false 3", "two": "exited false 3"})
        assert done.returncode == 1
        assert sorted(self.stopped(tmp_path)) == ["one", "two"]

    def test_none_of_the_live_release_is_stopped(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, {"one": "exited false 3", "two": "running"}, live=ID)
        assert (done.returncode, done.stdout) == (1, "")
        assert self.stopped(tmp_path) == []

    @pytest.mark.parametrize(
        ("state", "seconds", "told"),
        [
            ("restarting false 1", 5, "The app ended with exit code 1 instead of answering."),
            ("dead false 1", 5, "The app ended with exit code 1 instead of answering."),
            ("exited true 137", 5, "The app was ended by the kernel: it needs more than app.memory (500 MB)."),
            ("restarts", 5, "The app ended instead of answering, and was started again."),
            ("slow", 0, "The app runs, but gave no healthy answer in 0 s (app.health)."),
        ],
    )
    def test_why_it_failed_is_told(self, tmp_path: Path, state: str, seconds: int, told: str) -> None:
        done = self.run(tmp_path, {"one": state}, seconds=seconds)
        assert (done.returncode, done.stderr.splitlines()[0]) == (1, told)
        assert self.stopped(tmp_path) == ["one"]
