"""The releases of a stack that can be started."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from registers import Docker, inspected, labels, release

from ops import register
from ops.errors import MISTAKE, CommandError
from ops.register import Recorded
from record import read_record

APPS = "image ls --all --quiet --no-trunc"


def docker(monkeypatch: pytest.MonkeyPatch, *records: dict[str, str], apps: str | None = None) -> Docker:
    images = inspected(*records)
    there = "\n".join(one["dev.monopco.image"] for one in records if "dev.monopco.image" in one)
    return Docker(
        {
            APPS: there if apps is None else apps,
            "image ls": "\n".join(one["RepoTags"][0] for one in images),
            "image inspect": json.dumps(images),
        }
    ).installed(monkeypatch)


def ids(found: list[Recorded]) -> list[str]:
    return [one.id for one in found]


class TestRecorded:
    def test_the_newest_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        docker(monkeypatch, labels(2), labels(3), labels(1))
        assert [one.record.labels["serial"] for one in register.recorded("dev", None)] == ["3", "2", "1"]

    def test_of_two_in_one_second_the_later_one_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        at = "2026-11-23T07:00:00Z"
        docker(monkeypatch, labels(9, at=at), labels(11, at=at), labels(10, at=at))
        assert [one.record.labels["serial"] for one in register.recorded("dev", None)] == ["11", "10", "9"]

    def test_only_what_carries_the_labels_of_the_stack_is_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = docker(monkeypatch, labels(1))
        register.recorded("dev", "ssh://a@b:22")
        assert asked.hosts == {"ssh://a@b:22"}
        for command in asked.did("image ls"):
            assert "label=dev.monopco.stack=dev" in command
        assert "label=dev.monopco.component=release" in asked.asked[0]

    def test_there_may_be_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        docker(monkeypatch)
        assert register.recorded("dev", None) == []

    def test_one_whose_image_was_removed_is_not_offered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        docker(monkeypatch, labels(1), labels(2), apps="sha256:app-2\nsha256:other")
        assert ids(register.recorded("dev", None)) == [release(2).id]

    @pytest.mark.parametrize(
        "damage",
        [{"record": "[]"}, {"record": "{"}, {"record": '{"colour": "red"}'}],
        ids=["another form", "cut off", "another version"],
    )
    def test_one_that_this_version_cannot_run_is_not_offered(
        self, monkeypatch: pytest.MonkeyPatch, damage: dict[str, str]
    ) -> None:
        docker(monkeypatch, labels(1, **damage), labels(2))
        assert ids(register.recorded("dev", None)) == [release(2).id]

    def test_an_image_that_lacks_a_label_is_not_offered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        without = {name: value for name, value in labels(1).items() if name != "dev.monopco.secrets"}
        docker(monkeypatch, without, labels(2))
        assert ids(register.recorded("dev", None)) == [release(2).id]


class TestFind:
    def releases(self) -> list[Recorded]:
        return [release(1), release(2), release(3)]

    def test_a_release_is_found_by_its_id(self) -> None:
        assert register.find(self.releases(), release(2).id) == release(2)

    def test_a_release_is_found_by_the_beginning_of_its_id(self) -> None:
        assert register.find(self.releases(), release(2).id[:6]) == release(2)

    def test_a_beginning_of_several_ids_is_a_mistake(self) -> None:
        twice = [release(1), release(1, at="2026-11-24T07:00:00Z")]
        one = release(1).id
        with pytest.raises(CommandError) as caught:
            register.find(twice, one[:2])
        assert str(caught.value) == (
            f"{one[:2]} begins the id of several releases (there are: {one}, {one}); ./monopco releases shows them."
        )
        assert caught.value.code == MISTAKE

    @pytest.mark.parametrize("wanted", ["zz", ""])
    def test_an_unknown_one_is_a_mistake_that_lists_what_there_is(self, wanted: str) -> None:
        with pytest.raises(CommandError) as caught:
            register.find([release(1), release(2)], wanted)
        assert str(caught.value) == (
            f"{wanted} is no release that can be started (there are: {release(1).id}, {release(2).id}); "
            "./monopco releases shows them."
        )
        assert caught.value.code == MISTAKE

    def test_when_there_is_none_that_is_said(self) -> None:
        with pytest.raises(CommandError, match=r"\(there are: none\)"):
            register.find([], "abc")


def test_a_record_is_kept_where_the_program_reads_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(register, "PROJECT", tmp_path)
    docker(monkeypatch, labels(1), labels(2))
    register.fetch("dev", None, release(1).id)
    assert read_record(tmp_path, "dev", release(1).id) == release(1).record
    assert [path.name for path in (tmp_path / ".cache" / "releases" / "dev").iterdir()] == [f"{release(1).id}.json"]


def test_a_record_that_is_not_there_is_not_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(register, "PROJECT", tmp_path)
    docker(monkeypatch, labels(1))
    with pytest.raises(CommandError, match="is no release that can be started"):
        register.fetch("dev", None, "0000000000")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain", "plain"),
        ('a "word"', 'a \\"word\\"'),
        ("$HOME \\n", "\\$HOME \\\\n"),
        ("one\ntwo", "one two"),
        ("one\r\ntwo", "one two"),
        ("", ""),
        ("# é", "# é"),
    ],
)
def test_a_description_is_one_label_more_on_the_same_image(
    monkeypatch: pytest.MonkeyPatch, text: str, written: str
) -> None:
    asked = Docker({"build": "sha256:new"}).installed(monkeypatch)
    one = release(1)
    register.describe(one, text, "ssh://a@b:22")
    assert asked.asked == [["build", "--quiet", "--tag", one.record.name, "-"]]
    assert asked.stdin == [f'FROM {one.record.name}\nLABEL dev.monopco.description="{written}"\n']
    assert asked.hosts == {"ssh://a@b:22"}


class TestFields:
    def test_programs_are_told_what_a_release_is(self) -> None:
        one = release(1, commit="f" * 40, tag="v1", dirty="true", description="First")
        assert one.fields() == {
            "id": one.id,
            "time": "2026-11-23T07:00:01Z",
            "description": "First",
            "commit": "f" * 40,
            "tag": "v1",
            "dirty": True,
            "image": "sha256:app-1",
            "size": 300_000_000,
            "schema": {"level": 2, "last": "db/02.sql"},
            "configuration": {
                "memoryMb": 500,
                "port": 3000,
                "health": {"path": "/health", "expect": "ok"},
                "environment": {"NODE_ENV": "production"},
                "secretVersions": {"DATABASE_URL": "1", "KEY": "1"},
            },
        }

    @pytest.mark.parametrize(("label", "told"), [("true", True), ("false", False), ("", None)])
    def test_whether_the_source_was_changed_may_not_be_known(self, label: str, told: bool | None) -> None:
        assert release(1, dirty=label).fields()["dirty"] is told

    def test_what_is_not_known_is_null(self) -> None:
        fields = release(1, commit="", tag="").fields()
        assert (fields["commit"], fields["tag"], fields["description"]) == (None, None, "")

    def test_the_sealed_secrets_are_not_told(self) -> None:
        assert "sealed" not in json.dumps(release(1).fields())
