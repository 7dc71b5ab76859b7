"""`down`: take the environment away, with or without its data."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from components.ssh import DEPLOYER
from ops.console import output
from ops.errors import MISTAKE, CommandError
from ops.events import count, own_name
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.pulumi import Pulumi
from ops.stack_file import StackFile

# The resources that hold what cannot be made again, and the key to it.
DATA = ("database-data", "restore-points-volume", "repository-volume", "secrets-backup-key")

_PORTS = (("server", "port"), ("http", "httpPort"), ("http", "httpsPort"))


def down(
    stack: StackOption = DEFAULT_STACK,
    *,
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="Leave the database's data for the next `up`.")
    ] = False,
    delete_data: Annotated[
        bool,
        typer.Option("--delete-data", help="Delete the data of a protected stack, too; it cannot be brought back."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove everything `up` made. The data goes, too, unless --keep-data is given or the stack protects it."""
    if keep_data and delete_data:
        raise CommandError("--keep-data and --delete-data contradict each other; give one of them.", MISTAKE)
    file, pulumi = StackFile.read(stack), Pulumi(stack)
    if not pulumi.exists():
        output.print(f"Stack {stack} is not there; nothing to remove.")
        return
    protected = file.value("database", "protect") is True
    keep = keep_data or (protected and not delete_data)
    _confirm(stack, keep=keep, yes=yes)
    pulumi.ensure()
    _set_protection(pulumi, keep=keep)
    outcome = pulumi.operate("destroy", ["--exclude-protected"] if keep else [])
    data = "The data is kept." if keep else "The data is deleted."
    output.print(f"\n[bold]{count(outcome.changed)} removed.[/] {data}" if outcome.changed else "Nothing to remove.")
    if host := file.value("server", "host"):
        ports = ", ".join(str(file.value(*key)) for key in _PORTS)
        output.print(
            f"On {host} stay: the user {DEPLOYER} and all keys, sshd's settings, the firewall with its open ports "
            f"({ports}), fail2ban, the automatic updates, and Docker. The same up uses them again.",
            markup=False,
        )


def _confirm(stack: str, *, keep: bool, yes: bool) -> None:
    if yes or not sys.stdin.isatty():
        return
    question = f"Remove the environment {stack} {'and keep its data' if keep else 'AND DELETE ITS DATA'}?"
    if not typer.confirm(question):
        raise CommandError("Nothing was removed.")


def _set_protection(pulumi: Pulumi, *, keep: bool) -> None:
    """Pulumi itself keeps what is protected in its state, also from a plain `pulumi destroy` until the next `up`."""
    for resource in pulumi.resources():
        if _is_data(resource) and bool(resource.get("protect")) is not keep:
            pulumi.protect(resource["urn"], protected=keep)


def _is_data(resource: dict[str, Any]) -> bool:
    return own_name(str(resource["urn"])) in DATA
