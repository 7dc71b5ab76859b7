"""PostgreSQL in a container, confined as the database component does it, and the one-off tools of its image."""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import tarfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from components.connection import Connection
from components.database import APP_ROLE, DATABASE, HOST, OWNER_ROLE, roles_sql
from source import folder_digest
from tests.integration.proxy_lab import build_image, docker, wait_until

PROJECT = Path(__file__).resolve().parents[2]
IMAGE = f"monopco/postgres:test-{folder_digest(PROJECT / 'images' / 'postgres')[:12]}"
# Marked, so that they can be looked for; with all that is special to URLs, password files and SQL.
PASSWORDS = {OWNER_ROLE: "owner:marked\\'5e1f@/%", APP_ROLE: 'app:marked\\"77c0$$?#'}
CONFINEMENT = (
    *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--tmpfs", "/tmp:mode=1777,size=128m", "--tmpfs", "/run:mode=1777,size=16m"),  # noqa: S108 - of its own
)

# Two scripts of which the second needs the first, and what is seen of them.
FIRST = "-- first\nCREATE TABLE first (n int PRIMARY KEY);\nINSERT INTO first VALUES (1);\n"
SECOND = "ALTER TABLE first ADD COLUMN m int;\n"
TABLES = "SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public'"
FOLDER = "/restore-points"
RECORDS = "SELECT string_agg(name, ' ' ORDER BY applied_at) FROM monopco.migrations"


def build() -> None:
    build_image(IMAGE, PROJECT / "images" / "postgres")


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """A tar archive of `files`, path to content; unlike the component's it takes text that is not UTF-8."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


@dataclass(frozen=True)
class Outcome:
    """How a tool ended, and what it said."""

    status: int
    output: str
    errors: str


@dataclass
class Tool:
    """A tool of the image, running in a container of its own."""

    command: str
    network: str
    stdin: bytes
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    name: str = field(default_factory=lambda: f"database-test-{uuid.uuid4().hex[:8]}")

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [
                *("docker", "run", "--rm", "--interactive", "--name", self.name, "--network", self.network),
                *(*CONFINEMENT, *self.options, "--entrypoint", self.command, IMAGE, *self.arguments),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if self.process.stdin is None:
            raise AssertionError("the tool has no standard input")
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(self.stdin)
            self.process.stdin.close()
        self.process.stdin = None

    def outcome(self) -> Outcome:
        output, errors = self.process.communicate(timeout=120)
        return Outcome(self.process.returncode, output.decode(), errors.decode())


@dataclass
class Server:
    """One database container and its volume."""

    network: str
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    memory_mb: int = 256
    alias: str = HOST
    name: str = field(default_factory=lambda: f"database-test-{uuid.uuid4().hex[:8]}")
    volume: str = ""

    def create(self) -> None:
        """Start it; whether it becomes ready is not waited for."""
        self.volume = self.volume or self.name
        docker(
            *("run", "--detach", "--init", "--name", self.name),
            *("--network", self.network, "--network-alias", self.alias, *CONFINEMENT, *self.options),
            *("--env", f"MEMORY_MB={self.memory_mb}", "--volume", f"{self.volume}:/var/lib/postgresql"),
            *(IMAGE, *self.arguments),
        )

    def start(self) -> Server:
        self.create()
        self.wait()
        return self

    def wait(self) -> None:
        wait_until(lambda: self.run("ready", check=False).status == 0, f"{self.name} becomes ready")

    def stopped(self) -> Outcome:
        """How the container ended, with its log."""
        state = ("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", self.name)
        wait_until(lambda: docker(*state).stdout.startswith("exited"), f"{self.name} ends")
        return Outcome(int(docker(*state).stdout.split()[1]), "", self.log())

    def log(self) -> str:
        done = docker("logs", self.name)
        return done.stdout + done.stderr

    def remove(self, *, keep_volume: bool = False) -> None:
        docker("rm", "--force", "--volumes", self.name, check=False)
        if not keep_volume:
            docker("volume", "rm", "--force", self.volume, check=False)

    def run(self, *command: str, stdin: str = "", check: bool = True, user: str = "") -> Outcome:
        done = docker("exec", "--interactive", f"--user={user}", self.name, *command, stdin=stdin, check=check)
        return Outcome(done.returncode, done.stdout.strip(), done.stderr.strip())

    def provision(
        self, compatibility: str = "supabase", passwords: Mapping[str, str] = PASSWORDS, login: str = APP_ROLE
    ) -> None:
        self.run("provision", stdin=roles_sql(passwords[OWNER_ROLE], passwords[APP_ROLE], compatibility, login))

    def ask(self, sql: str, *, database: str = DATABASE, check: bool = True) -> Outcome:
        """As superuser, over the socket."""
        options = ("--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--set=ON_ERROR_STOP=1")
        return self.run("psql", *options, f"--dbname={database}", stdin=sql, check=check)

    def value(self, sql: str, *, database: str = DATABASE) -> str:
        return self.ask(sql, database=database).output

    def ask_as(self, role: str, sql: str, password: str = "") -> Outcome:
        """As a role, over the network, with its password."""
        password = (password or PASSWORDS[role]).replace("\\", "\\\\").replace(":", "\\:")
        shell = (
            "umask 077; trap 'rm -f /tmp/pass.$$' EXIT; read -r pass; printf '*:*:*:*:%s\\n' \"$pass\" >/tmp/pass.$$;"
            "PGPASSFILE=/tmp/pass.$$ psql --no-psqlrc --no-password --tuples-only --no-align --quiet "
            '--set=ON_ERROR_STOP=1 --host="$1" --username="$2" --dbname="$3"'
        )
        return self.run("sh", "-c", shell, "sh", HOST, role, DATABASE, stdin=f"{password}\n{sql}", check=False)

    def connection(self, **changes: object) -> Connection:
        parts = {
            "host": HOST,
            "port": 5432,
            "database": DATABASE,
            "user": OWNER_ROLE,
            "password": PASSWORDS[OWNER_ROLE],
        }
        return Connection(**{**parts, **changes})  # type: ignore[arg-type]

    def bundle(self, files: Mapping[str, str | bytes], **changes: object) -> bytes:
        """What a tool reads: the connection, and `files`."""
        connection = self.connection(**changes)
        return archive({"connection": connection.libpq(), "pgpass": connection.pgpass(), **files})

    def tool(self, command: str, files: Mapping[str, str | bytes], **changes: object) -> Tool:
        return Tool(command, self.network, self.bundle(files, **changes))

    def migrating(self, scripts: Mapping[str, str | bytes], *options: str, **changes: object) -> Tool:
        """A run of `migrate` that may still go on: with options of docker, and changes to the connection."""
        files: dict[str, str | bytes] = {"order": "".join(f"{name}\n" for name in scripts)}
        files |= {f"scripts/{name}": text for name, text in scripts.items()}
        return Tool("migrate", self.network, self.bundle(files, **changes), options)

    def migrate(self, scripts: Mapping[str, str | bytes], *options: str, **changes: object) -> Outcome:
        return self.migrating(scripts, *options, **changes).outcome()

    def check(self, files: Mapping[str, str | bytes] | None = None, **changes: object) -> Outcome:
        return self.tool("check", files or {}, **changes).outcome()


@dataclass(frozen=True)
class Folder:
    """A volume for restore points, kept mounted by a container so that a tmpfs stays, too."""

    volume: str

    @property
    def options(self) -> tuple[str, ...]:
        return ("--volume", f"{self.volume}:{FOLDER}", "--env", f"RESTORE_POINTS={FOLDER}")

    def sh(self, command: str) -> str:
        return docker("exec", "--user", "0", self.volume, "sh", "-ec", command).stdout

    def files(self) -> list[str]:
        return self.sh(f"ls -A {FOLDER}").splitlines()

    def restore(self, server: Server, name: str) -> None:
        """As a person does it by hand, into the server that the dump came from."""
        reading = ["docker", "exec", "--user", "0", self.volume, "cat", f"{FOLDER}/{name}"]
        restoring = ["pg_restore", "--exit-on-error", "--create", "--username=postgres", "--dbname=postgres"]
        with subprocess.Popen(reading, stdout=subprocess.PIPE) as dump:
            done = subprocess.run(
                ["docker", "exec", "--interactive", server.name, *restoring],
                stdin=dump.stdout,
                capture_output=True,
                text=True,
                check=False,
            )
        assert (done.returncode, done.stderr) == (0, "")


@contextlib.contextmanager
def restore_points(*options: str) -> Iterator[Folder]:
    """A volume for them, made with options of `docker volume create`."""
    folder = Folder(f"database-test-{uuid.uuid4().hex[:8]}")
    docker("volume", "create", *options, folder.volume)
    try:
        docker(
            *("run", "--detach", "--init", "--name", folder.volume, "--volume", f"{folder.volume}:{FOLDER}"),
            *("--entrypoint", "sleep", IMAGE, "infinity"),
        )
        yield folder
    finally:
        docker("rm", "--force", folder.volume, check=False)
        docker("volume", "rm", "--force", folder.volume, check=False)


def taken(done: Outcome) -> str:
    """Name of the restore point that a run says it has taken."""
    (line,) = [line for line in done.output.splitlines() if line.startswith("restore-point ")]
    told = re.fullmatch(r"restore-point (\d{8}T\d{6}Z-before-[A-Za-z0-9._-]+\.dump) [1-9]\d*", line)
    assert told
    return told[1]
