"""`ssh`, and what the other verbs need to reach a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.ssh import Ssh
from ops import key_file, ssh
from ops.errors import MISTAKE, CommandError
from ops.places import PROJECT
from ops.stack_file import StackFile

CONFIG = str(PROJECT / ".state/ssh/a.fr-2222/config")


def stack(**server: Any) -> StackFile:
    return StackFile("prod", {"monopco:server": server}, {"monopco:server": {"port": 22, "host": None}})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What Pulumi is asked; the project is a folder of the test's own."""
    questions: list[str] = []

    def configured(_pulumi: object, path: str) -> str:
        questions.append(path)
        return "the key"

    def write(server: Ssh, project: Path, private_key: str | None = None) -> None:
        server.key_file(project).parent.mkdir(parents=True, exist_ok=True)
        if private_key:
            server.key_file(project).write_text(private_key)

    monkeypatch.setattr("ops.key_file.PROJECT", tmp_path)
    monkeypatch.setattr("ops.pulumi.Pulumi.configured", configured)
    monkeypatch.setattr(Ssh, "write", write)
    key_file._written.cache_clear()
    return questions


def forget() -> None:
    """As in another run."""
    key_file._written.cache_clear()


def test_a_script_is_run_by_the_user_who_deploys_or_by_another() -> None:
    file = stack(host="a.fr", port=2222)
    assert ssh.command(file) == ["ssh", "-F", CONFIG, "-T", "-l", "monopco", "--", "a.fr", "sh -s"]
    assert ssh.command(file, "root") == ["ssh", "-F", CONFIG, "-T", "-l", "root", "--", "a.fr", "sh -s"]


def test_without_a_server_it_is_told_how_to_name_one() -> None:
    with pytest.raises(CommandError, match="runs on this machine") as caught:
        ssh.command(stack())
    assert caught.value.code == MISTAKE


def test_the_docker_host_is_the_server_as_the_program_knows_it() -> None:
    assert stack(host="a.fr", port=2222, user="root").docker_host == "ssh://monopco@a.fr:2222"
    assert stack().docker_host is None


def test_pulumi_opens_the_private_key_once_for_each_version_of_it(asked: list[str]) -> None:
    file = stack(host="a.fr", privateKey={"secure": "v1:one"})
    assert file.docker_host
    forget()
    assert file.docker_host
    assert asked == ["monopco:server.privateKey"]
    forget()
    assert stack(host="a.fr", privateKey={"secure": "v1:two"}).docker_host
    assert len(asked) == 2


def test_without_a_private_key_pulumi_is_not_asked(asked: list[str]) -> None:
    assert stack(host="a.fr").docker_host
    assert asked == []
