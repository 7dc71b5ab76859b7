"""MonOPCO's environment, top to bottom: stack file → settings → components → outputs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_docker as docker

import settings as configuration
from components.app_image import AppImage, AppImageArgs
from components.app_secrets import AppSecrets, AppSecretsArgs
from components.checkpoint import Checkpoint, CheckpointArgs, Migration
from components.database import Database, DatabaseArgs
from components.dns import Dns, DnsArgs
from components.external_database import ExternalDatabase, ExternalDatabaseArgs
from components.image import Image, ImageArgs
from components.network import Network, NetworkArgs
from components.proxy import Proxy, ProxyArgs
from components.release import Release, ReleaseArgs, container_name, health_environment
from components.retention import Retention, RetentionArgs
from components.schema import Schema, SchemaArgs
from components.sealing import unseal
from components.serial import Serial, SerialArgs
from components.server import Server, ServerArgs
from components.stack import Stack
from components.switch import Switch, SwitchArgs
from components.usable_schema import UsableSchema, UsableSchemaArgs
from plan import UNRECORDED, Plan, image_digest, plan
from record import Record
from sections import parse_size
from source import Source, folder_digest

IMAGES = configuration.PROJECT / "images"


def _tell_what_is_not_there(settings: configuration.Settings) -> None:
    """What may be configured already, but is deployed by a later version."""
    sections = settings.sections
    if sections.tls.mode == "acme" and not pulumi.runtime.is_dry_run():
        raise pulumi.RunError("tls.mode: acme can be previewed, but not deployed yet; use files or self-signed")
    if sections.monitoring.enabled:
        pulumi.log.warn("monitoring.enabled: this version does not deploy monitoring yet")
    if sections.backups.remote:
        pulumi.log.warn("backups.remote: this version does not make backups yet")


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
    provider: docker.Provider

    @staticmethod
    def of(settings: configuration.Settings) -> Site:
        stack = Stack(settings.stack)
        subnet = settings.sections.network.subnet or stack.subnet()
        digests = {name: folder_digest(IMAGES / name) for name in ("node", "nginx", "postgres")}
        digest = image_digest(settings, digests["node"])
        return Site(
            settings=settings,
            stack=stack,
            host=settings.docker_host,
            subnet=subnet,
            digests=digests,
            app_digest=digest,
            plan=plan(settings, subnet, digest),
            provider=docker.Provider("docker", host=settings.docker_host),
        )

    @property
    def builds(self) -> str:
        """Digest of all that will be built."""
        parts = (self.digests["nginx"], self.digests["postgres"], self.app_digest)
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    def after(self, *others: pulumi.Resource | None) -> pulumi.ResourceOptions:
        """Options of what is made on the Docker host once `others` are there."""
        return pulumi.ResourceOptions(
            providers=[self.provider], depends_on=[other for other in others if other is not None]
        )

    def image(self, component: str, folder: str, opts: pulumi.ResourceOptions) -> Image:
        args = ImageArgs(
            stack=self.stack,
            component=component,
            context=f"images/{folder}",
            dockerfile="Dockerfile",
            digest=self.digests[folder],
        )
        return Image(f"image-{component}", args, opts)


@dataclass(frozen=True, kw_only=True)
class Foundation:
    """What releases come and go on."""

    ready: pulumi.ResourceOptions
    """Options of what can be made as soon as machine and database are known to be usable."""
    secrets: AppSecrets
    network: Network
    postgres: Image
    store: Database | ExternalDatabase
    proxy: Proxy
    url: str


def _recorded_secrets(record: Record, key: pulumi.Output[str]) -> dict[str, pulumi.Output[str]]:
    """The secrets of a release that is run again."""
    opened: pulumi.Output[dict[str, str]] = pulumi.Output.secret(
        key.apply(lambda text: unseal(text, record.release_id, record.sealed))
    )
    names = record.specification.secret_versions.keys() - UNRECORDED
    return {name: opened[name] for name in sorted(names)}


def _lay_foundation(site: Site) -> Foundation:
    config = site.settings.sections
    http, database = config.http, config.database
    server = Server(
        "server",
        ServerArgs(
            stack=site.stack,
            docker_host=site.host,
            address=http.address,
            ports=(http.http_port, http.https_port),
            subnet=site.subnet,
            builds=site.builds,
        ),
        site.after(),
    )
    secrets = AppSecrets(
        "secrets",
        AppSecretsArgs(database_rotation=config.rotation.database, jwt_rotation=config.rotation.jwt),
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
    network = Network("network", NetworkArgs(stack=site.stack, subnet=site.subnet), ready)
    store = external or Database(
        "database",
        DatabaseArgs(
            stack=site.stack,
            docker_host=site.host,
            image_id=postgres.image_id,
            network_name=network.network_name,
            owner_password=secrets.owner_password,
            app_password=secrets.app_password,
            compatibility=database.compatibility,
            memory_mb=parse_size(database.memory) // 2**20,
            protect=database.protect,
        ),
        ready,
    )
    certificate = site.settings.certificate
    front = ProxyArgs(
        stack=site.stack,
        docker_host=site.host,
        image_id=site.image("proxy", "nginx", ready).image_id,
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
        certificate=configuration.secret(certificate) if certificate else None,
    )
    return Foundation(
        ready=ready,
        secrets=secrets,
        network=network,
        postgres=postgres,
        store=store,
        proxy=Proxy("proxy", front, ready),
        url=front.url,
    )


def _base_image(site: Site, ground: Foundation) -> tuple[pulumi.Input[str], pulumi.Input[str]]:
    """Id of the image that the containers run, and name of the one that the record is put on."""
    base = site.plan.base
    if isinstance(base, Record):
        return base.image, base.name
    app = site.settings.sections.app
    built = AppImage(
        "image",
        AppImageArgs(
            stack=site.stack,
            node="images/node",
            node_digest=site.digests["node"],
            source=os.path.relpath(base.path, configuration.PROJECT),
            dockerfile=os.path.relpath(IMAGES / "node" / "app.Dockerfile", base.path),
            digest=site.app_digest,
            pnpm_version=base.pnpm_version,
            dependencies=app.dependencies,
            public=app.public,
        ),
        ground.ready,
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
    release = Release(
        "release",
        ReleaseArgs(
            stack=site.stack,
            docker_host=site.host,
            specification=what,
            # What is recorded already need not be asked for.
            image_id=recorded.image if recorded else serial.image_id,
            serial=recorded.serial if recorded else serial.number,
            network_name=ground.network.network_name,
            replicas=config.app.replicas,
            secrets=app_secrets,
            permission=usable.level,
        ),
        # Its secrets and its permission make the containers wait for the database.
        ground.ready,
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
            restore_points=config.database.restore_points,
            protect=config.database.protect,
        ),
        # A release that is run again was healthy before: nothing is gained by waiting for it.
        site.after(usable if recorded else release),
    )
    switch = Switch(
        "switch",
        SwitchArgs(
            docker_host=site.host,
            proxy_container=ground.proxy.container,
            release=what.release_id,
            containers=release.container_ids,
            peers=release.peers,
            health=health_environment(what),
            drain_seconds=config.app.drain_seconds,
            watch_seconds=config.app.watch_seconds,
        ),
        site.after(release, schema, ground.proxy),
    )
    Retention(
        "retention",
        RetentionArgs(
            stack=site.stack,
            docker_host=site.host,
            proxy_container=ground.proxy.container,
            release=switch.release,
            keep=config.app.keep_releases,
        ),
        site.after(switch),
    )
    return switch


def _container_name(site: Site, switch: Switch, number: int) -> pulumi.Output[str]:
    return switch.release.apply(lambda live: container_name(site.stack, live, number))


def main() -> None:
    try:
        settings = configuration.load(pulumi.get_stack())
    except configuration.ConfigError as error:
        raise pulumi.RunError(str(error)) from None
    _tell_what_is_not_there(settings)
    config, site = settings.sections, Site.of(settings)
    if site.plan.note:
        pulumi.log.info(site.plan.note)
    ground = _lay_foundation(site)
    switch = _run_release(site, ground)
    dns = Dns(
        "dns",
        DnsArgs(domain=config.domain.name, aliases=config.domain.aliases, server=config.server.host),
        site.after(),
    )
    lasting = [*([] if config.database.url else [ground.store.container]), ground.proxy.container_name]
    names = [_container_name(site, switch, number) for number in range(1, config.app.replicas + 1)]
    pulumi.export("url", switch.release.apply(lambda _: ground.url))
    pulumi.export("release", switch.release)
    pulumi.export("sourceRelease", site.plan.source_release)
    pulumi.export("domain", config.domain.name)
    pulumi.export("dnsRecords", dns.records)
    pulumi.export("containers", [*lasting, *names])
    pulumi.export("databaseUrl", ground.store.app_url)
    pulumi.export("caCertificate", ground.proxy.authority)


main()
