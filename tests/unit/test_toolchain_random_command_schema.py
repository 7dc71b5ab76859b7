"""What the schemas of random and command say beyond names and types: defaults, choices, what replaces, what is old."""

from __future__ import annotations

import enum
import re
from typing import Any

import pulumi_command
import pulumi_random
import pytest
from test_toolchain_schema import schema

CONNECTIONS = {
    "command:remote:Connection": pulumi_command.remote.ConnectionArgs,
    "command:remote:ProxyConnection": pulumi_command.remote.ProxyConnectionArgs,
}
LOGGINGS: dict[str, type[enum.Enum]] = {
    "command:local:Logging": pulumi_command.local.Logging,
    "command:remote:Logging": pulumi_command.remote.Logging,
}
REPLACING = {
    "command:local:Command": True,
    "command:remote:Command": True,
    "command:remote:CopyToRemote": True,
    "command:remote:CopyFile": False,  # no update: every change replaces it
}


@pytest.mark.parametrize("token", CONNECTIONS)
def test_a_connection_has_the_defaults_that_the_sdk_fills_in(token: str) -> None:
    served = schema("command").document["types"][token]["properties"]
    filled_in = CONNECTIONS[token](host="somewhere")
    assert {name: spec["default"] for name, spec in served.items() if "default" in spec} == {
        "user": filled_in.user,
        "port": filled_in.port,
        "dialErrorLimit": filled_in.dial_error_limit,
        "perDialTimeout": filled_in.per_dial_timeout,
    }


@pytest.mark.parametrize("token", CONNECTIONS)
def test_what_logs_in_is_secret(token: str) -> None:
    served = schema("command").document["types"][token]["properties"]
    assert {name for name, spec in served.items() if spec.get("secret")} == {
        "password",
        "privateKey",
        "privateKeyPassword",
    }


@pytest.mark.parametrize("token", LOGGINGS)
def test_logging_has_the_choices_of_the_sdk(token: str) -> None:
    served = schema("command").document["types"][token]["enum"]
    assert {choice["value"] for choice in served} == {choice.value for choice in LOGGINGS[token]}


@pytest.mark.parametrize("token", REPLACING)
def test_triggers_replace_where_the_sdk_says_so(token: str) -> None:
    resource = schema("command").document["resources"][token]
    for properties in (resource["properties"], resource["inputProperties"]):
        replacing = {name for name, spec in properties.items() if spec.get("replaceOnChanges")}
        assert replacing == ({"triggers"} if REPLACING[token] else set())


def test_what_the_sdk_calls_deprecated_is_deprecated() -> None:
    copy_file = schema("command").document["resources"]["command:remote:CopyFile"]
    assert copy_file["deprecationMessage"] == (
        "This resource is deprecated and will be removed in a future release. "
        "Please use the `CopyToRemote` resource instead."
    )
    for kind in (pulumi_random.RandomPassword, pulumi_random.RandomString):
        properties = resource_of(kind)["inputProperties"]
        deprecated = [name for name, spec in properties.items() if "deprecationMessage" in spec]
        assert deprecated == ["number"]


def resource_of(kind: type) -> dict[str, Any]:
    """The schema of a resource by its class in the SDK."""
    name = kind.__name__
    token = f"random:index/{re.sub('^.', lambda first: first[0].lower(), name)}:{name}"
    found: dict[str, Any] = schema("random").document["resources"][token]
    return found
