"""The front: the network on which an environment's proxy meets the proxies of environments for pull requests.

Only proxies are on it, so that what runs for a pull request reaches no app and no database of the other environment.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.child import child
from components.stack import Stack


@dataclass(frozen=True, kw_only=True)
class FrontArgs:
    stack: Stack


def front_name(stack: Stack) -> str:
    """Docker's name of the network."""
    return stack.resource_name("front")


class Front(pulumi.ComponentResource):
    network_name: pulumi.Output[str]
    """Docker's name of the network."""

    def __init__(self, name: str, args: FrontArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Front", name, None, opts)
        network = docker.Network(
            f"{name}-bridge",
            name=front_name(args.stack),
            driver="bridge",
            labels=[
                docker.NetworkLabelArgs(label=label, value=value) for label, value in args.stack.labels("front").items()
            ],
            opts=child(self, opts),
        )
        self.network_name = network.name
        self.register_outputs({"networkName": self.network_name})
