"""The addresses and the environment file of a release."""

from __future__ import annotations

import base64
import ipaddress
import itertools

import pytest

from components.release import BLOCK, address, environment_file

SMALLEST = "10.200.0.0/20"
SUBNETS = [SMALLEST, "10.200.0.0/18", "10.0.0.0/8"]


def addresses(subnet: str, serial: int) -> set[ipaddress.IPv4Address]:
    """Those of a release with as many containers as there may be."""
    return {ipaddress.IPv4Address(address(subnet, serial, number)) for number in range(1, BLOCK + 1)}


def blocks(subnet: str) -> int:
    """After how many releases addresses are used again."""
    first = address(subnet, 0, 1)
    return next(serial for serial in itertools.count(1) if address(subnet, serial, 1) == first)


class TestAddresses:
    def test_every_container_has_one_of_its_own(self) -> None:
        assert len(addresses(SMALLEST, 7)) == BLOCK == 16

    def test_no_two_releases_share_one_before_every_block_was_used(self) -> None:
        """A connection that was kept to a dead container must not reach another release."""
        count = blocks(SMALLEST)
        assert count == 239
        used = [one for serial in range(1, count + 1) for one in addresses(SMALLEST, serial)]
        assert len(used) == len(set(used)) == count * BLOCK

    @pytest.mark.parametrize("serial", [0, 1, 238, 239, 10**9])
    def test_after_the_last_block_comes_the_first_one(self, serial: int) -> None:
        assert addresses(SMALLEST, serial + 239) == addresses(SMALLEST, serial)

    @pytest.mark.parametrize("subnet", SUBNETS)
    def test_they_lie_in_the_subnet_apart_from_its_ends_and_its_first_slash_24(self, subnet: str) -> None:
        network = ipaddress.IPv4Network(subnet)
        reserved = ipaddress.IPv4Network(f"{network.network_address}/24")
        last = (network.num_addresses - 257) // BLOCK - 1
        for serial in (0, 1, last - 1, last, last + 1):
            for one in addresses(subnet, serial):
                assert one in network
                assert one not in reserved
                assert one != network.broadcast_address

    def test_as_many_blocks_are_used_as_there_is_room_for(self) -> None:
        network = ipaddress.IPv4Network(SMALLEST)
        highest = max(max(addresses(SMALLEST, serial)) for serial in range(239))
        assert int(network.broadcast_address) - int(highest) <= BLOCK

    def test_they_follow_from_the_serial_number(self) -> None:
        assert [address("10.200.0.0/18", 1, number) for number in (1, 2)] == ["10.200.1.16", "10.200.1.17"]


class TestEnvironmentFile:
    def test_what_goes_in_comes_out(self) -> None:
        values = {"A": "1", "MULTI": "one\ntwo", "QUOTED": "'\"$HOME`x`", "EMPTY": "", "ACCENT": "é"}
        lines = dict(line.split("=", 1) for line in environment_file(values).splitlines())
        assert {name: base64.b64decode(text).decode() for name, text in lines.items()} == values

    def test_every_line_ends(self) -> None:
        assert environment_file({"A": "1"}) == "A=MQ==\n"

    def test_the_order_is_always_the_same(self) -> None:
        assert environment_file({"A": "1", "B": "2"}) == environment_file({"B": "2", "A": "1"})
