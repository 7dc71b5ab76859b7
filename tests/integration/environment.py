"""A whole environment for tests: a copy of the project with a stack, ports and state of its own."""

from __future__ import annotations

import contextlib
import functools
import json
import secrets
import shlex
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
LABEL = "dev.monopco.stack"
# What ./monopco becomes: its bootstrap would take a copy's .venv, a link to this one, for one that was moved.
_MONOPCO = (str(PROJECT / ".venv" / "bin" / "python"), "-m", "ops")


@functools.cache
def shell_environment() -> Mapping[str, str]:
    """What `eval "$(./monopco env)"` makes of the environment."""
    exports = subprocess.run(
        [PROJECT / "monopco", "env"], cwd=PROJECT, check=True, capture_output=True, text=True
    ).stdout
    printed = subprocess.run(["sh", "-c", f"{exports}\nexec env -0"], check=True, capture_output=True, text=True).stdout
    return dict(entry.split("=", 1) for entry in printed.split("\0") if entry)


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command; its result keeps what it printed, and `check` is left to the caller."""
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def docker(*arguments: str, check: bool = True, stdin: str | None = None) -> str:
    """What a docker command prints."""
    done = run(["docker", *arguments], env=dict(shell_environment()), input=stdin)
    if check and done.returncode != 0:
        raise AssertionError(f"docker {shlex.join(arguments)} failed: {done.stderr}")
    return done.stdout.strip()


def labelled(kind: str, stack: str) -> list[str]:
    """Docker's objects of a kind (container, volume, network, image) with the stack's label; stopped ones, too."""
    everything = ("--all",) if kind in ("container", "image") else ()
    return docker(kind, "ls", *everything, "--quiet", "--filter", f"label={LABEL}={stack}").split()


def everything_said(container: str) -> str:
    """All that a container wrote, to either stream."""
    done = run(["docker", "logs", container], env=dict(shell_environment()))
    return done.stdout + done.stderr


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, below those that the kernel gives to outgoing connections."""
    found: list[int] = []
    while len(found) < count:
        port = 15000 + secrets.randbelow(17000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
    return found


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Return once `condition` holds; the limit only turns a hang into a failure."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"never came about: {what}")
        time.sleep(0.2)


@dataclass
class Environment:
    """A copy of the project in `folder`, deployed as `stack`."""

    folder: Path
    stack: str
    config: dict[str, Any] = field(default_factory=dict)
    http_port: int = 0
    https_port: int = 0

    def __post_init__(self) -> None:
        self.http_port, self.https_port = free_ports(2)
        tracked = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=PROJECT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for name in filter(None, tracked.split("\0")):
            source, target = PROJECT / name, self.folder / name
            if source.is_file():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        (self.folder / ".venv").symlink_to(PROJECT / ".venv")
        (self.folder / ".cache").symlink_to(PROJECT / ".cache")
        (self.folder / ".state" / "logs").mkdir(parents=True)
        shutil.copy2(PROJECT / ".state" / "ca.pem", self.folder / ".state" / "ca.pem")
        self._clear()
        self.write_config()
        self.pulumi("stack", "init", self.stack)

    def _clear(self) -> None:
        """Remove what a run that was killed has left in Docker under this stack's name."""
        for kind in ("container", "network", "volume"):
            if left := self.ours(kind):
                docker(kind, "rm", "--force", *left)

    @property
    def variables(self) -> dict[str, str]:
        variables = {
            **shell_environment(),
            "PULUMI_BACKEND_URL": f"file://{self.folder / '.state'}",
            "PULUMI_CONFIG_PASSPHRASE": "a passphrase for tests",
            "MONOPCO_PROJECT": str(self.folder),
        }
        variables.pop("PULUMI_CONFIG_PASSPHRASE_FILE", None)
        return variables

    @property
    def stack_file(self) -> Path:
        return self.folder / f"Pulumi.{self.stack}.yaml"

    def write_config(self, **sections: Any) -> None:
        """Write the stack file: ports of our own, no secrets, and `sections` on top; what Pulumi wrote stays."""
        document: dict[str, Any] = yaml.safe_load(self.stack_file.read_text()) if self.stack_file.exists() else {}
        self.config = {
            "app": {"secrets": []},
            "http": {"httpPort": self.http_port, "httpsPort": self.https_port},
            **self.config,
            **sections,
        }
        ours = {f"monopco:{name}": value for name, value in self.config.items()}
        document["config"] = {**document.get("config", {}), **ours}
        self.stack_file.write_text(yaml.safe_dump(document))

    def attempt(self, *arguments: str, stdin: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run pulumi; success is the caller's question."""
        return run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env={**self.variables, **variables},
            input=stdin,
        )

    def pulumi(self, *arguments: str, stdin: str | None = None) -> str:
        """Run pulumi and return what it prints; a failure fails the test and shows it."""
        done = self.attempt(*arguments, stdin=stdin)
        if done.returncode != 0:
            raise AssertionError(f"pulumi {shlex.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def up(self, *arguments: str) -> str:
        return self.pulumi("up", "--yes", "--skip-preview", "--stack", self.stack, *arguments)

    def attempt_up(self) -> subprocess.CompletedProcess[str]:
        return self.attempt("up", "--yes", "--skip-preview", "--stack", self.stack)

    def command(self, *arguments: str) -> list[str]:
        """The ./monopco command of the copy, for its stack."""
        return [*_MONOPCO, *arguments, "--stack", self.stack]

    def attempt_monopco(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run ./monopco; success is the caller's question."""
        return self.attempt_any(*arguments, "--stack", self.stack, **variables)

    def attempt_any(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """The same for whichever stack the arguments name."""
        return run([*_MONOPCO, *arguments], cwd=self.folder, env={**self.variables, **variables})

    def monopco(self, *arguments: str) -> str:
        """Run ./monopco and return what it prints; a failure fails the test and shows it."""
        done = self.attempt_monopco(*arguments)
        if done.returncode != 0:
            raise AssertionError(f"./monopco {shlex.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def edit(self, path: str, old: str, new: str) -> None:
        """Change a text in the copy, which must hold it."""
        file = self.folder / path
        text = file.read_text()
        assert old in text, f"{path} does not hold {old!r}"
        file.write_text(text.replace(old, new))

    def output(self, name: str) -> Any:
        return json.loads(self.pulumi("stack", "output", name, "--json", "--show-secrets", "--stack", self.stack))

    def destroy(self) -> str:
        return self.pulumi("destroy", "--yes", "--skip-preview", "--stack", self.stack)

    def ours(self, kind: str) -> list[str]:
        """What of a kind is the environment's own."""
        return labelled(kind, self.stack)

    def container(self, component: str) -> str:
        """The id of the one container of a component."""
        (found,) = self.containers(component)
        return found

    def containers(self, component: str) -> list[str]:
        return docker(
            "container",
            "ls",
            "--quiet",
            "--filter",
            f"label={LABEL}={self.stack}",
            "--filter",
            f"label=dev.monopco.component={component}",
        ).split()

    def authority(self) -> Path:
        """The file with the certificate by which the environment is trusted; it is the same for all its life."""
        file = self.folder / ".state" / "authority.pem"
        if not file.exists():
            file.write_text(self.output("caCertificate"), encoding="utf-8")
        return file

    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.output("caCertificate"))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request over TLS, verified against the local authority, on a connection of its own."""
        connection = HTTPSConnection("localhost", self.https_port, timeout=60, context=self.trust())
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            return Answer.read(response)
        finally:
            connection.close()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @staticmethod
    def read(response: HTTPResponse) -> Answer:
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, response.read())

    def json(self) -> Any:
        return json.loads(self.body)
