"""A zone at a provider, through lexicon: the same as at a server of one's own, for two ways of API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.provider_lab import CREDENTIALS, Zone, providers
from tests.integration.provider_lab import ZONE as NAME
from zones.changes import Made, ZoneError, differs, put, take
from zones.place import Access, Place
from zones.provider import ProviderZone
from zones.record import ZoneRecord, quoted

PROJECT = Path(__file__).resolve().parents[2]
APEX = {"ovh": "", "gandi": "@"}
DKIM = "p=" + "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ" * 9


@pytest.fixture(params=APEX)
def provider(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    """What the provider has."""
    with providers(tmp_path) as (zone, environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield zone


def record(name: str, kind: str, value: str) -> ZoneRecord:
    return ZoneRecord(name=f"{name}.{NAME}" if name else NAME, type=kind, value=value, ttl=600)


def zone_of(provider: str) -> ProviderZone:
    return ProviderZone(NAME, provider, CREDENTIALS[provider])


@pytest.mark.parametrize(
    ("name", "kind", "first", "second"),
    [
        ("", "A", "192.0.2.1", "192.0.2.2"),
        ("www", "CNAME", "monopco.test.", "other.test."),
        ("send", "MX", "10 one.test.", "20 two.test."),
        ("", "CAA", '0 issue "letsencrypt.org"', '0 issue "other.test"'),
        ("resend._domainkey", "TXT", DKIM, "p=short"),
    ],
)
def test_a_record_comes_changes_and_goes(
    there: Zone, provider: str, name: str, kind: str, first: str, second: str
) -> None:
    zone, shown, at = zone_of(provider), (quoted if kind == "TXT" else str), name or APEX[provider]
    one = record(name, kind, first)
    made = put(zone, one, None)
    assert made == Made(first, ours=True)
    assert shown(first) in there.values(at, kind)
    asked = len(there.requests)
    assert put(zone, one, made) == made
    assert [one for one in there.requests[asked:] if not one.startswith("GET")] == [], "a second time changes nothing"
    two = replace(one, value=second)
    made = put(zone, two, made)
    assert {shown(second), shown(first)} & there.values(at, kind) == {shown(second)}
    assert differs(zone, two, made) == ""
    take(zone, two, made)
    assert shown(second) not in there.values(at, kind)


def test_what_others_have_made_is_left_alone(there: Zone, provider: str) -> None:
    zone, apex, long = zone_of(provider), APEX[provider], "v=DKIM1; p=" + "y" * 400
    there.add("mail", "A", "192.0.2.25")
    there.add("blog", "CNAME", "blog.other.test.")
    there.add(apex, "TXT", long)
    with pytest.raises(ZoneError, match=r"^A mail\.monopco\.test: there is 192\.0\.2\.25 already"):
        put(zone, record("mail", "A", "192.0.2.1"), None)
    with pytest.raises(ZoneError, match="nothing can stand beside a CNAME"):
        put(zone, record("blog", "TXT", "text"), None)
    spf = record("", "TXT", "v=spf1 -all")
    made = put(zone, spf, None)
    assert there.values(apex, "TXT") == {quoted(long), quoted(spf.value)}
    take(zone, spf, made)
    assert there.values(apex, "TXT") == {quoted(long)}
    assert there.values("mail", "A") == {"192.0.2.25"}


def test_wrong_credentials_and_a_zone_of_others_are_told_without_the_secret(there: Zone, provider: str) -> None:
    marked = "marked-wrong-secret"
    wrong = ProviderZone(NAME, provider, dict.fromkeys(CREDENTIALS[provider], marked) | {"auth_entrypoint": "ovh-eu"})
    with pytest.raises(ZoneError, match=rf"^{provider} refuses the credentials \(HTTP 403\): correct dns") as raised:
        wrong.read(NAME, "A")
    assert marked not in str(raised.value)
    with pytest.raises(ZoneError, match=r"elsewhere\.test|not found"):
        ProviderZone("elsewhere.test", provider, CREDENTIALS[provider]).read("elsewhere.test", "A")
    assert there.records == []


def test_a_fault_while_reading_is_tried_again_and_one_while_changing_is_told(
    there: Zone, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zones.provider._PAUSES", (0.0, 0.0, 0.0))
    zone = zone_of(provider)
    there.faults = [503]
    made = put(zone, record("", "A", "192.0.2.1"), None)
    there.faults = [500] * 9
    with pytest.raises(ZoneError, match=r"refused \(HTTP 500\)"):
        zone.read(NAME, "A")
    there.faults = []
    assert put(zone, record("", "A", "192.0.2.1"), made) == made


def test_a_provider_that_cannot_be_reached_is_told(monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    monkeypatch.setattr("zones.provider._PAUSES", ())
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(ZoneError, match=f"{provider} cannot be reached: .*Connection refused"):
        zone_of(provider).read(NAME, "A")


def test_the_step_takes_its_secrets_on_standard_input_and_prints_nothing_but_its_result(
    there: Zone, provider: str
) -> None:
    wanted = record("", "A", "192.0.2.1")
    environment = {
        **os.environ,
        "RECORD": wanted.to_json(),
        "PLACE": Place(mode="lexicon", zone=NAME, provider=provider).to_json(),
    }
    access = Access(credentials=CREDENTIALS[provider]).to_json()

    def step(verb: str, before: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "zones", verb],
            cwd=PROJECT,
            env={**environment, "PULUMI_COMMAND_STDOUT": before},
            input=access,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    made = step("put")
    assert json.loads(made) == {"value": "192.0.2.1", "ours": True}
    assert there.values(APEX[provider], "A") == {"192.0.2.1"}
    assert step("take", made) == ""
    assert there.records == []
