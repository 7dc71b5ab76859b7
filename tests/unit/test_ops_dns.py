"""`dns`: what is said about records, and when all is well."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ops import dns
from ops.errors import CommandError
from ops.pulumi import Pulumi
from zones.changes import Found, ZoneError
from zones.place import Access, Place
from zones.record import ZoneRecord
from zones.resolvers import PUBLIC, Answer, State

RIGHT = Answer("192.0.2.1", State.RIGHT, ("203.0.113.7",))
MISSING = Answer("192.0.2.2", State.MISSING)
OTHER = Answer("192.0.2.3", State.OTHER, ("203.0.113.9",))
SILENT = Answer("192.0.2.4", State.SILENT)
RECORD = ZoneRecord(name="monopco.fr", type="A", value="203.0.113.7", ttl=300)
URN = "urn:pulumi:dev::monopco::monopco:components:Dns$command:local:Command::dns-a-monopco.fr"


@pytest.mark.parametrize(
    ("rows", "well"),
    [
        ([[RIGHT, RIGHT]], True),
        ([[RIGHT, SILENT]], True),
        ([[SILENT, SILENT]], False),
        ([[RIGHT, MISSING]], False),
        ([[RIGHT, RIGHT], [RIGHT, OTHER]], False),
        ([], True),
    ],
)
def test_all_is_well_when_every_resolver_that_answers_has_every_record(rows: list[list[Answer]], well: bool) -> None:
    assert dns._all_right(rows) is well


def test_a_summary_names_what_is_wrong_first_with_the_other_value() -> None:
    assert dns._summary([RIGHT, RIGHT]) == "[green]right[/]"
    assert dns._summary([RIGHT, OTHER, SILENT]) == (
        "[red]another value[/]: 203.0.113.9 (1 of 3), [yellow]no answer[/] (1 of 3), [green]right[/] (1 of 3)"
    )


def test_resolvers_may_have_ports_and_are_well_known_ones_by_default() -> None:
    assert dns._resolvers([]) == PUBLIC
    assert dns._resolvers(["127.0.0.1:5353", "2001:db8::1"]) == [("127.0.0.1", 5353), ("2001:db8::1", 53)]
    with pytest.raises(CommandError, match="--resolver must be ADDRESS or ADDRESS:PORT") as raised:
        dns._resolvers(["127.0.0.1:x"])
    assert raised.value.code == 2


class Zone:
    """A zone that has this, or cannot be read."""

    def __init__(self, found: Found | None) -> None:
        self.found = found

    def read(self, *_: str) -> Found:
        if self.found is None:
            raise ZoneError("the server does not answer")
        return self.found


def stack_with(monkeypatch: pytest.MonkeyPatch, found: Found | None, resources: list[dict[str, Any]]) -> None:
    monkeypatch.setattr(Pulumi, "exists", lambda _: True)
    monkeypatch.setattr(Pulumi, "resources", lambda _: resources)
    monkeypatch.setattr(Pulumi, "resources_in_clear", lambda _: resources)
    monkeypatch.setattr(dns, "open_zone", lambda *_, **__: Zone(found))


def resource(stdout: str = '{"value": "203.0.113.7", "ours": true}') -> dict[str, Any]:
    environment = {"RECORD": RECORD.to_json(), "PLACE": Place(mode="rfc2136", zone="monopco.fr").to_json()}
    stdin = {"plaintext": json.dumps(Access(key_secret="x").to_json())}
    return {"urn": URN, "inputs": {"environment": environment, "stdin": stdin}, "outputs": {"stdout": stdout}}


def test_a_record_that_was_changed_is_told_with_its_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    stack_with(monkeypatch, Found(frozenset({"203.0.113.9"}), 300), [{"urn": "urn:other"}, resource()])
    assert dns.drifted("dev") == [dns.Drift(URN, "A monopco.fr", "203.0.113.7 is missing; there is 203.0.113.9")]


def test_a_record_as_it_was_made_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    stack_with(monkeypatch, Found(frozenset({"203.0.113.7"}), 300), [resource()])
    assert dns.drifted("dev") == []


def test_another_time_to_live_is_no_drift_where_the_record_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = resource()
    stack_with(monkeypatch, Found(frozenset({"203.0.113.7"}), 60), [ours])
    assert [one.what for one in dns.drifted("dev")] == ["its time to live is 60 s instead of 300 s"]
    stack_with(
        monkeypatch, Found(frozenset({"203.0.113.7"}), 60), [resource('{"value": "203.0.113.7", "ours": false}')]
    )
    assert dns.drifted("dev") == []


def test_a_stack_without_records_is_not_decrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: object) -> list[dict[str, Any]]:
        raise AssertionError("the secrets were asked for")

    stack_with(monkeypatch, None, [{"urn": "urn:other"}])
    monkeypatch.setattr(Pulumi, "resources_in_clear", never)
    assert dns.drifted("dev") == []


def test_a_zone_that_cannot_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    stack_with(monkeypatch, None, [resource()])
    with pytest.raises(CommandError, match="the server does not answer"):
        dns.drifted("dev")
