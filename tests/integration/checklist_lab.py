"""An environment that is looked at from this process, and ways to break it that are mended again."""

from __future__ import annotations

import functools
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ops import locks, pulumi
from ops.checklist import runner
from ops.checklist.result import Result
from ops.diagnosis.finding import Symptom
from ops.doctor import Diagnosis, diagnose
from ops.errors import CommandError
from ops.stack_file import StackFile
from ops.survey import Survey
from tests.integration.environment import Environment, docker, wait_until

CANARY = "canary-4f7d20c91b"
BASE = "monopco/base:trixie"
LABEL = "dev.monopco"


def watch_from_here(environment: Environment, patch: pytest.MonkeyPatch) -> None:
    """Have the modules of this process find the environment where ./monopco of the copy would."""
    for name, value in environment.variables.items():
        patch.setenv(name, value)
    patch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    patch.setattr(pulumi, "PROJECT", environment.folder)
    patch.setattr(locks, "FOLDER", environment.folder / ".state" / ".pulumi" / "locks" / "organization" / "monopco")
    patch.setattr(pulumi, "STATE", environment.folder / ".state")


@dataclass
class Lab:
    """What a break works with. Each survey is a new one, since each remembers what it was told."""

    environment: Environment

    @property
    def stack(self) -> str:
        return self.environment.stack

    @property
    def source(self) -> Path:
        return self.environment.folder / "examples" / "app"

    def name(self, component: str) -> str:
        return f"monopco-{self.stack}-{component}"

    @property
    def live(self) -> str:
        return docker("exec", self.name("proxy"), "state", "live")

    @property
    def app_image(self) -> str:
        return docker("inspect", "--format", "{{.Image}}", self.app(1))

    def app(self, number: int) -> str:
        return f"monopco-{self.stack}-app-{self.live}-{number}"

    @functools.cached_property
    def secrets(self) -> dict[str, str]:
        return Survey(StackFile.read(self.stack, self.environment.folder), project=self.environment.folder).secrets

    def survey(
        self, sections: Mapping[str, Mapping[str, Any]] | None = None, *, online: bool = False, stack: str = ""
    ) -> Survey:
        """With `sections` of the stack's file changed, and not deployed. The secrets are asked for once in all."""
        file = StackFile.read(stack or self.stack, self.environment.folder)
        for section, keys in (sections or {}).items():
            given = {**(file.given.get(f"monopco:{section}") or {}), **keys}
            file = replace(file, given={**file.given, f"monopco:{section}": given})
        found = Survey(file, online=online, project=self.environment.folder)
        found.memory.recall("secrets", lambda: self.secrets)
        return found

    def check(self, name: str, survey: Survey | None = None) -> Result:
        (one,) = runner.chosen([name], slow=True)
        return runner.ask(survey or self.survey(), one).result

    def doctor(self, symptom: Symptom | None = None, survey: Survey | None = None) -> Diagnosis:
        return diagnose(survey or self.survey(), symptom)

    def sql(self, statement: str) -> str:
        command = ["psql", "-XAtq", "-d", "monopco", "-v", "ON_ERROR_STOP=1", "-c", statement]
        return docker("exec", "--user", "postgres", self.name("database"), *command)

    @contextmanager
    def database(self, breaking: str, mending: str) -> Iterator[None]:
        self.sql(breaking)
        try:
            yield
        finally:
            self.sql(mending)

    @contextmanager
    def nginx(self, old: str, new: str) -> Iterator[None]:
        """nginx with another configuration."""
        proxy = self.name("proxy")
        before = docker("exec", proxy, "cat", "/run/monopco/nginx.conf")
        assert old in before, f"nginx.conf does not hold {old!r}"
        docker("exec", "--interactive", proxy, "configure", stdin=before.replace(old, new) + "\n")
        try:
            yield
        finally:
            docker("exec", "--interactive", proxy, "configure", stdin=before + "\n")

    @contextmanager
    def page(self, path: str, kind: str, lua: str) -> Iterator[None]:
        """nginx answers one path by itself."""
        content = f'ngx.header["Content-Type"] = "{kind}"; ngx.print({lua})'
        location = f"location {path} {{ content_by_lua_block {{ {content} }} }}"
        first = "        # Hashed assets of this release"  # of two expressions that match, the one above counts
        with self.nginx(first, f"        {location}\n{first}"):
            yield

    @contextmanager
    def container(
        self,
        component: str,
        *command: str,
        image: str = BASE,
        options: tuple[str, ...] = (),
        release: str = "",
        run: bool = True,
    ) -> Iterator[str]:
        """A container that carries the stack's labels and comes first among those of its component."""
        name = f"a-{self.stack}-{uuid.uuid4().hex[:8]}"
        labels = {"stack": self.stack, "component": component, "release": release}
        arguments = [f"--label={LABEL}.{key}={value}" for key, value in labels.items()]
        (program, *rest) = command
        verb = ["run", "--detach"] if run else ["create"]
        try:
            docker(*verb, "--name", name, "--init", *arguments, *options, "--entrypoint", program, image, *rest)
            yield name
        finally:
            docker("rm", "--force", name, check=False)

    @contextmanager
    def certificate(self, *, days: int, names: tuple[str, ...] = ("localhost", "www.localhost")) -> Iterator[None]:
        """The proxy shows a certificate that ends in so many days and that no browser knows."""
        bundle = "/var/lib/monopco/tls/bundle.pem"
        before = docker("exec", self.name("proxy"), "cat", bundle)
        write = f"cat > {bundle}.test && mv {bundle}.test {bundle}"
        put = ["exec", "--interactive", self.name("proxy"), "sh", "-c", write]
        docker(*put, stdin=own_certificate(days, names))
        try:
            yield
        finally:
            docker(*put, stdin=before + "\n")

    def recovered(self) -> None:
        """Wait until the app answers again, with its database."""
        wait_until(self._answers, "the app and its database answer")

    def _answers(self) -> bool:
        try:
            return '"ok":true' in self.survey().web.ask("/api/info").text
        except CommandError:
            return False


def own_certificate(days: int, names: tuple[str, ...]) -> str:
    """A key and a certificate that signs itself (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a stranger")])
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return (private + made.public_bytes(serialization.Encoding.PEM)).decode()


class Service(ThreadingHTTPServer):
    """A stand-in for Resend and Pappers, on a port of this machine: they are other people's servers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.status, self.body = 200, {"data": [{"name": "monopco.fr", "status": "verified"}]}
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answering(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        content = json.dumps(self.server.body).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Nobody reads it."""


@contextmanager
def service() -> Iterator[Service]:
    with Service() as one:
        thread = threading.Thread(target=one.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield one
        one.shutdown()
        thread.join()
