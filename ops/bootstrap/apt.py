"""Debian's and Ubuntu's packages."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ops.bootstrap.commands import Report, answer, as_root, find, run
from ops.bootstrap.errors import StepError

_LISTS = Path("/var/lib/apt/lists/partial")  # changes with every `apt-get update`
_LISTS_AGE = 24 * 3600.0  # seconds
_one_at_a_time = threading.Lock()


def available() -> bool:
    return find("apt-get") is not None


def offers(package: str) -> bool:
    """Whether the machine's package lists have `package`."""
    return (
        "Candidate: " in (policy := answer(["apt-cache", "policy", package]).stdout)
        and "Candidate: (none)" not in policy
    )


def install(packages: Sequence[str], report: Report, *, optional: Sequence[str] = ()) -> None:
    """Install packages, and those of `optional` which this release of the distribution has.

    Raises StepError when this machine has no apt, when it may not be used, or with the last lines of what it said.
    """
    command = f"apt-get install {' '.join(packages)}"
    if not available():
        raise StepError(
            f"{' and '.join(packages)} must be installed, and this machine has no apt-get; install them and try again"
        )
    if as_root([]) is None:
        raise StepError(
            f"this needs root: run `sudo {command}`, or run ./monopco as root or with sudo that asks no password"
        )
    with _one_at_a_time:
        _finish_interrupted(report)
        if not _fresh_lists():
            _apt(["update"], report)
        try:
            _install([*packages, *filter(offers, optional)], report)
        except StepError:
            _apt(["update"], report)  # lists that name versions which the mirror no longer has
            _install([*packages, *filter(offers, optional)], report)


def _install(packages: Sequence[str], report: Report) -> None:
    _apt(["install", "--yes", "--no-install-recommends", *packages], report)


def _fresh_lists() -> bool:
    try:
        return time.time() - _LISTS.stat().st_mtime < _LISTS_AGE and any(_LISTS.parent.glob("*_Packages*"))
    except OSError:
        return False


def _finish_interrupted(report: Report) -> None:
    """An installation that was killed leaves packages half configured, and apt refuses to work."""
    if answer(["dpkg", "--audit"]).stdout.strip():
        run(_command(["dpkg", "--configure", "-a"]), report, log="apt")


def _apt(arguments: Sequence[str], report: Report) -> None:
    run(_command(["apt-get", "-o", "DPkg::Lock::Timeout=120", "-o", "Dpkg::Use-Pty=0", *arguments]), report, log="apt")


def _command(command: Sequence[str]) -> list[str]:
    # `env` because sudo drops the environment.
    return as_root(["env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8", *command]) or []
