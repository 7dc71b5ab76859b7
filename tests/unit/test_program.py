"""The whole program, with each stack file, previewed and deployed: what it makes, where, and in which order."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from environments import Environment, recorded
from recorder import (
    COMMAND,
    COMPONENT,
    CONTAINER,
    IMAGE,
    NETWORK,
    PROVIDER,
    REMOTE_COMMAND,
    STACK,
    VOLUME,
    Recording,
    Resource,
)

from ops.down import DATA

LABELLED = (CONTAINER, NETWORK, VOLUME)
DOCKER = (*LABELLED, IMAGE)


def of_types(recording: Recording, types: tuple[str, ...]) -> list[Resource]:
    return [resource for resource in recording.resources if resource.type in types]


class TestTree:
    def test_nothing_but_components_and_the_provider_is_below_the_stack(self, recording: Recording) -> None:
        (stack,) = recording.of_type(STACK)
        others = [
            one.name for one in recording.children(stack) if not one.type.startswith(COMPONENT) and one.type != PROVIDER
        ]
        assert others == []

    def test_everything_else_is_inside_a_component_and_named_after_it(self, recording: Recording) -> None:
        by_urn = {resource.urn: resource for resource in recording.resources}
        inside = [one for one in recording.resources if one.custom and one.type != PROVIDER]
        assert len(inside) > 10
        for resource in inside:
            parent = by_urn[resource.parent]
            assert parent.type.startswith(COMPONENT), resource.name
            assert resource.name.startswith(f"{parent.name}-"), resource.name

    def test_no_two_resources_share_type_and_name(self, recording: Recording) -> None:
        counts = Counter((resource.type, resource.name) for resource in recording.resources)
        assert [key for key, count in counts.items() if count > 1] == []

    def test_no_two_of_dockers_things_share_a_name(self, recording: Recording) -> None:
        counts = Counter((one.type, one.inputs["name"]) for one in of_types(recording, DOCKER))
        assert [key for key, count in counts.items() if count > 1] == []

    def test_every_component_tells_what_it_made(self, recording: Recording) -> None:
        components = [one for one in recording.resources if one.type.startswith(COMPONENT)]
        assert [one.name for one in components if not recording.registered.get(one.urn)] == []

    @pytest.mark.parametrize("stack", ["dev", "acme", "prod", "external", "pinned"])
    def test_a_preview_shows_what_a_deployment_makes(self, stack: str, folder: Path) -> None:
        shown, made = (
            {(one.type, one.name) for one in recorded(f"{stack} {what}", folder).resources}
            for what in ("previewed", "deployed")
        )
        assert shown == made


class TestDocker:
    def test_everything_on_the_docker_host_says_whose_it_is(
        self, recording: Recording, environment: Environment
    ) -> None:
        for resource in of_types(recording, LABELLED):
            labels = recording.labels(resource)
            assert labels["dev.monopco.stack"] == environment.stack, resource.name
            assert labels["dev.monopco.component"], resource.name
            assert "dev.monopco.release" in labels, resource.name
        for image in recording.of_type(IMAGE):
            assert image.inputs["build"]["label"]["dev.monopco.stack"] == environment.stack, image.name

    def test_everything_is_made_on_the_host_of_the_stack(self, recording: Recording, environment: Environment) -> None:
        host = {"dev": None, "prod": "ssh://monopco@monopco.fr:22"}[environment.stack]
        provider = recording.named("docker", PROVIDER)
        assert provider.inputs.get("host") == host
        elsewhere = [one for one in of_types(recording, DOCKER) if one.provider != provider.urn]
        # Images are built on the machine that deploys.
        builders = {recording.named("docker-here", PROVIDER).urn} if host else set()
        assert {one.provider for one in elsewhere} == builders
        assert {one.type for one in elsewhere} == ({IMAGE} if host else set())
        for step in recording.of_type(COMMAND):
            told = step.inputs["environment"]
            assert told.get("SERVER" if "PROGRAM" in told else "DOCKER_HOST") == host, step.name

    def test_every_image_that_runs_on_a_server_is_brought_there(
        self, recording: Recording, environment: Environment
    ) -> None:
        brought = {one.name for one in recording.of_type(COMMAND) if "PROGRAM" in one.inputs["environment"]}
        built = {one.name.removesuffix("-build") for one in recording.of_type(IMAGE)}
        used_here = {"image-runtime", "image-build"}
        wanted = {"server-base", *(f"{name}-bring" for name in built - used_here)}
        assert brought == (wanted if environment.stack == "prod" else set())

    def test_only_the_proxy_publishes_ports(self, recording: Recording) -> None:
        assert [one.name for one in recording.of_type(CONTAINER) if one.inputs.get("ports")] == ["proxy-server"]

    def test_the_ports_are_published_on_the_address_of_the_stack_only(
        self, recording: Recording, environment: Environment
    ) -> None:
        published = {(port["ip"], port["external"]) for port in recording.named("proxy-server").inputs["ports"]}
        assert (
            published
            == {
                "dev": {("127.0.0.1", 8080), ("127.0.0.1", 8443)},
                "prod": {("0.0.0.0", 80), ("0.0.0.0", 443)},  # noqa: S104
            }[environment.stack]
        )

    def test_every_container_is_confined(self, recording: Recording) -> None:
        for container in recording.of_type(CONTAINER):
            inputs = container.inputs
            assert inputs["capabilities"] == {"drops": ["ALL"]}, container.name
            assert inputs["securityOpts"] == ["no-new-privileges"], container.name
            assert inputs["readOnly"] is True, container.name
            assert inputs["memory"] == inputs["memorySwap"] > 0, container.name
            assert inputs["logOpts"] == {"max-size": "10m", "max-file": "3"}, container.name
            assert not inputs.get("privileged"), container.name

    def test_every_container_is_on_the_stacks_network_and_on_no_other(
        self, recording: Recording, environment: Environment
    ) -> None:
        for container in recording.of_type(CONTAINER):
            if not container.name.startswith("monitoring-"):
                networks = [network["name"] for network in container.inputs["networksAdvanced"]]
                assert networks == [f"monopco-{environment.stack}-network"], container.name
                assert "networkMode" not in container.inputs, container.name

    def test_the_data_is_protected_in_prod_and_nothing_else_is(
        self, recording: Recording, environment: Environment, name_of_environment: str
    ) -> None:
        protected = {one.name for one in recording.resources if one.protect}
        data = {"restore-points-volume", "repository-volume", "secrets-backup-key"} | (
            {"database-data"} if not name_of_environment.startswith("external") else set()
        )
        assert protected == (data if environment.stack == "prod" else set())

    def test_what_runs_does_not_stay_for_the_sake_of_the_data(self, recording: Recording) -> None:
        """Pulumi's --exclude-protected keeps all that protected resources and the components around them wait for."""
        kept = [one for one in recording.resources if one.name in DATA]
        assert kept
        for one in kept:
            above = [one, *(other for other in recording.resources if other.urn == one.parent)]
            waited_for = {name for part in above for name in recording.waits_for(part)}
            assert waited_for & {container.name for container in recording.of_type(CONTAINER)} == set(), one.name

    def test_every_step_stops_at_its_first_error(self, recording: Recording) -> None:
        for step in recording.of_type(COMMAND):
            for script in ("create", "delete"):
                text = step.inputs.get(script)
                assert text is None or text.startswith("#!/bin/sh\n"), step.name
                assert text is None or "\nset -eu\n" in text, step.name


class TestOrder:
    def test_requests_move_after_everything_that_the_new_release_needs(self, recording: Recording) -> None:
        before = recording.waits_for(recording.named("switch-traffic"))
        assert before >= {
            "release-healthy",
            "schema-migrate",
            "proxy-configuration",
            "proxy-server",
            "server-check",
        }
        ordered = {one.name for one in recording.resources} & {"certificate-timer"}
        assert ordered or before & {"certificate-files", "certificate-self-signed"}

    def test_an_authority_is_waited_for_last_so_that_it_holds_no_release_up(self, folder: Path) -> None:
        recording = recorded("acme deployed", folder)
        assert "switch-traffic" in recording.waits_for(recording.named("issuance-wait"))
        assert "proxy-configuration" in recording.waits_for(recording.named("certificate-timer"))
        before = recording.waits_for(recording.named("switch-traffic"))
        assert [name for name in before if name.startswith(("certificate-", "image-acme", "issuance-"))] == []

    def test_no_request_before_the_containers_are_healthy_and_the_release_is_recorded(self, built: Recording) -> None:
        assert {"release-healthy", "checkpoint-record"} <= built.waits_for(built.named("switch-traffic"))

    def test_a_container_waits_for_its_image_and_its_number_and_not_for_the_record(self, built: Recording) -> None:
        containers = [one for one in built.of_type(CONTAINER) if one.name.startswith("release-")]
        assert len(containers) == 2
        for container in containers:
            before = built.waits_for(container)
            assert {"image-app-build", "serial-number", "network-bridge", "server-check"} <= before
            assert "checkpoint-record" not in before

    def test_the_tables_are_asked_about_before_a_container_of_the_app_starts(self, recording: Recording) -> None:
        for container in recording.of_type(CONTAINER):
            if container.name.startswith("release-"):
                assert "usable-schema-check" in recording.waits_for(container), container.name

    def test_the_app_starts_on_a_database_with_its_roles(self, deployed: Recording) -> None:
        for container in deployed.of_type(CONTAINER):
            if container.name.startswith("release-"):
                assert "database-roles" in deployed.waits_for(container), container.name

    def test_a_release_is_recorded_once_its_containers_have_proved_it(self, recording: Recording) -> None:
        assert "release-healthy" in recording.waits_for(recording.named("checkpoint-record"))

    def test_a_release_is_recorded_before_anything_that_serves_changes(self, recording: Recording) -> None:
        """So that a checkpoint, which records and does no more, is not in the way of what serves."""
        before = recording.waits_for(recording.named("checkpoint-record"))
        assert [name for name in before if name.startswith(("schema-", "switch-", "proxy-", "retention-"))] == []

    def test_a_release_is_counted_before_anything_of_it_is_there_but_its_image(self, recording: Recording) -> None:
        before = recording.waits_for(recording.named("serial-number"))
        assert [name for name in before if name.startswith(("release-", "checkpoint-", "schema-", "switch-"))] == []

    def test_the_tables_change_once_the_new_release_is_known_to_run(self, built: Recording) -> None:
        assert "release-healthy" in built.waits_for(built.named("schema-migrate"))

    def test_the_scripts_come_from_the_record(self, built: Recording) -> None:
        step = built.named("schema-migrate")
        assert "checkpoint-record" in built.waits_for(step)
        if not built.preview:
            record = built.named("checkpoint-record").inputs["environment"]["RECORD"]
            assert step.inputs["environment"]["RECORD"] == record

    def test_what_is_not_kept_goes_when_the_requests_have_moved(self, recording: Recording) -> None:
        assert "switch-traffic" in recording.waits_for(recording.named("retention-prune"))

    def test_nginx_starts_without_app_and_database(self, recording: Recording) -> None:
        before = recording.waits_for(recording.named("proxy-server"))
        assert [one for one in before if one.startswith(("release-", "schema-", "image-app"))] == []
        assert "database-server" not in before

    def test_the_machine_is_checked_before_anything_is_done_on_it(self, recording: Recording) -> None:
        harmless = {"docker", "docker-here", "server-base", "server-check"} | {
            one.name for one in recording.resources if "random:" in one.type
        }
        harmless |= {one.name for one in recording.resources if one.name.startswith("machine-")}
        acting = [one for one in recording.resources if one.custom and one.name not in harmless]
        assert [one.name for one in acting if "server-check" not in recording.waits_for(one)] == []

    def test_a_server_is_set_up_before_its_docker_is_used(self, recording: Recording) -> None:
        steps = {one.name for one in recording.of_type(REMOTE_COMMAND)}
        assert bool(steps) == (recording.named("docker").inputs.get("host") is not None)
        assert steps <= recording.waits_for(recording.named("docker"))
        assert steps <= recording.waits_for(recording.named("server-check"))

    def test_the_app_is_built_on_images_of_ours(self, built: Recording) -> None:
        assert {"image-runtime-build", "image-build-build"} <= built.waits_for(built.named("image-app-build"))
