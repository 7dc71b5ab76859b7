"""A release that runs on a swarm: a service of its own, with as many containers as replicas are asked for.

As on one server, all is named by the release's id, so that a change of any kind makes a new service beside the old one,
all of whose containers are healthy before the switch (start first, at every size), and Pulumi deletes the old one last.
What Docker changes by itself, after the loss of a node or by hand, goes one container at a time, start first, gated by
health and rolled back when it fails.

Containers are found by name (DNSRR): a virtual address would be balanced by each kernel, which knows neither health nor
which requests may be repeated. The proxies do.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

from components.child import child
from components.container import LOG_LIMITS, SCRATCH, duration
from components.release import READABLE, environment_text, health_environment
from components.specification import Specification
from components.stack import Stack
from components.step import script, step

# Seconds that a container goes on answering after Docker has taken it out of DNS: the proxies look 3 times a second,
# and what one node knows takes a moment to reach the others.
STOP_DELAY = 5
HEALTH_INTERVAL = 5


@dataclass(frozen=True, kw_only=True)
class ServiceArgs:
    stack: Stack
    docker_host: str | None
    specification: Specification
    image_id: pulumi.Input[str]
    """Known once every node has the image."""
    network_id: pulumi.Input[str]
    replicas: int
    secrets: Mapping[str, pulumi.Input[str]]
    permission: pulumi.Input[str]
    """Known once the release may be started; its value does not matter."""


def service_name(stack: Stack, release: str) -> str:
    """Docker's name of a release's service."""
    return stack.resource_name("app", release)


class Service(pulumi.ComponentResource):
    release_id: str
    """Id of the release."""
    service: pulumi.Output[str]
    """Name of the service."""
    peers: str
    """Name and port by which the proxies look the containers up."""
    healthy: pulumi.Output[str]
    """Known once every container has given a healthy answer."""

    def __init__(self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Service", name, None, opts)
        what = args.specification
        self.release_id = what.release_id
        secret = docker.Secret(
            f"{name}-{self.release_id}-environment",
            name=service_name(args.stack, self.release_id),
            data=environment_text(what, args.secrets).apply(lambda text: base64.b64encode(text.encode()).decode()),
            labels=[
                docker.SecretLabelArgs(label=label, value=value)
                for label, value in args.stack.labels("app", self.release_id).items()
            ],
            opts=child(self, opts),
        )
        service = self._create_service(name, args, opts, secret)
        self.service = service.name
        self.peers = f"tasks.{service_name(args.stack, self.release_id)}:{what.port}"
        self.healthy = step(
            f"{name}-healthy",
            script("service/watch.sh", "service/healthy.sh"),
            docker_host=args.docker_host,
            environment={
                **health_environment(what),
                "RELEASE": self.release_id,
                "PROXY": args.stack.resource_name("proxy"),
                # Another one when the service was made anew.
                "SERVICE_ID": service.id,
                "SERVICE": service.name,
                "REPLICAS": str(args.replicas),
                "INTERVAL": str(HEALTH_INTERVAL),
            },
            opts=child(self, opts),
        ).stdout
        self.register_outputs(
            {
                "releaseId": self.release_id,
                "service": self.service,
                "peers": self.peers,
                "healthy": self.healthy,
            }
        )

    def _create_service(
        self, name: str, args: ServiceArgs, opts: pulumi.ResourceOptions | None, secret: docker.Secret
    ) -> docker.Service:
        what = args.specification
        labels = args.stack.labels("app", self.release_id)
        changing: dict[str, pulumi.Input[str] | pulumi.Input[int]] = {
            "parallelism": 1,
            "order": "start-first",
            "monitor": _duration(2 * HEALTH_INTERVAL),
            "max_failure_ratio": "0.0",
        }
        return docker.Service(
            f"{name}-{self.release_id}-service",
            name=service_name(args.stack, self.release_id),
            labels=[docker.ServiceLabelArgs(label=label, value=value) for label, value in labels.items()],
            mode=docker.ServiceModeArgs(replicated=docker.ServiceModeReplicatedArgs(replicas=args.replicas)),
            endpoint_spec=docker.ServiceEndpointSpecArgs(mode="dnsrr"),
            update_config=docker.ServiceUpdateConfigArgs(**changing, failure_action="rollback"),  # type: ignore[arg-type]
            rollback_config=docker.ServiceRollbackConfigArgs(**changing, failure_action="pause"),  # type: ignore[arg-type]
            task_spec=docker.ServiceTaskSpecArgs(
                container_spec=self._container(args, secret),
                networks_advanceds=[docker.ServiceTaskSpecNetworksAdvancedArgs(id=args.network_id)],
                resources=docker.ServiceTaskSpecResourcesArgs(
                    limits=docker.ServiceTaskSpecResourcesLimitsArgs(memory_bytes=what.memory_mb * 2**20)
                ),
                restart_policy=docker.ServiceTaskSpecRestartPolicyArgs(
                    condition="any", delay=_duration(1), window=_duration(0)
                ),
                log_driver=docker.ServiceTaskSpecLogDriverArgs(name="json-file", options=LOG_LIMITS),
            ),
            # The release id names the content: the same content under a new image id is no reason to start anew.
            opts=child(self, opts, ignore_changes=["taskSpec.containerSpec.image"]),
        )

    def _container(self, args: ServiceArgs, secret: docker.Secret) -> docker.ServiceTaskSpecContainerSpecArgs:
        what = args.specification
        return docker.ServiceTaskSpecContainerSpecArgs(
            # Waiting for the permission makes the service depend on it.
            image=pulumi.Output.all(args.image_id, args.permission).apply(lambda parts: str(parts[0])),
            labels=[
                docker.ServiceTaskSpecContainerSpecLabelArgs(label=label, value=value)
                for label, value in args.stack.labels("app", self.release_id).items()
            ],
            env={"STOP_DELAY": str(STOP_DELAY)},
            init=True,
            cap_drops=["ALL"],
            read_only=what.read_only,
            mounts=[_scratch(target, options) for target, options in sorted(SCRATCH.items())],
            secrets=[
                docker.ServiceTaskSpecContainerSpecSecretArgs(
                    secret_id=secret.id,
                    secret_name=secret.name,
                    file_name="/etc/monopco/env",
                    file_mode=READABLE,
                )
            ],
            healthcheck=docker.ServiceTaskSpecContainerSpecHealthcheckArgs(
                tests=["CMD", "healthcheck", str(what.port), what.health.path, what.health.expect],
                interval=_duration(HEALTH_INTERVAL),
                timeout=_duration(5),
                retries=3,
                start_period=_duration(what.health.start_seconds),
            ),
            stop_signal="SIGTERM",
            stop_grace_period=_duration(STOP_DELAY + (what.drain_seconds or 1)),
        )


def _duration(seconds: int) -> str:
    """As Docker's provider reports one of a service: without zeros at the end."""
    text = duration(seconds)
    for unit in "sm":
        text = re.sub(rf"(?<=[hm])0{unit}$", "", text)
    return text


def _scratch(target: str, options: str) -> docker.ServiceTaskSpecContainerSpecMountArgs:
    """A tmpfs by the options that a container has for it. All may write there, which a service has by itself."""
    size = re.search(r"size=(\d+)m", options)
    if size is None:
        raise ValueError(f"the size of a tmpfs is given in megabytes (got {options})")
    return docker.ServiceTaskSpecContainerSpecMountArgs(
        type="tmpfs",
        target=target,
        tmpfs_options=docker.ServiceTaskSpecContainerSpecMountTmpfsOptionsArgs(
            mode=0o777, size_bytes=int(size[1]) * 2**20
        ),
    )
