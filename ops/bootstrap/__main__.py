"""`python3 -m ops.bootstrap VERB …`: prepare what VERB needs, then become `python -m ops VERB …` of the environment."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from ops.bootstrap import base_image, docker, lock, pulumi, python, state, steps
from ops.bootstrap.commands import stop_all
from ops.bootstrap.errors import StepError
from ops.environment import variables
from ops.places import CACHE, VENV

_EVERYTHING = frozenset({"pulumi", "docker", "base image"})
_NEEDS = {
    "up": _EVERYTHING,
    "preview": _EVERYTHING,
    "env": _EVERYTHING,
    "down": frozenset({"pulumi", "docker"}),
    "checkpoint": _EVERYTHING,
    "publish": _EVERYTHING,
    "rollback": _EVERYTHING,
    "status": frozenset({"pulumi"}),
    "test": _EVERYTHING | {"tests"},
    "test unit": frozenset({"pulumi", "tests"}),
}
# A shell can be set up for a stack on another machine where this one has no Docker.
_DOCKER_IS_OPTIONAL = frozenset({"env"})


def needs(arguments: Sequence[str]) -> frozenset[str]:
    """What a command line needs beyond the Python packages: nothing more for help, unknown verbs and wrong usage."""
    if not arguments or "--help" in arguments:
        return frozenset()
    return _NEEDS.get(" ".join(arguments[:2]), _NEEDS.get(arguments[0], frozenset()))


def main(arguments: Sequence[str]) -> NoReturn:
    """Become the command, or exit with a message."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        made = prepare(arguments)
    except KeyboardInterrupt:
        print("Interrupted; the next ./monopco goes on from here.", file=sys.stderr)
        sys.exit(130)
    except StepError as error:
        print(f"monopco: {error}", file=sys.stderr)
        sys.exit(1)
    python_program = str(VENV / "bin" / "python3")
    if not made and Path(sys.prefix) == VENV:
        _go_on(arguments)
    os.execve(python_program, [python_program, "-m", "ops", *arguments], {**os.environ, **variables(os.environ)})


def _go_on(arguments: Sequence[str]) -> NoReturn:
    """Run the command in this very process, which is the environment's Python already: a second start costs 60 ms."""
    from ops.__main__ import main as command  # noqa: PLC0415

    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.update(variables(os.environ))
    sys.argv = ["./monopco", *arguments]
    command()
    sys.exit(0)


def prepare(arguments: Sequence[str]) -> bool:
    """Make what is missing; whether anything was. Raises StepError with all that the command cannot do without."""
    wanted = _steps(needs(arguments))
    if not steps.missing(wanted):
        return False
    with lock.held(CACHE / "lock"):
        missing = steps.missing(wanted)  # another run may have made it while this one waited
        display = steps.Display()
        try:
            failures = steps.make(missing, display)
        except BaseException:
            stop_all()
            raise
        finally:
            display.close()
    _judge(failures, optional=bool(arguments) and arguments[0] in _DOCKER_IS_OPTIONAL)
    return True


def _steps(wanted: frozenset[str]) -> list[steps.Step]:
    chosen = [state.step(os.environ), *python.steps(with_tests="tests" in wanted)]
    if "pulumi" in wanted:
        chosen.append(pulumi.step())
    if "docker" in wanted:
        chosen.append(docker.step())
    if "base image" in wanted:
        chosen.append(base_image.step())
    return chosen


def _judge(failures: dict[str, StepError], *, optional: bool) -> None:
    told = {name: str(error) for name, error in failures.items() if not str(error).startswith("not made")}
    forgiven = {docker.NAME, base_image.NAME} if optional else set()
    for name in forgiven & told.keys():
        print(f"monopco: {told.pop(name)}", file=sys.stderr)
    if told:
        raise StepError("\n".join(told.values()))


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main(sys.argv[1:])
