"""A node: another server of the swarm, which runs containers of the app and has a proxy of its own.

Owns that the node belongs to the swarm. When it goes, its containers, volumes and images of this environment go with
it, even if the server is dead: what is made on it is declared as deleted with the node.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.child import child
from components.ssh import config_file
from components.stack import LABEL, Stack
from components.step import script, step


@dataclass(frozen=True, kw_only=True)
class NodeArgs:
    stack: Stack
    docker_host: str
    """The node's Docker."""
    host: str
    address: str
    """Where the other servers find it."""
    manager: str
    """The manager's Docker."""
    manager_address: str
    release: str
    """Before each release it is looked whether the node answers: at none of them, or at all."""


class Node(pulumi.ComponentResource):
    node_id: pulumi.Output[str]
    """The swarm's id of it; known once the manager finds it ready."""

    def __init__(self, name: str, args: NodeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Node", name, None, opts)
        joined = step(
            f"{name}-membership",
            script("node/join.sh"),
            docker_host=args.docker_host,
            environment={
                "HOST": args.host,
                "ADDRESS": args.address,
                "MANAGER": args.manager,
                "MANAGER_CONFIG": config_file(args.manager),
                "MANAGER_ADDRESS": args.manager_address,
                "LABEL": LABEL,
                "STACK": args.stack.name,
                "RELEASE": args.release,
            },
            delete=script("node/leave.sh"),
            opts=child(self, opts),
        )
        # What everything else on the node is deleted with.
        self.membership = joined
        self.node_id = joined.stdout
        self.register_outputs({"nodeId": self.node_id})
