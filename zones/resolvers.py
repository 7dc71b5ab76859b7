"""What resolvers on the Internet answer for a record."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype

from zones.record import SINGLE, ZoneRecord, canonical

# Of different companies and continents, and one in France.
PUBLIC: tuple[tuple[str, int], ...] = (("1.1.1.1", 53), ("8.8.8.8", 53), ("9.9.9.9", 53), ("80.67.169.12", 53))
_ANSWER_SECONDS = 4.0
_TRIES = 2


class State(str, enum.Enum):
    """What a resolver has of a record."""

    RIGHT = "right"
    MISSING = "missing"
    OTHER = "another value"
    SILENT = "no answer"


@dataclass(frozen=True)
class Answer:
    resolver: str
    state: State
    values: tuple[str, ...] = ()


def ask(records: Sequence[ZoneRecord], resolvers: Sequence[tuple[str, int]]) -> list[list[Answer]]:
    """For each record what each of the resolvers answers now."""
    with ThreadPoolExecutor(max_workers=32) as pool:
        futures = [[pool.submit(_ask, record, *resolver) for resolver in resolvers] for record in records]
        return [[one.result() for one in row] for row in futures]


def _ask(record: ZoneRecord, host: str, port: int) -> Answer:
    query = dns.message.make_query(dns.name.from_text(record.name), record.type)
    try:
        answer = _exchange(query, host, port)
    except (OSError, EOFError, dns.exception.DNSException):
        return Answer(host, State.SILENT)
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        return Answer(host, State.SILENT)
    wanted = dns.rdatatype.from_text(record.type)
    values = tuple(
        sorted(
            canonical(record.type, rdata.to_text())
            for rrset in answer.answer
            if rrset.rdtype == wanted
            for rdata in rrset
        )
    )
    return Answer(host, _state(record, values), values)


def _exchange(query: dns.message.Message, host: str, port: int) -> dns.message.Message:
    for left in reversed(range(_TRIES)):
        try:
            return dns.query.udp_with_fallback(query, host, port=port, timeout=_ANSWER_SECONDS)[0]
        except dns.exception.Timeout:
            if not left:
                raise
    raise AssertionError("the last try returns or raises")


def _state(record: ZoneRecord, values: tuple[str, ...]) -> State:
    if not values:
        return State.MISSING
    if record.value in values and (record.type not in SINGLE or values == (record.value,)):
        return State.RIGHT
    # Beside others' records of these types ours is missing, and nothing is wrong with theirs.
    return State.OTHER if record.type in SINGLE else State.MISSING
