"""The same stack with OpenTofu and the Docker provider; images are those that are there already."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from pathlib import Path

from bench.app import Deployed
from bench.peers import tools
from tests.integration.environment import docker, free_ports

NAME = "OpenTofu"
_NOTHING = "0 added, 0 changed, 0 destroyed"


class Tofu:
    """A configuration with its state in `folder`."""

    name = NAME

    def __init__(self, deployed: Deployed, folder: Path) -> None:
        self._folder, self._environment = folder, deployed.environment
        environment = deployed.environment
        shutil.copy2(tools.HERE / "stack.tf", folder / "stack.tf")
        shutil.copy2(tools.HERE / "conf" / "compose.conf", folder / "site.conf")
        docker("cp", f"{environment.container('proxy')}:/var/lib/monopco/tls/bundle.pem", str(folder / "bundle.pem"))
        override = json.dumps(str(tools.provider().parent))
        found = f'dev_overrides {{\n    "kreuzwerker/docker" = {override}\n  }}'
        (folder / "tofurc").write_text(f"provider_installation {{\n  {found}\n  direct {{}}\n}}\n", encoding="utf-8")
        self._values = {
            "name": f"monopco-bench-{uuid.uuid4().hex[:8]}",
            "database_image": _image(environment.container("database")),
            "app_image": _image(environment.containers("app")[0]),
            "proxy_image": docker("image", "inspect", "--format", "{{.Id}}", tools.image()),
            "port": str(free_ports(1)[0]),
            "folder": str(folder),
        }

    def start(self) -> None:
        self.scale(2)
        self.nothing()  # what the provider completes after the first time is not measured

    def scale(self, replicas: int) -> None:
        self._values["replicas"] = str(replicas)
        self._say("apply")

    def nothing(self) -> None:
        """`apply` with nothing to do."""
        said = self._say("apply")
        if _NOTHING not in said:
            raise AssertionError(f"tofu apply found something to do: {said}")

    def remove(self) -> None:
        self._say("destroy")

    def _say(self, verb: str) -> str:
        given = [f"-var={name}={value}" for name, value in self._values.items()]
        command = [str(tools.tofu()), verb, "-auto-approve", "-no-color", "-input=false", *given]
        variables = {**self._environment.variables, "TF_CLI_CONFIG_FILE": str(self._folder / "tofurc")}
        done = subprocess.run(command, cwd=self._folder, env=variables, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AssertionError(
                f"tofu {verb} ended with {done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
            )
        return done.stdout


def _image(container: str) -> str:
    return docker("inspect", "--format", "{{.Image}}", container)
