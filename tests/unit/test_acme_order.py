"""What orders certificates: why an order failed, when it is tried again, when a certificate is due."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from authorities import DAY, NOW, Issued, issue
from monopco_acme import order, places, reasons
from monopco_acme.certificate import Certificate
from monopco_acme.reasons import Problem
from monopco_acme.settings import Settings
from monopco_acme.state import State

HOUR = 3600
GIVEN: dict[str, Any] = {
    "names": ["monopco.fr", "www.monopco.fr"],
    "email": "a@monopco.fr",
    "directory": "https://ca.example/dir",
    "authority": "",
    "profile": "",
    "challenge": "http-01",
    "dns": {},
}


def settings(**changes: Any) -> Settings:
    return Settings.parse(json.dumps({**GIVEN, **changes}))


def failed_challenges(*problems: tuple[str, str, str]) -> str:
    """What certbot prints."""
    lines = [f"  Domain: {name}\n  Type:   {kind}\n  Detail: {detail}\n" for name, kind, detail in problems]
    return (
        "Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority reported "
        "these problems:\n" + "\n".join(lines) + "\nHint: The Certificate Authority failed to download the files.\n"
    )


class TestReasons:
    @pytest.mark.parametrize(
        ("kind", "detail", "headline"),
        [
            ("dns", "DNS problem: NXDOMAIN looking up A for www.monopco.fr", "DNS does not know the name"),
            ("connection", "Fetching http://www.monopco.fr/: no such host", "DNS does not know the name"),
            ("connection", "203.0.113.7: Timeout during connect", "port 80 of the server cannot be reached"),
            ("unauthorized", "203.0.113.7: Invalid response: 404", "another server answered under this name"),
            ("caa", "CAA record for monopco.fr prevents issuance", "a CAA record forbids this authority"),
        ],
    )
    def test_a_name_that_was_not_proved_is_told_with_what_was_said(self, kind: str, detail: str, headline: str) -> None:
        found = reasons.problems(failed_challenges(("www.monopco.fr", kind, detail)), "", "")
        first, advice = reasons.explain(found, settings()).splitlines()
        assert first == f"  www.monopco.fr: {headline}: {detail}"
        assert advice.startswith("  What to do: ")

    def test_every_name_is_told_and_each_thing_to_do_once(self) -> None:
        said = failed_challenges(("a.fr", "dns", "none"), ("b.fr", "dns", "none"), ("c.fr", "connection", "refused"))
        lines = reasons.explain(reasons.problems(said, "", ""), settings()).splitlines()
        assert [line.strip().partition(":")[0] for line in lines] == [
            "a.fr",
            "b.fr",
            "c.fr",
            "What to do",
            "What to do",
        ]

    def test_a_limit_is_told_with_the_time_that_the_authority_gives(self) -> None:
        detail = (
            "There were too many requests of a given type :: too many certificates (5) already issued for this exact "
            "set of identifiers in the last 168h0m0s, retry after 2026-11-26 08:30:00 UTC: see https://example"
        )
        log = '{\n  "type": "urn:ietf:params:acme:error:rateLimited",\n  "status": 429\n}'
        found = reasons.problems(f"An unexpected error occurred:\n{detail}\nAsk for help or search", log, "")
        assert found == [Problem("rateLimited", detail)]
        when = datetime(2026, 11, 26, 8, 30, tzinfo=timezone.utc).timestamp()
        assert reasons.retry_time(found) == when
        assert "the authority takes no more orders for now" in reasons.explain(found, settings())

    @pytest.mark.parametrize(
        ("said", "kind"),
        [
            ("requests.exceptions.SSLError: certificate verify failed", "directory-untrusted"),
            ("requests.exceptions.ConnectionError: Failed to resolve 'ca'", "directory-unreachable"),
            ("acme.errors.ClientError: <Response [404]>", "directory-wrong"),
            ("something else", ""),
        ],
    )
    def test_without_an_answer_of_the_authority_the_way_to_it_is_the_reason(self, said: str, kind: str) -> None:
        assert reasons.problems(f"An unexpected error occurred:\n{said}\n", "", "") == [Problem(kind, said)]

    def test_a_record_that_could_not_be_made_comes_before_what_the_authority_says_of_it(self) -> None:
        said = failed_challenges(("monopco.fr", "dns", "no TXT record"))
        found = reasons.problems(said, "", "_acme-challenge.monopco.fr: REFUSED")
        assert found == [Problem("record", "_acme-challenge.monopco.fr: REFUSED")]

    def test_the_advice_for_dns_01_speaks_of_the_zone(self) -> None:
        found = [Problem("dns", "no TXT record", "monopco.fr")]
        assert "dns.zone" in reasons.explain(found, settings(challenge="dns-01"))


class TestTries:
    def test_each_failure_doubles_the_wait_up_to_half_a_day(self) -> None:
        state, waits = State(), []
        for _ in range(9):
            state = state.failed("s", "why", 1000, None)
            waits.append((state.retry_at - 1000) / HOUR)
        assert waits == [0.25, 0.5, 1, 2, 4, 8, 12, 12, 12]

    def test_the_time_that_the_authority_gives_is_kept(self) -> None:
        state = State().failed("s", "why", 1000, 1000 + 40 * HOUR)
        assert (state.retry_at, state.told) == (1000 + 40 * HOUR, True)

    def test_failures_outlive_the_container_and_end_with_other_settings(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("monopco_acme.state.STATE", tmp_path / "state.json")
        assert State.read("s") == State(settings="s")
        failed = State().failed("s", "why", 1000, None)
        failed.write()
        assert State.read("s") == failed
        assert State.read("other") == State(settings="other")


@pytest.fixture
def volumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The container's volumes, with settings."""
    acme, tls, live = tmp_path / "acme", tmp_path / "tls", tmp_path / "acme" / "certbot" / "live" / "monopco"
    for folder in (acme, tls, live):
        folder.mkdir(parents=True)
    for name, path in {
        "ACME": acme,
        "SETTINGS": acme / "settings.json",
        "ORDERED": acme / "ordered.json",
        "LOCK": acme / "lock",
        "CERTBOT": acme / "certbot",
        "TLS": tls,
        "LOGS": tmp_path / "logs",
        "TROUBLE": tmp_path / "trouble",
        "SLEEP": tmp_path / "sleep",
    }.items():
        monkeypatch.setattr(places, name, path)
    monkeypatch.setattr("monopco_acme.settings.SETTINGS", acme / "settings.json")
    monkeypatch.setattr("monopco_acme.state.STATE", acme / "state.json")
    places.SETTINGS.write_text(json.dumps(GIVEN))
    return tmp_path


class TestOrders:
    """Whether the authority is asked at all; certbot is a program that fails."""

    @pytest.fixture
    def asked(self, volumes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """The file that tells how often certbot ran."""
        program = volumes / "certbot"
        program.write_text(
            f"#!/bin/sh\necho once >> {volumes}/asked\necho 'An unexpected error occurred:\nno'\nexit 1\n"
        )
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{volumes}:/usr/bin:/bin")
        return volumes / "asked"

    def have(self, issued: Issued, **ordered: Any) -> None:
        live = places.CERTBOT / "live" / places.LINEAGE
        (live / "privkey.pem").write_text(issued.key_pem)
        (live / "fullchain.pem").write_text(issued.pem)
        places.ORDERED.write_text(json.dumps({**settings().order, **ordered}))

    def count(self, asked: Path) -> int:
        return len(asked.read_text().splitlines()) if asked.exists() else 0

    def test_a_good_certificate_is_installed_and_nobody_is_asked(self, asked: Path) -> None:
        issued = issue(*GIVEN["names"])
        self.have(issued)
        assert order.main(["--due"]) == order.main([]) == 0
        assert (places.TLS / "bundle.pem").read_text() == issued.key_pem + issued.pem
        assert self.count(asked) == 0

    @pytest.mark.parametrize(("days", "left", "due"), [(90, 31, 0), (90, 29, 1), (6, 3, 0), (6, 1, 1)])
    def test_it_is_renewed_when_a_third_of_its_life_is_left(self, asked: Path, days: int, left: int, due: int) -> None:
        self.have(issue(*GIVEN["names"], begin=NOW + (left - days) * DAY, end=NOW + left * DAY))
        assert order.main(["--due"]) == 0
        assert self.count(asked) == due

    @pytest.mark.parametrize("change", [{"names": ["monopco.fr"]}, {"directory": "https://other"}, {"profile": "p"}])
    def test_another_order_than_the_one_asked_for_is_made_anew(self, asked: Path, change: dict[str, Any]) -> None:
        self.have(issue(*GIVEN["names"]), **change)
        assert order.main([]) == 1
        assert self.count(asked) == 1

    def test_a_renewal_that_fails_fails_no_deploy_while_the_certificate_is_good(self, asked: Path) -> None:
        self.have(issue(*GIVEN["names"], begin=NOW - 80 * DAY, end=NOW + 10 * DAY))
        assert order.main([]) == 0
        assert self.count(asked) == 1
        assert "No certificate for monopco.fr, www.monopco.fr" in State.read(settings_digest()).reason

    def test_the_timer_waits_after_a_failure_and_a_deploy_does_not(self, asked: Path) -> None:
        assert order.main(["--due"]) == order.main(["--due"]) == 0
        assert self.count(asked) == 1
        assert order.main([]) == 1
        assert self.count(asked) == 2

    def test_nobody_asks_before_the_time_that_the_authority_gave(
        self, asked: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        now = datetime.now(timezone.utc).timestamp()
        State().failed(settings_digest(), "the limit is met", now, now + HOUR).write()
        assert order.main([]) == 1
        assert "the limit is met" in capsys.readouterr().err
        assert self.count(asked) == 0


def settings_digest() -> str:
    return Settings.read().digest


def test_a_look_is_twice_a_day_and_never_at_the_same_time(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert volumes.is_dir()
    monkeypatch.setattr("monopco_acme.certificate.Certificate.read", staticmethod(lambda: None))
    seconds = {order._seconds_until_next_look(settings()) for _ in range(50)}
    assert all(11 * HOUR <= one <= 13 * HOUR + 1 for one in seconds)
    assert len(seconds) > 10


def test_a_short_life_is_looked_after_in_time(volumes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert volumes.is_dir()
    short = issue("monopco.fr", begin=NOW, end=NOW + DAY / 24)
    certificate = Certificate.parse(short.key_pem, short.pem)
    monkeypatch.setattr("monopco_acme.certificate.Certificate.read", staticmethod(lambda: certificate))
    assert order._seconds_until_next_look(settings()) <= 2 / 3 * HOUR + 1
