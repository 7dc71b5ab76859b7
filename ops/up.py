"""`up`: make the environment as its stack file says."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape

from ops import backup_key, checkout, dns, drift, first_contact, live, pin, repair, state_copy
from ops.console import notes, output
from ops.errors import CommandError
from ops.events import Outcome, count
from ops.options import StackOption
from ops.places import DEFAULT_STACK, PROJECT, STATE
from ops.pulumi import Pulumi
from ops.stack_file import StackFile
from ops.turn import Turn


def up(
    stack: StackOption = DEFAULT_STACK,
    *,
    from_source: Annotated[
        bool, typer.Option("--from-source", help="Let go of a release that publish or rollback has pinned.")
    ] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Ask Docker what is really there, first, and make anew what is not.")
    ] = False,
    wait: Annotated[
        int, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for another run on this stack.")
    ] = 0,
    lease: Annotated[
        int | None,
        typer.Option(
            "--lease",
            metavar="MINUTES",
            min=1,
            help="For pipelines: the time limit of a job; an older lock of the same user is abandoned.",
        ),
    ] = None,
) -> None:
    """Build, start and switch to what the stack file and the source say now. Changes nothing when nothing differs.

    A release that publish or rollback made live stays live until source or configuration give something new.
    """
    started = time.monotonic()
    turn = Turn(timedelta(seconds=wait), None if lease is None else timedelta(minutes=lease))
    file, pulumi = StackFile.read(stack), Pulumi(stack, turn)
    pulumi.ensure()
    if from_source:
        pin.write(stack, None)
        file = StackFile.read(stack)
    file = first_contact.pin_host_key(file, pulumi)
    checkout.ensure(file)
    live.fetch_pinned(file)
    live.local_checks(file, pulumi)
    repair.interrupted(pulumi, file.docker_host)
    found = drift.of_stack(file, pulumi) if file.value("server", "host") else []
    found += _records(file)
    drift.tell(found, "made as it was again")
    outcome = pulumi.operate("up", [*(["--refresh"] if refresh else []), *drift.replacing(found)])
    live.settle(stack, outcome)
    if refresh:
        drift.leave(file, 0)
    _tell(stack, outcome, time.monotonic() - started)
    backup_key.keep(stack, pulumi, outcome.outputs)
    state_copy.push(file)


def _records(file: StackFile) -> list[drift.Finding]:
    """The DNS records that were changed by hand; told to the steps that mend them, or they would respect that."""
    if file.value("dns", "mode") == "manual":
        return []
    try:
        changed = dns.drifted(file.name)
    except CommandError as error:
        # A deploy must not wait for a name server.
        notes.print(f"[yellow]warning[/] whether DNS records were changed by hand is not known: {escape(str(error))}")
        return []
    os.environ["MONOPCO_MEND"] = "\n".join(each.record for each in changed)
    return [drift.Finding(each.urn, (each.what,)) for each in changed]


def _tell(stack: str, outcome: Outcome, seconds: float) -> None:
    outputs = outcome.outputs
    did = f"{count(outcome.changed)} changed" if outcome.changed else "Nothing to change"
    output.print(f"\n[bold]{did}[/] [dim]({seconds:.0f} s)[/]")
    for label, value in (("URL", outputs.get("url")), ("Release", outputs.get("release"))):
        if value:
            output.print(f"  {label:<9}[bold]{escape(str(value))}[/]")
    if front := StackFile.read(stack).value("temporary", "front"):
        output.print(f"  {'Trust':<9}what {escape(str(front))} asks to be trusted")
    elif authority := outputs.get("caCertificate"):
        _tell_trust(stack, authority, outputs.get("url"))


def _tell_trust(stack: str, authority: Any, url: Any) -> None:
    """How to make this machine trust the stack's own certificate authority, which is left in a file for that."""
    path = STATE / f"ca-{stack}.crt"
    if not isinstance(authority, str) or not authority.startswith("-----BEGIN CERTIFICATE-----"):
        return
    if not path.exists() or path.read_text(encoding="utf-8") != authority:
        path.write_text(authority, encoding="utf-8")
    shown, installed = path.relative_to(PROJECT), f"/usr/local/share/ca-certificates/monopco-{stack}.crt"
    output.print(f"  {'Trust':<9}curl --cacert {shown} {escape(str(url))}")
    output.print(f"           in a browser: import {shown} as an authority")
    output.print(f"           all of Debian: sudo cp {shown} {installed} && sudo update-ca-certificates")
