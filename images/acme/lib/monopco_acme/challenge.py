"""DNS-01: makes the challenge's record and waits until every name server of the zone has it; takes it away again.

certbot runs it, with the name and the value in the environment. What goes wrong is left in a file, because certbot
asks the authority all the same.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator

import dns.exception
import dns.message
import dns.query
import dns.rdatatype
import dns.resolver

from monopco_acme.places import TROUBLE
from monopco_acme.settings import Settings
from zones.changes import Made, ZoneError, put, take
from zones.opening import open_zone
from zones.place import Access, Place
from zones.record import ZoneRecord

TTL_SECONDS = 60
SEEN_SECONDS = 600
"""How long the name servers may take; some providers' need minutes."""
ANSWER_SECONDS = 10
PAUSE_SECONDS = 2
PORT = 53


def main(verb: str) -> int:
    # The authority of the ACME directory is not that of a provider's interface.
    os.environ.pop("REQUESTS_CA_BUNDLE", None)
    settings = Settings.read()
    place, access = Place(**settings.dns["place"]), Access(**settings.dns["access"])
    value = os.environ["CERTBOT_VALIDATION"]
    name = f"_acme-challenge.{os.environ['CERTBOT_DOMAIN']}"
    record = ZoneRecord(name=name, type="TXT", value=value, ttl=TTL_SECONDS)
    try:
        zone = open_zone(place, access)
        if verb == "clean":
            take(zone, record, Made(value, ours=True))
        else:
            put(zone, record, None)
            _await(place, record)
    except (ZoneError, OSError, dns.exception.DNSException) as error:
        if verb == "present":
            TROUBLE.write_text(f"{name}: {str(error) or type(error).__name__}", encoding="utf-8")
        return 1
    return 0


def _await(place: Place, record: ZoneRecord) -> None:
    """Return once all name servers of the zone that answer have the record, and one does."""
    servers = list(_name_servers(place))
    deadline = time.monotonic() + SEEN_SECONDS
    while True:
        seen = [_has(address, port, record) for address, port in servers]
        if True in seen and False not in seen:
            return
        if time.monotonic() > deadline:
            minutes = SEEN_SECONDS // 60
            raise ZoneError(f"not all name servers of {place.zone} have it after {minutes} minutes")
        time.sleep(PAUSE_SECONDS)


def _name_servers(place: Place) -> Iterator[tuple[str, int]]:
    """Address and port of each; with RFC 2136 the server that took the update is one of them."""
    if place.mode == "rfc2136":
        primary = _addresses(place.host)[0]
        yield primary, place.port
        query = dns.message.make_query(place.zone, "NS")
        answers = dns.query.tcp(query, primary, port=place.port, timeout=ANSWER_SECONDS).answer
        names = [each.target for group in answers if group.rdtype == dns.rdatatype.NS for each in group]
    else:
        names = [each.target for each in dns.resolver.resolve(place.zone, "NS")]
    for name in names:
        # A server that nobody can find is not asked by the authority either.
        with contextlib.suppress(OSError):
            yield from ((address, PORT) for address in _addresses(name.to_text(omit_final_dot=True)))


def _has(address: str, port: int, record: ZoneRecord) -> bool | None:
    """Whether the server has the record; None when it does not answer."""
    query = dns.message.make_query(record.name, record.type)
    try:
        answer = dns.query.tcp(query, address, port=port, timeout=ANSWER_SECONDS)
    except (dns.exception.DNSException, OSError):
        return None
    return any(f'"{record.value}"' in found.to_text() for group in answer.answer for found in group)


def _addresses(host: str) -> list[str]:
    """dnspython asks addresses, not names."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
