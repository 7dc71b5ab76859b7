"""A proxy with real apps behind it, in containers, and clients that are strict: they never retry."""

from __future__ import annotations

import http.client
import json
import os
import socket
import ssl
import subprocess
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2

from source import folder_digest

PROJECT = Path(__file__).resolve().parents[2]
# Named by its content, so that two checkouts on one machine do not take each other's.
IMAGE = f"monopco/proxy:test-{folder_digest(PROJECT / 'images' / 'nginx')[:12]}"
DOMAIN = "shop.test"
ALIAS = "www.shop.test"
VARIABLES: Mapping[str, Any] = {
    "domain": DOMAIN,
    "aliases": [ALIAS],
    "extra_hosts": ["localhost", "127.0.0.1"],
    "https_port": 8443,
    "body_limit": "1M",
    "csp": "default-src 'self'",
    "hsts_seconds": 31536000,
    "rate": {"requests_per_second": 5000, "burst": 5000},
    "swarm": False,
    "drain_seconds": 30,
    "dashboard": None,
    "environments": False,
}


def docker(*arguments: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a docker command."""
    done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"docker {' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done


def build_image(tag: str, folder: Path) -> None:
    """Build an image without BuildKit, for which a docker command needs a plugin that not every machine has."""
    command = ["docker", "build", "--quiet", "--tag", tag, str(folder)]
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{tag} cannot be built: {done.stdout}{done.stderr}")


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Return once `condition` holds; the limit only turns a hang into a failure."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.02)


def configuration(**changes: Any) -> str:
    """The nginx.conf of the component, for these tests' names."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PROJECT / "components" / "proxy"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is nginx configuration
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("nginx.conf.j2").render({**VARIABLES, **changes})


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def release(self) -> str:
        return str(self.headers["X-Release"])


class Connection(http.client.HTTPConnection):
    """To the proxy on this machine, whatever the name of the site. It never sends a request twice."""

    def __init__(self, port: int, context: ssl.SSLContext | None, server_name: str) -> None:
        super().__init__(server_name, timeout=60)
        self._port, self._context, self._server_name = port, context, server_name

    def connect(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", self._port), timeout=60)
        if self._context:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self._server_name)

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        self.request(method, path, body=body, headers={"Host": self._server_name, **(headers or {})})
        response = self.getresponse()
        return Reply(response.status, response.headers, response.read())


@dataclass
class Proxy:
    """One proxy container with a volume, as the component makes it."""

    network: str
    name: str = field(default_factory=lambda: f"proxy-test-{uuid.uuid4().hex[:8]}")
    context: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    apps: list[str] = field(default_factory=list)

    def start(self) -> None:
        docker(
            *("run", "--detach", "--init", "--name", self.name, "--network", self.network),
            *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "128m"),
            *("--tmpfs", "/tmp:mode=1777,size=128m", "--tmpfs", "/run:mode=1777,size=16m"),  # noqa: S108
            *("--volume", f"{self.name}:/var/lib/monopco"),
            *("--publish", "127.0.0.1::8080", "--publish", "127.0.0.1::8443", IMAGE),
        )

    def configure(self, **changes: Any) -> str:
        return self.tool("configure", stdin=configuration(**changes)).stdout.strip()

    def trust(self, *names: str) -> None:
        authority = self.tool("certificate", "self-signed", *(names or (DOMAIN, ALIAS))).stdout
        self.context = ssl.create_default_context(cadata=authority)

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", self.name, *self.apps, check=False)
        docker("volume", "rm", "--force", self.name, check=False)

    def tool(self, *command: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        return docker("exec", "--interactive", self.name, *command, stdin=stdin, check=check)

    def shell(self, text: str) -> str:
        return self.tool("sh", "-c", text).stdout.strip()

    def restart(self, signal: str = "") -> None:
        if signal:
            docker("kill", "--signal", signal, self.name)
            docker("wait", self.name)
            docker("start", self.name)
        else:
            docker("restart", self.name)
        self.shell("until curl -sf --unix-socket /run/monopco/admin.sock http://proxy/status; do sleep 0.05; done")

    def port(self, inside: int) -> int:
        return int(docker("port", self.name, f"{inside}/tcp").stdout.splitlines()[0].rpartition(":")[2])

    def connection(self, name: str = DOMAIN, *, https: bool = True) -> Connection:
        return Connection(self.port(8443 if https else 8080), self.context if https else None, name)

    def ask(self, path: str = "/", *, name: str = DOMAIN, https: bool = True, **options: Any) -> Reply:
        with closing(self.connection(name, https=https)) as connection:
            return connection.ask(path, **options)

    def admin(self, method: str, path: str) -> dict[str, Any]:
        text = self.shell(f"curl -sf -X {method} --unix-socket /run/monopco/admin.sock 'http://proxy{path}'")
        answer: dict[str, Any] = json.loads(text)
        return answer

    def status(self) -> dict[str, Any]:
        return self.admin("GET", "/status")

    def workers(self) -> list[str]:
        """Process numbers of the workers that take connections."""
        return self.shell(
            "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null "
            "| grep -q '^nginx: worker process *$' && echo ${p#/proc/}; done; true"
        ).split()

    def app(self, release: str, alias: str = "") -> str:
        """Start a container of a release, found by the alias, too; returns its address and port."""
        name = f"{self.name}-{release}-{len(self.apps)}"
        self.apps.append(name)
        docker(
            *("create", "--init", "--name", name, "--network", self.network, "--env", f"RELEASE={release}"),
            *(("--network-alias", alias) if alias else ()),
            *(
                "--entrypoint",
                "sh",
                IMAGE,
                "-c",
                "mkdir -p /run/monopco && exec nginx -c /etc/app.conf -g 'daemon off;'",
            ),
        )
        docker("cp", str(PROJECT / "tests" / "integration" / "upstream.conf"), f"{name}:/etc/app.conf")
        docker("start", name)
        docker("exec", name, "sh", "-c", "until curl -sf http://127.0.0.1:3000/; do sleep 0.05; done")
        shape = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return docker("inspect", "--format", shape, name).stdout.strip() + ":3000"

    def behave(self, address: str, **how: float) -> None:
        """Make an app slow (`delay` in seconds) or have one request of `fails` fail."""
        self.inside(address, "/behave?" + "&".join(f"{name}={value}" for name, value in how.items()))

    def inside(self, address: str, path: str) -> str:
        """Ask an app directly, not through the proxy's ports."""
        return self.shell(f"curl -sf http://{address}{path}")

    def switch(self, release: str, *peers: str, drain: int = 30, watch: int = 0, check: bool = True) -> dict[str, Any]:
        done = self.tool("switch", release, str(drain), str(watch), *peers, check=check)
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def switching(self, release: str, *peers: str, drain: int = 30, watch: int = 0) -> subprocess.Popen[str]:
        """Begin a switch; the test goes on while it drains and watches."""
        command = ["docker", "exec", self.name, "switch", release, str(drain), str(watch), *peers]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


class Load:
    """Clients that ask all the time, some on a connection that they keep, some each time on a new one."""

    def __init__(self, proxy: Proxy, keeping: int = 4, reconnecting: int = 4, path: str = "/") -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._proxy, self._port, self._path = proxy, proxy.port(8443), path
        kinds: Sequence[bool] = [True] * keeping + [False] * reconnecting
        self._threads = [threading.Thread(target=self._client, args=(keeps,)) for keeps in kinds]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.more(100)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Wait until this many more requests were answered or lost."""
        goal = self.total() + count
        wait_until(lambda: self.total() >= goal, f"{count} more requests under load", seconds=60)

    def total(self) -> int:
        return sum(self.answers.values()) + len(self.failures)

    def _client(self, keeps: bool) -> None:
        connection = Connection(self._port, self._proxy.context, DOMAIN)
        number = 0
        while not self._stop.is_set():
            number += 1
            method, path, body = ("POST", "/api/upload", b"1234") if number % 5 == 0 else ("GET", self._path, None)
            try:
                reply = connection.ask(path, method, body, None if keeps else {"Connection": "close"})
                if reply.status in (200, 201) and reply.body:
                    self.answers[reply.release] += 1
                else:
                    self.failures.append(f"{method} {path}: {reply.status}")
            except (OSError, http.client.HTTPException) as error:
                kind = "kept" if keeps else "new"
                self.failures.append(f"{method} {path} on a {kind} connection: {error!r}")
                connection.close()
            self._stop.wait(0.01)
        connection.close()
