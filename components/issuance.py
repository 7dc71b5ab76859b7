"""The end of an order: the certificate is served, or the reason why there is none is told.

It comes last, so that a release is deployed whatever an authority says; the container goes on trying by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.child import child
from components.step import script, step


@dataclass(frozen=True, kw_only=True)
class IssuanceArgs:
    docker_host: str | None
    container: pulumi.Input[str]
    """The container that orders."""
    version: pulumi.Input[str]
    """Changes with what is ordered."""
    proxy_container: pulumi.Input[str]
    """The proxy that is to serve the certificate."""


class Issuance(pulumi.ComponentResource):
    certificate: pulumi.Output[str]
    """What was issued, for a person."""

    def __init__(self, name: str, args: IssuanceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Issuance", name, None, opts)
        self.certificate = step(
            f"{name}-wait",
            script("issuance/order.sh"),
            docker_host=args.docker_host,
            environment={"CONTAINER": args.container, "VERSION": args.version, "PROXY": args.proxy_container},
            opts=child(self, opts),
        ).stdout
        self.register_outputs({"certificate": self.certificate})
