"""nginx in front of the app."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from recorder import COMMAND, CONTAINER, VOLUME, Recording, record

from components.proxy import Proxy, ProxyArgs, nginx_configuration
from components.stack import Stack

ARGS = ProxyArgs(
    stack=Stack("dev"),
    docker_host=None,
    image_id="sha256:nginx",
    network_name="monopco-dev-network",
    domain="monopco.fr",
    aliases=["www.monopco.fr"],
    address="127.0.0.1",
    http_port=8080,
    https_port=8443,
    body_limit="10M",
    requests_per_second=50,
    burst=200,
    content_security_policy="default-src 'self'",
    hsts_seconds=600,
    drain_seconds=30,
)


def declare(**changes: Any) -> Recording:
    def run() -> None:
        Proxy("proxy", dataclasses.replace(ARGS, **changes))

    return record(run)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare()


@pytest.fixture(scope="module")
def server(recording: Recording) -> Any:
    return recording.named("proxy-server", CONTAINER).inputs


def test_what_is_needed_is_inside_the_component(recording: Recording) -> None:
    assert {(child.type, child.name) for child in recording.children(recording.component("Proxy"))} == {
        (VOLUME, "proxy-state"),
        (CONTAINER, "proxy-server"),
        (COMMAND, "proxy-configuration"),
    }


def test_both_ports_are_published_on_the_address_given_and_no_other(server: Any) -> None:
    assert server["ports"] == [
        {"internal": 8080, "external": 8080, "ip": "127.0.0.1"},
        {"internal": 8443, "external": 8443, "ip": "127.0.0.1"},
    ]


def test_the_public_ports_are_the_ones_given() -> None:
    found = declare(http_port=80, https_port=443, address="0.0.0.0").named("proxy-server").inputs["ports"]  # noqa: S104
    assert [(port["internal"], port["external"], port["ip"]) for port in found] == [
        (8080, 80, "0.0.0.0"),  # noqa: S104
        (8443, 443, "0.0.0.0"),  # noqa: S104
    ]


def test_what_nginx_keeps_lies_in_a_volume(recording: Recording, server: Any) -> None:
    assert recording.named("proxy-state").inputs["name"] == "monopco-dev-proxy"
    assert server["volumes"] == [{"volumeName": "monopco-dev-proxy", "containerPath": "/var/lib/monopco"}]


def test_the_root_of_nginx_is_read_only_and_its_memory_limited(server: Any) -> None:
    assert server["readOnly"] is True
    assert server["memory"] == server["memorySwap"] == 128


def test_nginx_finishes_its_requests_before_it_stops(server: Any) -> None:
    assert (server["stopSignal"], server["stopTimeout"], server["destroyGraceSeconds"]) == ("SIGQUIT", 30, 30)


def test_nginx_needs_nothing_but_image_network_and_volume_to_start(recording: Recording) -> None:
    assert recording.waits_for(recording.named("proxy-server")) == {"proxy-state"}


def test_nginx_is_configured_as_soon_as_it_is_there(recording: Recording) -> None:
    configuration = recording.named("proxy-configuration", COMMAND)
    assert recording.waits_for(configuration) == {"proxy-state", "proxy-server"}
    assert configuration.inputs["stdin"] == nginx_configuration(ARGS)


def test_nginx_made_anew_is_configured_again(recording: Recording) -> None:
    assert recording.named("proxy-configuration").inputs["environment"]["CONTAINER"] == "proxy-server-id"


@pytest.mark.parametrize(("port", "url"), [(443, "https://monopco.fr"), (8443, "https://monopco.fr:8443")])
def test_the_url_names_the_port_unless_it_is_the_usual_one(port: int, url: str) -> None:
    assert dataclasses.replace(ARGS, https_port=port).url == url


CHANGES: dict[str, Any] = {
    "domain": "other.fr",
    "aliases": ["other.fr"],
    "https_port": 9443,
    "body_limit": "77M",
    "requests_per_second": 77,
    "burst": 777,
    "content_security_policy": "default-src 'none'",
    "hsts_seconds": 7777,
    "drain_seconds": 77,
    "swarm": True,
    "dashboard": [],
    "front": "monopco-dev-front",
}


@pytest.mark.parametrize("field", CHANGES)
def test_each_setting_reaches_nginx(field: str) -> None:
    changed = dataclasses.replace(ARGS, **{field: CHANGES[field]})
    assert nginx_configuration(changed) != nginx_configuration(ARGS)


def test_every_setting_either_reaches_nginx_or_belongs_to_the_container() -> None:
    container = {"stack", "docker_host", "image_id", "network_name", "address", "http_port", "behind"}
    assert {field.name for field in dataclasses.fields(ProxyArgs)} == container | set(CHANGES)
