"""Which DNS records an environment needs, and what is wrong with those that it was given."""

from __future__ import annotations

from typing import Any

import pytest

from zones.wanted import GivenRecord, Names, addresses, mistakes, wanted

BASE: dict[str, Any] = {
    "domain": "monopco.fr",
    "aliases": ["www.monopco.fr"],
    "zone": "monopco.fr",
    "ipv4": "203.0.113.7",
    "ipv6": None,
    "ttl": 3600,
}
SPF = {"name": "send", "type": "TXT", "value": "v=spf1 include:amazonses.com ~all"}


def names(*records: dict[str, Any], **changes: Any) -> Names:
    return Names(**{**BASE, **changes}, records=[GivenRecord(**one) for one in records])


def shown(given: Names) -> list[tuple[str, str, str]]:
    return [(one.name, one.type, one.value) for one in wanted(given)]


def test_the_name_has_addresses_and_aliases_point_at_it() -> None:
    assert shown(names(ipv6="2001:DB8:0::7", authorities=["letsencrypt.org"])) == [
        ("monopco.fr", "A", "203.0.113.7"),
        ("monopco.fr", "AAAA", "2001:db8::7"),
        ("www.monopco.fr", "CNAME", "monopco.fr."),
        ("monopco.fr", "CAA", '0 issue "letsencrypt.org"'),
    ]


def test_without_an_address_there_is_none_for_the_name() -> None:
    assert shown(names(ipv4=None)) == [("www.monopco.fr", "CNAME", "monopco.fr.")]


@pytest.mark.parametrize("alias", ["monopco.fr", "monopco.com"], ids=["the zone", "another zone"])
def test_a_zone_itself_is_no_cname(alias: str) -> None:
    found = shown(names(domain="www.monopco.fr", aliases=[alias]))
    assert found == [("www.monopco.fr", "A", "203.0.113.7"), (alias, "A", "203.0.113.7")]


def test_an_alias_with_other_records_is_no_cname() -> None:
    given = {"name": "www", "type": "TXT", "value": "text"}
    assert shown(names(given))[1:] == [("www.monopco.fr", "A", "203.0.113.7"), ("www.monopco.fr", "TXT", "text")]


def test_names_are_relative_to_the_zone_unless_they_are_whole() -> None:
    given: list[dict[str, Any]] = [
        {"name": name, "type": "TXT", "value": name} for name in ("@", "a", "b.monopco.fr", "c.monopco.fr.")
    ]
    assert [one.name for one in wanted(names(*given, ipv4=None, aliases=[]))] == [
        "monopco.fr",
        "a.monopco.fr",
        "b.monopco.fr",
        "c.monopco.fr",
    ]


def test_values_have_one_spelling() -> None:
    given: list[dict[str, Any]] = [
        {"name": "k._domainkey", "type": "TXT", "value": '"p=ABC" "DEF"'},
        {"name": "send", "type": "MX", "value": "Feedback-SMTP.amazonses.com", "priority": 10, "ttl": 60},
    ]
    found = wanted(names(*given, ipv4=None, aliases=[]))
    assert [(one.value, one.ttl) for one in found] == [("p=ABCDEF", 3600), ("10 feedback-smtp.amazonses.com.", 60)]


def test_what_is_given_twice_is_one_record_with_the_time_to_live_that_was_given() -> None:
    found = wanted(names({"name": "@", "type": "A", "value": "203.0.113.7", "ttl": 60}, aliases=[]))
    assert [(one.name, one.ttl) for one in found] == [("monopco.fr", 60)]


def test_a_server_that_is_an_address_is_where_the_names_point() -> None:
    assert addresses("203.0.113.7", None, None) == ("203.0.113.7", None)
    assert addresses("2001:db8::7", "203.0.113.7", None) == ("203.0.113.7", "2001:db8::7")
    assert addresses("vps.example", "203.0.113.7", None) == ("203.0.113.7", None)
    assert addresses("10.0.0.1", "203.0.113.7", None) == ("203.0.113.7", None)
    assert addresses(None, None, None) == (None, None)


def test_records_as_resend_wants_them_are_accepted() -> None:
    mail: list[dict[str, Any]] = [
        SPF,
        {"name": "send", "type": "MX", "value": "feedback-smtp.eu-west-1.amazonses.com", "priority": 10},
        {"name": "resend._domainkey", "type": "TXT", "value": "p=" + "MIGfMA0GCSqGSIb3DQEB" * 20 + "=="},
        {"name": "_dmarc", "type": "TXT", "value": "v=DMARC1; p=none;"},
    ]
    assert mistakes(names(*mail)) == []


@pytest.mark.parametrize(
    ("records", "changes", "expected"),
    [
        (
            [],
            {"zone": "other.fr", "aliases": []},
            "domain.name: monopco.fr is not in the zone other.fr; set dns.zone to the zone that holds it",
        ),
        (
            [{"name": "www.other.fr.", "type": "A", "value": "203.0.113.7"}],
            {},
            "dns.records.0.name: www.other.fr is not in the zone monopco.fr",
        ),
        (
            [{"name": "@", "type": "CNAME", "value": "a.fr"}],
            {"ipv4": None, "aliases": []},
            "dns.records.0: the zone monopco.fr itself cannot be a CNAME; use A or AAAA",
        ),
        (
            [{"name": "x", "type": "CNAME", "value": "a.fr"}, {"name": "x", "type": "TXT", "value": "text"}],
            {},
            "dns.records: x.monopco.fr has a CNAME, beside which there can be no TXT; keep one of them",
        ),
        (
            [{"name": "@", "type": "A", "value": "203.0.113.8"}],
            {},
            "dns.records: monopco.fr has 2 A records (203.0.113.7, 203.0.113.8); give one",
        ),
        (
            [SPF, {**SPF, "value": "v=spf1 include:other.fr ~all"}],
            {},
            (
                "dns.records: send.monopco.fr has 2 SPF records (v=spf1 include:amazonses.com ~all, "
                "v=spf1 include:other.fr ~all); give one"
            ),
        ),
        (
            [{"name": "@", "type": "MX", "value": "mx.a.fr", "priority": number} for number in (10, 20)],
            {},
            "dns.records: monopco.fr has 2 MX records for mx.a.fr. (10 mx.a.fr., 20 mx.a.fr.); give one",
        ),
        (
            [{**SPF, "value": "v=spf1;include:a.fr"}],
            {},
            "dns.records: send.monopco.fr: an SPF record begins with v=spf1 and a space",
        ),
        (
            [{"name": "_dmarc", "type": "TXT", "value": "v=DMARC1; policy=none"}],
            {},
            "dns.records: _dmarc.monopco.fr: a DMARC record begins with v=DMARC1; p=none, quarantine or reject",
        ),
        (
            [{"name": "@", "type": "TXT", "value": "v=DMARC1; p=none"}],
            {},
            "dns.records: monopco.fr: a DMARC record stands at the name _dmarc",
        ),
        (
            [{"name": "r._domainkey", "type": "TXT", "value": "MIGfMA0"}],
            {},
            (
                "dns.records: r._domainkey.monopco.fr: a DKIM record holds p=KEY, the key in base64; "
                "copy all of its value"
            ),
        ),
    ],
)
def test_records_that_do_not_fit_are_refused(
    records: list[dict[str, Any]], changes: dict[str, Any], expected: str
) -> None:
    assert mistakes(names(*records, **changes)) == [expected]
