"""The containers of a stack, found by the labels that everything of ours carries."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ops.errors import CommandError

LABEL = "dev.monopco"


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
    found = [container(fields) for fields in inspected]
    return sorted(found, key=lambda each: (each.component, each.name))


def filters(stack: str, component: str = "") -> list[str]:
    """Arguments by which Docker lists only what is ours, of that component."""
    labels = [f"{LABEL}.stack={stack}", *([f"{LABEL}.component={component}"] if component else [])]
    return [argument for label in labels for argument in ("--filter", f"label={label}")]


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


def docker(arguments: Sequence[str], host: str | None = None, stdin: str = "") -> str:
    """What the Docker client prints. Raises CommandError with its own words."""
    command = ["docker", *(["--host", host] if host else []), *arguments]
    # The builder without BuildKit, which needs a plugin that not every docker command has.
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    try:
        done = subprocess.run(
            command, env=environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError as error:
        raise CommandError("There is no Docker client on this machine; ./monopco up installs it.") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"Docker{f' at {host}' if host else ''} gives no answer within 60 seconds.") from error
    if done.returncode != 0:
        raise CommandError(f"Docker{f' at {host}' if host else ''} refused: {done.stderr.strip()}")
    return done.stdout
