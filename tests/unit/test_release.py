"""A release: its id, its addresses, its environment file and its containers."""

from __future__ import annotations

import dataclasses
from typing import Any

import pulumi
import pytest
from recorder import COMMAND, CONTAINER, VOLUME, Recording, record
from values import is_secret, reveal

from components.release import Health, Release, ReleaseArgs, addresses, environment_file
from components.stack import Stack

SUBNET = "10.200.0.0/18"
ARGS = ReleaseArgs(
    stack=Stack("dev"),
    docker_host=None,
    image_id="sha256:app",
    image_digest="0" * 64,
    network_name="monopco-dev-network",
    subnet=SUBNET,
    replicas=2,
    memory_mb=500,
    port=3000,
    health=Health(path="/health", expect="ok", start_seconds=60),
    read_only=True,
    drain_seconds=30,
    environment={"NODE_ENV": "production"},
    secrets={"KEY": "marked"},
    secret_versions={"KEY": "1"},
)
ID = ARGS.release_id


def declare(*, preview: bool = False, **changes: Any) -> Recording:
    def run() -> None:
        secrets = {name: pulumi.Output.secret(value) for name, value in ARGS.secrets.items()}
        Release("release", dataclasses.replace(ARGS, **{"secrets": secrets, **changes}))

    return record(run, preview=preview)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare()


# What changes the app's behaviour, one thing at a time.
CHANGES: dict[str, Any] = {
    "image_digest": "1" * 64,
    "subnet": "10.201.0.0/18",
    "memory_mb": 501,
    "port": 3001,
    "health": Health(path="/health", expect="ok", start_seconds=61),
    "read_only": False,
    "drain_seconds": 31,
    "environment": {"NODE_ENV": "production", "A": "1"},
    "secret_versions": {"KEY": "2"},
}
# None of these changes what a container of the release does.
SAME: dict[str, Any] = {
    "stack": Stack("prod"),
    "docker_host": "ssh://a@b:22",
    "image_id": "sha256:other",
    "network_name": "other",
    "replicas": 3,
    "secrets": {"KEY": "other"},
}


class TestId:
    @pytest.mark.parametrize("field", CHANGES)
    def test_what_changes_the_apps_behaviour_changes_it(self, field: str) -> None:
        assert dataclasses.replace(ARGS, **{field: CHANGES[field]}).release_id != ID

    @pytest.mark.parametrize("field", SAME)
    def test_what_does_not_leaves_it_alone(self, field: str) -> None:
        assert dataclasses.replace(ARGS, **{field: SAME[field]}).release_id == ID

    def test_every_argument_is_one_or_the_other(self) -> None:
        assert {field.name for field in dataclasses.fields(ReleaseArgs)} == set(CHANGES) | set(SAME)

    @pytest.mark.parametrize("part", ["path", "expect"])
    def test_each_part_of_the_health_check_changes_it(self, part: str) -> None:
        changed: dict[str, Any] = {part: "/other"}
        health = dataclasses.replace(ARGS.health, **changed)
        assert dataclasses.replace(ARGS, health=health).release_id != ID

    def test_it_does_not_depend_on_the_order_of_the_environment(self) -> None:
        one = dataclasses.replace(ARGS, environment={"A": "1", "B": "2"})
        assert one.release_id == dataclasses.replace(ARGS, environment={"B": "2", "A": "1"}).release_id

    def test_it_is_short_and_fits_into_names(self) -> None:
        assert len(ID) == 10
        assert set(ID) <= set("0123456789abcdef")


def test_no_release_has_no_containers() -> None:
    with pytest.raises(ValueError, match=r"^a release needs at least one replica \(got 0\)$"):
        dataclasses.replace(ARGS, replicas=0)


def test_a_secret_whose_change_nobody_would_see_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^every secret needs a version, and every version a secret$"):
        dataclasses.replace(ARGS, secret_versions={})


def test_everything_is_inside_the_component_and_named_after_the_release(recording: Recording) -> None:
    assert {(child.type, child.name) for child in recording.children(recording.component("Release"))} == {
        (VOLUME, f"release-{ID}-configuration"),
        (COMMAND, f"release-{ID}-environment"),
        (COMMAND, f"release-{ID}-proof"),
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
        assert network == {"name": "monopco-dev-network", "ipv4Address": addresses(SUBNET, ID, 2)[number - 1]}

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

    def test_it_waits_for_the_proof(self, recording: Recording, container: Any) -> None:
        assert f"release-{ID}-proof" in recording.waits_for(container)

    def test_it_is_not_replaced_because_its_image_was_built_anew(self, container: Any) -> None:
        assert container.ignore_changes == ("image",)


def test_an_app_that_must_write_can_be_given_a_writable_root() -> None:
    args = dataclasses.replace(ARGS, read_only=False)
    found = declare(read_only=False)
    assert found.named(f"release-{args.release_id}-1").inputs["readOnly"] is False
    assert found.named(f"release-{args.release_id}-proof").inputs["environment"]["READ_ONLY"] == "false"


def test_no_wait_still_gives_a_container_a_second_to_stop() -> None:
    args = dataclasses.replace(ARGS, drain_seconds=0)
    assert declare(drain_seconds=0).named(f"release-{args.release_id}-1").inputs["stopTimeout"] == 1


class TestEnvironment:
    @pytest.fixture
    def step(self, recording: Recording) -> Any:
        return recording.named(f"release-{ID}-environment", COMMAND).inputs

    def test_it_reaches_the_volume_on_standard_input_as_a_secret(self, step: Any) -> None:
        assert is_secret(step["stdin"])
        assert step["environment"] == {"IMAGE": "sha256:app", "VOLUME": f"monopco-dev-app-{ID}"}

    def test_it_holds_what_is_configured_what_is_secret_and_what_the_release_sets(self, step: Any) -> None:
        values = {"NODE_ENV": "production", "KEY": "marked", "PORT": "3000", "RELEASE": ID}
        assert reveal(step["stdin"]) == environment_file(values)

    def test_in_a_preview_it_is_secret_as_well(self) -> None:
        assert is_secret(declare(preview=True).named(f"release-{ID}-environment").inputs["stdin"])


class TestProof:
    @pytest.fixture
    def step(self, recording: Recording) -> Any:
        return recording.named(f"release-{ID}-proof", COMMAND)

    def test_it_starts_once_the_configuration_is_written(self, recording: Recording, step: Any) -> None:
        assert f"release-{ID}-environment" in recording.waits_for(step)

    def test_it_runs_under_the_limits_and_the_check_of_the_real_containers(self, step: Any) -> None:
        environment = step.inputs["environment"]
        assert {name: environment[name] for name in ("PORT", "HEALTH_PATH", "HEALTH_EXPECT", "START_SECONDS")} == {
            "PORT": "3000",
            "HEALTH_PATH": "/health",
            "HEALTH_EXPECT": "ok",
            "START_SECONDS": "60",
        }
        assert (environment["MEMORY_MB"], environment["READ_ONLY"]) == ("500", "true")

    def test_an_image_built_anew_needs_no_new_proof(self, step: Any) -> None:
        assert step.ignore_changes == ("environment.IMAGE",)

    def test_its_container_can_be_found_by_its_labels(self, step: Any) -> None:
        environment = step.inputs["environment"]
        assert (environment["LABEL"], environment["STACK"], environment["RELEASE"]) == ("dev.monopco", "dev", ID)
        assert environment["NAME"] == f"monopco-dev-proof-{ID}"


def test_healthy_asks_every_container(recording: Recording) -> None:
    healthy = recording.named("release-healthy", COMMAND)
    assert healthy.inputs["environment"]["CONTAINERS"] == f"release-{ID}-1-id release-{ID}-2-id"


def test_the_outputs_tell_the_proxy_where_the_app_is(recording: Recording) -> None:
    assert recording.outputs(recording.component("Release")) == {
        "releaseId": ID,
        "containers": [f"monopco-dev-app-{ID}-1", f"monopco-dev-app-{ID}-2"],
        "peers": [f"{address}:3000" for address in addresses(SUBNET, ID, 2)],
        "healthy": "printed by release-healthy",
    }
