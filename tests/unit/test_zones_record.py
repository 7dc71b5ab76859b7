"""One spelling for each value of a DNS record, whoever wrote it."""

from __future__ import annotations

import pytest

from zones.record import ZoneRecord, canonical, inside, presented, quoted, relative


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("A", " 203.0.113.7 ", "203.0.113.7"),
        ("AAAA", "2001:0DB8:0:0::7", "2001:db8::7"),
        ("CNAME", "Monopco.FR", "monopco.fr."),
        ("CNAME", "monopco.fr.", "monopco.fr."),
        ("MX", "10 MX.a.fr", "10 mx.a.fr."),
        ("CAA", "0 Issue letsencrypt.org", '0 issue "letsencrypt.org"'),
        ("TXT", "v=spf1 -all", "v=spf1 -all"),
        ("TXT", '"v=spf1 -all"', "v=spf1 -all"),
        ("TXT", '"a" "b"', "ab"),
        ("TXT", 'a" "b', "ab"),
        ("TXT", '"say \\"hi\\""', 'say "hi"'),
        ("TXT", 'say "hi"', 'say "hi"'),
    ],
)
def test_values_are_told_the_same_way(kind: str, value: str, expected: str) -> None:
    assert canonical(kind, value) == expected


@pytest.mark.parametrize("length", [0, 1, 255, 256, 700])
def test_a_long_text_is_in_parts_that_dns_can_hold(length: int) -> None:
    text = "x" * length
    assert all(len(part) <= 255 for part in quoted(text).strip('"').split('" "'))
    assert canonical("TXT", presented("TXT", text)) == text


def test_names_and_zones() -> None:
    assert (relative("monopco.fr", "monopco.fr"), relative("a.b.monopco.fr", "monopco.fr")) == ("@", "a.b")
    assert (inside("monopco.fr", "monopco.fr"), inside("notmonopco.fr", "monopco.fr")) == (True, False)


def test_a_record_can_be_written_down() -> None:
    record = ZoneRecord(name="a.fr", type="A", value="203.0.113.7", ttl=60)
    assert ZoneRecord.from_json(record.to_json()) == record
    assert str(record) == "A a.fr"
