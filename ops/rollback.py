"""`rollback`: make an earlier release live again."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import typer

from ops import live, proxy, register
from ops.console import output
from ops.errors import MISTAKE, CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.pulumi import Pulumi
from ops.register import Recorded
from ops.stack_file import StackFile


def rollback(
    release: Annotated[
        str, typer.Argument(metavar="[ID]", help="The release; the good one before the live one when it is left out.")
    ] = "",
    stack: StackOption = DEFAULT_STACK,
    *,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            "--accept",
            metavar="SCRIPT",
            help="An SQL script of a later release that this one can live with. May be given several times.",
        ),
    ] = None,
) -> None:
    """Bring back a release as it was: image, configuration and secrets, without building, and without losing a request.

    The database stays as it is; when its schema is ahead of what the release knows, it is refused.
    """
    started = time.monotonic()
    file, pulumi = StackFile.read(stack), Pulumi(stack)
    pulumi.ensure()
    target = _target(file, release)
    if target is None:
        output.print(f"Release {release} is live already.")
        return
    outputs = live.switch_to(file, pulumi, target, accept or ()).outputs
    took = time.monotonic() - started
    output.print(f"\n[bold]Release {outputs.get('release')} is live again[/] [dim]({took:.0f} s)[/]")
    output.print(
        "It stays so until the source or the configuration changes, or until another release is published.", style="dim"
    )


def _target(file: StackFile, wanted: str) -> Recorded | None:
    """The release to go back to; None when it is the live one."""
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(register.recorded, file.name, file.docker_host)
        front = proxy.running(file.name, file.docker_host)
        releases = asked.result()
    if wanted:
        found = register.find(releases, wanted)
        return None if found.id == front.live else found
    by_id = {one.id: one for one in releases}
    for earlier in reversed(front.history):
        if earlier in by_id and earlier != front.live:
            return by_id[earlier]
    others = ", ".join(one.id for one in releases if one.id != front.live) or "none"
    raise CommandError(
        f"No release was live before {front.live or 'the first one'}, so there is none to go back to. "
        f"Name one to go to (there are: {others}).",
        MISTAKE,
    )
