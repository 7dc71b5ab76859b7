"""The DNS records that the public names need."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

TTL_SECONDS = 3600


@dataclass(frozen=True, kw_only=True)
class DnsArgs:
    domain: str
    aliases: Sequence[str]
    server: str | None
    """Host name or address of the server; without one there is nothing to point at."""


def records(args: DnsArgs) -> list[dict[str, str]]:
    """The records for whoever keeps the zone: the name points at the server, its aliases at the name."""
    if args.server is None:
        return []
    wanted: list[dict[str, str]] = []
    try:
        address = ipaddress.ip_address(args.server)
        kind = "A" if isinstance(address, ipaddress.IPv4Address) else "AAAA"
        wanted.append(_record(args.domain, kind, args.server))
    except ValueError:
        if args.server != args.domain:
            wanted.append(_record(args.domain, "CNAME", f"{args.server}."))
    return [*wanted, *(_record(alias, "CNAME", f"{args.domain}.") for alias in args.aliases)]


def _record(name: str, kind: str, value: str) -> dict[str, str]:
    return {"name": f"{name}.", "type": kind, "value": value, "ttl": str(TTL_SECONDS)}


class Dns(pulumi.ComponentResource):
    records: pulumi.Output[list[dict[str, str]]]
    """Name, type, value and time to live of each record."""

    def __init__(self, name: str, args: DnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Dns", name, None, opts)
        self.records = pulumi.Output.from_input(records(args))
        self.register_outputs({"records": self.records})
