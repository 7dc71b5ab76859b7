"""The verbs for backups: what they ask of the container that looks after them, and what they make of its answers."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer

from ops import backup, backup_key, backups, caretaker, proxy, restore, state_copy
from ops.caretaker import Answer, Caretaker
from ops.errors import CommandError
from ops.proxy import Proxy
from ops.pulumi import Pulumi
from ops.stack_file import StackFile

GOOD = {"ok": True, "problems": [], "places": {}}
RESTORED = {
    "database": "restored",
    "backup": "1F",
    "place": "local",
    "reached": None,
    "rows": {"public.a": 3, "public.gone": 1},
    "live_rows": {"public.a": 2},
}


@dataclass
class World:
    """Answers by tool, and what was asked in order."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World({"list": Answer([], "", 0), "state": Answer(GOOD, "", 0), "restore": Answer(RESTORED, "", 0)})
    made.answers["establish"] = Answer({"adopted": False}, "", 0)

    def answer(_self: Caretaker, *arguments: str) -> Answer:
        made.asked.append(arguments)
        return made.answers[arguments[0]]

    monkeypatch.setattr(Caretaker, "ask", answer)
    monkeypatch.setattr(Caretaker, "follow", answer)
    monkeypatch.setattr(caretaker, "of_stack", lambda _stack, _host: Caretaker("keeper", None))
    monkeypatch.setattr(StackFile, "read", staticmethod(lambda name: StackFile(name, {}, {})))
    return made


class TestTools:
    """With a docker of the test's own."""

    @pytest.fixture
    def keeper(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Caretaker:
        (tmp_path / "docker").write_text(
            '#!/bin/sh\necho "$DOCKER_HOST" "$@" >>"${0%/*}/asked"\n. "${0%/*}/answer"\n', encoding="utf-8"
        )
        (tmp_path / "docker").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        return Caretaker("keeper", "ssh://host")

    def answering(self, tmp_path: Path, script: str) -> None:
        (tmp_path / "answer").write_text(script, encoding="utf-8")

    def test_the_last_line_is_the_answer_and_the_others_tell_how_far_it_is(
        self, tmp_path: Path, keeper: Caretaker, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.answering(
            tmp_path, "echo progress 0 files; echo progress 40 files; echo progress - rows; echo '{\"a\":1}'"
        )
        assert keeper.follow("restore", "into=a") == Answer({"a": 1}, "", 0)
        assert capsys.readouterr().err.split("\n") == ["  files …", "  rows …", ""]
        assert (tmp_path / "asked").read_text() == "ssh://host exec keeper backups restore into=a\n"

    def test_what_went_wrong_is_told_without_the_tools_name(self, tmp_path: Path, keeper: Caretaker) -> None:
        self.answering(tmp_path, "echo 'backups: one' >&2; echo 'backups: two' >&2; exit 1")
        answer = keeper.ask("list")
        assert answer == Answer(None, "one\ntwo", 1)
        with pytest.raises(CommandError, match="one\ntwo") as raised:
            answer.data_or_error()
        assert raised.value.code == 1

    def test_a_mistake_in_the_usage_is_one_of_ours_too(self) -> None:
        with pytest.raises(CommandError) as raised:
            Answer(None, "not a name", 2).data_or_error()
        assert raised.value.code == 2

    def test_facts_that_cannot_be_learnt_are_a_problem(self, tmp_path: Path, keeper: Caretaker) -> None:
        self.answering(tmp_path, "echo 'Error: no such container' >&2; exit 1")
        assert keeper.facts() == {"ok": False, "problems": ["Error: no such container"], "places": {}}

    def test_content_goes_by_standard_input(self, tmp_path: Path, keeper: Caretaker) -> None:
        self.answering(tmp_path, 'cat >"${0%/*}/got"')
        assert keeper.send(b"all of it", "keep", "state.tar").code == 0
        assert (tmp_path / "got").read_bytes() == b"all of it"
        assert "all of it" not in (tmp_path / "asked").read_text()


class TestBackup:
    def test_what_was_made_is_told(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        world.answers["take"] = Answer({"made": [{"id": "1F", "place": "local"}]}, "", 0)
        backup.backup("dev", full=True)
        assert world.asked == [("take", "full")]
        assert "1F in the local place" in capsys.readouterr().out

    def test_one_place_of_two_is_a_failure(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        world.answers["take"] = Answer({"made": [{"id": "1F", "place": "local"}]}, "the remote place is full", 1)
        with pytest.raises(typer.Exit) as ended:
            backup.backup("dev")
        assert ended.value.exit_code == 1
        assert "the remote place is full" in capsys.readouterr().err

    def test_none_is_an_error(self, world: World) -> None:
        world.answers["take"] = Answer(None, "another backup is under way", 3)
        with pytest.raises(CommandError, match="another backup is under way"):
            backup.backup("dev")


class TestBackups:
    LISTED = ({"id": "20261125-050021F", "at": "t", "kind": "full", "place": "local", "database_bytes": 31401206},)

    def test_they_are_listed_with_their_last_proof(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        each = {**self.LISTED[0], "stored_bytes": 999, "proved_at": None}
        world.answers["list"] = Answer([each, {**each, "proved_at": "yesterday"}], "", 0)
        backups.backups("dev")
        printed = capsys.readouterr().out
        assert "20261125-050021F" in printed
        assert [word in printed for word in ("31.4 MB", "999 B", "never", "yesterday")] == [True] * 4

    @pytest.mark.parametrize("wrong", ["list", "state"])
    def test_what_is_wrong_is_a_failure(self, world: World, wrong: str) -> None:
        world.answers[wrong] = Answer(world.answers[wrong].data, "", 1)
        with pytest.raises(typer.Exit):
            backups.backups("dev")

    def test_a_proof_comes_first(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        failed = {"place": "remote", "proved": False, "problems": ["public.a is missing"]}
        world.answers["prove"] = Answer([failed], "", 1)
        with pytest.raises(typer.Exit):
            backups.backups("dev", prove=True)
        assert [words[0] for words in world.asked] == ["prove", "list", "state"]
        assert "remote: public.a is missing" in capsys.readouterr().out

    @pytest.mark.usefixtures("world")
    def test_programs_get_all_of_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        backups.backups("dev", as_json=True)
        assert json.loads(capsys.readouterr().out) == {"backups": [], "state": GOOD, "proofs": None}


class TestRestore:
    @pytest.fixture(autouse=True)
    def front(self, world: World, monkeypatch: pytest.MonkeyPatch) -> Proxy:
        front = Proxy("proxy", None, {})

        def run(_self: Proxy, *words: str) -> str:
            world.asked.append(words)
            return ""

        monkeypatch.setattr(Proxy, "run", run)
        monkeypatch.setattr(proxy, "of_stack", lambda _stack, _host: front)
        return front

    def test_the_live_database_is_left_alone(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        restore.restore("dev", to="2026-11-25 14:30", into="then")
        assert world.asked == [("restore", "to=1795617000.000000", "to_text=2026-11-25 14:30:00 UTC", "into=then")]
        rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("public.")]
        assert rows == [["public.a", "3", "2"], ["public.gone", "1", "-"]]

    @pytest.mark.parametrize(
        ("text", "epoch"),
        [
            ("2026-11-25T14:30:05Z", "1795617005.000000"),
            ("2026-11-25 15:30:05.25+01:00", "1795617005.250000"),
            ("2026-11-25 14:30 UTC", "1795617000.000000"),
        ],
    )
    def test_a_moment_is_utc_or_says_what_it_is(self, world: World, text: str, epoch: str) -> None:
        restore.restore("dev", to=text)
        assert world.asked[0][1] == f"to={epoch}"

    @pytest.mark.parametrize("text", ["yesterday", "2026-13-01 00:00", "14:30", "2026-11-25"])
    def test_what_is_no_moment_is_a_mistake(self, world: World, text: str) -> None:
        with pytest.raises(CommandError, match="--to: a moment is written as") as raised:
            restore.restore("dev", to=text)
        assert (raised.value.code, world.asked) == (2, [])

    def test_the_swap_is_done_behind_the_maintenance_page(self, world: World) -> None:
        world.answers["swap"] = Answer({"kept": "monopco_before"}, "", 0)
        restore.restore("dev", live=True, yes=True)
        assert world.asked == [
            ("restore",),
            ("maintenance", "on"),
            ("swap", "restored"),
            ("maintenance", "off"),
            ("establish", "--adopt"),
        ]

    def test_a_swap_that_fails_leaves_no_maintenance_page(self, world: World) -> None:
        world.answers["swap"] = Answer(None, "it is in use", 1)
        with pytest.raises(CommandError, match="it is in use"):
            restore.restore("dev", live=True, yes=True)
        assert world.asked[-1] == ("maintenance", "off")

    def test_maintenance_that_was_on_stays_on(self, world: World, front: Proxy) -> None:
        front.state["maintenance"] = True
        world.answers["swap"] = Answer({"kept": "monopco_before"}, "", 0)
        restore.restore("dev", live=True, yes=True)
        assert ("maintenance", "off") not in world.asked

    def test_backups_of_another_server_are_continued_with_a_full_one(self, world: World) -> None:
        world.answers["swap"] = Answer({"kept": "monopco_before"}, "", 0)
        world.answers["establish"] = Answer({"adopted": True}, "", 0)
        world.answers["take"] = Answer({"made": []}, "", 0)
        restore.restore("dev", live=True, yes=True)
        assert world.asked[-1] == ("take", "full")

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"to": "2026-11-25 14:30", "backup": "1F"}, "contradict each other"),
            ({"live": True}, "say --yes where nobody can be asked"),
            ({"key": Path("key")}, "--key is for --from-scratch"),
            ({"from_scratch": True, "yes": True}, "backups.remote is not set"),
        ],
    )
    def test_a_mistake_in_the_usage_touches_nothing(self, world: World, options: dict[str, Any], words: str) -> None:
        with pytest.raises(CommandError, match=words) as raised:
            restore.restore("dev", **options)
        assert (raised.value.code, world.asked) == (2, [])


class TestKeyFile:
    @pytest.fixture(autouse=True)
    def key(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Pulumi, "secret_output", lambda _self, _name: "the-key")

    def test_it_is_written_once_for_its_owner_only(self, tmp_path: Path) -> None:
        outputs = {"backupKeyVersion": "1"}
        backup_key.keep("dev", Pulumi("dev"), outputs, tmp_path)
        path = tmp_path / "backup-key-dev.txt"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert backup_key.read(path) == "the-key"
        path.unlink()
        backup_key.keep("dev", Pulumi("dev"), outputs, tmp_path)
        assert not path.exists()
        backup_key.keep("dev", Pulumi("dev"), {"backupKeyVersion": "2"}, tmp_path)
        assert path.exists()

    def test_a_stack_without_backups_has_none(self, tmp_path: Path) -> None:
        backup_key.keep("dev", Pulumi("dev"), {}, tmp_path)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("text", [None, "no key here"])
    def test_a_file_without_a_key_is_a_mistake(self, tmp_path: Path, text: str | None) -> None:
        path = tmp_path / "file"
        if text:
            path.write_text(text, encoding="utf-8")
        with pytest.raises(CommandError, match="--key: ") as raised:
            backup_key.read(path)
        assert raised.value.code == 2


class TestStateCopy:
    def test_it_holds_state_and_configuration_and_not_the_passphrase(self, tmp_path: Path) -> None:
        names = ["Pulumi.yaml", "Pulumi.dev.yaml", ".state/.pulumi/stacks/monopco/dev.json", ".state/passphrase"]
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(name, encoding="utf-8")
        with tarfile.open(fileobj=io.BytesIO(state_copy.archive("dev", tmp_path))) as tar:
            assert sorted(tar.getnames()) == sorted(names[:3])

    @pytest.mark.usefixtures("world")
    @pytest.mark.parametrize(("remote", "sent"), [({"type": None}, []), ({"type": "s3"}, [("keep", "state.tar")])])
    def test_it_goes_to_the_second_place_when_there_is_one(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        remote: dict[str, Any],
        sent: Sequence[tuple[str, ...]],
    ) -> None:
        gone: list[tuple[str, ...]] = []

        def send(_self: Caretaker, _content: bytes, *words: str) -> Answer:
            gone.append(words)
            return Answer(None, "no place", 1)

        monkeypatch.setattr(Caretaker, "send", send)
        monkeypatch.setattr(state_copy, "uses_own_state", lambda _environment: True)
        state_copy.push(StackFile("dev", {"monopco:backups": {"remote": remote}}, {}))
        assert gone == list(sent)
        assert ("The state was not copied" in capsys.readouterr().err) is bool(sent)
