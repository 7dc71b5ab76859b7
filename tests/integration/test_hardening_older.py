"""Debian 12, set up by a user with sudo whose key is in the agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration import server_lab
from tests.integration.engine import Engine
from tests.integration.ssh_lab import ssh_agent
from tests.integration.test_hardening import audit, findings

SUDO = """set -eu
useradd --create-home --shell /bin/bash admin
cp -r /root/.ssh /home/admin/ && chown -R admin: /home/admin/.ssh && : >/root/.ssh/authorized_keys
"""


@pytest.mark.long
def test_from_fresh_to_hardened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server_lab.server(tmp_path, "bookworm") as server, ssh_agent(tmp_path / "agent", server.key) as agent:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        server(SUDO)
        engine = Engine(tmp_path / "project")
        engine.write(server_lab.program(server.arguments(user="admin", private_key=None, authorized_key="")))
        assert "The user admin may not become root without a password" in engine.try_up().failure

        server("echo 'admin ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/admin")
        assert engine.up().succeeded
        assert engine.up().changes == {}
        assert findings(engine, server, user="admin") == {}
        assert server.login(user="monopco").stdout == "monopco\n"
        assert server.login(user="root").returncode != 0
        assert "Status: active" in server("ufw status")
        assert "Total failed" in server("fail2ban-client status sshd")
        assert "Live Restore Enabled: true" in server("docker info")
        assert audit(server) == ""
