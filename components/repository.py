"""Where backups go: a volume on this machine, a second place elsewhere, and the key that both are encrypted with.

Owns the volume and the settings by which pgBackRest, or restic for dumps, finds the places. The settings hold secrets,
so they lie in a volume, too, readable in the containers of the database and of the backups only; none is an argument or
a variable.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker

from components.bundle import bundle
from components.child import child
from components.connection import Connection
from components.container import volume_labels
from components.stack import Stack
from components.step import script, step

FOLDER = "/var/lib/monopco-backups"
SETTINGS = "/etc/pgbackrest"
# The user postgres of the image, whose files the settings are.
OWNER = 10002
# Of the log of changes that waits for a place; beyond it the log is dropped rather than the disk filled.
LONGEST_QUEUE = "8GiB"
_HTTPS = 443


@dataclass(frozen=True, kw_only=True)
class S3:
    """A bucket of an S3-compatible service. `key` and `secret` are secrets."""

    endpoint: str
    bucket: str
    region: str
    key: str
    secret: str
    path: str
    authority: str | None

    kind = "s3"

    def options(self) -> Mapping[str, object]:
        """As pgBackRest names them, after "repo2-"."""
        host, _, port = self.endpoint.partition(":")
        return {
            "type": "s3",
            "path": f"{self.path}/database",
            "s3-endpoint": host,
            "storage-port": port or _HTTPS,
            "s3-bucket": self.bucket,
            "s3-region": self.region,
            "s3-key": self.key,
            "s3-key-secret": self.secret,
            # Amazon gives each bucket a host of its own; others need not.
            "s3-uri-style": "host" if host.endswith(".amazonaws.com") else "path",
            **({"storage-ca-file": f"{SETTINGS}/authority.pem"} if self.authority else {}),
        }

    def files(self) -> Mapping[str, str]:
        """What restic reads, and the authority for both."""
        credentials = f"[default]\naws_access_key_id={self.key}\naws_secret_access_key={self.secret}\n"
        authority = {"authority.pem": self.authority} if self.authority else {}
        return {"aws-credentials": credentials, **authority}

    def restic(self, folder: str) -> list[str]:
        """Arguments by which restic finds a folder of the place."""
        place = [
            "--repo",
            f"s3:https://{self.endpoint}/{self.bucket}{self.path}/{folder}",
            "--option",
            f"s3.region={self.region}",
        ]
        return [*place, *(["--cacert", f"{SETTINGS}/authority.pem"] if self.authority else [])]


@dataclass(frozen=True, kw_only=True)
class Sftp:
    """A folder on a host that is reached by SSH. `private_key` is a secret."""

    host: str
    port: int
    user: str
    private_key: str
    host_key: str
    path: str

    kind = "sftp"

    def options(self) -> Mapping[str, object]:
        return {
            "type": "sftp",
            "path": f"{self.path}/database",
            "sftp-host": self.host,
            "sftp-host-port": self.port,
            "sftp-host-user": self.user,
            "sftp-private-key-file": f"{SETTINGS}/private-key",
            "sftp-host-key-hash-type": "sha256",
            "sftp-known-host": f"{SETTINGS}/known-hosts",
        }

    def files(self) -> Mapping[str, str]:
        # libssh2 looks for the name with its port, unless that is the usual one; ssh does the same.
        name = self.host if self.port == 22 else f"[{self.host}]:{self.port}"  # noqa: PLR2004 - SSH's own
        return {"private-key": self.private_key.rstrip() + "\n", "known-hosts": f"{name} {self.host_key}\n"}

    def restic(self, folder: str) -> list[str]:
        ssh = (
            f"ssh -p {self.port} -i {SETTINGS}/private-key -o UserKnownHostsFile={SETTINGS}/known-hosts"
            f" -o StrictHostKeyChecking=yes -o BatchMode=yes {self.user}@{self.host} -s sftp"
        )
        return ["--repo", f"sftp:{self.user}@{self.host}:{self.path}/{folder}", "--option", f"sftp.command={ssh}"]


@dataclass(frozen=True, kw_only=True)
class RepositoryArgs:
    stack: Stack
    docker_host: str | None
    image_id: pulumi.Input[str]
    """Image with pgBackRest."""
    key: pulumi.Input[str]
    """What backups are encrypted with (secret)."""
    remote: pulumi.Input[S3 | Sftp] | None
    """The second place (secret)."""
    remote_kind: str
    """Its kind; empty when there is none."""
    keep_days: int
    protect: bool
    times: Mapping[str, str] = field(default_factory=dict)
    """When each job runs, as the schedule takes it: who looks after the backups must know how old they may be."""
    external: pulumi.Input[str] | None = None
    """URL of a database elsewhere (secret): its backups are dumps. None when the database is ours."""


def pgbackrest(key: str, remote: S3 | Sftp | None, keep_days: int) -> str:
    """pgBackRest's configuration."""
    kept = {
        "cipher-type": "aes-256-cbc",
        "cipher-pass": key,
        "bundle": "y",
        "retention-full-type": "time",
        "retention-full": keep_days,
    }
    places: list[Mapping[str, object]] = [{"path": f"{FOLDER}/database", **kept}]
    if remote:
        places.append({**remote.options(), **kept})
    options: dict[str, object] = {
        f"repo{number}-{name}": value for number, place in enumerate(places, 1) for name, value in place.items()
    }
    options |= {
        # A higher level takes twice the time for a tenth of the size.
        "compress-type": "zst",
        "compress-level": 1,
        "start-fast": "y",
        "lock-path": "/tmp/pgbackrest",  # noqa: S108 - a tmpfs of the container's own
        "log-level-file": "off",
        "log-level-console": "warn",
        "log-timestamp": "n",
        "io-timeout": 15,
        "archive-push-queue-max": LONGEST_QUEUE,
    }
    # Side by side and each segment for itself: otherwise the first one that a place refuses would hold up all places.
    push = {"archive-async": "y", "process-max": 4, "spool-path": "/tmp/pgbackrest-spool"}  # noqa: S108 - as above
    server = {"pg1-path": "/var/lib/postgresql/17/main", "pg1-socket-path": "/var/lib/postgresql/socket"}
    lines = ["[global]", *(f"{name}={value}" for name, value in options.items())]
    lines += ["", "[global:backup]", "process-max=2"]
    lines += ["", "[global:archive-push]", *(f"{name}={value}" for name, value in push.items())]
    return "\n".join([*lines, "", "[monopco]", *(f"{name}={value}" for name, value in server.items()), ""])


def configuration(args: RepositoryArgs, key: str, remote: S3 | Sftp | None, external: str | None = None) -> str:
    """All files of the settings, as a step's standard input."""
    about: dict[str, object] = {"stack": args.stack.name, "remote": args.remote_kind or None, "times": dict(args.times)}
    if remote:
        about["restic"] = remote.restic("state")
    if external:
        about["keep_days"] = args.keep_days
        about["dumps"] = {"1": ["--repo", f"{FOLDER}/dumps"], **({"2": remote.restic("dumps")} if remote else {})}
        connection = Connection.from_url(external)
        how = {"connection": connection.libpq(), "pgpass": connection.pgpass()}
    else:
        how = {"pgbackrest.conf": pgbackrest(key, remote, args.keep_days)}
    return bundle(
        {
            **how,
            "monopco.json": json.dumps(about, sort_keys=True),
            "key": key,
            **(remote.files() if remote else {}),
        },
        owner=OWNER,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Repository(pulumi.ComponentResource):
    key: pulumi.Output[str]
    """What backups are encrypted with (secret)."""
    key_version: pulumi.Output[str]
    """Changes with the key."""
    volume: pulumi.Output[str]
    """Name of the volume with the local place."""
    settings: pulumi.Output[str]
    """Name of the volume with the settings; known once they are in it."""
    version: pulumi.Output[str]
    """Changes with the settings."""

    def __init__(self, name: str, args: RepositoryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Repository", name, None, opts)
        volume = docker.Volume(
            f"{name}-volume",
            name=args.stack.resource_name("backups"),
            labels=volume_labels(args.stack, "backups"),
            opts=child(self, opts, protect=args.protect),
        )
        settings = docker.Volume(
            f"{name}-settings",
            name=args.stack.resource_name("backup-settings"),
            labels=volume_labels(args.stack, "backups"),
            opts=child(self, opts),
        )
        files: pulumi.Output[str] = pulumi.Output.secret(
            pulumi.Output.all(args.key, args.remote, args.external).apply(
                lambda parts: configuration(args, str(parts[0]), parts[1], parts[2])
            )
        )
        configured = step(
            f"{name}-configuration",
            script("repository/configure.sh"),
            docker_host=args.docker_host,
            environment={
                "IMAGE": args.image_id,
                "VOLUME": settings.name,
                "NAME": args.stack.resource_name("backup-settings"),
            },
            stdin=files,
            opts=child(self, opts, ignore_changes=["environment.IMAGE"]),
        )
        self.key = pulumi.Output.secret(args.key)
        # The key has 381 random bits: nothing can be found by a digest of it.
        self.key_version = pulumi.Output.unsecret(self.key.apply(lambda text: _digest(str(text))))
        self.volume = volume.name
        self.settings = pulumi.Output.all(settings.name, configured.id).apply(lambda parts: str(parts[0]))
        self.version = pulumi.Output.unsecret(
            pulumi.Output.all(files, configured.id).apply(lambda parts: _digest(str(parts[0])))
        )
        self.register_outputs(
            {
                "key": self.key,
                "keyVersion": self.key_version,
                "volume": self.volume,
                "settings": self.settings,
                "version": self.version,
            }
        )

    def mounts(self) -> list[docker.ContainerVolumeArgs]:
        """What a container needs to write there."""
        return [
            docker.ContainerVolumeArgs(volume_name=self.volume, container_path=FOLDER),
            docker.ContainerVolumeArgs(volume_name=self.settings, container_path=SETTINGS, read_only=True),
        ]
