"""A release: its configuration and its containers."""

from __future__ import annotations

import dataclasses
from typing import Any

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
        "CONTAINERS": f"release-{ID}-1-id release-{ID}-2-id",
    }


def test_the_outputs_tell_the_proxy_where_the_app_is(recording: Recording) -> None:
    assert recording.outputs(recording.component("Release")) == {
        "releaseId": ID,
        "containerIds": [f"release-{ID}-1-id", f"release-{ID}-2-id"],
        "peers": [f"{address(SUBNET, 7, number)}:3000" for number in (1, 2)],
        "healthy": "printed by release-healthy",
    }
