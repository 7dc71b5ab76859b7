"""`checkpoint`: build and record a release without making it live."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.markup import escape

from ops import checkout, first_contact, live, pin, prune, register, repair
from ops.console import output
from ops.errors import CommandError
from ops.events import own_name
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.pulumi import Pulumi
from ops.register import Recorded
from ops.releases import commit
from ops.stack_file import StackFile

# All that must be done for a record; what serves is left out. A component that is not there yet must be named as well.
_RECORD = (
    *("server", "image", "image-runtime", "image-build", "image-app", "serial", "checkpoint"),
    "server-check",
    "image-runtime-build",
    "image-build-build",
    "image-app-build",
    *("server-base", "image-app-bring"),
    "serial-number",
    "checkpoint-record",
)
# A first checkpoint needs what releases stand on, too; its own containers are the proof, and nobody is sent to them.
_FOUNDATION = (
    *("secrets", "image-database", "network", "database", "usable-schema", "release"),
    *("secrets-owner-password", "secrets-app-password", "secrets-jwt", "secrets-record-key"),
    "secrets-monitor-password",
    *(
        "image-database-build",
        "image-database-bring",
        "network-bridge",
        "database-data",
        "database-server",
        "database-roles",
        "database-check",
    ),
    *("repository", "repository-volume", "repository-settings", "repository-configuration", "secrets-backup-key"),
    *("usable-schema-check", "release-*"),
    *("machine", "machine-*"),  # a server that has not been set up yet
)


def checkpoint(
    message: Annotated[str, typer.Option("--message", "-m", metavar="TEXT", help="What is in it, for the list.")],
    stack: StackOption = DEFAULT_STACK,
    *,
    ref: Annotated[
        str, typer.Option("--ref", metavar="REF", help="Branch, tag or commit of a git source to take from now on.")
    ] = "",
) -> None:
    """Build the source as it is, prove that it starts, and record it as a release. Nothing live changes.

    A git source is resolved to a commit, which is written into the stack's file.
    """
    started = time.monotonic()
    file, pulumi = StackFile.read(stack), Pulumi(stack)
    pulumi.ensure()
    file = checkout.pin(first_contact.pin_host_key(file, pulumi), pulumi, ref)
    checkout.ensure(file)
    live.local_checks(file, pulumi)
    live.fetch_pinned(file)
    repair.interrupted(pulumi, file.docker_host)
    made = _record(file, pulumi)
    register.describe(made, message, file.docker_host)
    prune.prune(file)
    _tell(stack, made, message, time.monotonic() - started)


def _record(file: StackFile, pulumi: Pulumi) -> Recorded:
    """The record of what the source gives now."""
    release = _run(pulumi)
    found = {one.id: one for one in register.recorded(file.name, file.docker_host)}
    if release not in found and (pinned := pin.read(file)):
        # The program has kept to the pinned release, and the source's was never recorded or is gone.
        pin.write(file.name, None)
        try:
            release = _run(pulumi)
        finally:
            pin.write(file.name, pinned)
        found = {one.id: one for one in register.recorded(file.name, file.docker_host)}
    if release not in found:
        raise CommandError(f"The source gives release {release or '(none)'}, but it was not recorded.")
    return found[release]


def _run(pulumi: Pulumi) -> str:
    """Make a record of the source and return its release."""
    there = {own_name(str(resource["urn"])) for resource in pulumi.resources()}
    targets = [*_RECORD, *(() if "release-healthy" in there else _FOUNDATION)]
    arguments = [argument for target in targets for argument in ("--target", f"**::{target}")]
    return str(pulumi.operate("up", arguments).outputs.get("sourceRelease") or "")


def _tell(stack: str, made: Recorded, message: str, seconds: float) -> None:
    origin = f" from {escape(commit(made))}" if commit(made) else ""
    output.print(f"\n[bold]Checkpoint {made.id}[/]{origin}: {escape(message)} [dim]({seconds:.0f} s)[/]")
    output.print(f"  Nothing live has changed; ./monopco publish {made.id} -s {stack} makes it live.")
