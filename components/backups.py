"""Backups of a database: who makes them at which times, and restores them to prove them.

Owns the container that has the schedule, and its scratch volume. It runs the database's image as the same user. Of a
database of ours it has the data read-only, and reaches the server by its socket; one elsewhere it dumps. The places are
the repository component's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.child import child
from components.container import SCRATCH, confinement, volume_labels
from components.database import data_mount
from components.metrics import PATH as METRICS
from components.stack import Stack
from components.step import script, step

MEMORY_MB = 512
# A sixteenth of what those have who are visited.
CPU_SHARES = 256
# How often the facts are looked at that others read.
_STATE = "-H * -M /5"


def job_times(fields: tuple[str, str, str, str, str]) -> str:
    """The five fields of cron as options of snooze, which waits for them."""
    minute, hour, day, month, weekday = fields
    return f"-M {minute} -H {hour} -d {day} -m {month} -w {weekday}"


def jobs(schedule: tuple[str, str, str, str, str], drill: tuple[str, str, str, str, str]) -> dict[str, str]:
    """When which job runs."""
    return {"take": job_times(schedule), "prove": job_times(drill), "state": _STATE}


def _metrics(volume: pulumi.Input[str] | None) -> list[docker.ContainerVolumeArgs]:
    return [] if volume is None else [docker.ContainerVolumeArgs(volume_name=volume, container_path=METRICS)]


@dataclass(frozen=True, kw_only=True)
class BackupsArgs:
    stack: Stack
    docker_host: str | None
    image_id: pulumi.Input[str]
    network_name: pulumi.Input[str]
    """By which a second place is reached."""
    data_volume: pulumi.Input[str] | None
    """The data of a database of ours; None when it is elsewhere."""
    repository: Sequence[docker.ContainerVolumeArgs]
    """What is mounted of the places."""
    version: pulumi.Input[str]
    """Changes with the settings of the places."""
    database_identity: pulumi.Input[str]
    times: Mapping[str, str]
    metrics_volume: pulumi.Input[str] | None = None
    """Where figures are left for the monitoring, if there is one."""


class Backups(pulumi.ComponentResource):
    container: pulumi.Output[str]
    """Name of the container."""

    def __init__(self, name: str, args: BackupsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Backups", name, None, opts)
        scratch = docker.Volume(
            f"{name}-scratch",
            name=args.stack.resource_name("backups", "scratch"),
            labels=volume_labels(args.stack, "backups"),
            opts=child(self, opts),
        )
        common = confinement(args.stack, "backups")
        common["cpu_shares"] = CPU_SHARES
        schedule = docker.Container(
            f"{name}-schedule",
            **common,
            name=args.stack.resource_name("backups"),
            image=args.image_id,
            entrypoints=["schedule"],
            command=[f"{job} {times}" for job, times in args.times.items()],
            memory=MEMORY_MB,
            memory_swap=MEMORY_MB,
            read_only=True,
            tmpfs=SCRATCH,
            volumes=[
                *([data_mount(args.data_volume, read_only=True)] if args.data_volume is not None else []),
                *args.repository,
                docker.ContainerVolumeArgs(volume_name=scratch.name, container_path="/scratch"),
                *_metrics(args.metrics_volume),
            ],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.network_name)],
            stop_signal="SIGTERM",
            stop_timeout=10,
            destroy_grace_seconds=10,
            opts=child(self, opts),
        )
        step(
            f"{name}-established",
            script("backups/establish.sh"),
            docker_host=args.docker_host,
            environment={
                "CONTAINER": schedule.id,
                "VERSION": args.version,
                "DATABASE": args.database_identity,
            },
            opts=child(self, opts),
        )
        self.container = schedule.name
        self.register_outputs({"container": self.container})
