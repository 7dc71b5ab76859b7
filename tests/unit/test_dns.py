"""The DNS records that somebody has to make."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from recorder import record

from components.dns import Dns, DnsArgs, records


def wanted(server: str | None, domain: str = "monopco.fr", aliases: Sequence[str] = ()) -> list[tuple[str, str, str]]:
    found = records(DnsArgs(domain=domain, aliases=aliases, server=server))
    return [(record["name"], record["type"], record["value"]) for record in found]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("203.0.113.7", [("monopco.fr.", "A", "203.0.113.7")]),
        ("2001:db8::7", [("monopco.fr.", "AAAA", "2001:db8::7")]),
        ("vps.example", [("monopco.fr.", "CNAME", "vps.example.")]),
        ("monopco.fr", []),
        (None, []),
    ],
)
def test_the_name_points_at_the_server(server: str | None, expected: list[tuple[str, str, str]]) -> None:
    assert wanted(server) == expected


def test_an_alias_points_at_the_name() -> None:
    assert wanted("monopco.fr", aliases=["www.monopco.fr"]) == [("www.monopco.fr.", "CNAME", "monopco.fr.")]


def test_a_record_says_how_long_it_may_be_kept() -> None:
    (found,) = records(DnsArgs(domain="monopco.fr", aliases=(), server="203.0.113.7"))
    assert found["ttl"] == "3600"


def test_the_component_gives_the_records_and_makes_nothing() -> None:
    args = DnsArgs(domain="monopco.fr", aliases=["www.monopco.fr"], server="203.0.113.7")
    recording = record(lambda: Dns("dns", args))
    component = recording.component("Dns")
    assert recording.outputs(component) == {"records": records(args)}
    assert recording.children(component) == []
