"""How the configuration is read: what is a mistake apart from a wrong value, and what is kept secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from environments import write_certificate, write_record
from loading import APP_KEYS, load, mistakes, nested
from recorder import StackConfig
from specifications import SPECIFICATION

import record
import settings
from components.ssh import Ssh
from record import Record
from sections import Sections
from settings import ConfigError
from zones.place import Place

KEY = Ed25519PrivateKey.generate()
SECTION_NAMES = ", ".join(Sections.model_fields)


@pytest.mark.parametrize("location", settings.SECRET_KEYS, ids=".".join)
def test_a_secret_of_another_type_is_refused_without_showing_it(base: StackConfig, location: tuple[str, ...]) -> None:
    section, *keys = location
    config = base.changed(section, **nested(keys, 271828)).marked_secret(section)
    kind = (
        "an object of names and values, for example {NAME: value}" if location == ("dns", "credentials") else "a text"
    )
    assert mistakes(config) == [f"{'.'.join(location)}: must be {kind}"]


@pytest.mark.parametrize("location", [one for one in settings.SECRET_KEYS if one[0] in ("backups", "monitoring")])
def test_a_secret_further_inside_in_plain_text_is_refused_without_showing_it(
    base: StackConfig, location: tuple[str, ...]
) -> None:
    told = mistakes(base.changed(location[0], **nested(list(location[1:]), "hunter2")))
    key = ".".join(location)
    (mistake,) = [one for one in told if one.startswith(f"{key}: is given in plain text")]
    assert mistake.endswith(f"pulumi config set --secret --path monopco:{key}")
    assert "hunter2" not in "".join(told)


def test_a_database_url_in_plain_text_is_refused_with_the_command_that_sets_it(base: StackConfig) -> None:
    assert mistakes(base.changed("database", mode="external", url="postgresql://u:hunter2@h/d")) == [
        (
            "database.url: is given in plain text; remove it, change it where it came from, and set it with: "
            "pulumi config set --secret --path monopco:database.url"
        )
    ]


def test_an_ssh_key_in_plain_text_is_refused_with_the_command_that_sets_it(base: StackConfig) -> None:
    assert mistakes(base.changed("server", host="a.fr", privateKey=private_key())) == [
        (
            "server.privateKey: is given in plain text; remove it, change it where it came from, and set it with: "
            "pulumi config set --secret --path monopco:server.privateKey"
        )
    ]


def private_key() -> str:
    return KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def test_who_deploys_shows_the_key_that_is_configured(base: StackConfig) -> None:
    public = KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for text in (private_key(), private_key().strip(), pem):
        assert (
            load(base.changed("server", host="a.fr", privateKey=text).marked_secret("server")).authorized_key == public
        )
    assert load(base).authorized_key == ""


@pytest.mark.parametrize(
    "given",
    ["hunter2", KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2")).decode()],
    ids=["no key", "with a passphrase"],
)
def test_an_ssh_key_that_cannot_be_used_is_refused_without_showing_it(base: StackConfig, given: str) -> None:
    (mistake,) = mistakes(base.changed("server", host="a.fr", privateKey=given).marked_secret("server"))
    assert mistake.startswith("server.privateKey: is not a private key without a passphrase")
    assert "hunter2" not in mistake


def test_access_to_a_dns_provider_in_plain_text_is_refused_with_the_command_that_sets_it(base: StackConfig) -> None:
    keys = {"mode": "lexicon", "provider": "gandi", "credentials": {"auth_token": "hunter2"}}
    assert mistakes(base.changed("dns", **keys, ipv4="203.0.113.7")) == [
        (
            "dns.credentials: is given in plain text; remove it, change it where it came from, and set it with: "
            "pulumi config set --secret --path monopco:dns.credentials.NAME"
        )
    ]


class TestDns:
    """What the DNS records follow from."""

    def test_the_zone_is_the_domain_unless_it_is_given(self, base: StackConfig) -> None:
        config = base.changed("domain", name="shop.a.fr")
        assert load(config).dns_names.zone == "shop.a.fr"
        assert load(config.changed("dns", zone="a.fr")).dns_names.zone == "a.fr"

    def test_lets_encrypt_alone_may_issue_where_it_is_asked(self, base: StackConfig) -> None:
        config = base.changed("server", host="203.0.113.7").changed("domain", name="a.fr")
        acme = config.changed("tls", mode="acme", email="a@a.fr")
        assert load(config).dns_names.authorities == []
        assert load(acme).dns_names.authorities == ["letsencrypt.org"]
        assert load(acme.changed("dns", caa=[])).dns_names.authorities == []
        assert load(acme.changed("dns", caa=["other.fr"])).dns_names.authorities == ["other.fr"]

    def test_a_person_makes_the_records_unless_there_is_a_place_to_change(self, base: StackConfig) -> None:
        assert load(base).dns_place is None

    def test_a_server_is_reached_with_its_key(self, base: StackConfig) -> None:
        keys = {"mode": "rfc2136", "server": "ns1.a.fr:5353", "keyName": "key", "keySecret": "aGVsbG8="}
        config = base.changed("dns", **keys, ipv4="203.0.113.7").marked_secret("dns")
        found = load(config)
        assert found.dns_place == Place(
            mode="rfc2136",
            zone="localhost",
            host="ns1.a.fr",
            port=5353,
            key_name="key",
            key_algorithm="hmac-sha256",
        )
        assert json.loads(found.dns_access.get_secret_value()) == {"key_secret": "aGVsbG8=", "credentials": {}}

    def test_a_provider_is_reached_with_its_credentials(self, base: StackConfig) -> None:
        keys = {"mode": "lexicon", "provider": "gandi", "credentials": {"auth_token": 271828}}
        found = load(base.changed("dns", **keys, ipv4="203.0.113.7").marked_secret("dns"))
        assert found.dns_place == Place(mode="lexicon", zone="localhost", provider="gandi")
        assert json.loads(found.dns_access.get_secret_value())["credentials"] == {"auth_token": "271828"}

    def test_all_mistakes_are_told_at_once(self, base: StackConfig) -> None:
        keys = {"mode": "lexicon", "provider": "gandi", "credentials": {"auth_token": "x"}}
        records = [
            {"name": "_dmarc", "type": "TXT", "value": "v=DMARC1"},
            {"name": "@", "type": "CNAME", "value": "a.fr"},
        ]
        assert mistakes(base.changed("dns", **keys, records=records).marked_secret("dns")) == [
            "dns.records.1: the zone localhost itself cannot be a CNAME; use A or AAAA",
            ("dns.records: _dmarc.localhost: a DMARC record begins with v=DMARC1; p=none, quarantine or reject"),
            "dns.ipv4: is missing; set it to the address that localhost is to point at",
        ]


def test_a_secret_in_plain_text_is_refused_with_the_command_that_sets_it(base: StackConfig) -> None:
    config = base.changed("app", secrets=["RESEND_API_KEY"])
    in_plain_text = StackConfig({**config.values, "monopco:RESEND_API_KEY": "hunter2"})
    assert mistakes(in_plain_text) == [
        (
            "RESEND_API_KEY: is given in plain text; make a new one where it came from, and set it with: "
            "pulumi config set --secret RESEND_API_KEY"
        )
    ]


@pytest.mark.parametrize("given", [{}, {"RESEND_API_KEY": ""}], ids=["not set", "empty"])
def test_a_missing_secret_is_named_with_the_command_that_sets_it(base: StackConfig, given: Mapping[str, str]) -> None:
    assert mistakes(base.changed("app", secrets=["RESEND_API_KEY", "RESEND_API_KEY"]).with_secrets(**given)) == [
        "RESEND_API_KEY: is missing (app.secrets asks for it); set it with: pulumi config set --secret RESEND_API_KEY"
    ]


def test_an_unknown_section_is_refused_with_the_known_ones(base: StackConfig) -> None:
    assert mistakes(base.with_secrets(COLOUR="hunter2")) == [
        f"COLOUR: unknown key; known are {SECTION_NAMES}, and the names in app.secrets"
    ]


@pytest.mark.parametrize("text", ["red", "5", "[]", "null"])
def test_a_section_that_is_no_object_is_refused_with_its_keys(base: StackConfig, text: str) -> None:
    config = StackConfig({**base.values, "monopco:domain": text})
    assert mistakes(config) == ["domain: must be an object with the keys name, aliases, environments"]


@pytest.mark.parametrize("name", ["Prod", "my_stack", "a.b", "-a", "a--b"])
def test_a_stack_is_refused_whose_name_docker_would_refuse(base: StackConfig, name: str) -> None:
    assert mistakes(base, stack=name) == [
        f'stack: its name must be small letters, digits and single hyphens (got "{name}")'
    ]


def test_a_source_that_cannot_be_read_is_a_mistake_among_the_others(base: StackConfig, tmp_path: Path) -> None:
    config = base.changed("app", source=str(tmp_path / "nowhere"), secrets=["KEY"])
    assert mistakes(config) == [
        "KEY: is missing (app.secrets asks for it); set it with: pulumi config set --secret KEY",
        (
            f'app.source: there is no folder {tmp_path}/nowhere (got "{tmp_path}/nowhere"); '
            "set it to the folder of your app"
        ),
    ]


class TestPinned:
    """What there is to run when a release is pinned."""

    @pytest.fixture(autouse=True)
    def _records(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def read_record(_: Path, stack: str, release: str) -> Record:
            return record.read_record(tmp_path, stack, release)

        monkeypatch.setattr(settings, "read_record", read_record)

    @pytest.fixture
    def made(self, tmp_path: Path) -> Record:
        labels = {"release": SPECIFICATION.release_id, "record": SPECIFICATION.to_json(), "secrets": "sealed"}
        labels |= {"serial": "7", "at": "2026-11-23T07:00:00Z", "image": "sha256:app"}
        made = Record.of_image("monopco-dev/release:abc", {f"dev.monopco.{name}": labels[name] for name in labels})
        write_record(tmp_path, "dev", made)
        return made

    def test_without_a_pin_there_is_no_record(self, base: StackConfig) -> None:
        assert load(base).pinned is None

    def test_the_record_of_the_pinned_release_is_read_beside_the_source(self, base: StackConfig, made: Record) -> None:
        found = load(base.changed("pinned", release=made.release_id))
        assert found.pinned == made
        assert found.source is not None

    def test_a_record_that_was_not_fetched_is_a_mistake_among_the_others(self, base: StackConfig) -> None:
        config = base.changed("pinned", release="0123456789").changed("app", replicas=1, secrets=["KEY"])
        assert mistakes(config) == [
            "KEY: is missing (app.secrets asks for it); set it with: pulumi config set --secret KEY",
            "pinned.release: the record of release 0123456789 has not been fetched; ./monopco up -s dev fetches it",
        ]

    def test_the_record_of_another_stack_is_not_taken(self, base: StackConfig, made: Record) -> None:
        (message,) = mistakes(base.changed("pinned", release=made.release_id), stack="other")
        assert message == (
            f"pinned.release: the record of release {made.release_id} has not been fetched; "
            "./monopco up -s other fetches it"
        )

    def test_a_source_that_cannot_be_read_is_only_told(
        self, base: StackConfig, made: Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config = base.changed("pinned", release=made.release_id).changed("app", source=str(tmp_path / "nowhere"))
        found = load(config)
        assert (found.source, found.pinned) == (None, made)
        where = tmp_path / "nowhere"
        assert capsys.readouterr().err == (
            f'warning: app.source: there is no folder {where} (got "{where}"); set it to the folder of your app\n'
            f"Release {made.release_id} is pinned and needs no source.\n"
        )

    def test_with_neither_a_record_nor_a_source_both_are_mistakes(self, base: StackConfig, tmp_path: Path) -> None:
        config = base.changed("pinned", release="0123456789").changed("app", source=str(tmp_path / "nowhere"))
        assert [message.partition(":")[0] for message in mistakes(config)] == ["pinned.release", "app.source"]


def test_every_mistake_is_reported_at_once_and_the_first_line_counts_them(base: StackConfig) -> None:
    config = base.changed("app", replicas=0, colour="red", secrets=["KEY"]).changed("http", httpPort=0)
    with pytest.raises(ConfigError) as raised:
        load(config.changed("server", host="a.fr", privateKey="hunter2").with_secrets(COLOUR="red"))
    assert str(raised.value) == (
        "7 mistakes in the configuration; nothing was touched\n"
        "  - server.privateKey: is given in plain text; remove it, change it where it came from, "
        "and set it with: pulumi config set --secret --path monopco:server.privateKey\n"
        "  - app.replicas: must be greater than or equal to 1 (got 0)\n"
        f"  - app.colour: unknown key; known are {APP_KEYS}\n"
        "  - http.httpPort: must be greater than or equal to 1 (got 0)\n"
        "  - KEY: is missing (app.secrets asks for it); set it with: pulumi config set --secret KEY\n"
        f"  - COLOUR: unknown key; known are {SECTION_NAMES}, and the names in app.secrets\n"
        "  - server.privateKey: is not a private key without a passphrase (its value is not shown); make one with "
        "ssh-keygen -t ed25519 -N '' -f FILE, and set it with: "
        "pulumi config set --secret --path monopco:server.privateKey < FILE"
    )


def test_a_single_mistake_is_counted_as_one(base: StackConfig) -> None:
    with pytest.raises(ConfigError, match=r"^1 mistake in the configuration; nothing was touched\n  - app\.replicas: "):
        load(base.changed("app", replicas=0))


def test_no_secret_is_shown_whatever_else_is_wrong_beside_it(base: StackConfig) -> None:
    config = (
        base.changed("database", mode="nowhere", url="postgresql://u:hunter2@h/d", memory="lots")
        .changed("server", privateKey="hunter2", port=0)
        .changed("app", secrets=["KEY"], replicas=0)
        .marked_secret("database", "server")
        .with_secrets(KEY="hunter2", OTHER="hunter2")
    )
    found = mistakes(config)
    assert len(found) == 5, found
    assert not [message for message in found if "hunter2" in message]


def test_printing_the_settings_shows_no_secret(base: StackConfig) -> None:
    config = base.changed("app", secrets=["KEY"]).changed("database", mode="external", url="postgresql://u:hunter2@h/d")
    found = load(config.marked_secret("database").with_secrets(KEY="hunter2"))
    assert found.secrets["KEY"].get_secret_value() == "hunter2"
    assert "hunter2" not in repr(found)


@pytest.fixture
def pem(tmp_path: Path) -> tuple[Path, Path]:
    return write_certificate(tmp_path)


def test_certificate_and_key_are_read_into_one_secret(base: StackConfig, pem: tuple[Path, Path]) -> None:
    config = base.changed("domain", name="monopco.fr")
    found = load(config.changed("tls", mode="files", certificateFile=str(pem[0]), keyFile=str(pem[1]))).certificate
    assert found is not None
    assert found.get_secret_value() == pem[0].read_text().rstrip() + "\n" + pem[1].read_text()


def test_a_certificate_that_is_not_there_is_named(base: StackConfig, pem: tuple[Path, Path]) -> None:
    pem[0].unlink()
    assert mistakes(base.changed("tls", mode="files", certificateFile=str(pem[0]), keyFile=str(pem[1]))) == [
        f"tls.certificateFile: cannot be read: [Errno 2] No such file or directory: '{pem[0]}'"
    ]


def test_certificate_and_key_the_wrong_way_round_are_refused_without_showing_them(
    base: StackConfig, pem: tuple[Path, Path]
) -> None:
    chain, key = pem
    assert mistakes(base.changed("tls", mode="files", certificateFile=str(key), keyFile=str(chain))) == [
        f"tls.certificateFile: {key} holds no PEM block with BEGIN CERTIFICATE",
        f"tls.keyFile: {chain} holds no PEM block with PRIVATE KEY",
    ]


def test_a_key_of_a_nested_object_leaves_its_neighbours_as_they_are(base: StackConfig) -> None:
    health = load(base.changed("app", health={"path": "/ready"})).sections.app.health
    default = settings.default_sections()["app"]["health"]
    assert (health.path, health.expect, health.start_seconds) == (
        "/ready",
        default["expect"],
        default["startSeconds"],
    )


def test_numbers_and_booleans_of_the_environment_are_taken_as_they_are_written(base: StackConfig) -> None:
    env = load(base.changed("app", env={"A": 1, "B": True, "C": "x", "D": False, "E": 1.5})).sections.app.env
    assert env == {"A": "1", "B": "true", "C": "x", "D": "false", "E": "1.5"}


def test_without_a_host_docker_is_this_machines_own(base: StackConfig) -> None:
    assert load(base).docker_host is None


def test_with_a_host_docker_is_reached_over_ssh(base: StackConfig) -> None:
    settings = load(base.changed("server", host="a.fr", user="me", port=2222))
    assert settings.docker_host == "ssh://monopco@a.fr:2222"
    assert settings.ssh == Ssh(host="a.fr", port=2222, host_key=None, own_key=False)


class TestSecretVersions:
    def versions(self, config: StackConfig, stack: str = "dev") -> dict[str, str]:
        return load(config, stack).secret_versions()

    def with_key(self, base: StackConfig, value: str) -> StackConfig:
        return base.changed("app", secrets=["KEY"]).with_secrets(KEY=value)

    def test_every_secret_of_the_app_has_one(self, base: StackConfig) -> None:
        assert set(self.versions(self.with_key(base, "a"))) == {"DATABASE_URL", "JWT_SECRET", "KEY"}

    def test_another_value_has_another_version(self, base: StackConfig) -> None:
        first, second = (self.versions(self.with_key(base, value))["KEY"] for value in ("a", "b"))
        assert first != second

    def test_the_same_value_has_the_same_version(self, base: StackConfig) -> None:
        assert self.versions(self.with_key(base, "a")) == self.versions(self.with_key(base, "a"))

    def test_two_stacks_with_one_secret_cannot_be_told_to_share_it(self, base: StackConfig) -> None:
        config = self.with_key(base, "a")
        assert self.versions(config, "dev")["KEY"] != self.versions(config, "prod")["KEY"]

    def test_a_version_is_too_short_to_find_the_secret_by(self, base: StackConfig) -> None:
        assert len(self.versions(self.with_key(base, "hunter2"))["KEY"]) == 8

    def test_a_rotation_changes_the_versions_of_what_is_generated(self, base: StackConfig) -> None:
        before = self.versions(base)
        after = self.versions(base.changed("rotation", database="2", jwt="2"))
        assert {name for name in before if before[name] != after[name]} == {"DATABASE_URL", "JWT_SECRET"}

    def test_the_url_of_an_external_database_decides_its_version(self, base: StackConfig) -> None:
        first, second = (
            self.versions(
                base.changed("database", mode="external", url=f"postgresql://u:{password}@h/d").marked_secret(
                    "database"
                )
            )["DATABASE_URL"]
            for password in ("a", "b")
        )
        assert first != second
