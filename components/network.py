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
    overlay: bool = False
    """Whether it spans the servers of a swarm. Then the swarm gives all addresses, and none again soon."""
    encrypted: bool = False
    """Whether what goes from server to server is encrypted."""


class Network(pulumi.ComponentResource):
    network_name: pulumi.Output[str]
    """Docker's name of the network."""
    network_id: pulumi.Output[str]
    """Docker's id of it."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Network", name, None, opts)
        subnet = ipaddress.ip_network(args.subnet)
        network = docker.Network(
            f"{name}-{'overlay' if args.overlay else 'bridge'}",
            name=args.stack.resource_name("network"),
            driver="overlay" if args.overlay else "bridge",
            # The containers of the database and the proxies are not the swarm's own.
            attachable=True if args.overlay else None,
            options={"encrypted": ""} if args.encrypted else None,
            ipam_configs=[
                docker.NetworkIpamConfigArgs(
                    subnet=args.subnet,
                    gateway=str(subnet[1]),
                    ip_range=None if args.overlay else f"{subnet.network_address}/24",
                )
            ],
            labels=[
                docker.NetworkLabelArgs(label=label, value=value)
                for label, value in args.stack.labels("network").items()
            ],
            opts=child(self, opts),
        )
        self.network_name, self.network_id = network.name, network.id
        self.register_outputs({"networkName": self.network_name, "networkId": self.network_id})
