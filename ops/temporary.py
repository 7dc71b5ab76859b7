"""Environments for pull requests: a stack of their own made from another one, for a limited time.

The stack's file is generated and git-ignored. What must outlive it, the end of its time, is a stack output as well, so
that a pipeline with a fresh checkout finds and removes what another one made. No secret is ever taken over: a stack
gets those that are generated for it and those that are given by name.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import yaml

from components.stack import PRIVATE, Stack
from ops import containers, ports
from ops.errors import MISTAKE, CommandError
from ops.places import PROJECT
from ops.stack_file import StackFile
from sections import parse_size

PREFIX = "pr-"
_NAME = re.compile(r"pr-[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_NAME = 40
_LIFETIME = re.compile(r"([1-9][0-9]{0,3})([hd])")
_FIRST_PORT = 20000
# Never taken over: what is secret or somebody's own, and what only production needs.
_OWN = ("pinned", "rotation", "network", "dns", "backups", "monitoring", "tls", "policies", "temporary")
# A name without its password would be half an access; whom `docker login` knows is let in.
_SECRET_KEYS = {"server": ("privateKey",), "database": ("url",), "registry": ("username", "password")}
_DATABASE_MEMORY = "256M"
_PROXY_MEGABYTES = 128
_MEBIBYTE = 2**20
# What the machine itself, Docker and a build need besides.
_USABLE = 0.9


@dataclass(frozen=True)
class Memory:
    """Memory of the machine that runs the containers, and the limits of those that are there, in MB."""

    total: int
    promised: int

    @property
    def free(self) -> int:
        return int(self.total * _USABLE) - self.promised


def check_name(name: str) -> None:
    """Raises CommandError unless `name` can be told from a lasting stack's, in files and in git's ignore rules."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise CommandError(
            f"{name}: the name of a temporary environment is {PREFIX} and small letters, digits or hyphens, for "
            "example pr-123, so that no lasting one is ever taken for it.",
            MISTAKE,
        )


def parse_lifetime(text: str) -> timedelta:
    """A time such as 7d or 12h. Raises CommandError."""
    match = _LIFETIME.fullmatch(text)
    if not match:
        raise CommandError(
            f"--lifetime: must be a number of hours or days, for example 12h or 7d (got {text}).", MISTAKE
        )
    return timedelta(hours=int(match[1])) if match[2] == "h" else timedelta(days=int(match[1]))


def needed(config: Mapping[str, Any], defaults: StackFile) -> int:
    """MB that an environment may take: its database, its proxy, and the app twice while a release replaces another."""
    app, database = config.get("monopco:app") or {}, config.get("monopco:database") or {}
    app_memory = parse_size(str(app.get("memory") or defaults.value("app", "memory"))) // _MEBIBYTE
    replicas = int(app.get("replicas") or defaults.value("app", "replicas"))
    database_memory = parse_size(str(database.get("memory") or defaults.value("database", "memory"))) // _MEBIBYTE
    return database_memory + _PROXY_MEGABYTES + 2 * replicas * app_memory


def check_memory(name: str, wanted: int, memory: Memory) -> None:
    """Raises CommandError with the numbers when the machine has no room for another environment."""
    if wanted > memory.free:
        raise CommandError(
            f"There is no room for {name}: it needs {wanted} MB, and of the machine's {memory.total} MB "
            f"{memory.promised} MB are promised to containers; {100 - int(_USABLE * 100)} % stay free for the machine "
            "itself. ./monopco env list shows what could be removed."
        )


def memory(host: str | None, without: str = "") -> Memory:
    """What the Docker host has. `without` is the stack whose own containers do not count."""
    total = int(containers.docker(["info", "--format", "{{.MemTotal}}"], host)) // _MEBIBYTE
    ids = containers.docker(["ps", "--quiet", "--filter", f"label={containers.LABEL}.stack"], host).split()
    inspected = json.loads(containers.docker(["inspect", "--type", "container", *ids], host)) if ids else []
    promised = [
        int(fields["HostConfig"].get("Memory") or 0)
        for fields in inspected
        if (fields["Config"]["Labels"] or {}).get(f"{containers.LABEL}.stack") != without
    ]
    return Memory(total, sum(promised) // _MEBIBYTE)


def free_ports(host: str | None, address: str, *, local: bool) -> tuple[int, int]:
    """Two ports that nothing on the Docker host has. Of a machine elsewhere only containers are known."""
    shown = containers.docker(["ps", "--format", "{{.Ports}}"], host)
    taken = {int(port) for port in re.findall(r":(\d+)->", shown)}

    def is_free(port: int) -> bool:
        return port not in taken and (not local or ports.is_free(address, port))

    first = ports.next_free(_FIRST_PORT, is_free)
    second = ports.next_free(first, is_free) if first else None
    if first is None or second is None:
        raise CommandError(f"No two free ports were found from {_FIRST_PORT} on.")
    return first, second


def free_subnet(stack: str, host: str | None) -> str | None:
    """A network for `stack` when the one that follows from its name is taken by another; None when it is free."""
    ids = containers.docker(["network", "ls", "--quiet"], host).split()
    inspected = json.loads(containers.docker(["network", "inspect", *ids], host)) if ids else []
    taken = [
        ipaddress.ip_network(each["Subnet"])
        for network in inspected
        if (network.get("Labels") or {}).get(f"{containers.LABEL}.stack") != stack
        for each in (network.get("IPAM") or {}).get("Config") or ()
        if each.get("Subnet")
    ]
    return chosen_subnet(stack, taken)


def chosen_subnet(stack: str, taken: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> str | None:
    """The first free network at or after the one of the name; None when that one is free itself."""
    own = ipaddress.IPv4Network(Stack(stack).subnet())
    every = list(PRIVATE.subnets(new_prefix=own.prefixlen))
    first = every.index(own)
    for candidate in [*every[first:], *every[:first]]:
        if not any(candidate.overlaps(other) for other in taken if other.version == candidate.version):
            return None if candidate == own else str(candidate)
    raise CommandError("No private network is free for another environment.")


def configuration(
    base: StackFile, *, domain: str, until: datetime, http_ports: tuple[int, int], secrets: Iterable[str]
) -> dict[str, Any]:
    """The stack file's configuration of an environment that is made from `base`: nothing secret, small, for a time."""
    config: dict[str, Any] = {}
    for key, section in base.given.items():
        name = key.removeprefix("monopco:")
        if name in _OWN or not key.startswith("monopco:") or not isinstance(section, dict) or _secure(section):
            continue
        hidden = _SECRET_KEYS.get(name, ())
        config[key] = _open({inner: value for inner, value in section.items() if inner not in hidden})
    app = config.setdefault("monopco:app", {})
    app |= {"replicas": 1, "secrets": sorted(secrets), "keepReleases": 2}
    config["monopco:domain"] = {"name": domain, "aliases": []}
    http = config.setdefault("monopco:http", {})
    http |= {"httpPort": http_ports[0], "httpsPort": http_ports[1], "hstsSeconds": 0}
    config["monopco:database"] = {
        **config.get("monopco:database", {}),
        "mode": "container",
        "protect": False,
        "memory": _DATABASE_MEMORY,
    }
    config["monopco:policies"] = {"production": False}
    config["monopco:temporary"] = {"until": stamp(until), "origin": base.name}
    if behind(base):
        config["monopco:temporary"]["front"] = base.name
        if base.value("server", "host"):
            config["monopco:server"]["setUp"] = False  # by `base`, and no port more is opened
    return config


def behind(base: StackFile) -> bool:
    """Whether the proxy of `base` gives the requests to the environments that are made from it."""
    return base.value("domain", "environments") is True


def _open(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is encrypted, at any depth."""
    kept = {key: value for key, value in values.items() if not _secure(value)}
    return {key: _open(value) if isinstance(value, dict) else value for key, value in kept.items()}


def _secure(value: Any) -> bool:
    return isinstance(value, dict) and "secure" in value


def stamp(moment: datetime) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def write(name: str, config: Mapping[str, Any]) -> None:
    """Write the stack's file; what Pulumi has written of its own, secrets and salt, stays."""
    path = PROJECT / f"Pulumi.{name}.yaml"
    document = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}
    kept = {key: value for key, value in (document.get("config") or {}).items() if _secure(value)}
    document["config"] = {**dict(config), **kept}
    head = f"# Generated by ./monopco env create {name}; git-ignored. ./monopco env remove {name} takes it away.\n"
    path.write_text(head + yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


@dataclass(frozen=True)
class Temporary:
    """A temporary environment as its stack tells of it. `until` is None when a first `up` did not get so far."""

    name: str
    until: datetime | None
    origin: str
    url: str
    updated: datetime | None

    @property
    def pull_request(self) -> int | None:
        match = re.fullmatch(rf"{PREFIX}(\d+)", self.name)
        return int(match[1]) if match else None

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "url": self.url,
            "origin": self.origin,
            "until": self.until and stamp(self.until),
            "pullRequest": self.pull_request,
        }


def overdue(
    one: Temporary, now: datetime, is_open: Callable[[int], bool | None], unfinished: timedelta = timedelta(days=1)
) -> str:
    """Why the environment may be removed; empty when it may not. `is_open` says None when it cannot be known."""
    if one.until is not None and one.until <= now:
        return f"its time was over at {stamp(one.until)}"
    if one.pull_request is not None and is_open(one.pull_request) is False:
        return f"pull request {one.pull_request} is closed"
    if one.until is None and one.updated is not None and one.updated + unfinished <= now:
        return "it was never finished"
    return ""


def moment(text: Any) -> datetime | None:
    """A time as `stamp` or Pulumi writes it."""
    try:
        return datetime.fromisoformat(str(text).replace("Z", "+00:00")[:19] + "+00:00")
    except ValueError:
        return None
