"""The rules of the configuration: each broken once, from one valid base, and the whole message compared."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

import pytest
from loading import APP_KEYS, fields_of, mistakes, nested
from recorder import StackConfig

import settings
from policies import RULES
from sections import LEXICON_OPTIONS, Sections, cron_times, parse_size, split_host_port

SIZE = 'must be a whole number followed by K, M or G, for example "500M"'
MEMORY = "must be at least 64M, Node and PostgreSQL do not start with less"
HOST_NAME = "must be a host name in small letters, without scheme, user and port, for example monopco.fr"
LIST = "must be a list, for example [one, two]"
NAMES = "must be an object of names and values, for example {NAME: value}"
VARIABLE = "must be the name of an environment variable: letters, digits and _"
MODE = "must be 'mandatory', 'advisory' or 'off'"
CRON = 'must have the five fields of cron, for example "0 2 * * *"'
NETWORK = "must be an address or a network, for example 203.0.113.7 or 203.0.113.0/24"
MAIL = "must be a mail address, for example ops@monopco.fr"
SUBNET = "must be a private IPv4 network of /20 or larger, for example 10.200.0.0/18"
DNS_SERVER = "must be HOST or HOST:PORT, for example ns1.monopco.fr:53"
URL_FORM = (
    "url must have the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE (its value is not shown); "
    "in a password write # / ? @ as %23 %2F %3F %40"
)
RELEASE = "must be the id of a release, as ./monopco releases shows it"
REGISTRY = "must be a host with a path, without https://, for example registry.example.com/monopco"
REMOTE_KEYS = "type, endpoint, bucket, region, key, secret, caFile, host, port, user, privateKey, hostKey, path"
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
    ("app.memory", 500, f"{SIZE} (got 500)"),
    ("app.port", 0, "must be greater than or equal to 1 (got 0)"),
    ("app.port", 65536, "must be less than or equal to 65535 (got 65536)"),
    ("app.health", "/health", 'must be an object with the keys path, expect, startSeconds (got "/health")'),
    ("app.health.path", "health", 'must begin with / and hold no space (got "health")'),
    ("app.health.path", "/a b", 'must begin with / and hold no space (got "/a b")'),
    ("app.health.expect", "", 'must not be empty (got "")'),
    ("app.health.startSeconds", 0, "must be greater than or equal to 1 (got 0)"),
    ("app.health.startSeconds", 901, "must be less than or equal to 900 (got 901)"),
    ("app.dependencies", "some", "must be 'production' or 'all' (got \"some\")"),
    ("app.buildOn", "there", "must be 'here' or 'server' (got \"there\")"),
    ("app.env", "A=1", f'{NAMES} (got "A=1")'),
    ("app.env.A", None, "must be a text (got null)"),
    ("app.env.A", {"inner": 1}, "must be a text (got an object)"),
    ("app.env.A-B", "hunter2", VARIABLE),
    ("app.env.1A", "hunter2", VARIABLE),
    ("app.env.A\n", "hunter2", VARIABLE),
    ("app.env.NODE_ENV", "test", OWN),
    ("app.env.PORT", "80", OWN),
    ("app.env.RELEASE", "1", OWN),
    ("app.env.DATABASE_URL", "hunter2", OWN),
    ("app.env.JWT_SECRET", "hunter2", OWN),
    ("app.secrets", "RESEND_API_KEY", f'{LIST} (got "RESEND_API_KEY")'),
    ("app.secrets", 5, f"{LIST} (got 5)"),
    ("app.public", [], f"{NAMES} (got a list)"),
    ("app.public.VITE_TITLE", None, "must be a text (got null)"),
    ("app.public.VITE-TITLE", "x", VARIABLE),
    ("app.public.TITLE", "hunter2", "must start with VITE_; other variables belong to app.env or app.secrets"),
    ("app.drainSeconds", -1, "must be greater than or equal to 0 (got -1)"),
    ("app.drainSeconds", 601, "must be less than or equal to 600 (got 601)"),
    ("app.watchSeconds", -1, "must be greater than or equal to 0 (got -1)"),
    ("app.watchSeconds", 601, "must be less than or equal to 600 (got 601)"),
    ("app.keepReleases", 1, "must be greater than or equal to 2 (got 1)"),
    ("app.keepReleases", 51, "must be less than or equal to 50 (got 51)"),
    ("app.assets", "/assets", 'must be a folder below /app, without .. or / before it (got "/assets")'),
    ("app.assets", "dist/../..", 'must be a folder below /app, without .. or / before it (got "dist/../..")'),
    ("app.readOnly", "perhaps", 'must be true or false (got "perhaps")'),
    ("app.colour", "red", f"unknown key; known are {APP_KEYS}"),
    ("app.read_only", True, f"unknown key (did you mean readOnly?); known are {APP_KEYS}"),
    ("app.health.colour", "red", "unknown key; known are path, expect, startSeconds"),
    ("domain.name", "Monopco.fr", f'{HOST_NAME} (got "Monopco.fr")'),
    ("domain.name", "monopco.fr\n", f'{HOST_NAME} (got "monopco.fr\\n")'),
    ("domain.name", "-a.fr", f'{HOST_NAME} (got "-a.fr")'),
    ("domain.name", "a" * 64, f'{HOST_NAME} (got "{"a" * 64}")'),
    ("domain.aliases", "www.monopco.fr", f'{LIST} (got "www.monopco.fr")'),
    ("domain.colour", "red", "unknown key; known are name, aliases, environments"),
    ("tls.mode", "none", "must be 'self-signed', 'acme' or 'files' (got \"none\")"),
    ("tls.email", 5, "must be a text (got 5)"),
    ("tls.directoryUrl", 5, "must be a text (got 5)"),
    ("tls.challenge", "tls-alpn-01", "must be 'http-01' or 'dns-01' (got \"tls-alpn-01\")"),
    ("tls.profile", 5, "must be a text (got 5)"),
    ("tls.caFile", 5, "must be a text (got 5)"),
    ("tls.certificateFile", 5, "must be a text (got 5)"),
    ("tls.keyFile", 5, "must be a text (got 5)"),
    (
        "tls.colour",
        "red",
        "unknown key; known are mode, email, challenge, directoryUrl, profile, caFile, certificateFile, keyFile",
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
    ("server.user", "Root", 'must be a user name in small letters, for example root (got "Root")'),
    ("server.setUp", "perhaps", 'must be true or false (got "perhaps")'),
    ("server.hostKey", 5, "must be a text (got 5)"),
    (
        "server.hostKey",
        "SHA256:abc",
        (
            "must be a public key as in /etc/ssh/ssh_host_ed25519_key.pub, for example ssh-ed25519 AAAA… "
            '(got "SHA256:abc")'
        ),
    ),
    (
        "server.colour",
        "red",
        "unknown key; known are host, port, user, privateKey, hostKey, setUp, runtime, nodes, address, encrypted",
    ),
    ("server.runtime", "kubernetes", "must be 'docker' or 'swarm' (got \"kubernetes\")"),
    ("server.nodes", "10.0.0.2", f'{LIST} (got "10.0.0.2")'),
    ("server.address", "node", 'must be an IPv4 address, for example 203.0.113.7 (got "node")'),
    ("server.encrypted", "perhaps", 'must be true or false (got "perhaps")'),
    ("registry.url", "https://registry.example.com", f'{REGISTRY} (got "https://registry.example.com")'),
    ("registry.username", 5, "must be a text (got 5)"),
    ("registry.colour", "red", "unknown key; known are url, username, password"),
    ("database.mode", "none", "must be 'container' or 'external' (got \"none\")"),
    ("database.migrations", "*.sql", f'{LIST} (got "*.sql")'),
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
    ("rotation.dashboard", None, "must be a text (got null)"),
    ("rotation.colour", "red", "unknown key; known are database, jwt, dashboard"),
    ("pinned.release", "0123456789a", f'{RELEASE} (got "0123456789a")'),
    ("pinned.release", "../../../a", f'{RELEASE} (got "../../../a")'),
    ("pinned.release", "0123456789\n", f'{RELEASE} (got "0123456789\\n")'),
    ("pinned.release", 5, "must be a text (got 5)"),
    ("pinned.insteadOf", 5, "must be a text (got 5)"),
    ("pinned.accepts", "a.sql", f'{LIST} (got "a.sql")'),
    ("pinned.colour", "red", "unknown key; known are release, insteadOf, accepts"),
    ("dns.mode", "magic", "must be 'manual', 'rfc2136' or 'lexicon' (got \"magic\")"),
    ("dns.zone", "Monopco.fr", f'{HOST_NAME} (got "Monopco.fr")'),
    ("dns.server", "ns1.a.fr:99999", f'{DNS_SERVER} (got "ns1.a.fr:99999")'),
    ("dns.server", "ns1 a", f'{DNS_SERVER} (got "ns1 a")'),
    ("dns.keyName", "a key", f'{HOST_NAME} (got "a key")'),
    (
        "dns.keyAlgorithm",
        "md5",
        "must be 'hmac-sha224', 'hmac-sha256', 'hmac-sha384' or 'hmac-sha512' (got \"md5\")",
    ),
    ("dns.provider", "me", "must be 'ovh', 'gandi', 'cloudflare', 'scaleway' or 'hetzner' (got \"me\")"),
    ("dns.ttl", 59, "must be greater than or equal to 60 (got 59)"),
    ("dns.ttl", 604801, "must be less than or equal to 604800 (got 604801)"),
    ("dns.ipv4", "2001:db8::7", 'must be an IPv4 address, for example 203.0.113.7 (got "2001:db8::7")'),
    ("dns.ipv6", "203.0.113.7", 'must be an IPv6 address, for example 2001:db8::7 (got "203.0.113.7")'),
    ("dns.caa", "letsencrypt.org", f'{LIST} (got "letsencrypt.org")'),
    ("dns.records", {}, f"{LIST} (got an object)"),
    (
        "dns.colour",
        "red",
        (
            "unknown key; known are mode, zone, server, keyName, keyAlgorithm, keySecret, provider, credentials, ttl, "
            "ipv4, ipv6, caa, records"
        ),
    ),
    ("backups.schedule", "daily", f'{CRON} (got "daily")'),
    ("backups.schedule", "0 2 * * x", f'{CRON}: x is neither a number, a range nor * (got "0 2 * * x")'),
    ("backups.schedule", "60 2 * * *", f'{CRON}: 60 is not within 0 and 59 (got "60 2 * * *")'),
    ("backups.schedule", "0 2 9-5 * *", f'{CRON}: 9-5 is not within 1 and 31 (got "0 2 9-5 * *")'),
    ("backups.schedule", "*/0 2 * * *", f'{CRON}: */0 is not within 0 and 59 (got "*/0 2 * * *")'),
    (
        "backups.schedule",
        "0 2 1 * 1",
        'must restrict days of the month or days of the week, not both (got "0 2 1 * 1")',
    ),
    ("backups.drill", "weekly", f'{CRON} (got "weekly")'),
    ("backups.keepDays", 0, "must be greater than or equal to 1 (got 0)"),
    ("backups.keepDays", 3651, "must be less than or equal to 3650 (got 3651)"),
    ("backups.remote", "s3", f"must be an object with the keys {REMOTE_KEYS}"),
    ("backups.remote.type", "ftp", "must be 's3' or 'sftp' (got \"ftp\")"),
    ("backups.remote.endpoint", "https://a.fr", 'must be HOST or HOST:PORT, without https:// (got "https://a.fr")'),
    ("backups.remote.bucket", 5, "must be a text (got 5)"),
    ("backups.remote.region", 5, "must be a text (got 5)"),
    ("backups.remote.caFile", 5, "must be a text (got 5)"),
    ("backups.remote.host", "A.fr", f'{HOST_NAME} (got "A.fr")'),
    ("backups.remote.port", 0, "must be greater than or equal to 1 (got 0)"),
    ("backups.remote.user", 5, "must be a text (got 5)"),
    ("backups.remote.hostKey", "AAAA", 'must be TYPE KEY, as ssh-keyscan shows it (got "AAAA")'),
    ("backups.remote.path", "a", 'must begin with / and hold letters, digits, dots, - and _ (got "a")'),
    ("backups.colour", "red", "unknown key; known are schedule, drill, keepDays, key, remote"),
    ("monitoring.enabled", "perhaps", 'must be true or false (got "perhaps")'),
    ("monitoring.pictures", "perhaps", 'must be true or false (got "perhaps")'),
    ("monitoring.alerts", [], "must be an object with the keys email, webhook, heartbeatUrl"),
    ("monitoring.allow", "203.0.113.7", f'{LIST} (got "203.0.113.7")'),
    ("monitoring.alerts.email.to", "ops@monopco.fr", f'{LIST} (got "ops@monopco.fr")'),
    ("monitoring.alerts.email.from", "ops", f'{MAIL} (got "ops")'),
    ("monitoring.alerts.email.smtpHost", "https://a.fr", f'{HOST_NAME} (got "https://a.fr")'),
    ("monitoring.alerts.email.smtpPort", 0, "must be greater than or equal to 1 (got 0)"),
    ("monitoring.alerts.email.username", 5, "must be a text (got 5)"),
    ("monitoring.alerts.email.tls", "perhaps", 'must be true or false (got "perhaps")'),
    ("monitoring.alerts.slack", {}, "unknown key; known are email, webhook, heartbeatUrl"),
    ("monitoring.colour", "red", "unknown key; known are enabled, allow, pictures, alerts"),
    ("policies.production", "perhaps", 'must be true or false (got "perhaps")'),
    ("temporary.until", "tomorrow", 'must be a time in UTC, for example 2026-12-01T08:00:00Z (got "tomorrow")'),
    ("temporary.origin", 5, "must be a text (got 5)"),
    ("temporary.front", 5, "must be a text (got 5)"),
    ("domain.environments", "perhaps", 'must be true or false (got "perhaps")'),
    *((f"policies.{rule.name}", "strict", f'{MODE} (got "strict")') for rule in RULES),
]


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
        "a name among the addresses",
        "monitoring",
        {"allow": ["203.0.113.7", "home"]},
        f'monitoring.allow.1: {NETWORK} (got "home")',
    ),
    (
        "a network with an address in it",
        "monitoring",
        {"allow": ["203.0.113.7/24"]},
        f'monitoring.allow.0: {NETWORK} (got "203.0.113.7/24")',
    ),
    (
        "two receivers in one",
        "monitoring",
        {"alerts": {"email": {"to": ["a@b.fr, c@d.fr"]}}},
        f'monitoring.alerts.email.to.0: {MAIL} (got "a@b.fr, c@d.fr")',
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
        "tls: mode acme needs tls.email, by which the authority can reach you",
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
        "a user of the registry without a password",
        "registry",
        {"url": "registry.example.com/monopco", "username": "ann"},
        "registry: username and password belong together; set both of them, or none",
    ),
    (
        "an external database without its url",
        "database",
        {"mode": "external"},
        "database: mode external needs database.url: pulumi config set --secret --path monopco:database.url",
    ),
    (
        "a zone's server without its key",
        "dns",
        {"mode": "rfc2136", "server": "ns1.a.fr"},
        "dns: mode rfc2136 needs dns.keyName and dns.keySecret",
    ),
    (
        "a provider that is not said",
        "dns",
        {"mode": "lexicon"},
        "dns: mode lexicon needs dns.provider and dns.credentials",
    ),
    (
        "a DNS record with a key that there is not",
        "dns",
        {"records": [{"name": "www", "type": "A", "value": "203.0.113.7", "colour": "red"}]},
        "dns.records.0.colour: unknown key; known are name, type, value, ttl, priority",
    ),
    (
        "a DNS record of a name with capitals",
        "dns",
        {"records": [{"name": "WWW", "type": "A", "value": "203.0.113.7"}]},
        ('dns.records.0.name: must be @ or a name in small letters, for example www or resend._domainkey (got "WWW")'),
    ),
    (
        "a DNS record without its value",
        "dns",
        {"records": [{"name": "www", "type": "A"}]},
        "dns.records.0.value: is missing",
    ),
    *(
        (f"{kind} with the value {value}", "dns", {"records": [record]}, f"dns.records.0: value of {kind} {rule}")
        for kind, value, rule in (
            ("A", "::1", 'must be an IPv4 address (got "::1")'),
            ("AAAA", "x", 'must be an IPv6 address (got "x")'),
            ("CNAME", "a b", 'must be a host name in small letters (got "a b")'),
            (
                "MX",
                "10 mx.a.fr",
                (
                    "must be the host name of a mail server in small letters; its priority is a key of its own "
                    '(got "10 mx.a.fr")'
                ),
            ),
            ("CAA", "letsencrypt.org", 'must be of the form 0 issue "letsencrypt.org" (got "letsencrypt.org")'),
            ("TXT", "a\nb", 'must be one line of ASCII (got "a\\nb")'),
        )
        for record in ({"name": "x", "type": kind, "value": value},)
    ),
    (
        "a mail server without a priority",
        "dns",
        {"records": [{"name": "@", "type": "MX", "value": "mx.a.fr"}]},
        "dns.records.0: an MX record needs a priority, for example 10",
    ),
    (
        "a priority of a record that has none",
        "dns",
        {"records": [{"name": "@", "type": "TXT", "value": "a", "priority": 1}]},
        "dns.records.0: only an MX record has a priority, this is TXT",
    ),
    (
        "a second place of which nothing is known but its type",
        "backups",
        {"remote": {"type": "s3"}},
        (
            "backups.remote: type s3 needs endpoint; type s3 needs bucket; type s3 needs region; type s3 needs key; "
            "type s3 needs secret"
        ),
    ),
    (
        "what belongs to another type",
        "backups",
        {"remote": {"type": "sftp", "host": "a.fr", "user": "u", "hostKey": "ssh-ed25519 AAAA", "bucket": "b"}},
        "backups.remote: type sftp needs privateKey; bucket is not for sftp",
    ),
    (
        "a second place without a type",
        "backups",
        {"remote": {"bucket": "b"}},
        "backups.remote: bucket is given without type (s3 or sftp)",
    ),
    (
        "a swarm of nobody",
        "server",
        {"runtime": "swarm"},
        (
            "server: runtime swarm needs host, the server that manages the swarm and holds the database; runtime swarm "
            "needs nodes, the other servers; for one server leave runtime at docker"
        ),
    ),
    (
        "nodes without a swarm",
        "server",
        {"host": "a.fr", "address": "10.0.0.1", "nodes": [{"host": "b.fr"}]},
        (
            "server: nodes are given, but runtime is docker; set server.runtime to swarm or remove the nodes; "
            "address is for runtime swarm only; remove it"
        ),
    ),
    (
        "a server that is its own node",
        "server",
        {"runtime": "swarm", "host": "a.fr", "nodes": [{"host": "a.fr", "address": "10.0.0.2"}]},
        "server: each server has a host of its own, repeated: a.fr",
    ),
    (
        "a node with a key that is none of a node's",
        "server",
        {"runtime": "swarm", "host": "a.fr", "nodes": [{"host": "b.fr", "colour": "red"}]},
        "server.nodes.0.colour: unknown key; known are host, hostKey, address",
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
    ("alerts", "message"),
    [
        (
            {"email": {"to": ["a@b.fr"]}},
            "email: to needs from and smtpHost, the address and the server that the mails come from",
        ),
        (
            {"email": {"username": "resend"}},
            "email: username and password belong together; one of them is missing",
        ),
        (
            {"webhook": {"url": "hunter2"}},
            "webhook: url must begin with http:// or https:// and a host (its value is not shown)",
        ),
        (
            {"webhook": {"url": "https://a:hunter2/"}},
            "webhook: url must begin with http:// or https:// and a host (its value is not shown)",
        ),
        (
            {"heartbeatUrl": "ftp://hunter2/"},
            "heartbeatUrl must begin with http:// or https:// and a host (its value is not shown)",
        ),
    ],
)
def test_receivers_of_alerts_are_complete(base: StackConfig, alerts: dict[str, Any], message: str) -> None:
    config = base.changed("monitoring", alerts=alerts).marked_secret("monitoring")
    (said,) = mistakes(config)
    assert said in (f"monitoring.alerts.{message}", f"monitoring.alerts: {message}")


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


def test_access_to_a_dns_provider_is_checked_without_showing_it(base: StackConfig) -> None:
    def given(provider: str, **credentials: str) -> list[str]:
        config = base.changed("dns", mode="lexicon", provider=provider, credentials=credentials)
        return mistakes(config.marked_secret("dns"))

    assert given("ovh", auth_entrypoint="ovh-eu", auth_application_key="hunter2") == [
        (
            "dns: credentials of ovh need auth_application_secret and auth_consumer_key; set each with: "
            "pulumi config set --secret --path monopco:dns.credentials.NAME"
        )
    ]
    assert given("gandi", auth_token="hunter2", token="hunter2") == [
        "dns: credentials of gandi are auth_token, api_protocol; not token"
    ]


def test_a_tsig_key_that_is_not_base64_is_refused_without_showing_it(base: StackConfig) -> None:
    config = base.changed("dns", mode="rfc2136", server="ns1.a.fr", keyName="monopco", keySecret="hunter-2")
    assert mistakes(config.marked_secret("dns")) == [
        "dns: keySecret must be base64, as the server's own tool prints it (its value is not shown)"
    ]


@pytest.mark.parametrize("provider", LEXICON_OPTIONS)
def test_the_options_of_a_dns_provider_are_those_that_lexicon_takes(provider: str) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(f"lexicon._private.providers.{provider}").Provider.configure_parser(parser)
    needed, possible = LEXICON_OPTIONS[provider]
    assert {action.dest for action in parser._actions} == {*needed, *possible}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("ns1.a.fr", ("ns1.a.fr", 53)),
        ("ns1.a.fr:5353", ("ns1.a.fr", 5353)),
        ("203.0.113.7:5353", ("203.0.113.7", 5353)),
        ("2001:db8::7", ("2001:db8::7", 53)),
        ("[2001:db8::7]:5353", ("2001:db8::7", 5353)),
    ],
)
def test_a_server_may_have_a_port(text: str, parts: tuple[str, int]) -> None:
    assert split_host_port(text, 53) == parts


def test_every_key_is_broken_by_some_test() -> None:
    broken = {key for key, _, message in SINGLE_VALUES if not message.startswith("unknown key")}
    secret = {".".join(location) for location in settings.SECRET_KEYS}
    assert {key for key, _ in fields_of(Sections)} - broken - secret == set()


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("0 2 * * *", ("0", "2", "*", "*", "*")),
        ("*/15 2-4 1,15 */6 *", ("0,15,30,45", "2,3,4", "1,15", "1,7", "*")),
        ("5/20 0 * * 7", ("5,25,45", "0", "*", "*", "7")),
        ("0-59 10-20/5 * 1-12 1-5", ("*", "10,15,20", "*", "*", "1,2,3,4,5")),
    ],
)
def test_times_of_cron_are_numbers(text: str, times: tuple[str, ...]) -> None:
    assert cron_times(text) == times


@pytest.mark.parametrize(("text", "size"), [("1K", 1024), ("500M", 500 * 2**20), ("2G", 2 * 2**30)])
def test_sizes_are_counted_in_binary_units(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_all_that_a_swarm_cannot_do_is_told_at_once(base: StackConfig) -> None:
    swarm = {"runtime": "swarm", "host": "10.0.0.1", "nodes": [{"host": "10.0.0.2"}]}
    config = (
        base.changed("server", **swarm).changed("tls", mode="acme", email="a@b.fr").changed("app", buildOn="server")
    )
    config = config.changed("monitoring", enabled=True).changed("http", address="127.0.0.1", httpPort=80)
    told = [mistake.partition(":")[0] for mistake in mistakes(config.changed("domain", name="monopco.fr"))]
    assert set(told) == {"tls.mode", "http.address", "app.buildOn", "monitoring.enabled"}
