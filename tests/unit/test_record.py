"""The record of a release, and the copy of it that the program reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from environments import write_record
from specifications import SPECIFICATION

from record import Record, RecordError, read_record, record_file

RELEASE = SPECIFICATION.release_id
NAME = f"monopco-dev/release:{RELEASE}"
LABELS = {
    "dev.monopco.stack": "dev",
    "dev.monopco.component": "release",
    "dev.monopco.release": RELEASE,
    "dev.monopco.record": SPECIFICATION.to_json(),
    "dev.monopco.secrets": "sealed",
    "dev.monopco.serial": "7",
    "dev.monopco.at": "2026-11-23T07:00:00Z",
    "dev.monopco.image": "sha256:app",
}
RECORD = Record.of_image(NAME, LABELS)


def without(*labels: str) -> dict[str, str]:
    return {name: value for name, value in LABELS.items() if name.removeprefix("dev.monopco.") not in labels}


def refusal(project: Path) -> str:
    with pytest.raises(RecordError) as raised:
        read_record(project, "dev", RELEASE)
    return str(raised.value)


def write(project: Path, text: str) -> Path:
    path = record_file(project, "dev", RELEASE)
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_it_is_what_the_labels_of_its_image_say() -> None:
    assert (RECORD.release_id, RECORD.name) == (RELEASE, NAME)
    assert (RECORD.image, RECORD.sealed, RECORD.specification) == ("sha256:app", "sealed", SPECIFICATION)


def test_labels_of_others_are_left_out() -> None:
    assert Record.of_image(NAME, {**LABELS, "maintainer": "somebody", "at": "another's"}) == RECORD


@pytest.mark.parametrize("label", ["release", "record", "secrets", "serial", "at", "image"])
def test_an_image_that_lacks_a_label_is_no_record(label: str) -> None:
    with pytest.raises(RecordError) as raised:
        Record.of_image(NAME, without(label))
    assert str(raised.value) == f"the image {NAME} is no record of a release: it has no label {label}"


def test_all_labels_that_lack_are_named_in_a_fixed_order() -> None:
    with pytest.raises(RecordError, match=r": it has no label at, image, secrets$"):
        Record.of_image(NAME, without("secrets", "image", "at"))


def test_a_copy_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_record(tmp_path, "dev", RECORD)
    assert read_record(tmp_path, "dev", RELEASE) == RECORD


def test_the_copies_of_two_stacks_lie_apart(tmp_path: Path) -> None:
    assert record_file(tmp_path, "dev", RELEASE) == tmp_path / ".cache" / "releases" / "dev" / f"{RELEASE}.json"
    assert record_file(tmp_path, "dev", RELEASE) != record_file(tmp_path, "prod", RELEASE)


def test_a_record_that_was_not_fetched_is_told_with_what_fetches_it(tmp_path: Path) -> None:
    assert refusal(tmp_path) == (
        f"pinned.release: the record of release {RELEASE} has not been fetched; ./monopco up -s dev fetches it"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("{}", "'name'"),
        ('{"name": "x"}', "'labels'"),
        ("[]", "list indices must be integers or slices, not str"),
    ],
)
def test_a_copy_that_is_damaged_is_to_be_removed(tmp_path: Path, text: str, reason: str) -> None:
    path = write(tmp_path, text)
    assert refusal(tmp_path) == (
        f"pinned.release: {path} cannot be read ({reason}); remove it and run ./monopco up -s dev"
    )


@pytest.mark.parametrize("labels", ["null", '"text"', "[]"])
def test_a_copy_whose_labels_are_no_object_is_to_be_removed(tmp_path: Path, labels: str) -> None:
    path = write(tmp_path, f'{{"name": "{NAME}", "labels": {labels}}}')
    message = refusal(tmp_path)
    assert message.startswith(f"pinned.release: {path} cannot be read ("), message
    assert message.endswith("; remove it and run ./monopco up -s dev"), message


def test_a_copy_of_something_else_is_told_by_what_it_lacks(tmp_path: Path) -> None:
    write(tmp_path, json.dumps({"name": NAME, "labels": without("secrets")}))
    assert refusal(tmp_path) == (f"pinned.release: the image {NAME} is no record of a release: it has no label secrets")


@pytest.mark.parametrize(
    ("specification", "reason"),
    [
        ("[]", "not a specification of this version of monopco: list indices must be integers or slices, not str"),
        ("{", "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    ],
)
def test_a_release_of_another_version_is_told(tmp_path: Path, specification: str, reason: str) -> None:
    write(tmp_path, json.dumps({"name": NAME, "labels": {**LABELS, "dev.monopco.record": specification}}))
    message = refusal(tmp_path)
    expected = f"pinned.release: release {RELEASE} cannot be run by this version of monopco: "
    assert message.startswith(expected), message
    if specification == "{":
        assert message == expected + reason


def test_another_release_than_the_one_that_was_asked_for_is_not_taken_for_it(tmp_path: Path) -> None:
    """The file's name is what the pin says; its content is what would run."""
    write(tmp_path, Record.of_image("other", {**LABELS, "dev.monopco.release": "0" * 10}).to_json())
    refusal(tmp_path)
