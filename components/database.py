"""PostgreSQL in a container of ours.

Owns the data volume, the server, the database, its roles and what of Supabase they are given. The tables are
the schema component's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import jinja2
import pulumi
import pulumi_docker as docker

from components.child import child
from components.connection import PORT
from components.container import SCRATCH, confinement, healthcheck, volume_labels
from components.stack import Stack
from components.step import SCRIPTS, script, step

DATABASE = "monopco"
OWNER_ROLE = "monopco_owner"
APP_ROLE = "monopco_app"
READER_ROLE = "monopco_reader"
FIRST_ROTATION = "1"
MONITOR_ROLE = "monopco_monitor"
HOST = "database"
# RFC 7677 asks for at least 4096; the passwords are random, so more would only slow connections down.
SCRAM_ITERATIONS = 4096


def scram_verifier(password: str, salt: bytes) -> str:
    """What PostgreSQL stores instead of a password (RFC 5803), so that the password itself never reaches its log."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{salt64}${stored64}:{server64}"


def _role_verifier(role: str, password: str) -> str:
    """The salt follows from role and password, so the same password gives the same verifier and no change is seen."""
    return scram_verifier(password, hmac.digest(password.encode(), role.encode(), "sha256")[:16])


def app_login(rotation: str) -> str:
    """The role that the app logs in as: another one with each password, all with the rights of APP_ROLE."""
    if rotation == FIRST_ROTATION:
        return APP_ROLE
    return f"{APP_ROLE}_{hashlib.sha256(rotation.encode()).hexdigest()[:8]}"


def roles_sql(
    owner_password: str, app_password: str, compatibility: str, login: str = APP_ROLE, monitor_password: str = ""
) -> str:
    """SQL that makes the database, its roles and the compatibility schema; running it again changes nothing."""
    return _template("roles.sql.j2").render(
        database=DATABASE,
        owner_role=OWNER_ROLE,
        app_role=APP_ROLE,
        app_login=login,
        reader_role=READER_ROLE,
        owner_verifier=_role_verifier(OWNER_ROLE, owner_password),
        app_verifier=_role_verifier(login, app_password),
        monitor_role=MONITOR_ROLE,
        monitor_verifier=_role_verifier(MONITOR_ROLE, monitor_password) if monitor_password else "",
        supabase=compatibility == "supabase",
    )


def inside_sql(database: str, compatibility: str) -> str:
    """SQL that prepares another database of the server as the app's own one is; the roles are there."""
    return _template("inside.sql.j2").render(
        database=database,
        owner_role=OWNER_ROLE,
        app_role=APP_ROLE,
        reader_role=READER_ROLE,
        supabase=compatibility == "supabase",
    )


def reader_sql() -> str:
    """SQL by which a person may look at all that is in a database."""
    return _template("reader.sql.j2").render(reader_role=READER_ROLE)


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(SCRIPTS / "database"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is SQL; every value is ours or a verifier
    )
    return environment.get_template(name)


@dataclass(frozen=True, kw_only=True)
class DatabaseArgs:
    stack: Stack
    docker_host: str | None
    image_id: pulumi.Input[str]
    network_name: pulumi.Input[str]
    owner_password: pulumi.Input[str]
    app_password: pulumi.Input[str]
    app_login: str
    """Role that the app logs in as with this password."""
    monitor_password: pulumi.Input[str] | None = None
    """Of the role that may read the server's figures and nothing else; without one it cannot sign in."""
    compatibility: Literal["supabase", "none"]
    memory_mb: int
    protect: bool
    archive: Sequence[docker.ContainerVolumeArgs] = ()
    """Where its log of changes goes, and how: what is mounted for it."""


class Database(pulumi.ComponentResource):
    app_url: pulumi.Output[str]
    """URL with the role that the app uses (secret)."""
    owner_url: pulumi.Output[str]
    """URL with the role that may change the schema (secret)."""
    identity: pulumi.Output[str]
    """Changes when the server behind the URL has been made anew."""
    container: pulumi.Output[str]
    """Name of the container."""
    volume: pulumi.Output[str]
    """Name of the volume with the data."""

    def __init__(self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Database", name, None, opts)
        volume = docker.Volume(
            f"{name}-data",
            name=args.stack.resource_name("database"),
            labels=volume_labels(args.stack, "database"),
            opts=child(self, opts, protect=args.protect),
        )
        server = self._create_container(name, args, opts, volume)
        self._create_roles(name, args, opts, server)
        self.volume = volume.name
        self.register_outputs(
            {
                "appUrl": self.app_url,
                "ownerUrl": self.owner_url,
                "identity": self.identity,
                "container": self.container,
                "volume": self.volume,
            }
        )

    def _create_container(
        self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None, volume: docker.Volume
    ) -> docker.Container:
        return docker.Container(
            f"{name}-server",
            **confinement(args.stack, "database"),
            name=args.stack.resource_name("database"),
            image=args.image_id,
            envs=[f"MEMORY_MB={args.memory_mb}"],
            memory=args.memory_mb,
            memory_swap=args.memory_mb,
            # Half of the limit: parallel queries exchange rows here, and it counts against the limit.
            shm_size=args.memory_mb // 2,
            read_only=True,
            tmpfs=SCRATCH,
            volumes=[data_mount(volume.name), *args.archive],
            networks_advanced=[docker.ContainerNetworksAdvancedArgs(name=args.network_name, aliases=[HOST])],
            healthcheck=healthcheck(["ready"], start_seconds=60),
            stop_signal="SIGINT",
            stop_timeout=60,
            destroy_grace_seconds=60,
            opts=child(self, opts),
        )

    def _create_roles(
        self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None, server: docker.Container
    ) -> None:
        sql: pulumi.Output[str] = pulumi.Output.secret(
            pulumi.Output.all(args.owner_password, args.app_password, args.monitor_password or "").apply(
                lambda passwords: roles_sql(
                    str(passwords[0]), str(passwords[1]), args.compatibility, args.app_login, str(passwords[2])
                )
            )
        )
        roles = step(
            f"{name}-roles",
            script("database/provision.sh"),
            docker_host=args.docker_host,
            environment={"CONTAINER": server.id},
            stdin=sql,
            opts=child(self, opts),
        )
        self.app_url = _url(args.app_login, args.app_password, roles.id)
        self.owner_url = _url(OWNER_ROLE, args.owner_password, roles.id)
        self.identity = pulumi.Output.all(server.id, roles.id).apply(lambda parts: str(parts[0]))
        self.container = server.name


def data_mount(volume: pulumi.Input[str], *, read_only: bool | None = None) -> docker.ContainerVolumeArgs:
    """The data where the server has it: its socket lies there, too."""
    return docker.ContainerVolumeArgs(volume_name=volume, container_path="/var/lib/postgresql", read_only=read_only)


def monitor_url(password: pulumi.Input[str]) -> pulumi.Output[str]:
    """The URL that the monitoring reads figures by (secret), whether or not there is a database yet."""
    return _url(MONITOR_ROLE, password, pulumi.Output.from_input("")).apply(lambda url: f"{url}?sslmode=disable")


def _url(role: str, password: pulumi.Input[str], after: pulumi.Output[str]) -> pulumi.Output[str]:
    """A URL that is known only once the role exists."""
    return pulumi.Output.secret(
        pulumi.Output.all(password, after).apply(
            lambda parts: f"postgresql://{role}:{parts[0]}@{HOST}:{PORT}/{DATABASE}"
        )
    )
