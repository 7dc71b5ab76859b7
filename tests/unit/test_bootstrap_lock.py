"""Two runs do not prepare the project at the same time."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ops.bootstrap import lock
from ops.places import PROJECT

HOLDER = """
import subprocess, sys, time
from pathlib import Path
from ops.bootstrap import lock
with lock.held(Path(sys.argv[1])):
    child = subprocess.Popen(["sleep", "600"], pass_fds=lock.inherited()) if len(sys.argv) > 2 else None
    print(child.pid if child else "held", flush=True)
    time.sleep(600)
"""
WAITER = """
import sys
from pathlib import Path
from ops.bootstrap import lock
with lock.held(Path(sys.argv[1])):
    print("held", flush=True)
"""


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, cwd=PROJECT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def line(process: subprocess.Popen[str], name: str) -> str:
    stream = getattr(process, name)
    return str(stream.readline())


def test_the_second_run_says_for_whom_it_waits_and_goes_on_after_it(tmp_path: Path) -> None:
    with start(HOLDER, str(tmp_path / "lock")) as first:
        line(first, "stdout")
        with start(WAITER, str(tmp_path / "lock")) as second:
            told = line(second, "stderr")
            first.terminate()
            first.wait()
            assert line(second, "stdout") == "held\n"
    assert told.startswith(f"Another ./monopco (process {first.pid}, since ")


def test_the_lock_of_a_killed_run_is_free(tmp_path: Path) -> None:
    with start(HOLDER, str(tmp_path / "lock")) as first:
        line(first, "stdout")
        first.send_signal(signal.SIGKILL)
        first.wait()
    with lock.held(tmp_path / "lock"):
        pass


def test_the_lock_of_a_killed_run_is_kept_by_the_program_it_left_behind(tmp_path: Path) -> None:
    with start(HOLDER, str(tmp_path / "lock"), "with a child") as first:
        child = line(first, "stdout").strip()
        first.send_signal(signal.SIGKILL)
        first.wait()
    with start(WAITER, str(tmp_path / "lock")) as second:
        assert "waiting" in line(second, "stderr")
        subprocess.run(["kill", child], check=True)
        assert line(second, "stdout") == "held\n"


def test_nothing_is_inherited_outside_the_lock(tmp_path: Path) -> None:
    with lock.held(tmp_path / "lock"):
        assert len(lock.inherited()) == 1
    assert lock.inherited() == ()


def test_the_lock_is_let_go_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="broken"), lock.held(tmp_path / "lock"):
        raise RuntimeError("broken")
    with lock.held(tmp_path / "lock"):
        pass
