"""Programs that the steps start: output kept in a log, last lines shown when they fail, none left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from ops.bootstrap.errors import StepError
from ops.bootstrap.lock import inherited
from ops.places import CACHE

Report = Callable[[str], None]  # tells what a step is doing right now, in a few words

NOT_FOUND, NO_ANSWER = 127, 124  # exit codes, as a shell and timeout(1) have them
_LAST_LINES = 15
_running: set[subprocess.Popen[str]] = set()
_stopping = threading.Event()


def run(command: Sequence[str], report: Report, *, log: str, env: Mapping[str, str] | None = None) -> None:
    """Run `command` to its end. Raises StepError with its last lines when it fails."""
    last: deque[str] = deque(maxlen=_LAST_LINES)
    process, output = start(command, env=env)
    log_file = CACHE / "logs" / f"{log}.log"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("a", encoding="utf-8") as file:
        file.write(f"\n$ {' '.join(command)}\n")
        for line in output:
            file.write(line)
            if line.strip():
                last.append(line.rstrip())
                report(line.strip())
    if finish(process) != 0:
        shown = "\n".join(f"    {line}" for line in last)
        raise StepError(
            f"`{' '.join(command)}` failed (exit code {process.returncode}); it ended with\n{shown}\n"
            f"  All of it: {log_file}"
        )


def start(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> tuple[subprocess.Popen[str], IO[str]]:
    """Start `command` in a session of its own, so that an interrupt of ours reaches all that it started.

    Gives the process and its output.
    """
    if _stopping.is_set():
        raise StepError("interrupted")
    process = subprocess.Popen(
        command,
        env=None if env is None else {**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        pass_fds=inherited(),
    )
    _running.add(process)
    if process.stdout is None:
        raise AssertionError("stdout was asked for")
    return process, process.stdout


def finish(process: subprocess.Popen[str]) -> int:
    """Wait for a started program; its exit code."""
    try:
        with process:  # closes its output, too
            return process.wait()
    finally:
        _running.discard(process)


def answer(
    command: Sequence[str], seconds: float = 15, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What a short question to a program gives; NOT_FOUND or NO_ANSWER when it gives nothing."""
    try:
        return subprocess.run(
            command,
            env=None if env is None else {**os.environ, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except (FileNotFoundError, PermissionError) as error:
        return subprocess.CompletedProcess(command, NOT_FOUND, "", str(error))
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, NO_ANSWER, "", f"no answer within {seconds:g} seconds")


def stopping() -> bool:
    """Whether the programs have been told to end."""
    return _stopping.is_set()


def stop_all() -> None:
    """End every program that is running, kindly first."""
    _stopping.set()
    for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 1.0)):
        alive = [process for process in list(_running) if process.poll() is None]
        for process in alive:
            try:
                os.killpg(process.pid, number)
            except (ProcessLookupError, PermissionError):  # ended meanwhile, or sudo's, which passes signals on itself
                process.terminate()
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and any(process.poll() is None for process in alive):
            time.sleep(0.05)


def as_root(command: Sequence[str]) -> list[str] | None:
    """`command` with what makes it run as root without asking, or None when that is not possible."""
    if os.geteuid() == 0:
        return list(command)
    if shutil.which("sudo") and answer(["sudo", "-n", "true"]).returncode == 0:
        return ["sudo", "-n", *command]
    return None


def find(program: str) -> str | None:
    """Where `program` is, also in the folders for root's programs, which a user's PATH may lack."""
    folders = [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"]
    return shutil.which(program, path=os.pathsep.join(folders))


def remove_as_root(folder: Path, report: Report) -> None:
    """Remove a folder of root's, never what an interrupted debootstrap left mounted in it (/proc)."""
    if not folder.exists():
        return
    mounts = [
        line.split()[1].replace("\\040", " ") for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    ]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{folder}/")), reverse=True):
        run(as_root(["umount", "--lazy", mount]) or [], report, log="base-image")
    run(as_root(["rm", "-rf", "--one-file-system", str(folder)]) or [], report, log="base-image")
