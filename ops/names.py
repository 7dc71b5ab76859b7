"""Questions to the domain name system."""

from __future__ import annotations

import os

from ops.errors import CommandError

# Another name server than the machine's own, as address:port.
SERVER = "MONOPCO_NAME_SERVER"
_PATIENCE = 5.0  # seconds


def records(name: str, kind: str) -> list[str]:
    """The records of a name, as text; none when there are none. Raises CommandError without an answer."""
    # Imported where it is used: hardly any command asks.
    import dns.exception  # noqa: PLC0415
    import dns.resolver  # noqa: PLC0415

    resolver = dns.resolver.Resolver(configure=SERVER not in os.environ)
    if SERVER in os.environ:
        address, _, port = os.environ[SERVER].rpartition(":")
        resolver.nameservers, resolver.port = [address], int(port)
    try:
        return [record.to_text() for record in resolver.resolve(name, kind, lifetime=_PATIENCE)]
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise CommandError(f"No name server answers for {name}: {error}") from error
