"""The rules that every environment is held to: what is looked at, why, and how to mend what is found.

Pure functions over what the program declares, so one definition serves preview, up and the tests. How much a rule
weighs is the configuration's (`policies`).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sections import Mode

CONTAINER = "docker:index/container:Container"
IMAGE = "docker:index/remoteImage:RemoteImage"
VOLUME = "docker:index/volume:Volume"
COMMAND = "command:local:Command"
PROXY = re.compile(r"proxy(-[a-z0-9.-]+)?-server")
"""That of the server, and of each node of a swarm."""
MADE_AGAIN = re.compile(
    r"release-[0-9a-f]{10}-configuration|proxy(?:-[a-z0-9.-]+)?-state|certificate-account|repository-settings|backups-scratch"
    r"|metrics-files|pictures-files|monitoring-[a-z-]+-volume"
)
"""Volumes that hold what is made or ordered again by itself, or the monitoring's figures of the last days."""
DOCKER_READER = "monitoring-containers"
"""What asks Docker how the containers do. It has no network, so nobody gets at it."""

_SECRET_NAME = re.compile(
    r"(^|_)(SECRET|PASSWORD|PASSWD|TOKEN|PRIVATE_KEY|API_KEY|ACCESS_KEY|CREDENTIALS?)(_|$)", re.IGNORECASE
)
_NEVER_PUBLIC = re.compile(r"SECRET|PASSWORD|PASSWD|PRIVATE|SERVICE_ROLE", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY"  # a PEM key
    r"|://[^/\s:@]*:[^/\s@]+@"  # a URL with a password
    r"|\b(re_[A-Za-z0-9]{8,}|sk_live_\w{8,}|gh[pousr]_\w{20,}|AKIA[0-9A-Z]{16})"  # keys of Resend, Stripe, GitHub, AWS
)
_WEB_TOKEN = re.compile(r"\b[\w-]+\.([\w-]+)\.[\w-]+\b")
# What Supabase calls a key that may do anything, past row level security.
_ALMIGHTY = "service_role"
_OLD_TLS = re.compile(r"\b(SSLv[23]|TLSv1(\.[01])?)(?=[\s;])")
_TLS_DIRECTIVE = re.compile(r"^\s*ssl_protocols\s+([^;]*;)", re.MULTILINE)
_LEAST_REPLICAS = 2


@dataclass(frozen=True)
class Declared:
    """A resource as the program declares it: inputs by their names in Python, None for what is not known yet."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    protect: bool = False


@dataclass(frozen=True)
class Facts:
    """All that a rule may look at."""

    resources: Sequence[Declared]
    production: bool
    replicas: int
    environment: Mapping[str, str]
    """What the app is given in plain text."""
    public: Mapping[str, str]
    """What is built into the page for all to read; a key there is public by nature."""

    def of_type(self, kind: str) -> list[Declared]:
        return [resource for resource in self.resources if resource.type == kind]


@dataclass(frozen=True)
class Rule:
    """What is asked of an environment. `find` says what does not hold, each in a few words."""

    name: str
    asks: str
    why: str
    mend: str
    find: Callable[[Facts], Iterator[str]]


@dataclass(frozen=True)
class Finding:
    rule: Rule
    what: str

    def __str__(self) -> str:
        return f"{self.rule.name}: {self.what}. {self.rule.why} {self.rule.mend}"


def findings(facts: Facts, modes: Mapping[str, Mode], mode: Mode) -> list[Finding]:
    """What the rules of that mode find, all of it."""
    return [Finding(rule, what) for rule in RULES if modes[rule.name] == mode for what in rule.find(facts)]


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable's name or value is like that of a secret."""
    return bool(_SECRET_NAME.search(name)) or _secret_value(value)


def _secret_value(value: str) -> bool:
    return bool(_SECRET_VALUE.search(value)) or _is_almighty(value)


def _is_almighty(value: str) -> bool:
    """Whether a web token in `value` says that it is Supabase's service role; the anonymous one is public by nature."""
    for match in _WEB_TOKEN.finditer(value):
        try:
            claims = json.loads(base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4)))
        except (ValueError, binascii.Error):
            continue
        if isinstance(claims, dict) and claims.get("role") == _ALMIGHTY:
            return True
    return False


def _each(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _only_proxy_published(facts: Facts) -> Iterator[str]:
    for container in facts.of_type(CONTAINER):
        inputs = container.inputs
        if not PROXY.fullmatch(container.name) and _each(inputs.get("ports")):
            ports = ", ".join(str(port.get("external")) for port in inputs["ports"])
            yield f"{container.name} publishes port {ports}"
        if inputs.get("network_mode") == "host":
            yield f"{container.name} is on the machine's own network"


def _data_protected(facts: Facts) -> Iterator[str]:
    if facts.production:
        for volume in facts.of_type(VOLUME):
            if not volume.protect and not MADE_AGAIN.fullmatch(volume.name):
                yield f"the volume {volume.name} may be deleted"


def _no_latest(facts: Facts) -> Iterator[str]:
    for resource in facts.resources:
        key = {CONTAINER: "image", IMAGE: "name"}.get(resource.type)
        image = resource.inputs.get(key) if key else None
        if not isinstance(image, str) or image.startswith("sha256:") or "@sha256:" in image:
            continue
        name, _, tag = image.rpartition("/")[2].partition(":")
        if tag in ("", "latest"):
            yield f"{resource.name} runs {name}:{tag or 'latest'}"


def _memory_limited(facts: Facts) -> Iterator[str]:
    for container in facts.of_type(CONTAINER):
        if not container.inputs.get("memory"):
            yield f"{container.name} has no memory limit"


def _no_plain_secrets(facts: Facts) -> Iterator[str]:
    for name, value in facts.environment.items():
        if looks_secret(name, value):
            yield f"app.env.{name} is in plain text"
    for name, value in facts.public.items():
        if _NEVER_PUBLIC.search(name) or _secret_value(value):
            yield f"app.public.{name} is readable by all who open the page"
    for container in facts.of_type(CONTAINER):
        for entry in _each(container.inputs.get("envs")):
            name, _, value = entry.partition("=") if isinstance(entry, str) else ("", "", "")
            if looks_secret(name, value):
                yield f"{container.name} has {name} in its environment"


def _modern_tls(facts: Facts) -> Iterator[str]:
    for step in facts.of_type(COMMAND):
        text = step.inputs.get("stdin")
        for directive in _TLS_DIRECTIVE.findall(text) if isinstance(text, str) else ():
            if old := [match[0] for match in _OLD_TLS.finditer(directive)]:
                yield f"nginx takes {', '.join(old)}"


def _backed_up(facts: Facts) -> Iterator[str]:
    kinds = {resource.type for resource in facts.resources}
    # A database elsewhere is backed up by whoever runs it.
    own = "monopco:components:ExternalDatabase" not in kinds
    if facts.production and own and "monopco:components:Backups" not in kinds:
        yield "nothing backs this environment up"


def _replicated(facts: Facts) -> Iterator[str]:
    if facts.production and facts.replicas < _LEAST_REPLICAS:
        yield f"app.replicas is {facts.replicas}"


def _confined(facts: Facts) -> Iterator[str]:
    for container in facts.of_type(CONTAINER):
        inputs = container.inputs
        if inputs.get("privileged"):
            yield f"{container.name} is privileged"
        if added := _each((inputs.get("capabilities") or {}).get("adds")):
            yield f"{container.name} is given {', '.join(map(str, added))}"
        mounted = [*_each(inputs.get("volumes")), *_each(inputs.get("mounts"))]
        places = [str(one.get(key)) for one in mounted for key in ("host_path", "source") if one.get(key)]
        alone = container.name == DOCKER_READER and inputs.get("network_mode") == "none"
        if any(place.endswith("docker.sock") for place in places) and not alone:
            yield f"{container.name} can command Docker (docker.sock)"


RULES = (
    Rule(
        "published",
        "Only the proxy publishes ports",
        "What Docker publishes is reachable from outside past the firewall and without TLS.",
        "Let the proxy reach it by the private network.",
        _only_proxy_published,
    ),
    Rule(
        "dataProtected",
        "In production, volumes with data cannot be deleted",
        "One wrong change would delete all data.",
        "Set database.protect to true.",
        _data_protected,
    ),
    Rule(
        "noLatest",
        "No image by the tag latest",
        "The same word names another image tomorrow, so what was tried is not what runs.",
        "Name a version or a digest.",
        _no_latest,
    ),
    Rule(
        "memoryLimits",
        "Every container has a memory limit",
        "One that grows takes the machine with it.",
        "Give the container a limit (app.memory, database.memory).",
        _memory_limited,
    ),
    Rule(
        "noPlainSecrets",
        "No secret in plain text",
        "Whoever reads the stack file, the page or docker inspect has it.",
        "Make a new one where it came from, and set it with pulumi config set --secret NAME (app.secrets).",
        _no_plain_secrets,
    ),
    Rule(
        "modernTls",
        "TLS 1.2 or newer",
        "Older versions can be broken, and browsers refuse them.",
        "Leave ssl_protocols at TLSv1.2 TLSv1.3.",
        _modern_tls,
    ),
    Rule(
        "backups",
        "In production, backups are made",
        "A lost disk would take all data with it.",
        "Configure the backups section.",
        _backed_up,
    ),
    Rule(
        "replicas",
        "In production, at least two containers of the app",
        "One that crashes or hangs would be all there is.",
        "Set app.replicas to 2 or more.",
        _replicated,
    ),
    Rule(
        "confined",
        "No container is privileged, has added capabilities or can command Docker",
        "A break into it would be a break into the machine.",
        "Take the privilege away; let a step do what needs it.",
        _confined,
    ),
)
