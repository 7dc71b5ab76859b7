"""A database with its backups, as the components make them, and the places elsewhere: an S3 service and SFTP."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.backups import jobs
from components.repository import FOLDER, OWNER, S3, SETTINGS, RepositoryArgs, Sftp, configuration
from components.stack import Stack
from components.step import SCRIPTS
from ops.places import BASE_IMAGE, CACHE
from sections import cron_times
from tests.integration.database_lab import CONFINEMENT, IMAGE, Outcome, Server
from tests.integration.proxy_lab import build_image, docker, wait_until
from tests.integration.ssh_lab import Key
from toolchain import build

TOOLS = Path(__file__).parent / "tools" / "s3"
S3_SERVER = "github.com/versity/versitygw/cmd/versitygw"
S3_PORT, SFTP_PORT = 7070, 2222
BUCKET = "backups"
# Marked, so that they can be looked for.
KEY, ACCESS, SECRET = "marked-key-of-backups-51c0", "MARKEDACCESS7d11", "marked-secret-of-s3-3ab9"
TIMES = jobs(cron_times("0 2 * * *"), cron_times("0 4 * * 0"))
SFTP_IMAGE = f"""\
FROM {BASE_IMAGE}
RUN apt-get update && apt-get install -y --no-install-recommends openssh-server && mkdir -p /run/sshd \\
    && useradd --create-home --password x backups
"""


def unique(what: str) -> str:
    return f"backups-test-{what}-{uuid.uuid4().hex[:8]}"


@dataclass
class Lab:
    """A server, and the container that looks after its backups."""

    network: str
    remote: S3 | Sftp | None = None
    key: str = KEY
    stack: str = "lab"
    size: str = ""
    """Limit of the disk with the local place, as tmpfs takes it; none when empty."""
    scratch_size: str = ""
    external: str = ""
    """URL of a database elsewhere, of which dumps are taken; the server's own backups when empty."""
    name: str = field(default_factory=lambda: unique("lab"))

    def __post_init__(self) -> None:
        self.repository, self.settings, self.scratch = (f"{self.name}-{what}" for what in ("place", "set", "scratch"))
        options = ("--volume", f"{self.repository}:{FOLDER}", "--volume", f"{self.settings}:{SETTINGS}:ro")
        self.server = Server(self.network, options, name=self.name, alias=f"{self.name}.test")
        self.keeper = f"{self.name}-keeper"

    def start(self) -> Lab:
        """With empty volumes; the places are made ready."""
        for volume, size in ((self.repository, self.size), (self.scratch, self.scratch_size)):
            limited = (
                "--opt",
                "type=tmpfs",
                "--opt",
                "device=tmpfs",
                "--opt",
                f"o=size={size},uid={OWNER},gid={OWNER}",
            )
            docker("volume", "create", *(limited if size else ()), volume)
        self.configure()
        if not self.external:
            self.server.start().provision("none")
        self.start_keeper()
        return self

    def start_keeper(self) -> None:
        docker(
            *("run", "--detach", "--init", "--name", self.keeper, "--network", self.network, *CONFINEMENT),
            *("--memory", "512m", *self.server.options),
            *(() if self.external else ("--volume", f"{self.server.volume}:/var/lib/postgresql:ro")),
            *("--volume", f"{self.scratch}:/scratch", "--entrypoint", "schedule", IMAGE),
            *(f"{job} {times}" for job, times in TIMES.items()),
        )

    def configure(self, **changes: Any) -> None:
        """Write the settings, by the step's own script."""
        for name, value in changes.items():
            setattr(self, name, value)
        args = RepositoryArgs(
            stack=Stack(self.stack),
            docker_host=None,
            image_id=IMAGE,
            key=self.key,
            remote=self.remote,
            remote_kind=self.remote.kind if self.remote else "",
            keep_days=30,
            protect=False,
            times=TIMES,
        )
        subprocess.run(
            ["sh", SCRIPTS / "repository" / "configure.sh"],
            env={**os.environ, "IMAGE": IMAGE, "VOLUME": self.settings, "NAME": f"{self.name}-set"},
            input=configuration(args, self.key, self.remote, self.external or None),
            text=True,
            check=True,
        )

    def run(self, *arguments: str, stdin: str = "") -> Outcome:
        done = docker("exec", "--interactive", self.keeper, "backups", *arguments, stdin=stdin, check=False)
        return Outcome(done.returncode, done.stdout.strip(), done.stderr.strip())

    def answer(self, *arguments: str) -> Any:
        """What a tool that must succeed answers."""
        done = self.run(*arguments, "--quiet")
        assert done.status == 0, done
        return json.loads(done.output)

    def state(self) -> dict[str, Any]:
        return dict(json.loads(self.run("state").output))

    def problems(self) -> str:
        return "\n".join(self.state()["problems"])

    def archived(self) -> bool:
        """Whether every complete segment has reached all places."""
        return bool(self.state()["archive"]["waiting"] == 0)

    def sh(self, command: str, user: str = "postgres") -> str:
        return docker("exec", "--user", user, self.keeper, "sh", "-euc", command).stdout.strip()

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", self.keeper, check=False)
        self.server.remove()
        docker("volume", "rm", "--force", self.repository, self.settings, self.scratch, check=False)


@contextlib.contextmanager
def lab(network: str, **options: Any) -> Iterator[Lab]:
    """A lab, ready for backups."""
    one = Lab(network, **options)
    try:
        one.start()
        one.answer("establish")
        yield one
    finally:
        one.remove()


@dataclass(frozen=True)
class Bucket:
    """An S3 service in a container, reached as s3.test on its networks."""

    container: str
    folder: Path
    place: S3

    def at(self, path: str) -> S3:
        return dataclasses.replace(self.place, path=path)

    def connect(self, network: str) -> None:
        docker("network", "connect", "--alias", "s3.test", network, self.container)

    def disconnect(self, network: str) -> None:
        docker("network", "disconnect", network, self.container)


def s3_program() -> Path:
    """The S3 service, built once and kept in the project's cache."""
    return build.program(CACHE, TOOLS, S3_SERVER, lambda part, state: print(f"{part}: {state}"))


@contextlib.contextmanager
def bucket(folder: Path, networks: Sequence[str]) -> Iterator[Bucket]:
    """A real S3 service with one bucket."""
    program = s3_program()
    (folder / "data" / BUCKET).mkdir(parents=True)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", folder / "key.pem", "-out", folder / "chain.pem", "-days", "2", "-subj", "/CN=s3.test"),
            *("-addext", "subjectAltName=DNS:s3.test"),
        ],
        check=True,
        capture_output=True,
    )
    name = unique("s3")
    variables = folder / "env"
    variables.write_text(f"ROOT_ACCESS_KEY={ACCESS}\nROOT_SECRET_KEY={SECRET}\n")
    docker(
        *("run", "--detach", "--init", "--name", name, "--network", networks[0], "--network-alias", "s3.test"),
        *("--env-file", str(variables), "--volume", f"{folder}:/s3", "--volume", f"{program}:/versitygw:ro"),
        *("--entrypoint", "/versitygw", BASE_IMAGE, "--port", f":{S3_PORT}", "--region", "eu-west-1"),
        *("--cert", "/s3/chain.pem", "--key", "/s3/key.pem", "posix", "/s3/data"),
    )
    place = S3(
        endpoint=f"s3.test:{S3_PORT}",
        bucket=BUCKET,
        region="eu-west-1",
        key=ACCESS,
        secret=SECRET,
        path="/one",
        authority=(folder / "chain.pem").read_text(),
    )
    made = Bucket(name, folder, place)
    try:
        for network in networks[1:]:
            made.connect(network)
        wait_until(lambda: "listening on" in docker("logs", name).stdout, "the S3 service listens")
        yield made
    finally:
        docker("rm", "--force", name, check=False)


@contextlib.contextmanager
def sftp(folder: Path, network: str) -> Iterator[Sftp]:
    """A real SSH server in a container that lets one key in."""
    folder.mkdir(parents=True)
    image = "monopco/sftp:test"
    (folder / "image").mkdir()
    (folder / "image" / "Dockerfile").write_text(SFTP_IMAGE)
    build_image(image, folder / "image")
    host, own = Key.generate(folder / "host"), Key.generate(folder / "own")
    name = unique("sftp")
    setup = (
        "cp /keys/host /etc/ssh/own && chmod 600 /etc/ssh/own && install -d -o backups /home/backups/.ssh"
        " && install -o backups -m 600 /keys/own.pub /home/backups/.ssh/authorized_keys"
        f" && exec /usr/sbin/sshd -D -e -p {SFTP_PORT} -o HostKey=/etc/ssh/own"
    )
    docker(
        *("run", "--detach", "--init", "--name", name, "--network", network, "--network-alias", "sftp.test"),
        *("--volume", f"{folder}:/keys:ro", "--entrypoint", "sh", image, "-c", setup),
    )
    try:
        wait_until(lambda: "Server listening" in docker("logs", name).stderr, "sshd listens")
        yield Sftp(
            host="sftp.test",
            port=SFTP_PORT,
            user="backups",
            private_key=own.private,
            host_key=" ".join(host.public.split()[:2]),
            path="/home/backups/one",
        )
    finally:
        docker("rm", "--force", name, check=False)
