"""A release on a swarm: its service, its secret, and how Docker may change it."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import pulumi
import pytest
from recorder import COMMAND, Recording, record
from specifications import SPECIFICATION
from values import is_secret, reveal

from components.service import STOP_DELAY, Service, ServiceArgs
from components.stack import Stack

ID = SPECIFICATION.release_id
SERVICE, SECRET = "docker:index/service:Service", "docker:index/secret:Secret"
SECRETS = {"DATABASE_URL": "marked-url", "KEY": "marked-key"}


def declare(**changes: Any) -> Recording:
    def run() -> None:
        args = ServiceArgs(
            stack=Stack("prod"),
            docker_host="ssh://monopco@10.0.0.1:22",
            specification=dataclasses.replace(SPECIFICATION, **changes),
            image_id="sha256:app",
            network_id="network-id",
            replicas=3,
            secrets={name: pulumi.Output.secret(value) for name, value in SECRETS.items()},
            permission="",
        )
        Service("service", args)

    return record(run)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare()


@pytest.fixture(scope="module")
def service(recording: Recording) -> dict[str, Any]:
    found: dict[str, Any] = reveal(recording.named(f"service-{ID}-service", SERVICE).inputs)
    return found


@pytest.fixture(scope="module")
def container(service: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = service["taskSpec"]["containerSpec"]
    return found


def test_another_release_shares_nothing_with_the_one_that_runs() -> None:
    before, after = declare(), declare(image_digest="1" * 64)
    shared = {one.name for one in before.resources} & {one.name for one in after.resources}
    assert shared == {"monopco-dev", "service", "service-healthy"}


def test_containers_are_changed_one_by_one_start_first_and_back_when_one_fails(service: dict[str, Any]) -> None:
    change = {"parallelism": 1, "order": "start-first", "monitor": "10s", "maxFailureRatio": "0.0"}
    assert service["updateConfig"] == {**change, "failureAction": "rollback"}
    assert service["rollbackConfig"] == {**change, "failureAction": "pause"}
    assert service["mode"] == {"replicated": {"replicas": 3}}


def test_containers_are_found_by_name_and_not_behind_a_virtual_address(
    recording: Recording, service: dict[str, Any]
) -> None:
    assert service["endpointSpec"] == {"mode": "dnsrr"}
    outputs = recording.outputs(recording.component("Service"))
    assert outputs["peers"] == f"tasks.monopco-prod-app-{ID}:3000"


def test_nothing_is_published(service: dict[str, Any]) -> None:
    assert "ports" not in service["endpointSpec"]


def test_health_is_asked_as_of_a_container_and_gates_every_change(container: dict[str, Any]) -> None:
    assert container["healthcheck"] == {
        "tests": ["CMD", "healthcheck", "3000", "/health", "ok"],
        "interval": "5s",
        "timeout": "5s",
        "retries": 3,
        "startPeriod": "1m",
    }


@pytest.mark.parametrize(("drain", "grace"), [(0, "6s"), (30, "35s"), (55, "1m"), (600, "10m5s"), (3595, "1h")])
def test_it_goes_on_answering_before_the_app_is_told_and_has_its_time_then(drain: int, grace: str) -> None:
    changed = declare(drain_seconds=drain)
    (found,) = changed.of_type(SERVICE)
    told = reveal(found.inputs)["taskSpec"]["containerSpec"]
    assert (told["env"], told["stopSignal"]) == ({"STOP_DELAY": str(STOP_DELAY)}, "SIGTERM")
    assert told["stopGracePeriod"] == grace


def test_it_is_confined(service: dict[str, Any], container: dict[str, Any]) -> None:
    assert (container["capDrops"], container["readOnly"], container["init"]) == (["ALL"], True, True)
    assert service["taskSpec"]["resources"] == {"limits": {"memoryBytes": 500 * 2**20}}
    assert [mount["target"] for mount in container["mounts"]] == ["/run", "/tmp"]  # noqa: S108


def test_the_configuration_is_a_secret_of_the_swarm_and_of_pulumi(
    recording: Recording, container: dict[str, Any]
) -> None:
    secret = recording.named(f"service-{ID}-environment", SECRET)
    assert is_secret(secret.inputs["data"])
    text = base64.b64decode(reveal(secret.inputs)["data"]).decode()
    assert f"KEY={base64.b64encode(b'marked-key').decode()}\n" in text
    (mounted,) = container["secrets"]
    assert (mounted["fileName"], mounted["fileMode"]) == ("/etc/monopco/env", 0o444)
    assert set(container["env"]) == {"STOP_DELAY"}


def test_everything_says_whose_it_is(recording: Recording, container: dict[str, Any]) -> None:
    wanted = {"dev.monopco.stack": "prod", "dev.monopco.component": "app", "dev.monopco.release": ID}
    for kind in (SERVICE, SECRET):
        (one,) = recording.of_type(kind)
        assert recording.labels(one) == wanted
    assert {each["label"]: each["value"] for each in container["labels"]} == wanted


def test_the_step_waits_for_as_many_as_are_asked_for(recording: Recording) -> None:
    told = recording.named("service-healthy", COMMAND).inputs["environment"]
    assert (told["REPLICAS"], told["SERVICE"]) == ("3", f"monopco-prod-app-{ID}")
