"""The DNS records as resources, and as they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from recorder import COMMAND, Recording, record
from values import is_secret, reveal

from components.dns import Dns, DnsArgs, resource_key
from zones.place import Access, Place
from zones.record import ZoneRecord

ZONE = "monopco.fr"
PLACE = Place(mode="rfc2136", zone=ZONE, host="ns1.monopco.fr", key_name="key", key_algorithm="hmac-sha256")
ACCESS = Access(key_secret="marked-key").to_json()
APEX = ZoneRecord(name=ZONE, type="A", value="203.0.113.7", ttl=300)
WWW = ZoneRecord(name="www.monopco.fr", type="CNAME", value="monopco.fr.", ttl=300)
ELSEWHERE = ZoneRecord(name="monopco.com", type="A", value="203.0.113.7", ttl=300)


def declare(records: Sequence[ZoneRecord], place: Place | None = PLACE) -> Recording:
    return record(lambda: Dns("dns", DnsArgs(zone=ZONE, records=records, place=place, access=ACCESS)))


def test_records_for_a_person_are_shown_and_none_is_made() -> None:
    recording = declare([APEX, WWW], place=None)
    component = recording.component("Dns")
    assert recording.children(component) == []
    assert recording.outputs(component)["records"] == [
        {"name": "monopco.fr.", "host": "@", "type": "A", "value": "203.0.113.7", "ttl": "300", "by": "you"},
        {"name": "www.monopco.fr.", "host": "www", "type": "CNAME", "value": "monopco.fr.", "ttl": "300", "by": "you"},
    ]


def test_each_record_in_the_zone_is_a_resource_and_one_elsewhere_is_left_to_a_person() -> None:
    recording = declare([APEX, WWW, ELSEWHERE])
    component = recording.component("Dns")
    assert [one.name for one in recording.children(component)] == ["dns-a-monopco.fr", "dns-cname-www.monopco.fr"]
    shown = [(one["host"], one["by"]) for one in recording.outputs(component)["records"]]
    assert shown == [("@", "monopco"), ("www", "monopco"), ("monopco.com", "you")]


def test_a_resource_has_its_record_as_input_and_its_secrets_on_standard_input_only() -> None:
    made = declare([APEX]).named("dns-a-monopco.fr", COMMAND)
    assert made.inputs["environment"] == {"RECORD": APEX.to_json(), "PLACE": PLACE.to_json()}
    assert is_secret(made.inputs["stdin"])
    assert reveal(made.inputs["stdin"]) == ACCESS
    everywhere = {name: value for name, value in made.inputs.items() if name != "stdin"}
    assert "marked-key" not in str(everywhere)
    assert "zones put" in made.inputs["create"]
    assert "zones take" in made.inputs["delete"]


TXT = ZoneRecord(name=ZONE, type="TXT", value="", ttl=300)


@pytest.mark.parametrize(
    ("one", "key"),
    [
        (APEX, "a-monopco.fr"),
        (replace(APEX, type="MX", value="10 mx.a.fr."), "mx-monopco.fr-mx.a.fr"),
        (replace(APEX, type="CAA", value='0 issue "letsencrypt.org"'), "caa-monopco.fr-issue-letsencrypt.org"),
        (replace(TXT, value="v=spf1 -all"), "txt-monopco.fr-spf"),
        (replace(TXT, name="_dmarc.monopco.fr", value="v=DMARC1; p=none"), "txt-_dmarc.monopco.fr-dmarc"),
        (replace(TXT, name="r._domainkey.monopco.fr", value="p=MIG"), "txt-r._domainkey.monopco.fr-dkim"),
    ],
)
def test_a_record_that_there_can_be_one_of_is_the_same_resource_with_another_value(one: ZoneRecord, key: str) -> None:
    assert resource_key(one) == key


def test_other_texts_are_other_resources() -> None:
    first, second = (resource_key(replace(TXT, value=f"site-verification={number}")) for number in (1, 2))
    assert first != second
    assert first == resource_key(replace(TXT, value="site-verification=1", ttl=60))


def test_a_record_made_anew_is_not_taken_out_by_the_old_one() -> None:
    """The engine would otherwise make the new one first, and then delete the same value as the old one's."""
    made = declare([APEX]).named("dns-a-monopco.fr", COMMAND)
    assert made.delete_before_replace
