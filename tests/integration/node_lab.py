"""Images of Node apps, built through the engine as an environment's are, and containers of them, confined likewise."""

from __future__ import annotations

import base64
import http.client
import json
import os
import uuid
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.database_lab import CONFINEMENT
from tests.integration.proxy_lab import docker, wait_until
from tests.integration.pulumi_project import PulumiError, PulumiProject

PROJECT = Path(__file__).resolve().parents[2]
IMAGES = PROJECT / "images" / "node"
EXAMPLE = PROJECT / "examples" / "app"
PNPM_VERSION = "10.4.1"
HEALTH = ("3000", "/api/trpc/auth.me?batch=1&input=%7B%7D", '"result"')
PROGRAM = """
import json, pathlib
import pulumi_docker as docker
for image in json.loads(pathlib.Path("images.json").read_text()):
    docker.RemoteImage(image["name"], keep_locally=True, build=image["build"], name=image["name"])
"""


def encoded(values: Mapping[str, str]) -> str:
    """The environment file of a release."""
    return "".join(f"{name}={base64.b64encode(value.encode()).decode()}\n" for name, value in values.items())


@dataclass
class Builder:
    """A Pulumi program that builds one image after the other."""

    folder: Path
    prefix: str = field(default_factory=lambda: f"node-test-{uuid.uuid4().hex[:8]}")
    images: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.project = PulumiProject(self.folder)
        self.project.write(PROGRAM)
        self.runtime, self.build = self.tool("runtime"), self.tool("build")

    def tool(self, target: str) -> str:
        """Name of the image that a target of images/node was built into."""
        return self._image(IMAGES, IMAGES / "Dockerfile", target=target)

    def app(self, source: Path, public: Mapping[str, str] | None = None, dependencies: str = "all") -> str:
        """Name of the image that the source was built into. Raises PulumiError when it cannot be built."""
        arguments = {
            "RUNTIME": self.runtime,
            "BUILD": self.build,
            "PNPM_VERSION": PNPM_VERSION,
            "DEPENDENCIES": dependencies,
            "PUBLIC_ENV": base64.b64encode(json.dumps(public or {}).encode()).decode(),
        }
        return self._image(source, IMAGES / "app.Dockerfile", arguments=arguments)

    @property
    def log(self) -> str:
        """What the builder wrote about the last image."""
        return (self.folder / f"build-{self.count}.log").read_text(encoding="utf-8")

    def _image(
        self, context: Path, dockerfile: Path, target: str | None = None, arguments: Mapping[str, str] | None = None
    ) -> str:
        self.count += 1
        build = {
            "context": str(context),
            "dockerfile": os.path.relpath(dockerfile, context),
            "target": target,
            "build_args": dict(arguments or {}),
            "build_log_file": str(self.folder / f"build-{self.count}.log"),
            "secrets": [{"id": "ca", "src": str(PROJECT / ".state" / "ca.pem")}],
        }
        name = f"{self.prefix}:{self.count}"
        self.images.append({"name": name, "build": build})
        (self.folder / "images.json").write_text(json.dumps(self.images), encoding="utf-8")
        try:
            self.project.pulumi("up", "--yes", "--skip-preview")
        except PulumiError:
            self.images.pop()
            raise
        return name

    def remove(self) -> None:
        docker("image", "rm", "--force", *(image["name"] for image in self.images), check=False)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class App:
    """One container of an app's image, as the release component makes them."""

    image: str
    network: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=lambda: {"JWT_SECRET": "a secret for tests"})
    options: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    name: str = field(default_factory=lambda: f"node-test-{uuid.uuid4().hex[:8]}")

    def create(self, environment_file: str | None = None) -> App:
        """Start it with the environment; whether it answers is not waited for."""
        file = self.folder / f"{self.name}.env"
        file.write_text(encoded(self.environment) if environment_file is None else environment_file, encoding="utf-8")
        file.chmod(0o444)
        docker(
            *("run", "--detach", "--init", "--name", self.name, "--network", self.network),
            *(*CONFINEMENT, "--memory", "500m", "--publish", "127.0.0.1::3000"),
            *("--volume", f"{file}:/etc/monopco/env:ro", *self.options, self.image, *self.command),
        )
        return self

    def healthy(self) -> App:
        wait_until(lambda: self.run("healthcheck", *HEALTH, check=False)[0] == 0, f"{self.name} is healthy", 120)
        return self

    def run(self, *command: str, check: bool = True) -> tuple[int, str]:
        """Exit code of a command in the container, and all that it printed."""
        done = docker("exec", self.name, *command, check=check)
        return done.returncode, (done.stdout + done.stderr).strip()

    def ended(self) -> tuple[int, str]:
        """Exit code of the container once it has ended, and its log."""
        return int(docker("wait", self.name).stdout), self.log()

    def log(self) -> str:
        done = docker("logs", self.name)
        return done.stdout + done.stderr

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", self.name, check=False)

    def connection(self) -> http.client.HTTPConnection:
        address = docker("port", self.name, "3000/tcp").stdout.splitlines()[0]
        return http.client.HTTPConnection(address, timeout=60)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        """One request; the names of headers are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(self.connection()) as connection:
            connection.request(method, path, body=body, headers=named)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
