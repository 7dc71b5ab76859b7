"""The sections of the configuration: what each key may hold, and what it means.

Types and rules only. Defaults stand in Pulumi.yaml; reading and merging them is the settings' part.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

_SIZE_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
_HOSTNAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RECORD_LABEL = re.compile(r"\*|_?[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?")
_CAA = re.compile(r'(0|128) (issue|issuewild|iodef) "[\x21\x23-\x7e ]*"')
_LARGEST_PORT = 65535
# What lexicon calls the access to each provider: what it needs, and what it takes besides.
LEXICON_OPTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ovh": (("auth_entrypoint", "auth_application_key", "auth_application_secret", "auth_consumer_key"), ()),
    "gandi": (("auth_token",), ("api_protocol",)),
    "cloudflare": (("auth_token",), ("auth_username", "zone_id")),
    "scaleway": (("auth_secret_key",), ()),
    "hetzner": (("auth_token",), ()),
}
DIRECTORIES = {
    "production": "https://acme-v02.api.letsencrypt.org/directory",
    "staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
_CRON_PART = re.compile(r"(?:(\*)|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([0-9]{1,2}))?")
# Of minutes, hours, days of the month, months, days of the week; Sunday is 0 and 7.
_CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_S3_KEYS = ("endpoint", "bucket", "region", "key", "secret")
_SFTP_KEYS = ("host", "user", "private_key", "host_key")
_SMALLEST_MEMORY = 64 * 2**20
_LONGEST_PREFIX = 20


_SIZE_RULE = 'must be a whole number followed by K, M or G, for example "500M"'
# Of each month; a day that a month does not have never comes.
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def parse_size(text: str) -> int:
    """Bytes of a size such as "500M" (binary units, as Docker counts them); ValueError names what is allowed."""
    match = re.fullmatch(r"([1-9][0-9]*)([KMG])", text)
    if not match:
        raise ValueError(_SIZE_RULE)
    return int(match[1]) * _SIZE_UNITS[match[2]]


def _size(text: str) -> str:
    parse_size(text)
    return text


def _unit(value: object) -> object:
    """A number alone does not say what it counts."""
    if isinstance(value, (int, float)):
        raise ValueError(_SIZE_RULE)  # noqa: TRY004 - pydantic takes a ValueError for a mistake of the user
    return value


def _memory(text: str) -> str:
    if parse_size(text) < _SMALLEST_MEMORY:
        raise ValueError("must be at least 64M, Node and PostgreSQL do not start with less")
    return text


def _matching(pattern: str, rule: str) -> AfterValidator:
    """A text that is the pattern from end to end; otherwise the rule is told."""

    def check(text: str | None) -> str | None:
        if text is not None and not re.fullmatch(pattern, text):
            raise ValueError(rule)
        return text

    return AfterValidator(check)


def _hostname(text: str) -> str:
    if not _HOSTNAME.fullmatch(text):
        raise ValueError("must be a host name in small letters, without scheme, user and port, for example monopco.fr")
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


def _mail_host(text: str) -> str:
    try:
        return _address(text)
    except ValueError:
        return _hostname(text)


def _address(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise ValueError("must be an IP address, for example 127.0.0.1 or 0.0.0.0") from error
    return text


def _directory(text: str) -> str:
    if text not in DIRECTORIES and not re.fullmatch(r"https://[^\s/]+/?\S*", text):
        raise ValueError(f"must be {' or '.join(DIRECTORIES)} (both Let's Encrypt), or an https:// URL")
    return text


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError("must be an address or a network, for example 203.0.113.7 or 203.0.113.0/24") from error
    return text


def _http_url(url: str) -> bool:
    parts = urlsplit(url)
    try:
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


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
            "url must have the form postgresql://USER:PASSWORD@HOST:PORT/DATABASE (its value is not shown); "
            "in a password write # / ? @ as %23 %2F %3F %40"
        )


def _ipv4(text: str) -> str:
    try:
        ipaddress.IPv4Address(text)
    except ValueError as error:
        raise ValueError("must be an IPv4 address, for example 203.0.113.7") from error
    return text


def _ipv6(text: str) -> str:
    try:
        ipaddress.IPv6Address(text)
    except ValueError as error:
        raise ValueError("must be an IPv6 address, for example 2001:db8::7") from error
    return text


def split_host_port(text: str, port: int) -> tuple[str, int]:
    """Host and port of HOST, HOST:PORT, ADDRESS or [ADDRESS]:PORT; ValueError when it is none of them."""
    parts = re.fullmatch(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::([0-9]{1,5}))?|([0-9a-f:]+)", text)
    if not parts or not 1 <= int(parts[3] or port) <= _LARGEST_PORT:
        raise ValueError("must be HOST or HOST:PORT, for example ns1.monopco.fr:53")
    return parts[1] or parts[2] or parts[4], int(parts[3] or port)


def _dns_server(text: str) -> str:
    split_host_port(text, 53)
    return text


def _record_name(text: str) -> str:
    labels = text.removesuffix(".").split(".")
    if text != "@" and not all(_RECORD_LABEL.fullmatch(label) for label in labels):
        raise ValueError("must be @ or a name in small letters, for example www or resend._domainkey")
    return text


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except binascii.Error:
        return False


def _wrong_value(kind: str, value: str) -> str:
    """What the value of a record of that type must be; empty when it is so."""
    host = _HOSTNAME.fullmatch(value.removesuffix("."))
    rules = {
        "A": (_is_ip(value, 4), "an IPv4 address"),
        "AAAA": (_is_ip(value, 6), "an IPv6 address"),
        "CNAME": (host or _record_host(value), "a host name in small letters"),
        "MX": (host, "the host name of a mail server in small letters; its priority is a key of its own"),
        "CAA": (_CAA.fullmatch(value), 'of the form 0 issue "letsencrypt.org"'),
        "TXT": (value.isascii() and value.isprintable(), "one line of ASCII"),
    }
    fits, rule = rules[kind]
    return "" if fits else f"value of {kind} must be {rule} (got {json.dumps(value, ensure_ascii=False)})"


def _is_ip(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _record_host(text: str) -> bool:
    return all(_RECORD_LABEL.fullmatch(label) for label in text.removesuffix(".").split("."))


def _cron_numbers(field: str, first: int, last: int) -> str:
    """The numbers that one field of cron means, comma between them; "*" is all."""
    numbers: set[int] = set()
    for part in field.split(","):
        match = _CRON_PART.fullmatch(part)
        if not match:
            raise ValueError(f"{part} is neither a number, a range nor *")
        low = first if match[1] else int(match[2])
        high = last if match[1] or (match[4] and not match[3]) else int(match[3] or match[2])
        step = int(match[4] or 1)
        if not (first <= low <= high <= last) or step < 1:
            raise ValueError(f"{part} is not within {first} and {last}")
        numbers.update(range(low, high + 1, step))
    return "*" if numbers >= set(range(first, last + 1)) else ",".join(map(str, sorted(numbers)))


def cron_times(text: str) -> tuple[str, str, str, str, str]:
    """Minutes, hours, days of the month, months and days of the week; ValueError says which part is wrong."""
    fields = text.split()
    if len(fields) != len(_CRON_RANGES):
        raise ValueError('must have the five fields of cron, for example "0 2 * * *"')
    try:
        minute, hour, day, month, weekday = (
            _cron_numbers(field, *limits) for field, limits in zip(fields, _CRON_RANGES, strict=True)
        )
    except ValueError as error:
        raise ValueError(f'must have the five fields of cron, for example "0 2 * * *": {error}') from error
    if day != "*" and month != "*":
        longest = max(_LONGEST_MONTHS[int(number) - 1] for number in month.split(","))
        if min(map(int, day.split(","))) > longest:
            raise ValueError(f"never comes: no month of {month} has a day {day}")
    if "*" not in (day, weekday):
        raise ValueError("must restrict days of the month or days of the week, not both")
    return minute, hour, day, month, weekday


def _cron(text: str) -> str:
    cron_times(text)
    return text


def _text(value: object) -> object:
    """Environment values are text: numbers and booleans of YAML are taken as they are written."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else value


Size = Annotated[str, BeforeValidator(_unit), AfterValidator(_size)]
Memory = Annotated[str, BeforeValidator(_unit), AfterValidator(_memory)]
Hostname = Annotated[str, AfterValidator(_hostname)]
Variable = Annotated[str, AfterValidator(_variable)]
PublicVariable = Annotated[str, AfterValidator(_public_variable)]
EnvironmentText = Annotated[str, BeforeValidator(_text)]
Credential = Annotated[SecretStr, BeforeValidator(_text)]
RecordName = Annotated[str, AfterValidator(_record_name)]
Ttl = Annotated[int, Field(ge=60, le=604800)]
MailAddress = Annotated[
    str, _matching(r"[^\s@<>,;]+@[^\s@<>,;]+", "must be a mail address, for example ops@monopco.fr")
]
Port = Annotated[int, Field(ge=1, le=65535)]
Mode = Literal["mandatory", "advisory", "off"]
ReleaseId = Annotated[str, _matching(r"[0-9a-f]{10}", "must be the id of a release, as ./monopco releases shows it")]


class Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_number(cls, value: object, info: ValidationInfo) -> object:
        """YAML's yes and on are true, which Python would count as 1."""
        if isinstance(value, bool) and cls.model_fields[info.field_name or ""].annotation in (int, int | None):
            raise PydanticCustomError("int_type", "must be a whole number")
        return value


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
    build_on: Annotated[
        Literal["here", "server"], Field(description="Where images are built: on this machine, or on the server")
    ]
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
    assets: Annotated[
        Annotated[
            str, _matching(r"(?!\.)[\w.-]+(/(?!\.)[\w.-]+)*", "must be a folder below /app, without .. or / before it")
        ]
        | None,
        Field(description="Folder in the image of what is asked for below /assets/; nginx keeps it for open pages"),
    ]


class Domain(Section):
    name: Annotated[Hostname, Field(description="Canonical host name")]
    aliases: Annotated[list[Hostname], Field(description="Names that are redirected to it")]
    environments: Annotated[
        bool, Field(description="Names below it lead to environments for pull requests on the same machine")
    ]

    @model_validator(mode="after")
    def _distinct(self) -> Domain:
        names = [self.name, *self.aliases]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"name and aliases must differ, repeated: {', '.join(repeated)}")
        return self


class Tls(Section):
    mode: Annotated[Literal["self-signed", "acme", "files"], Field(description="Source of the certificate")]
    email: Annotated[MailAddress | None, Field(description="Contact for the ACME account")]
    challenge: Annotated[
        Literal["http-01", "dns-01"],
        Field(description="How the ACME authority is shown whose the names are: on port 80, or by the dns section"),
    ]
    directory_url: Annotated[
        Annotated[str, AfterValidator(_directory)] | None,
        Field(description="ACME directory: a URL, or production or staging of Let's Encrypt; production when empty"),
    ]
    profile: Annotated[
        str | None, Field(description="Kind of certificate that the directory is asked for, such as shortlived")
    ]
    ca_file: Annotated[str | None, Field(description="Own certificate authority of the ACME directory (PEM)")]
    certificate_file: Annotated[str | None, Field(description="PEM chain for mode files")]
    key_file: Annotated[str | None, Field(description="PEM key for mode files")]

    @model_validator(mode="after")
    def _complete(self) -> Tls:
        if self.mode == "acme" and not self.email:
            raise ValueError("mode acme needs tls.email, by which the authority can reach you")
        if self.mode == "files" and not (self.certificate_file and self.key_file):
            raise ValueError("mode files needs tls.certificateFile and tls.keyFile")
        if self.mode != "files" and (self.certificate_file or self.key_file):
            raise ValueError(
                f"certificateFile and keyFile are given, but mode is {self.mode}; set tls.mode to files or remove them"
            )
        return self

    @property
    def directory(self) -> str:
        """URL of the ACME directory."""
        return DIRECTORIES.get(self.directory_url or "production", self.directory_url or "")


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


HostKey = Annotated[
    str,
    _matching(
        r"(ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( [^\n]*)?",
        "must be a public key as in /etc/ssh/ssh_host_ed25519_key.pub, for example ssh-ed25519 AAAA…",
    ),
]


class Node(Section):
    """Another server of a swarm. Port, user and key of SSH are those of the first one."""

    host: Hostname
    host_key: HostKey | None = None
    address: Annotated[str, AfterValidator(_ipv4)] | None = None

    @property
    def reached_at(self) -> str:
        """Where the other servers find it."""
        return self.address or self.host


class Server(Section):
    host: Annotated[Hostname | None, Field(description="Host that is reached by SSH; this machine when empty")]
    port: Annotated[Port, Field(description="SSH port")]
    user: Annotated[
        str,
        _matching(r"[a-z_][a-z0-9_-]*", "must be a user name in small letters, for example root"),
        Field(description="User that sets the server up: root, or one with sudo that asks no password"),
    ]
    private_key: Annotated[SecretStr | None, Field(description="SSH key (secret)")]
    host_key: Annotated[
        HostKey | None,
        Field(description="Host key that the server must show, as ssh-keyscan prints it after the name"),
    ]
    set_up: Annotated[
        bool,
        Field(
            description="Whether the server is set up and hardened; without, Docker and a user monopco must be there"
        ),
    ]

    runtime: Annotated[
        Literal["docker", "swarm"],
        Field(description="Docker on one server, or a Docker Swarm of this one, its manager, and the nodes"),
    ]
    nodes: Annotated[
        list[Node],
        Field(description="The other servers of the swarm: {host, hostKey, address}, each with a proxy of its own"),
    ]
    address: Annotated[
        Annotated[str, AfterValidator(_ipv4)] | None,
        Field(
            description="Address at which the nodes reach this server, on a private network of theirs; host when empty"
        ),
    ]
    encrypted: Annotated[
        bool, Field(description="Whether what the servers of a swarm say to each other is encrypted (IPsec)")
    ]

    @property
    def swarm(self) -> bool:
        return self.runtime == "swarm"

    @property
    def reached_at(self) -> str:
        """Where the nodes find it."""
        return self.address or self.host or ""

    @model_validator(mode="after")
    def _one_or_many(self) -> Server:
        problems = []
        given = [name for name, key in (("privateKey", self.private_key), ("hostKey", self.host_key)) if key]
        if given and self.host is None:
            problems.append(
                f"{' and '.join(given)} given without host, so this machine would be deployed to; "
                "set server.host, or remove what is given"
            )
        if self.swarm and not self.host:
            problems.append("runtime swarm needs host, the server that manages the swarm and holds the database")
        if self.swarm and not self.nodes:
            problems.append("runtime swarm needs nodes, the other servers; for one server leave runtime at docker")
        if self.nodes and not self.swarm:
            problems.append("nodes are given, but runtime is docker; set server.runtime to swarm or remove the nodes")
        if self.address and not self.swarm:
            problems.append("address is for runtime swarm only; remove it")
        for what, values in (
            ("host", [self.host, *(node.host for node in self.nodes)]),
            ("address", [self.reached_at, *(node.reached_at for node in self.nodes)]),
        ):
            if repeated := sorted({value for value in values if value and values.count(value) > 1}):
                problems.append(f"each server has a {what} of its own, repeated: {', '.join(repeated)}")
        if problems:
            raise ValueError("; ".join(dict.fromkeys(problems)))
        return self


class Registry(Section):
    url: Annotated[
        Annotated[
            str,
            _matching(
                r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[a-z0-9][a-z0-9._-]*)*",
                "must be a host with a path, without https://, for example registry.example.com/monopco",
            ),
        ]
        | None,
        Field(description="Registry that images go through; straight over SSH when empty"),
    ]
    username: Annotated[str | None, Field(description="User there; whom `docker login` knows when empty")]
    password: Annotated[SecretStr | None, Field(description="Password or token there (secret)")]

    @model_validator(mode="after")
    def _complete(self) -> Registry:
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together; set both of them, or none")
        if self.username and self.url is None:
            raise ValueError("username is given, but no url; set registry.url")
        return self


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
    dashboard: Annotated[EnvironmentText, Field(description="Password of the page of the monitoring")]


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


class DnsRecord(Section):
    """A record of the zone that monopco is to make, too: what mail needs, for example."""

    name: RecordName
    type: Literal["A", "AAAA", "CNAME", "TXT", "MX", "CAA"]
    value: Annotated[str, Field(min_length=1)]
    ttl: Ttl | None = None
    priority: Annotated[int, Field(ge=0, le=65535)] | None = None

    @model_validator(mode="after")
    def _fits(self) -> DnsRecord:
        if rule := _wrong_value(self.type, self.value):
            raise ValueError(rule)
        if self.type == "MX" and self.priority is None:
            raise ValueError("an MX record needs a priority, for example 10")
        if self.type != "MX" and self.priority is not None:
            raise ValueError(f"only an MX record has a priority, this is {self.type}")
        return self


class Dns(Section):
    mode: Annotated[
        Literal["manual", "rfc2136", "lexicon"],
        Field(description="manual lists the records for you to make; the others make them"),
    ]
    zone: Annotated[Hostname | None, Field(description="Zone that holds the records; domain.name when empty")]
    server: Annotated[
        Annotated[str, AfterValidator(_dns_server)] | None,
        Field(description="Primary server of the zone, HOST or HOST:PORT (rfc2136)"),
    ]
    key_name: Annotated[Hostname | None, Field(description="Name of the TSIG key (rfc2136)")]
    key_algorithm: Annotated[
        Literal["hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"],
        Field(description="Algorithm of the TSIG key"),
    ]
    key_secret: Annotated[SecretStr | None, Field(description="The TSIG key in base64 (secret)")]
    provider: Annotated[
        Literal["ovh", "gandi", "cloudflare", "scaleway", "hetzner"] | None,
        Field(description="Who holds the zone (lexicon): ovh, gandi, cloudflare, scaleway or hetzner"),
    ]
    credentials: Annotated[
        dict[str, Credential], Field(description="The provider's access, by lexicon's option names (secret)")
    ]
    ttl: Annotated[Ttl, Field(description="How long resolvers may keep a record, in seconds")]
    ipv4: Annotated[
        Annotated[str, AfterValidator(_ipv4)] | None,
        Field(description="Address of the server, where server.host is a name or another address"),
    ]
    ipv6: Annotated[Annotated[str, AfterValidator(_ipv6)] | None, Field(description="The same for IPv6")]
    caa: Annotated[
        list[Hostname] | None,
        Field(description="Authorities that may issue certificates; Let's Encrypt when empty and tls.mode is acme"),
    ]
    records: Annotated[
        list[DnsRecord],
        Field(description="More records: {name, type, value, ttl, priority}; names are relative to the zone, or @"),
    ]

    @model_validator(mode="after")
    def _complete(self) -> Dns:
        if self.mode == "rfc2136":
            self._need("rfc2136", {"server": self.server, "keyName": self.key_name, "keySecret": self.key_secret})
        if self.mode == "lexicon":
            self._need("lexicon", {"provider": self.provider, "credentials": self.credentials})
        if self.key_secret and not _is_base64(self.key_secret.get_secret_value()):
            raise ValueError("keySecret must be base64, as the server's own tool prints it (its value is not shown)")
        if self.provider:
            self._check_credentials(self.provider)
        return self

    @staticmethod
    def _need(mode: str, keys: dict[str, object]) -> None:
        if missing := [f"dns.{key}" for key, value in keys.items() if not value]:
            raise ValueError(f"mode {mode} needs {' and '.join(missing)}")

    def _check_credentials(self, provider: str) -> None:
        needed, possible = LEXICON_OPTIONS[provider]
        given = set(self.credentials)
        if self.mode == "lexicon" and (missing := [name for name in needed if name not in given]):
            raise ValueError(
                f"credentials of {provider} need {' and '.join(missing)}; set each with: "
                "pulumi config set --secret --path monopco:dns.credentials.NAME"
            )
        if unknown := sorted(given - {*needed, *possible}):
            known = ", ".join((*needed, *possible))
            raise ValueError(f"credentials of {provider} are {known}; not {', '.join(unknown)}")


class Remote(Section):
    """The second place for backups. Which keys it needs follows from its type."""

    type: Annotated[Literal["s3", "sftp"] | None, Field(description="Kind of the second place; none when empty")]
    endpoint: Annotated[
        Annotated[str, _matching(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?", "must be HOST or HOST:PORT, without https://")]
        | None,
        Field(description="S3: host of the service, with its port when it is not 443"),
    ]
    bucket: Annotated[str | None, Field(description="S3: bucket, which must be there")]
    region: Annotated[str | None, Field(description="S3: region")]
    key: Annotated[SecretStr | None, Field(description="S3: access key (secret)")]
    secret: Annotated[SecretStr | None, Field(description="S3: secret access key (secret)")]
    ca_file: Annotated[str | None, Field(description="S3: certificate authority of the service, if it is its own")]
    host: Annotated[Hostname | None, Field(description="SFTP: host")]
    port: Annotated[Port, Field(description="SFTP: port")]
    user: Annotated[str | None, Field(description="SFTP: user")]
    private_key: Annotated[SecretStr | None, Field(description="SFTP: private key in PEM (secret)")]
    host_key: Annotated[
        Annotated[str, _matching(r"[a-z0-9@.-]+ [A-Za-z0-9+/=]+( .*)?", "must be TYPE KEY, as ssh-keyscan shows it")]
        | None,
        Field(description="SFTP: host key that must be met"),
    ]
    path: Annotated[
        str,
        _matching(r"(/[A-Za-z0-9._-]+)+", "must begin with / and hold letters, digits, dots, - and _"),
        Field(description="Folder of this stack in the second place"),
    ]

    @model_validator(mode="after")
    def _complete(self) -> Remote:
        needed = {"s3": _S3_KEYS, "sftp": _SFTP_KEYS}
        if self.type is None:
            given = [key for key in (*_S3_KEYS, *_SFTP_KEYS, "ca_file") if getattr(self, key) is not None]
            problems = [f"{to_camel(key)} is given without type (s3 or sftp)" for key in given]
        else:
            other = _SFTP_KEYS if self.type == "s3" else (*_S3_KEYS, "ca_file")
            problems = [
                f"type {self.type} needs {to_camel(key)}" for key in needed[self.type] if getattr(self, key) is None
            ]
            problems += [f"{to_camel(key)} is not for {self.type}" for key in other if getattr(self, key) is not None]
        if problems:
            raise ValueError("; ".join(problems))
        return self


class Backups(Section):
    schedule: Annotated[str, AfterValidator(_cron), Field(description="Cron time of the daily backup (UTC)")]
    drill: Annotated[
        str,
        AfterValidator(_cron),
        Field(description="Cron time at which the newest backups are restored to prove them"),
    ]
    keep_days: Annotated[int, Field(ge=1, le=3650, description="Days that a backup is kept")]
    key: Annotated[
        SecretStr | None,
        Field(
            description="Key of repositories that are there already, from its key file (secret); generated when empty"
        ),
    ]
    remote: Remote


class Email(Section):
    to: Annotated[list[MailAddress], Field(description="Who gets the mails")]
    from_: Annotated[MailAddress | None, Field(alias="from", description="Whom the mails come from")]
    smtp_host: Annotated[
        Annotated[str, AfterValidator(_mail_host)] | None,
        Field(description="Server that takes the mails, for example smtp.resend.com"),
    ]
    smtp_port: Annotated[Port, Field(description="Its port; on 465 the connection is encrypted from the start")]
    username: Annotated[str | None, Field(description="Name to sign in with")]
    password: Annotated[SecretStr | None, Field(description="Password to sign in with (secret)")]
    tls: Annotated[bool, Field(description="Whether a server that does not encrypt is refused")]

    @model_validator(mode="after")
    def _complete(self) -> Email:
        if self.to and not (self.from_ and self.smtp_host):
            raise ValueError("to needs from and smtpHost, the address and the server that the mails come from")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together; one of them is missing")
        return self


class Webhook(Section):
    url: Annotated[SecretStr | None, Field(description="Address that is told of every alert, as JSON (secret)")]

    @model_validator(mode="after")
    def _reachable(self) -> Webhook:
        if self.url and not _http_url(self.url.get_secret_value()):
            raise ValueError("url must begin with http:// or https:// and a host (its value is not shown)")
        return self


class Alerts(Section):
    email: Email
    webhook: Webhook
    heartbeat_url: Annotated[
        SecretStr | None, Field(description="Address that is told every minute that the watching goes on (secret)")
    ]

    @model_validator(mode="after")
    def _reachable(self) -> Alerts:
        if self.heartbeat_url and not _http_url(self.heartbeat_url.get_secret_value()):
            raise ValueError("heartbeatUrl must begin with http:// or https:// and a host (its value is not shown)")
        return self


class Monitoring(Section):
    enabled: Annotated[bool, Field(description="Whether the environment is watched")]
    allow: Annotated[
        list[Annotated[str, AfterValidator(_network)]],
        Field(description="Addresses and networks that may see its page; all, with the password, when empty"),
    ]
    pictures: Annotated[
        bool,
        Field(description="Whether its page shows the home page of each release, taken by a browser (800 MB of disk)"),
    ]
    alerts: Alerts


class Temporary(Section):
    until: Annotated[
        str | None,
        _matching(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "must be a time in UTC, for example 2026-12-01T08:00:00Z"),
        Field(description="When the environment may be removed by itself; set by env create"),
    ]
    origin: Annotated[str | None, Field(description="Stack that it was made from; set by env create")]
    front: Annotated[str | None, Field(description="Stack whose proxy gives it the requests; set by env create")]


class Policies(Section):
    production: Annotated[
        bool | None,
        Field(description="Whether the rules for production hold; when empty, where there is a server.host"),
    ]
    published: Annotated[Mode, Field(description="Only the proxy publishes ports")]
    data_protected: Annotated[Mode, Field(description="In production, volumes with data cannot be deleted")]
    no_latest: Annotated[Mode, Field(description="No image by the tag latest")]
    memory_limits: Annotated[Mode, Field(description="Every container has a memory limit")]
    no_plain_secrets: Annotated[Mode, Field(description="No secret in plain text")]
    modern_tls: Annotated[Mode, Field(description="TLS 1.2 or newer")]
    backups: Annotated[Mode, Field(description="In production, backups are made")]
    replicas: Annotated[Mode, Field(description="In production, at least two containers of the app")]
    confined: Annotated[
        Mode, Field(description="No container is privileged, has added capabilities or can command Docker")
    ]


class Sections(Section):
    """What the stack file may say, section by section."""

    app: App
    domain: Domain
    tls: Tls
    http: Http
    network: Network
    server: Server
    registry: Registry
    database: Database
    rotation: Rotation
    pinned: Pinned
    dns: Dns
    backups: Backups
    monitoring: Monitoring
    policies: Policies
    temporary: Temporary


def unfit_for_a_swarm(sections: Sections) -> list[str]:
    """What one server can do and a swarm cannot, where it is asked for; a line each."""
    problems: list[str] = []
    if not sections.server.swarm:
        return problems
    if sections.tls.mode == "acme":
        problems.append(
            "tls.mode: acme orders a certificate for one server, and all of a swarm must show one; set it to files, "
            "with a certificate that is ordered elsewhere (or with self-signed, where each server has its own)"
        )
    if sections.http.address in ("127.0.0.1", "::1"):
        problems.append(
            f"http.address: {sections.http.address} is each server's own, and nobody would reach the proxies of a "
            "swarm; set it to 0.0.0.0"
        )
    if sections.app.build_on == "server":
        problems.append("app.buildOn: server builds on one server, and a swarm needs the images on all; set it to here")
    if sections.monitoring.enabled:
        problems.append(
            "monitoring.enabled: the monitoring sees one server only; watch a swarm from outside, set it to false"
        )
    return problems
