"""`logs`: what the containers say."""

from __future__ import annotations

import enum
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Annotated

import typer

from ops import containers
from ops.containers import Container
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
    tail: Annotated[
        int | None,
        typer.Option("--tail", "-n", min=0, help="Lines of each container to begin with; 100, or all with --request."),
    ] = None,
    release: Annotated[
        str, typer.Option("--release", "-r", metavar="ID", help="Only of this release: its app, and its requests.")
    ] = "",
    request: Annotated[
        str, typer.Option("--request", metavar="ID", help="Only lines with this request id (X-Request-Id).")
    ] = "",
) -> None:
    """Show what the app, the proxy or the database say, each line after its container's name."""
    file = StackFile.read(stack)
    wanted = [component.value] if component else [each.value for each in Component]
    found = [each for each in containers.everywhere(file) if each.component in wanted and _concerns(each, release)]
    if not found:
        what = f"{' or '.join(wanted)}{f' of release {release}' if release else ''}"
        raise CommandError(f"No container of {what} is there in stack {stack}; ./monopco up -s {stack} starts it.")
    width = max(len(each.name) for each in found)
    lines = "all" if tail is None and request else str(100 if tail is None else tail)
    nodes = file.node_hosts
    processes = [
        _start(name, nodes.get(host, file.docker_host), follow=follow, tail=lines)
        for name, _, host in (each.name.partition("@") for each in found)
    ]
    readers = [
        threading.Thread(
            target=_copy,
            args=(process, f"{each.name:<{width}} | " if len(found) > 1 else "", _only(each, release, request)),
        )
        for each, process in zip(found, processes, strict=True)
    ]
    for reader in readers:
        reader.start()
    try:
        for reader in readers:
            reader.join()
    except KeyboardInterrupt:
        for process in processes:
            process.terminate()


def _concerns(container: Container, release: str) -> bool:
    """Whether a container has lines of that release: the proxy tells of all, the database of none."""
    return not release or container.component == "proxy" or container.release.startswith(release)


def _only(container: Container, release: str, request: str) -> Callable[[str], bool]:
    """Which lines of a container are shown."""
    texts = [request] if request else []
    if release and container.component == "proxy":
        texts.append(f'"release":"{release}')
    return lambda line: all(text in line for text in texts)


def _start(name: str, host: str | None, *, follow: bool, tail: str) -> subprocess.Popen[str]:
    command = ["docker", "logs", "--tail", tail, *(["--follow"] if follow else [])]
    return subprocess.Popen(
        [*command, name],
        env=containers.environment_of(host),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def _copy(process: subprocess.Popen[str], prefix: str, shown: Callable[[str], bool]) -> None:
    with process:
        for line in process.stdout or ():
            if shown(line):
                sys.stdout.write(f"{prefix}{line}")
                sys.stdout.flush()
