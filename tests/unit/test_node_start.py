"""How the app's image starts and ends the app."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest
from recorder import PROJECT

START = str(PROJECT / "images" / "node" / "start")
# Ends with 7 after it has said goodbye.
APP = "trap 'echo goodbye; exit 7' TERM; echo up; while :; do /bin/sleep 0.05; done"


def begin(folder: Path, **environment: str) -> subprocess.Popen[str]:
    """The app, once it is up; `sleep` only notes for how long."""
    fake = folder / "sleep"
    fake.write_text('#!/bin/sh\necho "waited $1"\n')
    fake.chmod(stat.S_IRWXU)
    started = subprocess.Popen(
        ["sh", START, "sh", "-c", APP],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout
    assert started.stdout.readline() == "up\n"
    return started


@pytest.mark.parametrize(
    ("environment", "said"), [({}, "goodbye\n"), ({"STOP_DELAY": "5"}, "waited 5\ngoodbye\n")], ids=["at once", "later"]
)
def test_the_app_is_told_to_stop_and_its_exit_code_is_kept(
    tmp_path: Path, environment: dict[str, str], said: str
) -> None:
    with begin(tmp_path, **environment) as started:
        started.send_signal(signal.SIGTERM)
        assert started.communicate()[0] == said
        assert started.returncode == 7


def test_an_app_that_ends_by_itself_is_not_waited_for(tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", START, "sh", "-c", "exit 3"], env={**os.environ, "STOP_DELAY": "600"}, check=False, cwd=tmp_path
    )
    assert done.returncode == 3
