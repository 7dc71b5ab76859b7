"""Which releases are kept: the newest ones, the live one, and the one before it.

Owns the removal of the other records, and of images of ours that nothing needs any more. Whatever is removed
carries the labels of this stack; containers and volumes are never removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.child import child
from components.ssh import config_file
from components.stack import LABEL, Stack
from components.step import script, step


@dataclass(frozen=True, kw_only=True)
class RetentionArgs:
    stack: Stack
    docker_host: str | None
    proxy_container: pulumi.Input[str]
    release: pulumi.Input[str]
    """The release that has just become live."""
    keep: int
    nodes: Mapping[str, str] = field(default_factory=dict)
    """The Docker of each node of a swarm by its host."""


class Retention(pulumi.ComponentResource):
    removed: pulumi.Output[str]
    """Names of the images that the last run removed, a line each."""

    def __init__(self, name: str, args: RetentionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Retention", name, None, opts)
        pruned = step(
            f"{name}-prune",
            script("retention/prune.sh"),
            docker_host=args.docker_host,
            environment={
                "LABEL": LABEL,
                "STACK": args.stack.name,
                "PROXY": args.proxy_container,
                "RELEASE": args.release,
                "KEEP": str(args.keep),
            },
            opts=child(self, opts),
        )
        self.removed = pruned.stdout
        for host, docker_host in args.nodes.items():
            step(
                f"{name}-{host}",
                script("retention/prune_node.sh"),
                docker_host=docker_host,
                environment={
                    "LABEL": LABEL,
                    "STACK": args.stack.name,
                    "MANAGER": args.docker_host or "",
                    "MANAGER_CONFIG": config_file(args.docker_host or ""),
                    "RELEASE": args.release,
                },
                opts=pulumi.ResourceOptions.merge(child(self, opts), pulumi.ResourceOptions(depends_on=[pruned])),
            )
        self.register_outputs({"removed": self.removed})
