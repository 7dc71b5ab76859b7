"""The folder in which parts of the environment leave figures for the monitoring.

A part that is no server writes a file NAME.prom in Prometheus' text format into it: first under another ending, then
renamed, so that nobody reads half of it. Whoever runs in a container that mounts the volume may write; the machine's
exporter reads. The rules and the page ask for these, all gauges:

    monopco_backups_expected                        1 when there should be backups; without it none is missed
    monopco_backup_success_timestamp_seconds        when the last backup that succeeded ended
    monopco_backup_proved_timestamp_seconds         when a backup was last restored as a proof; not there before that
    monopco_backup_first_timestamp_seconds          when the oldest backup ended: a new one has its time to be proved
    monopco_wal_lag_seconds                         age of the oldest change that is not in the archive
    monopco_backup_trouble{reason="…"}              1 while something else is wrong with the backups
    monopco_drift_resources                         how many parts are not as the program made them
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.child import child
from components.container import volume_labels
from components.stack import Stack
from components.step import script, step

PATH = "/var/lib/monopco/metrics"


@dataclass(frozen=True, kw_only=True)
class MetricsArgs:
    stack: Stack
    docker_host: str | None
    image_id: pulumi.Input[str]
    """Id of an image with a shell."""


class Metrics(pulumi.ComponentResource):
    volume: pulumi.Output[str]
    """Name of the volume, to be mounted at PATH; known once everybody may write to it."""

    def __init__(self, name: str, args: MetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Metrics", name, None, opts)
        volume = docker.Volume(
            f"{name}-files",
            name=args.stack.resource_name("metrics"),
            labels=volume_labels(args.stack, "metrics"),
            opts=child(self, opts),
        )
        opened = step(
            f"{name}-open",
            script("metrics/open.sh"),
            docker_host=args.docker_host,
            environment={"IMAGE": args.image_id, "VOLUME": volume.name},
            opts=child(self, opts, ignore_changes=["environment.IMAGE"]),
        )
        self.volume = pulumi.Output.all(volume.name, opened.id).apply(lambda parts: str(parts[0]))
        self.register_outputs({"volume": self.volume})
