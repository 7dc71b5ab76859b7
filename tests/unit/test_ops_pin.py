"""The pin in a stack's file, which belongs to people."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ops import pin
from ops.errors import FAILED, CommandError
from ops.pin import Pin, rewritten
from ops.stack_file import StackFile

PIN = Pin("0123456789")
WHOLE = Pin("0123456789", "abcdef0123", ("02.sql", 'a "b".sql'))
FILE = """\
# Production.
encryptionsalt: v1:abc=
config:
  # Why two.
  monopco:app:
    replicas: 2 # for now
    env: {A: "1", B: [x, y]}

  monopco:KEY:
    secure: v1:xyz=
other: kept # as it is
"""
PINNED = """\
# Production.
encryptionsalt: v1:abc=
config:
  # Why two.
  monopco:app:
    replicas: 2 # for now
    env: {A: "1", B: [x, y]}

  monopco:KEY:
    secure: v1:xyz=
  monopco:pinned:
    release: "0123456789"
other: kept # as it is
"""


def test_it_is_put_below_what_is_there_and_changes_nothing_else() -> None:
    assert rewritten(FILE, PIN) == PINNED


def test_it_is_taken_out_again_without_a_trace() -> None:
    assert rewritten(PINNED, None) == FILE


def test_all_that_a_pin_says_is_written() -> None:
    text = rewritten("config:\n  monopco:a: {}\n", WHOLE)
    assert text == (
        "config:\n  monopco:a: {}\n  monopco:pinned:\n"
        '    release: "0123456789"\n    insteadOf: "abcdef0123"\n    accepts: ["02.sql", "a \\"b\\".sql"]\n'
    )
    assert yaml.safe_load(text)["config"]["monopco:pinned"] == {
        "release": "0123456789",
        "insteadOf": "abcdef0123",
        "accepts": ["02.sql", 'a "b".sql'],
    }


def test_an_id_of_digits_stays_a_text() -> None:
    """1234567890 and 12345e6789 are numbers in YAML."""
    text = rewritten("config: {}\n", Pin("1234567890", "12345e6789"))
    assert yaml.safe_load(str(text))["config"]["monopco:pinned"] == {"release": "1234567890", "insteadOf": "12345e6789"}


@pytest.mark.parametrize("value", [PIN, WHOLE, None])
@pytest.mark.parametrize("text", [FILE, PINNED])
def test_doing_it_twice_changes_nothing(text: str, value: Pin | None) -> None:
    once = rewritten(text, value)
    assert once is not None
    assert rewritten(once, value) == once


def test_an_old_pin_is_replaced_wherever_it_stands_and_comments_stay() -> None:
    before = (
        "config:\n"
        "  monopco:pinned:\n"
        "    release: old1234567\n"
        "    accepts:\n"
        "      - a.sql\n"
        "  # Of the app.\n"
        "  monopco:app:\n"
        "    replicas: 2\n"
    )
    assert rewritten(before, PIN) == (
        'config:\n  # Of the app.\n  monopco:app:\n    replicas: 2\n  monopco:pinned:\n    release: "0123456789"\n'
    )


def test_an_old_pin_on_one_line_is_replaced() -> None:
    before = "config:\n  monopco:pinned: {release: old1234567}\n  monopco:app: {}\n"
    assert rewritten(before, PIN) == ('config:\n  monopco:app: {}\n  monopco:pinned:\n    release: "0123456789"\n')


def test_a_section_whose_name_begins_alike_is_another() -> None:
    before = "config:\n  monopco:pinnedToo:\n    release: x\n"
    assert str(rewritten(before, PIN)).startswith(before)


def test_the_indent_of_the_file_is_kept() -> None:
    before = "config:\n    monopco:app:\n        replicas: 2\n"
    assert rewritten(before, PIN) == f'{before}    monopco:pinned:\n        release: "0123456789"\n'
    assert rewritten(str(rewritten(before, WHOLE)), None) == before


@pytest.mark.parametrize(
    "text",
    ["encryptionsalt: v1:abc=\n", "encryptionsalt: v1:abc=\nconfig: {}\n", "encryptionsalt: v1:abc=\nconfig:\n"],
    ids=["no config", "an empty object", "nothing below it"],
)
def test_a_file_without_configuration_is_given_one(text: str) -> None:
    assert rewritten(text, PIN) == ('encryptionsalt: v1:abc=\nconfig:\n  monopco:pinned:\n    release: "0123456789"\n')


def test_an_empty_file_is_given_one() -> None:
    assert rewritten("", PIN) == 'config:\n  monopco:pinned:\n    release: "0123456789"\n'


@pytest.mark.parametrize(
    "text",
    [
        FILE,
        "encryptionsalt: v1:abc=\n",
        "config: {}\n",
        "",
        "config:\n  monopco:app: {}\n\nother: x\n",
        "config:\n  monopco:app: {}",
        "config: {monopco:app: {replicas: 2}}\n",
    ],
    ids=["a usual one", "no config", "an empty object", "empty", "a blank line", "no end of line", "flow style"],
)
def test_a_file_without_a_pin_from_which_it_is_taken_out_stays_as_it_is(text: str) -> None:
    assert rewritten(text, None) == text


@pytest.mark.parametrize(
    "text",
    [
        "config: {monopco:app: {replicas: 2}}\n",
        "config: {} # nothing\n",
        "config: [\n",
        "{config: {monopco:app: {}}}\n",
    ],
    ids=["flow style", "an empty object with a comment", "no YAML", "all in one"],
)
def test_a_file_that_cannot_be_edited_line_by_line_is_left_alone(text: str) -> None:
    assert rewritten(text, PIN) is None


@pytest.mark.parametrize("key", ['"monopco:pinned"', "'monopco:pinned'", "monopco:pinned "])
def test_an_old_pin_whose_key_is_written_otherwise_is_not_left_beside_the_new_one(key: str) -> None:
    """Pulumi refuses a file that has a key twice; Python's YAML takes the last one."""
    assert "old1234567" not in str(rewritten(f"config:\n  {key}:\n    release: old1234567\n", PIN))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    (tmp_path / "Pulumi.yaml").write_text("name: monopco\n", encoding="utf-8")
    path.write_text(FILE, encoding="utf-8")
    path.chmod(0o600)
    for value in (WHOLE, PIN, None):
        pin.write("dev", value, tmp_path)
        assert pin.read(StackFile.read("dev", tmp_path)) == value
    assert path.read_text(encoding="utf-8") == FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["Pulumi.dev.yaml", "Pulumi.yaml"]


def test_a_file_that_cannot_be_edited_is_told_with_what_to_put_there(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text("config: {monopco:app: {replicas: 2}}\n", encoding="utf-8")
    with pytest.raises(CommandError) as caught:
        pin.write("dev", PIN, tmp_path)
    assert str(caught.value) == (
        "Pulumi.dev.yaml is not written as Pulumi writes it, so it was left alone. Put this below `config:` and run "
        './monopco up -s dev:\n  monopco:pinned:\n    release: "0123456789"'
    )
    assert caught.value.code == FAILED
    assert path.read_text(encoding="utf-8") == "config: {monopco:app: {replicas: 2}}\n"
