"""Where the proxy's certificate comes from: a local authority, files, or an authority that speaks ACME.

Whatever the source, chain and key end as one file in the proxy's volume, which nginx reads for each handshake. Until
there is one, nginx serves a temporary one of its own. With ACME a container beside the proxy is the timer: it orders
and renews by itself, and what it has outlives the environment.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_command as command
import pulumi_docker as docker

from components.child import child
from components.container import SCRATCH, confinement, volume_labels
from components.stack import Stack
from components.step import script, step

MEMORY_MB = 128


@dataclass(frozen=True, kw_only=True)
class Order:
    """What an ACME authority is asked for."""

    image_id: pulumi.Input[str]
    email: str
    directory: str
    """URL of the directory."""
    authority: str
    """PEM certificates that the directory's server is verified by; the system's own when empty."""
    profile: str
    """Kind of certificate; the directory's default when empty."""
    challenge: str
    access: pulumi.Input[str]
    """How the records of DNS-01 are made, as JSON (secret)."""


@dataclass(frozen=True, kw_only=True)
class CertificateArgs:
    stack: Stack
    docker_host: str | None
    network_name: pulumi.Input[str]
    proxy_container: pulumi.Input[str]
    proxy_volume: pulumi.Input[str]
    proxy_ready: pulumi.Input[str]
    """Known once the proxy answers an authority that comes to look."""
    names: Sequence[str]
    """The canonical name first."""
    source: Order | pulumi.Input[str] | None
    """PEM chain and key (secret), or what to order; without either a local authority makes one."""


def order_settings(args: CertificateArgs, order: Order) -> pulumi.Output[str]:
    """What the container reads (secret)."""
    plain = {
        "names": list(args.names),
        "email": order.email,
        "directory": order.directory,
        "authority": order.authority,
        "profile": order.profile,
        "challenge": order.challenge,
    }
    return pulumi.Output.secret(
        pulumi.Output.from_input(order.access).apply(
            lambda access: json.dumps({**plain, "dns": json.loads(access)}, sort_keys=True) + "\n"
        )
    )


class Certificate(pulumi.ComponentResource):
    authority: pulumi.Output[str]
    """Certificate of the local authority (PEM); empty when another one signs."""
    container: pulumi.Output[str] | None
    """Id of the container that orders; None when nothing is ordered."""
    container_name: pulumi.Output[str] | None
    """Its name."""
    version: pulumi.Output[str]
    """Changes with what is ordered."""

    def __init__(self, name: str, args: CertificateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Certificate", name, None, opts)
        self.authority, self.version = pulumi.Output.from_input(""), pulumi.Output.from_input("")
        self.container = self.container_name = None
        if isinstance(args.source, Order):
            self._order(name, args, args.source, opts)
        elif args.source is not None:
            self._install(name, args, args.source, opts)
        else:
            self.authority = self._sign(name, args, opts).stdout
        self.register_outputs(
            {
                "authority": self.authority,
                "container": self.container,
                "containerName": self.container_name,
                "version": self.version,
            }
        )

    def _sign(self, name: str, args: CertificateArgs, opts: pulumi.ResourceOptions | None) -> command.local.Command:
        return step(
            f"{name}-self-signed",
            script("certificate/self_signed.sh"),
            docker_host=args.docker_host,
            environment={"CONTAINER": args.proxy_container, "NAMES": " ".join(args.names)},
            opts=child(self, opts),
        )

    def _install(
        self, name: str, args: CertificateArgs, pem: pulumi.Input[str], opts: pulumi.ResourceOptions | None
    ) -> command.local.Command:
        return step(
            f"{name}-files",
            script("certificate/install.sh"),
            docker_host=args.docker_host,
            environment={"CONTAINER": args.proxy_container},
            stdin=pulumi.Output.secret(pem),
            opts=child(self, opts),
        )

    def _order(self, name: str, args: CertificateArgs, order: Order, opts: pulumi.ResourceOptions | None) -> None:
        # Another account and other certificates after each `down` would soon meet the authority's limits.
        kept = docker.Volume(
            f"{name}-account",
            name=args.stack.resource_name("acme"),
            labels=volume_labels(args.stack, "acme"),
            opts=child(self, opts, retain_on_delete=True),
        )
        timer = docker.Container(
            f"{name}-timer",
            **confinement(args.stack, "acme"),
            name=args.stack.resource_name("acme"),
            # Waiting for the proxy makes the container depend on it: an order before that would fail.
            image=pulumi.Output.all(order.image_id, args.proxy_ready).apply(lambda parts: str(parts[0])),
            memory=MEMORY_MB,
            memory_swap=MEMORY_MB,
            read_only=True,
            tmpfs=SCRATCH,
            volumes=[
                docker.ContainerVolumeArgs(volume_name=kept.name, container_path="/var/lib/acme"),
                docker.ContainerVolumeArgs(volume_name=args.proxy_volume, container_path="/var/lib/monopco"),
            ],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.network_name)],
            destroy_grace_seconds=1,
            opts=child(self, opts),
        )
        configured = step(
            f"{name}-order",
            script("certificate/configure.sh"),
            docker_host=args.docker_host,
            environment={"CONTAINER": timer.id},
            stdin=order_settings(args, order),
            opts=child(self, opts),
        )
        self.container, self.container_name = timer.id, timer.name
        self.version = configured.stdout
