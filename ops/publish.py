"""`publish`: make a checkpoint live."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.markup import escape

from ops import live, proxy, register
from ops.console import output
from ops.errors import MISTAKE, CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.pulumi import Pulumi
from ops.stack_file import StackFile


def publish(
    release: Annotated[
        str,
        typer.Argument(metavar="[ID]", help="The release, by its id or the beginning of it; the newest when left out."),
    ] = "",
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Give the requests to a release that a checkpoint has recorded. Nothing is built."""
    started = time.monotonic()
    file, pulumi = StackFile.read(stack), Pulumi(stack)
    pulumi.ensure()
    releases = register.recorded(stack, file.docker_host)
    if not releases:
        raise CommandError(
            f"There is no release to publish; ./monopco checkpoint -m TEXT -s {stack} makes one.", MISTAKE
        )
    target = register.find(releases, release) if release else releases[0]
    front = proxy.of_stack(stack, file.docker_host)
    if front and front.live == target.id:
        output.print(f"Release {target.id} is live already.")
        return
    live.local_checks(file, pulumi)
    outputs = live.switch_to(file, pulumi, target).outputs
    took = time.monotonic() - started
    about = f" {escape(target.description)}" if target.description else ""
    output.print(f"\n[bold]Release {outputs.get('release')} is live[/]{about} [dim]({took:.0f} s)[/]")
    output.print(f"  URL      [bold]{escape(str(outputs.get('url')))}[/]")
