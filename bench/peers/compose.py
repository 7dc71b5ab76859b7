"""The same stack with docker compose v2: database, app, nginx, built from the same source by the same Dockerfile."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

import jinja2

from bench.app import HEALTH, Deployed
from bench.load import Options
from bench.peers import tools
from tests.integration.environment import LABEL, PROJECT, docker, free_ports

TOGETHER, IN_TURN = "docker compose", "docker compose, a service at a time"


class Compose:
    """A compose project. `in_turn` has a service for each container, which a person replaces one after the other."""

    def __init__(self, deployed: Deployed, folder: Path, *, in_turn: bool = False) -> None:
        self.name = IN_TURN if in_turn else TOGETHER
        self._folder, self._deployed = folder, deployed
        self._services = ["app1", "app2"] if in_turn else ["app"]
        self._replicas = 1 if in_turn else 2
        self._newest = self._live = 1
        self._project = f"monopco-bench-{uuid.uuid4().hex[:8]}"
        (self.port,) = free_ports(1)
        self._write()

    def start(self) -> None:
        """Everything from nothing; what is built may be in Docker's cache."""
        self._say("build", self._services[0])
        self._say("up", "--detach", "--wait", "database")
        database = self._say("ps", "--quiet", "database").strip()
        for sql in ("CREATE ROLE app LOGIN PASSWORD 'bench'", "CREATE DATABASE app OWNER app"):
            docker("exec", database, "psql", "-q", "-U", "postgres", "-c", sql)
        self._say("up", "--detach", "--wait")

    def nothing(self) -> None:
        """`up` with nothing to do."""
        self._say("up", "--detach")

    def deploy(self) -> None:
        """A changed source, built and put in the place of the one before."""
        self._newest += 1
        self._live = self._newest
        self._say("build", "--quiet", self._services[0])
        self._replace()

    def prepare(self) -> None:
        """Change the source."""
        file = self._folder / "source" / self._deployed.app.edited
        content = file.read_text(encoding="utf-8").split("\n// edit ")[0]
        file.write_text(f"{content}\n// edit {self._project} {self._newest}\n", encoding="utf-8")

    def rollback(self) -> None:
        """The image before, which is still there."""
        self._live -= 1
        self._replace()

    def scale(self, replicas: int) -> None:
        self._replicas = replicas
        self._say("up", "--detach", "--no-recreate", "--wait")

    def header(self, seconds: int) -> None:
        """Another value of a header, by a reload of nginx."""
        site = self._folder / "site.conf"
        text = re.sub(r"max-age=\d+", f"max-age={seconds}", site.read_text(encoding="utf-8"))
        site.write_text(text, encoding="utf-8")
        self._say("exec", "--no-TTY", "proxy", "nginx", "-s", "reload")

    def remove(self) -> None:
        self._say("down", "--volumes", "--timeout", "2")
        names = ("--format", "{{.Repository}}:{{.Tag}}", f"{self._project}/*")
        docker("image", "rm", *docker("image", "ls", *names).split(), check=False)

    def containers(self) -> int:
        return len(self._say("ps", "--quiet").split())

    def load(self, options: Options) -> Options:
        """The same load on this stack."""
        return Options(**{**vars(options), "url": f"https://localhost:{self.port}"})

    def _replace(self) -> None:
        # The proxy asks for names, so it is never made anew with them.
        if len(self._services) == 1:
            self._say("up", "--detach", "--wait", "--no-deps", *self._services)
        for service in self._services if len(self._services) > 1 else ():
            self._say("up", "--detach", "--wait", "--no-deps", service)

    def _say(self, *arguments: str) -> str:
        variables = {
            **self._deployed.environment.variables,
            "RELEASE": str(self._live),
            "REPLICAS": str(self._replicas),
            "COMPOSE_BAKE": "false",
        }
        command = [str(tools.compose()), "--progress", "quiet", *arguments]
        done = subprocess.run(command, cwd=self._folder, env=variables, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = f"{done.stdout[-2000:]}{done.stderr[-4000:]}"
            raise AssertionError(f"docker compose {' '.join(arguments)} ended with {done.returncode}: {said}")
        return done.stdout

    def _write(self) -> None:
        deployed, environment = self._deployed, self._deployed.environment
        shutil.copytree(deployed.source, self._folder / "source")
        shutil.copy2(tools.HERE / "conf" / "compose.conf", self._folder / "site.conf")
        bundle = f"{environment.container('proxy')}:/var/lib/monopco/tls/bundle.pem"
        docker("cp", bundle, str(self._folder / "bundle.pem"))
        template = jinja2.Environment(
            loader=jinja2.FileSystemLoader(tools.HERE),
            undefined=jinja2.StrictUndefined,
            autoescape=False,  # noqa: S701 - the output is YAML
            trim_blocks=True,
        ).get_template("compose.yaml.j2")
        text = template.render(
            project=self._project,
            services=self._services,
            source=self._folder / "source",
            dockerfile=PROJECT / "images" / "node" / "app.Dockerfile",
            build_args=json.dumps(self._build_arguments()),
            health=f"{json.dumps(HEALTH)}, '\"result\"'",
            database_image=docker("inspect", "--format", "{{.Image}}", environment.container("database")),
            proxy_image=tools.image(),
            port=self.port,
            authorities=environment.folder / ".state" / "ca.pem",
        )
        (self._folder / "compose.yaml").write_text(text, encoding="utf-8")

    def _build_arguments(self) -> dict[str, str]:
        manifest = json.loads((self._deployed.source / "package.json").read_text(encoding="utf-8"))
        return {
            "RUNTIME": self._image("runtime"),
            "BUILD": self._image("build"),
            "PNPM_VERSION": manifest["packageManager"].partition("@")[2].partition("+")[0],
            "DEPENDENCIES": "all",
            "PUBLIC_ENV": base64.b64encode(json.dumps(self._deployed.public(), sort_keys=True).encode()).decode(),
        }

    def _image(self, component: str) -> str:
        """An image of ours without the label by which ours are tidied up, and so without it in what is made of it."""
        labels: Sequence[str] = (f"label={LABEL}={self._deployed.environment.stack}",)
        labels = (*labels, f"label=dev.monopco.component={component}")
        filters = [part for label in labels for part in ("--filter", label)]
        (image, *_) = docker("image", "ls", "--quiet", *filters).split()
        name, recipe = f"{self._project}/{component}:1", f'FROM {image}\nLABEL {LABEL}=""\n'
        # Without BuildKit, for which a docker command needs a plugin that not every machine has.
        variables = {**self._deployed.environment.variables, "DOCKER_BUILDKIT": "0"}
        command = ["docker", "build", "--quiet", "--tag", name, "-"]
        subprocess.run(command, input=recipe, env=variables, text=True, check=True, capture_output=True)
        return name
