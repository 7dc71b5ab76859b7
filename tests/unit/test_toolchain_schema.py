"""The installed plugins serve what the Python SDKs declare: every type and name, what is required, what is secret."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
from plugin_schema import Schema
from sdk_schema import Member, Shape, differences, sdk_functions, sdk_provider, sdk_resources

from ops.environment import variables

VERSIONS = {"docker": "5.2.0", "random": "4.21.4", "command": "1.2.1"}
# The one resource of the official Docker plugin that is not upstream's; images are built with RemoteImage.
LEFT_OUT = {"docker:index/image:Image"}


@functools.cache
def schema(plugin: str) -> Schema:
    """The schema that the installed plugin answers with."""
    done = subprocess.run(
        ["pulumi", "package", "get-schema", f"{plugin}@{VERSIONS[plugin]}"],
        env={**os.environ, **variables(os.environ), "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(f"the plugin {plugin} {VERSIONS[plugin]} is not installed; run ./monopco env\n{done.stderr}")
    return Schema(json.loads(done.stdout))


@pytest.mark.parametrize("plugin", VERSIONS)
def test_every_resource_that_the_sdk_declares_is_served_and_no_other(plugin: str) -> None:
    assert schema(plugin).resources().keys() - LEFT_OUT == sdk_resources(f"pulumi_{plugin}").keys() - LEFT_OUT


@pytest.mark.parametrize("plugin", VERSIONS)
def test_every_function_that_the_sdk_declares_is_served_and_no_other(plugin: str) -> None:
    methods = {token for token in schema(plugin).functions() if token.startswith("pulumi:providers:")}
    assert schema(plugin).functions().keys() - methods == sdk_functions(f"pulumi_{plugin}").keys()


@pytest.mark.parametrize("plugin", VERSIONS)
def test_resources_take_the_inputs_and_give_the_outputs_that_the_sdk_declares(plugin: str) -> None:
    served = schema(plugin).resources()
    assert [
        sentence
        for token, member in sdk_resources(f"pulumi_{plugin}").items()
        if token not in LEFT_OUT
        for sentence in member_differences(token, member, served[token])
    ] == []


@pytest.mark.parametrize("plugin", VERSIONS)
def test_functions_take_the_inputs_and_give_the_outputs_that_the_sdk_declares(plugin: str) -> None:
    served = schema(plugin).functions()
    assert [
        sentence
        for token, member in sdk_functions(f"pulumi_{plugin}").items()
        for sentence in member_differences(token, member, served[token])
    ] == []


@pytest.mark.parametrize("plugin", VERSIONS)
def test_the_provider_takes_the_settings_that_the_sdk_declares(plugin: str) -> None:
    assert list(differences(plugin, sdk_provider(f"pulumi_{plugin}"), schema(plugin).provider())) == []


@pytest.mark.parametrize("plugin", VERSIONS)
def test_the_outputs_that_the_sdk_keeps_secret_are_secret_to_the_plugin(plugin: str) -> None:
    served = schema(plugin).resources()
    assert {
        token: sorted(member.secrets)
        for token, member in sdk_resources(f"pulumi_{plugin}").items()
        if token not in LEFT_OUT and member.secrets != served[token].secrets
    } == {}


def test_a_difference_is_told_with_its_place() -> None:
    declared = Shape("object", properties={"a": Shape("array", item=Shape("string"))}, required=frozenset({"a"}))
    served = Shape("object", properties={"a": Shape("array", item=Shape("integer")), "b": Shape("string")})
    assert list(differences("T", declared, served)) == [
        "T.b: served by the plugin, unknown to the SDK",
        "T.a: required in the SDK only",
        "T.a[]: the SDK declares string, the plugin serves integer",
    ]


def member_differences(token: str, declared: Member, served: Member) -> Iterator[str]:
    """Of inputs and outputs; an SDK does not say which outputs are always there."""
    name = token.rsplit(":", 1)[1]
    yield from differences(f"{name}(…)", declared.inputs, served.inputs)
    yield from differences(
        name, replace(declared.outputs, required=frozenset()), replace(served.outputs, required=frozenset())
    )
