"""The switch: the moment at which the proxy gives requests to another release.

It runs after the new containers are healthy and the tables are as they need them, and ends when the old ones have
nothing left to answer; only then does Pulumi delete them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.child import child
from components.step import script, step


@dataclass(frozen=True, kw_only=True)
class SwitchArgs:
    docker_host: str | None
    proxy_container: pulumi.Input[str]
    """Id of the proxy's container."""
    release: str
    peers: Sequence[str]
    drain_seconds: int


class Switch(pulumi.ComponentResource):
    release: pulumi.Output[str]
    """The release that gets the requests."""
    report: pulumi.Output[str]
    """What the last switch did, as JSON."""

    def __init__(self, name: str, args: SwitchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Switch", name, None, opts)
        switched = step(
            f"{name}-traffic",
            script("switch/switch.sh"),
            docker_host=args.docker_host,
            environment={
                "PROXY": args.proxy_container,
                "RELEASE": args.release,
                "PEERS": " ".join(args.peers),
                "DRAIN_SECONDS": str(args.drain_seconds),
            },
            opts=child(self, opts),
        )
        self.report = switched.stdout
        self.release = switched.id.apply(lambda _: args.release)
        self.register_outputs({"release": self.release, "report": self.report})
