"""A release that runs: one image with one configuration, in as many containers as replicas are asked for.

All its resources are named by its id. So a change of any kind makes new containers beside the old ones, and Pulumi
deletes the old ones last, after the switch.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.bundle import bundle
from components.child import child
from components.container import SCRATCH, confinement, healthcheck, volume_labels
from components.specification import Specification
from components.stack import LABEL, Stack
from components.step import script, step

# The first /24 of the network belongs to containers that are found by name.
RESERVED_ADDRESSES = 256
# As many replicas as app.replicas allows: each release has a block of addresses of its own.
BLOCK = 16
READABLE = 0o444


@dataclass(frozen=True, kw_only=True)
class ReleaseArgs:
    stack: Stack
    docker_host: str | None
    specification: Specification
    image_id: pulumi.Input[str]
    serial: pulumi.Input[int]
    """Number of the release's block of addresses; the next release has the next one."""
    network_name: pulumi.Input[str]
    replicas: int
    secrets: Mapping[str, pulumi.Input[str]]
    permission: pulumi.Input[str]
    """Known once the release may be started; its value does not matter."""

    def __post_init__(self) -> None:
        if not 1 <= self.replicas <= BLOCK:
            raise ValueError(f"a release has 1 to {BLOCK} replicas (got {self.replicas})")
        if set(self.secrets) != set(self.specification.secret_versions):
            raise ValueError("every secret needs a version, and every version a secret")


def address(subnet: str, serial: int, number: int) -> str:
    """The address of a container, by the serial number of its release and its own number, which counts from 1.

    Another release has others, and they are not used again before every other block was.
    """
    network = ipaddress.ip_network(subnet)
    blocks = (network.num_addresses - RESERVED_ADDRESSES - 1) // BLOCK
    return str(network[RESERVED_ADDRESSES + serial % blocks * BLOCK + number - 1])


def container_name(stack: Stack, release: str, number: int) -> str:
    """Docker's name of one of a release's containers, which count from 1."""
    return stack.resource_name("app", release, str(number))


def environment_file(values: Mapping[str, str]) -> str:
    """The file that the image's `start` reads: a line NAME=base64 for each variable."""
    return "".join(f"{name}={base64.b64encode(value.encode()).decode()}\n" for name, value in sorted(values.items()))


def configuration(specification: Specification, secrets: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """The bundle with the environment file of a release (secret).

    Secrets lie in a file of a volume: not in the container's definition, which anybody may inspect.
    """
    return pulumi.Output.secret(
        environment_text(specification, secrets).apply(lambda text: bundle({"env": text}, mode=READABLE))
    )


def environment_text(specification: Specification, secrets: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """The environment file of a release (secret)."""
    plain = {**specification.environment, "PORT": str(specification.port), "RELEASE": specification.release_id}
    return pulumi.Output.secret(
        pulumi.Output.all(**secrets).apply(
            lambda values: environment_file({**plain, **{name: str(value) for name, value in values.items()}})
        )
    )


def health_environment(specification: Specification) -> dict[str, pulumi.Input[str]]:
    """What release/health.sh must know to ask a container."""
    return {
        "PORT": str(specification.port),
        "HEALTH_PATH": specification.health.path,
        "HEALTH_EXPECT": specification.health.expect,
        "START_SECONDS": str(specification.health.start_seconds),
        "MEMORY_MB": str(specification.memory_mb),
    }


class Release(pulumi.ComponentResource):
    release_id: str
    """Id of the release."""
    container_ids: list[pulumi.Output[str]]
    """Ids of the app containers."""
    peers: list[pulumi.Output[str]]
    """Address and port of each container, for the proxy."""
    healthy: pulumi.Output[str]
    """Known once every container has given a healthy answer."""
    specification: str
    """All that decides how it behaves (JSON), so that a preview can tell what makes the next one another."""

    def __init__(self, name: str, args: ReleaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Release", name, None, opts)
        self.release_id = args.specification.release_id
        self.specification = args.specification.to_json()
        volume = self._create_configuration_volume(name, args, opts)
        configured = self._write_configuration(name, args, opts, volume)
        addresses = [self._address(args, number) for number in range(1, args.replicas + 1)]
        containers = [
            self._create_container(name, args, opts, volume, configured, number, own)
            for number, own in enumerate(addresses, start=1)
        ]
        self.container_ids = [container.id for container in containers]
        self.peers = [pulumi.Output.concat(own, f":{args.specification.port}") for own in addresses]
        self.healthy = step(
            f"{name}-healthy",
            script("release/health.sh", "release/healthy.sh"),
            docker_host=args.docker_host,
            environment={
                **health_environment(args.specification),
                "RELEASE": self.release_id,
                "PROXY": args.stack.resource_name("proxy"),
                "CONTAINERS": pulumi.Output.all(*self.container_ids).apply(" ".join),
            },
            opts=child(self, opts),
        ).stdout
        self.register_outputs(
            {
                "releaseId": self.release_id,
                "containerIds": self.container_ids,
                "peers": self.peers,
                "healthy": self.healthy,
                "specification": self.specification,
            }
        )

    def _address(self, args: ReleaseArgs, number: int) -> pulumi.Output[str]:
        serial = pulumi.Output.from_input(args.serial)
        return serial.apply(lambda value: address(args.specification.subnet, int(value), number))

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
        return step(
            f"{name}-{self.release_id}-environment",
            script("release/configure.sh"),
            docker_host=args.docker_host,
            environment={
                "IMAGE": args.image_id,
                "VOLUME": volume.name,
                "NAME": args.stack.resource_name("configure", self.release_id),
            },
            stdin=configuration(args.specification, args.secrets),
            opts=child(self, opts, ignore_changes=["environment.IMAGE"]),
        ).id

    def _create_container(
        self,
        name: str,
        args: ReleaseArgs,
        opts: pulumi.ResourceOptions | None,
        volume: docker.Volume,
        configured: pulumi.Output[str],
        number: int,
        own_address: pulumi.Output[str],
    ) -> docker.Container:
        what, seconds = args.specification, args.specification.drain_seconds or 1
        common = confinement(args.stack, "app", self.release_id)
        # By it the next release knows which addresses are taken.
        serial = pulumi.Output.from_input(args.serial).apply(lambda value: str(int(value)))
        common["labels"].append(docker.ContainerLabelArgs(label=f"{LABEL}.serial", value=serial))
        return docker.Container(
            f"{name}-{self.release_id}-{number}",
            **common,
            name=container_name(args.stack, self.release_id, number),
            # Waiting for the configuration and the permission makes the container depend on them.
            image=pulumi.Output.all(args.image_id, configured, args.permission).apply(lambda parts: str(parts[0])),
            memory=what.memory_mb,
            memory_swap=what.memory_mb,
            read_only=what.read_only,
            tmpfs=SCRATCH,
            volumes=[
                docker.ContainerVolumeArgs(volume_name=volume.name, container_path="/etc/monopco", read_only=True)
            ],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.network_name, ipv4_address=own_address)],
            healthcheck=healthcheck(
                ["healthcheck", str(what.port), what.health.path, what.health.expect], what.health.start_seconds
            ),
            stop_signal="SIGTERM",
            stop_timeout=seconds,
            destroy_grace_seconds=seconds,
            # The release id names the content: the same content under a new image id is no reason to stop a container.
            opts=child(self, opts, ignore_changes=["image"]),
        )
