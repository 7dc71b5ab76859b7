"""PostgreSQL in a container of ours.

Owns the data volume, the server, the database, its two roles and what of Supabase they are given. The tables are
the schema component's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
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


def roles_sql(owner_password: str, app_password: str, compatibility: str) -> str:
    """SQL that makes the database, its roles and the compatibility schema; running it again changes nothing."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(SCRIPTS / "database"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is SQL; every value is ours or a verifier
    )
    return environment.get_template("roles.sql.j2").render(
        database=DATABASE,
        owner_role=OWNER_ROLE,
        app_role=APP_ROLE,
        owner_verifier=_role_verifier(OWNER_ROLE, owner_password),
        app_verifier=_role_verifier(APP_ROLE, app_password),
        supabase=compatibility == "supabase",
    )


@dataclass(frozen=True, kw_only=True)
class DatabaseArgs:
    stack: Stack
    docker_host: str | None
    image_id: pulumi.Input[str]
    network_name: pulumi.Input[str]
    owner_password: pulumi.Input[str]
    app_password: pulumi.Input[str]
    compatibility: Literal["supabase", "none"]
    memory_mb: int
    protect: bool


class Database(pulumi.ComponentResource):
    app_url: pulumi.Output[str]
    """URL with the role that the app uses (secret)."""
    owner_url: pulumi.Output[str]
    """URL with the role that may change the schema (secret)."""
    identity: pulumi.Output[str]
    """Changes when the server behind the URL has been made anew."""
    container: pulumi.Output[str]
    """Name of the container."""

    def __init__(self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Database", name, None, opts)
        server = self._create_container(name, args, opts)
        self._create_roles(name, args, opts, server)
        self.register_outputs(
            {
                "appUrl": self.app_url,
                "ownerUrl": self.owner_url,
                "identity": self.identity,
                "container": self.container,
            }
        )

    def _create_container(self, name: str, args: DatabaseArgs, opts: pulumi.ResourceOptions | None) -> docker.Container:
        volume = docker.Volume(
            f"{name}-data",
            name=args.stack.resource_name("database"),
            labels=volume_labels(args.stack, "database"),
            opts=child(self, opts, protect=args.protect),
        )
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
            volumes=[docker.ContainerVolumeArgs(volume_name=volume.name, container_path="/var/lib/postgresql")],
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
            pulumi.Output.all(args.owner_password, args.app_password).apply(
                lambda passwords: roles_sql(str(passwords[0]), str(passwords[1]), args.compatibility)
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
        self.app_url = _url(APP_ROLE, args.app_password, roles.id)
        self.owner_url = _url(OWNER_ROLE, args.owner_password, roles.id)
        self.identity = pulumi.Output.all(server.id, roles.id).apply(lambda parts: str(parts[0]))
        self.container = server.name


def _url(role: str, password: pulumi.Input[str], after: pulumi.Output[str]) -> pulumi.Output[str]:
    """A URL that is known only once the role exists."""
    return pulumi.Output.secret(
        pulumi.Output.all(password, after).apply(
            lambda parts: f"postgresql://{role}:{parts[0]}@{HOST}:{PORT}/{DATABASE}"
        )
    )
