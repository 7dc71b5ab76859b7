"""How a server is reached by SSH: over one connection that everything shares, and only when it proves who it is.

What OpenSSH reads lies in a folder for each server, below the project. Its name follows from the server's address
alone, so whatever knows the Docker host finds it, and an input of a resource is the same on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

# The user that deploys. He may use Docker, and is made by whoever sets the server up.
DEPLOYER = "monopco"
FOLDER = ".state/ssh"
WRAPPER = "components/ssh/bin"
# Read by the ssh in WRAPPER: the settings to be used.
CONFIG_VARIABLE = "MONOPCO_SSH_CONFIG"
PRIVATE = 0o600
_KEY_FILE = "key"
_CONNECTION_FILE = "connection"


def docker_host(host: str, port: int) -> str:
    """A server's Docker as Docker writes it."""
    return f"ssh://{DEPLOYER}@{host}:{port}"


def is_remote(url: str | None) -> bool:
    """Whether a Docker host is reached by SSH."""
    return bool(url) and str(url).startswith("ssh://")


def config_file(url: str) -> str:
    """The settings for a Docker host, relative to the project."""
    parts = urlsplit(url)
    return f"{FOLDER}/{parts.hostname}-{parts.port}/config"


def variables(url: str | None, project: Path, path: str) -> dict[str, str]:
    """What makes the docker command use the settings for a Docker host; `path` is PATH without it."""
    if url is None or not is_remote(url):
        return {"DOCKER_HOST": url} if url else {}
    return {
        "DOCKER_HOST": url,
        "PATH": f"{project / WRAPPER}:{path}",
        CONFIG_VARIABLE: str(project / config_file(url)),
    }


@dataclass(frozen=True, kw_only=True)
class Ssh:
    """A server, and how it is logged in to."""

    host: str
    port: int
    host_key: str | None
    """The key that it must show, as in a .pub file; None accepts the first one and keeps to it."""
    own_key: bool
    """Whether the stack brings a private key; otherwise the user's own keys and agent are used."""

    @property
    def docker_host(self) -> str:
        return docker_host(self.host, self.port)

    @property
    def config_file(self) -> str:
        return config_file(self.docker_host)

    @property
    def options(self) -> list[str]:
        """Options for ssh, the same on every machine; they hold in the project's folder."""
        return ["-F", self.config_file]

    def render(self, project: Path, home: Path) -> Mapping[str, str]:
        """The texts of OpenSSH's files by their names.

        `config` is for everybody: it has the shared connection opened first when it is not there. `connection` is for
        whoever opens it.
        """
        files = {"config": self._config(project), _CONNECTION_FILE: self._connection(project, home)}
        if self.host_key:
            files["known_hosts"] = f"{self.host} {self.host_key}\n"
        return files

    def write(self, project: Path, private_key: str | None = None, home: Path | None = None) -> None:
        """Write what differs. A private key that is None stays as it is on the disk."""
        home = home or Path.home()
        folder = self._folder(project)
        for each in (folder, home / ".ssh"):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = dict(self.render(project, home))
        if self.own_key and private_key is not None:
            files[_KEY_FILE] = private_key.rstrip() + "\n"
        for name, text in files.items():
            _write(folder / name, text)

    def key_file(self, project: Path) -> Path:
        return self._folder(project) / _KEY_FILE

    def _folder(self, project: Path) -> Path:
        return (project / self.config_file).parent

    def _config(self, project: Path) -> str:
        connection = self._folder(project) / _CONNECTION_FILE
        connect = f"'{project / 'components/ssh/connect'}' '{connection}'".replace("%", "%%")
        return (
            "# Written by monopco. One connection is shared by all; when it cannot be had, nobody tries by himself.\n"
            f'Match originalhost {self.host} !exec "{connect} %n %r"\n'
            "    ProxyCommand false\n"
            "Match all\n"
            f'Include "{connection}"\n'
        )

    def _connection(self, project: Path, home: Path) -> str:
        folder = self._folder(project)
        settings = {
            "Port": self.port,
            # Known by its name, whatever address it has.
            "HostKeyAlias": self.host,
            "UserKnownHostsFile": f'"{folder / "known_hosts"}"',
            "GlobalKnownHostsFile": "none",
            "StrictHostKeyChecking": "yes" if self.host_key else "accept-new",
            "CheckHostIP": "no",
            "UpdateHostKeys": "no",
            **({"IdentityFile": f'"{folder / _KEY_FILE}"', "IdentitiesOnly": "yes"} if self.own_key else {}),
            "BatchMode": "yes",
            "ConnectTimeout": 15,
            # A connection that has died is noticed after 45 s.
            "ServerAliveInterval": 15,
            "ServerAliveCountMax": 3,
            "ControlMaster": "no",
            "ControlPath": f'"{self._socket(project, home)}"',
            "ControlPersist": "10m",
            # What the user has set up for his own visits is not for us.
            "ClearAllForwardings": "yes",
            "ForwardAgent": "no",
            "RemoteCommand": "none",
            "PermitLocalCommand": "no",
        }
        lines = "".join(f"    {name} {value}\n" for name, value in settings.items())
        return (
            f"# Written by monopco.\nHost {self.host}\n{lines}"
            "Match all\n# Jump hosts and whatever else the server needs.\n"
            "Include ~/.ssh/config\nInclude /etc/ssh/ssh_config\n"
        )

    def _socket(self, project: Path, home: Path) -> Path:
        """Where the shared connection listens: a short path, since no more than 104 bytes are allowed.

        Other settings make another one, so that nobody goes on over a connection that was made by the earlier ones.
        """
        parts = (str(project), self.host, str(self.port), self.host_key or "", str(self.own_key))
        return home / ".ssh" / f"monopco-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:12]}-%r"


def _write(path: Path, text: str) -> None:
    """In one step, and never readable by others."""
    if path.is_file() and path.read_text(encoding="utf-8") == text and path.stat().st_mode & 0o777 == PRIVATE:
        return
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=PRIVATE)
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
