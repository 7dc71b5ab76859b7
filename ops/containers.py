"""The containers of a stack, found by the labels that everything of ours carries."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from components.ssh import variables
from ops import reach
from ops.console import notes
from ops.errors import CommandError
from ops.places import PROJECT
from ops.stack_file import StackFile

LABEL = "dev.monopco"
_TASK = "com.docker.swarm.task.id"


@dataclass(frozen=True)
class Container:
    """One container as Docker tells it."""

    name: str
    component: str
    release: str
    state: str  # running, exited, …
    health: str  # healthy, unhealthy, starting; empty when it has no health check
    started: str  # RFC 3339
    ports: tuple[int, ...]  # published on the host
    image: str  # id

    @property
    def well(self) -> bool:
        return self.state == "running" and self.health in ("healthy", "")


def of_stack(stack: str, host: str | None = None) -> list[Container]:
    """Every lasting container of `stack`, by component and name. Raises CommandError when Docker does not answer."""
    ids = docker(["ps", "--all", "--quiet", *filters(stack)], host).split()
    if not ids:
        return []
    inspected = json.loads(docker(["inspect", "--type", "container", *ids], host))
    found = [container(fields) for fields in inspected if not _replaced(fields)]
    return sorted(found, key=lambda each: (each.component, each.name))


def everywhere(file: StackFile) -> list[Container]:
    """The same on every server of a swarm; those of its nodes are called NAME@HOST. A node that does not answer is
    told, and has none.
    """
    found = of_stack(file.name, file.docker_host)
    for host, docker_host in file.node_hosts.items():
        try:
            there = of_stack(file.name, docker_host)
        except CommandError as error:
            notes.print(f"{host}: {error}", markup=False)
            continue
        found += [replace(each, name=f"{each.name}@{host}") for each in there]
    return sorted(found, key=lambda each: (each.component, each.name))


def filters(stack: str, component: str = "") -> list[str]:
    """Arguments by which Docker lists only what is ours, of that component."""
    labels = [f"{LABEL}.stack={stack}", *([f"{LABEL}.component={component}"] if component else [])]
    return [argument for label in labels for argument in ("--filter", f"label={label}")]


def _replaced(fields: dict[str, Any]) -> bool:
    """Whether it is one that a swarm has put another one in the place of, and keeps for its log."""
    return _TASK in (fields["Config"]["Labels"] or {}) and fields["State"]["Status"] in ("created", "exited", "dead")


def publisher(port: int) -> str:
    """The running container that publishes `port` on this machine; empty when there is none."""
    return docker(["ps", "--filter", f"publish={port}", "--format", "{{.Names}}"]).partition("\n")[0]


def container(fields: dict[str, Any]) -> Container:
    """A container from what `docker inspect` says."""
    labels, state = fields["Config"]["Labels"] or {}, fields["State"]
    bindings = (fields["HostConfig"].get("PortBindings") or {}).values()
    return Container(
        name=fields["Name"].lstrip("/"),
        component=labels.get(f"{LABEL}.component", ""),
        release=labels.get(f"{LABEL}.release", ""),
        state=state["Status"],
        health=(state.get("Health") or {}).get("Status", ""),
        started=state.get("StartedAt", ""),
        ports=tuple(
            sorted({int(each["HostPort"]) for binding in bindings for each in binding or [] if each["HostPort"]})
        ),
        image=fields.get("Image", ""),
    )


def environment_of(host: str | None) -> dict[str, str]:
    """The environment in which the docker command talks to `host`."""
    return {**os.environ, **variables(host, PROJECT, os.environ.get("PATH", os.defpath))}


def client(host: str | None) -> list[str]:
    """The docker command that talks to `host`, to be followed by arguments: a server is reached as `up` reaches it."""
    settings = variables(host, PROJECT, os.environ.get("PATH", os.defpath))
    return [*(["env", *(f"{name}={value}" for name, value in settings.items())] if settings else []), "docker"]


def docker(arguments: Sequence[str], host: str | None = None, stdin: str = "") -> str:
    """What the Docker client prints. Raises CommandError with its own words."""
    command = ["docker", *arguments]
    # The builder without BuildKit, which needs a plugin that not every docker command has.
    environment = {**environment_of(host), "DOCKER_BUILDKIT": "0"}
    try:
        done = subprocess.run(
            command, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError as error:
        raise CommandError("There is no Docker client on this machine; ./monopco up installs it.") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"Docker{f' at {host}' if host else ''} gives no answer within 60 seconds.") from error
    if done.returncode != 0:
        said, reason = done.stderr.strip(), reach.in_words(done.stderr)
        raise CommandError(
            f"Docker{f' at {host}' if host else ''} refused: {said}" if reason == done.stderr else reason
        )
    return done.stdout
