"""Pictures of the home page, one of each release, taken after the switch to it by a browser that runs only then."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.child import child
from components.container import volume_labels
from components.stack import LABEL, Stack
from components.step import script, step


@dataclass(frozen=True, kw_only=True)
class PicturesArgs:
    stack: Stack
    docker_host: str | None
    image_id: pulumi.Input[str]
    """Id of an image with a browser."""
    network_name: pulumi.Input[str]
    """Network on which the proxy is."""
    metrics_volume: pulumi.Input[str]
    """Volume in which other parts leave their figures."""
    domain: str
    release: pulumi.Input[str]
    """The release that has just become live."""
    keep: int
    """How many pictures stay."""


class Pictures(pulumi.ComponentResource):
    volume: pulumi.Output[str]
    """Name of the volume with the pictures, RELEASE.png each."""

    def __init__(self, name: str, args: PicturesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Pictures", name, None, opts)
        self.volume = docker.Volume(
            f"{name}-files",
            name=args.stack.resource_name("pictures"),
            labels=volume_labels(args.stack, "pictures"),
            opts=child(self, opts),
        ).name
        step(
            f"{name}-take",
            script("pictures/take.sh"),
            docker_host=args.docker_host,
            environment={
                "LABEL": LABEL,
                "STACK": args.stack.name,
                "IMAGE": args.image_id,
                "NETWORK": args.network_name,
                "PICTURES": self.volume,
                "METRICS": args.metrics_volume,
                "DOMAIN": args.domain,
                "RELEASE": args.release,
                "KEEP": str(args.keep),
            },
            opts=child(self, opts),
        )
        self.register_outputs({"volume": self.volume})
