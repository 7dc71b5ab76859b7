"""A stack's file, Pulumi.<stack>.yaml, as far as the command must know it before Pulumi reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from components.ssh import Ssh
from ops import key_file
from ops.errors import MISTAKE, CommandError
from ops.places import PROJECT


@dataclass(frozen=True)
class StackFile:
    """The values that the file gives, and those of Pulumi.yaml for what it leaves out."""

    name: str
    given: dict[str, Any]
    defaults: dict[str, Any]

    @staticmethod
    def read(name: str, project: Path = PROJECT) -> StackFile:
        """Raises CommandError when there is no such stack, or when its file cannot be read."""
        path = project / f"Pulumi.{name}.yaml"
        if not path.is_file():
            known = ", ".join(names(project)) or "none"
            raise CommandError(
                f"There is no stack {name}: {path.name} does not exist (there are: {known}). "
                f"To make one, copy a stack file: cp Pulumi.dev.yaml {path.name}, and change what differs.",
                MISTAKE,
            )
        content = _load(path)
        if stray := sorted(str(key) for key in content if str(key).startswith("monopco:")):
            raise CommandError(
                f"{path.name}: {', '.join(stray)} must stand below the line config:, two spaces further in; "
                "where it is now nobody reads it.",
                MISTAKE,
            )
        if not isinstance(content.get("config") or {}, dict):
            raise CommandError(f"{path.name}: config must be an object, with keys such as monopco:app.", MISTAKE)
        project_config = _load(project / "Pulumi.yaml").get("config") or {}
        defaults = {
            key: entry["default"]
            for key, entry in project_config.items()
            if isinstance(entry, dict) and "default" in entry
        }
        return StackFile(name, content.get("config") or {}, defaults)

    def value(self, section: str, key: str) -> Any:
        """The value of `monopco:<section>.<key>`."""
        given = self._section(self.given, section)
        return given[key] if key in given else self._section(self.defaults, section).get(key)

    def gives(self, section: str, key: str) -> bool:
        """Whether the stack's own file has the key."""
        return key in self._section(self.given, section)

    @property
    def ssh(self) -> Ssh | None:
        """How the stack's server is reached; None when it is this machine."""
        host, host_key = self.value("server", "host"), self.value("server", "hostKey")
        if not host:
            return None
        port = self.value("server", "port")
        if not isinstance(port, int):
            raise CommandError(f"server.port: must be a whole number (got {json.dumps(port)})", MISTAKE)
        return Ssh(
            host=str(host),
            port=port,
            host_key=str(host_key) if host_key else None,
            own_key=bool(self.value("server", "privateKey")),
        )

    @property
    def docker_host(self) -> str | None:
        """The stack's Docker host as Docker writes it; None is what the docker command uses by itself.

        Whoever asks is about to use it: what SSH needs for that is written when it is not there.
        """
        ssh = self.ssh
        if ssh:
            key_file.write(ssh, self.name, self.value("server", "privateKey"))
        return ssh.docker_host if ssh else None

    @property
    def nodes(self) -> list[Ssh]:
        """How the other servers of a swarm are reached; none on one server."""
        first, nodes = self.ssh, self.value("server", "nodes")
        if first is None or not isinstance(nodes, list):
            return []
        given = [each for each in nodes if isinstance(each, dict) and each.get("host")]
        return [replace(first, host=str(each["host"]), host_key=each.get("hostKey") or None) for each in given]

    @property
    def node_hosts(self) -> dict[str, str]:
        """The Docker of each node of a swarm by its host, ready to be used."""
        for ssh in self.nodes:
            key_file.write(ssh, self.name, self.value("server", "privateKey"))
        return {ssh.host: ssh.docker_host for ssh in self.nodes}

    @staticmethod
    def _section(values: dict[str, Any], section: str) -> dict[str, Any]:
        value = values.get(f"monopco:{section}")
        return value if isinstance(value, dict) else {}


def names(project: Path = PROJECT) -> list[str]:
    """The stacks that have a file."""
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in project.glob("Pulumi.*.yaml"))


def _load(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise CommandError(f"{path.name} is not valid YAML: {error}", MISTAKE) from error
    return content if isinstance(content, dict) else {}
