"""`up`: make the environment as its stack file says."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.markup import escape

from ops import checkout, live, pin, repair
from ops.console import output
from ops.events import Outcome, count
from ops.options import StackOption
from ops.places import DEFAULT_STACK, PROJECT, STATE
from ops.pulumi import Pulumi
from ops.stack_file import StackFile


def up(
    stack: StackOption = DEFAULT_STACK,
    *,
    from_source: Annotated[
        bool, typer.Option("--from-source", help="Let go of a release that publish or rollback has pinned.")
    ] = False,
) -> None:
    """Build, start and switch to what the stack file and the source say now. Changes nothing when nothing differs.

    A release that publish or rollback made live stays live until source or configuration give something new.
    """
    started = time.monotonic()
    file, pulumi = StackFile.read(stack), Pulumi(stack)
    pulumi.ensure()
    if from_source:
        pin.write(stack, None)
        file = StackFile.read(stack)
    checkout.ensure(file)
    live.fetch_pinned(file)
    live.local_checks(file, pulumi)
    repair.interrupted(pulumi, file.docker_host)
    outcome = pulumi.operate("up")
    live.settle(stack, outcome)
    _tell(stack, outcome, time.monotonic() - started)


def _tell(stack: str, outcome: Outcome, seconds: float) -> None:
    outputs = outcome.outputs
    did = f"{count(outcome.changed)} changed" if outcome.changed else "Nothing to change"
    output.print(f"\n[bold]{did}[/] [dim]({seconds:.0f} s)[/]")
    for label, value in (("URL", outputs.get("url")), ("Release", outputs.get("release"))):
        if value:
            output.print(f"  {label:<9}[bold]{escape(str(value))}[/]")
    if authority := outputs.get("caCertificate"):
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
