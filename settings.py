"""Typed configuration: the one place that reads `pulumi.Config`.

Defaults stand in Pulumi.yaml and nowhere else; a stack file overrides single keys of an object. Every mistake
is collected and reported at once, before the first resource is declared.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret
from pydantic import SecretStr, ValidationError

from record import Record, RecordError, read_record
from sections import VARIABLE, App, Pinned, Sections, Tls
from source import Source, SourceError

PROJECT = Path(__file__).resolve().parent
NAMESPACE = "monopco"
SECRET_KEYS = (("database", "url"), ("server", "privateKey"))
# Set by the release itself; the second ones may be given as secrets of one's own.
RESERVED = frozenset({"NODE_ENV", "PORT", "RELEASE"})
GENERATED = frozenset({"DATABASE_URL", "JWT_SECRET"})
# How pydantic's words for what a value must be are put to people.
_MUST_BE = {
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be a text",
    "string_too_short": "must not be empty",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}
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

    @property
    def docker_host(self) -> str | None:
        """The Docker host as Docker writes it; None is this machine's own."""
        server = self.sections.server
        return f"ssh://{server.user}@{server.host}:{server.port}" if server.host else None

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


def _explain(error: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """One pydantic error as `key: what is wrong (got X)`; the values of secret keys are left out.

    So are those that stand under a wrong name: it may be a secret that is in the wrong place.
    """
    wrong_name = "[key]" in error["loc"]
    location = [part for part in error["loc"] if part != "[key]"]
    key = ".".join(str(part) for part in location)
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key; known are {', '.join(_at(default_sections(), location[:-1]))}"
    message = _MUST_BE.get(error["type"]) or str(error["msg"])
    message = message.removeprefix("Value error, ").replace("Input should be", "must be")
    value = _at(values, location)
    if isinstance(value, str | float | int | None) and not wrong_name and tuple(location) not in SECRET_KEYS:
        message += f" (got {json.dumps(value, ensure_ascii=False)})"
    return f"{key}: {message}"


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


def _check_plain_text(values: Mapping[str, Any], mistakes: list[str]) -> None:
    for section, key in SECRET_KEYS:
        if values[section].get(key) and not is_config_secret(f"{NAMESPACE}:{section}"):
            path = f"{NAMESPACE}:{section}.{key}"
            mistakes.append(
                f"{section}.{key}: is given in plain text; remove it, change it where it came from, "
                f"and set it with: pulumi config set --secret --path {path}"
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
    ]


def _certificate(tls: Tls, mistakes: list[str]) -> SecretStr | None:
    if tls.mode != "files" or not tls.certificate_file or not tls.key_file:
        return None
    parts = []
    for key, name, marker in (
        ("tls.certificateFile", tls.certificate_file, "BEGIN CERTIFICATE"),
        ("tls.keyFile", tls.key_file, "PRIVATE KEY"),
    ):
        try:
            text = (PROJECT / Path(name).expanduser()).read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            mistakes.append(f"{key}: cannot be read: {error}")
            continue
        if marker not in text:
            mistakes.append(f"{key}: {name} holds no PEM block with {marker}")
        parts.append(text.rstrip() + "\n")
    return SecretStr("".join(parts))


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
    _check_plain_text(values, mistakes)
    try:
        sections = Sections.model_validate(values)
    except ValidationError as error:
        mistakes += [_explain(detail, values) for detail in error.errors()]
        sections = None
    names = _secret_names(values["app"]["secrets"])
    secrets = _app_secrets(names, given, mistakes)
    for key in sorted(set(given) - set(values) - set(names)):
        mistakes.append(f"{key}: unknown key; known are {', '.join(values)}, and the names in app.secrets")
    source, certificate, pinned = None, None, None
    if sections is not None:
        _check_names(sections.app, mistakes)
        pinned = _pinned(stack, sections.pinned, mistakes)
        source = _source(sections, pinned, mistakes)
        certificate = _certificate(sections.tls, mistakes)
    if mistakes or sections is None:
        raise ConfigError(mistakes)
    return Settings(
        stack=stack, sections=sections, secrets=secrets, source=source, pinned=pinned, certificate=certificate
    )


def secret(value: SecretStr) -> pulumi.Output[str]:
    """A configured secret as Pulumi keeps it: encrypted in the state, hidden in every display."""
    return pulumi.Output.secret(value.get_secret_value())
