"""Watching the environment: Prometheus, Alertmanager and the exporters, a container each.

Owns what is asked, what is an alert, whom it reaches, and who may look at the page. It is off the path of requests:
the proxy and the app need none of it. Nothing is published. What would give power over alerts lies on a network that
the app has no way into.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import pulumi
import pulumi_docker as docker

from components.alertmanager import SECRETS, Alerts, configuration, secrets
from components.bundle import bundle
from components.child import child
from components.connection import Connection
from components.container import SCRATCH, confinement, volume_labels
from components.metrics import PATH as METRICS_PATH
from components.stack import Stack
from components.step import script, step

USER = "monopco"
PICTURES = "/usr/share/monopco/page/pictures"
# Megabytes. Together more than what is resident, so that a burst ends in a slower collection and not in a kill.
CONNECTION = ("host", "port", "database", "sslmode", "user", "password")
MEMORY = {"watch": 192, "alerts": 64, "prober": 64, "machine": 64, "database": 64, "containers": 64}


@dataclass(frozen=True, kw_only=True)
class MonitoringArgs:
    stack: Stack
    docker_host: str | None
    image_id: pulumi.Input[str]
    network_name: pulumi.Input[str]
    proxy_container: pulumi.Input[str]
    """Id of the proxy's container, which keeps who may see the page."""
    metrics_volume: pulumi.Input[str]
    """Volume in which other parts leave their figures."""
    url: str
    """Where a browser finds the app."""
    domain: str
    health_path: str
    database_url: pulumi.Input[str]
    """By which the database's figures are read (secret)."""
    page_password: pulumi.Input[str]
    """Of the page (secret)."""
    alerts: Alerts
    pictures_volume: pulumi.Input[str] | None = None
    """Volume with pictures of the home page, which the page shows."""

    @property
    def page_url(self) -> str:
        """Where a browser finds the page."""
        return f"{self.url}/_monopco/"


def login(password: str) -> str:
    """The line by which nginx knows who may see the page.

    nginx hashes at each request, on the same thread that serves the app: so the hash is a fast one, which is enough
    for a password of 190 random bits. The salt follows from the password, so that the same one gives the same line.
    """
    salt = hmac.digest(password.encode(), b"page", "sha256")[:8]
    digest = hashlib.sha1(password.encode() + salt).digest()  # noqa: S324 - nginx knows no other fast one with a salt
    return f"{USER}:{{SSHA}}{base64.b64encode(digest + salt).decode()}\n"


def _connection(database: Connection) -> dict[str, str]:
    """The parts of a connection, a file each. Of libpq's options the exporter's driver knows how it encrypts."""
    options = dict(database.options)
    return {
        "host": database.host,
        "port": str(database.port),
        "database": quote(database.database, safe=""),
        "sslmode": options.get("sslmode", "prefer"),
        "user": database.user,
        "password": database.password,
    }


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What differs between the containers."""

    name: str
    command: Sequence[str]
    networks: Sequence[docker.ContainerNetworksAdvancedArgs] | None
    """None is without any network."""
    environment: Mapping[str, str] = field(default_factory=dict)
    volumes: Sequence[docker.ContainerVolumeArgs] = ()
    user: str | None = None


def _mounted(volume: docker.Volume, path: str) -> docker.ContainerVolumeArgs:
    return docker.ContainerVolumeArgs(volume_name=volume.name, container_path=path)


class Monitoring(pulumi.ComponentResource):
    page: pulumi.Output[dict[str, str]]
    """Where a browser finds the page, the user and the password (secret); known once it lets that user in."""
    containers: list[pulumi.Output[str]]
    """Names of the containers."""

    def __init__(self, name: str, args: MonitoringArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Monitoring", name, None, opts)
        self._name, self._args, self._opts = name, args, opts
        self._inside = docker.Network(
            f"{name}-network",
            name=args.stack.resource_name("monitoring"),
            driver="bridge",
            labels=[
                docker.NetworkLabelArgs(label=label, value=value)
                for label, value in args.stack.labels("monitoring").items()
            ],
            opts=child(self, opts),
        ).name
        parts = [
            self._watch(),
            self._alerts(),
            self._prober(),
            self._machine(),
            self._containers(),
            self._database(),
        ]
        self.containers = [part.name for part in parts]
        admitted = step(
            f"{name}-login",
            script("monitoring/login.sh"),
            docker_host=args.docker_host,
            environment={"CONTAINER": args.proxy_container},
            stdin=pulumi.Output.secret(
                pulumi.Output.from_input(args.page_password).apply(lambda password: login(str(password)))
            ),
            opts=child(self, opts),
        )
        self.page = pulumi.Output.secret(
            pulumi.Output.all(args.page_password, admitted.id).apply(
                lambda parts: {"url": args.page_url, "user": USER, "password": str(parts[0])}
            )
        )
        self.register_outputs({"page": self.page, "containers": self.containers})

    def _watch(self) -> docker.Container:
        args = self._args
        environment = {
            "STACK": args.stack.name,
            "SITE_HOST": args.domain,
            "SITE_PATH": args.health_path,
            "URL": args.page_url,
        }
        return self._container(
            _Part(
                name="watch",
                command=["watch-environment"],
                networks=self._networks("monitoring", outside=True),
                environment=environment,
                volumes=[_mounted(self._volume("data"), "/var/lib/prometheus"), *self._pictures()],
            )
        )

    def _pictures(self) -> list[docker.ContainerVolumeArgs]:
        """The image has no folder there: Docker would have the volume belong to the owner of that one."""
        if self._args.pictures_volume is None:
            return []
        volume = self._args.pictures_volume
        return [docker.ContainerVolumeArgs(volume_name=volume, container_path=PICTURES, read_only=True)]

    def _alerts(self) -> docker.Container:
        files = {"alertmanager.yml": configuration(self._args.alerts), **secrets(self._args.alerts)}
        return self._container(
            _Part(
                name="alerts",
                command=["send-alerts"],
                networks=self._networks("alerts"),
                environment={"URL": self._args.page_url},
                volumes=[self._secrets("alerts", files), _mounted(self._volume("alerts"), "/var/lib/alertmanager")],
            )
        )

    def _prober(self) -> docker.Container:
        command = ["prometheus-blackbox-exporter", "--config.file=/etc/monopco/blackbox.yml", "--log.level=warn"]
        return self._container(_Part(name="prober", command=command, networks=self._networks("prober", outside=True)))

    def _machine(self) -> docker.Container:
        """Processors, memory and load of the machine are in every container's /proc. For its disks a place on each is
        enough: the volume lies on Docker's, and /usr on the system's."""
        system = docker.ContainerVolumeArgs(host_path="/usr", container_path="/disks/system", read_only=True)
        metrics = docker.ContainerVolumeArgs(
            volume_name=self._args.metrics_volume, container_path=METRICS_PATH, read_only=True
        )
        return self._container(
            _Part(
                name="machine",
                command=["watch-machine"],
                networks=self._networks("machine"),
                volumes=[system, metrics],
            )
        )

    def _containers(self) -> docker.Container:
        """Docker's socket gives power over the machine, so what reads it has no network, and nothing else has it."""
        socket = docker.ContainerVolumeArgs(host_path="/var/run/docker.sock", container_path="/var/run/docker.sock")
        metrics = docker.ContainerVolumeArgs(volume_name=self._args.metrics_volume, container_path=METRICS_PATH)
        return self._container(
            _Part(
                name="containers",
                command=["watch-containers"],
                networks=None,
                environment={"STACK": self._args.stack.name},
                volumes=[socket, metrics],
                user="0:0",
            )
        )

    def _database(self) -> docker.Container:
        url: pulumi.Output[str] = pulumi.Output.secret(self._args.database_url)
        parts = url.apply(lambda text: _connection(Connection.from_url(text)))
        files: dict[str, pulumi.Input[str]] = {name: parts[name] for name in CONNECTION}
        return self._container(
            _Part(
                name="database",
                command=["watch-database"],
                networks=self._networks("database-exporter", outside=True),
                volumes=[self._secrets("database", files)],
            )
        )

    def _networks(self, alias: str, *, outside: bool = False) -> list[docker.ContainerNetworksAdvancedArgs]:
        """The monitoring's own network, and for what must reach the environment the environment's too."""
        names = [self._inside, *([self._args.network_name] if outside else [])]
        return [docker.ContainerNetworksAdvancedArgs(name=network, aliases=[alias]) for network in names]

    def _volume(self, part: str) -> docker.Volume:
        return docker.Volume(
            f"{self._name}-{part}-volume",
            name=self._args.stack.resource_name("monitoring", part),
            labels=volume_labels(self._args.stack, "monitoring"),
            opts=child(self, self._opts),
        )

    def _secrets(self, part: str, files: Mapping[str, pulumi.Input[str]]) -> docker.ContainerVolumeArgs:
        """A volume with these files, which only this part mounts."""
        volume = self._volume(f"{part}-secrets")
        content: pulumi.Output[str] = pulumi.Output.secret(
            pulumi.Output.all(**files).apply(lambda texts: bundle({path: str(texts[path]) for path in texts}))
        )
        taken = step(
            f"{self._name}-{part}-configuration",
            script("monitoring/take_secrets.sh"),
            docker_host=self._args.docker_host,
            environment={
                "IMAGE": self._args.image_id,
                "VOLUME": volume.name,
                "PART": self._args.stack.resource_name("monitoring", part),
            },
            stdin=content,
            opts=child(self, self._opts),
        )
        name = pulumi.Output.all(volume.name, taken.id).apply(lambda parts: str(parts[0]))
        return docker.ContainerVolumeArgs(volume_name=name, container_path=SECRETS, read_only=True)

    def _container(self, part: _Part) -> docker.Container:
        program, *arguments = part.command
        return docker.Container(
            f"{self._name}-{part.name}",
            **confinement(self._args.stack, "monitoring"),
            name=self._args.stack.resource_name("monitoring", part.name),
            image=self._args.image_id,
            entrypoints=[program],
            command=arguments,
            user=part.user,
            envs=[f"{key}={value}" for key, value in part.environment.items()],
            memory=MEMORY[part.name],
            memory_swap=MEMORY[part.name],
            read_only=True,
            tmpfs=SCRATCH,
            volumes=part.volumes,
            networks_advanced=part.networks,
            network_mode="none" if part.networks is None else None,
            opts=child(self, self._opts),
        )
