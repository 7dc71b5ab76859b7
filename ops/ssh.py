"""`ssh`: the stack's server, over the connection that deploys use."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from components.ssh import DEPLOYER, Ssh
from ops import key_file
from ops.errors import MISTAKE, CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK, PROJECT
from ops.stack_file import StackFile


def ssh(
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="[COMMAND]...", help="What to run there; after -- when it has options. A shell if not."),
    ] = None,
    stack: StackOption = DEFAULT_STACK,
    *,
    user: Annotated[str, typer.Option("--user", "-l", metavar="USER", help="Who to be there.")] = DEPLOYER,
) -> None:
    """Open a shell on the stack's server, or run a command there and return its exit code."""
    file = StackFile.read(stack)
    arguments = ["-t"] if sys.stdin.isatty() and sys.stdout.isatty() else ["-T"]
    line = [*_ssh(file, user, arguments), *(command or [])]
    os.chdir(PROJECT)
    os.execvp(line[0], line)


def command(file: StackFile, user: str | None = None) -> list[str]:
    """The command that runs the shell script on its standard input on the stack's server.

    Raises CommandError when the stack has no server.
    """
    return [*_ssh(file, user or DEPLOYER, ["-T"]), "sh -s"]


def node_command(file: StackFile, node: Ssh, user: str) -> list[str]:
    """The same on another server of the stack's swarm."""
    return [*_ssh(file, user, ["-T"], node), "sh -s"]


def _ssh(file: StackFile, user: str, arguments: list[str], node: Ssh | None = None) -> list[str]:
    server = node or _server(file)
    key_file.write(server, file.name, file.value("server", "privateKey"))
    return ["ssh", "-F", str(PROJECT / server.config_file), *arguments, "-l", user, "--", server.host]


def _server(file: StackFile) -> Ssh:
    if file.ssh is None:
        raise CommandError(
            f"Stack {file.name} runs on this machine. A server is named by server.host: "
            f"pulumi config set --stack {file.name} --path monopco:server.host HOST",
            MISTAKE,
        )
    return file.ssh
