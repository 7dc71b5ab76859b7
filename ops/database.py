"""A stack's database as day-2 commands reach it: in its container, or elsewhere through a container of our image.

No password is in an argument: in the container the way in is its own socket, elsewhere it is a file that came by
standard input.
"""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from components.connection import Connection
from components.database import DATABASE, OWNER_ROLE, READER_ROLE
from ops import containers
from ops.errors import CommandError
from ops.pulumi import Pulumi
from ops.stack_file import StackFile

SUPERUSER = "postgres"
ROLES = {"read": READER_ROLE, "write": OWNER_ROLE, "all": SUPERUSER}
_CLIENT = "client"


@dataclass(frozen=True)
class Reach:
    """Where a program of PostgreSQL is run."""

    host: str | None
    container: str
    external: bool

    def command(
        self, program: str, *arguments: str, role: str = "all", database: str = "", tty: bool = False
    ) -> list[str]:
        """The command line that runs `program` on the database, or on another one of the same server.

        `role` is read, write or all; elsewhere the URL decides.
        """
        options = ["--interactive", *(["--tty"] if tty else [])]
        begin = [*containers.client(self.host), "exec", *options]
        if self.external:
            begin += ["--env", "PSQLRC=/run/psqlrc"]
            return [*begin, self.container, "connected", program, "--no-password", *arguments]
        who = [f"--username={ROLES[role]}", f"--dbname={database or DATABASE}"]
        return [*begin, "--user", SUPERUSER, self.container, program, *who, *arguments]

    def write(self, path: str, text: str) -> None:
        """A file in the container, in one of its folders that are not kept."""
        into = ["sh", "-c", 'cat >"$1"', "sh", path]
        command = [*containers.client(self.host), "exec", "--interactive", self.container, *into]
        subprocess.run(command, input=text, text=True, check=True)

    def free_bytes(self, folder: str) -> int:
        """Room on the disk that has this folder of the container."""
        said = containers.docker(["exec", self.container, "df", "--output=avail", "--block-size=1", folder], self.host)
        return int(said.split()[-1])

    def ask(self, sql: str, *, database: str = "") -> list[str]:
        """The rows that a query gives, columns divided by |. Raises CommandError with the server's words."""
        arguments = ("--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-")
        command = self.command("psql", *arguments, database=database)
        done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CommandError(f"The database refused: {done.stderr.strip()}")
        return [line for line in done.stdout.splitlines() if line]


@contextlib.contextmanager
def reached(file: StackFile) -> Iterator[Reach]:
    """The database of a stack. Raises CommandError when it is not there."""
    if file.value("database", "mode") == "external":
        with _client(file) as name:
            yield Reach(file.docker_host, name, external=True)
        return
    found = [one for one in containers.of_stack(file.name, file.docker_host) if one.component == "database"]
    running = [one for one in found if one.state == "running"]
    if not running:
        state = f"is {found[0].state}" if found else "does not exist"
        raise CommandError(f"The database of stack {file.name} {state}; ./monopco up -s {file.name} starts it.")
    yield Reach(file.docker_host, running[0].name, external=False)


@contextlib.contextmanager
def _client(file: StackFile) -> Iterator[str]:
    """A container with PostgreSQL's programs and the connection, gone afterwards."""
    labels = [f"{containers.LABEL}.stack={file.name}", f"{containers.LABEL}.component={_CLIENT}"]
    name = f"monopco-{file.name}-{_CLIENT}-{os.getpid()}"
    containers.docker(
        [
            *("run", "--detach", "--rm", "--init", "--name", name),
            *(argument for label in labels for argument in ("--label", label)),
            *("--read-only", "--tmpfs", "/tmp", "--tmpfs", "/run:mode=1777", "--cap-drop", "ALL"),  # noqa: S108
            *("--security-opt", "no-new-privileges", "--entrypoint", "sleep", _image(file), "86400"),
        ],
        file.docker_host,
    )
    try:
        _keep(file, name)
        yield name
    finally:
        containers.docker(["rm", "--force", name], file.docker_host)


def _image(file: StackFile) -> str:
    """Our image with PostgreSQL's programs: the newest that `up` has built for the stack."""
    found = containers.docker(
        ["image", "ls", "--quiet", *containers.filters(file.name, "database")], file.docker_host
    ).split()
    if not found:
        raise CommandError(f"PostgreSQL's programs are not there; ./monopco up -s {file.name} builds them.")
    return found[0]


def _keep(file: StackFile, container: str) -> None:
    """Give the container the connection."""
    url = Pulumi(file.name).configured("monopco:database.url")
    archive = base64.b64decode(Connection.from_url(url).bundled())
    done = subprocess.run(
        [*containers.client(file.docker_host), "exec", "--interactive", container, "connected", "--keep"],
        input=archive,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        raise CommandError(f"The connection could not be handed over: {done.stderr.decode().strip()}")
