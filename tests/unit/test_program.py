"""The whole program, with each stack file, previewed and deployed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pulumi
import pytest
from environments import ENVIRONMENTS, Environment, dev, external, prod, prod_with_files, recorded
from recorder import (
    COMMAND,
    COMPONENT,
    CONTAINER,
    IMAGE,
    NETWORK,
    PROVIDER,
    STACK,
    VOLUME,
    Recording,
    Resource,
    StackConfig,
    in_clear,
    is_secret,
    record_program,
    reveal,
    spellings,
    texts,
)

LABELLED = (CONTAINER, NETWORK, VOLUME)
DOCKER = (*LABELLED, IMAGE)


@pytest.fixture(params=ENVIRONMENTS)
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def environment(name: str) -> Environment:
    return ENVIRONMENTS[name]


@pytest.fixture
def recording(name: str, folder: Path) -> Recording:
    return recorded(name, folder)


@pytest.fixture
def deployed(folder: Path) -> Recording:
    return recorded("dev deployed", folder)


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

    @pytest.mark.parametrize("stack", ["dev", "prod", "external"])
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
        assert {one.name for one in of_types(recording, DOCKER) if one.provider != provider.urn} == set()
        for step in recording.of_type(COMMAND):
            assert step.inputs["environment"].get("DOCKER_HOST") == host, step.name

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
            networks = [network["name"] for network in container.inputs["networksAdvanced"]]
            assert networks == [f"monopco-{environment.stack}-network"], container.name
            assert "networkMode" not in container.inputs, container.name

    def test_the_data_is_protected_in_prod_and_nothing_else_is(
        self, recording: Recording, environment: Environment, name: str
    ) -> None:
        protected = {one.name for one in recording.resources if one.protect}
        expected = {"database-data"} if environment.stack == "prod" and not name.startswith("external") else set()
        assert protected == expected

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
            "proxy-certificate",
            "proxy-server",
            "server-check",
        }

    def test_no_container_of_the_app_starts_before_its_image_has_proved_itself(self, recording: Recording) -> None:
        proof = recording.matching("release-[0-9a-f]{10}-proof")
        containers = [one for one in recording.of_type(CONTAINER) if one.name.startswith("release-")]
        assert len(containers) == 2
        for container in containers:
            assert proof.name in recording.waits_for(container)

    def test_the_image_proves_itself_with_its_configuration(self, recording: Recording) -> None:
        before = recording.waits_for(recording.matching("release-[0-9a-f]{10}-proof"))
        assert {"image-app-build", "network-bridge"} <= before
        assert recording.matching("release-[0-9a-f]{10}-environment").name in before

    def test_the_image_proves_itself_on_a_database_with_its_roles(self, deployed: Recording) -> None:
        assert "database-roles" in deployed.waits_for(deployed.matching("release-[0-9a-f]{10}-proof"))

    def test_the_tables_change_once_the_new_release_is_known_to_run(self, recording: Recording) -> None:
        assert "release-healthy" in recording.waits_for(recording.named("schema-migrate"))

    def test_nginx_starts_without_app_and_database(self, recording: Recording) -> None:
        before = recording.waits_for(recording.named("proxy-server"))
        assert [one for one in before if one.startswith(("release-", "schema-", "image-app"))] == []
        assert "database-server" not in before

    def test_the_machine_is_checked_before_anything_is_done_on_it(self, recording: Recording) -> None:
        harmless = {"docker", "server-check"} | {one.name for one in recording.resources if "random:" in one.type}
        acting = [one for one in recording.resources if one.custom and one.name not in harmless]
        assert [one.name for one in acting if "server-check" not in recording.waits_for(one)] == []

    def test_the_app_is_built_on_images_of_ours(self, recording: Recording) -> None:
        assert {"image-runtime-build", "image-build-build"} <= recording.waits_for(recording.named("image-app-build"))


class TestSecrets:
    def test_none_is_in_clear_anywhere(self, recording: Recording, environment: Environment) -> None:
        shown = [
            *(one.name for one in recording.resources),
            *(text for one in recording.resources for text in texts(in_clear(one.inputs))),
            *(text for one in recording.resources for text in texts(in_clear(one.computed))),
            *(text for outputs in recording.registered.values() for text in texts(in_clear(outputs))),
        ]
        everything = "\n".join(shown)
        for secret in environment.secrets:
            assert [one for one in spellings(secret) if one in everything] == [], secret

    def test_each_reaches_something_on_standard_input_and_in_no_other_way(
        self, recording: Recording, environment: Environment
    ) -> None:
        """Wrapped or not, a definition is what `docker inspect` and the list of processes show."""
        hidden, elsewhere = [], []
        for resource in recording.resources:
            inputs = dict(resource.inputs)
            stdin = inputs.pop("stdin", "")
            hidden += [text for text in texts(reveal(stdin)) if is_secret(stdin)]
            elsewhere += list(texts(reveal(inputs)))
        for secret in environment.secrets:
            if secret != "generated.secrets-owner-password":
                assert [text for text in hidden if any(one in text for one in spellings(secret))], secret
            assert [text for text in elsewhere if any(one in text for one in spellings(secret))] == [], secret

    def test_only_secret_outputs_hold_one(self, deployed: Recording) -> None:
        assert {name for name, value in deployed.exports.items() if is_secret(value)} == {"databaseUrl"}


class TestOutputs:
    def test_they_are_the_ones_that_are_documented(self, recording: Recording) -> None:
        assert set(recording.exports) == {
            "url",
            "release",
            "domain",
            "dnsRecords",
            "containers",
            "databaseUrl",
            "caCertificate",
        }

    def test_the_database_url_is_a_secret(self, recording: Recording) -> None:
        assert is_secret(recording.exports["databaseUrl"])

    @pytest.mark.parametrize("stack", ["dev", "prod", "external"])
    def test_the_containers_are_all_that_there_are(self, stack: str, folder: Path) -> None:
        recording = recorded(f"{stack} deployed", folder)
        there = [container.inputs["name"] for container in recording.of_type(CONTAINER)]
        assert sorted(recording.exports["containers"]) == sorted(there)

    def test_the_release_is_the_one_that_the_containers_carry(self, deployed: Recording) -> None:
        (release,) = {
            deployed.labels(one)["dev.monopco.release"]
            for one in deployed.of_type(CONTAINER)
            if one.name.startswith("release-")
        }
        assert deployed.exports["release"] == release

    def test_dev_is_found_on_this_machine(self, deployed: Recording) -> None:
        assert (deployed.exports["url"], deployed.exports["domain"]) == ("https://localhost:8443", "localhost")
        assert deployed.exports["dnsRecords"] == []
        assert deployed.exports["caCertificate"] == "printed by proxy-certificate"

    def test_prod_is_found_at_its_name(self, folder: Path) -> None:
        exports = recorded("prod deployed", folder).exports
        assert (exports["url"], exports["domain"]) == ("https://monopco.fr", "monopco.fr")
        assert [(record["name"], record["type"], record["value"]) for record in exports["dnsRecords"]] == [
            ("www.monopco.fr.", "CNAME", "monopco.fr.")
        ]


class TestExternalDatabase:
    @pytest.fixture(params=["external previewed", "external deployed"])
    def elsewhere(self, request: pytest.FixtureRequest, folder: Path) -> Recording:
        return recorded(request.param, folder)

    def test_there_is_no_postgresql_of_ours(self, elsewhere: Recording) -> None:
        names = {one.name for one in elsewhere.resources}
        assert not names & {"database-server", "database-data", "database-roles"}

    def test_it_is_asked_before_anything_else_changes(self, elsewhere: Recording) -> None:
        first = {"docker", "server-check", "image-database-build", "database-check"}
        first |= {one.name for one in elsewhere.resources if "random:" in one.type}
        later = [one for one in elsewhere.resources if one.custom and one.name not in first]
        assert len(later) > 10
        assert [one.name for one in later if "database-check" not in elsewhere.waits_for(one)] == []

    def test_another_password_is_another_release(self, folder: Path) -> None:
        changed = external(folder).changed("database", url="postgresql://app:other@db.example/data")
        before, after = recorded("external deployed", folder), record_program("prod", changed)
        assert before.exports["release"] != after.exports["release"]


class TestChanges:
    """What a change of one thing does to what runs already."""

    def changed(self, before: Recording, after: Recording) -> set[str]:
        """Names of the resources that stay and get other inputs."""
        old = {one.urn: one.inputs for one in before.resources}
        return {one.name for one in after.resources if one.urn in old and old[one.urn] != one.inputs}

    def both(self, folder: Path, config: StackConfig) -> tuple[Recording, Recording]:
        return recorded("prod deployed", folder), record_program("prod", config)

    def test_none_changes_nothing(self, folder: Path) -> None:
        before, after = self.both(folder, prod_with_files(folder))
        assert {one.urn: one for one in before.resources} == {one.urn: one for one in after.resources}

    def test_another_source_builds_one_image_and_touches_nothing_that_serves(self, folder: Path, source: Path) -> None:
        (source / "src" / "index.js").write_text("console.log(2);\n", encoding="utf-8")
        before, after = self.both(folder, prod_with_files(folder).changed("app", source=str(source)))
        assert self.changed(before, after) == {
            "server-check",
            "image-app-build",
            "release-healthy",
            "switch-traffic",
        }
        assert before.exports["release"] != after.exports["release"]

    def test_another_secret_builds_nothing(self, folder: Path) -> None:
        before, after = self.both(folder, prod_with_files(folder).with_secrets(RESEND_API_KEY="other"))
        assert self.changed(before, after) == {"release-healthy", "switch-traffic"}
        assert before.exports["release"] != after.exports["release"]

    @pytest.mark.parametrize(
        "keys",
        [{"public": {"VITE_APP_TITLE": "Other"}}, {"dependencies": "production"}],
        ids=["public", "dependencies"],
    )
    def test_what_is_built_in_makes_another_image(self, folder: Path, keys: dict[str, Any]) -> None:
        before, after = self.both(folder, prod_with_files(folder).changed("app", **keys))
        names = {recording.named("image-app-build").inputs["name"] for recording in (before, after)}
        assert len(names) == 2
        assert before.exports["release"] != after.exports["release"]

    @pytest.mark.parametrize("keys", [{"env": {"A": "1"}}, {"memory": "600M"}], ids=["env", "memory"])
    def test_what_is_given_at_the_start_makes_another_release_of_the_same_image(
        self, folder: Path, keys: dict[str, Any]
    ) -> None:
        before, after = self.both(folder, prod_with_files(folder).changed("app", **keys))
        assert self.changed(before, after) == {"release-healthy", "switch-traffic"}
        assert before.exports["release"] != after.exports["release"]

    def test_another_replica_leaves_those_that_serve_alone(self, folder: Path) -> None:
        before, after = self.both(folder, prod_with_files(folder).changed("app", replicas=3))
        assert self.changed(before, after) == {"release-healthy", "switch-traffic"}
        assert {one.urn for one in before.resources} < {one.urn for one in after.resources}

    def test_another_limit_of_requests_only_configures_nginx(self, folder: Path) -> None:
        before, after = self.both(folder, prod_with_files(folder).changed("http", requestsPerSecond=7))
        assert self.changed(before, after) == {"proxy-configuration"}
        assert before.exports["release"] == after.exports["release"]

    def test_another_script_only_runs_the_scripts_besides_the_release(self, folder: Path, source: Path) -> None:
        (source / "02-more.sql").write_text("SELECT 1;\n", encoding="utf-8")
        before, after = self.both(folder, prod_with_files(folder).changed("app", source=str(source)))
        assert "schema-migrate" in self.changed(before, after)
        assert not self.changed(before, after) & {"database-server", "proxy-server", "proxy-configuration"}

    def test_a_rotated_jwt_secret_is_another_release(self, folder: Path) -> None:
        before, after = self.both(folder, prod_with_files(folder).changed("rotation", jwt="2"))
        assert self.changed(before, after) == {"secrets-jwt", "release-healthy", "switch-traffic"}
        assert before.exports["release"] != after.exports["release"]


class TestMistakes:
    def test_a_wrong_configuration_ends_the_program_before_its_first_resource(self, folder: Path) -> None:
        with pytest.raises(pulumi.RunError, match=r"^1 mistake in the configuration; nothing was touched\n"):
            record_program("prod", prod(folder).changed("app", replicas=0))

    def test_a_certificate_that_cannot_be_had_yet_is_refused_before_the_first_resource(self, folder: Path) -> None:
        with pytest.raises(pulumi.RunError, match=r"^tls\.mode: acme can be previewed, but not deployed yet; "):
            record_program("prod", prod(folder))


def test_two_stacks_on_one_machine_share_nothing(folder: Path) -> None:
    one, other = (record_program(stack, dev(folder)) for stack in ("dev", "demo"))
    names = [{resource.inputs["name"] for resource in of_types(recording, DOCKER)} for recording in (one, other)]
    assert names[0] & names[1] == set()
    subnets = [recording.named("network-bridge").inputs["ipamConfigs"][0]["subnet"] for recording in (one, other)]
    assert subnets[0] != subnets[1]
