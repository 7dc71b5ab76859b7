"""The tables: the app's own SQL scripts, each run once, in order, in one transaction, as the owner of the schema.

A restore point is taken before scripts are run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.child import child
from components.connection import Connection
from components.specification import Script
from components.stack import LABEL, Stack
from components.step import script, step


@dataclass(frozen=True, kw_only=True)
class SchemaArgs:
    stack: Stack
    docker_host: str | None
    image_id: pulumi.Input[str]
    network_name: pulumi.Input[str]
    owner_url: pulumi.Input[str]
    database_identity: pulumi.Input[str]
    record: pulumi.Input[str]
    """Image that holds the scripts: the release's record."""
    scripts: Sequence[Script]
    checked: pulumi.Input[str]
    """What was found by looking whether the release can use the schema; empty when nobody has looked."""
    restore_points: pulumi.Input[str]
    """Name of the volume that they are put into."""
    kept: int
    """How many restore points are kept; 0 takes none."""


class Schema(pulumi.ComponentResource):
    applied: pulumi.Output[str]
    """What the last run did, a line for each script (secret, as it may quote the scripts)."""

    def __init__(self, name: str, args: SchemaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Schema", name, None, opts)
        migrate = step(
            f"{name}-migrate",
            script("schema/migrate.sh"),
            docker_host=args.docker_host,
            environment={
                "IMAGE": args.image_id,
                "NETWORK": args.network_name,
                "DATABASE": args.database_identity,
                "LABEL": LABEL,
                "STACK": args.stack.name,
                "NAME": args.stack.resource_name("migrate"),
                "RECORD": args.record,
                "SCRIPTS": "".join(f"{script.checksum[:12]} {script.name}\n" for script in args.scripts),
                "CHECKED": args.checked,
                "RESTORE_POINTS": args.restore_points,
                "KEEP_RESTORE_POINTS": str(args.kept),
            },
            stdin=pulumi.Output.secret(
                pulumi.Output.from_input(args.owner_url).apply(lambda url: Connection.from_url(url).bundled())
            ),
            opts=child(self, opts),
        )
        self.applied = pulumi.Output.secret(migrate.stdout)
        self.register_outputs({"applied": self.applied})
