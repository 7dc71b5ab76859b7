"""Mistakes that people make in a stack's file: each is told before anything is touched, with its key and a way out.

What the rules are stands in test_sections.py, message by message. Here stands what is written by hand at two o'clock
in the morning, as YAML, and what a person needs to get out of it: the key, what was given, and what to do.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pulumi
import pytest
import yaml
from environments import write_certificate
from loading import load, mistakes
from recorder import Recording, StackConfig, record_program

from ops import checkout, containers, first_contact, ports, preflight
from ops.errors import MISTAKE, CommandError
from ops.pulumi import Pulumi
from ops.stack_file import StackFile

SECRET = "hunter2"


class Mistake(NamedTuple):
    """Lines of a stack's file below `config:` (without `monopco:`), and what is told about them."""

    lines: str
    key: str
    given: str
    """As it is shown; empty where it is a secret, or where something is missing."""
    advice: str


SIZE, CRON = 'for example "500M"', 'for example "0 2 * * *"'
HOST = "a host name in small letters, without scheme, user and port"
COMMIT, MAIL = "a commit of 40 hexadecimal digits", "a mail address, for example ops@monopco.fr"
SUBNET = "a private IPv4 network of /20 or larger"
# A key of Supabase that is above its rules, and one for everybody; neither is anybody's.
SERVICE_KEY = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl"
ANON_KEY = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2lnbmF0dXJl"

MISTAKES: tuple[Mistake, ...] = tuple(
    Mistake(*row)
    for row in (
        # numbers
        ("app: {replicas: 0}", "app.replicas", "0", "greater than or equal to 1"),
        ("app: {replicas: 100}", "app.replicas", "100", "less than or equal to 16"),
        ("app: {replicas: two}", "app.replicas", '"two"', "a whole number"),
        ("app: {replicas: yes}", "app.replicas", "true", "a whole number"),
        ("app: {replicas: 2.5}", "app.replicas", "2.5", "a whole number"),
        ("app: {replicas: }", "app.replicas", "null", "a whole number"),
        ("app: {port: 300000}", "app.port", "300000", "less than or equal to 65535"),
        ("app: {keepReleases: 0}", "app.keepReleases", "0", "greater than or equal to 2"),
        ("http: {httpsPort: 84430}", "http.httpsPort", "84430", "less than or equal to 65535"),
        ('http: {httpPort: "0.0.0.0:80"}', "http.httpPort", '"0.0.0.0:80"', "a whole number"),
        ("http: {requestsPerSecond: 0}", "http.requestsPerSecond", "0", "greater than or equal to 1"),
        ("http: {burst: unlimited}", "http.burst", '"unlimited"', "a whole number"),
        ("database: {restorePoints: -1}", "database.restorePoints", "-1", "greater than or equal to 0"),
        ("backups: {keepDays: 0}", "backups.keepDays", "0", "greater than or equal to 1"),
        # sizes and times
        ("app: {memory: 512}", "app.memory", "512", SIZE),
        ("app: {memory: 512MB}", "app.memory", '"512MB"', SIZE),
        ("app: {memory: 512m}", "app.memory", '"512m"', SIZE),
        ("app: {memory: 0.5G}", "app.memory", '"0.5G"', SIZE),
        ("app: {memory: 16M}", "app.memory", '"16M"', "at least 64M"),
        ("database: {memory: 2T}", "database.memory", '"2T"', SIZE),
        ("http: {bodyLimit: 10 MB}", "http.bodyLimit", '"10 MB"', SIZE),
        ("http: {bodyLimit: 0}", "http.bodyLimit", "0", SIZE),
        ("app: {drainSeconds: 30s}", "app.drainSeconds", '"30s"', "a whole number"),
        ("app: {watchSeconds: 3600}", "app.watchSeconds", "3600", "less than or equal to 600"),
        ("app: {health: {startSeconds: 1m}}", "app.health.startSeconds", '"1m"', "a whole number"),
        ("http: {hstsSeconds: 1 year}", "http.hstsSeconds", '"1 year"', "a whole number"),
        ("dns: {ttl: 1h}", "dns.ttl", '"1h"', "a whole number"),
        ("backups: {keepDays: 30d}", "backups.keepDays", '"30d"', "a whole number"),
        ("backups: {schedule: daily}", "backups.schedule", '"daily"', CRON),
        ('backups: {schedule: "02:00"}', "backups.schedule", '"02:00"', CRON),
        ("backups: {schedule: 0 25 * * *}", "backups.schedule", '"0 25 * * *"', "25 is not within 0 and 23"),
        ("backups: {drill: 0 4 * * Sun}", "backups.drill", '"0 4 * * Sun"', "Sun is neither a number"),
        ("backups: {schedule: 0 2 30 2 *}", "backups.schedule", '"0 2 30 2 *"', "no month of 2 has a day 30"),
        # keys
        ("app: {replica: 3}", "app.replica", "", "did you mean replicas?"),
        ("app: {drain_seconds: 3}", "app.drain_seconds", "", "did you mean drainSeconds?"),
        ("app: {healthcheck: /up}", "app.healthcheck", "", "did you mean health?"),
        ("domain: {alias: [www.a.fr]}", "domain.alias", "", "did you mean aliases?"),
        ("http: {port: 80}", "http.port", "", "did you mean httpPort?"),
        ("server: {ip: 203.0.113.7}", "server.ip", "", "known are host, port"),
        ("backups: {enabled: true}", "backups.enabled", "", "known are schedule, drill"),
        ("databse: {memory: 1G}", "databse", "", "did you mean database?"),
        ("replicas: 3", "replicas", "", "did you mean app.replicas?"),
        ("app.replicas: 3", "app.replicas", "", "pulumi config set --path monopco:app.replicas VALUE"),
        (f"STRIPE_KEY: {SECRET}", "STRIPE_KEY", "", "the names in app.secrets"),
        # kinds
        ("http: 8080", "http", "", "an object with the keys address, httpPort"),
        ("app: {health: /up}", "app.health", '"/up"', "an object with the keys path, expect"),
        ("app: {env: [DEBUG=1]}", "app.env", "a list", "{NAME: value}"),
        ("app: {env: {LIST: [1, 2]}}", "app.env.LIST", "a list", "must be a text"),
        ("app: {secrets: STRIPE_KEY}", "app.secrets", '"STRIPE_KEY"', "a list, for example"),
        ("app: {readOnly: sometimes}", "app.readOnly", '"sometimes"', "true or false"),
        ("domain: {aliases: www.a.fr}", "domain.aliases", '"www.a.fr"', "a list, for example"),
        ("database: {migrations: '*.sql'}", "database.migrations", '"*.sql"', "a list, for example"),
        ("monitoring: {alerts: {email: ops@a.fr}}", "monitoring.alerts.email", "", "an object with the keys to, from"),
        (
            f"monitoring: {{alerts: {{webhook: 'https://a.fr/{SECRET}'}}}}",
            "monitoring.alerts.webhook",
            "",
            "an object with the keys url",
        ),
        ("dns: {records: [www]}", "dns.records.0", '"www"', "an object with the keys name, type, value"),
        # words of which there are only some
        ("app: {dependencies: prod}", "app.dependencies", '"prod"', "'production' or 'all'"),
        ("app: {buildOn: remote}", "app.buildOn", '"remote"', "'here' or 'server'"),
        ("tls: {mode: letsencrypt}", "tls.mode", '"letsencrypt"', "'self-signed', 'acme' or 'files'"),
        ("database: {mode: postgres}", "database.mode", '"postgres"', "'container' or 'external'"),
        ("database: {compatibility: mysql}", "database.compatibility", '"mysql"', "'supabase' or 'none'"),
        ("dns: {provider: godaddy}", "dns.provider", '"godaddy"', "'ovh', 'gandi'"),
        ("backups: {remote: {type: S3}}", "backups.remote.type", '"S3"', "'s3' or 'sftp'"),
        # names and addresses
        ("domain: {name: 'https://a.fr'}", "domain.name", '"https://a.fr"', HOST),
        ("domain: {name: A.fr}", "domain.name", '"A.fr"', HOST),
        ("domain: {name: '*.a.fr'}", "domain.name", '"*.a.fr"', HOST),
        ("domain: {name: société.fr}", "domain.name", '"société.fr"', HOST),
        ("domain: {aliases: ['www.a.fr:443']}", "domain.aliases.0", '"www.a.fr:443"', HOST),
        ("server: {host: root@203.0.113.7}", "server.host", '"root@203.0.113.7"', HOST),
        ("server: {host: 'ssh://203.0.113.7'}", "server.host", '"ssh://203.0.113.7"', HOST),
        ("server: {host: 203.0.113.7, port: ssh}", "server.port", '"ssh"', "a whole number"),
        ("server: {host: 203.0.113.7, user: Admin}", "server.user", '"Admin"', "a user name in small letters"),
        ("server: {host: a.fr, hostKey: 'SHA256:abc'}", "server.hostKey", '"SHA256:abc"', "ssh_host_ed25519_key.pub"),
        ("http: {address: '*'}", "http.address", '"*"', "an IP address, for example"),
        ("http: {address: '0.0.0.0:80'}", "http.address", '"0.0.0.0:80"', "an IP address, for example"),
        ("network: {subnet: 10.0.0.0/24}", "network.subnet", '"10.0.0.0/24"', SUBNET),
        ("network: {subnet: 8.8.0.0/16}", "network.subnet", '"8.8.0.0/16"', SUBNET),
        ("registry: {url: 'https://r.a.fr'}", "registry.url", '"https://r.a.fr"', "without https://"),
        ("tls: {mode: acme, email: ops}", "tls.email", '"ops"', MAIL),
        ("monitoring: {allow: [home]}", "monitoring.allow.0", '"home"', "an address or a network"),
        ("dns: {ipv4: localhost}", "dns.ipv4", '"localhost"', "an IPv4 address"),
        (
            "dns: {records: [{name: www, type: A, value: 203.0.113.300}]}",
            "dns.records.0",
            '"203.0.113.300"',
            "an IPv4 address",
        ),
        ("dns: {records: [{name: www, value: x}]}", "dns.records.0.type", "", "is missing"),
        ("app: {health: {path: up}}", "app.health.path", '"up"', "must begin with /"),
        ("app: {public: {API_URL: x}}", "app.public.API_URL", "", "must start with VITE_"),
        ("app: {env: {MY-VAR: x}}", "app.env.MY-VAR", "", "letters, digits and _"),
        ("app: {env: {PORT: 80}}", "app.env.PORT", "", "remove it"),
        # the source
        ("app: {source: ../nowhere}", "app.source", '"../nowhere"', "set it to the folder of your app"),
        ("app: {source: .git}", "app.source", ".git", "has no package.json"),
        ("app: {source: 'https://git.a.fr/app', ref: main}", "app.ref", '"main"', COMMIT),
        ("app: {source: 'https://git.a.fr/app', ref: f0a3de5}", "app.ref", '"f0a3de5"', COMMIT),
        ("app: {source: 'git@git.a.fr:app.git'}", "app.ref", "null", COMMIT),
        ("app: {ref: main}", "app.ref", '"main"', "remove app.ref"),
        ("database: {migrations: [../*.sql]}", "database.migrations", '"../*.sql"', "files below the source"),
        ("database: {migrations: [sql/*.sql]}", "database.migrations", '"sql/*.sql"', "no file matches"),
        ("pinned: {release: latest}", "pinned.release", '"latest"', "./monopco releases"),
        ("pinned: {release: 1234567890}", "pinned.release", "1234567890", "must be a text"),
        # what does not fit together
        ("domain: {name: a.fr, aliases: [www.a.fr, www.a.fr]}", "domain", "www.a.fr", "must differ"),
        ("tls: {mode: acme}", "tls", "", "needs tls.email"),
        ("tls: {mode: acme, email: a@a.fr}", "domain", "localhost", "public names, which have a dot"),
        (
            "{tls: {mode: acme, email: a@a.fr, challenge: dns-01}, domain: {name: a.fr}}",
            "tls.challenge",
            "",
            "dns.mode rfc2136 or lexicon",
        ),
        ("tls: {mode: files}", "tls", "", "needs tls.certificateFile and tls.keyFile"),
        ("tls: {certificateFile: a.pem, keyFile: a.key}", "tls", "", "set tls.mode to files"),
        ("http: {httpPort: 8443}", "http", "8443", "must differ"),
        ("server: {hostKey: ssh-ed25519 AAAA}", "server", "", "set server.host"),
        ("app: {buildOn: server}", "app.buildOn", "server", "needs server.host"),
        ("registry: {url: r.a.fr/app, username: ann}", "registry", "", "set both of them, or none"),
        ("database: {mode: external}", "database", "", "pulumi config set --secret --path monopco:database.url"),
        ("dns: {mode: rfc2136}", "dns", "", "needs dns.server and dns.keyName and dns.keySecret"),
        ("dns: {records: [{name: '@', type: MX, value: mx.a.fr}]}", "dns.records.0", "", "a priority, for example 10"),
        ("backups: {remote: {bucket: copies}}", "backups.remote", "bucket", "without type"),
        ("app: {env: {KEY: x}, secrets: [KEY]}", "app.env.KEY", "", "keep one of them"),
        # secrets
        ("app: {secrets: [STRIPE_KEY]}", "STRIPE_KEY", "", "pulumi config set --secret STRIPE_KEY"),
        (f"{{STRIPE_KEY: {SECRET}, app: {{secrets: [STRIPE_KEY]}}}}", "STRIPE_KEY", "", "given in plain text"),
        (
            f"database: {{mode: external, url: 'postgresql://u:{SECRET}@h/d'}}",
            "database.url",
            "",
            "config set --secret",
        ),
        (f"database: {{mode: external, url: 'postgresql://u:#{SECRET}@h/d'}}", "database", "", "# / ? @ as %23"),
        (f"server: {{host: a.fr, privateKey: ~/.ssh/{SECRET}}}", "server.privateKey", "", "config set --secret"),
        (f"registry: {{url: r.a.fr, username: u, password: {SECRET}}}", "registry.password", "", "config set --secret"),
        (
            f"monitoring: {{alerts: {{webhook: {{url: 'https://a.fr/{SECRET}'}}}}}}",
            "monitoring.alerts.webhook.url",
            "",
            "config set --secret",
        ),
        (
            f"app: {{public: {{VITE_SUPABASE_ANON_KEY: {SERVICE_KEY}}}}}",
            "app.public.VITE_SUPABASE_ANON_KEY",
            "",
            "anon",
        ),
        (f"app: {{public: {{VITE_KEY: sb_secret_{SECRET}}}}}", "app.public.VITE_KEY", "", "make a new one there"),
    )
)
by_lines = pytest.mark.parametrize("mistake", MISTAKES, ids=[each.lines for each in MISTAKES])


def config(base: StackConfig, document: dict[str, Any]) -> StackConfig:
    """What Pulumi makes of a stack's file."""
    for name, value in document.items():
        if isinstance(value, dict):
            base = base.changed(name, **value)
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            base = StackConfig({**base.values, f"monopco:{name}": text}, base.secret_keys)
    return base


def test_there_are_enough_of_them() -> None:
    assert len({each.lines for each in MISTAKES}) >= 60


@by_lines
def test_a_mistake_is_told_with_its_key_what_was_given_and_what_to_do(base: StackConfig, mistake: Mistake) -> None:
    found = mistakes(config(base, yaml.safe_load(mistake.lines)))
    about = [one for one in found if one.startswith(f"{mistake.key}: ") and mistake.advice in one]
    assert about, found
    assert mistake.given in about[0]
    assert SECRET not in "".join(found)
    assert SERVICE_KEY not in "".join(found)


@by_lines
def test_the_program_makes_nothing_of_a_file_with_a_mistake(base: StackConfig, mistake: Mistake) -> None:
    recording = Recording(preview=False)
    with pytest.raises(pulumi.RunError, match="nothing was touched"):
        record_program("dev", config(base, yaml.safe_load(mistake.lines)), into=recording)
    assert [each for each in recording.resources if each.type != "pulumi:pulumi:Stack"] == []


class RefusedError(CommandError):
    """What the program says, which has seen all of the file."""


class Refusing(Pulumi):
    """Pulumi as it answers a file with a mistake; nothing is to be written."""

    def check(self) -> None:
        raise RefusedError("1 mistake in the configuration; nothing was touched", MISTAKE)

    def set_config(self, path: str, value: str) -> None:
        raise AssertionError(f"{path} was set to {value}")


@by_lines
def test_the_command_gets_as_far_as_the_program_and_asks_nobody(
    mistake: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `./monopco up` does before Pulumi reads the file: it stops there, or leaves the mistake to the program."""
    monkeypatch.setattr(first_contact, "_scan", lambda *_: pytest.fail("the server was asked"))
    monkeypatch.setattr(checkout, "_git", lambda *_, **__: pytest.fail("the repository was asked"))
    monkeypatch.setattr(containers, "of_stack", lambda _: [])
    monkeypatch.setattr(ports, "is_free", lambda _address, _port: True)
    document = yaml.safe_load(mistake.lines)
    given = {f"monopco:{name}": value for name, value in document.items()}
    (tmp_path / "Pulumi.yaml").write_text(Path("Pulumi.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": given}), encoding="utf-8")
    file, pulumi = StackFile.read("dev", tmp_path), Refusing("dev")
    with contextlib.suppress(RefusedError):
        first_contact.pin_host_key(file, pulumi)
        checkout.ensure(file, tmp_path)
        preflight.settle_ports(file, pulumi)
        assert file.ssh is None or isinstance(file.ssh.port, int)


def several() -> Iterator[Mistake]:
    """Mistakes that do not hide each other: one for each key, and none that needs the rest of its section right."""
    taken: set[str] = set()
    for each in MISTAKES:
        sections = set(yaml.safe_load(each.lines))
        if len(sections) == 1 and each.key.startswith(f"{next(iter(sections))}.") and not taken & sections:
            taken |= sections
            yield each


def test_several_mistakes_are_told_at_once(base: StackConfig) -> None:
    chosen = list(several())
    document: dict[str, Any] = {
        "databse": {},
        **{k: v for each in chosen for k, v in yaml.safe_load(each.lines).items()},
    }
    found = mistakes(config(base, document))
    missing = [each.key for each in chosen if not [one for one in found if one.startswith(f"{each.key}: ")]]
    assert len(chosen) >= 10
    assert missing == []
    assert any(one.startswith("databse: ") for one in found)


def test_a_wrong_value_in_one_section_hides_no_mistake_that_needs_a_look_elsewhere(base: StackConfig) -> None:
    document = {
        "http": {"httpPort": "no"},
        "app": {"source": "nowhere"},
        "tls": {"mode": "acme", "email": "a@a.fr"},
        "pinned": {"release": "0123456789"},
    }
    told = [one.partition(":")[0] for one in mistakes(config(base, document))]
    assert told == ["http.httpPort", "pinned.release", "app.source", "domain"]


def test_a_key_for_everybody_may_be_in_the_page(base: StackConfig) -> None:
    found = load(config(base, {"app": {"public": {"VITE_SUPABASE_ANON_KEY": ANON_KEY}}}))
    assert found.sections.app.public == {"VITE_SUPABASE_ANON_KEY": ANON_KEY}


def test_a_key_of_another_namespace_is_refused(base: StackConfig) -> None:
    misspelt = StackConfig({**base.values, "monopcco:app": '{"replicas": 3}', "docker:host": "unix:///x"})
    (told,) = mistakes(misspelt)
    assert told == "monopcco:app: nobody reads monopcco:; write it as monopco:app, or remove it"


def test_a_certificate_that_has_ended_or_is_for_another_name_is_told(base: StackConfig, tmp_path: Path) -> None:
    chain, key = write_certificate(tmp_path)
    files = {"mode": "files", "certificateFile": str(chain), "keyFile": str(key)}
    (told,) = mistakes(config(base, {"tls": files, "domain": {"name": "other.fr"}}))
    assert told.startswith(f"tls.certificateFile: {chain} does not cover other.fr (domain.name); it is for monopco.fr")


# What is wrong with the file itself, and what is told about it.
FILES = {
    "a tab": ("config:\n\tmonopco:app: {}\n", "is not valid YAML"),
    "a bracket": ("config:\n  monopco:app: {replicas: 2\n", "line 3"),
    "no config": ("monopco:app:\n  replicas: 2\n", "monopco:app must stand below the line config:"),
    "a list": ("config: [monopco]\n", "config must be an object"),
    "a text": ("config: monopco\n", "config must be an object"),
}


@pytest.mark.parametrize(("text", "words"), FILES.values(), ids=FILES)
def test_a_file_that_cannot_be_read_is_told(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("config: {}\n", encoding="utf-8")
    (tmp_path / "Pulumi.dev.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CommandError, match=r"Pulumi\.dev\.yaml") as raised:
        StackFile.read("dev", tmp_path)
    assert words in str(raised.value)
    assert raised.value.code == MISTAKE


def test_a_port_that_another_has_is_told_with_its_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "of_stack", lambda _: [])
    monkeypatch.setattr(containers, "publisher", lambda _: "somebody")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        http = {"address": "127.0.0.1", "httpPort": port, "httpsPort": 1}
        file = StackFile("dev", {"monopco:http": http}, {})
        with pytest.raises(CommandError) as raised:
            preflight.settle_ports(file, Refusing("dev"))
    assert str(raised.value) == (
        f"http.httpPort: port {port} is taken by the container somebody. Stop it, or choose another port: "
        "pulumi config set --stack dev --path monopco:http.httpPort PORT"
    )
