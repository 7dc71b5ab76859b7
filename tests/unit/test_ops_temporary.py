"""Environments for pull requests: what they take over, what they never do, and when they may go."""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.stack import Stack
from ops import temporary
from ops.errors import MISTAKE, CommandError
from ops.stack_file import StackFile
from ops.temporary import Memory, Temporary

NOW = datetime(2026, 12, 1, 8, tzinfo=timezone.utc)
DEFAULTS = {
    "monopco:app": {"memory": "500M", "replicas": 2, "secrets": []},
    "monopco:database": {"memory": "512M"},
}
PRODUCTION: dict[str, Any] = {
    "monopco:RESEND_API_KEY": {"secure": "v1:marked"},
    "monopco:app": {
        "source": "https://git.example/app",
        "ref": "0" * 40,
        "replicas": 4,
        "secrets": ["RESEND_API_KEY"],
        "env": {"FEATURE": "on", "HIDDEN": {"secure": "v1:marked"}},
    },
    "monopco:server": {"host": "monopco.fr", "privateKey": {"secure": "v1:marked"}},
    "monopco:database": {"mode": "external", "url": {"secure": "v1:marked"}, "protect": True, "memory": "4G"},
    "monopco:registry": {"url": "registry.fr/a", "username": "ci", "password": {"secure": "v1:marked"}},
    "monopco:tls": {"mode": "acme", "email": "a@monopco.fr"},
    "monopco:backups": {"remote": {"bucket": "production"}},
    "monopco:monitoring": {"enabled": True},
    "monopco:pinned": {"release": "0123456789"},
    "monopco:policies": {"production": True},
    "aws:region": "eu-west-3",
}


def made(given: dict[str, Any] = PRODUCTION, **options: Any) -> dict[str, Any]:
    base = StackFile("prod", given, DEFAULTS)
    choices = {"domain": "pr-1.monopco.fr", "until": NOW, "http_ports": (20001, 20002), "secrets": (), **options}
    return temporary.configuration(base, **choices)


def test_no_secret_of_the_other_stack_is_taken_over() -> None:
    text = yaml.safe_dump(made())
    assert "secure" not in text
    assert "marked" not in text
    assert made()["monopco:app"]["secrets"] == []


def test_it_has_a_database_and_rules_of_its_own() -> None:
    config = made()
    assert config["monopco:database"] == {"mode": "container", "protect": False, "memory": "256M"}
    assert config["monopco:policies"] == {"production": False}
    assert not config.keys() & {"monopco:backups", "monopco:monitoring", "monopco:pinned", "monopco:tls", "aws:region"}


def test_what_it_is_to_show_is_taken_over() -> None:
    config = made(secrets={"OTHER_KEY": "x"})
    assert config["monopco:app"] == {
        "source": "https://git.example/app",
        "ref": "0" * 40,
        "replicas": 1,
        "secrets": ["OTHER_KEY"],
        "env": {"FEATURE": "on"},
        "keepReleases": 2,
    }
    assert config["monopco:server"] == {"host": "monopco.fr"}
    assert config["monopco:registry"] == {"url": "registry.fr/a"}
    assert config["monopco:domain"] == {"name": "pr-1.monopco.fr", "aliases": []}
    assert config["monopco:temporary"] == {"until": "2026-12-01T08:00:00Z", "origin": "prod"}


def test_behind_a_front_it_is_told_whose() -> None:
    config = made({**PRODUCTION, "monopco:domain": {"name": "monopco.fr", "environments": True}})
    assert config["monopco:temporary"]["front"] == "prod"
    assert "environments" not in config["monopco:domain"]
    assert config["monopco:server"] == {"host": "monopco.fr", "setUp": False}


def test_a_second_write_keeps_what_pulumi_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(temporary, "PROJECT", tmp_path)
    path = tmp_path / "Pulumi.pr-1.yaml"
    path.write_text(
        "encryptionsalt: v1:salt\nconfig:\n  monopco:KEY:\n    secure: v1:own\n  monopco:app: {replicas: 9}\n"
    )
    temporary.write("pr-1", made())
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert document["encryptionsalt"] == "v1:salt"
    assert document["config"]["monopco:KEY"] == {"secure": "v1:own"}
    assert document["config"]["monopco:app"]["replicas"] == 1


@pytest.mark.parametrize("name", ["dev", "prod", "pr-", "pr-A", "pr-1_2", "pr--1", "pr-1-", "PR-1", f"pr-{'1' * 40}"])
def test_a_name_that_could_be_a_lasting_stacks_is_refused(name: str) -> None:
    with pytest.raises(CommandError, match="pr-123") as caught:
        temporary.check_name(name)
    assert caught.value.code == MISTAKE


@pytest.mark.parametrize("name", ["pr-1", "pr-123", "pr-search-page"])
def test_other_names_are_taken(name: str) -> None:
    temporary.check_name(name)


@pytest.mark.parametrize(("text", "hours"), [("12h", 12), ("7d", 168)])
def test_a_lifetime_is_hours_or_days(text: str, hours: int) -> None:
    assert temporary.parse_lifetime(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "7", "0d", "-1d", "1w", "7 d"])
def test_any_other_lifetime_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="--lifetime"):
        temporary.parse_lifetime(text)


def test_memory_is_counted_with_the_release_that_replaces_another() -> None:
    assert temporary.needed(made(), StackFile("prod", PRODUCTION, DEFAULTS)) == 256 + 128 + 2 * 500


def test_the_environment_that_does_not_fit_is_refused_with_the_numbers() -> None:
    temporary.check_memory("pr-10", 1384, Memory(total=16000, promised=13000))
    with pytest.raises(CommandError) as caught:
        temporary.check_memory("pr-11", 1384, Memory(total=16000, promised=13100))
    assert "pr-11: it needs 1384 MB, and of the machine's 16000 MB 13100 MB are promised" in str(caught.value)


def test_a_network_is_chosen_that_no_other_has() -> None:
    own = ipaddress.IPv4Network(Stack("pr-1").subnet())
    assert temporary.chosen_subnet("pr-1", []) is None
    assert temporary.chosen_subnet("pr-1", [ipaddress.ip_network("172.17.0.0/16")]) is None
    other = temporary.chosen_subnet("pr-1", [own])
    assert other is not None
    assert ipaddress.IPv4Network(other).subnet_of(ipaddress.IPv4Network("10.192.0.0/10"))
    assert not ipaddress.ip_network(other).overlaps(own)


def test_when_no_network_is_left_it_is_told() -> None:
    with pytest.raises(CommandError, match="No private network"):
        temporary.chosen_subnet("pr-1", [ipaddress.ip_network("10.192.0.0/10")])


def one(
    name: str = "pr-5", until: datetime | None = NOW + timedelta(days=1), updated: datetime | None = NOW
) -> Temporary:
    return Temporary(name, until, "dev", "https://x", updated)


@pytest.mark.parametrize(
    ("environment", "is_open", "reason"),
    [
        (one(), True, ""),
        (one(), None, ""),
        (one(), False, "pull request 5 is closed"),
        (one("pr-search"), False, ""),
        (one(until=NOW), True, "its time was over at 2026-12-01T08:00:00Z"),
        (one(until=None), True, ""),
        (one(until=None, updated=NOW - timedelta(days=2)), True, "it was never finished"),
    ],
)
def test_what_may_go_and_why(environment: Temporary, is_open: bool | None, reason: str) -> None:
    assert temporary.overdue(environment, NOW, lambda _number: is_open) == reason


@pytest.mark.parametrize(("text", "year"), [("2026-12-01T08:00:00Z", 2026), ("2026-12-01T08:00:00.123Z", 2026)])
def test_times_are_read_as_they_were_written(text: str, year: int) -> None:
    read = temporary.moment(text)
    assert read is not None
    assert (read.year, read.utcoffset()) == (year, timedelta())


def test_what_is_no_time_is_none() -> None:
    assert temporary.moment(None) is None
