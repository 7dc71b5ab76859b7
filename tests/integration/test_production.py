"""A server fresh from the provider, from its root key to a site with a certificate: one `up`, and what it stands."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest

from ops.certificate import read
from tests.integration import server_lab
from tests.integration.acme_lab import authority, dns_server
from tests.integration.environment import Answer, Environment, wait_until
from tests.integration.proxy_lab import DOMAIN
from tests.integration.server_lab import LabServer

STACK = "production"
ALIAS = f"www.{DOMAIN}"
VALID_SECONDS = 3600


@dataclass
class Production:
    environment: Environment
    server: LabServer
    root: Path
    """What the authority's certificates go back to (PEM)."""

    def ask(self, path: str, host: str = DOMAIN) -> Answer:
        """One request as a browser makes it: by name, over TLS that is verified."""
        context = ssl.create_default_context(cafile=str(self.root))
        connection = HTTPConnection(host, timeout=30)
        plain = socket.create_connection((self.server.address, 443), timeout=30)
        connection.sock = context.wrap_socket(plain, server_hostname=host)
        try:
            connection.request("GET", path)
            return Answer.read(connection.getresponse())
        finally:
            connection.close()

    def serves(self) -> bool:
        try:
            return self.ask("/api/info").status == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    folder = tmp_path_factory.mktemp("production")
    environment = Environment(folder / "project", STACK)
    with server_lab.server(folder) as server, dns_server() as dns:
        dns.put(DOMAIN, "A", server.address)
        # The machine that tests, as the server sees it.
        here = f"{server.address.rpartition('.')[0]}.1"
        with authority(folder, here, 80, dns.port, VALID_SECONDS) as pebble:
            root = folder / "root.pem"
            root.write_text(pebble.authority.read_text() + pebble.root())
            environment.write_config(
                app={"secrets": [], "watchSeconds": 0},
                domain={"name": DOMAIN, "aliases": [ALIAS]},
                tls={
                    "mode": "acme",
                    "email": f"admin@{DOMAIN}",
                    "directoryUrl": pebble.directory,
                    "caFile": str(root),
                    "profile": "default",
                },
                http={"address": "0.0.0.0", "httpPort": 80, "httpsPort": 443},  # noqa: S104 - of the server
                server={"host": server.address},
                # It is taken away again.
                policies={"production": False},
            )
            path = ("--path", "monopco:server.privateKey")
            environment.pulumi("config", "set", "--secret", *path, "--stack", STACK, stdin=server.key.private)
            yield Production(environment, server, root)


@pytest.fixture(scope="module")
def deployed(production: Production) -> str:
    """What the first `up` says."""
    done = production.environment.attempt_monopco("up")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_one_up_leads_from_a_fresh_server_to_the_site(production: Production, deployed: str) -> None:
    assert "SHA256:" in deployed, "the host key that was met first is told"
    info = production.ask("/api/info").json()
    assert info["database"]["ok"] is True
    shown = read(production.server.address, 443, DOMAIN, [production.root.read_text()])
    assert (set(shown.names), shown.problem) == ({DOMAIN, ALIAS}, "")
    wait_until(lambda: production.environment.attempt_monopco("status").returncode == 0, "all are healthy")


@pytest.mark.usefixtures("deployed")
def test_a_second_up_changes_nothing(production: Production) -> None:
    assert "Nothing to change" in production.environment.monopco("up")


@pytest.mark.usefixtures("deployed")
def test_the_checklist_is_met(production: Production) -> None:
    told = json.loads(production.environment.attempt_monopco("verify", "--json").stdout)
    failures = {one["id"]: one["said"] for one in told["checks"] if one["verdict"] == "failed"}
    # How full and busy the machine is that tests, and what nobody but a public resolver knows.
    for name in ("monitoring.disk", "performance.load", "security.dns"):
        failures.pop(name, None)
    assert failures == {}


@pytest.mark.usefixtures("deployed")
def test_what_somebody_has_removed_and_changed_on_the_server_is_shown_and_made_again(production: Production) -> None:
    server, environment = production.server, production.environment
    drop_in = "/etc/ssh/sshd_config.d/00-monopco.conf"
    server(f"sed -i 's/^PasswordAuthentication no/PasswordAuthentication yes/' {drop_in} && systemctl reload ssh")
    server(f"docker rm --force monopco-{STACK}-proxy")
    shown = environment.monopco("preview", "--refresh")
    assert "proxy-server" in shown
    assert "sshd is looser than it should be: passwordauthentication yes" in shown
    environment.pulumi("refresh", "--yes", "--stack", STACK)
    environment.monopco("up")
    assert production.serves()
    assert server(f"grep -c '^PasswordAuthentication no' {drop_in}") == "1"
    assert "Nothing to change" in environment.monopco("up")


@pytest.mark.usefixtures("deployed")
def test_the_site_is_there_again_after_the_server_was_restarted(production: Production) -> None:
    production.server.restart()
    wait_until(production.serves, "the site answers again")
    assert "Nothing to change" in production.environment.monopco("up")


@pytest.mark.usefixtures("deployed")
def test_taking_it_away_keeps_the_server_hardened_and_the_way_in(production: Production) -> None:
    production.environment.monopco("down", "--yes")
    assert "Status: active" in production.server("ufw status")
    assert production.server.login().stdout.strip() == "root"
    assert production.server(f"docker ps --quiet --filter label=dev.monopco.stack={STACK}") == ""
