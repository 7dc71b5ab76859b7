"""MonOPCO's environment, top to bottom: stack file → settings → components → outputs."""

from __future__ import annotations

import base64
import hashlib
import json
import os

import pulumi
import pulumi_docker as docker

import settings as configuration
from components.app_secrets import AppSecrets, AppSecretsArgs
from components.database import Database, DatabaseArgs
from components.dns import Dns, DnsArgs
from components.external_database import ExternalDatabase, ExternalDatabaseArgs
from components.image import Image, ImageArgs
from components.network import Network, NetworkArgs
from components.proxy import Proxy, ProxyArgs
from components.release import Health, Release, ReleaseArgs
from components.schema import Migration, Schema, SchemaArgs
from components.server import Server, ServerArgs
from components.stack import Stack
from components.switch import Switch, SwitchArgs
from sections import parse_size
from source import folder_digest


def _tell_what_is_not_there(settings: configuration.Settings) -> None:
    """What may be configured already, but is deployed by a later version."""
    sections = settings.sections
    if sections.tls.mode == "acme" and not pulumi.runtime.is_dry_run():
        raise pulumi.RunError("tls.mode: acme can be previewed, but not deployed yet; use files or self-signed")
    if sections.monitoring.enabled:
        pulumi.log.warn("monitoring.enabled: this version does not deploy monitoring yet")
    if sections.backups.remote:
        pulumi.log.warn("backups.remote: this version does not make backups yet")


def main() -> None:
    try:
        settings = configuration.load(pulumi.get_stack())
    except configuration.ConfigError as error:
        raise pulumi.RunError(str(error)) from None
    _tell_what_is_not_there(settings)
    config, stack, host = settings.sections, Stack(settings.stack), settings.docker_host
    app, http, database = config.app, config.http, config.database
    subnet = config.network.subnet or stack.subnet()
    provider = docker.Provider("docker", host=host)

    def options(*after: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(providers=[provider], depends_on=list(after))

    images = configuration.PROJECT / "images"
    digests = {name: folder_digest(images / name) for name in ("node", "nginx", "postgres")}
    app_digest = hashlib.sha256(
        json.dumps([digests["node"], settings.source.digest, app.public, app.dependencies]).encode()
    ).hexdigest()

    server = Server(
        "server",
        ServerArgs(
            stack=stack,
            docker_host=host,
            address=http.address,
            ports=(http.http_port, http.https_port),
            builds=hashlib.sha256("".join([*digests.values(), app_digest]).encode()).hexdigest(),
        ),
        options(),
    )
    secrets = AppSecrets(
        "secrets",
        AppSecretsArgs(database_rotation=config.rotation.database, jwt_rotation=config.rotation.jwt),
        options(),
    )

    def image(component: str, folder: str, ready: pulumi.ResourceOptions, target: str | None = None) -> Image:
        args = ImageArgs(
            stack=stack,
            component=component,
            context=f"images/{folder}",
            dockerfile="Dockerfile",
            digest=digests[folder],
            target=target,
        )
        return Image(f"image-{component}", args, ready)

    postgres_image = image("database", "postgres", options(server))
    external = None
    if database.url:
        external = ExternalDatabase(
            "database",
            ExternalDatabaseArgs(
                docker_host=host, image_id=postgres_image.image_id, url=configuration.secret(database.url)
            ),
            options(server),
        )
    ready = options(server, *([external] if external else []))
    runtime, build = image("runtime", "node", ready, "runtime"), image("build", "node", ready, "build")
    app_image = Image(
        "image-app",
        ImageArgs(
            stack=stack,
            component="app",
            context=os.path.relpath(settings.source.path, configuration.PROJECT),
            dockerfile=os.path.relpath(images / "node" / "app.Dockerfile", settings.source.path),
            digest=app_digest,
            build_args={
                "RUNTIME": runtime.reference,
                "BUILD": build.reference,
                "PNPM_VERSION": settings.source.pnpm_version,
                "DEPENDENCIES": app.dependencies,
                "PUBLIC_ENV": base64.b64encode(json.dumps(app.public, sort_keys=True).encode()).decode(),
            },
        ),
        ready,
    )
    nginx_image = image("proxy", "nginx", ready)
    network = Network("network", NetworkArgs(stack=stack, subnet=subnet), ready)

    store = external or Database(
        "database",
        DatabaseArgs(
            stack=stack,
            docker_host=host,
            image_id=postgres_image.image_id,
            network_name=network.network_name,
            owner_password=secrets.owner_password,
            app_password=secrets.app_password,
            compatibility=database.compatibility,
            memory_mb=parse_size(database.memory) // 2**20,
            protect=database.protect,
        ),
        ready,
    )
    front = ProxyArgs(
        stack=stack,
        docker_host=host,
        image_id=nginx_image.image_id,
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
        drain_seconds=app.drain_seconds,
        certificate=configuration.secret(settings.certificate) if settings.certificate else None,
    )
    proxy = Proxy("proxy", front, ready)
    app_secrets = {name: configuration.secret(value) for name, value in settings.secrets.items()}
    release = Release(
        "release",
        ReleaseArgs(
            stack=stack,
            docker_host=host,
            image_id=app_image.image_id,
            image_digest=app_digest,
            network_name=network.network_name,
            subnet=subnet,
            replicas=app.replicas,
            memory_mb=parse_size(app.memory) // 2**20,
            port=app.port,
            health=Health(path=app.health.path, expect=app.health.expect, start_seconds=app.health.start_seconds),
            read_only=app.read_only,
            drain_seconds=app.drain_seconds,
            environment={"NODE_ENV": "production", **app.public, **app.env},
            secrets={"DATABASE_URL": store.app_url, "JWT_SECRET": secrets.jwt_secret, **app_secrets},
            secret_versions=settings.secret_versions(),
        ),
        options(store),
    )
    schema = Schema(
        "schema",
        SchemaArgs(
            stack=stack,
            docker_host=host,
            image_id=postgres_image.image_id,
            network_name=network.network_name,
            owner_url=store.owner_url,
            database_identity=store.identity,
            migrations=[Migration(script.name, script.text) for script in settings.source.migrations],
        ),
        options(release),
    )
    switch = Switch(
        "switch",
        SwitchArgs(
            docker_host=host,
            proxy_container=proxy.container,
            release=release.release_id,
            peers=release.peers,
            drain_seconds=app.drain_seconds,
        ),
        options(release, schema, proxy),
    )
    dns = Dns(
        "dns",
        DnsArgs(domain=config.domain.name, aliases=config.domain.aliases, server=config.server.host),
        options(),
    )

    pulumi.export("url", switch.release.apply(lambda _: front.url))
    pulumi.export("release", switch.release)
    pulumi.export("domain", config.domain.name)
    pulumi.export("dnsRecords", dns.records)
    pulumi.export("containers", [*([] if external else [store.container]), proxy.container_name, *release.containers])
    pulumi.export("databaseUrl", store.app_url)
    pulumi.export("caCertificate", proxy.authority)


main()
