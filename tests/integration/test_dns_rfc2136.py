"""A zone that is changed by RFC 2136 at a real server: what is ours comes, changes and goes; what is others' stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.integration.dns_lab import KEY, ZONE, DnsServer, dns_server
from tests.integration.environment import wait_until
from zones.changes import Found, Made, ZoneError, differs, put, take
from zones.record import ZoneRecord
from zones.rfc2136 import Rfc2136Zone

DKIM = "p=" + "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ" * 9 + '; note=a "quoted" \\ text'


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    with dns_server() as started:
        yield started


@pytest.fixture
def zone(server: DnsServer) -> Rfc2136Zone:
    return Rfc2136Zone(ZONE, ("127.0.0.1", server.port), KEY, patience=20)


def record(name: str, kind: str, value: str, ttl: int = 3600) -> ZoneRecord:
    return ZoneRecord(name=ZONE if name == "@" else f"{name}.{ZONE}", type=kind, value=value, ttl=ttl)


@pytest.mark.parametrize(
    ("name", "kind", "first", "second"),
    [
        ("a", "A", "192.0.2.1", "192.0.2.2"),
        ("aaaa", "AAAA", "2001:db8::1", "2001:db8::2"),
        ("cname", "CNAME", "monopco.test.", "other.test."),
        ("mx", "MX", "10 one.test.", "20 two.test."),
        ("caa", "CAA", '0 issue "letsencrypt.org"', '0 issue "other.test"'),
        ("resend._domainkey", "TXT", DKIM, "v=spf1 -all"),
    ],
)
def test_a_record_comes_changes_and_goes(
    server: DnsServer, zone: Rfc2136Zone, name: str, kind: str, first: str, second: str
) -> None:
    one = record(name, kind, first)
    made = put(zone, one, None)
    assert made == Made(first, ours=True)
    assert server.rrset(name, kind) == ({first}, 3600)
    assert put(zone, one, made) == made, "a second time changes nothing"
    assert differs(zone, one, made) == ""

    two = record(name, kind, second, ttl=600)
    changed = put(zone, two, made)
    assert server.rrset(name, kind) == ({second}, 600)

    take(zone, two, changed)
    assert server.values(name, kind) == set()
    take(zone, two, changed)


def test_what_others_have_made_stays_beside_ours_with_their_time_to_live(server: DnsServer, zone: Rfc2136Zone) -> None:
    theirs, spf = "google-site-verification=abc", record("@", "TXT", "v=spf1 include:one.test -all")
    made = put(zone, spf, None)
    assert server.rrset("@", "TXT") == ({theirs, spf.value}, 600)
    changed = replace(spf, value="v=spf1 include:two.test -all", ttl=1200)
    made = put(zone, changed, made)
    assert server.rrset("@", "TXT") == ({theirs, changed.value}, 600)
    assert differs(zone, changed, made) == ""
    take(zone, changed, made)
    assert server.rrset("@", "TXT") == ({theirs}, 600)

    mx = record("@", "MX", "20 ours.test.")
    made = put(zone, mx, None)
    assert server.values("@", "MX") == {"10 mail.other.test.", "20 ours.test."}
    take(zone, mx, made)
    assert server.values("@", "MX") == {"10 mail.other.test."}


def test_a_record_that_others_have_made_is_not_taken(server: DnsServer, zone: Rfc2136Zone) -> None:
    with pytest.raises(ZoneError, match=r"^A mail\.monopco\.test: there is 192\.0\.2\.25 already, which monopco did"):
        put(zone, record("mail", "A", "192.0.2.1"), None)
    with pytest.raises(ZoneError, match=r"has CNAME already, and nothing can stand beside a CNAME"):
        put(zone, record("blog", "TXT", "text"), None)
    with pytest.raises(ZoneError, match=r"has A already, and nothing can stand beside a CNAME"):
        put(zone, record("mail", "CNAME", "monopco.test."), None)
    assert server.rrset("mail", "A") == ({"192.0.2.25"}, 3600)
    assert (server.values("blog", "CNAME"), server.values("mail", "CNAME")) == ({"blog.other.test."}, set())


def test_a_record_that_was_there_as_it_should_be_is_left_there(server: DnsServer, zone: Rfc2136Zone) -> None:
    same = record("mail", "A", "192.0.2.25", ttl=60)
    made = put(zone, same, None)
    assert made == Made("192.0.2.25", ours=False)
    take(zone, same, made)
    assert server.rrset("mail", "A") == ({"192.0.2.25"}, 3600)


def test_what_was_changed_by_hand_is_told_and_gives_way_only_when_asked(server: DnsServer, zone: Rfc2136Zone) -> None:
    ours = record("drift", "A", "192.0.2.1")
    made = put(zone, ours, None)
    server.by_hand("drift", "A", "192.0.2.99")
    assert differs(zone, ours, made) == "192.0.2.1 is missing; there is 192.0.2.99"
    with pytest.raises(ZoneError, match=r"192\.0\.2\.99 already"):
        put(zone, ours, made)
    take(zone, ours, made)
    assert server.values("drift", "A") == {"192.0.2.99"}, "what others have made is not deleted"
    assert put(zone, ours, None, mend=True) == made
    assert server.rrset("drift", "A") == ({"192.0.2.1"}, 3600)

    server.by_hand("drift", "A", "192.0.2.1", ttl=77)
    assert differs(zone, ours, made) == "its time to live is 77 s instead of 3600 s"
    server.by_hand("drift", "A")
    assert differs(zone, ours, made) == "192.0.2.1 is missing"
    assert put(zone, ours, made) == made
    assert differs(zone, ours, made) == ""
    take(zone, ours, made)


def test_two_that_change_one_name_at_once_lose_nothing(server: DnsServer, zone: Rfc2136Zone) -> None:
    records = [record("crowd", "TXT", f"value-{number}") for number in range(4)]
    gate, failures = threading.Barrier(len(records)), []

    def change(one: ZoneRecord) -> None:
        gate.wait()
        try:
            put(zone, one, None)
        except ZoneError as error:
            failures.append(error)

    threads = [threading.Thread(target=change, args=(one,)) for one in records]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert server.values("crowd", "TXT") == {one.value for one in records}
    assert zone.read(f"crowd.{ZONE}", "TXT") == Found(frozenset(one.value for one in records), 3600)


@pytest.mark.parametrize(
    ("key", "zone_name", "words"),
    [
        (replace(KEY, name="stranger"), ZONE, r"knows no key stranger with hmac-sha256 .*correct dns\.keyName"),
        (replace(KEY, secret="YW5vdGhlcg=="), ZONE, r"has another secret for the key monopco-key"),
        (replace(KEY, algorithm="hmac-sha512"), ZONE, r"knows no key monopco-key with hmac-sha512"),
        (replace(KEY, name="reader"), ZONE, r"knows no key reader with hmac-sha256 that may"),
        (KEY, "elsewhere.test", r"the zone elsewhere\.test .*(is not the primary of the zone|allow the key)"),
    ],
    ids=["unknown key", "wrong secret", "other algorithm", "key without the right", "other zone"],
)
def test_a_key_that_does_not_fit_is_told_without_its_secret(
    server: DnsServer, key: object, zone_name: str, words: str
) -> None:
    zone = Rfc2136Zone(zone_name, ("127.0.0.1", server.port), key, patience=2)  # type: ignore[arg-type]
    with pytest.raises(ZoneError, match=words) as raised:
        put(zone, ZoneRecord(name=f"x.{zone_name}", type="A", value="192.0.2.1", ttl=60), None)
    assert KEY.secret not in str(raised.value)


def test_a_server_that_is_down_is_told_and_one_that_comes_back_is_waited_for(server: DnsServer) -> None:
    one = record("patient", "A", "192.0.2.1")
    server.stop()
    with pytest.raises(ZoneError, match=r"does not answer: .*It was asked for 1 s"):
        put(Rfc2136Zone(ZONE, ("127.0.0.1", server.port), KEY, patience=1), one, None)
    done: list[Made] = []
    waiting = threading.Thread(
        target=lambda: done.append(put(Rfc2136Zone(ZONE, ("127.0.0.1", server.port), KEY), one, None))
    )
    waiting.start()
    server.run()
    waiting.join()
    assert done == [Made("192.0.2.1", ours=True)]
    wait_until(lambda: server.values("patient", "A") == {"192.0.2.1"}, "the record is there")
