"""`python3 -m ops.bootstrap VERB …`: prepare what VERB needs, then become `python -m ops VERB …` of the environment."""

from __future__ import annotations

import os
import re
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
from ops.places import CACHE, DEFAULT_STACK, PROJECT, VENV

_EVERYTHING = frozenset({"pulumi", "docker", "base image"})
_NEEDS = {
    "up": _EVERYTHING,
    "preview": _EVERYTHING,
    "env": _EVERYTHING,
    "env list": frozenset({"pulumi"}),
    "env remove": frozenset({"pulumi", "docker"}),
    "env reconcile": frozenset({"pulumi", "docker"}),
    "down": frozenset({"pulumi", "docker"}),
    "checkpoint": _EVERYTHING,
    "publish": _EVERYTHING,
    "rollback": _EVERYTHING,
    "status": frozenset({"pulumi"}),
    "ssh": frozenset({"pulumi"}),
    "test": _EVERYTHING | {"tests"},
    "test unit": frozenset({"pulumi", "tests"}),
}
# A shell can be set up for a stack on another machine where this one has no Docker.
_DOCKER_IS_OPTIONAL = frozenset({"env"})
# Nothing is built by these, so that a stack on a server needs no Docker here.
_BUILDS_NOTHING = frozenset({"down", "publish", "rollback", "status"})
_STACK_OPTION = re.compile(r"(?:-s|--stack)(?:=|$)(.*)")


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
    _judge(failures, optional=docker_is_optional(arguments))
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


def docker_is_optional(arguments: Sequence[str], project: Path = PROJECT) -> bool:
    """Whether the command can do without a Docker of this machine: its stack lives on a server and is built there.

    The stack's file is only searched, because there may be no YAML reader yet; the program reads it properly.
    """
    if not arguments or arguments[0] in _DOCKER_IS_OPTIONAL:
        return bool(arguments)
    path = project / f"Pulumi.{_stack(arguments)}.yaml"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    on_server = re.search(r"^\s+monopco:server:\s*\n(?:\s{4,}.*\n)*?\s{4,}host: *\S", text, re.MULTILINE)
    built_there = re.search(r"^\s+buildOn: *[\"']?server\b", text, re.MULTILINE)
    return bool(on_server) and (arguments[0] in _BUILDS_NOTHING or bool(built_there))


def _stack(arguments: Sequence[str]) -> str:
    for number, argument in enumerate(arguments):
        if match := _STACK_OPTION.fullmatch(argument):
            return match[1] or (arguments[number + 1] if number + 1 < len(arguments) else "")
    return DEFAULT_STACK


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
