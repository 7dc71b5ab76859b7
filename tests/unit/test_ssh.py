"""How a server is reached: what OpenSSH is told, and which ssh the docker command finds."""

from __future__ import annotations

import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from recorder import PROJECT

from components import ssh
from components.ssh import Ssh

# As it is before the tests' own stand-in takes its place.
WRITE = Ssh.write
SERVER = Ssh(host="monopco.fr", port=22, host_key="ssh-ed25519 AAAA", own_key=True)
FOLDER = Path(".state/ssh/monopco.fr-22")


def told(folder: Path, server: Ssh = SERVER, *, file: str = "connection", host: str = "monopco.fr") -> dict[str, str]:
    """What ssh itself understands of the settings; nothing is connected."""
    WRITE(server, folder, "a key" if server.own_key else None, folder)
    path = folder / FOLDER / file
    done = subprocess.run(["ssh", "-G", "-F", path, "-l", "monopco", host], capture_output=True, text=True, check=True)
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)


def test_the_docker_host_is_that_of_the_user_who_deploys() -> None:
    assert SERVER.docker_host == "ssh://monopco@monopco.fr:22"


def test_what_is_an_input_is_the_same_on_every_machine() -> None:
    assert SERVER.options == ["-F", f"{FOLDER}/config"]
    assert ssh.config_file(SERVER.docker_host) == f"{FOLDER}/config"


def test_only_ssh_needs_settings() -> None:
    assert ssh.variables(None, PROJECT, "/bin") == {}
    assert ssh.variables("tcp://a:1", PROJECT, "/bin") == {"DOCKER_HOST": "tcp://a:1"}
    assert ssh.variables(SERVER.docker_host, Path("/p"), "/bin") == {
        "DOCKER_HOST": "ssh://monopco@monopco.fr:22",
        "PATH": "/p/components/ssh/bin:/bin",
        "MONOPCO_SSH_CONFIG": f"/p/{FOLDER}/config",
    }


def test_a_given_host_key_is_the_only_one_that_is_accepted(tmp_path: Path) -> None:
    given = told(tmp_path)
    assert (given["stricthostkeychecking"], given["hostkeyalias"]) == ("true", "monopco.fr")
    assert given["userknownhostsfile"] == str(tmp_path / FOLDER / "known_hosts")
    assert given["globalknownhostsfile"] == "none"
    assert (tmp_path / FOLDER / "known_hosts").read_text() == "monopco.fr ssh-ed25519 AAAA\n"


def test_without_one_the_first_is_accepted_and_kept(tmp_path: Path) -> None:
    server = replace(SERVER, host_key=None)
    assert told(tmp_path, server)["stricthostkeychecking"] == "accept-new"
    known = tmp_path / FOLDER / "known_hosts"
    known.write_text("monopco.fr ssh-ed25519 BBBB\n")
    told(tmp_path, server)
    assert known.read_text() == "monopco.fr ssh-ed25519 BBBB\n"


def test_a_private_key_of_the_stack_is_the_first_that_is_tried_and_the_users_own_only_without(tmp_path: Path) -> None:
    own = told(tmp_path)
    assert (own["identityfile"], own["identitiesonly"]) == (str(tmp_path / FOLDER / "key"), "yes")
    users = told(tmp_path, replace(SERVER, own_key=False))
    assert users["identitiesonly"] == "no"
    assert str(tmp_path) not in users["identityfile"]


def test_nobody_is_asked_and_a_dead_connection_is_noticed(tmp_path: Path) -> None:
    given = told(tmp_path)
    wanted = {
        "batchmode": "yes",
        "connecttimeout": "15",
        "serveraliveinterval": "15",
        "serveralivecountmax": "3",
        "clearallforwardings": "yes",
        "forwardagent": "no",
    }
    assert {name: given[name] for name in wanted} == wanted


def test_the_connection_is_shared_at_a_short_path_that_changes_with_the_settings(tmp_path: Path) -> None:
    path = told(tmp_path)["controlpath"]
    assert Path(path).parent == tmp_path / ".ssh"
    assert path.endswith("-monopco")
    assert len(Path(path).name) < 40
    assert told(tmp_path, replace(SERVER, host_key="ssh-ed25519 BBBB"))["controlpath"] != path


def test_other_hosts_are_not_concerned(tmp_path: Path) -> None:
    jump = told(tmp_path, file="config", host="jump.example")
    assert jump["stricthostkeychecking"] != "true"
    assert jump["batchmode"] == "no"
    assert "controlpath" not in jump


def test_the_connection_is_opened_by_our_own_command_before_anybody_connects(tmp_path: Path) -> None:
    config = SERVER.render(Path("/pro 100%"), tmp_path)["config"]
    assert (
        "Match originalhost monopco.fr !exec \"'/pro 100%%/components/ssh/connect' "
        f"'/pro 100%%/{FOLDER}/connection' %n %r\"\n    ProxyCommand false\n"
    ) in config


def test_files_are_the_users_own_and_stay_as_they_are(tmp_path: Path) -> None:
    told(tmp_path)
    folder = tmp_path / FOLDER
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == dict.fromkeys(
        ("config", "connection", "known_hosts", "key"), 0o600
    )
    before = {path: path.stat().st_ino for path in folder.iterdir()}
    told(tmp_path)
    assert {path: path.stat().st_ino for path in folder.iterdir()} == before
    (folder / "key").chmod(0o644)
    WRITE(SERVER, tmp_path, "a key", tmp_path)
    assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600


def test_without_the_key_at_hand_the_one_on_the_disk_stays(tmp_path: Path) -> None:
    WRITE(SERVER, tmp_path, "a key\n\n", tmp_path)
    WRITE(SERVER, tmp_path, None, tmp_path)
    assert SERVER.key_file(tmp_path).read_text() == "a key\n"


@pytest.mark.parametrize("folder", ["plain", "with space"])
def test_the_docker_command_finds_an_ssh_that_adds_the_settings(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    real = tmp_path / folder / "ssh"
    real.write_text('#!/bin/sh\nprintf "%s\\n" "$@" "$PATH"\n')
    real.chmod(0o755)
    wrapper = PROJECT / ssh.WRAPPER
    path = f"{wrapper}{os.pathsep}{real.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, ssh.CONFIG_VARIABLE: "the config"}
    done = subprocess.run(["ssh", "-l", "a", "--", "b"], env=environment, capture_output=True, text=True, check=True)
    # Not the wrapper once more, and whatever ssh starts finds the real one, too.
    assert done.stdout.splitlines() == ["-F", "the config", "-l", "a", "--", "b", path.split(os.pathsep, 1)[1]]
