"""Names, labels and networks by which environments are told apart."""

from __future__ import annotations

import ipaddress

from components.stack import Stack

NAMES = ["dev", "prod", "staging", "preview", "a", "b", "demo-1", "demo-2", "test", "ci"]


def test_a_name_says_stack_component_and_what_else_it_takes() -> None:
    assert Stack("dev").resource_name("app", "abc", "1") == "monopco-dev-app-abc-1"


def test_an_image_is_tagged_by_its_content() -> None:
    assert Stack("dev").image_name("app", "0123456789abcdef") == "monopco-dev/app:0123456789ab"


def test_labels_say_stack_component_and_release() -> None:
    assert Stack("dev").labels("app", "abc") == {
        "dev.monopco.stack": "dev",
        "dev.monopco.component": "app",
        "dev.monopco.release": "abc",
    }


def test_what_belongs_to_no_release_carries_the_label_all_the_same() -> None:
    assert Stack("dev").labels("network")["dev.monopco.release"] == ""


def test_two_stacks_side_by_side_share_no_address() -> None:
    networks = [ipaddress.ip_network(Stack(name).subnet()) for name in NAMES]
    assert [(a, b) for a in networks for b in networks if a is not b and a.overlaps(b)] == []


def test_a_stack_keeps_its_network() -> None:
    """Another one would give every container that runs another address."""
    assert Stack("dev").subnet() == "10.230.128.0/18"


def test_a_network_is_private_and_large_enough_for_fixed_addresses() -> None:
    for name in NAMES:
        network = ipaddress.IPv4Network(Stack(name).subnet())
        assert network.subnet_of(ipaddress.IPv4Network("10.192.0.0/10"))
        assert network.prefixlen == 18
