"""`maintenance`: show visitors a page instead of the app."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from ops import proxy
from ops.console import output
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.stack_file import StackFile


class Wanted(str, enum.Enum):
    """What maintenance is to be."""

    ON = "on"
    OFF = "off"


def maintenance(
    wanted: Annotated[Wanted, typer.Argument(metavar="on|off", help="on answers 503 with a page; off ends that.")],
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Answer every visitor with 503 and a page, or stop doing so. Deploys go on meanwhile."""
    file = StackFile.read(stack)
    for host in (file.docker_host, *file.node_hosts.values()):
        proxy.running(stack, host).run("maintenance", wanted.value)
    output.print("Visitors get the maintenance page." if wanted is Wanted.ON else "Visitors get the app again.")
