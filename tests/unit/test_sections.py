"""The rules of the configuration: each broken once, from one valid base, and the whole message compared."""

from __future__ import annotations

from typing import Any

import pytest
from loading import APP_KEYS, fields_of, mistakes
from recorder import StackConfig

import settings
from sections import Sections, parse_size

SIZE = 'must be a whole number followed by K, M or G, for example "500M"'
MEMORY = "must be at least 64M, Node and PostgreSQL do not start with less"
HOST_NAME = "must be a host name in small letters, for example monopco.fr"
VARIABLE = "must be the name of an environment variable: letters, digits and _"
CRON = 'must have the five fields of cron, for example "0 2 * * *"'
SUBNET = "must be a private IPv4 network of /20 or larger, for example 10.200.0.0/18"
URL_FORM = "url must have the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE (its value is not shown)"
RELEASE = "must be the id of a release, as ./monopco releases shows it"
OWN = "is set by monopco itself; remove it"

# key, value, what is said about it after "key: "; the key's parts are section, key and, where there is one, inner key
SINGLE_VALUES: list[tuple[str, Any, str]] = [
    ("app.source", "", 'must not be empty (got "")'),
    ("app.source", 5, "must be a text (got 5)"),
    ("app.ref", 5, "must be a text (got 5)"),
    ("app.replicas", 0, "must be greater than or equal to 1 (got 0)"),
    ("app.replicas", 17, "must be less than or equal to 16 (got 17)"),
    ("app.replicas", "two", 'must be a whole number (got "two")'),
    ("app.replicas", 1.5, "must be a whole number (got 1.5)"),
    ("app.replicas", None, "must be a whole number (got null)"),
    ("app.memory", "lots", f'{SIZE} (got "lots")'),
    ("app.memory", "0M", f'{SIZE} (got "0M")'),
    ("app.memory", "63M", f'{MEMORY} (got "63M")'),
    ("app.memory", 500, "must be a text (got 500)"),
    ("app.port", 0, "must be greater than or equal to 1 (got 0)"),
    ("app.port", 65536, "must be less than or equal to 65535 (got 65536)"),
    ("app.health", "/health", 'must be an object (got "/health")'),
    ("app.health.path", "health", 'must begin with / and hold no space (got "health")'),
    ("app.health.path", "/a b", 'must begin with / and hold no space (got "/a b")'),
    ("app.health.expect", "", 'must not be empty (got "")'),
    ("app.health.startSeconds", 0, "must be greater than or equal to 1 (got 0)"),
    ("app.health.startSeconds", 901, "must be less than or equal to 900 (got 901)"),
    ("app.dependencies", "some", "must be 'production' or 'all' (got \"some\")"),
    ("app.env", "A=1", 'must be an object (got "A=1")'),
    ("app.env.A", None, "must be a text (got null)"),
    ("app.env.A", {"inner": 1}, "must be a text"),
    ("app.env.A-B", "hunter2", VARIABLE),
    ("app.env.1A", "hunter2", VARIABLE),
    ("app.env.A\n", "hunter2", VARIABLE),
    ("app.env.NODE_ENV", "test", OWN),
    ("app.env.PORT", "80", OWN),
    ("app.env.RELEASE", "1", OWN),
    ("app.env.DATABASE_URL", "hunter2", OWN),
    ("app.env.JWT_SECRET", "hunter2", OWN),
    ("app.secrets", "RESEND_API_KEY", 'must be a list (got "RESEND_API_KEY")'),
    ("app.secrets", 5, "must be a list (got 5)"),
    ("app.public", [], "must be an object"),
    ("app.public.VITE_TITLE", None, "must be a text (got null)"),
    ("app.public.VITE-TITLE", "x", VARIABLE),
    ("app.public.TITLE", "hunter2", "must start with VITE_; other variables belong to app.env or app.secrets"),
    ("app.drainSeconds", -1, "must be greater than or equal to 0 (got -1)"),
    ("app.drainSeconds", 601, "must be less than or equal to 600 (got 601)"),
    ("app.watchSeconds", -1, "must be greater than or equal to 0 (got -1)"),
    ("app.watchSeconds", 601, "must be less than or equal to 600 (got 601)"),
    ("app.keepReleases", 1, "must be greater than or equal to 2 (got 1)"),
    ("app.keepReleases", 51, "must be less than or equal to 50 (got 51)"),
    ("app.readOnly", "perhaps", 'must be true or false (got "perhaps")'),
    ("app.colour", "red", f"unknown key; known are {APP_KEYS}"),
    ("app.read_only", True, f"unknown key; known are {APP_KEYS}"),
    ("app.health.colour", "red", "unknown key; known are path, expect, startSeconds"),
    ("domain.name", "Monopco.fr", f'{HOST_NAME} (got "Monopco.fr")'),
    ("domain.name", "monopco.fr\n", f'{HOST_NAME} (got "monopco.fr\\n")'),
    ("domain.name", "-a.fr", f'{HOST_NAME} (got "-a.fr")'),
    ("domain.name", "a" * 64, f'{HOST_NAME} (got "{"a" * 64}")'),
    ("domain.aliases", "www.monopco.fr", 'must be a list (got "www.monopco.fr")'),
    ("domain.colour", "red", "unknown key; known are name, aliases"),
    ("tls.mode", "none", "must be 'self-signed', 'acme' or 'files' (got \"none\")"),
    ("tls.email", 5, "must be a text (got 5)"),
    ("tls.directoryUrl", 5, "must be a text (got 5)"),
    ("tls.caFile", 5, "must be a text (got 5)"),
    ("tls.certificateFile", 5, "must be a text (got 5)"),
    ("tls.keyFile", 5, "must be a text (got 5)"),
    (
        "tls.colour",
        "red",
        "unknown key; known are mode, email, directoryUrl, caFile, certificateFile, keyFile",
    ),
    ("http.address", "localhost", 'must be an IP address, for example 127.0.0.1 or 0.0.0.0 (got "localhost")'),
    ("http.httpPort", 0, "must be greater than or equal to 1 (got 0)"),
    ("http.httpsPort", 70000, "must be less than or equal to 65535 (got 70000)"),
    ("http.bodyLimit", "10", f'{SIZE} (got "10")'),
    ("http.requestsPerSecond", 0, "must be greater than or equal to 1 (got 0)"),
    ("http.burst", -1, "must be greater than or equal to 0 (got -1)"),
    ("http.hstsSeconds", -1, "must be greater than or equal to 0 (got -1)"),
    (
        "http.contentSecurityPolicy",
        'a"; evil',
        'must be one line without double quotes and backslashes (got "a\\"; evil")',
    ),
    (
        "http.contentSecurityPolicy",
        "a\n",
        'must be one line without double quotes and backslashes (got "a\\n")',
    ),
    (
        "http.colour",
        "red",
        (
            "unknown key; known are address, httpPort, httpsPort, bodyLimit, requestsPerSecond, burst, hstsSeconds, "
            "contentSecurityPolicy"
        ),
    ),
    ("network.subnet", "10.0.0.1/18", 'must be an IPv4 network such as 10.200.0.0/18 (got "10.0.0.1/18")'),
    ("network.subnet", "8.8.0.0/16", f'{SUBNET} (got "8.8.0.0/16")'),
    ("network.subnet", "10.0.0.0/21", f'{SUBNET} (got "10.0.0.0/21")'),
    ("network.colour", "red", "unknown key; known are subnet"),
    ("server.host", "Host", f'{HOST_NAME} (got "Host")'),
    ("server.port", 0, "must be greater than or equal to 1 (got 0)"),
    ("server.user", "Root", 'must be a user name in small letters, for example monopco (got "Root")'),
    ("server.hostKey", 5, "must be a text (got 5)"),
    ("server.colour", "red", "unknown key; known are host, port, user, privateKey, hostKey"),
    ("database.mode", "none", "must be 'container' or 'external' (got \"none\")"),
    ("database.migrations", "*.sql", 'must be a list (got "*.sql")'),
    ("database.compatibility", "mysql", "must be 'supabase' or 'none' (got \"mysql\")"),
    ("database.memory", "1M", f'{MEMORY} (got "1M")'),
    ("database.protect", "perhaps", 'must be true or false (got "perhaps")'),
    ("database.restorePoints", -1, "must be greater than or equal to 0 (got -1)"),
    ("database.restorePoints", 101, "must be less than or equal to 100 (got 101)"),
    (
        "database.colour",
        "red",
        "unknown key; known are mode, url, migrations, compatibility, memory, protect, restorePoints",
    ),
    ("rotation.database", None, "must be a text (got null)"),
    ("rotation.jwt", None, "must be a text (got null)"),
    ("rotation.colour", "red", "unknown key; known are database, jwt"),
    ("pinned.release", "0123456789a", f'{RELEASE} (got "0123456789a")'),
    ("pinned.release", "../../../a", f'{RELEASE} (got "../../../a")'),
    ("pinned.release", "0123456789\n", f'{RELEASE} (got "0123456789\\n")'),
    ("pinned.release", 5, "must be a text (got 5)"),
    ("pinned.insteadOf", 5, "must be a text (got 5)"),
    ("pinned.accepts", "a.sql", 'must be a list (got "a.sql")'),
    ("pinned.colour", "red", "unknown key; known are release, insteadOf, accepts"),
    ("dns.mode", "magic", "must be 'manual' (got \"magic\")"),
    ("dns.colour", "red", "unknown key; known are mode"),
    ("backups.schedule", "daily", f'{CRON} (got "daily")'),
    ("backups.schedule", "0 2 * * x", f'{CRON} (got "0 2 * * x")'),
    ("backups.keepDays", 0, "must be greater than or equal to 1 (got 0)"),
    ("backups.keepDays", 3651, "must be less than or equal to 3650 (got 3651)"),
    ("backups.remote", "s3", 'must be an object (got "s3")'),
    ("backups.colour", "red", "unknown key; known are schedule, keepDays, remote"),
    ("monitoring.enabled", "perhaps", 'must be true or false (got "perhaps")'),
    ("monitoring.alerts", [], "must be an object"),
    ("monitoring.colour", "red", "unknown key; known are enabled, alerts"),
]


def nested(keys: list[str], value: Any) -> dict[str, Any]:
    """{"a": {"b": value}} for ["a", "b"]."""
    first, *rest = keys
    return {first: nested(rest, value) if rest else value}


@pytest.mark.parametrize(("key", "value", "message"), SINGLE_VALUES, ids=[f"{k}={v!r}" for k, v, _ in SINGLE_VALUES])
def test_a_wrong_value_is_refused_with_its_key(base: StackConfig, key: str, value: Any, message: str) -> None:
    section, *keys = key.split(".")
    assert mistakes(base.changed(section, **nested(keys, value))) == [f"{key}: {message}"]


# What keys say together, or what stands in lists: section, its keys, the whole message.
COMBINATIONS: list[tuple[str, str, dict[str, Any], str]] = [
    (
        "a secret's name with a hyphen",
        "app",
        {"secrets": ["API-KEY"]},
        f'app.secrets.0: {VARIABLE} (got "API-KEY")',
    ),
    ("a secret's name that is a number", "app", {"secrets": [5]}, "app.secrets.0: must be a text (got 5)"),
    (
        "a host name with a space among the aliases",
        "domain",
        {"aliases": ["a b"]},
        f'domain.aliases.0: {HOST_NAME} (got "a b")',
    ),
    (
        "the name once more as an alias",
        "domain",
        {"name": "a.fr", "aliases": ["b.fr", "a.fr"]},
        "domain: name and aliases must differ, repeated: a.fr",
    ),
    (
        "acme without an address to write to",
        "tls",
        {"mode": "acme"},
        "tls: mode acme needs tls.email, where the authority writes before a certificate ends",
    ),
    (
        "files without the key's",
        "tls",
        {"mode": "files", "certificateFile": "chain.pem"},
        "tls: mode files needs tls.certificateFile and tls.keyFile",
    ),
    (
        "one port for both",
        "http",
        {"httpPort": 9000, "httpsPort": 9000},
        "http: httpPort and httpsPort must differ, both are 9000",
    ),
    (
        "an external database without its url",
        "database",
        {"mode": "external"},
        "database: mode external needs database.url: pulumi config set --secret --path monopco:database.url",
    ),
    (
        "a glob that leaves the source",
        "database",
        {"migrations": ["../*.sql"]},
        'database.migrations: must name files below the source (got "../*.sql")',
    ),
    (
        "a value that is both public and secret",
        "app",
        {"public": {"VITE_KEY": "x"}, "secrets": ["VITE_KEY"]},
        "app.public.VITE_KEY: is built into the page for all to read, so it cannot be in app.secrets",
    ),
    (
        "a value that is both plain and secret",
        "app",
        {"env": {"KEY": "x"}, "secrets": ["KEY"]},
        "app.env.KEY: stands in app.secrets, too; keep one of them",
    ),
    (
        "a secret that the release sets itself",
        "app",
        {"secrets": ["PORT"]},
        "app.secrets: PORT is set by monopco itself; remove it",
    ),
]


@pytest.mark.parametrize(
    ("section", "keys", "message"), [case[1:] for case in COMBINATIONS], ids=[c[0] for c in COMBINATIONS]
)
def test_values_that_do_not_fit_together_are_refused(
    base: StackConfig, section: str, keys: dict[str, Any], message: str
) -> None:
    secrets = {name: "value" for name in keys.get("secrets", []) if isinstance(name, str) and "-" not in name}
    assert mistakes(base.changed(section, **keys).with_secrets(**secrets)) == [message]


@pytest.mark.parametrize(
    "url",
    [
        "hunter2",
        "mysql://u:hunter2@h/d",
        "postgresql://h/d",
        "postgresql://u:hunter2@h",
        "postgresql://u:hunter2@h:x/d",
    ],
)
def test_a_database_url_of_another_form_is_refused_without_showing_it(base: StackConfig, url: str) -> None:
    config = base.changed("database", mode="external", url=url).marked_secret("database")
    assert mistakes(config) == [f"database: {URL_FORM}"]


def test_a_database_url_that_would_not_be_used_is_refused(base: StackConfig) -> None:
    config = base.changed("database", url="postgresql://u:p@h/d").marked_secret("database")
    assert mistakes(config) == [
        "database: url is given, but mode is container; set database.mode to external or remove the url"
    ]


def test_every_key_is_broken_by_some_test() -> None:
    broken = {key for key, _, message in SINGLE_VALUES if not message.startswith("unknown key")}
    secret = {f"{section}.{key}" for section, key in settings.SECRET_KEYS}
    assert {key for key, _ in fields_of(Sections)} - broken - secret == set()


@pytest.mark.parametrize(("text", "size"), [("1K", 1024), ("500M", 500 * 2**20), ("2G", 2 * 2**30)])
def test_sizes_are_counted_in_binary_units(text: str, size: int) -> None:
    assert parse_size(text) == size
