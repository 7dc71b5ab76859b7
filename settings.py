"""Typed configuration: the one place that reads `pulumi.Config`.

Defaults stand in Pulumi.yaml and nowhere else; a stack file overrides single keys of an object. Every mistake
is collected and reported at once, before the first resource is declared.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import pulumi
import yaml
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from source import Source, SourceError

PROJECT = Path(__file__).resolve().parent
NAMESPACE = "monopco"

_SIZE_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
_HOSTNAME = re.compile(r"^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$")
_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_CRON_FIELD = re.compile(r"^(\*|[0-9,\-]+)(/[0-9]+)?$")


class ConfigError(ValueError):
    """Mistakes in the configuration, one line each: `key: what is wrong (got X); what to do`."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        count = "1 mistake" if len(self.mistakes) == 1 else f"{len(self.mistakes)} mistakes"
        lines = "\n".join(f"  - {mistake}" for mistake in self.mistakes)
        super().__init__(f"{count} in the configuration; nothing was touched\n{lines}")


def parse_size(text: str) -> int:
    """Bytes of a size such as "500M" (binary units, as Docker counts them); ValueError names what is allowed."""
    match = re.fullmatch(r"([1-9][0-9]*)([KMG])", text)
    if not match:
        raise ValueError('must be a whole number followed by K, M or G, for example "500M"')
    return int(match[1]) * _SIZE_UNITS[match[2]]


def _size(text: str) -> str:
    parse_size(text)
    return text


def _memory(text: str) -> str:
    if parse_size(text) < 64 * 2**20:
        raise ValueError("must be at least 64M, Node and PostgreSQL do not start with less")
    return text


def _hostname(text: str) -> str:
    if not _HOSTNAME.match(text):
        raise ValueError("must be a host name in small letters, for example monopco.fr")
    return text


def _variable(text: str) -> str:
    if not _VARIABLE.match(text):
        raise ValueError("must be the name of an environment variable: letters, digits and _")
    return text


def _public_variable(text: str) -> str:
    if not (_variable(text).startswith("VITE_")):
        raise ValueError("must start with VITE_; other variables belong to app.env or app.secrets")
    return text


def _subnet(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError("must be a network such as 10.200.0.0/18") from error
    if network.version != 4 or not network.is_private or network.prefixlen > 20:
        raise ValueError("must be a private IPv4 network of /20 or larger, for example 10.200.0.0/18")
    return text


def _cron(text: str) -> str:
    fields = text.split()
    if len(fields) != 5 or not all(_CRON_FIELD.match(field) for field in fields):
        raise ValueError('must have the five fields of cron, for example "0 2 * * *"')
    return text


def _text(value: object) -> object:
    """Environment values are text: numbers and booleans of YAML are taken as they are written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


Size = Annotated[str, AfterValidator(_size)]
Memory = Annotated[str, AfterValidator(_memory)]
Hostname = Annotated[str, AfterValidator(_hostname)]
Variable = Annotated[str, AfterValidator(_variable)]
PublicVariable = Annotated[str, AfterValidator(_public_variable)]
EnvironmentText = Annotated[str, BeforeValidator(_text)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )


class Health(Section):
    path: Annotated[str, Field(pattern="^/", description="Path that is asked, with its query")]
    expect: Annotated[str, Field(min_length=1, description="Text which the body of a healthy answer contains")]
    start_seconds: Annotated[int, Field(ge=1, le=900, description="How long a first healthy answer may take, in seconds")]


class App(Section):
    source: Annotated[str, Field(min_length=1, description="Folder of the source, or the URL of a git repository")]
    ref: Annotated[str | None, Field(description="Commit of a git source (40 hexadecimal digits)")]
    replicas: Annotated[int, Field(ge=1, le=16, description="Containers that share the requests")]
    memory: Annotated[Memory, Field(description="Limit of one container")]
    port: Annotated[Port, Field(description="Port that the app listens on, inside its container")]
    health: Health
    dependencies: Annotated[
        Literal["production", "all"], Field(description="Whether the image holds development dependencies, too")
    ]
    env: Annotated[dict[Variable, EnvironmentText], Field(description="Environment of the app, not secret")]
    secrets: Annotated[list[Variable], Field(description="Names of Pulumi secrets that the app gets as environment")]
    public: Annotated[
        dict[PublicVariable, EnvironmentText], Field(description="VITE_* values, built into the client, readable by all")
    ]
    drain_seconds: Annotated[int, Field(ge=0, le=600, description="Longest wait for requests on an old release, in seconds")]
    read_only: Annotated[bool, Field(description="Root file system read-only; /tmp is writable always")]


class Domain(Section):
    name: Annotated[Hostname, Field(description="Canonical host name")]
    aliases: Annotated[list[Hostname], Field(description="Names that are redirected to it")]


class Tls(Section):
    mode: Annotated[Literal["self-signed", "acme", "files"], Field(description="Source of the certificate")]
    email: Annotated[str | None, Field(description="Contact for the ACME account")]
    directory_url: Annotated[str | None, Field(description="ACME directory; Let's Encrypt when empty")]
    ca_file: Annotated[str | None, Field(description="Certificate authority of the ACME directory")]
    certificate_file: Annotated[str | None, Field(description="PEM chain for mode files")]
    key_file: Annotated[str | None, Field(description="PEM key for mode files")]

    @model_validator(mode="after")
    def _complete(self) -> Tls:
        if self.mode == "acme" and not self.email:
            raise ValueError("mode acme needs tls.email, where the authority writes before a certificate ends")
        if self.mode == "files" and not (self.certificate_file and self.key_file):
            raise ValueError("mode files needs tls.certificateFile and tls.keyFile")
        return self


class Http(Section):
    address: Annotated[str, Field(description="Address of this machine that is listened on")]
    http_port: Annotated[Port, Field(description="Public port for HTTP, which only redirects")]
    https_port: Annotated[Port, Field(description="Public port for HTTPS")]
    body_limit: Annotated[Size, Field(description="Largest request body")]
    requests_per_second: Annotated[int, Field(ge=1, description="Lasting request rate of one client address")]
    burst: Annotated[int, Field(ge=0, description="Requests above that rate which are let through at once")]
    content_security_policy: Annotated[
        str, Field(pattern=r'^[^"\n\\]*$', description="Policy that browsers report on, without enforcing it")
    ]

    @model_validator(mode="after")
    def _distinct(self) -> Http:
        if self.http_port == self.https_port:
            raise ValueError(f"httpPort and httpsPort must differ, both are {self.http_port}")
        try:
            ipaddress.ip_address(self.address)
        except ValueError as error:
            raise ValueError("address must be an IP address, for example 127.0.0.1 or 0.0.0.0") from error
        return self


class Network(Section):
    subnet: Annotated[
        Annotated[str, AfterValidator(_subnet)] | None,
        Field(description="Private IPv4 network; chosen by the stack's name when empty"),
    ]


class Server(Section):
    host: Annotated[Hostname | None, Field(description="Host that is reached by SSH; this machine when empty")]
    port: Annotated[Port, Field(description="SSH port")]
    user: Annotated[str, Field(pattern="^[a-z_][a-z0-9_-]*$", description="SSH user")]
    private_key: Annotated[SecretStr | None, Field(description="SSH key (secret)")]
    host_key: Annotated[str | None, Field(description="Host key that must be met")]


class Database(Section):
    mode: Annotated[Literal["container", "external"], Field(description="A container of ours, or a database elsewhere")]
    url: Annotated[SecretStr | None, Field(description="URL of an external database (secret)")]
    migrations: Annotated[
        list[str], Field(description="Globs of the SQL scripts in the source, each run once, in the order of their names")
    ]
    compatibility: Annotated[
        Literal["supabase", "none"], Field(description="What of Supabase a plain PostgreSQL is given")
    ]
    memory: Annotated[Memory, Field(description="Limit of the database container; its caches follow it")]
    protect: Annotated[bool, Field(description="Refuse to delete the data volume")]

    @model_validator(mode="after")
    def _reachable(self) -> Database:
        if self.mode == "external":
            if self.url is None:
                raise ValueError("mode external needs database.url: pulumi config set --secret --path monopco:database.url")
            _database_url(self.url.get_secret_value())
        elif self.url is not None:
            raise ValueError("url is given, but mode is container; set database.mode to external or remove the url")
        return self


class Rotation(Section):
    database: Annotated[EnvironmentText, Field(description="Passwords of the database roles")]
    jwt: Annotated[EnvironmentText, Field(description="JWT_SECRET")]


class Dns(Section):
    mode: Annotated[Literal["manual"], Field(description="manual lists the records for you to make")]


class Backups(Section):
    schedule: Annotated[str, AfterValidator(_cron), Field(description="Cron time of the daily backup")]
    keep_days: Annotated[int, Field(ge=1, le=3650, description="Days that a backup is kept")]
    remote: Annotated[dict[str, str], Field(description="Second place for backups")]


class Monitoring(Section):
    enabled: Annotated[bool, Field(description="Whether the environment is watched")]
    alerts: Annotated[dict[str, str], Field(description="Whom to tell: email or webhook")]


class Sections(Section):
    """What the stack file may say, section by section."""

    app: App
    domain: Domain
    tls: Tls
    http: Http
    network: Network
    server: Server
    database: Database
    rotation: Rotation
    dns: Dns
    backups: Backups
    monitoring: Monitoring


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One environment, checked: the stack's name, its sections, the secrets by name, and the app's source."""

    stack: str
    sections: Sections
    secrets: Mapping[str, SecretStr]
    source: Source


def _database_url(url: str) -> None:
    parts = urlsplit(url)
    try:
        complete = parts.scheme in ("postgres", "postgresql") and parts.hostname and parts.username and parts.path.strip("/")
        _ = parts.port
    except ValueError:
        complete = None
    if not complete:
        raise ValueError("url must have the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE (its value is not shown)")


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


def _explain(error: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """One pydantic error as `key: what is wrong (got X)`; the values of secret keys are left out."""
    location = [part for part in error["loc"] if part != "[key]"]
    key = ".".join(str(part) for part in location)
    if error["type"] == "extra_forbidden":
        section = values
        for part in location[:-1]:
            section = section[part]
        allowed = ", ".join(sorted(default_sections() if len(location) == 1 else _known_keys(location[:-1])))
        return f"{key}: unknown key; known are {allowed}"
    message = str(error["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    if not str(error["msg"]).startswith("Value error, "):
        message = f"must be {message}"
    value = values
    for part in location:
        value = value[part] if isinstance(value, (dict, list)) and part in _indices(value) else None
    shown = isinstance(value, (str, int, float, bool)) and key not in ("database.url", "server.privateKey")
    return f"{key}: {message} (got {json.dumps(value, ensure_ascii=False)})" if shown else f"{key}: {message}"


def _indices(value: Any) -> Sequence[Any]:
    return list(value) if isinstance(value, dict) else range(len(value))


def _known_keys(location: Sequence[Any]) -> list[str]:
    known: Any = default_sections()
    for part in location:
        known = known.get(part, {}) if isinstance(known, dict) else {}
    return list(known)


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


def _check_plain_text(given: Mapping[str, str], values: Mapping[str, Any], mistakes: list[str]) -> None:
    for section, key in (("database", "url"), ("server", "privateKey")):
        if values[section].get(key) and not is_config_secret(f"{NAMESPACE}:{section}"):
            path = f"{NAMESPACE}:{section}.{key}"
            mistakes.append(
                f"{section}.{key}: is given in plain text; remove it, change it where it came from, "
                f"and set it with: pulumi config set --secret --path {path}"
            )


def _app_secrets(names: Sequence[str], given: Mapping[str, str], mistakes: list[str]) -> dict[str, SecretStr]:
    secrets: dict[str, SecretStr] = {}
    for name in names:
        value = given.get(name)
        if not value:
            mistakes.append(f"{name}: is missing (app.secrets asks for it); set it with: pulumi config set --secret {name}")
        elif not is_config_secret(f"{NAMESPACE}:{name}"):
            mistakes.append(
                f"{name}: is given in plain text; make a new one where it came from, and set it with: "
                f"pulumi config set --secret {name}"
            )
        else:
            secrets[name] = SecretStr(value)
    return secrets


def _check_names(app: App, mistakes: list[str]) -> None:
    reserved = {"PORT", "RELEASE", "NODE_ENV"}
    for name in sorted(reserved & {*app.env, *app.secrets}):
        mistakes.append(f"app.env.{name}: is set by monopco itself; remove it")
    for name in sorted(set(app.env) & set(app.secrets)):
        mistakes.append(f"app.env.{name}: stands in app.secrets, too; keep one of them")
    for name in sorted(set(app.secrets) & set(app.public)):
        mistakes.append(f"app.public.{name}: is built into the page for all to read, so it cannot be in app.secrets")


def load(stack: str) -> Settings:
    """The settings of `stack`. Raises ConfigError with every mistake found."""
    given = _given()
    mistakes: list[str] = []
    values = _parse_sections(given, mistakes)
    _check_plain_text(given, values, mistakes)
    try:
        sections = Sections.model_validate(values)
    except ValidationError as error:
        mistakes += [_explain(detail, values) for detail in error.errors()]  # type: ignore[arg-type]
        sections = None
    app = values["app"]
    names = [name for name in app.get("secrets") or [] if isinstance(name, str)]
    secrets = _app_secrets(names, given, mistakes)
    for key in sorted(set(given) - set(values) - set(names)):
        mistakes.append(f"{key}: unknown key; known are {', '.join(values)}, and the names in app.secrets")
    source = None
    if sections is not None:
        _check_names(sections.app, mistakes)
        try:
            source = Source.read(PROJECT, sections.app.source, sections.app.ref, sections.database.migrations)
        except SourceError as error:
            mistakes.append(str(error))
    if mistakes or sections is None or source is None:
        raise ConfigError(mistakes)
    return Settings(stack=stack, sections=sections, secrets=secrets, source=source)


def secret(value: SecretStr) -> pulumi.Output[str]:
    """A configured secret as Pulumi keeps it: encrypted in the state, hidden in every display."""
    return pulumi.Output.secret(value.get_secret_value())
