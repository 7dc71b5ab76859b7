"""`logs`: what the containers say."""

from __future__ import annotations

import enum
import subprocess
import sys
import threading
from typing import Annotated

import typer

from ops import containers
from ops.errors import CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.stack_file import StackFile


class Component(str, enum.Enum):
    """What can be asked for its log."""

    APP = "app"
    PROXY = "proxy"
    DATABASE = "database"


def logs(
    component: Annotated[Component | None, typer.Argument(help="All of them when it is left out.")] = None,
    stack: StackOption = DEFAULT_STACK,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as new lines come.")] = False,
    tail: Annotated[int, typer.Option("--tail", "-n", min=0, help="Lines of each container to begin with.")] = 100,
) -> None:
    """Show what the app, the proxy or the database say, each line after its container's name."""
    StackFile.read(stack)
    wanted = [component.value] if component else [each.value for each in Component]
    found = [each.name for each in containers.of_stack(stack) if each.component in wanted]
    if not found:
        raise CommandError(
            f"No container of {' or '.join(wanted)} is there in stack {stack}; ./monopco up -s {stack} starts it."
        )
    width = max(map(len, found))
    processes = [_start(name, follow=follow, tail=tail) for name in found]
    readers = [
        threading.Thread(target=_copy, args=(process, f"{name:<{width}} | " if len(found) > 1 else ""))
        for name, process in zip(found, processes, strict=True)
    ]
    for reader in readers:
        reader.start()
    try:
        for reader in readers:
            reader.join()
    except KeyboardInterrupt:
        for process in processes:
            process.terminate()


def _start(name: str, *, follow: bool, tail: int) -> subprocess.Popen[str]:
    command = ["docker", "logs", "--tail", str(tail), *(["--follow"] if follow else []), name]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )


def _copy(process: subprocess.Popen[str], prefix: str) -> None:
    for line in process.stdout or ():
        sys.stdout.write(f"{prefix}{line}")
        sys.stdout.flush()
    process.wait()
