"""Options that several verbs take."""

from __future__ import annotations

from typing import Annotated

import typer

StackOption = Annotated[
    str, typer.Option("--stack", "-s", metavar="STACK", help="The environment: a Pulumi.STACK.yaml.")
]
