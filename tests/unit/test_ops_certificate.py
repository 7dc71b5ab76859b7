"""The certificate that is served: read from a real handshake, judged by its names and dates."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from authorities import DAY, NOW, Issued, issue

from ops.certificate import TEMPORARY, Served, of_stack, read
from ops.errors import CommandError
from ops.stack_file import StackFile

ROOT = issue(common_name="Root")
LEAF = issue("monopco.fr", "www.monopco.fr", by=ROOT)
SERVED = Served(
    names=("monopco.fr", "*.monopco.fr"),
    issuer="CN=R",
    begin=NOW - 69 * DAY,
    end=NOW + 21 * DAY,
    serial="f",
    problem="",
)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Of a server that shows LEAF."""
    yield from serve(tmp_path, LEAF)


def serve(folder: Path, issued: Issued) -> Iterator[int]:
    (folder / "bundle.pem").write_text(issued.key_pem + issued.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "bundle.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            while True:
                try:
                    plain, _ = listening.accept()
                except OSError:
                    return
                with plain:
                    try:
                        with context.wrap_socket(plain, server_side=True) as secure:
                            secure.recv(1)
                    except OSError:
                        continue

        thread = threading.Thread(target=answer)
        thread.start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def test_what_is_on_the_wire_is_told_and_verified_by_the_authorities_that_count(port: int) -> None:
    shown = read("127.0.0.1", port, "monopco.fr", [ROOT.pem])
    assert shown.names == ("monopco.fr", "www.monopco.fr")
    assert (shown.issuer, shown.problem) == ("CN=Root", "")
    assert shown.serial == f"{LEAF.certificate.serial_number:x}"
    assert (shown.begin, shown.end) == (NOW - DAY, NOW + 60 * DAY)


def test_an_unknown_authority_and_a_wrong_name_are_problems(port: int) -> None:
    assert "unable to get local issuer certificate" in read("127.0.0.1", port, "monopco.fr").problem
    assert "Hostname mismatch" in read("127.0.0.1", port, "other.fr", [ROOT.pem]).problem


def test_where_nothing_answers_that_is_told() -> None:
    with pytest.raises(CommandError, match=r"^No TLS at 127\.0\.0\.1:1: Connection refused"):
        read("127.0.0.1", 1, "monopco.fr")


def test_a_stack_is_asked_at_its_own_address_by_its_name_and_judged_by_its_authority(port: int) -> None:
    given = {
        "monopco:domain": {"name": "monopco.fr", "aliases": []},
        "monopco:http": {"address": "0.0.0.0", "httpsPort": port},  # noqa: S104 - what is listened on
    }
    assert of_stack(StackFile("dev", given, {}), {"caCertificate": ROOT.pem}).problem == ""


def test_the_authority_of_the_directory_counts_as_well(port: int, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text(ROOT.pem)
    given = {
        "monopco:domain": {"name": "monopco.fr", "aliases": []},
        "monopco:http": {"address": "127.0.0.1", "httpsPort": port},
        "monopco:tls": {"caFile": str(tmp_path / "ca.pem")},
    }
    assert of_stack(StackFile("dev", given, {}), {}).problem == ""


class TestWarnings:
    def warnings(self, served: Served, *names: str) -> list[str]:
        return list(served.warnings(names or ("monopco.fr", "www.monopco.fr"), NOW))

    def test_a_good_one_gives_none(self) -> None:
        assert self.warnings(SERVED) == []

    @pytest.mark.parametrize(
        ("days", "left", "warned"),
        [
            (90, timedelta(days=20, hours=23), "20 days"),
            (397, timedelta(days=22), ""),
            (6, timedelta(hours=37), ""),
            (6, timedelta(hours=35), "35 hours"),
        ],
    )
    def test_21_days_are_little_and_of_a_short_life_a_quarter(self, days: int, left: timedelta, warned: str) -> None:
        end = NOW + left
        found = self.warnings(replace(SERVED, begin=end - days * DAY, end=end))
        wanted = f"the certificate ends in {warned}, on {end:%Y-%m-%d}, and was not renewed"
        assert found == ([wanted] if warned else [])

    def test_the_end_missing_names_and_distrust_are_told(self) -> None:
        bad = replace(SERVED, end=NOW - DAY, problem="certificate has expired")
        assert self.warnings(bad, "other.fr") == [
            f"the certificate ended on {NOW - DAY:%Y-%m-%d %H:%M} UTC",
            "the certificate does not cover other.fr",
        ]
        assert self.warnings(replace(SERVED, problem="unknown issuer")) == [
            "the certificate is not trusted: unknown issuer"
        ]

    def test_the_temporary_one_is_told_as_such(self) -> None:
        assert self.warnings(replace(SERVED, issuer=TEMPORARY, problem="self-signed")) == [
            "visitors are shown the temporary certificate that nginx begins with, which no browser accepts"
        ]
