"""The tables: the app's own SQL scripts, each run once, in order, in one transaction, as the owner of the schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.child import child
from components.connection import Connection
from components.stack import Stack
from components.step import script, step


@dataclass(frozen=True)
class Migration:
    """One SQL script: its name, by which it is recorded, and its text."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class SchemaArgs:
    stack: Stack
    docker_host: str | None
    image_id: pulumi.Input[str]
    network_name: pulumi.Input[str]
    owner_url: pulumi.Input[str]
    database_identity: pulumi.Input[str]
    migrations: Sequence[Migration]


class Schema(pulumi.ComponentResource):
    applied: pulumi.Output[str]
    """What the last run did, a line for each script (secret, as it may quote the scripts)."""

    def __init__(self, name: str, args: SchemaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Schema", name, None, opts)
        files = {"order": "".join(f"{migration.name}\n" for migration in args.migrations)}
        files |= {f"scripts/{migration.name}": migration.text for migration in args.migrations}
        migrate = step(
            f"{name}-migrate",
            script("schema/migrate.sh"),
            docker_host=args.docker_host,
            environment={
                "IMAGE": args.image_id,
                "NETWORK": args.network_name,
                "DATABASE": args.database_identity,
                "STACK": args.stack.name,
                "NAME": args.stack.resource_name("migrate"),
            },
            stdin=pulumi.Output.secret(
                pulumi.Output.from_input(args.owner_url).apply(lambda url: Connection.from_url(url).bundled(**files))
            ),
            opts=child(self, opts),
        )
        self.applied = pulumi.Output.secret(migrate.stdout)
        self.register_outputs({"applied": self.applied})
