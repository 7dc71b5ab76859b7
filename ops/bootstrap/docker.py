"""Docker on this machine: used where it answers, else installed and started."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from ops.bootstrap import apt
from ops.bootstrap.commands import NOT_FOUND, Report, answer, as_root, find, run
from ops.bootstrap.errors import StepError
from ops.bootstrap.steps import Step
from ops.places import CACHE

NAME = "Docker"
_SOCKET = Path("/var/run/docker.sock")
_PROCESS_FILE = Path("/var/run/docker.pid")
_LOG = CACHE / "dockerd.log"
_START_SECONDS = 60.0


def step() -> Step:
    return Step(NAME, lambda: _refusal() is None, _make)


def version() -> str:
    """The server's version; empty when it does not answer."""
    asked = answer(["docker", "version", "--format", "{{.Server.Version}}"])
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _refusal() -> str | None:
    """Why Docker does not answer, in its own words; None when it does."""
    asked = answer(["docker", "version", "--format", "{{.Server.Version}}"])
    if asked.returncode == 0 and asked.stdout.strip():
        return None
    if asked.returncode == NOT_FOUND:
        return "there is no docker command"
    lines = [line for line in asked.stderr.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "no answer"


def _make(report: Report) -> str:
    refusal = _refusal() or ""
    if host := os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT"):
        raise StepError(
            f"Docker at {host} does not answer ({refusal}); start it there, or unset DOCKER_HOST and DOCKER_CONTEXT"
        )
    if platform.system() != "Linux":
        raise StepError(f"Docker does not answer ({refusal}); start Docker Desktop or another Docker, and try again")
    if "permission denied" in refusal.lower():
        return _admit(report)
    if as_root([]) is None:
        start = "systemctl start docker" if find("dockerd") else "apt-get install docker.io"
        raise StepError(
            f"Docker does not answer ({refusal}); run `sudo {start}; sudo usermod -aG docker $USER` and log in again, "
            "or run ./monopco as root or with sudo that asks no password"
        )
    if find("dockerd") is None or find("docker") is None:
        apt.install(["docker.io", "iptables"], report, optional=["docker-cli"])  # Debian 13 has the client apart
    _start(report)
    return _admit(report)


def _start(report: Report) -> None:
    report("starting dockerd")
    if Path("/run/systemd/system").is_dir():
        run(as_root(["systemctl", "enable", "--now", "docker.service"]) or [], report, log="docker")
        _wait(lambda: False, report)
        return
    _forget_ended_daemon(report)
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    with _LOG.open("ab") as log:
        # A session of its own and none of our locks: it outlives this command.
        daemon = subprocess.Popen(
            as_root([find("dockerd") or "dockerd"]) or [],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _wait(lambda: daemon.poll() is not None, report)


def _wait(ended: Callable[[], bool], report: Report) -> None:
    """Until the daemon answers somebody who may ask it."""
    report("waiting for dockerd")
    deadline = time.monotonic() + _START_SECONDS
    while answer(as_root(["docker", "version"]) or []).returncode != 0:
        if ended() or time.monotonic() > deadline:
            last = "\n".join(f"    {line}" for line in _log().splitlines()[-10:])
            raise StepError(f"dockerd was started and does not answer; it said last\n{last}")
        time.sleep(0.3)


def _log() -> str:
    if Path("/run/systemd/system").is_dir():
        return answer(
            as_root(["journalctl", "--unit=docker.service", "--lines=10", "--no-pager", "--output=cat"]) or []
        ).stdout
    return _LOG.read_text(encoding="utf-8", errors="replace")


def _forget_ended_daemon(report: Report) -> None:
    """A process file that outlived a restart keeps dockerd from starting when its number is taken again."""
    try:
        process = _PROCESS_FILE.read_text(encoding="utf-8").strip()
        name = Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return
    if name != "dockerd":
        run(as_root(["rm", "-f", str(_PROCESS_FILE)]) or [], report, log="docker")


def _admit(report: Report) -> str:
    """Let a user with sudo talk to the daemon: from the next login on by group, until then by owning the socket."""
    if _refusal() is None:
        return version()
    if os.geteuid() == 0 or as_root([]) is None or not _SOCKET.exists():
        raise StepError(
            f"Docker does not answer you ({_refusal()}); run `sudo usermod -aG docker $USER` and log in again"
        )
    user = getpass.getuser()
    run(as_root([shutil.which("usermod") or "/usr/sbin/usermod", "-aG", "docker", user]) or [], report, log="docker")
    run(as_root(["chown", user, str(_SOCKET.resolve())]) or [], report, log="docker")
    if refusal := _refusal():
        raise StepError(f"Docker does not answer you ({refusal}); log in again, so that the group docker is yours")
    return f"{version()}; {user} is in the group docker now"
