"""MonOPCO's environment, top to bottom: stack file → settings → components → outputs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pulumi
import pulumi_docker as docker

import settings as configuration
from components.alertmanager import Alerts, Mail
from components.app_image import AppImage, AppImageArgs
from components.app_secrets import AppSecrets, AppSecretsArgs
from components.assets import Assets, AssetsArgs
from components.backups import Backups, BackupsArgs, jobs
from components.certificate import Certificate, CertificateArgs, Order
from components.checkpoint import Checkpoint, CheckpointArgs, Migration
from components.copies import Copies, CopiesArgs
from components.database import Database, DatabaseArgs, app_login, monitor_url
from components.delivery import Delivery, Registry
from components.dns import Dns, DnsArgs
from components.external_database import ExternalDatabase, ExternalDatabaseArgs
from components.front import Front, FrontArgs, front_name
from components.image import Image, ImageArgs
from components.issuance import Issuance, IssuanceArgs
from components.machine import Machine, MachineArgs
from components.metrics import Metrics, MetricsArgs
from components.monitoring import Monitoring, MonitoringArgs
from components.network import Network, NetworkArgs
from components.node import Node, NodeArgs
from components.old_logins import OldLogins, OldLoginsArgs
from components.pictures import Pictures, PicturesArgs
from components.proxy import Proxy, ProxyArgs
from components.release import Release, ReleaseArgs, container_name, health_environment
from components.repository import S3, Repository, RepositoryArgs, Sftp
from components.restore_points import RestorePoints, RestorePointsArgs
from components.retention import Retention, RetentionArgs
from components.schema import Schema, SchemaArgs
from components.sealing import unseal
from components.serial import Serial, SerialArgs
from components.server import Server, ServerArgs
from components.service import Service, ServiceArgs
from components.stack import Stack
from components.swarm import Swarm, SwarmArgs
from components.switch import Everywhere, Switch, SwitchArgs
from components.usable_schema import UsableSchema, UsableSchemaArgs
from guard import guarded
from plan import UNRECORDED, Plan, image_digest, plan
from record import Record
from sections import Node as NodeSection
from sections import cron_times, parse_size
from source import STAGED_DOCKERFILE, Source, folder_digest
from zones.wanted import wanted

IMAGES = configuration.PROJECT / "images"


def _machine(settings: configuration.Settings, stack: Stack, node: NodeSection | None = None) -> Machine | None:
    server, http = settings.sections.server, settings.sections.http
    host, host_key = (node.host, node.host_key) if node else (server.host, server.host_key)
    if host is None or not server.set_up:
        return None
    if host_key is None and not pulumi.runtime.is_dry_run():
        key = f"server.nodes[{server.nodes.index(node)}].hostKey" if node else "server.hostKey"
        raise pulumi.RunError(
            f"{key}: is missing, so nobody knows whether it is {host} that answers; ./monopco up reads "
            f"it at the first contact, or set it: pulumi config set --path 'monopco:{key}' 'ssh-ed25519 AAAA…'"
        )
    # In this order, so that a server's own rules do not depend on which of them it is.
    everybody = {server.reached_at, *(each.reached_at for each in server.nodes)}
    own = node.reached_at if node else server.reached_at
    return Machine(
        f"machine-{host}" if node else "machine",
        MachineArgs(
            stack=stack,
            host=host,
            port=server.port,
            user=server.user,
            private_key=configuration.secret(server.private_key) if server.private_key else None,
            host_key=host_key,
            authorized_key=settings.authorized_key,
            ports=(http.http_port, http.https_port),
            others=sorted(everybody - {own}),
            encrypted=server.encrypted,
        ),
    )


def _digest(*parts: str) -> str:
    return hashlib.sha256("".join(parts).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Site:
    """What every part of the environment is made with."""

    settings: configuration.Settings
    stack: Stack
    host: str | None
    subnet: str
    digests: Mapping[str, str]
    """Of the folders of our own images."""
    app_digest: str
    plan: Plan
    machine: Machine | None
    """The server as this program sets it up; None when it is this machine, or somebody else's work."""
    provider: docker.Provider
    builder: docker.Provider
    """The Docker that builds the images."""

    @staticmethod
    def of(settings: configuration.Settings) -> Site:
        stack = Stack(settings.stack)
        subnet = settings.sections.network.subnet or stack.subnet()
        digests = {
            name: folder_digest(IMAGES / name) for name in ("node", "nginx", "postgres", "monitoring", "browser")
        }
        digests["acme"] = _digest(folder_digest(IMAGES / "acme"), folder_digest(configuration.PROJECT / "zones"))
        digest = image_digest(settings, digests["node"])
        machine, host = _machine(settings, stack), settings.docker_host
        provider = docker.Provider(
            "docker",
            host=host,
            ssh_opts=settings.ssh.options if settings.ssh else None,
            opts=pulumi.ResourceOptions(depends_on=[machine] if machine else None),
        )
        # There even when nothing is built here: a checkpoint leaves images alone that were.
        here = docker.Provider("docker-here") if host else provider
        return Site(
            settings=settings,
            stack=stack,
            host=host,
            subnet=subnet,
            digests=digests,
            app_digest=digest,
            plan=plan(settings, subnet, digest),
            machine=machine,
            provider=provider,
            builder=here if settings.sections.app.build_on == "here" else provider,
        )

    @property
    def builds(self) -> str:
        """Digest of all that will be built."""
        ordering = self.digests["acme"] if self.settings.sections.tls.mode == "acme" else ""
        watching = self.digests["monitoring"] if self.settings.sections.monitoring.enabled else ""
        looking = self.digests["browser"] if self.pictures else ""
        parts = (self.digests["nginx"], self.digests["postgres"], self.app_digest, ordering, watching, looking)
        return _digest(*parts)

    @property
    def pictures(self) -> bool:
        monitoring = self.settings.sections.monitoring
        return monitoring.enabled and monitoring.pictures

    @property
    def builds_on_server(self) -> bool:
        return self.host is not None and self.builder is self.provider

    @property
    def delivery(self) -> Delivery | None:
        """How images get from the machine that builds them to the one that runs them, or to a registry."""
        config = self.settings.sections.registry
        registry = None
        if config.url:
            password = configuration.secret(config.password) if config.password else None
            registry = Registry(url=config.url, username=config.username, password=password)
        if self.host is None or (self.builds_on_server and registry is None):
            return None
        built_on = self.settings.sections.app.build_on
        return Delivery(stack=self.stack, docker_host=self.host, built_on=built_on, registry=registry)

    @property
    def base_delivery(self) -> Delivery | None:
        """How the image that ours are built on gets to the server. It is made here, wherever they are built."""
        if self.host is None:
            return None
        return Delivery(stack=self.stack, docker_host=self.host, built_on="here", registry=None)

    @property
    def nodes(self) -> dict[str, str]:
        """The Docker of each node of the swarm by its host; empty on one server."""
        return {node.host: self.settings.ssh_of(node).docker_host for node in self.settings.sections.server.nodes}

    def copies(
        self, name: str, image_id: pulumi.Input[str], reference: pulumi.Input[str], after: Nodes
    ) -> Copies | None:
        """Bring an image that the server has to the nodes, too."""
        if self.delivery is None or not self.nodes:
            return None
        args = CopiesArgs(delivery=self.delivery, nodes=self.nodes, image_id=image_id, reference=reference)
        return Copies(name, args, self.after(*(node.membership for node in after.values())))

    def built(self, opts: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
        """The same options for what is built."""
        return pulumi.ResourceOptions(providers=[self.builder], depends_on=opts.depends_on)

    def after(self, *others: pulumi.Resource | None) -> pulumi.ResourceOptions:
        """Options of what is made on the Docker host once `others` are there."""
        return pulumi.ResourceOptions(
            providers=[self.provider], depends_on=[other for other in others if other is not None]
        )

    def image(self, component: str, folder: str, opts: pulumi.ResourceOptions, *, whole_project: bool = False) -> Image:
        args = ImageArgs(
            stack=self.stack,
            component=component,
            context="." if whole_project else f"images/{folder}",
            dockerfile=f"images/{folder}/Dockerfile" if whole_project else "Dockerfile",
            digest=self.digests[folder],
            remote=self.builds_on_server,
            delivery=self.delivery,
        )
        return Image(f"image-{component}", args, self.built(opts))


Nodes = dict[str, Node]


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """What visitors come in by on one node of a swarm."""

    proxy: Proxy
    certificate: Certificate


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """What releases come and go on."""

    ready: pulumi.ResourceOptions
    """Options of what can be made as soon as machine and database are known to be usable."""
    secrets: AppSecrets
    network: Network
    postgres: Image
    store: Database | ExternalDatabase
    repository: Repository | None
    """Where backups go; None when the environment is there for a limited time."""
    proxy: Proxy
    certificate: Certificate
    url: str
    nodes: Nodes
    entrances: dict[str, Entrance]
    """Those of the nodes by their hosts; the manager's is above."""


def _recorded_secrets(record: Record, key: pulumi.Output[str]) -> dict[str, pulumi.Output[str]]:
    """The secrets of a release that is run again."""
    opened: pulumi.Output[dict[str, str]] = pulumi.Output.secret(
        key.apply(lambda text: unseal(text, record.release_id, record.sealed))
    )
    names = record.specification.secret_versions.keys() - UNRECORDED
    return {name: opened[name] for name in sorted(names)}


def _jobs(site: Site) -> dict[str, str]:
    backups = site.settings.sections.backups
    return jobs(cron_times(backups.schedule), cron_times(backups.drill))


def _remote(settings: configuration.Settings) -> S3 | Sftp | None:
    """The second place for backups."""
    remote = settings.sections.backups.remote
    given = {key: configuration.plain(value) for key, value in remote.model_dump(exclude={"type"}).items()}
    if remote.type == "s3":
        keys = ("endpoint", "bucket", "region", "key", "secret", "path")
        return S3(**{key: given[key] for key in keys}, authority=settings.remote_authority)
    if remote.type == "sftp":
        keys = ("host", "port", "user", "private_key", "host_key", "path")
        return Sftp(**{key: given[key] for key in keys})
    return None


def _repository(site: Site, secrets: AppSecrets, postgres: Image, opts: pulumi.ResourceOptions) -> Repository:
    config = site.settings.sections
    remote = _remote(site.settings)
    return Repository(
        "repository",
        RepositoryArgs(
            stack=site.stack,
            docker_host=site.host,
            image_id=postgres.image_id,
            key=configuration.secret(config.backups.key) if config.backups.key else secrets.backup_key,
            remote=pulumi.Output.secret(remote) if remote else None,
            remote_kind=remote.kind if remote else "",
            keep_days=config.backups.keep_days,
            protect=config.database.protect,
            times=_jobs(site),
            external=configuration.secret(config.database.url) if config.database.url else None,
        ),
        opts,
    )


def _certificate_source(site: Site, ready: pulumi.ResourceOptions) -> Order | pulumi.Output[str] | None:
    tls, given = site.settings.sections.tls, site.settings.certificate
    if tls.mode == "acme":
        return Order(
            image_id=site.image("acme", "acme", ready, whole_project=True).image_id,
            email=tls.email or "",
            directory=tls.directory,
            authority=site.settings.authority,
            profile=tls.profile or "",
            challenge=tls.challenge,
            access=configuration.secret(site.settings.challenge_access),
        )
    return configuration.secret(given) if given else None


def _front(site: Site, ready: pulumi.ResourceOptions) -> pulumi.Input[str] | None:
    """The network where proxies of environments for pull requests are met: one's own, or that of another stack."""
    config = site.settings.sections
    if config.temporary.front:
        return front_name(Stack(config.temporary.front))
    return Front("front", FrontArgs(stack=site.stack), ready).network_name if config.domain.environments else None


def _lay_foundation(site: Site, dns: Dns) -> Foundation:
    config = site.settings.sections
    http, database = config.http, config.database
    server = Server(
        "server",
        ServerArgs(
            stack=site.stack,
            docker_host=site.host,
            address=http.address,
            ports=() if config.temporary.front else (http.http_port, http.https_port),
            subnet=site.subnet,
            builds=site.builds,
            delivery=site.base_delivery,
        ),
        site.after(site.machine),
    )
    secrets = AppSecrets(
        "secrets",
        AppSecretsArgs(
            database_rotation=config.rotation.database,
            jwt_rotation=config.rotation.jwt,
            page_rotation=config.rotation.dashboard,
            monitoring=config.monitoring.enabled,
            protect=database.protect,
        ),
        site.after(),
    )
    postgres = site.image("database", "postgres", site.after(server))
    external = None
    if database.url:
        external = ExternalDatabase(
            "database",
            ExternalDatabaseArgs(
                docker_host=site.host, image_id=postgres.image_id, url=configuration.secret(database.url)
            ),
            site.after(server),
        )
    ready = site.after(server, external)
    network, nodes = _network(site, ready)
    # What lasts for a limited time is not worth a backup, and a server may have many such environments.
    repository = _repository(site, secrets, postgres, ready) if config.temporary.until is None else None
    store = external or Database(
        "database",
        DatabaseArgs(
            stack=site.stack,
            docker_host=site.host,
            image_id=postgres.image_id,
            network_name=network.network_name,
            owner_password=secrets.owner_password,
            app_password=secrets.app_password,
            app_login=app_login(config.rotation.database),
            monitor_password=secrets.monitor_password,
            compatibility=database.compatibility,
            memory_mb=parse_size(database.memory) // 2**20,
            protect=database.protect,
            archive=repository.mounts() if repository else (),
        ),
        ready,
    )
    image = site.image("proxy", "nginx", ready)
    front = ProxyArgs(
        stack=site.stack,
        docker_host=site.host,
        image_id=image.image_id,
        network_name=network.network_name,
        domain=config.domain.name,
        aliases=config.domain.aliases,
        address=http.address,
        http_port=http.http_port,
        https_port=http.https_port,
        body_limit=http.body_limit,
        requests_per_second=http.requests_per_second,
        burst=http.burst,
        content_security_policy=http.content_security_policy,
        hsts_seconds=http.hsts_seconds,
        drain_seconds=config.app.drain_seconds,
        dashboard=config.monitoring.allow if config.monitoring.enabled else None,
        front=_front(site, ready),
        behind=config.temporary.front is not None,
        swarm=config.server.swarm,
    )
    proxy = Proxy("proxy", front, ready)
    certificate = CertificateArgs(
        stack=site.stack,
        docker_host=site.host,
        network_name=network.network_name,
        proxy_container=proxy.container,
        proxy_volume=proxy.volume,
        proxy_ready=proxy.ready,
        names=[
            config.domain.name,
            *config.domain.aliases,
            *([f"*.{config.domain.name}"] if front.environments else []),
        ],
        source=_certificate_source(site, ready),
    )
    # An authority that asks DNS before the records are there counts a failure.
    known = site.after(server, external, dns) if config.tls.mode == "acme" else ready
    return Foundation(
        ready=ready,
        secrets=secrets,
        network=network,
        postgres=postgres,
        store=store,
        repository=repository,
        proxy=proxy,
        certificate=Certificate("certificate", certificate, known),
        url=front.url,
        nodes=nodes,
        entrances=_entrances(site, nodes, image, front, certificate),
    )


def _network(site: Site, ready: pulumi.ResourceOptions) -> tuple[Network, Nodes]:
    """The private network; on a swarm there is first of all a swarm, and then nodes that join it."""
    server = site.settings.sections.server
    if not server.swarm:
        return Network("network", NetworkArgs(stack=site.stack, subnet=site.subnet), ready), {}
    manager = site.host or ""
    swarm = Swarm("swarm", SwarmArgs(stack=site.stack, docker_host=manager, address=server.reached_at), ready)
    args = NetworkArgs(stack=site.stack, subnet=site.subnet, overlay=True, encrypted=server.encrypted)
    network = Network("network", args, site.after(swarm))
    nodes = {}
    for node in server.nodes:
        machine = _machine(site.settings, site.stack, node)
        joining = NodeArgs(
            stack=site.stack,
            docker_host=site.nodes[node.host],
            host=node.host,
            address=node.reached_at,
            manager=manager,
            manager_address=server.reached_at,
            release=site.plan.specification.release_id,
        )
        # A node that leaves does so before the network goes, which it is attached to.
        nodes[node.host] = Node(f"node-{node.host}", joining, site.after(network, machine))
    return network, nodes


def _entrances(
    site: Site, nodes: Nodes, image: Image, front: ProxyArgs, certificate: CertificateArgs
) -> dict[str, Entrance]:
    """A proxy on each node, like that of the manager, and with the same certificate."""
    copies = site.copies("copies-proxy", image.image_id, image.reference, nodes)
    if copies is None:
        return {}
    entrances = {}
    for node in site.settings.sections.server.nodes:
        membership, docker_host = nodes[node.host].membership, site.nodes[node.host]
        provider = docker.Provider(
            f"docker-{node.host}",
            host=docker_host,
            ssh_opts=site.settings.ssh_of(node).options,
            opts=pulumi.ResourceOptions(depends_on=[membership]),
        )
        there = pulumi.ResourceOptions(providers=[provider], depends_on=[membership], deleted_with=membership)
        args = replace(front, docker_host=docker_host, image_id=copies.image_ids[node.host])
        proxy = Proxy(f"proxy-{node.host}", args, there)
        shown = replace(
            certificate,
            docker_host=docker_host,
            proxy_container=proxy.container,
            proxy_volume=proxy.volume,
            proxy_ready=proxy.ready,
        )
        entrances[node.host] = Entrance(proxy=proxy, certificate=Certificate(f"certificate-{node.host}", shown, there))
    return entrances


def _base_image(site: Site, ground: Foundation) -> tuple[pulumi.Input[str], pulumi.Input[str]]:
    """Id of the image that the containers run, and name of the one that the record is put on."""
    base = site.plan.base
    if isinstance(base, Record):
        return base.image, base.name
    app = site.settings.sections.app
    context, dockerfile = base.path, IMAGES / "node" / "app.Dockerfile"
    if site.builds_on_server:
        context = base.stage(configuration.PROJECT, dockerfile)
        dockerfile = context / STAGED_DOCKERFILE
    built = AppImage(
        "image",
        AppImageArgs(
            stack=site.stack,
            node="images/node",
            node_digest=site.digests["node"],
            source=os.path.relpath(context, configuration.PROJECT),
            dockerfile=os.path.relpath(dockerfile, context),
            digest=site.app_digest,
            pnpm_version=base.pnpm_version,
            dependencies=app.dependencies,
            public=app.public,
            remote=site.builds_on_server,
            delivery=site.delivery,
        ),
        site.built(ground.ready),
    )
    return built.image_id, built.reference


def _migrations(base: Source | Record) -> list[Migration] | None:
    """The SQL scripts of a source; a record brings its own."""
    return [Migration(script.name, script.text) for script in base.migrations] if isinstance(base, Source) else None


def _app_secrets(site: Site, ground: Foundation) -> dict[str, pulumi.Input[str]]:
    base = site.plan.base
    if isinstance(base, Record):
        return {**_recorded_secrets(base, ground.secrets.record_key), "DATABASE_URL": ground.store.app_url}
    given = {name: configuration.secret(value) for name, value in site.settings.secrets.items()}
    return {"DATABASE_URL": ground.store.app_url, "JWT_SECRET": ground.secrets.jwt_secret, **given}


def _usable_schema(site: Site, ground: Foundation) -> UsableSchema:
    return UsableSchema(
        "usable-schema",
        UsableSchemaArgs(
            stack=site.stack,
            docker_host=site.host,
            image_id=ground.postgres.image_id,
            network_name=ground.network.network_name,
            owner_url=ground.store.owner_url,
            database_identity=ground.store.identity,
            container=ground.store.container,
            release=site.plan.specification.release_id,
            scripts=site.plan.specification.scripts,
            strict=isinstance(site.plan.base, Record),
            accepts=site.settings.sections.pinned.accepts,
        ),
        site.after(ground.store),
    )


def _start(
    site: Site,
    ground: Foundation,
    *,
    image_id: pulumi.Input[str],
    serial: pulumi.Input[int],
    secrets: dict[str, pulumi.Input[str]],
    permission: pulumi.Input[str],
) -> Release | Service:
    """The release's containers: on one server, or as a service of the swarm."""
    config, what = site.settings.sections, site.plan.specification
    copies = site.copies("copies-app", image_id, site.stack.image_name("app", what.image_digest), ground.nodes)
    if copies:
        return Service(
            "service",
            ServiceArgs(
                stack=site.stack,
                docker_host=site.host,
                specification=what,
                image_id=copies.everywhere,
                network_id=ground.network.network_id,
                replicas=config.app.replicas,
                secrets=secrets,
                permission=permission,
            ),
            ground.ready,
        )
    return Release(
        "release",
        ReleaseArgs(
            stack=site.stack,
            docker_host=site.host,
            specification=what,
            image_id=image_id,
            serial=serial,
            network_name=ground.network.network_name,
            replicas=config.app.replicas,
            secrets=secrets,
            permission=permission,
        ),
        # Its secrets and its permission make the containers wait for the database.
        ground.ready,
    )


def _run_release(site: Site, ground: Foundation) -> Switch:
    """Containers, record, tables, switch: in this order, and then what is not kept any more goes."""
    config, what, recorded = site.settings.sections, site.plan.specification, site.plan.recorded
    app_secrets, usable = _app_secrets(site, ground), _usable_schema(site, ground)
    image_id, base = _base_image(site, ground)
    serial = Serial(
        "serial",
        SerialArgs(stack=site.stack, docker_host=site.host, release=what.release_id, image_id=image_id),
        ground.ready,
    )
    release = _start(
        site,
        ground,
        # What is recorded already need not be asked for.
        image_id=recorded.image if recorded else serial.image_id,
        serial=recorded.serial if recorded else serial.number,
        secrets=app_secrets,
        permission=usable.level,
    )
    checkpoint = Checkpoint(
        "checkpoint",
        CheckpointArgs(
            stack=site.stack,
            docker_host=site.host,
            specification=what,
            image_id=serial.image_id,
            serial=serial.number,
            proved=release.healthy,
            base=base,
            network_name=ground.network.network_name,
            secrets=app_secrets,
            unrecorded=UNRECORDED,
            record_key=ground.secrets.record_key,
            migrations=_migrations(site.plan.base),
            origin=site.plan.origin,
        ),
        site.after(ground.store),
    )
    restore_points = RestorePoints(
        "restore-points", RestorePointsArgs(stack=site.stack, protect=config.database.protect), ground.ready
    )
    schema = Schema(
        "schema",
        SchemaArgs(
            stack=site.stack,
            docker_host=site.host,
            image_id=ground.postgres.image_id,
            network_name=ground.network.network_name,
            owner_url=ground.store.owner_url,
            database_identity=ground.store.identity,
            record=recorded.name if recorded else checkpoint.record,
            scripts=what.scripts,
            checked=usable.level,
            restore_points=restore_points.volume,
            kept=config.database.restore_points,
        ),
        # A release that is run again was healthy before: nothing is gained by waiting for it.
        site.after(usable if recorded else release),
    )
    assets = _keep_assets(site, ground, release, what.release_id)
    switch = Switch(
        "switch",
        SwitchArgs(
            docker_host=site.host,
            proxy_container=ground.proxy.container,
            release=what.release_id,
            containers=release.container_ids if isinstance(release, Release) else [],
            peers=release.peers if isinstance(release, Release) else [release.peers],
            health=health_environment(what),
            drain_seconds=config.app.drain_seconds,
            watch_seconds=config.app.watch_seconds,
            everywhere=_everywhere(site, ground, release) if isinstance(release, Service) else None,
        ),
        # What an authority says about the certificate is no matter of the release.
        site.after(
            release,
            schema,
            assets,
            ground.proxy,
            None if ground.certificate.container else ground.certificate,
            *(part for entrance in ground.entrances.values() for part in (entrance.proxy, entrance.certificate)),
        ),
    )
    if not config.database.url:
        OldLogins(
            "old-logins",
            OldLoginsArgs(
                docker_host=site.host,
                container=ground.store.container,
                server=ground.store.identity,
                login=app_login(config.rotation.database),
            ),
            site.after(switch),
        )
    Retention(
        "retention",
        RetentionArgs(
            stack=site.stack,
            docker_host=site.host,
            proxy_container=ground.proxy.container,
            release=switch.release,
            keep=config.app.keep_releases,
            nodes=site.nodes,
        ),
        site.after(switch),
    )
    return switch


def _keep_assets(site: Site, ground: Foundation, release: Release | Service, release_id: str) -> Assets | None:
    """On a swarm the containers have no names that are known before, and the app answers for its assets alone."""
    app = site.settings.sections.app
    if not app.assets or isinstance(release, Service):
        return None
    args = AssetsArgs(
        docker_host=site.host,
        proxy_container=ground.proxy.container,
        release=release_id,
        container=release.container_ids[0],
        folder=app.assets,
        keep=app.keep_releases,
    )
    return Assets("assets", args, site.after(release, ground.proxy))


def _everywhere(site: Site, ground: Foundation, service: Service) -> Everywhere:
    server = site.settings.sections.server
    return Everywhere(
        hosts={server.host or "": site.host or "", **site.nodes},
        proxy_name=ground.proxy.container_name,
        proxies=[ground.proxy.container, *(entrance.proxy.container for entrance in ground.entrances.values())],
        service=service.service,
        replicas=site.settings.sections.app.replicas,
    )


def _await_certificate(site: Site, ground: Foundation, switch: Switch) -> None:
    container = ground.certificate.container
    if container is not None:
        args = IssuanceArgs(
            docker_host=site.host,
            container=container,
            version=ground.certificate.version,
            proxy_container=ground.proxy.container,
        )
        Issuance("issuance", args, site.after(switch))


def _back_up(site: Site, ground: Foundation, switch: Switch, metrics: Metrics | None) -> Backups | None:
    """After the switch: a second place that does not answer is told, and stands in the way of nothing."""
    store, repository = ground.store, ground.repository
    if repository is None:
        return None
    return Backups(
        "backups",
        BackupsArgs(
            stack=site.stack,
            docker_host=site.host,
            image_id=ground.postgres.image_id,
            network_name=ground.network.network_name,
            data_volume=store.volume if isinstance(store, Database) else None,
            repository=repository.mounts(),
            version=repository.version,
            database_identity=store.identity,
            times=_jobs(site),
            metrics_volume=metrics.volume if metrics else None,
        ),
        site.after(store, switch),
    )


def _mail(settings: configuration.Settings) -> Mail | None:
    email = settings.sections.monitoring.alerts.email
    if not email.to:
        return None
    return Mail(
        to=email.to,
        sender=email.from_ or "",
        host=email.smtp_host or "",
        port=email.smtp_port,
        username=email.username,
        password=configuration.secret(email.password) if email.password else None,
        tls=email.tls,
    )


def _measure(site: Site, ground: Foundation) -> tuple[Image, Metrics] | None:
    """What the monitoring runs, and where the parts leave figures for it; None when nobody watches."""
    if not site.settings.sections.monitoring.enabled:
        return None
    image = site.image("monitoring", "monitoring", ground.ready)
    return image, Metrics(
        "metrics", MetricsArgs(stack=site.stack, docker_host=site.host, image_id=image.image_id), ground.ready
    )


def _picture(site: Site, ground: Foundation, switch: Switch, metrics: Metrics) -> Pictures | None:
    if not site.pictures:
        return None
    config = site.settings.sections
    return Pictures(
        "pictures",
        PicturesArgs(
            stack=site.stack,
            docker_host=site.host,
            image_id=site.image("browser", "browser", ground.ready).image_id,
            network_name=ground.network.network_name,
            metrics_volume=metrics.volume,
            domain=config.domain.name,
            release=switch.release,
            keep=config.app.keep_releases,
        ),
        # The release makes the picture wait for the switch; the page that shows it need not.
        ground.ready,
    )


def _watch(site: Site, ground: Foundation, switch: Switch, measured: tuple[Image, Metrics] | None) -> Monitoring | None:
    config, secrets = site.settings.sections, ground.secrets
    if measured is None or secrets.monitor_password is None or secrets.page_password is None:
        return None
    (image, metrics), alerts = measured, config.monitoring.alerts
    pictures = _picture(site, ground, switch, metrics)
    return Monitoring(
        "monitoring",
        MonitoringArgs(
            stack=site.stack,
            docker_host=site.host,
            image_id=image.image_id,
            network_name=ground.network.network_name,
            proxy_container=ground.proxy.container,
            metrics_volume=metrics.volume,
            url=ground.url,
            domain=config.domain.name,
            health_path=site.plan.specification.health.path,
            database_url=ground.store.app_url if config.database.url else monitor_url(secrets.monitor_password),
            pictures_volume=pictures.volume if pictures else None,
            page_password=secrets.page_password,
            alerts=Alerts(
                mail=_mail(site.settings),
                webhook=configuration.secret(alerts.webhook.url) if alerts.webhook.url else None,
                heartbeat=configuration.secret(alerts.heartbeat_url) if alerts.heartbeat_url else None,
            ),
        ),
        ground.ready,
    )


def _container_name(site: Site, switch: Switch, number: int) -> pulumi.Output[str]:
    return switch.release.apply(lambda live: container_name(site.stack, live, number))


def main() -> None:
    try:
        settings = configuration.load(pulumi.get_stack())
    except configuration.ConfigError as error:
        raise pulumi.RunError(str(error)) from None
    if settings.ssh:
        key = settings.sections.server.private_key
        for ssh in (settings.ssh, *(settings.ssh_of(node) for node in settings.sections.server.nodes)):
            ssh.write(configuration.PROJECT, key.get_secret_value() if key else None)
    with guarded(settings):
        _declare(settings)


def _declare(settings: configuration.Settings) -> None:
    config, site = settings.sections, Site.of(settings)
    if site.plan.note:
        pulumi.log.info(site.plan.note)
    dns = Dns(
        "dns",
        DnsArgs(
            zone=settings.dns_names.zone,
            records=wanted(settings.dns_names),
            place=settings.dns_place,
            access=configuration.secret(settings.dns_access),
        ),
        site.after(),
    )
    ground = _lay_foundation(site, dns)
    switch = _run_release(site, ground)
    _await_certificate(site, ground, switch)
    measured = _measure(site, ground)
    backups = _back_up(site, ground, switch, measured[1] if measured else None)
    watch = _watch(site, ground, switch, measured)
    own = [] if config.database.url else [ground.store.container]
    lasting = [*own, *([backups.container] if backups else []), ground.proxy.container_name]
    lasting += [
        pulumi.Output.concat(entrance.proxy.container_name, "@", host) for host, entrance in ground.entrances.items()
    ]
    if ground.certificate.container_name is not None:
        lasting.append(ground.certificate.container_name)
    # On a swarm they come and go; how many run is asked of their service.
    numbers = [] if config.server.swarm else range(1, config.app.replicas + 1)
    names = [_container_name(site, switch, number) for number in numbers]
    pulumi.export("url", switch.release.apply(lambda _: ground.url))
    pulumi.export("release", switch.release)
    pulumi.export("sourceRelease", site.plan.source_release)
    pulumi.export("domain", config.domain.name)
    pulumi.export("dnsRecords", dns.records)
    pulumi.export("containers", [*lasting, *names, *(watch.containers if watch else [])])
    if config.server.swarm:
        pulumi.export("replicas", config.app.replicas)
    if watch:
        pulumi.export("dashboard", watch.page)
    pulumi.export("databaseUrl", ground.store.app_url)
    authorities = [
        ground.certificate.authority,
        *(entrance.certificate.authority for entrance in ground.entrances.values()),
    ]
    pulumi.export("caCertificate", pulumi.Output.all(*authorities).apply(lambda parts: "\n".join(filter(None, parts))))
    if ground.repository:
        pulumi.export("backupKey", ground.repository.key)
        pulumi.export("backupKeyVersion", ground.repository.key_version)
    if config.temporary.until:
        pulumi.export("temporary", {"until": config.temporary.until, "origin": config.temporary.origin or ""})


main()
