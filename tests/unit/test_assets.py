"""The step that gives the proxy the files of a release, and its script against a Docker of the test's own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from recorder import COMMAND, record

from components.assets import Assets, AssetsArgs
from components.step import SCRIPTS

ARGS = AssetsArgs(
    docker_host=None, proxy_container="proxy-id", release="abc", container="app-id", folder="dist/public/assets", keep=5
)
ENVIRONMENT = {
    "PROXY": "proxy-id",
    "RELEASE": "abc",
    "CONTAINER": "app-id",
    "FOLDER": "dist/public/assets",
    "KEEP": "5",
}


def test_the_step_knows_whose_files_go_where_and_is_told_how_many() -> None:
    recording = record(lambda: Assets("assets", ARGS))
    inputs: Any = recording.named("assets-keep", COMMAND).inputs
    assert inputs["environment"] == ENVIRONMENT
    assert recording.outputs(recording.component("Assets")) == {"kept": "printed by assets-keep"}


@pytest.mark.parametrize(
    ("copied", "kept", "expected"),
    [
        ("printf files", "read -r it || [ \"$it\" = files ] && echo 3", (0, "3\n", "")),
        ("echo 'Error: No such container:path: app-id:/app/x' >&2; exit 1", "exit 2",
         (0, "the image has no /app/dist/public/assets\n", "")),
        ("echo 'Could not find the file /app/x in container' >&2; exit 1", "exit 2",
         (0, "the image has no /app/dist/public/assets\n", "")),
        ("echo 'No such container: app-id' >&2; exit 1", "exit 2", (1, "", "No such container: app-id\n")),
        ("printf files", "cat >/dev/null; echo 'no space left' >&2; exit 1", (1, "", "no space left\n")),
        ("printf files; echo 'connection lost' >&2; exit 1", "cat >/dev/null; echo 1", (1, "", "connection lost\n")),
    ],
)  # fmt: skip
def test_an_image_without_such_a_folder_is_no_failure_and_all_else_is(
    tmp_path: Path, copied: str, kept: str, expected: tuple[int, str, str]
) -> None:
    docker = tmp_path / "docker"
    docker.write_text(f"#!/bin/sh\ncase $1 in cp) {copied} ;; exec) {kept} ;; esac\n")
    docker.chmod(0o755)
    variables = {**ENVIRONMENT, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", str(SCRIPTS / "assets" / "keep.sh")], env=variables, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == expected
