"""The Python environment in .venv, and the pinned packages in it."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

from ops.bootstrap import apt
from ops.bootstrap.commands import Report, run
from ops.bootstrap.errors import StepError
from ops.bootstrap.stamps import Stamp, key
from ops.bootstrap.steps import Step
from ops.places import PROJECT, VENV

NAME = "Python"
PROGRAM = VENV / "bin" / "python3"

_MADE, _FILLED, _TESTS = Stamp("python"), Stamp("python-packages"), Stamp("python-tests")


def steps(*, with_tests: bool) -> list[Step]:
    """The environment, and the packages in it: those for the tests only where they are asked for."""
    environment = Step(NAME, _has_environment, _make_environment)
    wanted = [("Python packages", _FILLED, PROJECT / "requirements.txt")]
    if with_tests:
        wanted.append(("Python packages for tests", _TESTS, PROJECT / "requirements-dev.txt"))
    names = [name for name, _, _ in wanted]
    return [environment, *(_packages(*each, after=(NAME, *names[:at])) for at, each in enumerate(wanted))]


def _packages(name: str, stamp: Stamp, requirements: Path, after: tuple[str, ...]) -> Step:
    current = key(_environment_key(), PROJECT / "requirements.txt", requirements)

    def make(report: Report) -> str:
        stamp.begin()
        pip = [str(PROGRAM), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        run([*pip, "install", "--progress-bar=off", "-r", str(requirements)], report, log="pip")
        stamp.done(current)
        return ""

    return Step(name, lambda: stamp.fits(current) and _has_environment(), make, after)


def _environment_key() -> str:
    """Scripts in an environment name its path and its Python: moved or upgraded, it is made anew."""
    return key(str(VENV), sys.version)


def _has_environment() -> bool:
    """Not after a killed pip: it leaves packages that look installed and are not whole."""
    interrupted = _FILLED.interrupted() or _TESTS.interrupted()
    return _MADE.fits(_environment_key()) and PROGRAM.exists() and not interrupted


def _make_environment(report: Report) -> str:
    _MADE.begin()
    for stamp in (_FILLED, _TESTS):
        stamp.forget()
    _create(report)
    _MADE.done(_environment_key())
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _create(report: Report) -> None:
    if os.pathsep in str(VENV):
        raise StepError(
            f"the project's path {PROJECT} contains a {os.pathsep!r}, which PATH cannot hold; move the project"
        )
    # Never the environment's own Python, which --clear removes.
    base = getattr(sys, "_base_executable", sys.executable)
    if importlib.util.find_spec("ensurepip") is None:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        apt.install([f"{version}-venv"], report)
    run([base, "-m", "venv", "--clear", str(VENV)], report, log="pip")
