"""The swarm: the server's Docker as its manager, so that it can have nodes besides.

Owns that the swarm is there. Who belongs to it is the nodes' part.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.child import child
from components.stack import LABEL, Stack
from components.step import script, step


@dataclass(frozen=True, kw_only=True)
class SwarmArgs:
    stack: Stack
    docker_host: str | None
    address: str
    """Where the nodes find the manager."""


class Swarm(pulumi.ComponentResource):
    swarm_id: pulumi.Output[str]
    """Known once the swarm is there."""

    def __init__(self, name: str, args: SwarmArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Swarm", name, None, opts)
        begun = step(
            f"{name}-manager",
            script("swarm/begin.sh"),
            docker_host=args.docker_host,
            environment={"ADDRESS": args.address, "LABEL": LABEL, "STACK": args.stack.name},
            delete=script("swarm/end.sh"),
            opts=child(self, opts),
        )
        self.swarm_id = begun.stdout
        self.register_outputs({"swarmId": self.swarm_id})
