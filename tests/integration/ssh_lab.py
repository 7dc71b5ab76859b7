"""Real SSH servers and an agent on this machine, for tests of what goes over SSH."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.environment import free_ports, wait_until


@dataclass(frozen=True)
class Key:
    """A key pair in a file; the private key is encrypted when it has a password."""

    file: Path
    password: str = ""

    @property
    def private(self) -> str:
        return self.file.read_text(encoding="utf-8")

    @property
    def public(self) -> str:
        return self.file.with_suffix(".pub").read_text(encoding="utf-8").strip()

    @staticmethod
    def generate(file: Path, password: str = "", kind: str = "ed25519") -> Key:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", kind, "-N", password, "-C", "", "-f", file], check=True, capture_output=True
        )
        return Key(file, password)


@dataclass(frozen=True)
class SshServer:
    """An sshd on 127.0.0.1 that lets the current user in with one of the given keys."""

    folder: Path
    port: int
    host_key: Key

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def logins(self) -> int:
        """How often somebody has logged in."""
        return self.log.count("Accepted publickey for")

    def connection(self, **fields: Any) -> dict[str, Any]:
        """A connection to this server, as a program writes it; one that fails does so at the first attempt."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "user": getpass.getuser(),
            "host_key": self.host_key.public,
            "dial_error_limit": 0,
            **fields,
        }


@contextmanager
def ssh_server(folder: Path, *allowed: Key, accept_env: str = "", kind: str = "ed25519") -> Iterator[SshServer]:
    """A server that runs inside the with block."""
    sshd = _sshd()
    folder.mkdir(parents=True)
    (port,) = free_ports(1)
    server = SshServer(folder, port, Key.generate(folder / "host_key", kind=kind))
    (folder / "authorized_keys").write_text("".join(f"{key.public}\n" for key in allowed), encoding="utf-8")
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": server.host_key.file,
        "AuthorizedKeysFile": folder / "authorized_keys",
        "AllowUsers": getpass.getuser(),
        "PermitRootLogin": "yes",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "UsePAM": "no",
        "StrictModes": "no",  # the keys lie in a folder for temporary files
        "PidFile": "none",
        "Subsystem": "sftp internal-sftp",
        **({"AcceptEnv": accept_env} if accept_env else {}),
    }
    config = folder / "sshd_config"
    config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()), encoding="utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", config], stdin=subprocess.DEVNULL, stderr=log)
    try:
        wait_until(lambda: _listens(port) or process.poll() is not None, "sshd listens")
        assert process.poll() is None, server.log
        yield server
    finally:
        process.terminate()
        process.wait()


@contextmanager
def ssh_agent(socket_path: Path, *keys: Key) -> Iterator[Path]:
    """An agent that holds the keys and listens on the socket inside the with block."""
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket_path], stdout=subprocess.DEVNULL)
    try:
        wait_until(socket_path.exists, "the agent listens")
        for key in keys:
            environment = {**os.environ, "SSH_AUTH_SOCK": str(socket_path)}
            subprocess.run(["ssh-add", "-q", key.file], env=environment, check=True, capture_output=True)
        yield socket_path
    finally:
        agent.terminate()
        agent.wait()


def _sshd() -> str:
    path = f"{os.environ['PATH']}:/usr/sbin"
    found = shutil.which("sshd", path=path)
    if not found and os.geteuid() == 0:
        subprocess.run(
            ["apt-get", "install", "--yes", "--no-install-recommends", "openssh-server"],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            check=True,
            capture_output=True,
        )
        found = shutil.which("sshd", path=path)
    if not found:
        pytest.skip("sshd is missing: apt-get install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd's own when systemd starts it
    return found


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
