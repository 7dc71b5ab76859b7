"""The addresses and the environment file of a release."""

from __future__ import annotations

import base64
import ipaddress
import itertools

import pytest

from components.release import addresses, environment_file

SUBNET = "10.200.0.0/18"
RELEASES = [f"release-{number}" for number in range(40)]


class TestAddresses:
    @pytest.mark.parametrize("replicas", [1, 2, 16])
    def test_every_container_has_one_of_its_own(self, replicas: int) -> None:
        for release in RELEASES:
            assert len(set(addresses(SUBNET, release, replicas))) == replicas

    def test_they_lie_in_the_subnet_apart_from_its_ends_and_its_first_slash_24(self) -> None:
        network = ipaddress.IPv4Network(SUBNET)
        for release in RELEASES:
            for text in addresses(SUBNET, release, 16):
                address = ipaddress.IPv4Address(text)
                assert address in network
                assert address not in ipaddress.IPv4Network("10.200.0.0/24")
                assert address != network.broadcast_address

    def test_the_smallest_subnet_has_room_for_two_releases_of_the_most_replicas(self) -> None:
        for release in RELEASES:
            found = addresses("10.200.0.0/20", release, 16)
            assert len(set(found)) == 16
            assert all(ipaddress.ip_address(text) in ipaddress.ip_network("10.200.0.0/20") for text in found)

    def test_a_release_keeps_its_addresses(self) -> None:
        assert addresses(SUBNET, "abc", 2) == addresses(SUBNET, "abc", 2)

    def test_another_replica_leaves_the_others_where_they_are(self) -> None:
        assert addresses(SUBNET, "abc", 3)[:2] == addresses(SUBNET, "abc", 2)

    def test_the_next_release_has_others(self) -> None:
        for before, after in itertools.pairwise(RELEASES):
            assert not set(addresses(SUBNET, before, 2)) & set(addresses(SUBNET, after, 2))

    def test_the_address_after_a_taken_one_is_used(self) -> None:
        """In a network as small as this, some of the numbers meet."""
        found = addresses("10.0.0.0/23", "abc", 60)
        assert len(set(found)) == 60


class TestEnvironmentFile:
    def test_what_goes_in_comes_out(self) -> None:
        values = {"A": "1", "MULTI": "one\ntwo", "QUOTED": "'\"$HOME`x`", "EMPTY": "", "ACCENT": "é"}
        lines = dict(line.split("=", 1) for line in environment_file(values).splitlines())
        assert {name: base64.b64decode(text).decode() for name, text in lines.items()} == values

    def test_every_line_ends(self) -> None:
        assert environment_file({"A": "1"}) == "A=MQ==\n"

    def test_the_order_is_always_the_same(self) -> None:
        assert environment_file({"A": "1", "B": "2"}) == environment_file({"B": "2", "A": "1"})
