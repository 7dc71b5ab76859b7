"""Certificate and key from files, and what an authority is asked for: each mistake is told before anything happens."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from authorities import DAY, NOW, Issued, issue, key, key_pem
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from loading import load, mistakes
from recorder import StackConfig

from certificates import CertificateError, Given, doubts, read_given
from sections import Domain, Sections, Tls
from settings import default_sections

DOMAIN = Domain(name="monopco.fr", aliases=["www.monopco.fr"], environments=False)
NAMES = ("monopco.fr", "www.monopco.fr")
ROOT = issue(common_name="Root")
MIDDLE = issue(by=ROOT, common_name="Middle")
LEAF = issue(*NAMES, by=MIDDLE)
CHAIN = "tls.certificateFile: chain.pem"
OUT_OF_ORDER = f"{CHAIN} is out of order: certificate 1"


def sections(**changes: dict[str, Any]) -> Sections:
    return Sections.model_validate(
        {name: {**values, **changes.get(name, {})} for name, values in default_sections().items()}
    )


def given(folder: Path, chain: str, key_text: str) -> Given:
    (folder / "chain.pem").write_text(chain)
    (folder / "key.pem").write_text(key_text)
    tls = sections(tls={"mode": "files", "certificateFile": "chain.pem", "keyFile": "key.pem"}).tls
    found = read_given(folder, tls, DOMAIN)
    assert found is not None
    return found


def wrong(folder: Path, chain: str, key_text: str) -> tuple[str, ...]:
    with pytest.raises(CertificateError) as raised:
        given(folder, chain, key_text)
    return raised.value.mistakes


def test_a_complete_chain_with_its_key_is_taken_without_a_word(tmp_path: Path) -> None:
    found = given(tmp_path, LEAF.pem + MIDDLE.pem, LEAF.key_pem)
    assert found == Given(LEAF.pem + MIDDLE.pem + LEAF.key_pem, ())


def test_a_wildcard_covers_one_label(tmp_path: Path) -> None:
    both = issue("monopco.fr", "*.monopco.fr", by=MIDDLE)
    assert given(tmp_path, both.pem, both.key_pem).pem
    only = issue("*.monopco.fr", by=MIDDLE)
    assert wrong(tmp_path, only.pem, only.key_pem) == (
        "tls.certificateFile: chain.pem does not cover monopco.fr (domain.name); it is for *.monopco.fr",
    )


def test_every_name_that_is_not_covered_is_told(tmp_path: Path) -> None:
    other = issue("other.fr", by=MIDDLE)
    assert wrong(tmp_path, other.pem, other.key_pem) == (
        "tls.certificateFile: chain.pem does not cover monopco.fr (domain.name); it is for other.fr",
        "tls.certificateFile: chain.pem does not cover www.monopco.fr (domain.aliases); it is for other.fr",
    )


def test_environments_for_pull_requests_need_a_certificate_for_all_names_below(tmp_path: Path) -> None:
    domain = DOMAIN.model_copy(update={"environments": True})
    (tmp_path / "key.pem").write_text(LEAF.key_pem)
    tls = sections(tls={"mode": "files", "certificateFile": "chain.pem", "keyFile": "key.pem"}).tls
    (tmp_path / "chain.pem").write_text(LEAF.pem + MIDDLE.pem)
    with pytest.raises(CertificateError) as caught:
        read_given(tmp_path, tls, domain)
    (mistake,) = caught.value.mistakes
    assert mistake.startswith("tls.certificateFile: chain.pem does not cover *.monopco.fr (domain.environments); ")
    wide = issue("monopco.fr", "*.monopco.fr", by=MIDDLE, own_key=LEAF.key)
    (tmp_path / "chain.pem").write_text(wide.pem + MIDDLE.pem)
    assert read_given(tmp_path, tls, domain) is not None


def test_the_key_of_another_certificate_is_refused_without_showing_it(tmp_path: Path) -> None:
    other = key_pem(key())
    found = wrong(tmp_path, LEAF.pem + MIDDLE.pem, other)
    assert found == ("tls.keyFile: key.pem is not the key of monopco.fr in chain.pem",)


def test_a_chain_that_begins_at_its_other_end_is_told_with_what_must_come_first(tmp_path: Path) -> None:
    assert wrong(tmp_path, MIDDLE.pem + LEAF.pem, LEAF.key_pem) == (
        f"{CHAIN} begins with CN=Middle; the server's own certificate, monopco.fr, must come first",
        f"{OUT_OF_ORDER}, CN=Middle, is issued by CN=Root, but monopco.fr follows it",
        "tls.certificateFile: chain.pem does not cover monopco.fr (domain.name); it is for no host name",
        "tls.certificateFile: chain.pem does not cover www.monopco.fr (domain.aliases); it is for no host name",
    )


def test_a_chain_with_a_stranger_in_it_is_out_of_order(tmp_path: Path) -> None:
    assert wrong(tmp_path, LEAF.pem + ROOT.pem, LEAF.key_pem) == (
        f"{OUT_OF_ORDER}, monopco.fr, is issued by CN=Middle, but CN=Root follows it",
    )


@pytest.mark.parametrize(
    ("leaf", "words"),
    [
        (issue(*NAMES, by=MIDDLE, begin=NOW - 3 * DAY, end=NOW - DAY), f"ended on {NOW - DAY:%Y-%m-%d}"),
        (
            issue(*NAMES, by=MIDDLE, begin=NOW + DAY, end=NOW + 9 * DAY),
            f"is not valid before {NOW + DAY:%Y-%m-%d %H:%M} UTC",
        ),
    ],
    ids=["ended", "not yet valid"],
)
def test_a_certificate_out_of_its_time_is_a_mistake(tmp_path: Path, leaf: Issued, words: str) -> None:
    assert wrong(tmp_path, leaf.pem + MIDDLE.pem, leaf.key_pem) == (
        f"tls.certificateFile: monopco.fr in chain.pem {words}",
    )


def test_a_certificate_of_the_chain_that_has_ended_is_a_mistake(tmp_path: Path) -> None:
    old = issue(by=ROOT, own_key=MIDDLE.key, common_name="Middle", begin=NOW - 9 * DAY, end=NOW - DAY)
    assert wrong(tmp_path, LEAF.pem + old.pem, LEAF.key_pem) == (
        f"tls.certificateFile: CN=Middle in chain.pem ended on {NOW - DAY:%Y-%m-%d}",
    )


def test_an_end_within_two_weeks_is_a_warning(tmp_path: Path) -> None:
    end = NOW + timedelta(days=13, hours=1)
    soon = issue(*NAMES, by=MIDDLE, end=end)
    assert given(tmp_path, soon.pem + MIDDLE.pem, soon.key_pem).warnings == (
        f"tls.certificateFile: monopco.fr ends in 13 days, on {end:%Y-%m-%d}; get a new one",
    )
    later = issue(*NAMES, by=MIDDLE, end=NOW + timedelta(days=14, hours=1))
    assert given(tmp_path, later.pem + MIDDLE.pem, later.key_pem).warnings == ()


def test_a_chain_that_lacks_the_certificate_between_is_a_warning(tmp_path: Path) -> None:
    alone = issue(*NAMES, by=MIDDLE, issuer_url="http://authority.example/middle.der")
    (warning,) = given(tmp_path, alone.pem, alone.key_pem).warnings
    assert warning.startswith("tls.certificateFile: chain.pem holds the server's own certificate only; most clients")


def test_a_weak_key_is_a_mistake(tmp_path: Path) -> None:
    weak = issue(*NAMES, by=MIDDLE, own_key=rsa.generate_private_key(65537, 1024))  # noqa: S505 - that is the point
    assert wrong(tmp_path, weak.pem + MIDDLE.pem, weak.key_pem) == (
        "tls.keyFile: key.pem has 1024 bits; browsers refuse RSA below 2048",
    )


def test_a_key_with_a_passphrase_is_told_with_the_way_out(tmp_path: Path) -> None:
    locked = LEAF.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"hunter2"),
    ).decode()
    assert wrong(tmp_path, LEAF.pem + MIDDLE.pem, locked) == (
        "tls.keyFile: key.pem needs a passphrase; give one without: openssl pkey -in FILE -out FILE",
    )


def test_files_that_hold_no_certificate_and_no_key_are_told_without_their_content(tmp_path: Path) -> None:
    nonsense = "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----\n"
    (found,) = wrong(tmp_path, nonsense, LEAF.key_pem)
    assert found.startswith("tls.certificateFile: chain.pem cannot be read: ")
    no_key = "-----BEGIN " + "PRIVATE KEY-----\nhunter2\n-----END " + "PRIVATE KEY-----\n"
    assert wrong(tmp_path, LEAF.pem, no_key) == (
        "tls.keyFile: key.pem holds no key that can be read (its content is not shown)",
    )


class TestOrders:
    """What tls.mode acme asks for."""

    def acme(self, base: StackConfig, domain: dict[str, Any] | None = None, **tls: Any) -> StackConfig:
        config = base.changed("domain", **{"name": "monopco.fr", **(domain or {})})
        return config.changed("tls", mode="acme", email="a@monopco.fr", **tls)

    def test_the_directory_is_lets_encrypts_own_unless_another_one_is_given(self, base: StackConfig) -> None:
        def directory(**tls: Any) -> str:
            return load(self.acme(base, **tls)).sections.tls.directory

        production = "https://acme-v02.api.letsencrypt.org/directory"
        assert directory() == directory(directoryUrl="production") == production
        assert directory(directoryUrl="staging") == "https://acme-staging-v02.api.letsencrypt.org/directory"
        assert directory(directoryUrl="https://ca.example/acme") == "https://ca.example/acme"

    def test_a_directory_without_tls_is_a_mistake(self, base: StackConfig) -> None:
        (mistake,) = mistakes(self.acme(base, directoryUrl="http://ca.example/acme"))
        assert mistake == (
            "tls.directoryUrl: must be production or staging (both Let's Encrypt), or an https:// URL "
            '(got "http://ca.example/acme")'
        )

    def test_names_that_are_not_public_are_mistakes(self, base: StackConfig) -> None:
        assert mistakes(self.acme(base, {"name": "localhost", "aliases": ["www.monopco.fr"]})) == [
            "domain: tls.mode acme needs public names, which have a dot (got localhost)"
        ]

    def test_names_below_for_pull_requests_are_not_ordered(self, base: StackConfig) -> None:
        (mistake,) = mistakes(self.acme(base, {"environments": True}))
        assert mistake.startswith("domain.environments: needs a certificate for *.monopco.fr, and tls.mode acme orders")

    def test_dns_01_needs_somebody_who_makes_the_record(self, base: StackConfig) -> None:
        assert mistakes(self.acme(base, challenge="dns-01")) == [
            "tls.challenge: dns-01 needs dns.mode rfc2136 or lexicon, so that the challenge's record can be made"
        ]

    def test_dns_01_proves_only_names_of_the_zone(self, base: StackConfig) -> None:
        config = self.acme(base, {"aliases": ["www.monopco.fr", "monopco.com"]}, challenge="dns-01")
        secret = {"mode": "lexicon", "provider": "gandi", "credentials": {"auth_token": "t"}, "ipv4": "192.0.2.1"}
        assert mistakes(config.changed("dns", **secret).marked_secret("dns")) == [
            "tls.challenge: dns-01 proves names in the zone monopco.fr (dns.zone) only; monopco.com is not in it"
        ]

    def test_the_directorys_own_authority_is_read(self, base: StackConfig, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text(ROOT.pem)
        assert load(self.acme(base, caFile=str(tmp_path / "ca.pem"))).authority == ROOT.pem
        (tmp_path / "ca.pem").write_text("nothing")
        assert mistakes(self.acme(base, caFile=str(tmp_path / "ca.pem"))) == [
            f"tls.caFile: {tmp_path / 'ca.pem'} holds no PEM block with BEGIN CERTIFICATE"
        ]

    def test_what_keeps_an_authority_from_port_80_is_doubted(self) -> None:
        acme = {"mode": "acme", "email": "a@monopco.fr"}
        behind = {"httpPort": 8080, "address": "127.0.0.1"}
        assert [text.partition(":")[0] for text in doubts(sections(tls=acme, http=behind))] == [
            "http.httpPort",
            "http.address",
        ]
        public = {"httpPort": 80, "address": "0.0.0.0"}  # noqa: S104
        assert doubts(sections(tls=acme, http=public)) == []
        assert doubts(sections(tls={**acme, "challenge": "dns-01"}, http=behind)) == []


def test_other_modes_read_no_files(tmp_path: Path) -> None:
    tls: Tls = sections(tls={"mode": "files", "certificateFile": "none", "keyFile": "none"}).tls
    assert read_given(tmp_path, tls.model_copy(update={"mode": "self-signed"}), DOMAIN) is None
