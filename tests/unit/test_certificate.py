"""Where the proxy's certificate comes from."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest
from recorder import COMMAND, CONTAINER, VOLUME, Recording, record
from values import is_secret, reveal

from components.certificate import Certificate, CertificateArgs, Order
from components.issuance import Issuance, IssuanceArgs
from components.stack import Stack

ACCESS = '{"keySecret": "marked-key", "mode": "rfc2136"}'
ORDER: dict[str, Any] = {
    "image_id": "sha256:acme",
    "email": "a@monopco.fr",
    "directory": "https://ca.example/dir",
    "authority": "PEM",
    "profile": "shortlived",
    "challenge": "dns-01",
}


def declare(source: str = "", *, order: bool = False) -> Recording:
    def run() -> None:
        given = pulumi.Output.secret(source) if source else None
        args = CertificateArgs(
            stack=Stack("prod"),
            docker_host=None,
            network_name="monopco-prod-network",
            proxy_container="proxy-id",
            proxy_volume="monopco-prod-proxy",
            proxy_ready="ready",
            names=["monopco.fr", "www.monopco.fr"],
            source=Order(**ORDER, access=pulumi.Output.secret(ACCESS)) if order else given,
        )
        certificate = Certificate("certificate", args)
        if certificate.container is not None:
            Issuance(
                "issuance",
                IssuanceArgs(
                    docker_host=None,
                    container=certificate.container,
                    version=certificate.version,
                    proxy_container="proxy-id",
                ),
            )

    return record(run)


@pytest.fixture(scope="module")
def ordered() -> Recording:
    return declare(order=True)


@pytest.fixture(scope="module")
def timer(ordered: Recording) -> Any:
    return ordered.named("certificate-timer", CONTAINER).inputs


class TestGiven:
    def test_without_a_source_a_local_authority_signs_all_names(self) -> None:
        found = declare()
        step = found.named("certificate-self-signed", COMMAND)
        assert step.inputs["environment"] == {"CONTAINER": "proxy-id", "NAMES": "monopco.fr www.monopco.fr"}
        told = found.outputs(found.component("Certificate"))["authority"]
        assert told == "printed by certificate-self-signed"

    def test_a_given_certificate_is_installed_from_standard_input_and_stays_secret(self) -> None:
        found = declare("marked")
        step = found.named("certificate-files", COMMAND).inputs
        assert is_secret(step["stdin"])
        assert reveal(step["stdin"]) == "marked"
        assert step["environment"] == {"CONTAINER": "proxy-id"}
        assert found.outputs(found.component("Certificate"))["authority"] == ""

    def test_nothing_else_is_made(self) -> None:
        assert [each.type for each in declare().children(declare().component("Certificate"))] == [COMMAND]


class TestOrdered:
    def test_what_is_needed_is_inside_the_component(self, ordered: Recording) -> None:
        children = {(each.type, each.name) for each in ordered.children(ordered.component("Certificate"))}
        assert children == {
            (VOLUME, "certificate-account"),
            (CONTAINER, "certificate-timer"),
            (COMMAND, "certificate-order"),
        }

    def test_the_timer_has_its_own_volume_and_the_proxys_and_little_memory(self, timer: Any) -> None:
        assert [(each["volumeName"], each["containerPath"]) for each in timer["volumes"]] == [
            ("monopco-prod-acme", "/var/lib/acme"),
            ("monopco-prod-proxy", "/var/lib/monopco"),
        ]
        assert timer["memory"] == timer["memorySwap"] == 128
        assert timer["readOnly"] is True
        assert "ports" not in timer

    def test_nothing_of_the_order_is_in_the_containers_definition(self, timer: Any) -> None:
        assert "envs" not in timer
        assert "marked-key" not in json.dumps(timer)

    def test_the_order_is_handed_over_on_standard_input_and_stays_secret(self, ordered: Recording) -> None:
        step = ordered.named("certificate-order", COMMAND).inputs
        assert is_secret(step["stdin"])
        assert json.loads(reveal(step["stdin"])) == {
            "names": ["monopco.fr", "www.monopco.fr"],
            "email": "a@monopco.fr",
            "directory": "https://ca.example/dir",
            "authority": "PEM",
            "profile": "shortlived",
            "challenge": "dns-01",
            "dns": {"keySecret": "marked-key", "mode": "rfc2136"},
        }

    def test_the_end_is_waited_for_again_when_order_timer_or_proxy_change(self, ordered: Recording) -> None:
        assert ordered.named("issuance-wait", COMMAND).inputs["environment"] == {
            "CONTAINER": "certificate-timer-id",
            "VERSION": "printed by certificate-order",
            "PROXY": "proxy-id",
        }
