"""Stamps tell what is up to date; files are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.bootstrap.stamps import Stamp, key, write_atomically


def test_a_key_changes_with_the_content_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("a==1", encoding="utf-8")
    before = key("3.11", file)
    file.write_text("a==2", encoding="utf-8")
    assert key("3.11", file) != before


def test_a_key_is_the_same_for_the_same_content_elsewhere(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text("a==1", encoding="utf-8")
    assert key(tmp_path / "one") == key(tmp_path / "two")


def test_parts_of_a_key_do_not_run_into_each_other() -> None:
    assert key("ab", "c") != key("a", "bc")


def test_a_missing_file_is_an_empty_one(tmp_path: Path) -> None:
    assert key(tmp_path / "missing") == key("")


def test_a_stamp_fits_only_its_own_key(tmp_path: Path) -> None:
    stamp = Stamp("python", tmp_path)
    assert not stamp.fits("1")
    stamp.done("1")
    assert Stamp("python", tmp_path).fits("1")
    assert not stamp.fits("2")


def test_what_was_begun_and_not_ended_is_not_up_to_date(tmp_path: Path) -> None:
    stamp = Stamp("python", tmp_path)
    stamp.done("1")
    stamp.begin()
    assert stamp.interrupted()
    assert not stamp.fits("1")
    stamp.done("1")
    assert stamp.fits("1")


def test_a_forgotten_stamp_was_never_there(tmp_path: Path) -> None:
    stamp = Stamp("python", tmp_path)
    stamp.done("1")
    stamp.begin()
    stamp.forget()
    assert stamp.value() is None
    assert list(tmp_path.iterdir()) == []


def test_a_secret_file_is_never_readable_by_others(tmp_path: Path) -> None:
    write_atomically(tmp_path / "deep" / "passphrase", "hidden", 0o600)
    assert (tmp_path / "deep" / "passphrase").stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "file", "new \udcff")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "old"
