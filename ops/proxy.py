"""What the proxy of a stack knows: which release is live, which were before, and how they do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ops import containers
from ops.errors import CommandError


@dataclass(frozen=True)
class Proxy:
    """The running proxy and its state."""

    container: str
    host: str | None
    state: dict[str, Any]

    @property
    def live(self) -> str:
        """The release that gets the requests; empty when there is none yet."""
        return str(self.state.get("release") or "")

    @property
    def history(self) -> list[str]:
        """Releases that were live and good before, oldest first."""
        return [str(release) for release in self.state.get("history") or []]

    def run(self, *command: str) -> str:
        """What a tool of the proxy's image prints."""
        return containers.docker(["exec", self.container, *command], self.host)


def of_stack(stack: str, host: str | None) -> Proxy | None:
    """The proxy of `stack`; None when none runs."""
    wanted = containers.filters(stack, "proxy")
    names = containers.docker(["ps", *wanted, "--format", "{{.Names}}"], host).split()
    if not names:
        return None
    return Proxy(names[0], host, json.loads(containers.docker(["exec", names[0], "state"], host)))


def running(stack: str, host: str | None) -> Proxy:
    """The proxy of `stack`. Raises CommandError when none runs."""
    found = of_stack(stack, host)
    if found is None:
        raise CommandError(f"No proxy runs in stack {stack}; ./monopco up -s {stack} starts it.")
    return found
