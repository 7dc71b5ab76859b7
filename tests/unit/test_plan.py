"""Which release is to run."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from loading import load
from recorder import StackConfig

from components.specification import Script, Specification
from plan import Plan, image_digest, plan
from record import Record
from settings import Settings

SUBNET = "10.200.0.0/18"
DIGEST = "0" * 64


@pytest.fixture
def settings(base: StackConfig) -> Settings:
    """A source, and nothing pinned."""
    return load(base)


def changed(settings: Settings, section: str, **keys: Any) -> Settings:
    """The same with some keys of one section as the program knows them."""
    part = getattr(settings.sections, section).model_copy(update=keys)
    return dataclasses.replace(settings, sections=settings.sections.model_copy(update={section: part}))


def planned(settings: Settings) -> Plan:
    return plan(settings, SUBNET, DIGEST)


def record(specification: Specification, **labels: str) -> Record:
    own = {"release": specification.release_id, "record": specification.to_json(), "secrets": "", "image": "sha256:a"}
    own |= {"serial": "7", "at": "2026-11-23T07:00:00Z", **labels}
    return Record.of_image(f"monopco-dev/release:{specification.release_id}", {f"dev.monopco.{k}": own[k] for k in own})


@pytest.fixture
def earlier(settings: Settings) -> Record:
    """The record of a release that the source does not give any more."""
    specification = dataclasses.replace(planned(settings).specification, image_digest="1" * 64)
    return record(specification, commit="f" * 40, tag="v1", dirty="true")


def pinned(settings: Settings, release: Record, instead_of: str | None = None) -> Settings:
    there = changed(settings, "pinned", release=release.release_id, instead_of=instead_of)
    return dataclasses.replace(there, pinned=release)


class TestSource:
    def test_what_it_gives_runs_when_nothing_is_pinned(self, settings: Settings) -> None:
        found = planned(settings)
        assert found.base is settings.source
        assert found.source_release == found.specification.release_id

    def test_the_release_is_what_the_configuration_says(self, settings: Settings) -> None:
        assert settings.source is not None
        app, what = settings.sections.app, planned(settings).specification
        assert (what.image_digest, what.subnet, what.memory_mb, what.port) == (DIGEST, SUBNET, 500, app.port)
        assert (what.read_only, what.drain_seconds) == (app.read_only, app.drain_seconds)
        assert dataclasses.astuple(what.health) == (app.health.path, app.health.expect, app.health.start_seconds)
        assert what.secret_versions == settings.secret_versions()
        assert what.scripts == tuple(Script(one.name, one.checksum) for one in settings.source.migrations)
        assert [script.name for script in what.scripts] == ["01-tables.sql"]

    def test_the_environment_is_set_over_what_is_public_and_says_production(self, settings: Settings) -> None:
        given = changed(settings, "app", public={"VITE_A": "1", "VITE_B": "2"}, env={"VITE_B": "3", "C": "4"})
        assert planned(given).specification.environment == {
            "NODE_ENV": "production",
            "VITE_A": "1",
            "VITE_B": "3",
            "C": "4",
        }

    def test_nothing_about_it_is_out_of_the_ordinary(self, settings: Settings) -> None:
        assert planned(settings).note == ""

    def test_a_folder_is_where_it_came_from(self, settings: Settings) -> None:
        assert planned(settings).origin == {"SOURCE": settings.sections.app.source}

    def test_of_a_repository_commit_and_tag_are_told_and_no_token(self, settings: Settings) -> None:
        assert settings.source is not None
        cloned = changed(settings, "app", source="https://me:hush@example.org/app.git", ref="f" * 40)
        tagged = dataclasses.replace(cloned, source=dataclasses.replace(settings.source, tag="v2"))
        assert planned(tagged).origin == {"SOURCE": "https://example.org/app.git", "COMMIT": "f" * 40, "TAG": "v2"}

    def test_with_neither_source_nor_pin_there_is_nothing_to_plan(self, settings: Settings) -> None:
        """The settings refuse such an environment."""
        with pytest.raises(ValueError, match=r"^settings accept no environment that has neither a source nor a "):
            planned(dataclasses.replace(settings, source=None))


class TestPinned:
    def test_it_runs_instead_of_what_the_source_gives(self, settings: Settings, earlier: Record) -> None:
        found = planned(pinned(settings, earlier))
        assert found.base is earlier
        assert found.specification == earlier.specification
        assert found.source_release == planned(settings).source_release

    def test_it_runs_as_long_as_the_source_gives_what_it_gave_then(self, settings: Settings, earlier: Record) -> None:
        assert planned(pinned(settings, earlier, planned(settings).source_release)).base is earlier

    def test_it_gives_way_once_the_source_gives_something_else(self, settings: Settings, earlier: Record) -> None:
        assert planned(pinned(settings, earlier, "0123456789")) == planned(settings)

    def test_it_gives_way_once_the_configuration_is_another(self, settings: Settings, earlier: Record) -> None:
        then = planned(settings).source_release
        now = changed(settings, "app", env={"A": "1"})
        assert planned(pinned(now, earlier, then)) == planned(now)

    @pytest.mark.parametrize("noted", [True, False])
    def test_it_gives_way_when_the_source_gives_the_same(self, settings: Settings, noted: bool) -> None:
        ours = planned(settings)
        same = record(ours.specification)
        found = planned(pinned(settings, same, ours.source_release if noted else None))
        assert found == ours
        assert found.note == ""

    @pytest.mark.parametrize("instead_of", [None, "0123456789"])
    def test_without_a_source_nothing_can_make_it_give_way(
        self, settings: Settings, earlier: Record, instead_of: str | None
    ) -> None:
        found = planned(dataclasses.replace(pinned(settings, earlier, instead_of), source=None))
        assert (found.base, found.source_release) == (earlier, "")

    def test_the_password_of_the_database_is_always_todays(self, settings: Settings, earlier: Record) -> None:
        """A database knows one at a time."""
        now = pinned(changed(settings, "rotation", database="2", jwt="2"), earlier)
        versions = planned(now).specification.secret_versions
        assert versions == {**earlier.specification.secret_versions, "DATABASE_URL": "2"}
        assert planned(now).specification.release_id != earlier.release_id

    def test_it_runs_in_todays_network(self, settings: Settings, earlier: Record) -> None:
        assert plan(pinned(settings, earlier), "10.9.0.0/18", DIGEST).specification.subnet == "10.9.0.0/18"

    def test_nothing_else_of_today_reaches_it(self, settings: Settings, earlier: Record) -> None:
        now = changed(settings, "app", env={"A": "1"}, memory="900M", port=4000, read_only=False, drain_seconds=1)
        assert planned(pinned(now, earlier)).specification == earlier.specification

    def test_its_own_origin_is_kept(self, settings: Settings, earlier: Record) -> None:
        origin = {"SOURCE": earlier.name, "COMMIT": "f" * 40, "TAG": "v1", "DIRTY": "true"}
        assert planned(pinned(settings, earlier)).origin == origin

    def test_an_origin_that_is_not_known_is_not_looked_for_again(self, settings: Settings, earlier: Record) -> None:
        """Without a commit, the step would ask git."""
        unknown = record(earlier.specification)
        origin = {"SOURCE": unknown.name, "COMMIT": "unknown", "TAG": "", "DIRTY": ""}
        assert planned(pinned(settings, unknown)).origin == origin


class TestNote:
    def test_a_pin_is_told_with_what_it_sets_aside(self, settings: Settings, earlier: Record) -> None:
        assert planned(pinned(settings, earlier)).note == (
            f"release {earlier.release_id} is pinned (pinned.release); the source's "
            f"{planned(settings).source_release} is set aside"
        )

    def test_without_a_source_nothing_is_set_aside(self, settings: Settings, earlier: Record) -> None:
        found = planned(dataclasses.replace(pinned(settings, earlier), source=None))
        assert found.note == f"release {earlier.release_id} is pinned (pinned.release)"

    def test_another_id_is_told_with_its_reason(self, settings: Settings, earlier: Record) -> None:
        now = dataclasses.replace(pinned(changed(settings, "rotation", database="2"), earlier), source=None)
        found = planned(now)
        assert found.note == (
            f"release {earlier.release_id} is pinned (pinned.release), as {found.specification.release_id} because of "
            "what changed around it"
        )


class TestImageDigest:
    def test_without_a_source_there_is_none(self, settings: Settings) -> None:
        assert image_digest(dataclasses.replace(settings, source=None), "node") == ""

    def test_what_is_built_in_changes_it(self, settings: Settings) -> None:
        assert settings.source is not None
        other = dataclasses.replace(settings, source=dataclasses.replace(settings.source, digest="other"))
        found = {
            image_digest(settings, "node"),
            image_digest(settings, "other node"),
            image_digest(other, "node"),
            image_digest(changed(settings, "app", public={"VITE_A": "1"}), "node"),
            image_digest(changed(settings, "app", dependencies="production"), "node"),
        }
        assert len(found) == 5

    def test_what_is_given_at_the_start_does_not(self, settings: Settings) -> None:
        assert image_digest(changed(settings, "app", env={"A": "1"}), "node") == image_digest(settings, "node")

    def test_the_order_of_public_values_does_not(self, settings: Settings) -> None:
        one, other = (
            image_digest(changed(settings, "app", public=json.loads(text)), "node")
            for text in ('{"VITE_A": "1", "VITE_B": "2"}', '{"VITE_B": "2", "VITE_A": "1"}')
        )
        assert one == other
