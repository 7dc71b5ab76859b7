"""What decides a release's id, and how it is written into its record."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from specifications import SPECIFICATION

from components.specification import MADE_BY, Health, Script, Specification, short_id

ID = SPECIFICATION.release_id
# One thing at a time; each changes what a container of the release does, or what it needs.
CHANGES: dict[str, Any] = {
    "image_digest": "1" * 64,
    "subnet": "10.201.0.0/18",
    "memory_mb": 501,
    "port": 3001,
    "health": Health(path="/health", expect="ok", start_seconds=61),
    "read_only": False,
    "drain_seconds": 31,
    "environment": {"NODE_ENV": "production", "A": "1"},
    "secret_versions": {"DATABASE_URL": "1", "KEY": "2"},
    "scripts": (Script("01.sql", "a" * 64),),
    "made_by": "0" * 16,
}


def changed(**fields: Any) -> Specification:
    return dataclasses.replace(SPECIFICATION, **fields)


class TestId:
    @pytest.mark.parametrize("field", CHANGES)
    def test_every_field_changes_it(self, field: str) -> None:
        assert changed(**{field: CHANGES[field]}).release_id != ID

    def test_every_field_was_tried(self) -> None:
        assert {field.name for field in dataclasses.fields(Specification)} == set(CHANGES)

    @pytest.mark.parametrize("part", [{"path": "/other"}, {"expect": "other"}, {"start_seconds": 61}])
    def test_each_part_of_the_health_check_changes_it(self, part: dict[str, Any]) -> None:
        assert changed(health=dataclasses.replace(SPECIFICATION.health, **part)).release_id != ID

    @pytest.mark.parametrize(
        "scripts",
        [
            (Script("01.sql", "c" * 64), Script("db/02.sql", "b" * 64)),
            (Script("00.sql", "a" * 64), Script("db/02.sql", "b" * 64)),
            (Script("db/02.sql", "b" * 64), Script("01.sql", "a" * 64)),
        ],
        ids=["another text", "another name", "another order"],
    )
    def test_what_a_script_is_and_when_it_runs_changes_it(self, scripts: tuple[Script, ...]) -> None:
        assert changed(scripts=scripts).release_id != ID

    @pytest.mark.parametrize("field", ["environment", "secret_versions"])
    def test_the_order_of_names_does_not(self, field: str) -> None:
        one, other = changed(**{field: {"A": "1", "B": "2"}}), changed(**{field: {"B": "2", "A": "1"}})
        assert one.release_id == other.release_id

    def test_it_is_short_and_fits_into_names(self) -> None:
        assert len(ID) == 10
        assert set(ID) <= set("0123456789abcdef")


class TestJson:
    @pytest.mark.parametrize(
        "specification",
        [SPECIFICATION, changed(scripts=()), changed(environment={"A": 'é\n"$HOME\\'}), changed(made_by="other")],
        ids=["the base", "no scripts", "what must be quoted", "another version of monopco"],
    )
    def test_what_is_written_is_read_again(self, specification: Specification) -> None:
        again = Specification.from_json(specification.to_json())
        assert again == specification
        assert again.release_id == specification.release_id

    def test_it_is_one_line_of_plain_letters_whatever_is_in_it(self) -> None:
        """It becomes a label."""
        text = changed(environment={"A": "é\n\r\u2028"}).to_json()
        assert text.isascii()
        assert text.isprintable()

    def refused(self, text: str) -> str:
        with pytest.raises(ValueError, match=r"^not a specification of this version of monopco: ") as raised:
            Specification.from_json(text)
        return str(raised.value)

    def fields(self) -> dict[str, Any]:
        return dict(json.loads(SPECIFICATION.to_json()))

    def test_a_field_that_this_version_does_not_know_is_refused_with_its_name(self) -> None:
        assert "'colour'" in self.refused(json.dumps({**self.fields(), "colour": "red"}))

    @pytest.mark.parametrize("field", sorted(set(CHANGES) - {"made_by"}))
    def test_a_missing_field_is_refused_with_its_name(self, field: str) -> None:
        fields = self.fields()
        del fields[field]
        assert f"'{field}'" in self.refused(json.dumps(fields))

    @pytest.mark.parametrize("text", ["[]", "5", '"text"', "null"])
    def test_what_is_no_object_is_refused(self, text: str) -> None:
        self.refused(text)

    @pytest.mark.parametrize(
        "fields", [{"health": "/"}, {"health": {"path": "/"}}, {"scripts": 5}, {"scripts": [["only a name"]]}]
    )
    def test_a_part_of_another_form_is_refused(self, fields: dict[str, Any]) -> None:
        self.refused(json.dumps({**self.fields(), **fields}))

    def test_what_is_cut_off_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"^Expecting|^Unterminated"):
            Specification.from_json(SPECIFICATION.to_json()[:-1])


class TestInPlace:
    def test_where_it_was_recorded_nothing_differs(self) -> None:
        assert SPECIFICATION.in_place(SPECIFICATION.subnet, {"DATABASE_URL": "1"}) == SPECIFICATION

    def test_it_takes_the_network_and_the_versions_of_today(self) -> None:
        there = SPECIFICATION.in_place("10.9.0.0/18", {"DATABASE_URL": "2"})
        assert there == changed(subnet="10.9.0.0/18", secret_versions={"DATABASE_URL": "2", "KEY": "1"})

    def test_a_secret_that_it_never_had_is_not_given_to_it(self) -> None:
        assert SPECIFICATION.in_place(SPECIFICATION.subnet, {"NEW": "1"}) == SPECIFICATION

    def test_its_containers_are_made_as_this_version_makes_them(self) -> None:
        older = changed(made_by="0" * 16)
        assert older.in_place(older.subnet, {}).made_by == MADE_BY


@pytest.mark.parametrize(
    ("digest", "name"),
    [
        ("0811019978ab", "a811019978"),
        ("1200000e45ab", "b200000e45"),
        ("08110199e8a1", "a8110199e8"),
        ("12ab56789012", "12ab567890"),
    ],
)
def test_no_id_looks_like_a_number_to_whoever_reads_or_writes_a_stack_file(digest: str, name: str) -> None:
    assert short_id(digest) == name
