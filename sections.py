"""The sections of the configuration: what each key may hold, and what it means.

Types and rules only. Defaults stand in Pulumi.yaml; reading and merging them is the settings' part.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic.alias_generators import to_camel

_SIZE_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
_HOSTNAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CRON_FIELD = re.compile(r"(\*|[0-9,\-]+)(/[0-9]+)?")
_SMALLEST_MEMORY = 64 * 2**20
_LONGEST_PREFIX = 20
_CRON_FIELDS = 5


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
    if parse_size(text) < _SMALLEST_MEMORY:
        raise ValueError("must be at least 64M, Node and PostgreSQL do not start with less")
    return text


def _matching(pattern: str, rule: str) -> AfterValidator:
    """A text that is the pattern from end to end; otherwise the rule is told."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(rule)
        return text

    return AfterValidator(check)


def _hostname(text: str) -> str:
    if not _HOSTNAME.fullmatch(text):
        raise ValueError("must be a host name in small letters, for example monopco.fr")
    return text


def _variable(text: str) -> str:
    if not VARIABLE.fullmatch(text):
        raise ValueError("must be the name of an environment variable: letters, digits and _")
    return text


def _public_variable(text: str) -> str:
    if not (_variable(text).startswith("VITE_")):
        raise ValueError("must start with VITE_; other variables belong to app.env or app.secrets")
    return text


def _subnet(text: str) -> str:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ValueError("must be an IPv4 network such as 10.200.0.0/18") from error
    if not network.is_private or network.prefixlen > _LONGEST_PREFIX:
        raise ValueError("must be a private IPv4 network of /20 or larger, for example 10.200.0.0/18")
    return text


def _address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise ValueError("must be an IP address, for example 127.0.0.1 or 0.0.0.0") from error
    return text


def _database_url(url: str) -> None:
    parts = urlsplit(url)
    try:
        complete = (
            parts.scheme in ("postgres", "postgresql") and parts.hostname and parts.username and parts.path.strip("/")
        )
        _ = parts.port
    except ValueError:
        complete = None
    if not complete:
        raise ValueError(
            "url must have the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE (its value is not shown)"
        )


def _cron(text: str) -> str:
    fields = text.split()
    if len(fields) != _CRON_FIELDS or not all(_CRON_FIELD.fullmatch(field) for field in fields):
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
ReleaseId = Annotated[str, _matching(r"[0-9a-f]{10}", "must be the id of a release, as ./monopco releases shows it")]


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )


class Health(Section):
    path: Annotated[
        str,
        _matching(r"/[^\s]*", "must begin with / and hold no space"),
        Field(description="Path that is asked, with its query"),
    ]
    expect: Annotated[str, Field(min_length=1, description="Text which the body of a healthy answer contains")]
    start_seconds: Annotated[
        int, Field(ge=1, le=900, description="How long a first healthy answer may take, in seconds")
    ]


class App(Section):
    source: Annotated[str, Field(min_length=1, description="Folder of the source, or the URL of a git repository")]
    ref: Annotated[str | None, Field(description="Commit of a git source (40 hexadecimal digits)")]
    replicas: Annotated[int, Field(ge=1, le=16, description="Containers that share the requests")]
    memory: Annotated[Memory, Field(description="Limit of one container")]
    port: Annotated[Port, Field(description="Port that the app listens on, inside its container")]
    health: Health
    dependencies: Annotated[
        Literal["production", "all"],
        Field(description="Whether the image holds development dependencies, too"),
    ]
    env: Annotated[dict[Variable, EnvironmentText], Field(description="Environment of the app, not secret")]
    secrets: Annotated[list[Variable], Field(description="Names of Pulumi secrets that the app gets as environment")]
    public: Annotated[
        dict[PublicVariable, EnvironmentText],
        Field(description="VITE_* values, built into the client, readable by all"),
    ]
    drain_seconds: Annotated[
        int, Field(ge=0, le=600, description="Longest wait for requests on an old release, in seconds")
    ]
    watch_seconds: Annotated[
        int,
        Field(
            ge=0, le=600, description="How long a new release is compared with the one before it, in seconds; 0 is not"
        ),
    ]
    keep_releases: Annotated[int, Field(ge=2, le=50, description="Releases that can be gone back to, the newest ones")]
    read_only: Annotated[bool, Field(description="Root file system read-only; /tmp is writable always")]


class Domain(Section):
    name: Annotated[Hostname, Field(description="Canonical host name")]
    aliases: Annotated[list[Hostname], Field(description="Names that are redirected to it")]

    @model_validator(mode="after")
    def _distinct(self) -> Domain:
        names = [self.name, *self.aliases]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"name and aliases must differ, repeated: {', '.join(repeated)}")
        return self


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
    address: Annotated[str, AfterValidator(_address), Field(description="Address of this machine that is listened on")]
    http_port: Annotated[Port, Field(description="Public port for HTTP, which only redirects")]
    https_port: Annotated[Port, Field(description="Public port for HTTPS")]
    body_limit: Annotated[Size, Field(description="Largest request body")]
    requests_per_second: Annotated[int, Field(ge=1, description="Lasting request rate of one client address")]
    burst: Annotated[int, Field(ge=0, description="Requests above that rate which are let through at once")]
    hsts_seconds: Annotated[
        int, Field(ge=0, description="How long browsers come by HTTPS only, in seconds; 0 takes it back")
    ]
    content_security_policy: Annotated[
        str,
        _matching(r'[^"\n\\]*', "must be one line without double quotes and backslashes"),
        Field(description="Policy that browsers report on, without enforcing it"),
    ]

    @model_validator(mode="after")
    def _distinct(self) -> Http:
        if self.http_port == self.https_port:
            raise ValueError(f"httpPort and httpsPort must differ, both are {self.http_port}")
        return self


class Network(Section):
    subnet: Annotated[
        Annotated[str, AfterValidator(_subnet)] | None,
        Field(description="Private IPv4 network; chosen by the stack's name when empty"),
    ]


class Server(Section):
    host: Annotated[Hostname | None, Field(description="Host that is reached by SSH; this machine when empty")]
    port: Annotated[Port, Field(description="SSH port")]
    user: Annotated[
        str,
        _matching(r"[a-z_][a-z0-9_-]*", "must be a user name in small letters, for example monopco"),
        Field(description="SSH user"),
    ]
    private_key: Annotated[SecretStr | None, Field(description="SSH key (secret)")]
    host_key: Annotated[str | None, Field(description="Host key that must be met")]


class Database(Section):
    mode: Annotated[Literal["container", "external"], Field(description="A container of ours, or a database elsewhere")]
    url: Annotated[SecretStr | None, Field(description="URL of an external database (secret)")]
    migrations: Annotated[
        list[str],
        Field(description="Globs of the SQL scripts in the source, each run once, in the order of their names"),
    ]
    compatibility: Annotated[
        Literal["supabase", "none"], Field(description="What of Supabase a plain PostgreSQL is given")
    ]
    memory: Annotated[Memory, Field(description="Limit of the database container; its caches follow it")]
    protect: Annotated[bool, Field(description="Refuse to delete the data volume")]
    restore_points: Annotated[
        int, Field(ge=0, le=100, description="Dumps that are kept, each taken before scripts are run; 0 takes none")
    ]

    @model_validator(mode="after")
    def _reachable(self) -> Database:
        if self.mode == "external":
            if self.url is None:
                raise ValueError(
                    "mode external needs database.url: pulumi config set --secret --path monopco:database.url"
                )
            _database_url(self.url.get_secret_value())
        elif self.url is not None:
            raise ValueError("url is given, but mode is container; set database.mode to external or remove the url")
        return self


class Rotation(Section):
    database: Annotated[EnvironmentText, Field(description="Passwords of the database roles")]
    jwt: Annotated[EnvironmentText, Field(description="JWT_SECRET")]


class Pinned(Section):
    release: Annotated[
        ReleaseId | None, Field(description="Release that runs instead of the source's; publish and rollback set it")
    ]
    instead_of: Annotated[
        ReleaseId | None, Field(description="What the source gave then; once it gives another release, that one runs")
    ]
    accepts: Annotated[
        list[str], Field(description="Scripts of later releases that the pinned one can live with (rollback --accept)")
    ]


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
    pinned: Pinned
    dns: Dns
    backups: Backups
    monitoring: Monitoring
