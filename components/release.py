"""A release: one image with one configuration, running in as many containers as replicas are asked for.

Its id is a digest of everything that decides how it behaves, and all its resources are named by it. So a change of
any kind makes new containers beside the old ones, and Pulumi deletes the old ones last, after the switch.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_docker as docker

from components.child import child
from components.container import SCRATCH, confinement, healthcheck, volume_labels
from components.stack import LABEL, Stack
from components.step import script, step

ID_LENGTH = 10
# The first /24 of the network belongs to containers that are found by name.
RESERVED_ADDRESSES = 256
# A container that is made differently is another release, even when the app is the same.
_SPECIFICATION = tuple(
    hashlib.sha256((Path(__file__).parent / name).read_bytes()).hexdigest() for name in ("release.py", "container.py")
)


@dataclass(frozen=True, kw_only=True)
class Health:
    path: str
    expect: str
    start_seconds: int


@dataclass(frozen=True, kw_only=True)
class ReleaseArgs:
    stack: Stack
    docker_host: str | None
    image_id: pulumi.Input[str]
    image_digest: str
    network_name: pulumi.Input[str]
    subnet: str
    replicas: int
    memory_mb: int
    port: int
    health: Health
    read_only: bool
    drain_seconds: int
    environment: Mapping[str, str]
    secrets: Mapping[str, pulumi.Input[str]]
    secret_versions: Mapping[str, str]
    """For each secret something that changes with its value and does not tell it."""

    def __post_init__(self) -> None:
        if self.replicas < 1:
            raise ValueError(f"a release needs at least one replica (got {self.replicas})")
        if set(self.secrets) != set(self.secret_versions):
            raise ValueError("every secret needs a version, and every version a secret")

    @property
    def release_id(self) -> str:
        """Short digest of all that decides how the release behaves; the number of replicas is not part of it."""
        parts = {
            "specification": _SPECIFICATION,
            "image": self.image_digest,
            "subnet": self.subnet,
            "memory": self.memory_mb,
            "port": self.port,
            "health": [self.health.path, self.health.expect, self.health.start_seconds],
            "readOnly": self.read_only,
            "drain": self.drain_seconds,
            "environment": dict(self.environment),
            "secrets": dict(self.secret_versions),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:ID_LENGTH]


def addresses(subnet: str, release: str, replicas: int) -> list[str]:
    """An address for each container, by its release and number: another release has others."""
    network = ipaddress.ip_network(subnet)
    count = network.num_addresses - RESERVED_ADDRESSES - 1
    taken: list[int] = []
    for number in range(replicas):
        digest = hashlib.sha256(f"{release}-{number}".encode()).digest()
        offset = int.from_bytes(digest[:8], "big") % count
        while offset in taken:
            offset = (offset + 1) % count
        taken.append(offset)
    return [str(network[RESERVED_ADDRESSES + offset]) for offset in taken]


def environment_file(values: Mapping[str, str]) -> str:
    """The file that the image's `start` reads: a line NAME=base64 for each variable."""
    return "".join(f"{name}={base64.b64encode(value.encode()).decode()}\n" for name, value in sorted(values.items()))


class Release(pulumi.ComponentResource):
    release_id: str
    """Id of the release."""
    containers: list[pulumi.Output[str]]
    """Names of the app containers."""
    peers: list[str]
    """Address and port of each container, for the proxy."""
    healthy: pulumi.Output[str]
    """Known once every container has given a healthy answer."""

    def __init__(self, name: str, args: ReleaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Release", name, None, opts)
        self.release_id = args.release_id
        volume = self._create_configuration_volume(name, args, opts)
        configured = self._write_configuration(name, args, opts, volume)
        proved = self._prove_image(name, args, opts, volume, configured)
        containers = [
            self._create_container(f"{name}-{self.release_id}-{number}", args, opts, volume, proved, number, address)
            for number, address in enumerate(addresses(args.subnet, self.release_id, args.replicas), start=1)
        ]
        self.containers = [container.name for container in containers]
        self.peers = [f"{address}:{args.port}" for address in addresses(args.subnet, self.release_id, args.replicas)]
        self.healthy = step(
            f"{name}-healthy",
            script("release/health.sh", "release/healthy.sh"),
            docker_host=args.docker_host,
            environment={
                **_health_environment(args),
                "CONTAINERS": pulumi.Output.all(*[container.id for container in containers]).apply(" ".join),
            },
            opts=child(self, opts),
        ).stdout
        self.register_outputs(
            {
                "releaseId": self.release_id,
                "containers": self.containers,
                "peers": self.peers,
                "healthy": self.healthy,
            }
        )

    def _create_configuration_volume(
        self,
        name: str,
        args: ReleaseArgs,
        opts: pulumi.ResourceOptions | None,
    ) -> docker.Volume:
        return docker.Volume(
            f"{name}-{self.release_id}-configuration",
            name=args.stack.resource_name("app", self.release_id),
            labels=volume_labels(args.stack, "app", self.release_id),
            opts=child(self, opts),
        )

    def _write_configuration(
        self,
        name: str,
        args: ReleaseArgs,
        opts: pulumi.ResourceOptions | None,
        volume: docker.Volume,
    ) -> pulumi.Output[str]:
        """Secrets lie in a file of the volume: not in the container's definition, which anybody may inspect."""
        plain = {**args.environment, "PORT": str(args.port), "RELEASE": self.release_id}
        content: pulumi.Output[str] = pulumi.Output.secret(
            pulumi.Output.all(**args.secrets).apply(
                lambda secrets: environment_file({**plain, **{key: str(value) for key, value in secrets.items()}})
            )
        )
        return step(
            f"{name}-{self.release_id}-environment",
            script("release/configure.sh"),
            docker_host=args.docker_host,
            environment={"IMAGE": args.image_id, "VOLUME": volume.name},
            stdin=content,
            opts=child(self, opts, ignore_changes=["environment.IMAGE"]),
        ).id

    def _prove_image(
        self,
        name: str,
        args: ReleaseArgs,
        opts: pulumi.ResourceOptions | None,
        volume: docker.Volume,
        configured: pulumi.Output[str],
    ) -> pulumi.Output[str]:
        """One container is started and asked before any container that could be given a request."""
        return step(
            f"{name}-{self.release_id}-proof",
            script("release/health.sh", "release/prove.sh"),
            docker_host=args.docker_host,
            environment={
                **_health_environment(args),
                "IMAGE": args.image_id,
                "VOLUME": volume.name,
                "CONFIGURED": configured,
                "NETWORK": args.network_name,
                "NAME": args.stack.resource_name("proof", self.release_id),
                "LABEL": LABEL,
                "STACK": args.stack.name,
                "RELEASE": self.release_id,
                "READ_ONLY": "true" if args.read_only else "false",
            },
            opts=child(self, opts, ignore_changes=["environment.IMAGE"]),
        ).id

    def _create_container(
        self,
        name: str,
        args: ReleaseArgs,
        opts: pulumi.ResourceOptions | None,
        volume: docker.Volume,
        proved: pulumi.Output[str],
        number: int,
        address: str,
    ) -> docker.Container:
        return docker.Container(
            name,
            **confinement(args.stack, "app", self.release_id),
            name=args.stack.resource_name("app", self.release_id, str(number)),
            # Waiting for the proof makes the container depend on it.
            image=pulumi.Output.all(args.image_id, proved).apply(lambda parts: str(parts[0])),
            memory=args.memory_mb,
            memory_swap=args.memory_mb,
            read_only=args.read_only,
            tmpfs=SCRATCH,
            volumes=[
                docker.ContainerVolumeArgs(volume_name=volume.name, container_path="/etc/monopco", read_only=True)
            ],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.network_name, ipv4_address=address)],
            healthcheck=healthcheck(
                ["healthcheck", str(args.port), args.health.path, args.health.expect], args.health.start_seconds
            ),
            stop_signal="SIGTERM",
            stop_timeout=args.drain_seconds or 1,
            destroy_grace_seconds=args.drain_seconds or 1,
            # The release id names the content: the same content under a new image id is no reason to stop a container.
            opts=child(self, opts, ignore_changes=["image"]),
        )


def _health_environment(args: ReleaseArgs) -> dict[str, pulumi.Input[str]]:
    return {
        "PORT": str(args.port),
        "HEALTH_PATH": args.health.path,
        "HEALTH_EXPECT": args.health.expect,
        "START_SECONDS": str(args.health.start_seconds),
        "MEMORY_MB": str(args.memory_mb),
    }
