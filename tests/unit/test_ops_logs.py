"""Which lines of which containers are shown."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ops import containers, logs
from ops.containers import Container
from ops.errors import CommandError
from ops.logs import Component
from ops.stack_file import StackFile

DOCKER = """\
#!/bin/sh
here=$(dirname "$0")
printf '%s\\n' "${DOCKER_HOST:+$DOCKER_HOST }$*" >>"$here/asked"
for name; do :; done
[ ! -f "$here/$name.log" ] || cat "$here/$name.log"
[ ! -f "$here/$name.err" ] || cat "$here/$name.err" >&2
"""


def container(component: str, number: int = 1, release: str = "") -> Container:
    return Container(f"{component}-{number}", component, release, "running", "healthy", "", (), "")


CONTAINERS = [container("app", 1, "abc123"), container("app", 2, "def456"), container("database"), container("proxy")]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where a test writes what each container says."""
    (tmp_path / "docker").write_text(DOCKER, encoding="utf-8")
    (tmp_path / "docker").chmod(0o755)
    (tmp_path / "app-1.log").write_text("app one\nrequest r1\n", encoding="utf-8")
    (tmp_path / "app-2.log").write_text("app two\n", encoding="utf-8")
    (tmp_path / "app-2.err").write_text("complaint of two\n", encoding="utf-8")
    (tmp_path / "database-1.log").write_text("database\n", encoding="utf-8")
    lines = ['{"id":"r1","release":"abc123"}', '{"id":"r2","release":"def456"}', "nginx starts"]
    (tmp_path / "proxy-1.log").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(containers, "of_stack", lambda _stack, _host: CONTAINERS)
    monkeypatch.setattr(StackFile, "read", staticmethod(lambda name: StackFile(name, {}, {})))
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], **options: Any) -> list[str]:
    """The lines, in the order of their text: the containers' own order is a matter of luck."""
    given: dict[str, Any] = {"component": None, "follow": False, "tail": None, "release": "", "request": "", **options}
    logs.logs(**given)
    return sorted(capsys.readouterr().out.splitlines())


def asked(said: Path) -> set[str]:
    return set((said / "asked").read_text(encoding="utf-8").splitlines())


@pytest.mark.usefixtures("said")
def test_every_line_of_all_comes_after_its_containers_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys) == sorted(
        [
            "app-1      | app one",
            "app-1      | request r1",
            "app-2      | app two",
            "app-2      | complaint of two",
            "database-1 | database",
            'proxy-1    | {"id":"r1","release":"abc123"}',
            'proxy-1    | {"id":"r2","release":"def456"}',
            "proxy-1    | nginx starts",
        ]
    )


@pytest.mark.usefixtures("said")
def test_one_container_alone_needs_no_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, component=Component.DATABASE) == ["database"]


@pytest.mark.usefixtures("said")
def test_of_a_release_its_app_and_its_requests_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, release="abc") == [
        "app-1   | app one",
        "app-1   | request r1",
        'proxy-1 | {"id":"r1","release":"abc123"}',
    ]


@pytest.mark.usefixtures("said")
def test_a_request_is_shown_wherever_it_left_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, request="r1") == ["app-1      | request r1", 'proxy-1    | {"id":"r1","release":"abc123"}']


@pytest.mark.usefixtures("said")
def test_a_request_and_a_release_must_both_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, release="def", request="r1") == []
    assert shown(capsys, release="def", request="r2") == ['proxy-1 | {"id":"r2","release":"def456"}']


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ({}, "logs --tail 100 database-1"),
        ({"tail": 5}, "logs --tail 5 database-1"),
        ({"tail": 0, "request": "r1"}, "logs --tail 0 database-1"),
        ({"request": "r1"}, "logs --tail all database-1"),
        ({"follow": True}, "logs --tail 100 --follow database-1"),
    ],
    ids=["as it is", "some", "none, with a request", "a request", "following"],
)
def test_docker_is_asked_for_as_many_lines(
    said: Path, capsys: pytest.CaptureFixture[str], options: dict[str, Any], command: str
) -> None:
    shown(capsys, component=Component.DATABASE, **options)
    assert asked(said) == {command}


def test_docker_elsewhere_is_asked_there(
    said: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = {"monopco:server": {"host": "b", "port": 22}}
    monkeypatch.setattr(StackFile, "read", staticmethod(lambda name: StackFile(name, server, {})))
    shown(capsys, component=Component.DATABASE)
    assert asked(said) == {"ssh://monopco@b:22 logs --tail 100 database-1"}


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"component": Component.APP, "release": "zzz"}, "app of release zzz"),
        ({"component": Component.DATABASE, "release": "abc"}, "database of release abc"),
    ],
)
def test_when_there_is_no_such_container_that_is_a_failure(
    capsys: pytest.CaptureFixture[str], options: dict[str, Any], what: str
) -> None:
    with pytest.raises(CommandError) as caught:
        shown(capsys, **options)
    assert str(caught.value) == f"No container of {what} is there in stack dev; ./monopco up -s dev starts it."


@pytest.mark.usefixtures("said")
def test_in_an_empty_stack_all_of_them_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "of_stack", lambda _stack, _host: [])
    with pytest.raises(CommandError, match=r"^No container of app or proxy or database is there in stack dev;"):
        shown(capsys)
