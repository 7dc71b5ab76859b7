"""What every container of ours has in common: labels, log limits, no capabilities, a read-only root."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import pulumi_docker as docker

from components.stack import Stack

# The root is read-only, so these two are all that a container may write besides its volumes; both end with it.
SCRATCH = {"/tmp": "mode=1777,size=128m", "/run": "mode=1777,size=16m"}  # noqa: S108 - a tmpfs of its own
LOG_LIMITS = {"max-size": "10m", "max-file": "3"}
# Docker's own default is 1024, which an image that is being built has: who is visited goes first.
CPU_SHARES = 4096


class Confinement(TypedDict):
    """Arguments of `docker.Container` that are the same everywhere."""

    labels: list[docker.ContainerLabelArgs]
    log_driver: str
    log_opts: dict[str, str]
    restart: str
    init: bool
    cpu_shares: int
    capabilities: docker.ContainerCapabilitiesArgs
    security_opts: list[str]


def confinement(stack: Stack, component: str, release: str = "") -> Confinement:
    """The common arguments, for `docker.Container(name, **confinement(…), …)`."""
    labels = stack.labels(component, release)
    return {
        "labels": [docker.ContainerLabelArgs(label=label, value=value) for label, value in labels.items()],
        "log_driver": "json-file",
        "log_opts": LOG_LIMITS,
        "restart": "unless-stopped",
        "init": True,
        "cpu_shares": CPU_SHARES,
        "capabilities": docker.ContainerCapabilitiesArgs(drops=["ALL"]),
        "security_opts": ["no-new-privileges"],
    }


def healthcheck(tests: Sequence[str], start_seconds: int) -> docker.ContainerHealthcheckArgs:
    """Docker's own watch over a running container; `start_seconds` is how long failures at the start do not count."""
    return docker.ContainerHealthcheckArgs(
        tests=["CMD", *tests],
        interval=duration(10),
        timeout=duration(5),
        retries=3,
        start_period=duration(start_seconds),
    )


def duration(seconds: int) -> str:
    """A duration as Docker reports it, so that what was asked for and what is there compare equal."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{hours}h{text}" if hours else text


def volume_labels(stack: Stack, component: str, release: str = "") -> list[docker.VolumeLabelArgs]:
    """The labels of a volume."""
    labels = stack.labels(component, release)
    return [docker.VolumeLabelArgs(label=label, value=value) for label, value in labels.items()]
