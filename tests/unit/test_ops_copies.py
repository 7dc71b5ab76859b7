"""Copies of one stack's data for another, and dumps from elsewhere: what is decided before anything is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ops import caretaker, contents, copies, database, import_, restore
from ops.caretaker import Answer, Caretaker
from ops.database import Reach
from ops.errors import CommandError
from ops.stack_file import StackFile

LISTING = """\
;
; Archive created at 2026-11-25 10:00:00 UTC
;
6; 2615 16385 SCHEMA - auth supabase_auth_admin
9; 2615 2200 SCHEMA - public pg_database_owner
2; 3079 16386 EXTENSION - pgcrypto\x20
3500; 0 0 COMMENT - EXTENSION pgcrypto\x20
220; 1259 16390 TABLE auth users supabase_auth_admin
221; 1259 16400 TABLE public email_templates postgres
3501; 0 16390 TABLE DATA auth users supabase_auth_admin
3502; 0 16400 TABLE DATA public email_templates postgres
3390; 3256 16450 POLICY public email_templates Users can view own email templates postgres
3391; 2606 16451 FK CONSTRAINT public email_templates email_templates_user_id_fkey postgres
3600; 826 16460 DEFAULT ACL public DEFAULT PRIVILEGES FOR TABLES supabase_admin
"""


def stack(name: str, **database: Any) -> StackFile:
    return StackFile(name, {"monopco:database": database}, {})


class TestContents:
    def test_every_entry_has_its_kind_schema_name_and_owner(self) -> None:
        entries = {one.number: one for one in contents.parsed(LISTING)}
        assert len(entries) == 11
        policy = entries[3390]
        assert (policy.kind, policy.schema, policy.owner) == ("POLICY", "public", "postgres")
        assert policy.name == "email_templates Users can view own email templates"
        assert (entries[3391].kind, entries[2].name, entries[2].owner) == ("FK CONSTRAINT", "pgcrypto", "")
        assert contents.tables(entries.values()) == ["auth.users", "public.email_templates"]
        assert [number for number, one in entries.items() if one.provider] == [6, 220, 3501]

    def test_many_are_told_in_few_words(self) -> None:
        entries = [one for one in contents.parsed(LISTING) if one.provider or one.kind == "EXTENSION"]
        assert contents.told(entries) == "2 of schema auth, extension pgcrypto, schema auth"

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"--\n-- PostgreSQL database dump\n--\nSET statement_timeout = 0;\n", "is a dump in plain SQL"),
            (b"\x1f\x8b\x08", "is compressed as a whole"),
            (b"hello", "is no dump in pg_dump's custom format"),
            (b"", "is no dump in pg_dump's custom format"),
        ],
    )
    def test_what_cannot_be_restored_as_a_whole_is_refused(self, tmp_path: Path, content: bytes, words: str) -> None:
        file = tmp_path / "dump"
        file.write_bytes(content)
        with pytest.raises(CommandError, match=words):
            contents.of_dump(Reach(None, "none", external=False), file)


class TestWhere:
    @pytest.mark.parametrize(
        ("target", "words"),
        [
            (stack("a"), "is where the copy comes from"),
            (stack("prod"), "its name says so"),
            (stack("other", protect=True), "database.protect is true"),
        ],
    )
    def test_no_copy_replaces_what_is_live_for_people(self, target: StackFile, words: str) -> None:
        with pytest.raises(CommandError, match=words) as raised:
            copies.refuse_target(stack("a"), target)
        assert raised.value.code == 2

    def test_any_other_environment_may_have_one(self) -> None:
        copies.refuse_target(stack("prod", protect=True), stack("dev"))


class TestRules:
    def test_they_are_given_or_the_person_says_that_people_stay_in_it(self, tmp_path: Path) -> None:
        file = tmp_path / "rules.sql"
        file.write_text("UPDATE a SET b = NULL;", encoding="utf-8")
        assert copies.rules_of(file, as_it_is=False) == "UPDATE a SET b = NULL;"
        assert copies.rules_of(None, as_it_is=True) is None
        for path, as_it_is, words in (
            (None, False, "--as-it-is"),
            (file, True, "contradict each other"),
            (tmp_path / "none", False, "cannot be read"),
        ):
            with pytest.raises(CommandError, match=words):
                copies.rules_of(path, as_it_is=as_it_is)

    def test_what_belongs_to_another_use_of_restore_is_a_mistake(self) -> None:
        for options, words in (
            ({"into_stack": "b", "live": True}, "--into-stack goes with"),
            ({"as_it_is": True}, "are for --into-stack"),
        ):
            with pytest.raises(CommandError, match=words):
                restore.restore("a", yes=True, **options)


class TestCopy:
    """With a caretaker and a database of the test's own."""

    @pytest.fixture
    def did(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
        made: list[Any] = []

        @contextmanager
        def reached(file: StackFile) -> Iterator[Reach]:
            yield Reach(None, file.name, external=False)

        def receive(_self: Caretaker, path: Path, content: str, *words: str) -> Answer:
            made.append((content, words))
            path.write_bytes(b"PGDMP")
            return Answer({"rows": {}}, "", 0)

        def put(reach: Reach, _path: Path, _entries: list[Any], _stack: StackFile) -> list[str]:
            made.append(reach.container)
            return ["b.sql"]

        monkeypatch.setattr(copies, "STATE", tmp_path / "state")
        monkeypatch.setattr(caretaker, "of_stack", lambda _stack, _host: Caretaker("keeper", None))
        monkeypatch.setattr(Caretaker, "ask", lambda _self, _what: Answer([{"id": "1F", "database_bytes": 10}], "", 0))
        monkeypatch.setattr(Caretaker, "receive", receive)
        monkeypatch.setattr(database, "reached", reached)
        monkeypatch.setattr(Reach, "free_bytes", lambda _self, _folder: 1000)
        monkeypatch.setattr(contents, "of_dump", lambda _reach, _file: [])
        monkeypatch.setattr(import_, "put", put)
        return made

    def test_the_rules_go_along_and_the_dump_is_gone_afterwards(self, did: list[Any], tmp_path: Path) -> None:
        wanted = {"to": "", "backup": "1F"}
        assert copies.copy(stack("a"), stack("b"), "UPDATE", wanted, yes=True) == {"rows": {}, "unseen": ["b.sql"]}
        assert did == [("UPDATE", ("copy", "backup=1F", "rules=1")), "b"]
        assert list((tmp_path / "state").iterdir()) == []

    def test_nobody_is_asked_where_nobody_can_answer(self, did: list[Any]) -> None:
        with pytest.raises(CommandError, match="say --yes"):
            copies.copy(stack("a"), stack("b"), "UPDATE", {}, yes=False)
        assert did == []

    def test_too_little_room_is_told_before_anything_is_begun(
        self, did: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Reach, "free_bytes", lambda _self, _folder: 12)
        with pytest.raises(CommandError, match=r"the disk of the other database has .* nothing was begun"):
            copies.copy(stack("a"), stack("b"), "UPDATE", {}, yes=True)
        assert did == []


def test_what_pg_restore_says_becomes_what_to_do() -> None:
    said = CommandError(
        'pg_restore: error: insert or update on table "files" violates foreign key constraint "f"\n'
        'DETAIL:  Key (user_id)=(1) is not present in table "users".'
    )
    told = str(import_.as_it_was(said))
    assert "the database is as it was. Rows of it refer to auth.users, whose rows are not in it" in told
