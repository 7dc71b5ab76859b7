"""A stack's file, Pulumi.<stack>.yaml, as far as the command must know it before Pulumi reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

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
        project_config = _load(project / "Pulumi.yaml").get("config") or {}
        defaults = {
            key: entry["default"]
            for key, entry in project_config.items()
            if isinstance(entry, dict) and "default" in entry
        }
        return StackFile(name, _load(path).get("config") or {}, defaults)

    def value(self, section: str, key: str) -> Any:
        """The value of `monopco:<section>.<key>`."""
        given = self._section(self.given, section)
        return given[key] if key in given else self._section(self.defaults, section).get(key)

    def gives(self, section: str, key: str) -> bool:
        """Whether the stack's own file has the key."""
        return key in self._section(self.given, section)

    @property
    def docker_host(self) -> str | None:
        """The stack's Docker host as Docker writes it; None is what the docker command uses by itself."""
        host = self.value("server", "host")
        return f"ssh://{self.value('server', 'user')}@{host}:{self.value('server', 'port')}" if host else None

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
