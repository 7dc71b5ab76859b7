"""The whole program when a recorded release is run again."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from environments import (
    BUILT,
    DATABASE_PASSWORD,
    JWT_SECRET,
    OF_TODAY,
    RECORD_KEY,
    SECRETS,
    Environment,
    external,
    labels_of_record,
    pinned,
    prod_with_files,
    record_of,
    recorded,
    recorded_release,
    run_program,
    write_record,
)
from recorder import CONTAINER, IMAGE, Recording, StackConfig
from values import reveal, spellings, unpack

from components.sealing import SealError, seal, unseal
from record import Record

# Resources whose names say nothing of the release.
STEPS = {
    "usable-schema-check",
    "serial-number",
    "assets-keep",
    "release-healthy",
    "checkpoint-record",
    "schema-migrate",
    "switch-traffic",
    "retention-prune",
}


@pytest.fixture
def made(folder: Path) -> Record:
    return recorded_release(folder)


@pytest.fixture
def pinned_deployed(folder: Path) -> Recording:
    return recorded("pinned deployed", folder)


def configuration(recording: Recording, release: str) -> dict[str, str]:
    """The environment that the containers of a release are given."""
    stdin = reveal(recording.named(f"release-{release}-environment").inputs["stdin"])
    lines = (line.split("=", 1) for line in unpack(stdin)["env"].splitlines())
    return {name: base64.b64decode(text).decode() for name, text in lines}


def test_nothing_of_the_app_is_built(again: Recording) -> None:
    assert {one.name for one in again.of_type(IMAGE)} == {
        "image-database-build",
        "image-proxy-build",
        "image-monitoring-build",
    }


def test_the_tables_are_asked_about_before_anything_of_the_release_is_started(again: Recording) -> None:
    started = [one for one in again.of_type(CONTAINER) if one.name.startswith("release-")]
    assert len(started) == 2
    assert [one.name for one in started if "usable-schema-check" not in again.waits_for(one)] == []
    assert "usable-schema-check" in again.waits_for(again.named("schema-migrate"))
    assert "usable-schema-check" in again.waits_for(again.named("switch-traffic"))


def test_the_scripts_do_not_wait_for_a_release_that_was_healthy_before(again: Recording) -> None:
    assert "release-healthy" not in again.waits_for(again.named("schema-migrate"))


def test_a_release_that_is_recorded_waits_neither_for_its_number_nor_for_its_record(again: Recording) -> None:
    started = [*again.of_type(CONTAINER), again.named("schema-migrate"), again.named("switch-traffic")]
    assert len(started) == 13
    for resource in started:
        assert not {"serial-number", "checkpoint-record"} & again.waits_for(resource), resource.name


def test_a_release_that_becomes_another_is_counted_and_recorded_first(folder: Path) -> None:
    """Here because of another subnet."""
    found = run_program("prod", pinned(folder).changed("network", subnet="10.9.0.0/18"), folder)
    for container in found.of_type(CONTAINER):
        if container.name.startswith("release-"):
            assert "serial-number" in found.waits_for(container), container.name
    assert {"release-healthy", "checkpoint-record"} <= found.waits_for(found.named("schema-migrate"))
    assert {"release-healthy", "checkpoint-record"} <= found.waits_for(found.named("switch-traffic"))


@pytest.mark.parametrize("name", ["prod deployed", "pinned deployed"])
def test_the_scripts_are_told_what_was_found(name: str, folder: Path) -> None:
    environment = recorded(name, folder).named("schema-migrate").inputs["environment"]
    assert environment["CHECKED"] == "printed by usable-schema-check"


def test_only_a_release_that_is_run_again_is_refused_by_tables_that_are_ahead(
    recording: Recording, environment: Environment
) -> None:
    found = recording.named("usable-schema-check").inputs["environment"]["STRICT"]
    assert found == ("true" if environment.pinned else "false")


def test_it_is_the_release_that_was_recorded(pinned_deployed: Recording, folder: Path, made: Record) -> None:
    exports = pinned_deployed.exports
    assert exports["release"] == made.release_id == recorded("prod deployed", folder).exports["release"]
    assert exports["sourceRelease"] not in ("", made.release_id)


def test_its_containers_are_the_ones_that_ran_before(pinned_deployed: Recording, folder: Path) -> None:
    """So that pinning the release that runs changes nothing that serves."""
    before, after = (
        {one.urn: reveal(one.inputs) for one in recording.of_type(CONTAINER)}
        for recording in (recorded("prod deployed", folder), pinned_deployed)
    )
    images = [inputs.pop("image") for inputs in (*before.values(), *after.values())]
    assert len(images) == 22
    assert after == before


def test_it_runs_the_image_of_its_record(pinned_deployed: Recording, made: Record) -> None:
    step = pinned_deployed.named("checkpoint-record").inputs["environment"]
    assert (step["IMAGE"], step["BASE"]) == (made.image, made.name) == ("sha256:image-app-build", made.name)
    assert (step["COMMIT"], step["TAG"], step["DIRTY"]) == (BUILT["commit"], BUILT["tag"], BUILT["dirty"])


def test_it_is_recorded_again_as_it_was(pinned_deployed: Recording, made: Record) -> None:
    """For when what surrounds it has given it another id; otherwise the step finds it there."""
    again = record_of(pinned_deployed)
    assert again.specification == made.specification
    assert unseal(RECORD_KEY, again.release_id, again.sealed) == unseal(RECORD_KEY, made.release_id, made.sealed)


def test_its_secrets_are_those_of_its_record_and_the_url_is_todays(pinned_deployed: Recording, made: Record) -> None:
    found = configuration(pinned_deployed, made.release_id)
    assert {name: found[name] for name in SECRETS} == SECRETS
    assert found["JWT_SECRET"] == JWT_SECRET
    assert "generated.secrets-app-password" in found["DATABASE_URL"]


def test_no_secret_of_today_reaches_it(pinned_deployed: Recording) -> None:
    everything = [str(reveal(one.inputs)) for one in pinned_deployed.resources]
    assert [text for text in everything if any(one in text for one in spellings(OF_TODAY))] == []


def test_a_generated_secret_comes_from_the_record_too(folder: Path, tmp_path: Path, made: Record) -> None:
    secrets = {**unseal(RECORD_KEY, made.release_id, made.sealed), "JWT_SECRET": "of-then"}
    labels = {f"dev.monopco.{name}": value for name, value in made.labels.items()}
    labels["dev.monopco.secrets"] = seal(RECORD_KEY, made.release_id, secrets)
    write_record(tmp_path, "prod", Record.of_image(made.name, labels))
    found = run_program("prod", pinned(folder), tmp_path)
    assert configuration(found, made.release_id)["JWT_SECRET"] == "of-then"


def test_a_record_that_was_sealed_with_another_key_is_refused(folder: Path, tmp_path: Path, made: Record) -> None:
    key = base64.b64encode(bytes(64)).decode()
    labels = {f"dev.monopco.{name}": value for name, value in made.labels.items()}
    labels["dev.monopco.secrets"] = seal(key, made.release_id, {"JWT_SECRET": "x"})
    write_record(tmp_path, "prod", Record.of_image(made.name, labels))
    with pytest.raises(SealError, match=rf"^pinned\.release: the secrets of release {made.release_id} cannot be open"):
        run_program("prod", pinned(folder), tmp_path)


def test_what_surrounds_the_release_is_todays(folder: Path) -> None:
    config = pinned(folder).changed("http", requestsPerSecond=7).changed("app", replicas=3)
    found = run_program("prod", config, folder)
    assert len([one for one in found.of_type(CONTAINER) if one.name.startswith("release-")]) == 3
    before = recorded("pinned deployed", folder).named("proxy-configuration").inputs
    assert found.named("proxy-configuration").inputs != before


def test_scripts_that_are_accepted_reach_the_question(folder: Path) -> None:
    found = run_program("prod", pinned(folder).changed("pinned", accepts=["02.sql"]), folder)
    assert found.named("usable-schema-check").inputs["environment"]["ACCEPT"] == "02.sql"


def test_from_the_source_to_another_release_only_steps_and_what_serves_all_stay(folder: Path) -> None:
    """What has the release's id in its name is made and deleted; nothing that serves is changed."""
    moved = prod_with_files(folder).changed("app", env={"A": "1"})
    before, after = run_program("prod", moved, folder), recorded("pinned deployed", folder)
    shared = {one.urn for one in before.resources if one.custom} & {one.urn for one in after.resources}
    of_release = {urn.rpartition("::")[2] for urn in shared if "components:Release" in urn}
    assert of_release == {"release-healthy"}
    old = {one.urn: one.inputs for one in before.resources}
    changed = {one.name for one in after.resources if one.urn in shared and old[one.urn] != one.inputs}
    assert changed == STEPS


def test_release_and_switch_are_the_same_resources_in_both_modes(folder: Path) -> None:
    """So that Pulumi updates the switch, and deletes the release before only after it."""
    before, after = recorded("prod deployed", folder), recorded("pinned deployed", folder)
    for kind in ("Serial", "UsableSchema", "Release", "Switch", "Schema", "Checkpoint", "Retention"):
        assert before.component(kind).urn == after.component(kind).urn
    for name in STEPS:
        assert before.named(name).urn == after.named(name).urn


class TestSource:
    def gone(self, config: StackConfig) -> StackConfig:
        return config.changed("app", source="/nowhere/to/be/found")

    def test_it_is_not_needed_while_a_release_is_pinned(
        self, folder: Path, made: Record, caplog: pytest.LogCaptureFixture
    ) -> None:
        found = run_program("prod", self.gone(pinned(folder)), folder)
        assert found.exports["release"] == made.release_id
        assert found.exports["sourceRelease"] == ""
        assert f"Release {made.release_id} is pinned and needs no source." in caplog.text

    def test_a_pin_that_gives_way_runs_what_the_source_gives(self, folder: Path) -> None:
        config = pinned(folder).changed("pinned", insteadOf="0123456789")
        found = run_program("prod", config, folder)
        assert found.exports["release"] == found.exports["sourceRelease"]
        assert [one.name for one in found.of_type(IMAGE) if one.name == "image-app-build"] == ["image-app-build"]
        before = run_program("prod", config.changed("pinned", release=None), folder)
        assert {one.urn: one.inputs for one in found.resources} == {one.urn: one.inputs for one in before.resources}

    def test_a_pin_on_what_the_source_gives_changes_nothing(self, folder: Path, made: Record) -> None:
        config = prod_with_files(folder).changed("pinned", release=made.release_id)
        before, after = recorded("prod deployed", folder), run_program("prod", config, folder)
        assert {one.urn: one for one in before.resources} == {one.urn: one for one in after.resources}


class TestRecordedSecrets:
    def test_none_is_in_clear_in_the_record_and_the_key_opens_all(self, folder: Path) -> None:
        found = recorded("prod deployed", folder)
        step = reveal(found.named("checkpoint-record").inputs)
        _, context, _ = step["stdin"].split("\n")
        labels = labels_of_record(step)
        shown = "\n".join([*labels.values(), *step["environment"].values(), unpack(context)["Dockerfile"]])
        for secret in (*SECRETS.values(), JWT_SECRET, RECORD_KEY, "generated.secrets-app-password"):
            assert [one for one in spellings(secret) if one in shown] == [], secret
        opened = unseal(RECORD_KEY, labels["dev.monopco.release"], labels["dev.monopco.secrets"])
        assert opened == {**SECRETS, "JWT_SECRET": JWT_SECRET}

    def test_the_url_of_an_external_database_is_not_among_them(self, folder: Path, tmp_path: Path) -> None:
        made = record_of(recorded("external deployed", folder))
        assert DATABASE_PASSWORD not in json.dumps(unseal(RECORD_KEY, made.release_id, made.sealed))
        write_record(tmp_path, "prod", made)
        found = run_program("prod", external(folder).changed("pinned", release=made.release_id), tmp_path)
        assert DATABASE_PASSWORD in configuration(found, made.release_id)["DATABASE_URL"]
        assert self.question(folder, tmp_path, made)["CONTAINER"] == ""

    def question(self, folder: Path, records: Path, made: Record) -> dict[str, Any]:
        config = external(folder).changed("pinned", release=made.release_id).changed("app", env={"A": "1"})
        found = run_program("prod", config, records)
        return dict(found.named("usable-schema-check").inputs["environment"])


def test_the_pinned_environments_are_recognised(environment: Environment, recording: Recording) -> None:
    assert environment.pinned != any(one.name == "image-app-build" for one in recording.resources)
