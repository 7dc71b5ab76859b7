"""`secrets`: make a secret anew, or take a new value for one, while visitors go on."""

from __future__ import annotations

import enum
import subprocess
import sys
from datetime import datetime, timezone
from typing import Annotated

import typer

from ops.console import output
from ops.errors import MISTAKE, CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK, PROJECT
from ops.pulumi import Pulumi
from ops.stack_file import StackFile
from ops.up import up

GENERATED = ("database", "jwt")


class Action(str, enum.Enum):
    """What can be done to a secret."""

    ROTATE = "rotate"


def secrets(
    action: Annotated[Action, typer.Argument(metavar="rotate", help="Replace it and deploy.")],
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="database, jwt, or a name in app.secrets, whose value is asked for or read."
        ),
    ],
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Replace a secret by a new one, deploy it, and lock the old one out. No request is lost.

    The password of the database and the key of the sessions are generated. The value of one in app.secrets, and the URL
    of an external database, come by standard input. A new key of the sessions signs everybody out.
    """
    del action
    file, pulumi = StackFile.read(stack), Pulumi(stack)
    if file.value("pinned", "release") and name != "database":
        raise CommandError(
            f"Release {file.value('pinned', 'release')} is pinned and brings back its own {name}; "
            f"./monopco up -s {stack} --from-source lets go of it. Then rotate {name}.",
            MISTAKE,
        )
    pulumi.ensure()
    external = file.value("database", "mode") == "external"
    if name in GENERATED and not (name == "database" and external):
        before = str(file.value("rotation", name))
        pulumi.set_config(f"monopco:rotation.{name}", following(before))
    elif name == "database":
        _set_secret(stack, "monopco:database.url", _value("the database's new URL"))
    elif name in (file.value("app", "secrets") or []):
        _set_secret(stack, f"monopco:{name}", _value(name))
    else:
        known = ", ".join([*GENERATED, *(file.value("app", "secrets") or [])])
        raise CommandError(f"There is no secret {name} in stack {stack}; there are: {known}.", MISTAKE)
    output.print(f"{name} is set anew in Pulumi.{stack}.yaml; deploying it.")
    up(stack)


def following(rotation: str) -> str:
    """The value after a rotation's: the next number, or the time where it is not a number."""
    return str(int(rotation) + 1) if rotation.isdecimal() else datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def _value(what: str) -> str:
    """From the terminal, unseen, or else all of standard input."""
    value = typer.prompt(what, hide_input=True) if sys.stdin.isatty() else sys.stdin.read()
    if not str(value).strip():
        raise CommandError(f"Standard input gives no value for {what}.", MISTAKE)
    return str(value).rstrip("\n")


def _set_secret(stack: str, path: str, value: str) -> None:
    """By standard input: an argument could be seen by everybody on this machine."""
    command = ["pulumi", "config", "set", "--secret", "--path", path, "--stack", stack, "--non-interactive"]
    done = subprocess.run(command, cwd=PROJECT, input=value, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandError(f"Pulumi did not take the value: {done.stderr.strip()}")
