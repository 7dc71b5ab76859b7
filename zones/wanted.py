"""Which records an environment needs: its names, who may issue their certificates, and what else it was given."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from zones.record import SINGLE, ZoneRecord, canonical, inside, mail_purpose

_APEX_LABELS = 2


@dataclass(frozen=True, kw_only=True)
class GivenRecord:
    """A record of the configuration; its name is relative to the zone, or @."""

    name: str
    type: str
    value: str
    ttl: int | None = None
    priority: int | None = None


@dataclass(frozen=True, kw_only=True)
class Names:
    """What the records follow from."""

    domain: str
    aliases: Sequence[str]
    zone: str
    ipv4: str | None
    ipv6: str | None
    ttl: int
    authorities: Sequence[str] = ()
    records: Sequence[GivenRecord] = ()


def addresses(server: str | None, ipv4: str | None, ipv6: str | None) -> tuple[str | None, str | None]:
    """Where the names point: what was given, or else the server's host where that is an address."""
    try:
        address = ipaddress.ip_address(server or "")
    except ValueError:
        return ipv4, ipv6
    if isinstance(address, ipaddress.IPv4Address):
        return ipv4 or str(address), ipv6
    return ipv4, ipv6 or str(address)


def wanted(names: Names) -> list[ZoneRecord]:
    """The records, in the order in which a person would make them."""
    given = [_given(names, record) for record in names.records]
    # No other record may stand beside a CNAME, nor may it stand for a whole zone.
    taken = {record.name for record in given}
    found = _addresses(names, names.domain)
    for alias in names.aliases:
        apex = alias == names.zone or (not inside(alias, names.zone) and alias.count(".") < _APEX_LABELS)
        if apex or alias in taken:
            found += _addresses(names, alias)
        else:
            found.append(_record(names, alias, "CNAME", names.domain))
    found += [_record(names, names.domain, "CAA", f'0 issue "{authority}"') for authority in names.authorities]
    # What is given twice is one record, with the time to live of the configuration.
    return list({(one.name, one.type, one.value): one for one in (*found, *given)}.values())


def mistakes(names: Names) -> list[str]:
    """What is wrong with the records as a whole, one line each, with the key that it comes from."""
    found = [
        f"domain.name: {names.domain} is not in the zone {names.zone}; set dns.zone to the zone that holds it"
        for _ in range(not inside(names.domain, names.zone))
    ]
    for at, record in enumerate(names.records):
        name = _absolute(record.name, names.zone)
        if record.name.endswith(".") and not inside(name, names.zone):
            found.append(f"dns.records.{at}.name: {name} is not in the zone {names.zone}")
        if record.type == "CNAME" and name == names.zone:
            found.append(f"dns.records.{at}: the zone {names.zone} itself cannot be a CNAME; use A or AAAA")
    return found + _clashes(wanted(names))


def _clashes(records: Sequence[ZoneRecord]) -> list[str]:
    found = []
    for name in dict.fromkeys(record.name for record in records):
        kinds = [record.type for record in records if record.name == name]
        if "CNAME" in kinds and len(set(kinds)) > 1:
            others = " and ".join(sorted({kind for kind in kinds if kind != "CNAME"}))
            found.append(f"dns.records: {name} has a CNAME, beside which there can be no {others}; keep one of them")
    groups: dict[tuple[str, str], list[str]] = {}
    for record in records:
        if what := _only_one(record):
            groups.setdefault((record.name, what), []).append(record.value)
    return [
        *found,
        *(
            f"dns.records: {name} has {len(values)} {what} ({', '.join(value[:40] for value in values)}); give one"
            for (name, what), values in groups.items()
            if len(values) > 1
        ),
        *(f"dns.records: {one.name}: {wrong}" for one in records for wrong in _wrong_mail(one)),
    ]


def _only_one(record: ZoneRecord) -> str:
    """What a name may have one of; empty when there may be several."""
    if record.type in SINGLE:
        return f"{record.type} records"
    if record.type == "MX":
        return f"MX records for {record.value.split()[1]}"
    purpose = mail_purpose(record)
    return f"{purpose.upper()} records" if purpose else ""


def _wrong_mail(record: ZoneRecord) -> Iterator[str]:
    purpose, value = mail_purpose(record), record.value
    if purpose == "spf" and not re.match(r"v=spf1( |$)", value):
        yield "an SPF record begins with v=spf1 and a space"
    if purpose == "dmarc" and not re.match(r"v=DMARC1 *; *p *= *(none|quarantine|reject) *(;|$)", value):
        yield "a DMARC record begins with v=DMARC1; p=none, quarantine or reject"
    if purpose == "dmarc" and not record.name.startswith("_dmarc."):
        yield "a DMARC record stands at the name _dmarc"
    if purpose == "dkim" and not re.search(r"(^|;) *p *= *[A-Za-z0-9+/= ]*(;|$)", value):
        yield "a DKIM record holds p=KEY, the key in base64; copy all of its value"


def _absolute(name: str, zone: str) -> str:
    """A name of the configuration; one with a dot at its end, or that ends with the zone, is whole already."""
    if name == "@":
        return zone
    return name.removesuffix(".") if name.endswith(".") or inside(name, zone) else f"{name}.{zone}"


def _given(names: Names, given: GivenRecord) -> ZoneRecord:
    value = f"{given.priority} {given.value}" if given.type == "MX" else given.value
    return ZoneRecord(
        name=_absolute(given.name, names.zone),
        type=given.type,
        value=canonical(given.type, value),
        ttl=given.ttl or names.ttl,
    )


def _record(names: Names, name: str, kind: str, value: str) -> ZoneRecord:
    return ZoneRecord(name=name, type=kind, value=canonical(kind, value), ttl=names.ttl)


def _addresses(names: Names, name: str) -> list[ZoneRecord]:
    pairs = (("A", names.ipv4), ("AAAA", names.ipv6))
    return [_record(names, name, kind, value) for kind, value in pairs if value]
