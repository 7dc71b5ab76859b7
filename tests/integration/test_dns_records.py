"""The DNS records of an environment at a real server: what a plan shows, what `up` makes, what `dns` tells."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.dns_lab import KEY, ZONE, DnsServer, dns_server
from tests.integration.environment import Environment, wait_until

SPF = "v=spf1 include:amazonses.com ~all"
TARGETS = ("--target", "**monopco:components:Dns**")
URNS = {"A": f"dns-a-{ZONE}", "www": f"dns-cname-www.{ZONE}", "CAA": f"dns-caa-{ZONE}-issue-letsencrypt.org"}


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    with dns_server() as started:
        yield started


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, server: DnsServer) -> Environment:
    """An environment of which only the DNS records are made."""
    made = Environment(tmp_path_factory.mktemp("dns") / "project", "dns-test")
    made.write_config(
        domain={"name": ZONE, "aliases": [f"www.{ZONE}"]},
        dns={
            "mode": "rfc2136",
            "server": server.place,
            "keyName": KEY.name,
            "ipv4": "192.0.2.1",
            "caa": ["letsencrypt.org"],
            "ttl": 300,
            "records": [{"name": "send", "type": "TXT", "value": f'"{SPF}"'}],
        },
    )
    made.pulumi("config", "set", "--secret", "--path", "monopco:dns.keySecret", KEY.secret, "--stack", made.stack)
    return made


def change(environment: Environment, **keys: Any) -> None:
    """Change keys of the section with Pulumi, which keeps the secret in it."""
    for key, value in keys.items():
        environment.pulumi("config", "set", "--path", f"monopco:dns.{key}", str(value), "--stack", environment.stack)


def told(environment: Environment, server: DnsServer, *arguments: str) -> tuple[int, dict[str, Any]]:
    done = environment.attempt_monopco("dns", "--json", "--resolver", server.place, *arguments)
    return done.returncode, json.loads(done.stdout or f'{{"errors": {json.dumps(done.stderr)}}}')


def test_records_live_and_die_with_the_environment(environment: Environment, server: DnsServer) -> None:
    plan = environment.pulumi("preview", "--stack", environment.stack, *TARGETS)
    assert all(f"{name}" in plan for name in URNS.values()), plan
    assert server.values("@", "A") == set(), "a preview made something"
    code, before = told(environment, server)
    assert code == 1
    assert {(one["host"], one["type"]): one["resolvers"][0]["state"] for one in before["records"]} == {
        ("@", "A"): "missing",
        ("www", "CNAME"): "missing",
        ("@", "CAA"): "missing",
        ("send", "TXT"): "missing",
    }

    environment.up(*TARGETS)
    assert server.rrset("@", "A") == ({"192.0.2.1"}, 300)
    assert server.values("www", "CNAME") == {f"{ZONE}."}
    assert server.values("@", "CAA") == {'0 issue "letsencrypt.org"'}
    assert server.values("send", "TXT") == {SPF}
    code, after = told(environment, server)
    assert (code, after["drift"]) == (0, [])
    assert {one["resolvers"][0]["state"] for one in after["records"]} == {"right"}
    assert "unchanged" in environment.up(*TARGETS)

    change(environment, ipv4="192.0.2.2")
    plan = environment.pulumi("preview", "--stack", environment.stack, "--diff", *TARGETS)
    assert "192.0.2.1" in plan and "192.0.2.2" in plan  # noqa: PT018
    environment.up(*TARGETS)
    assert server.values("@", "A") == {"192.0.2.2"}


@pytest.mark.long
def test_a_change_by_hand_is_told_and_mended(environment: Environment, server: DnsServer) -> None:
    server.by_hand("@", "A", "192.0.2.66")
    server.by_hand("www", "CNAME")
    code, found = told(environment, server)
    drift = {one["record"]: (one["urn"], one["what"]) for one in found["drift"]}
    assert code == 1
    assert {record: what for record, (_, what) in drift.items()} == {
        f"A {ZONE}": "192.0.2.2 is missing; there is 192.0.2.66",
        f"CNAME www.{ZONE}": f"{ZONE}. is missing",
    }
    replaced = [argument for urn, _ in drift.values() for argument in ("--replace", urn)]

    refused = environment.attempt("up", "--yes", "--skip-preview", "--stack", environment.stack, *replaced, *TARGETS)
    assert refused.returncode != 0
    assert "192.0.2.66 already, which monopco did not make" in refused.stdout
    assert KEY.secret not in refused.stdout + refused.stderr

    mended = environment.attempt(
        "up",
        "--yes",
        "--skip-preview",
        "--stack",
        environment.stack,
        *replaced,
        *TARGETS,
        MONOPCO_MEND="\n".join(drift),
    )
    assert mended.returncode == 0, mended.stdout
    assert (server.values("@", "A"), server.values("www", "CNAME")) == ({"192.0.2.2"}, {f"{ZONE}."})
    assert told(environment, server)[0] == 0


def test_waiting_ends_when_all_resolvers_agree(environment: Environment, server: DnsServer) -> None:
    """The second resolver lacks the records at first, and is then told of them one by one."""
    with dns_server() as late:
        command = environment.command(
            "dns", "--wait", "--timeout", "5", "--resolver", server.place, "--resolver", late.place
        )
        with subprocess.Popen(
            command, cwd=environment.folder, env=environment.variables, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        ) as waiting:  # fmt: skip
            said: list[str] = []
            reader = threading.Thread(target=lambda: said.extend(iter(waiting.stderr.readline, "")))  # type: ignore[union-attr]
            reader.start()
            wait_until(lambda: "4 of 8 answers are right\n" in said, "the wait tells how far it is")
            assert waiting.poll() is None
            late.by_hand("@", "A", "192.0.2.2")
            late.by_hand("www", "CNAME", f"{ZONE}.")
            late.by_hand("@", "CAA", '0 issue "letsencrypt.org"')
            late.by_hand("send", "TXT", f'"{SPF}"')
            table = waiting.stdout.read() if waiting.stdout else ""
            assert waiting.wait() == 0, table
            reader.join()
    assert table.count("right") == 4


def test_the_state_and_what_is_printed_hold_no_key(environment: Environment) -> None:
    kept = "".join(path.read_text() for path in Path(environment.folder / ".state").rglob("*.json*"))
    assert KEY.secret not in kept


def test_the_records_go_and_others_stay(environment: Environment, server: DnsServer) -> None:
    server.by_hand("send", "TXT", f'"{SPF}"', '"somebody else\'s"')
    environment.destroy()
    assert server.values("@", "A") == server.values("www", "CNAME") == server.values("@", "CAA") == set()
    assert server.values("send", "TXT") == {"somebody else's"}
    assert server.values("@", "TXT") == {"google-site-verification=abc"}
