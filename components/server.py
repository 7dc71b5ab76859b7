"""The machine that runs the containers: checked before anything is built or started on it.

Owns the check (Docker, free disk, ports and addresses) and, when the environment is destroyed, the images that carry
its label. It leaves the machine's own set-up alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.child import child
from components.delivery import Delivery
from components.stack import LABEL, Stack
from components.step import script, step

BASE_IMAGE = "monopco/base:trixie"
# As ops/bootstrap pulls it: for a server where the machine that deploys has no Docker to make it with.
PUBLISHED_BASE = "debian:trixie-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f"
# MonOPCO's images take 1.5 GB with their build cache (measured); as much again is for the next release.
FREE_DISK_MB = 3072


@dataclass(frozen=True, kw_only=True)
class ServerArgs:
    stack: Stack
    docker_host: str | None
    address: str
    ports: tuple[int, ...]
    subnet: str
    builds: str
    """Digest of all that will be built; the check runs again when it changes."""
    delivery: Delivery | None = None
    """How the base image gets there; None when it is there already."""


class Server(pulumi.ComponentResource):
    checked: pulumi.Output[str]
    """What was found on the machine; whatever needs the machine depends on it."""

    def __init__(self, name: str, args: ServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Server", name, None, opts)
        base: pulumi.Input[str] = BASE_IMAGE
        if args.delivery:
            brought = args.delivery.bring(
                f"{name}-base",
                image=BASE_IMAGE,
                reference=BASE_IMAGE,
                published=PUBLISHED_BASE,
                trigger=args.builds,
                # What was built here to be sent there.
                delete=script("server/forget.sh"),
                opts=child(self, opts),
            )
            base = brought.apply(lambda _: BASE_IMAGE)
        check = step(
            f"{name}-check",
            script("server/check.sh"),
            docker_host=args.docker_host,
            environment={
                "BASE": base,
                "STACK": args.stack.name,
                "LABEL": LABEL,
                "FREE_DISK_MB": str(FREE_DISK_MB),
                "ADDRESS": args.address,
                "PORTS": " ".join(str(port) for port in args.ports),
                "PROXY": args.stack.resource_name("proxy"),
                "SUBNET": args.subnet,
                "NETWORK": args.stack.resource_name("network"),
                "BUILDS": args.builds,
            },
            delete=script("server/forget.sh"),
            opts=child(self, opts),
        )
        self.checked = check.stdout
        self.register_outputs({"checked": self.checked})
