"""The switch: the moment at which the proxy gives requests to another release.

It runs after the new containers are healthy and the tables are as they need them. It ends when the old ones have
nothing left to answer and the new ones have been watched for a while; only then does Pulumi delete the old ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.child import child
from components.service import HEALTH_INTERVAL
from components.ssh import config_file
from components.step import script, step


@dataclass(frozen=True, kw_only=True)
class Everywhere:
    """The switch of a swarm: at the proxy of every server, or at none."""

    hosts: Mapping[str, str]
    """The Docker of each server by its host, the manager first."""
    proxy_name: pulumi.Input[str]
    proxies: Sequence[pulumi.Input[str]]
    """Ids of the proxies' containers: one that was made anew is told again."""
    service: pulumi.Input[str]
    """Name of the release's service."""
    replicas: int

    def environment(self) -> dict[str, pulumi.Input[str]]:
        lines = [f"{host} {docker_host} {config_file(docker_host)}" for host, docker_host in self.hosts.items()]
        return {
            "PROXY": self.proxy_name,
            "PROXIES": pulumi.Output.all(*self.proxies).apply(" ".join),
            "SERVICE": self.service,
            "REPLICAS": str(self.replicas),
            "INTERVAL": str(HEALTH_INTERVAL),
            "HOSTS": "\n".join(lines),
        }


@dataclass(frozen=True, kw_only=True)
class SwitchArgs:
    docker_host: str | None
    proxy_container: pulumi.Input[str]
    """Id of the proxy's container."""
    release: str
    containers: Sequence[pulumi.Input[str]]
    """Ids of the release's containers."""
    peers: Sequence[pulumi.Input[str]]
    """Their addresses and ports."""
    health: Mapping[str, pulumi.Input[str]]
    """How a container is asked whether it is healthy."""
    drain_seconds: int
    """How long requests on the release before may take to end, at most."""
    watch_seconds: int
    """How long the release is compared with the one before it; 0 is not at all."""
    everywhere: Everywhere | None = None
    """On a swarm: where else."""


class Switch(pulumi.ComponentResource):
    release: pulumi.Output[str]
    """The release that gets the requests."""
    report: pulumi.Output[str]
    """What the last switch did, as JSON."""

    def __init__(self, name: str, args: SwitchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Switch", name, None, opts)
        one = ("release/health.sh", "switch/switch.sh")
        switched = step(
            f"{name}-traffic",
            script(*(("service/watch.sh", "switch/everywhere.sh") if args.everywhere else one)),
            docker_host=args.docker_host,
            environment={
                **args.health,
                "PROXY": args.proxy_container,
                "RELEASE": args.release,
                "CONTAINERS": pulumi.Output.all(*args.containers).apply(" ".join),
                "PEERS": pulumi.Output.all(*args.peers).apply(" ".join),
                "DRAIN_SECONDS": str(args.drain_seconds),
                "WATCH_SECONDS": str(args.watch_seconds),
                **(args.everywhere.environment() if args.everywhere else {}),
            },
            opts=child(self, opts),
        )
        self.report = switched.stdout
        # As the proxy says: in a run that leaves the switch out, it is not the release which the program has in mind.
        self.release = switched.stdout.apply(lambda text: str(json.loads(text)["release"]))
        self.register_outputs({"release": self.release, "report": self.report})
