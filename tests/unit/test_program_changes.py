"""What the program does when one thing changes, and when it cannot do what it is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi
import pytest
from environments import dev, external, prod_with_files, recorded
from recorder import STACK, Recording, StackConfig, record_program

# The steps that another release takes; all else of it has its id in its name, and is made besides what serves.
MOVED = {
    "usable-schema-check",
    "serial-number",
    "assets-keep",
    "release-healthy",
    "checkpoint-record",
    "schema-migrate",
    "switch-traffic",
    "retention-prune",
}


class TestExternalDatabase:
    @pytest.fixture(params=["external previewed", "external deployed"])
    def elsewhere(self, request: pytest.FixtureRequest, folder: Path) -> Recording:
        return recorded(request.param, folder)

    def test_there_is_no_postgresql_of_ours(self, elsewhere: Recording) -> None:
        names = {one.name for one in elsewhere.resources}
        assert not names & {"database-server", "database-data", "database-roles"}

    def test_it_is_asked_before_anything_else_changes(self, elsewhere: Recording) -> None:
        first = {"docker", "docker-here", "server-base", "server-check", "database-check"}
        first |= {"image-database-build", "image-database-bring"}
        first |= {one.name for one in elsewhere.resources if "random:" in one.type}
        first |= {one.name for one in elsewhere.resources if one.name.startswith("machine-")}
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
            "server-base",
            "server-check",
            "image-app-build",
            "image-app-bring",
            *MOVED,
        }
        assert before.exports["release"] != after.exports["release"]

    def test_another_secret_builds_nothing(self, folder: Path) -> None:
        before, after = self.both(folder, prod_with_files(folder).with_secrets(RESEND_API_KEY="other"))
        assert self.changed(before, after) == MOVED
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
        assert self.changed(before, after) == MOVED
        assert before.exports["release"] != after.exports["release"]

    def test_another_replica_leaves_those_that_serve_alone(self, folder: Path) -> None:
        before, after = self.both(folder, prod_with_files(folder).changed("app", replicas=3))
        assert self.changed(before, after) == {"release-healthy", "checkpoint-record", "switch-traffic"}
        assert {one.urn for one in before.resources} < {one.urn for one in after.resources}

    def test_another_number_of_releases_to_keep_only_prunes(self, folder: Path) -> None:
        before, after = self.both(folder, prod_with_files(folder).changed("app", keepReleases=9))
        assert self.changed(before, after) == {"assets-keep", "retention-prune"}

    def test_without_a_folder_of_assets_the_proxy_is_given_none(self, folder: Path) -> None:
        before, after = self.both(folder, prod_with_files(folder).changed("app", assets=None))
        gone = {one.urn for one in before.resources} - {one.urn for one in after.resources}
        assert {urn.rpartition("::")[2] for urn in gone} == {"assets", "assets-keep"}

    def test_another_time_of_watching_only_tells_the_switch(self, folder: Path) -> None:
        before, after = self.both(folder, prod_with_files(folder).changed("app", watchSeconds=9))
        assert self.changed(before, after) == {"switch-traffic"}

    def test_another_number_of_restore_points_only_tells_the_step_that_takes_them(self, folder: Path) -> None:
        before, after = self.both(folder, prod_with_files(folder).changed("database", restorePoints=9))
        assert self.changed(before, after) == {"schema-migrate"}

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
        assert self.changed(before, after) == {"secrets-jwt", *MOVED}
        assert before.exports["release"] != after.exports["release"]


class TestMistakes:
    def refuse(self, config: StackConfig) -> str:
        """What is said; nothing may have been registered but the stack itself."""
        recording = Recording(preview=False)
        with pytest.raises(pulumi.RunError) as raised:
            record_program("prod", config, into=recording)
        assert [resource.type for resource in recording.resources] == [STACK]
        return str(raised.value)

    def test_a_wrong_configuration_ends_the_program_before_its_first_resource(self, folder: Path) -> None:
        assert self.refuse(prod_with_files(folder).changed("app", replicas=0)) == (
            "1 mistake in the configuration; nothing was touched\n"
            "  - app.replicas: must be greater than or equal to 1 (got 0)"
        )


def test_two_stacks_on_one_machine_share_nothing(folder: Path) -> None:
    one, other = (record_program(stack, dev(folder)) for stack in ("dev", "demo"))
    mine, theirs = (
        {resource.inputs["name"] for resource in recording.resources if resource.type.startswith("docker:")}
        for recording in (one, other)
    )
    assert mine
    assert mine & theirs == set()
    subnets = [recording.named("network-bridge").inputs["ipamConfigs"][0]["subnet"] for recording in (one, other)]
    assert subnets[0] != subnets[1]
