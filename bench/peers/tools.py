"""The peers' programs, from the registries of Go modules, Python packages and Debian packages alone."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from ops.places import CACHE
from tests.integration.environment import docker, run
from toolchain import build

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
COMPOSE = ("compose", "github.com/docker/compose/v2/cmd")
TOFU = ("tofu", "github.com/opentofu/opentofu/cmd/tofu")
# Under the name that the module gives itself; go.mod says from where it comes.
PROVIDER = ("provider", "github.com/terraform-providers/terraform-provider-docker")


def _program(module: str, package: str) -> Path:
    """A program of a Go module of ours, because `go install` refuses what has replace or exclude lines."""
    return build.program(CACHE, HERE / module, package, lambda part, state: print(f"{part}: {state}", flush=True))


@functools.cache
def compose() -> Path:
    """Docker compose v2, as a program of its own."""
    made = _program(*COMPOSE)  # it is called after the folder of its source
    named = made.with_name("docker-compose")
    if not named.exists() or named.stat().st_mtime < made.stat().st_mtime:
        shutil.copy2(made, named)
    return named


@functools.cache
def tofu() -> Path:
    return _program(*TOFU)


@functools.cache
def provider() -> Path:
    """The Docker provider for OpenTofu: the same upstream that the Pulumi plugin of ours is made of."""
    return _program(*PROVIDER)


@functools.cache
def python_programs() -> Path:
    """The folder of ansible-playbook and pyinfra, in a Python environment of their own."""
    folder = CACHE / "bench-python"
    stamp, wanted = folder / "requirements.txt", REQUIREMENTS.read_text(encoding="utf-8")
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--requirement", str(REQUIREMENTS)], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return folder / "bin"


@functools.cache
def image() -> str:
    """The image with nginx, HAProxy, Caddy and the load generator, all Debian's."""
    recipe = (HERE / "Dockerfile").read_bytes()
    name = f"monopco/bench-peers:{hashlib.sha256(recipe).hexdigest()[:12]}"
    if not docker("image", "ls", "--quiet", name):
        # Without BuildKit, for which a docker command needs a plugin that not every machine has.
        environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
        done = run(["docker", "build", "--tag", name, "--file", str(HERE / "Dockerfile"), str(HERE)], env=environment)
        if done.returncode != 0:
            raise AssertionError(f"{name} cannot be built: {done.stdout}{done.stderr}")
    return name


def versions(*modules: str) -> dict[str, str]:
    """What the go.mod of these peers pins."""
    names = {"compose": "github.com/docker/compose/v2", "tofu": "github.com/opentofu/opentofu"}
    found = {}
    for module in modules:
        text = (HERE / module / "go.mod").read_text(encoding="utf-8")
        match = re.search(rf"{re.escape(names[module])} v(\S+)", text)
        found[module] = match[1] if match else ""
    return found


def python_versions() -> dict[str, str]:
    """What requirements.txt pins."""
    return dict(re.findall(r"^([\w-]+)==(\S+)", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE))


@functools.cache
def debian_versions() -> dict[str, str]:
    """Of the packages in the image."""
    packages = ("nginx", "haproxy", "caddy", "nghttp2-client", "wrk")
    said = docker("run", "--rm", image(), "dpkg-query", "--show", "--showformat", "${Package} ${Version}\n", *packages)
    return dict(line.split() for line in said.splitlines())
