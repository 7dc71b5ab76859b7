"""Typed configuration: the one place that reads `pulumi.Config`.

Defaults stand in Pulumi.yaml and nowhere else; a stack file overrides single keys of an object. Every mistake
is collected and reported at once, before the first resource is declared.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret
from pydantic import SecretStr, ValidationError

from certificates import CertificateError, doubts, read_authority, read_given, unorderable
from components.ssh import Ssh
from record import Record, RecordError, read_record
from sections import (
    DIRECTORIES,
    VARIABLE,
    App,
    DnsRecord,
    Node,
    Pinned,
    Sections,
    Tls,
    split_host_port,
    unfit_for_a_swarm,
)
from source import Source, SourceError
from zones.place import Access, Place
from zones.wanted import GivenRecord, Names, addresses
from zones.wanted import mistakes as wrong_records

PROJECT = Path(__file__).resolve().parent
NAMESPACE = "monopco"
LETS_ENCRYPT = "letsencrypt.org"
DNS_PORT = 53
SECRET_KEYS: tuple[tuple[str, ...], ...] = (
    ("database", "url"),
    ("server", "privateKey"),
    ("registry", "password"),
    ("dns", "keySecret"),
    ("dns", "credentials"),
    ("backups", "key"),
    ("backups", "remote", "key"),
    ("backups", "remote", "secret"),
    ("backups", "remote", "privateKey"),
    ("monitoring", "alerts", "email", "password"),
    ("monitoring", "alerts", "webhook", "url"),
    ("monitoring", "alerts", "heartbeatUrl"),
)
# Set by the release itself; the second ones may be given as secrets of one's own.
RESERVED = frozenset({"NODE_ENV", "PORT", "RELEASE"})
GENERATED = frozenset({"DATABASE_URL", "JWT_SECRET"})
# How pydantic's words for what a value must be are put to people.
_MUST_BE = {
    "model_type": "must be an object",
    "dict_type": "must be an object of names and values, for example {NAME: value}",
    "list_type": "must be a list, for example [one, two]",
    "string_type": "must be a text",
    "string_too_short": "must not be empty",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "missing": "is missing",
}
# Whose configuration may stand beside ours in a stack's file.
_NAMESPACES = (NAMESPACE, "pulumi", "docker", "command", "random")
# What Docker takes in the name of an image, a container and a network.
_STACK_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class ConfigError(ValueError):
    """Mistakes in the configuration, one line each: `key: what is wrong (got X); what to do`."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        lines = "\n".join(f"  - {mistake}" for mistake in self.mistakes)
        super().__init__(f"{count} in the configuration; nothing was touched\n{lines}")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One environment, checked: the stack's name, its sections, the secrets by name, and what there is to run."""

    stack: str
    sections: Sections
    secrets: Mapping[str, SecretStr]
    source: Source | None
    """The app's source; None when it cannot be read, which hinders nothing while a release is pinned."""
    pinned: Record | None
    """The release that stands in for the source, as long as the source gives what it gave when it was pinned."""
    certificate: SecretStr | None
    """PEM chain and key for tls.mode files."""
    authorized_key: str
    """Public part of server.privateKey, as OpenSSH writes it; empty when no key is given."""

    @property
    def ssh(self) -> Ssh | None:
        """How the server is reached; None when it is this machine."""
        server = self.sections.server
        if server.host is None:
            return None
        return Ssh(host=server.host, port=server.port, host_key=server.host_key, own_key=server.private_key is not None)

    def ssh_of(self, node: Node) -> Ssh:
        """How another server of a swarm is reached."""
        server = self.sections.server
        return Ssh(host=node.host, port=server.port, host_key=node.host_key, own_key=server.private_key is not None)

    authority: str
    """PEM certificates of the ACME directory's own authority; empty when the system knows it."""
    remote_authority: str | None
    """Certificate authority of the second place for backups."""

    @property
    def docker_host(self) -> str | None:
        """The Docker host as Docker writes it; None is this machine's own."""
        return self.ssh.docker_host if self.ssh else None

    @property
    def dns_names(self) -> Names:
        """What the DNS records follow from."""
        return _dns_names(self.sections)

    @property
    def dns_place(self) -> Place | None:
        """Where the zone is changed; None leaves that to a person."""
        dns = self.sections.dns
        if dns.mode == "manual":
            return None
        host, port = split_host_port(dns.server, DNS_PORT) if dns.server else ("", DNS_PORT)
        return Place(
            mode=dns.mode,
            zone=self.dns_names.zone,
            **(
                {"host": host, "port": port, "key_name": dns.key_name or "", "key_algorithm": dns.key_algorithm}
                if dns.mode == "rfc2136"
                else {"provider": dns.provider or ""}
            ),
        )

    @property
    def dns_access(self) -> SecretStr:
        """The secrets by which it is changed, as `zones` reads them."""
        dns = self.sections.dns
        access = Access(
            key_secret=dns.key_secret.get_secret_value() if dns.mode == "rfc2136" and dns.key_secret else "",
            credentials={name: value.get_secret_value() for name, value in dns.credentials.items()}
            if dns.mode == "lexicon"
            else {},
        )
        return SecretStr(access.to_json())

    @property
    def challenge_access(self) -> SecretStr:
        """How the records of DNS-01 are made, as JSON; an empty object for HTTP-01."""
        place = self.dns_place
        if self.sections.tls.challenge != "dns-01" or place is None:
            return SecretStr("{}")
        return SecretStr(f'{{"access": {self.dns_access.get_secret_value()}, "place": {place.to_json()}}}')

    def secret_version(self, value: SecretStr) -> str:
        """Eight digits that change with a secret: too few to find the secret by."""
        digest = hashlib.blake2b(value.get_secret_value().encode(), key=self.stack.encode()[:64], digest_size=4)
        return digest.hexdigest()

    def secret_versions(self) -> dict[str, str]:
        """A version for every secret that the app is given, generated ones included."""
        rotation, url = self.sections.rotation, self.sections.database.url
        return {
            "DATABASE_URL": self.secret_version(url) if url else rotation.database,
            "JWT_SECRET": rotation.jwt,
            **{name: self.secret_version(value) for name, value in self.secrets.items()},
        }


def default_sections() -> dict[str, Any]:
    """The defaults of Pulumi.yaml, by section."""
    project = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text(encoding="utf-8"))
    prefix = f"{NAMESPACE}:"
    return {key.removeprefix(prefix): entry["default"] for key, entry in project["config"].items()}


def _merge(default: Any, given: Any) -> Any:
    if isinstance(default, dict) and isinstance(given, dict):
        return {**default, **{key: _merge(default.get(key), value) for key, value in given.items()}}
    return given


def _given() -> dict[str, str]:
    """Every configuration value of our namespace, as Pulumi hands it over: text, objects as JSON."""
    values = {**get_config_env(), **CONFIG.get()}
    prefix = f"{NAMESPACE}:"
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}


def _at(values: Any, location: Sequence[Any]) -> Any:
    """What stands at a location of nested objects and lists; None where there is nothing."""
    for part in location:
        if isinstance(values, dict):
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            return None
    return values


def _known_keys(location: Sequence[Any]) -> list[str]:
    """The keys of an object of the configuration; the objects of a list have no defaults."""
    if any(isinstance(part, int) for part in location):
        fields = (Node if location[0] == "server" else DnsRecord).model_fields
        return [field.alias or name for name, field in fields.items()]
    return list(_at(default_sections(), location))


def _similar(name: str, known: Iterable[str]) -> str:
    """` (did you mean X?)` when one of the known names is much like it."""
    by_letters: dict[str, str] = {}
    for each in known:  # the first of several with one name is the likeliest
        by_letters.setdefault(each.rpartition(".")[2].lower().replace("_", ""), each)
    found = difflib.get_close_matches(name.lower().replace("_", ""), by_letters, n=1)
    return f" (did you mean {by_letters[found[0]]}?)" if found else ""


def _unknown(name: str, values: Mapping[str, Any], names: Sequence[str]) -> str:
    """A key that stands beside the sections and is none of them, nor a secret that the app is given."""
    section, dot, key = name.partition(".")
    inside = [f"{each}.{key}" for each, section_values in values.items() for key in section_values]
    exact = next((f" (did you mean {each}?)" for each in inside if each.partition(".")[2] == name), "")
    near = _similar(name, names) or _similar(name, values) or _similar(name, inside if name.islower() else [])
    hint = exact or near
    if dot and section in values:
        hint = f" (inside {NAMESPACE}:{section} it is {key}: pulumi config set --path {NAMESPACE}:{name} VALUE)"
    return f"{name}: unknown key{hint}; known are {', '.join(values)}, and the names in app.secrets"


def _check_namespaces(mistakes: list[str]) -> None:
    for name in sorted(CONFIG.get()):
        namespace, _, key = name.partition(":")
        if namespace not in _NAMESPACES:
            mistakes.append(f"{name}: nobody reads {namespace}:; write it as {NAMESPACE}:{key}, or remove it")


def _explain(error: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """One pydantic error as `key: what is wrong (got X)`; the values of secret keys are left out.

    So is what stands in the place of an object that holds one, or under a wrong name: it may be a secret.
    """
    wrong_name = "[key]" in error["loc"]
    location = [part for part in error["loc"] if part != "[key]"]
    key = ".".join(str(part) for part in location)
    if error["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        return f"{key}: unknown key{_similar(str(location[-1]), known)}; known are {', '.join(known)}"
    message = _MUST_BE.get(error["type"]) or str(error["msg"])
    if error["type"] == "model_type":
        message += f" with the keys {', '.join(_known_keys(location))}"
    message = message.removeprefix("Value error, ").replace("Input should be", "must be")
    value = _at(values, location)
    hidden = any(all(ours == its for ours, its in zip(location, each, strict=False)) for each in SECRET_KEYS)
    together = error["type"] == "value_error" and isinstance(value, dict | list)  # what keys say together
    if error["type"] == "missing" or wrong_name or hidden or together:
        return f"{key}: {message}"
    return f"{key}: {message} (got {_shown(value)})"


def _shown(value: object) -> str:
    """A value as it was given; of what holds others only the kind, since secrets may be among them."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return json.dumps(value, ensure_ascii=False)


def _parse_sections(given: Mapping[str, str], mistakes: list[str]) -> dict[str, Any]:
    defaults = default_sections()
    values: dict[str, Any] = {}
    for name, default in defaults.items():
        raw: Any = given.get(name, "{}")
        try:
            section = json.loads(raw) if isinstance(raw, str) else raw
        except json.JSONDecodeError:
            section = None
        if not isinstance(section, dict):
            mistakes.append(f"{name}: must be an object with the keys {', '.join(default)}")
            section = {}
        values[name] = _merge(default, section)
    return values


def _sections(values: Mapping[str, Any], mistakes: list[str]) -> tuple[Sections, set[str]]:
    """The sections, and the names of the wrong ones: these have their defaults, so that the rest can be checked."""
    try:
        return Sections.model_validate(values), set()
    except ValidationError as error:
        mistakes += [_explain(detail, values) for detail in error.errors()]
        wrong = {str(detail["loc"][0]) for detail in error.errors()}
    defaults = default_sections()
    return Sections.model_validate({**values, **{name: defaults[name] for name in wrong}}), wrong


def _check_plain_text(values: Mapping[str, Any], mistakes: list[str]) -> None:
    for location in SECRET_KEYS:
        value = _at(values, location)
        if value and not is_config_secret(f"{NAMESPACE}:{location[0]}"):
            key = ".".join(location)
            path = f"{key}.NAME" if isinstance(value, dict) else key
            mistakes.append(
                f"{key}: is given in plain text; remove it, change it where it came from, "
                f"and set it with: pulumi config set --secret --path {NAMESPACE}:{path}"
            )


def _secret_names(given: Any) -> list[str]:
    """The names in app.secrets that can be looked for, whatever else stands there."""
    names = given if isinstance(given, list) else []
    return list(dict.fromkeys(name for name in names if isinstance(name, str) and VARIABLE.fullmatch(name)))


def _app_secrets(names: Sequence[str], given: Mapping[str, str], mistakes: list[str]) -> dict[str, SecretStr]:
    secrets: dict[str, SecretStr] = {}
    for name in names:
        value = given.get(name)
        if not value:
            mistakes.append(
                f"{name}: is missing (app.secrets asks for it); set it with: pulumi config set --secret {name}"
            )
        elif not is_config_secret(f"{NAMESPACE}:{name}"):
            mistakes.append(
                f"{name}: is given in plain text; make a new one where it came from, and set it with: "
                f"pulumi config set --secret {name}"
            )
        else:
            secrets[name] = SecretStr(value)
    return secrets


def _check_names(app: App, mistakes: list[str]) -> None:
    env, secrets, public = set(app.env), set(app.secrets), set(app.public)
    mistakes += [
        *(f"app.env.{name}: is set by monopco itself; remove it" for name in sorted((RESERVED | GENERATED) & env)),
        *(f"app.secrets: {name} is set by monopco itself; remove it" for name in sorted(RESERVED & secrets)),
        *(f"app.env.{name}: stands in app.secrets, too; keep one of them" for name in sorted(env & secrets)),
        *(
            f"app.public.{name}: is built into the page for all to read, so it cannot be in app.secrets"
            for name in sorted(public & secrets)
        ),
        *(
            f"app.public.{name}: is a secret key of Supabase, and would be built into the page for all to read; make a "
            "new one there, and give the page the anon key"
            for name, value in sorted(app.public.items())
            if _rules_supabase(value)
        ),
    ]


def _rules_supabase(value: str) -> bool:
    """Whether it is a key of Supabase that no rule of the database holds back."""
    parts = value.split(".")
    if len(parts) != len(("header", "claims", "signature")):
        return value.startswith("sb_secret_")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return False
    return isinstance(claims, dict) and claims.get("role") == "service_role"


def _check_places(sections: Sections, mistakes: list[str]) -> None:
    if sections.app.build_on == "server" and sections.server.host is None:
        mistakes.append("app.buildOn: server needs server.host; set it, or build here")


def _dns_names(sections: Sections) -> Names:
    domain, dns, tls = sections.domain, sections.dns, sections.tls
    ipv4, ipv6 = addresses(sections.server.host, dns.ipv4, dns.ipv6)
    authorities = dns.caa
    if authorities is None:
        public = tls.mode == "acme" and tls.directory in DIRECTORIES.values()
        authorities = [LETS_ENCRYPT] if public and (ipv4 or ipv6) else []
    return Names(
        domain=domain.name,
        # Where there is no server, there is nothing to point at.
        aliases=domain.aliases if sections.server.host or ipv4 or ipv6 else [],
        zone=dns.zone or domain.name,
        ipv4=ipv4,
        ipv6=ipv6,
        ttl=dns.ttl,
        authorities=authorities,
        records=[GivenRecord(**record.model_dump()) for record in dns.records],
    )


def _check_dns(sections: Sections, mistakes: list[str]) -> None:
    names = _dns_names(sections)
    mistakes += wrong_records(names)
    if sections.dns.mode != "manual" and not (names.ipv4 or names.ipv6):
        mistakes.append(f"dns.ipv4: is missing; set it to the address that {names.domain} is to point at")


def _certificate(sections: Sections, mistakes: list[str]) -> SecretStr | None:
    try:
        given = read_given(PROJECT, sections.tls, sections.domain)
    except CertificateError as error:
        mistakes += error.mistakes
        return None
    for warning in [*(given.warnings if given else ()), *doubts(sections)]:
        pulumi.log.warn(warning)
    return SecretStr(given.pem) if given else None


def _authority(tls: Tls, mistakes: list[str]) -> str:
    try:
        return read_authority(PROJECT, tls)
    except CertificateError as error:
        mistakes += error.mistakes
        return ""


def _authorized_key(private_key: SecretStr | None, mistakes: list[str]) -> str:
    if private_key is None:
        return ""
    text = private_key.get_secret_value().strip().encode() + b"\n"
    try:
        load = load_ssh_private_key if b"OPENSSH" in text else load_pem_private_key
        return load(text, None).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        mistakes.append(
            "server.privateKey: is not a private key without a passphrase (its value is not shown); make one with "
            "ssh-keygen -t ed25519 -N '' -f FILE, and set it with: "
            "pulumi config set --secret --path monopco:server.privateKey < FILE"
        )
        return ""


def _remote_authority(name: str | None, mistakes: list[str]) -> str | None:
    if name is None:
        return None
    try:
        text = (PROJECT / Path(name).expanduser()).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        mistakes.append(f"backups.remote.caFile: cannot be read: {error}")
        return None
    if "BEGIN CERTIFICATE" not in text:
        mistakes.append(f"backups.remote.caFile: {name} holds no PEM block with BEGIN CERTIFICATE")
    return text


def _pinned(stack: str, pinned: Pinned, mistakes: list[str]) -> Record | None:
    if pinned.release is None:
        return None
    try:
        return read_record(PROJECT, stack, pinned.release)
    except RecordError as error:
        mistakes.append(str(error))
        return None


def _source(sections: Sections, pinned: Record | None, mistakes: list[str]) -> Source | None:
    try:
        return Source.read(PROJECT, sections.app.source, sections.app.ref, sections.database.migrations)
    except SourceError as error:
        if pinned is None:
            mistakes.append(str(error))
        else:
            pulumi.log.warn(f"{error}\nRelease {pinned.release_id} is pinned and needs no source.")
        return None


def load(stack: str) -> Settings:
    """The settings of `stack`. Raises ConfigError with every mistake found."""
    given = _given()
    mistakes: list[str] = []
    if not _STACK_NAME.fullmatch(stack):
        mistakes.append(f"stack: its name must be small letters, digits and single hyphens (got {json.dumps(stack)})")
    values = _parse_sections(given, mistakes)
    _check_namespaces(mistakes)
    _check_plain_text(values, mistakes)
    sections, wrong = _sections(values, mistakes)
    names = _secret_names(values["app"]["secrets"])
    secrets = _app_secrets(names, given, mistakes)
    mistakes += [_unknown(key, values, names) for key in sorted(set(given) - set(values) - set(names))]

    def right(*needed: str) -> bool:
        return not wrong & set(needed)

    if right("app"):
        _check_names(sections.app, mistakes)
    if right("app", "server"):
        _check_places(sections, mistakes)
    if right("domain", "dns", "tls", "server"):
        _check_dns(sections, mistakes)
    pinned = _pinned(stack, sections.pinned, mistakes) if right("pinned") else None
    source = _source(sections, pinned, mistakes) if right("app", "database") else None
    authorized_key = _authorized_key(sections.server.private_key, mistakes)
    certificate = _certificate(sections, mistakes) if right("tls", "domain", "http") else None
    authority = _authority(sections.tls, mistakes)
    if right("tls", "domain", "dns"):
        mistakes += unorderable(sections)
        mistakes += unfit_for_a_swarm(sections) if right("server", "http", "app", "monitoring") else []
    remote_authority = _remote_authority(sections.backups.remote.ca_file, mistakes)
    if mistakes:
        raise ConfigError(mistakes)
    return Settings(
        stack=stack,
        sections=sections,
        secrets=secrets,
        source=source,
        pinned=pinned,
        certificate=certificate,
        authorized_key=authorized_key,
        authority=authority,
        remote_authority=remote_authority,
    )


def secret(value: SecretStr) -> pulumi.Output[str]:
    """A configured secret as Pulumi keeps it: encrypted in the state, hidden in every display."""
    return pulumi.Output.secret(value.get_secret_value())


def plain(value: Any) -> Any:
    """A configured value as it is, secret or not: for what is handed on as a secret as a whole."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value
