"""Whether a release can use the tables as they are now, and which of its scripts are pending.

It is asked before anything of the release is started: scripts of later releases may have changed the tables, and one of
its own may have been edited after it was applied.
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
class UsableSchemaArgs:
    stack: Stack
    docker_host: str | None
    image_id: pulumi.Input[str]
    network_name: pulumi.Input[str]
    owner_url: pulumi.Input[str]
    database_identity: pulumi.Input[str]
    container: pulumi.Input[str]
    """Container of the database; empty when the database is elsewhere."""
    release: str
    scripts: Sequence[Script]
    strict: bool
    """Whether a schema that is ahead of the release is refused; a source that has lost a script is a choice."""
    accepts: Sequence[str]
    """Scripts that the release does not know and can live with, because somebody says so."""


class UsableSchema(pulumi.ComponentResource):
    level: pulumi.Output[str]
    """A line for each script that is pending, and how many the schema has seen, and which one last, as JSON."""

    def __init__(self, name: str, args: UsableSchemaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:UsableSchema", name, None, opts)
        order = "".join(f"{script.name} {script.checksum}\n" for script in args.scripts)
        checked = step(
            f"{name}-check",
            script("usable_schema/check.sh"),
            docker_host=args.docker_host,
            environment={
                "IMAGE": args.image_id,
                "NETWORK": args.network_name,
                "CONTAINER": args.container,
                "DATABASE": args.database_identity,
                "STRICT": "true" if args.strict else "false",
                "LABEL": LABEL,
                "STACK": args.stack.name,
                "RELEASE": args.release,
                "ACCEPT": "\n".join(args.accepts),
            },
            stdin=pulumi.Output.secret(
                pulumi.Output.from_input(args.owner_url).apply(
                    lambda url: Connection.from_url(url).bundled(order=order)
                )
            ),
            opts=child(self, opts),
        )
        self.level = checked.stdout
        self.register_outputs({"level": self.level})
