"""What is looked at before a stack is changed, so that a mistake is told before anything is touched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ops import containers, ports
from ops.console import notes
from ops.errors import MISTAKE, CommandError
from ops.pulumi import Pulumi
from ops.stack_file import StackFile

# The images of the app with their build cache, and as much again for the next release.
FREE_DISK_BYTES = 3 * 2**30
_PORTS = ("httpPort", "httpsPort")


def is_local(stack: StackFile) -> bool:
    """Whether the stack's containers run on this machine."""
    return not stack.value("server", "host") and os.environ.get("DOCKER_HOST", "unix://").startswith("unix://")


def check_disk(free: int, folder: str) -> None:
    """Raises CommandError when fewer than 3 GB are free where Docker keeps its images."""
    if free < FREE_DISK_BYTES:
        raise CommandError(
            f"The disk is almost full: {free / 2**30:.1f} GB are free in {folder}, where Docker keeps its images, and "
            f"{FREE_DISK_BYTES / 2**30:.0f} GB are needed. `docker system df` shows what takes the space."
        )


def docker_disk() -> None:
    """Check the disk of this machine's Docker, as far as it can be seen."""
    folder = containers.docker(["info", "--format", "{{.DockerRootDir}}"]).strip()
    if Path(folder).is_dir():
        check_disk(shutil.disk_usage(folder).free, folder)


def settle_ports(stack: StackFile, pulumi: Pulumi) -> dict[str, tuple[int, int]]:
    """Move ports that others have to free ones, in the stack's file; those that moved, from and to.

    Raises CommandError when the stack's file names the port itself: then somebody wants it so.
    """
    if stack.value("temporary", "front"):
        return {}  # another stack's proxy has them
    own = {port for each in containers.of_stack(stack.name) if each.component == "proxy" for port in each.ports}
    address = str(stack.value("http", "address"))
    wanted = {key: stack.value("http", key) for key in _PORTS}
    moved: dict[str, tuple[int, int]] = {}
    for key, port in wanted.items():
        if not isinstance(port, int) or not 0 < port < 2**16 or port in own or ports.is_free(address, port):
            continue  # what is no port is reported with all other mistakes
        if stack.gives("http", key):
            raise CommandError(_taken(stack.name, key, port), MISTAKE)
        others = [*wanted.values(), *(to for _, to in moved.values())]
        free = ports.next_free(port, lambda candidate: ports.is_free(address, candidate), others)
        if free is None:
            raise CommandError(_taken(stack.name, key, port), MISTAKE)
        moved[key] = (port, free)
    if moved:
        pulumi.check()  # mistakes are told before the file is written
    for key, (port, free) in moved.items():
        pulumi.set_config(f"monopco:http.{key}", str(free))
        notes.print(
            f"Port {port} is taken by {_holder(port)}; {key} is {free} now (written to Pulumi.{stack.name}.yaml)."
        )
    return moved


def _taken(stack: str, key: str, port: int) -> str:
    return (
        f"http.{key}: port {port} is taken by {_holder(port)}. Stop it, or choose another port: "
        f"pulumi config set --stack {stack} --path monopco:http.{key} PORT"
    )


def _holder(port: int) -> str:
    container = containers.publisher(port)
    return f"the container {container}" if container else ports.listener(port) or "another process"
