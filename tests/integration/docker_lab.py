"""Servers for tests of the Docker provider: a daemon that leaves the machine's own alone, and image registries."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.places import CACHE
from tests.integration.environment import free_ports, wait_until
from toolchain import build

TOOLS = Path(__file__).parent / "tools"
USER, PASSWORD = "tester", "registry-password"
# bcrypt of PASSWORD at the least cost, because the registry checks it on every request.
PASSWORD_HASH = "$2b$04$hBqxvLCOZbjMZ/UVgC6ai.Nqb4e6vOQvruSOZ2mSvsBD/ygOvn3Xe"
REGISTRY = "github.com/distribution/distribution/v3/cmd/registry"


@dataclass(frozen=True)
class Docker:
    """A daemon, driven with the docker command; without a host it is the one that the user has chosen."""

    host: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """What makes a program talk to this daemon."""
        return {"DOCKER_HOST": self.host} if self.host else {}

    def __call__(self, *arguments: str, check: bool = True) -> str:
        """What a command prints."""
        environment = {**os.environ, **self.environment}
        done = subprocess.run(["docker", *arguments], env=environment, capture_output=True, text=True, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"docker {' '.join(arguments)}: {done.stderr}")
        return done.stdout.strip()

    def inspect(self, kind: str, name: str) -> dict[str, Any]:
        """What the daemon knows of an object."""
        (found,) = json.loads(self(kind, "inspect", name))
        return dict(found)

    def has(self, kind: str, name: str) -> bool:
        """Whether there is such an object."""
        return self(kind, "inspect", name, check=False) not in {"", "[]"}


@contextlib.contextmanager
def swarm(folder: Path) -> Iterator[Docker]:
    """A second daemon, a swarm of one node. It makes no firewall rules. The path must be short.

    It has a bridge of its own: told to have none, it would remove the machine's docker0.
    """
    docker = Docker(f"unix://{folder}/docker.sock")
    bridge = f"mtest{os.getpid()}"
    (folder / "daemon.json").write_text("{}")
    command = [
        "dockerd",
        *("--host", docker.host, "--config-file", f"{folder}/daemon.json", "--pidfile", f"{folder}/pid"),
        *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
        *("--bridge", bridge, "--iptables=false", "--ip6tables=false"),
        *("--containerd-namespace", folder.name, "--containerd-plugins-namespace", f"{folder.name}-plugins"),
    ]
    with (
        own_bridge(bridge),
        running(command, folder / "daemon.log", lambda: docker("ps", check=False) != ""),
    ):
        (port,) = free_ports(1)
        docker("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", f"127.0.0.1:{port}")
        yield docker
        docker("swarm", "leave", "--force")
    for mount in Path("/proc/mounts").read_text().splitlines():
        if mount.split()[1].startswith(f"{folder}/"):  # the daemon leaves its network namespace mounted
            subprocess.run(["umount", mount.split()[1]], check=True)


@contextlib.contextmanager
def own_bridge(name: str) -> Iterator[None]:
    """A network bridge, gone afterwards."""
    subprocess.run(["ip", "link", "add", name, "type", "bridge"], check=True)
    try:
        yield
    finally:
        subprocess.run(["ip", "link", "delete", name], check=True)


@contextlib.contextmanager
def registry(folder: Path, *, protected: bool) -> Iterator[str]:
    """An image registry on this machine; its address. A protected one asks for USER and PASSWORD."""
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    settings: dict[str, Any] = {
        "version": "0.1",
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": address},
    }
    if protected:
        (folder / "users").write_text(f"{USER}:{PASSWORD_HASH}\n")
        settings["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "users")}}
    (folder / "config.yml").write_text(json.dumps(settings))  # JSON is YAML
    command = [str(tool(REGISTRY)), "serve", str(folder / "config.yml")]
    with running(command, folder / "registry.log", lambda: ask_registry(address, "") is not None):
        yield address


def ask_registry(address: str, path: str, put: Mapping[str, Any] | None = None) -> Mapping[str, Any] | None:
    """What a registry answers to the test's user; nothing when it has no such thing or does not run yet.

    put is an image index to be stored there first.
    """
    request = urllib.request.Request(f"http://{address}/v2/{path}")
    request.add_header("Authorization", f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}")
    request.add_header("Accept", "application/vnd.docker.distribution.manifest.v2+json")
    if put:
        request.method, request.data = "PUT", json.dumps(put).encode()
        request.add_header("Content-Type", put["mediaType"])
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - http to this machine
            body = answer.read()
            about = {"digest": answer.headers["Docker-Content-Digest"], "size": len(body)}
            return {**about, **json.loads(body or "{}")}
    except urllib.error.URLError:
        return None


def tool(package: str, module: Path = TOOLS) -> Path:
    """A program of a Go module, by default the one in tools/, built once and kept in the project's cache."""
    return build.program(CACHE, module, package, lambda part, state: print(f"{part}: {state}"))


@contextlib.contextmanager
def running(command: Sequence[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """A server that runs as long as the context; its last words are in the failure when it does not come up."""
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    with log.open("w") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: ready() or server.poll() is not None, f"{command[0]} answers, see {log}")
        assert server.poll() is None, f"{command[0]} ended:\n{log.read_text()[-2000:]}"
        yield
    finally:
        server.terminate()
        server.wait()
