"""The proxy: nginx in front of the app, with the public ports and the one configuration.

Owns what is seen from outside. Which release gets the requests is the switch's; the proxy starts and stays up
without any app, and a configuration that nginx refuses leaves the last good one in place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
import pulumi
import pulumi_docker as docker

from components.child import child
from components.container import SCRATCH, confinement, volume_labels
from components.stack import Stack
from components.step import SCRIPTS, script, step

HTTP_PORT = 8080
HTTPS_PORT = 8443
MEMORY_MB = 128
STANDARD_HTTPS_PORT = 443
# A machine that is gone says nothing. So that a request which waits for it is repeated soon: what is sent is given up
# after 4 tries (about 3 s), and an answer that is waited for when there was no sign of life for 5 s.
IMPATIENT = {
    "net.ipv4.tcp_retries2": "4",
    "net.ipv4.tcp_keepalive_time": "2",
    "net.ipv4.tcp_keepalive_intvl": "1",
    "net.ipv4.tcp_keepalive_probes": "3",
}
LOOPBACK = ("localhost", "127.0.0.1")


@dataclass(frozen=True, kw_only=True)
class ProxyArgs:
    stack: Stack
    docker_host: str | None
    image_id: pulumi.Input[str]
    network_name: pulumi.Input[str]
    domain: str
    aliases: Sequence[str]
    address: str
    """Address of the machine that the ports are published on."""
    http_port: int
    https_port: int
    body_limit: str
    requests_per_second: int
    burst: int
    content_security_policy: str
    hsts_seconds: int
    """For how long browsers are told to come by HTTPS only; 0 takes that back."""
    drain_seconds: int
    swarm: bool = False
    """Whether the app's containers are on other machines, too, any of which may be switched off at any time."""
    dashboard: Sequence[str] | None = None
    """Addresses that may see the page of the monitoring, all when it is empty; None when there is no such page."""
    front: pulumi.Input[str] | None = None
    """Network on which this proxy meets those of environments for pull requests; without one it stands alone."""
    behind: bool = False
    """Whether another proxy on the front gives it the requests, so that it publishes nothing itself."""

    @property
    def environments(self) -> bool:
        """Whether names below the domain lead to environments for pull requests."""
        return self.front is not None and not self.behind

    @property
    def url(self) -> str:
        """Where a browser finds the app."""
        port = "" if self.https_port == STANDARD_HTTPS_PORT else f":{self.https_port}"
        return f"https://{self.domain}{port}"


def nginx_configuration(args: ProxyArgs) -> str:
    """The complete nginx.conf."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(SCRIPTS / "proxy"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is nginx configuration
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("nginx.conf.j2").render(
        domain=args.domain,
        aliases=list(args.aliases),
        extra_hosts=[name for name in LOOPBACK if name != args.domain],
        https_port=args.https_port,
        body_limit=args.body_limit,
        csp=args.content_security_policy,
        hsts_seconds=args.hsts_seconds,
        rate={"requests_per_second": args.requests_per_second, "burst": args.burst},
        drain_seconds=args.drain_seconds,
        swarm=args.swarm,
        dashboard=None if args.dashboard is None else {"allow": list(args.dashboard)},
        environments=args.environments,
    )


class Proxy(pulumi.ComponentResource):
    container: pulumi.Output[str]
    """Id of the container; another one when nginx was made anew and must be told everything again."""
    container_name: pulumi.Output[str]
    """Name of the container."""
    volume: pulumi.Output[str]
    """Name of the volume with what nginx serves by: configuration, certificate, challenges of an authority."""
    ready: pulumi.Output[str]
    """Known once nginx serves this configuration."""

    def __init__(self, name: str, args: ProxyArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Proxy", name, None, opts)
        state = docker.Volume(
            f"{name}-state",
            name=args.stack.resource_name("proxy"),
            labels=volume_labels(args.stack, "proxy"),
            opts=child(self, opts),
        )
        server = self._create_container(name, args, opts, state)
        text = nginx_configuration(args)
        configured = step(
            f"{name}-configuration",
            script("proxy/configure.sh"),
            docker_host=args.docker_host,
            environment={
                "CONTAINER": server.id,
                # By which whoever looks for drift asks the proxy whether it still has this one.
                "MD5": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
            },
            stdin=text,
            opts=child(self, opts),
        )
        self.container = server.id
        self.container_name = server.name
        self.volume = state.name
        self.ready = configured.id
        self.register_outputs(
            {
                "container": self.container,
                "containerName": self.container_name,
                "volume": self.volume,
                "ready": self.ready,
            }
        )

    def _create_container(
        self, name: str, args: ProxyArgs, opts: pulumi.ResourceOptions | None, state: docker.Volume
    ) -> docker.Container:
        return docker.Container(
            f"{name}-server",
            **confinement(args.stack, "proxy"),
            name=args.stack.resource_name("proxy"),
            image=args.image_id,
            memory=MEMORY_MB,
            memory_swap=MEMORY_MB,
            read_only=True,
            tmpfs=SCRATCH,
            sysctls=IMPATIENT if args.swarm else None,
            volumes=[docker.ContainerVolumeArgs(volume_name=state.name, container_path="/var/lib/monopco")],
            networks_advanced=[
                docker.ContainerNetworksAdvancedArgs(name=args.network_name, aliases=["proxy"]),
                *([docker.ContainerNetworksAdvancedArgs(name=args.front)] if args.front else []),
            ],
            ports=None
            if args.behind
            else [
                docker.ContainerPortArgs(internal=HTTP_PORT, external=args.http_port, ip=args.address),
                docker.ContainerPortArgs(internal=HTTPS_PORT, external=args.https_port, ip=args.address),
            ],
            stop_signal="SIGQUIT",
            stop_timeout=args.drain_seconds or 1,
            destroy_grace_seconds=args.drain_seconds or 1,
            opts=child(self, opts),
        )
