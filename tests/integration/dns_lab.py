"""A real authoritative DNS server (Knot) in a container, which takes updates by RFC 2136 with a TSIG key."""

from __future__ import annotations

import base64
import contextlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.update

from source import folder_digest
from tests.integration.environment import free_ports
from tests.integration.proxy_lab import build_image, docker, wait_until
from zones.record import canonical
from zones.rfc2136 import Key

FOLDER = Path(__file__).parent / "dns"
IMAGE = f"monopco/dns:test-{folder_digest(FOLDER)[:12]}"
ZONE = "monopco.test"
KEY = Key(name="monopco-key", algorithm="hmac-sha256", secret=base64.b64encode(os.urandom(32)).decode())
# What somebody else has made; of these names ours want some as well.
FOREIGN = """
@ 3600 IN SOA ns.monopco.test. hostmaster.monopco.test. 1 3600 600 86400 60
@ 3600 IN NS ns
ns 3600 IN A 192.0.2.53
@ 600 IN TXT "google-site-verification=abc"
@ 3600 IN MX 10 mail.other.test.
mail 3600 IN A 192.0.2.25
blog 3600 IN CNAME blog.other.test.
"""
_CONFIGURATION = """
server:
  listen: [0.0.0.0@53]
  rundir: /zones
database:
  storage: /zones/db
key:
  - id: {name}
    algorithm: {algorithm}
    secret: {secret}
  - id: reader
    algorithm: hmac-sha256
    secret: {secret}
acl:
  - id: update
    key: {name}
    action: [update, query]
zone:
  - domain: {zone}
    file: /zones/zone
    acl: update
    zonefile-sync: 0
    journal-content: none
"""


@dataclass
class DnsServer:
    """One server on a port of this machine, for TCP and UDP."""

    key: Key = KEY
    name: str = field(default_factory=lambda: f"dns-test-{uuid.uuid4().hex[:8]}")
    port: int = field(default_factory=lambda: free_ports(1)[0])

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> DnsServer:
        settings = _CONFIGURATION.format(
            name=self.key.name, algorithm=self.key.algorithm, secret=self.key.secret, zone=ZONE
        )
        published = [f"127.0.0.1:{self.port}:53/{protocol}" for protocol in ("tcp", "udp")]
        docker(
            *("create", "--init", "--name", self.name, "--volume", "/zones"),
            *(argument for port in published for argument in ("--publish", port)),
            *(IMAGE, f"$ORIGIN {ZONE}.\n{FOREIGN}", settings),
        )
        return self.run()

    def run(self) -> DnsServer:
        docker("start", self.name)
        wait_until(self.answers, f"{self.name} answers")
        return self

    def stop(self) -> None:
        docker("stop", "--time", "5", self.name)

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", self.name, check=False)

    def answers(self) -> bool:
        try:
            return bool(self.values("ns", "A"))
        except (OSError, EOFError):
            return False

    def rrset(self, name: str, kind: str) -> tuple[set[str], int]:
        """Values and time to live of a name in the zone, without TSIG: as anybody sees it."""
        query = dns.message.make_query(ZONE if name == "@" else f"{name}.{ZONE}", kind)
        with contextlib.suppress(dns.exception.Timeout):
            answer = dns.query.tcp(query, "127.0.0.1", port=self.port, timeout=2)
            for rrset in answer.answer:
                return {canonical(kind, rdata.to_text()) for rdata in rrset}, rrset.ttl
        return set(), 0

    def values(self, name: str, kind: str) -> set[str]:
        return self.rrset(name, kind)[0]

    def by_hand(self, name: str, kind: str, *values: str, ttl: int = 300) -> None:
        """What somebody else makes of a name: these values and no others."""
        update = dns.update.UpdateMessage(ZONE, keyring=dns.tsig.Key(KEY.name, KEY.secret, f"{KEY.algorithm}."))
        update.delete(name, kind)
        for value in values:
            update.add(name, ttl, kind, value)
        answer = dns.query.tcp(update, "127.0.0.1", port=self.port, timeout=5)
        assert answer.rcode() == dns.rcode.NOERROR, answer


@contextlib.contextmanager
def dns_server() -> Iterator[DnsServer]:
    build_image(IMAGE, FOLDER)
    server = DnsServer()
    try:
        yield server.start()
    finally:
        server.remove()
