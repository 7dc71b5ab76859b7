"""Three servers with systemd in one network, of which one becomes the manager of a swarm and two its nodes."""

from __future__ import annotations

import hashlib
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration import server_lab
from tests.integration.environment import wait_until
from tests.integration.server_lab import LabServer, docker
from tests.integration.ssh_lab import Key

# What setting a server up installs, so that three of them need not do it one beside the other.
_DOCKERFILE = """ARG BASE
FROM $BASE
RUN apt-get update \\
    && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \\
        docker.io docker-cli fail2ban iptables logrotate nftables python3-systemd ufw unattended-upgrades \\
    && rm -rf /var/lib/docker /etc/docker
"""


@dataclass(frozen=True)
class SwarmLab:
    manager: LabServer
    nodes: tuple[LabServer, ...]

    @property
    def servers(self) -> tuple[LabServer, ...]:
        return (self.manager, *self.nodes)

    @property
    def key(self) -> Key:
        return self.manager.key


def image() -> str:
    base = server_lab.image("trixie")
    name = f"monopco/server-lab:swarm-{hashlib.sha256((base + _DOCKERFILE).encode()).hexdigest()[:12]}"
    if not docker("image", "ls", "--quiet", name):
        docker("build", "--quiet", "--tag", name, "--build-arg", f"BASE={base}", "-", stdin=_DOCKERFILE)
    return name


@contextmanager
def servers(folder: Path) -> Iterator[SwarmLab]:
    """They run inside the with block."""
    name, made = f"swarm-lab-{uuid.uuid4().hex[:8]}", image()
    key = Key.generate(folder / name)
    with ExitStack() as after:
        net = after.enter_context(server_lab.network())
        subnet = docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", net)
        started = []
        for number in (1, 2, 3):
            one, address = f"{name}-{number}", subnet.replace(".0/24", f".1{number}")
            after.callback(docker, "volume", "rm", one, check=False)
            after.callback(docker, "rm", "--force", "--volumes", one, check=False)
            place = ("--volume", f"{one}:/var/lib/docker", "--network", net, "--ip", address)
            docker("run", "--detach", "--name", one, "--hostname", f"server{number}", *server_lab.RIGHTS, *place, made)
            docker(*("exec", "-i", one, "sh", "-c", "cat >/root/.ssh/authorized_keys"), stdin=f"{key.public}\n")
            started.append((one, address))
        yield SwarmLab(*_ready(started, net, key))


def _ready(started: list[tuple[str, str]], net: str, key: Key) -> tuple[LabServer, tuple[LabServer, ...]]:
    made = []
    for one, address in started:
        _await_sshd(one)
        host_key = " ".join(docker("exec", one, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
        made.append(LabServer(one, net, address, host_key, key))
    manager, *nodes = made
    return manager, tuple(nodes)


def _await_sshd(container: str) -> None:
    ask = ["docker", "exec", container, "systemctl", "is-active", "ssh"]
    wait_until(lambda: subprocess.run(ask, capture_output=True, check=False).returncode == 0, "sshd runs")
