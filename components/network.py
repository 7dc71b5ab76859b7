"""The private network on which the containers of one environment talk to each other.

Its first /24 is for containers that are found by name; the rest gives each app container of each release an
address of its own, so that a kept-alive connection never meets another release behind an old address.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.child import child
from components.stack import Stack


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    stack: Stack
    subnet: str


class Network(pulumi.ComponentResource):
    network_name: pulumi.Output[str]
    """Docker's name of the network."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Network", name, None, opts)
        subnet = ipaddress.ip_network(args.subnet)
        network = docker.Network(
            f"{name}-bridge",
            name=args.stack.resource_name("network"),
            driver="bridge",
            ipam_configs=[
                docker.NetworkIpamConfigArgs(
                    subnet=args.subnet,
                    gateway=str(subnet[1]),
                    ip_range=f"{subnet.network_address}/24",
                )
            ],
            labels=[
                docker.NetworkLabelArgs(label=label, value=value)
                for label, value in args.stack.labels("network").items()
            ],
            opts=child(self, opts),
        )
        self.network_name = network.name
        self.register_outputs({"networkName": self.network_name})
