"""Files on their way into a one-off container."""

from __future__ import annotations

import base64
import io
import tarfile

from values import unpack

from components.bundle import bundle


def test_a_bundle_gives_back_its_files() -> None:
    files = {"pgpass": "*:*:*:*:é\n", "scripts/db/01 first.sql": "SELECT 1;\n", "empty": ""}
    assert unpack(bundle(files)) == files


def test_the_same_files_give_the_same_text_whatever_their_order() -> None:
    assert bundle({"a": "1", "b": "2"}) == bundle({"b": "2", "a": "1"})


def test_another_content_gives_another_text() -> None:
    assert bundle({"a": "1"}) != bundle({"a": "2"})


def test_a_long_name_is_kept_whole() -> None:
    name = "scripts/" + "a" * 300 + ".sql"
    assert unpack(bundle({name: "x"})) == {name: "x"}


def test_nobody_else_may_read_the_files() -> None:
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(bundle({"pgpass": "x"})))) as archive:
        assert [member.mode for member in archive] == [0o600]
