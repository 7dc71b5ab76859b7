"""Proxies of others in containers: the same certificate, the same app behind them, everything else as Debian has it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.peers import tools
from tests.integration.environment import docker, everything_said

CONF = tools.HERE / "conf"
NGINX, HAPROXY, CADDY = "bare nginx", "HAProxy", "Caddy"
PATHS = {"proxied": "/api/small", "static": "/assets/page-Ab12Cd34.js"}
_ASSET_BYTES = 10_000
_CERTIFICATE = "/var/lib/monopco/tls/bundle.pem"
# Caddy wants the key and the chain apart.
_APART = " && ".join(
    f"sed -n '/BEGIN .*{part}/,/END .*{part}/p' {_CERTIFICATE} >/tmp/{file}.pem"
    for part, file in (("KEY", "key"), ("CERTIFICATE", "chain"))
)


@dataclass(frozen=True)
class _Kind:
    """Where the configuration goes, and what runs with it in the foreground."""

    file: str
    target: str
    command: str


_APP = _Kind("app.conf", "/etc/nginx/nginx.conf", "exec nginx -g 'daemon off;'")
_KINDS = {
    NGINX: _Kind("nginx.conf", "/etc/nginx/sites-enabled/default", "exec nginx -g 'daemon off;'"),
    HAPROXY: _Kind("haproxy.cfg", "/etc/haproxy/haproxy.cfg", "exec haproxy -W -db -f /etc/haproxy/haproxy.cfg"),
    CADDY: _Kind("Caddyfile", "/etc/caddy/Caddyfile", f"{_APART} && exec caddy run --config /etc/caddy/Caddyfile"),
}
NAMES = tuple(_KINDS)


def start(name: str, container: str, network: str, volume: str) -> None:
    """One of NAMES; `volume` is that of our proxy, with the certificate."""
    _start(_KINDS[name], container, "--network", network, "--volume", f"{volume}:/var/lib/monopco:ro")


def start_app(container: str, network: str) -> None:
    """The app that all of them ask, under the name "app"."""
    _start(_APP, container, "--network", network, "--network-alias", "app")


def _start(kind: _Kind, container: str, *options: str) -> None:
    docker("create", "--init", "--name", container, *options, tools.image(), "sh", "-c", kind.command)
    docker("cp", "--follow-link", str(CONF / kind.file), f"{container}:{kind.target}")
    with tempfile.TemporaryDirectory() as folder:
        asset = Path(folder) / "srv" / PATHS["static"].lstrip("/")
        asset.parent.mkdir(parents=True)
        line = "export const answer = 42;\n"
        asset.write_text((line * (_ASSET_BYTES // len(line) + 1))[:_ASSET_BYTES], encoding="utf-8")
        asset.parent.chmod(0o755)
        asset.parent.parent.chmod(0o755)
        docker("cp", f"{folder}/srv/.", f"{container}:/srv")
    docker("start", container)


def address(container: str) -> str:
    """Its address in its network."""
    found = docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", container)
    if not found:
        raise AssertionError(f"{container} does not run: {everything_said(container)}")
    return found
