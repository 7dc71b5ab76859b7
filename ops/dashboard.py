"""`dashboard`: where the page of the monitoring is, and how to get in."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ops.console import output
from ops.errors import CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.pulumi import Pulumi
from ops.stack_file import StackFile


def dashboard(
    stack: StackOption = DEFAULT_STACK,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Print the address of the monitoring's page, the user and the password."""
    StackFile.read(stack)
    pulumi = Pulumi(stack)
    outputs = pulumi.outputs(secrets=True) if pulumi.exists() else {}
    if not outputs.get("dashboard"):
        raise CommandError(
            f"Stack {stack} is not watched. Set monopco:monitoring.enabled to true, and run ./monopco up -s {stack}."
        )
    access = outputs["dashboard"]
    if as_json:
        output.print_json(json.dumps(access))
    else:
        output.print(f"{access['url']}\nuser      {access['user']}\npassword  {access['password']}", markup=False)
