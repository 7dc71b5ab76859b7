"""Servers for tests: containers with systemd and sshd, in which Docker runs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.engine import Engine
from tests.integration.environment import PROJECT, wait_until
from tests.integration.ssh_lab import Key

BASE = "monopco/base:trixie"
_DOCKERFILE = """ARG BASE
FROM $BASE
RUN rm -f /usr/sbin/policy-rc.d /etc/apt/apt.conf.d/image /etc/dpkg/dpkg.cfg.d/image \\
    && apt-get update \\
    && apt-get install -y --no-install-recommends \\
        ca-certificates cron dbus iproute2 kmod nmap openssh-server procps python3 sudo systemd systemd-sysv \\
    && rm -f /etc/ssh/ssh_host_* \\
    && systemctl mask console-getty.service getty.target systemd-modules-load.service \\
        sys-kernel-debug.mount sys-kernel-tracing.mount \\
    && install -d -m 700 /root/.ssh
STOPSIGNAL SIGRTMIN+3
# The network's settings are the container's own; the rest is this machine's and stays read-only.
RUN printf '%s\\n' '#!/bin/sh' 'mount --bind /proc/sys/net /proc/sys/net' \\
        'mount -o remount,bind,rw /proc/sys/net' 'ssh-keygen -A' 'exec /sbin/init' >/start && chmod 755 /start
CMD ["/start"]
"""
# Debian 12 as debootstrap makes it, from the mirror that the base image has; it needs no right on this machine.
_OLDER = """set -eu
exec 3>&1 >&2
apt-get update && apt-get install -y --no-install-recommends debootstrap
mirror=$(sed -n 's/^URIs: //p' /etc/apt/sources.list.d/debian.sources | head -n 1)
security=$(sed -n 's/^URIs: //p' /etc/apt/sources.list.d/debian.sources | tail -n 1)
debootstrap --variant=minbase bookworm /new "$mirror"
printf 'deb %s bookworm main\\ndeb %s bookworm-updates main\\ndeb %s bookworm-security main\\n' \\
    "$mirror" "$mirror" "$security" >/new/etc/apt/sources.list
tar --create --directory /new --numeric-owner . >&3
"""
RIGHTS = (
    # The last one is for `docker exec` inside.
    *("--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--cap-add", "SYS_PTRACE"),
    *("--security-opt", "apparmor=unconfined", "--security-opt", "seccomp=unconfined"),
    *("--tmpfs", "/run", "--tmpfs", "/run/lock", "--tmpfs", "/tmp"),  # noqa: S108 - of the container
    *("--volume", "/sys/fs/cgroup:/sys/fs/cgroup"),
)


def docker(*arguments: str, stdin: str | None = None, check: bool = True) -> str:
    """What this machine's docker prints."""
    done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"docker {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


@dataclass(frozen=True)
class LabServer:
    """A server, fresh from the provider: root comes in with `key`, and nothing else is prepared."""

    container: str
    network: str
    address: str
    host_key: str
    key: Key

    def __call__(self, script: str, *, check: bool = True) -> str:
        """What a shell script prints that is run there as root, by the console so to speak."""
        return docker("exec", self.container, "sh", "-c", script, check=check)

    def attempt(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "exec", self.container, "sh", "-c", script], capture_output=True, text=True, check=False
        )

    def ssh(self, *options: str, user: str = "root") -> list[str]:
        """The command that runs the shell script on its standard input there, over a connection of its own."""
        known = self.key.file.with_name(f"known-{self.container}")
        known.write_text(f"{self.address} {self.host_key}\n", encoding="utf-8")
        return [
            *("ssh", "-F", "none", "-T", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known}"),
            *("-o", "IdentitiesOnly=yes", "-i", str(self.key.file), *options, f"{user}@{self.address}", "sh -s"),
        ]

    def login(self, *options: str, user: str = "root") -> subprocess.CompletedProcess[str]:
        """An attempt to log in; success is the caller's question."""
        return subprocess.run(
            self.ssh(*options, user=user), input="id -un", capture_output=True, text=True, check=False
        )

    def restart(self) -> None:
        """Power off and on; nothing is asked to end first."""
        docker("kill", self.container)
        docker("start", self.container)
        wait_until(lambda: self("systemctl is-active ssh", check=False) == "active", "sshd runs again")

    def arguments(self, **changed: Any) -> dict[str, Any]:
        """What a program gives the component for this server."""
        return {
            "host": self.address,
            "port": 22,
            "user": "root",
            "private_key": self.key.private,
            "host_key": self.host_key,
            "authorized_key": self.key.public,
            "ports": (80, 443),
            **changed,
        }


def program(arguments: Mapping[str, Any], first: str = "") -> str:
    """A program with nothing but the server."""
    return (
        f"import sys\nsys.path.insert(0, {str(PROJECT)!r})\n{first}\n"
        "from components.machine import Machine, MachineArgs\nfrom components.stack import Stack\n"
        f"machine = Machine('machine', MachineArgs(stack=Stack('test'), **{dict(arguments)!r}))\n"
        "pulumi.export('ready', machine.ready)\n"
    )


def image(suite: str) -> str:
    """The image of a fresh server with Debian of that name; made once."""
    digest = hashlib.sha256((_DOCKERFILE + _OLDER).encode()).hexdigest()[:12]
    name = f"monopco/server-lab:{suite}-{digest}"
    if docker("image", "ls", "--quiet", name):
        return name
    base = BASE if suite == "trixie" else f"{name}-base"
    if suite != "trixie":
        _debootstrap(base)
    docker("build", "--quiet", "--tag", name, "--build-arg", f"BASE={base}", "-", stdin=_DOCKERFILE)
    return name


def _debootstrap(name: str) -> None:
    make = ["docker", "run", "--rm", "--interactive", "--cap-add", "SYS_ADMIN", BASE, "sh", "-s"]
    with subprocess.Popen(make, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as made:
        assert made.stdin is not None
        made.stdin.write(_OLDER.encode())
        made.stdin.close()
        done = subprocess.run(["docker", "import", "-", f"{name}-draft"], stdin=made.stdout, check=False)
        said = (made.stderr or sys.stderr.buffer).read().decode(errors="replace")
    assert done.returncode == 0, said
    assert made.returncode == 0, said
    docker("tag", f"{name}-draft", name)  # under its name only when it is whole
    docker("rmi", f"{name}-draft")


@contextmanager
def network() -> Iterator[str]:
    """A network of its own, in which servers keep their address through a restart."""
    name = f"server-lab-{uuid.uuid4().hex[:8]}"
    docker("network", "create", "--subnet", f"10.191.{int(name[-2:], 16)}.0/24", name)
    try:
        yield name
    finally:
        docker("network", "rm", name)


@contextmanager
def server(folder: Path, suite: str = "trixie", options: Sequence[str] = ()) -> Iterator[LabServer]:
    """A server that runs inside the with block."""
    name = f"server-lab-{uuid.uuid4().hex[:8]}"
    with ExitStack() as after:
        net = after.enter_context(network())
        (known,) = json.loads(docker("network", "inspect", net))
        address = known["IPAM"]["Config"][0]["Subnet"].replace(".0/24", ".10")
        place = ("--volume", f"{name}:/var/lib/docker", "--network", net, "--ip", address)
        made = image(suite)
        after.callback(docker, "volume", "rm", name, check=False)
        after.callback(docker, "rm", "--force", name, check=False)  # it is there also when it does not start
        docker("run", "--detach", "--name", name, "--hostname", "server", *RIGHTS, *place, *options, made)
        key = Key.generate(folder / name)
        docker(*("exec", "--interactive", name, "sh", "-c", "cat >/root/.ssh/authorized_keys"), stdin=f"{key.public}\n")
        wait_until(lambda: docker("exec", name, "systemctl", "is-active", "ssh", check=False) == "active", "sshd runs")
        host_key = " ".join(docker("exec", name, "cat", "/etc/ssh/ssh_host_ed25519_key.pub").split()[:2])
        yield LabServer(name, net, address, host_key, key)


@contextmanager
def neighbour(of: LabServer) -> Iterator[LabServer]:
    """Another machine in the server's network, with nothing but tools; it has no key."""
    name = f"{of.container}-neighbour"
    docker("run", "--detach", "--name", name, "--network", of.network, image("trixie"), "sleep", "infinity")
    try:
        (inspected,) = json.loads(docker("inspect", name))
        address = inspected["NetworkSettings"]["Networks"][of.network]["IPAddress"]
        yield LabServer(name, of.network, address, "", of.key)
    finally:
        docker("rm", "--force", name)


def engine(folder: Path, of: LabServer, **changed: Any) -> Engine:
    """A program for the server, not yet run."""
    made = Engine(folder)
    made.write(program(of.arguments(**changed)))
    return made
