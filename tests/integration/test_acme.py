"""Certificates from a real ACME authority, on the whole environment: ordered, served, renewed, refused with a reason.

The tests build on each other: one environment, changed step by step.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops.certificate import Served, read
from tests.integration.acme_lab import (
    ALGORITHM,
    BLOCKED,
    KEY_NAME,
    Authority,
    DnsServer,
    authority,
    dns_server,
    this_machine,
)
from tests.integration.docker_lab import running
from tests.integration.environment import Environment, docker, everything_said, run, wait_until
from tests.integration.proxy_lab import ALIAS, DOMAIN, Load, Proxy

RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
STACK = "acme"
EXTRA = f"shop2.{DOMAIN}"
NEW = f"shop3.{DOMAIN}"
SHORT_SECONDS = 60


@dataclass
class Site:
    """The environment, its authority and its DNS server."""

    environment: Environment
    authority: Authority
    dns: DnsServer
    root: Path

    @property
    def timer(self) -> str:
        return f"monopco-{STACK}-acme"

    def tls(self, **changes: Any) -> dict[str, Any]:
        return {
            "mode": "acme",
            "email": f"admin@{DOMAIN}",
            "directoryUrl": self.authority.directory,
            "caFile": str(self.root),
            "profile": "default",
            **changes,
        }

    def served(self, name: str = DOMAIN) -> Served:
        return read("127.0.0.1", self.environment.https_port, name, [self.root.read_text()])

    def status(self) -> dict[str, Any]:
        """What is told; whether all is well is not asked, since containers have just begun to be looked at."""
        found: dict[str, Any] = json.loads(self.environment.attempt_monopco("status", "--json").stdout)
        return found

    def order(self, **changes: Any) -> subprocess.CompletedProcess[str]:
        """What the container says to other settings, without a deploy; the old ones come back."""
        before = docker("exec", self.timer, "cat", "/var/lib/acme/settings.json")
        self._configure(json.dumps({**json.loads(before), **changes}))
        done = run(["docker", "exec", self.timer, "order"])
        self._configure(before + "\n")
        return done

    def _configure(self, settings: str) -> None:
        docker("exec", "--interactive", self.timer, "configure", stdin=settings)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("acme")
    address = this_machine()
    environment = Environment(folder / "project", STACK)
    with (
        dns_server() as server,
        authority(folder, address, environment.http_port, server.port, SHORT_SECONDS) as pebble,
    ):
        # As with an authority of one's own, the same file is good for the directory and for what it issues.
        root = folder / "root.pem"
        root.write_text(pebble.authority.read_text() + pebble.root())
        site = Site(environment, pebble, server, root)
        environment.write_config(
            app={"secrets": [], "watchSeconds": 0},
            domain={"name": DOMAIN, "aliases": [ALIAS]},
            tls=site.tls(),
        )
        try:
            environment.up()
            yield site
        finally:
            environment.destroy()
            # It outlives the environment, with account and certificate.
            docker("volume", "rm", site.timer)


def _scan(site: Site) -> list[str]:
    """The command that writes what a scanner of TLS finds to `/run/found.json`."""
    checks = ("--protocols", "--std", "--fs", "--server-preference", "--server-defaults", "--headers", "--vulnerable")
    options = ("--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none", "--ip", "127.0.0.1")
    where = ("--add-ca", "/run/root.pem", "--overwrite", "--jsonfile", "/run/found.json")
    name = f"{DOMAIN}:{site.environment.https_port}"
    return ["docker", "exec", site.dns.name, "testssl", *options, *checks, *where, name]


def _found(site: Site) -> list[dict[str, str]]:
    """What is graver than information."""
    found = json.loads(docker("exec", site.dns.name, "cat", "/run/found.json"))
    assert len(found) > 100
    # About the scanner's own OpenSSL; and about Pebble, whose certificates name no list of revoked ones.
    beside = ("engine_problem", "cert_revocation")
    return [each for each in found if each["severity"] not in ("OK", "INFO") and each["id"] not in beside]


@contextlib.contextmanager
def _another_server(site: Site, folder: Path) -> Iterator[None]:
    """Somebody else's, on the port of ours at another address."""
    address, port = "127.0.0.98", site.environment.http_port
    site.dns.put(f"elsewhere.{DOMAIN}", "A", address)
    command = [sys.executable, "-m", "http.server", "--bind", address, "--directory", str(folder), str(port)]

    def ready() -> bool:
        with socket.socket() as one:
            return one.connect_ex((address, port)) == 0

    with running(command, folder / "log", ready):
        yield


def test_up_ends_with_a_certificate_of_the_authority_on_the_wire(site: Site) -> None:
    shown = site.served()
    assert set(shown.names) == {DOMAIN, ALIAS}
    assert "Pebble" in shown.issuer
    assert (shown.problem, list(shown.warnings([DOMAIN, ALIAS]))) == ("", [])
    status = site.status()
    assert status["certificate"]["serial"] == shown.serial
    assert status["certificate"]["verified"]
    assert status["certificate"]["trouble"] is None
    assert site.timer in {each["name"] for each in status["containers"]}


def test_doing_it_again_changes_nothing(site: Site) -> None:
    serial = site.served().serial
    site.environment.up("--expect-no-changes")
    assert site.served().serial == serial


def test_the_timer_is_a_resource_and_confined(site: Site) -> None:
    fields = json.loads(docker("inspect", site.timer))[0]
    host = fields["HostConfig"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert fields["Config"]["User"] == "33:33"
    docker("rm", "--force", site.timer)
    seen = site.environment.pulumi("preview", "--refresh", "--diff", "--stack", STACK)
    assert "certificate-timer" in seen
    serial = site.served().serial
    site.environment.up("--refresh")
    assert site.served().serial == serial, "what was issued is in the volume, and is not ordered again"


@pytest.mark.long
def test_a_name_that_dns_does_not_know_fails_the_deploy_and_leaves_the_site_as_it_is(site: Site) -> None:
    environment, before = site.environment, site.served().serial
    release = environment.output("release")
    environment.write_config(
        app={"secrets": [], "watchSeconds": 0, "env": {"ROUND": "2"}},
        domain={"name": DOMAIN, "aliases": [ALIAS, EXTRA]},
    )
    done = environment.attempt_up()
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"{EXTRA}: DNS does not know the name" in said
    assert "What to do: make the A (and AAAA) record that points at this server" in said
    assert "The next try by itself is at" in said
    status = site.status()
    assert status["release"] not in ("", release), "the release itself is deployed"
    assert status["certificate"]["serial"] == before
    assert "DNS does not know the name" in status["certificate"]["trouble"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"names": [DOMAIN, f"away.{DOMAIN}"]}, "port 80 of the server cannot be reached"),
        ({"names": [DOMAIN, f"elsewhere.{DOMAIN}"]}, "another server answered under this name"),
        ({"names": [DOMAIN, BLOCKED]}, "the authority gives no certificates for this name"),
        ({"profile": "eternal"}, "the authority does not know tls.profile"),
        (
            {"authority": "", "names": [DOMAIN, BLOCKED]},
            "the certificate of the ACME directory is not signed by an authority that is known here",
        ),
        ({"directory": "https://127.0.0.1:1/dir"}, "the ACME directory cannot be reached from the server"),
    ],
)
def test_the_reason_is_told_in_the_users_words(
    site: Site, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    site.dns.put(f"away.{DOMAIN}", "A", "127.0.0.99")
    with _another_server(site, tmp_path):
        done = site.order(**changes)
    assert done.returncode == 1
    assert reason in done.stderr
    assert "What to do:" in done.stderr


def test_a_directory_that_is_none_is_told(site: Site) -> None:
    done = site.order(directory=site.authority.directory.replace("/dir", "/none"))
    assert "what answers at tls.directoryUrl is no ACME directory" in done.stderr


@pytest.mark.long
def test_nothing_above_information_is_found_by_a_scanner(site: Site) -> None:
    docker("exec", "--interactive", site.dns.name, "sh", "-c", "cat > /run/root.pem", stdin=site.root.read_text())
    run(_scan(site))
    if any("connect problem" in each["finding"] for each in _found(site)):
        # The scanner gives a check up when the machine is too busy for one connection.
        run(_scan(site))
    assert _found(site) == []


@pytest.mark.long
def test_changed_names_get_a_new_certificate_once_dns_knows_them(site: Site) -> None:
    before = site.served().serial
    site.dns.put(EXTRA, "A", "127.0.0.1")
    site.environment.up()
    shown = site.served(EXTRA)
    assert set(shown.names) == {DOMAIN, ALIAS, EXTRA}
    assert shown.serial != before
    assert site.status()["certificate"]["trouble"] is None


@pytest.mark.long
def test_a_key_that_was_stolen_is_revoked_and_replaced_as_the_runbook_says(site: Site) -> None:
    before = site.served().serial
    (runbook,) = re.findall(r"`docker exec monopco-prod-acme (certbot revoke [^`]*)`", RUNBOOK.read_text())
    authority = ("--env", "REQUESTS_CA_BUNDLE=/var/lib/acme/directory-ca.pem")
    docker("exec", *authority, site.timer, *runbook.split())
    docker("exec", site.timer, "order")
    assert site.served().serial != before


@pytest.mark.long
def test_by_dns_a_certificate_that_is_soon_over_is_renewed_again_and_again_and_no_request_is_lost(site: Site) -> None:
    environment = site.environment
    environment.pulumi(
        *("config", "set", "--secret", "--path", "monopco:dns.keySecret", "--stack", STACK), stdin=site.dns.secret
    )
    for key, value in {
        "mode": "rfc2136",
        "zone": DOMAIN,
        "server": f"{this_machine()}:{site.dns.port}",
        "keyName": KEY_NAME,
        "keyAlgorithm": ALGORITHM,
        "ipv4": "127.0.0.1",
    }.items():
        environment.pulumi("config", "set", "--path", f"monopco:dns.{key}", value, "--stack", STACK)
    # The deploy makes the record of a new name, too, before it orders.
    environment.write_config(
        domain={"name": DOMAIN, "aliases": [ALIAS, NEW]}, tls=site.tls(challenge="dns-01", profile="short")
    )
    environment.up()
    assert site.dns.values(NEW, "CNAME") == {f"{DOMAIN}."}
    assert NEW in site.served().names
    serials = [site.served().serial]
    front = Proxy("", f"monopco-{STACK}-proxy", ssl.create_default_context(cadata=site.root.read_text()))
    with Load(front) as load:
        while len(serials) < 3:
            wait_until(lambda: site.served().serial != serials[-1], "a new certificate is served")
            serials.append(site.served().serial)
        load.more(100)
    assert load.failures == []
    assert len(set(serials)) == 3
    assert site.served().problem == ""
    assert site.dns.values(f"_acme-challenge.{DOMAIN}", "TXT") == set(), "the records are taken away again"


@pytest.mark.long
def test_a_record_that_may_not_be_made_is_the_reason_that_is_told(site: Site) -> None:
    before = json.loads(docker("exec", site.timer, "cat", "/var/lib/acme/settings.json"))["dns"]
    done = site.order(profile="default", dns={**before, "access": {"key_secret": "AAAA", "credentials": {}}})
    assert done.returncode == 1
    assert "the challenge's DNS record could not be made: _acme-challenge." in done.stderr
    assert "see that the credentials in the dns section may change this zone" in done.stderr


@pytest.mark.long
def test_access_to_dns_is_nowhere_to_be_read(site: Site) -> None:
    everywhere = json.dumps(json.loads(docker("inspect", site.timer))) + everything_said(site.timer)
    assert site.dns.secret not in everywhere
    state = "".join(path.read_text() for path in (site.environment.folder / ".state").rglob("*.json"))
    assert site.dns.secret not in state
