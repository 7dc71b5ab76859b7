"""Names and labels: how everything that one environment makes on a machine is told apart from the rest."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

LABEL = "dev.monopco"
PRIVATE = ipaddress.IPv4Network("10.192.0.0/10")
"""Where the networks of the stacks are."""
_SUBNET_BITS = 18


@dataclass(frozen=True)
class Stack:
    """An environment by name; several live side by side on one machine."""

    name: str

    def resource_name(self, component: str, *parts: str) -> str:
        """Docker's name of a container, network or volume."""
        return "-".join(("monopco", self.name, component, *parts))

    def image_name(self, component: str, digest: str) -> str:
        """Docker's name of an image; the tag names the content."""
        return f"monopco-{self.name}/{component}:{digest[:12]}"

    def labels(self, component: str, release: str = "") -> Mapping[str, str]:
        """The labels by which cleaning up knows what is ours."""
        return {f"{LABEL}.stack": self.name, f"{LABEL}.component": component, f"{LABEL}.release": release}

    def subnet(self) -> str:
        """A private /18 that follows from the name, out of 10.192.0.0/10, which neither Docker nor most hosts use."""
        count = 2 ** (_SUBNET_BITS - PRIVATE.prefixlen)
        index = int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:4], "big") % count
        first = int(PRIVATE.network_address) + index * 2 ** (32 - _SUBNET_BITS)
        return f"{ipaddress.ip_address(first)}/{_SUBNET_BITS}"
