"""Where restore points lie: dumps that are taken before SQL scripts are run, in a volume of their own.

The volume outlives the environment where the data does. So it depends on nothing that runs: Pulumi keeps with what is
protected also all that this depends on.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.child import child
from components.container import volume_labels
from components.stack import Stack


@dataclass(frozen=True, kw_only=True)
class RestorePointsArgs:
    stack: Stack
    protect: bool


class RestorePoints(pulumi.ComponentResource):
    volume: pulumi.Output[str]
    """Name of the volume."""

    def __init__(self, name: str, args: RestorePointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:RestorePoints", name, None, opts)
        schema = pulumi.create_urn("schema", "monopco:components:Schema")
        volume = docker.Volume(
            f"{name}-volume",
            name=args.stack.resource_name("restore-points"),
            labels=volume_labels(args.stack, "restore-points"),
            opts=pulumi.ResourceOptions.merge(
                child(self, opts, protect=args.protect),
                # Where it was, behind the containers of a release.
                pulumi.ResourceOptions(aliases=[pulumi.Alias(name="schema-restore-points", parent=schema)]),
            ),
        )
        self.volume = volume.name
        self.register_outputs({"volume": self.volume})
