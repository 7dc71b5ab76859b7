"""A server with Docker of its own that is reached by SSH: a container with sshd and a daemon, and the user monopco."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.integration.environment import free_ports, run, wait_until
from tests.integration.ssh_lab import Key

DOCKERFILE = """\
FROM monopco/base:trixie
RUN apt-get update \\
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \\
        docker.io docker-cli iptables openssh-server socat \\
    && apt-get clean \\
    && rm -rf /var/lib/apt/lists/* \\
    && useradd --create-home --groups docker --shell /bin/sh monopco
"""
_TRIES = 5
# Standard input holds the host key and the public key that is let in.
START = """\
set -eu
mkdir -p /run/sshd
install -d -o monopco -g monopco -m 700 /home/monopco/.ssh
install -m 600 /setup/host_key /etc/ssh/ssh_host_ed25519_key
install -o monopco -m 600 /setup/authorized_keys /home/monopco/.ssh/authorized_keys
printf 'HostKey /etc/ssh/ssh_host_ed25519_key\\nPasswordAuthentication no\\nMaxSessions 64\\n' \\
    >/etc/ssh/sshd_config.d/lab.conf
dockerd >/var/log/dockerd.log 2>&1 &
exec /usr/sbin/sshd -D -e
"""


@dataclass(frozen=True)
class RemoteServer:
    container: str
    port: int
    host_key: Key
    key: Key
    """The one that monopco is let in with."""

    def docker(self, *arguments: str, check: bool = True) -> str:
        """What a docker command on the server prints."""
        return self.run("docker", *arguments, check=check)

    def run(self, *command: str, check: bool = True) -> str:
        """What a command prints that root runs on the server."""
        done = run(["docker", "exec", self.container, *command])
        for _ in range(_TRIES):
            # On a machine with much to do runc now and then fails to enter a container; nothing was run then.
            if "error executing setns process" not in done.stdout + done.stderr:
                break
            done = run(["docker", "exec", self.container, *command])
        if check and done.returncode != 0:
            raise AssertionError(f"{command} on the server failed: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def logins(self) -> int:
        """How often somebody has logged in."""
        done = run(["docker", "logs", self.container])
        return (done.stdout + done.stderr).count("Accepted publickey for")

    def cut(self) -> None:
        """End every SSH connection at once; the server goes on and takes new ones."""
        self.run("pkill", "-f", "^sshd-session: ", check=False)

    @contextlib.contextmanager
    def forwarded(self, address: str) -> Iterator[None]:
        """An address of this machine at the same address of the server, inside the with block."""
        command = [
            *("ssh", "-N", "-F", "none", "-i", str(self.key.file), "-p", str(self.port), "-l", "monopco"),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes"),
            *("-o", "ExitOnForwardFailure=yes", "-R", f"{address}:{address}", "127.0.0.1"),
        ]
        before = self.logins()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: self.logins() > before, "the address is forwarded")
            yield
        finally:
            process.terminate()
            process.wait()


def build() -> str:
    """Build the server's image; its name tells the content."""
    tag = f"monopco-test/server:{hashlib.sha256(DOCKERFILE.encode()).hexdigest()[:12]}"
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    done = subprocess.run(
        ["docker", "build", "--quiet", "--tag", tag, "-"],
        env=environment,
        input=DOCKERFILE,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"{tag} cannot be built: {done.stdout}{done.stderr}")
    return tag


@contextlib.contextmanager
def remote_server(folder: Path, published: Sequence[int], *allowed: Key) -> Iterator[RemoteServer]:
    """A server that publishes these ports of its own on 127.0.0.1, and SSH on a free one."""
    key, host_key = Key.generate(folder / "user_key"), Key.generate(folder / "host_key")
    setup = folder / "setup"
    setup.mkdir()
    (setup / "host_key").write_text(host_key.private)
    (setup / "authorized_keys").write_text("".join(f"{one.public}\n" for one in (key, *allowed)))
    (setup / "start").write_text(START)
    (port,) = free_ports(1)
    name = f"monopco-test-server-{uuid.uuid4().hex[:8]}"
    ports = [f"--publish=127.0.0.1:{port}:22", *(f"--publish=127.0.0.1:{one}:{one}" for one in published)]
    command = [
        *("docker", "run", "--detach", "--init", "--name", name, *ports),
        *(
            "--cap-add",
            "SYS_ADMIN",
            "--cap-add",
            "NET_ADMIN",
            "--cap-add",
            "SYS_PTRACE",
            "--security-opt",
            "apparmor=unconfined",
        ),
        *("--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"),
        *("--tmpfs", "/run", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw", "--volume", "/var/lib/docker"),
        *("--volume", f"{setup}:/setup:ro", build(), "sh", "/setup/start"),
    ]
    started = run(command)
    assert started.returncode == 0, started.stderr
    server = RemoteServer(name, port, host_key, key)
    try:
        wait_until(
            lambda: server.docker("version", "--format", "{{.Server.Version}}", check=False) != "",
            "Docker on the server answers",
        )
        yield server
    finally:
        run(["docker", "rm", "--force", "--volumes", name])
