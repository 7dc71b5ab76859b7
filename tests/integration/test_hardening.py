"""A server from fresh to hardened: what goes wrong on the way, what it lets in then, and what is done by hand on it."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.machine import step_text
from ops import drift
from tests.integration import server_lab
from tests.integration.engine import Engine
from tests.integration.environment import wait_until
from tests.integration.server_lab import LabServer, docker
from tests.integration.ssh_lab import Key

SSH_AUDIT = str(Path(sys.executable).with_name("ssh-audit"))
STEPS = 13  # of which two confirm
# Every port of both.
SCANS = (
    "nmap -n -Pn -sS -p- --min-rate 3000 --max-retries 2",
    "nmap -n -Pn -sU -p- --min-rate 3000 --max-retries 0",
)
# Answers on a port, by TCP and UDP.
ECHO = """
import socketserver, sys, threading
class Tcp(socketserver.BaseRequestHandler):
    def handle(self): self.request.sendall(b"here")
class Udp(socketserver.BaseRequestHandler):
    def handle(self): self.request[1].sendto(b"here", self.client_address)
port = int(sys.argv[1])
udp = socketserver.UDPServer(("", port), Udp)
threading.Thread(target=udp.serve_forever, daemon=True).start()
socketserver.ThreadingTCPServer(("", port), Tcp).serve_forever()
"""


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the server takes for its /proc/meminfo: that of one with 1 GB."""
    file = tmp_path_factory.mktemp("memory") / "meminfo"
    set_memory(file, 1024)
    return file


def set_memory(file: Path, megabytes: int) -> None:
    with file.open("r+" if file.exists() else "w") as text:  # the same file, since it is mounted
        text.truncate()
        text.write(f"MemTotal:       {megabytes * 1024:8} kB\nMemFree:        {megabytes * 512:8} kB\n")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, memory: Path) -> Iterator[LabServer]:
    mounted = ("--volume", f"{memory}:/proc/meminfo:ro")
    with server_lab.server(tmp_path_factory.mktemp("server"), options=mounted) as running:
        yield running


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory, server: LabServer) -> Engine:
    return server_lab.engine(tmp_path_factory.mktemp("program") / "project", server)


@pytest.fixture(scope="module")
def neighbour(server: LabServer) -> Iterator[LabServer]:
    with server_lab.neighbour(server) as running:
        yield running


def findings(engine: Engine, server: LabServer, user: str = "root") -> dict[str, tuple[str, ...]]:
    """What differs on the server, by step."""
    found = drift.of_server(engine.project.state()["resources"], server.ssh(user=user))
    return {one.urn.rpartition("::machine-")[2]: one.differs for one in found}


def mend(engine: Engine, server: LabServer) -> set[str]:
    """One `up` that makes anew what differs; the names of what it did."""
    found = drift.of_server(engine.project.state()["resources"], server.ssh())
    return {name.removeprefix("machine-") for name in engine.up(*drift.replacing(found)).changes}


def audit(server: LabServer) -> str:
    """The failures that ssh-audit finds."""
    done = subprocess.run([SSH_AUDIT, "--level=fail", server.address], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 2), done.stdout  # 2: warnings; 3: failures; the rest: it could not look
    return "".join(line for line in done.stdout.splitlines() if "[fail]" in line)


# Ends the first session of root in which a command runs.
CUT = """
while :; do
    for session in $(pgrep -f 'sshd.*[r]oot@notty'); do
        if pgrep -P "$session" >/dev/null; then kill -KILL "$session" && exit; fi
    done
done
"""


def _cut_in_the_middle(engine: Engine, server: LabServer, step: str) -> bool:
    """Whether the step's run failed, because its connection ended when its commands had begun."""
    server(f"systemd-run --quiet --collect --unit cut --property RuntimeMaxSec=120 sh -c {shlex.quote(CUT)}")
    with engine.start_up("--replace", f"**::{step}") as running:
        running.communicate()
    server("systemctl stop cut", check=False)
    return running.returncode != 0


class TestOnTheWay:
    """In this order, on the same server."""

    def test_a_server_that_shows_another_host_key_is_not_talked_to(
        self, engine: Engine, server: LabServer, tmp_path: Path
    ) -> None:
        other = Key.generate(tmp_path / "other")
        engine.write(server_lab.program(server.arguments(host_key=other.public)))
        assert "host key mismatch" in engine.try_up().failure

    def test_a_key_that_is_not_accepted_is_told(self, engine: Engine, server: LabServer, tmp_path: Path) -> None:
        other = Key.generate(tmp_path / "other")
        engine.write(server_lab.program(server.arguments(private_key=other.private)))
        assert "unable to authenticate" in engine.try_up().failure
        wait_until(lambda: server.login().returncode == 0, "sshd has forgotten it")

    def test_all_that_is_missing_is_told_at_once(self, engine: Engine, server: LabServer, memory: Path) -> None:
        server("cp /etc/os-release /tmp/os-release && sed -i 's/^VERSION_ID=.*/VERSION_ID=\"11\"/' /etc/os-release")
        enormous = "import components.machine\ncomponents.machine.FREE_DISK_MB = 10**9"
        engine.write(server_lab.program(server.arguments(), enormous))
        failure = engine.try_up().failure
        assert "nothing was changed" in failure
        for lacking in ("is not supported; Debian 12", "memory: 1024 MB; 1850 MB", "1000000000 MB are needed"):
            assert lacking in failure
        server("cp /tmp/os-release /etc/os-release")
        set_memory(memory, 1920)
        assert server("ls /etc/monopco /var/log/monopco", check=False) == ""

    @pytest.mark.long
    def test_a_full_disk_is_told_and_the_next_run_goes_on(self, engine: Engine, server: LabServer) -> None:
        engine.write(server_lab.program(server.arguments()))
        server("mount -t tmpfs -o size=1m none /var/cache/apt/archives")
        failure = engine.try_up().failure
        server("umount /var/cache/apt/archives")
        assert "free space" in failure or "No space left" in failure

    @pytest.mark.long
    def test_who_uses_apt_is_told_and_a_connection_may_be_cut(self, engine: Engine, server: LabServer) -> None:
        server("nohup flock /var/lib/dpkg/lock-frontend sleep infinity >/dev/null 2>&1 &")
        with engine.start_up() as running:
            wait_until(lambda: "apt is used by" in " ".join(engine.so_far().messages("info")), "somebody is at apt")
            assert "/var/lib/dpkg/lock-frontend" in " ".join(engine.so_far().messages("info"))
            server("pkill -f 'sshd.*[r]oot@notty'")
            running.communicate()
        assert running.returncode != 0
        assert "machine-account" not in engine.so_far().changes
        server("pkill -f '[s]leep infinity'")

    @pytest.mark.long
    def test_a_restart_in_the_middle_is_made_good_by_the_next_run(self, engine: Engine, server: LabServer) -> None:
        with engine.start_up() as running:
            # What the run before has begun goes on there: this one must have come, too, to be interrupted.
            at_work = "pgrep -f 'sshd.*[r]oot@notty' >/dev/null && pgrep -f '[d]pkg .*--(unpack|configure)'"
            wait_until(lambda: server(at_work, check=False) != "", "this run is there, and dpkg is at work")
            server.restart()
            running.communicate()
        assert running.returncode != 0
        assert engine.up().succeeded
        assert server("dpkg --audit") == ""

    @pytest.mark.long
    def test_the_connection_may_be_cut_in_the_middle_of_every_step(self, engine: Engine, server: LabServer) -> None:
        steps = sorted(name for name in engine.values() if name.startswith("machine-"))
        assert len(steps) == STEPS
        for step in steps:
            # A step may be through before it is found: it is tried again then.
            assert any(_cut_in_the_middle(engine, server, step) for _ in range(5)), step
        assert engine.up().succeeded


@pytest.fixture(scope="module")
def deployed(engine: Engine, server: LabServer, memory: Path) -> Engine:
    """The program, run on the server."""
    set_memory(memory, 1920)
    engine.write(server_lab.program(server.arguments()))
    engine.up()
    return engine


@pytest.mark.long
@pytest.mark.usefixtures("deployed")
class TestHardened:
    def test_the_next_run_changes_nothing(self, deployed: Engine, server: LabServer) -> None:
        assert deployed.up().changes == {}
        assert findings(deployed, server) == {}
        assert len([name for name in deployed.values() if name.startswith("machine-")]) == STEPS
        assert server("systemctl is-system-running --wait") == "running"
        assert server("ls -d /var/lib/monopco/undo/*/", check=False) == ""  # all is confirmed

    def test_a_neighbour_finds_three_ports(self, server: LabServer, neighbour: LabServer) -> None:
        """Although a container publishes one more for all the world, and a program listens on another."""
        name = server_lab.image("trixie")
        with subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE) as saved:
            load = ["docker", "exec", "--interactive", server.container, "docker", "load", "--quiet"]
            subprocess.run(load, stdin=saved.stdout, check=True, stdout=subprocess.DEVNULL)
        for port in (80, 443, 5555):
            published = f"--publish {port}:{port} --publish {port}:{port}/udp"
            server(f"docker run --detach --name echo-{port} {published} {name} python3 -c '{ECHO}' {port}")
        server(f"nohup python3 -c '{ECHO}' 9000 >/dev/null 2>&1 &")
        wait_until(lambda: ":9000 " in server("ss -lnt"), "the program listens")
        # All of them answer where no firewall is in between.
        for port in (80, 443, 5555, 9000):
            assert server(f"timeout 5 bash -c 'cat </dev/tcp/127.0.0.1/{port}'") == "here"
        found = [neighbour(f"{scan} --open {server.address}") for scan in SCANS]
        assert re.findall(r"^(\d+/(?:tcp|udp)) +open ", "\n".join(found), re.MULTILINE) == [
            "22/tcp",
            "80/tcp",
            "443/tcp",
        ]

    def test_what_containers_send_out_goes_on(self, server: LabServer, neighbour: LabServer) -> None:
        docker("exec", "--detach", neighbour.container, "python3", "-c", ECHO, "7000")
        answer = f"docker exec echo-5555 timeout 10 bash -c 'cat </dev/tcp/{neighbour.address}/7000'"
        wait_until(lambda: server(answer, check=False) == "here", "a container reaches the neighbour")

    def test_no_password_is_asked_for(self, server: LabServer) -> None:
        server("echo root:secret | chpasswd")
        refused = server.login("-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password")
        assert "Permission denied (publickey)" in refused.stderr

    def test_who_deploys_may_use_docker_and_is_not_root(self, server: LabServer) -> None:
        assert server.login(user="monopco").stdout == "monopco\n"
        asked = subprocess.run(
            server.ssh(user="monopco"),
            input="docker version && ! sudo -n id",
            capture_output=True,
            text=True,
            check=False,
        )
        assert asked.returncode == 0, asked.stderr

    def test_who_fails_to_log_in_is_shut_out_and_who_deploys_is_not(
        self, server: LabServer, neighbour: LabServer
    ) -> None:
        attempt = "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o ConnectTimeout=20"
        banned = "fail2ban-client get sshd banip"

        def shut_out() -> bool:
            # The firewall lets six begin in half a minute, and as long as one goes on trying faster, none: forget them.
            server("echo / >/proc/net/xt_recent/DEFAULT")
            neighbour(f"for _ in 1 2 3 4 5; do {attempt} nobody@{server.address}; done", check=False)
            return neighbour.address in server(banned).split()

        wait_until(shut_out, "the neighbour is banned", 600)
        assert neighbour.attempt(f"timeout 3 bash -c '</dev/tcp/{server.address}/22'").returncode != 0
        for _ in range(10):
            assert server.login("-o", "ControlMaster=no", user="nobody").returncode != 0
        assert server.login().returncode == 0
        assert server(banned).split() == [neighbour.address]

    def test_ssh_audit_finds_no_failure(self, server: LabServer) -> None:
        assert audit(server) == ""

    def test_what_is_done_by_hand_is_found_and_made_good_by_one_run(self, deployed: Engine, server: LabServer) -> None:
        server(
            "sed -i 's/^PasswordAuthentication no/PasswordAuthentication yes/' /etc/ssh/sshd_config.d/00-monopco.conf"
        )
        server("systemctl reload ssh && ufw allow 9000/tcp && useradd eve && gpasswd --add eve docker")
        server("iptables -F DOCKER-USER && systemctl stop fail2ban && apt-mark unhold docker.io")
        found = findings(deployed, server)
        assert set(found) == {"ssh", "firewall", "account", "fail2ban", "docker"}
        assert "sshd is looser than it should be: passwordauthentication yes" in found["ssh"]
        assert "a rule that is not ours: allow 9000/tcp" in found["firewall"]
        assert found["account"] == ("members of the group docker are: monopco,eve",)
        assert mend(deployed, server) == {*found, "ssh-confirmation", "firewall-confirmation"}
        assert findings(deployed, server) == {}
        assert deployed.up().changes == {}

    def test_a_change_that_nobody_confirms_is_undone(self, deployed: Engine, server: LabServer) -> None:
        change = step_text(
            "firewall", {"STACK": "test", "PORTS": "80 443 8443"}, "machine/undo.sh", "machine/firewall.sh"
        )
        docker("exec", "--interactive", server.container, "sh", stdin=change)
        assert "8443" in server("ufw status")
        timer = "monopco-undo-firewall.timer"
        assert server(f"systemctl is-enabled {timer} && systemctl is-active {timer}").split() == ["enabled", "active"]
        wait_until(lambda: "8443" not in server("ufw status"), "the minute is over")
        wait_until(lambda: server(f"systemctl is-active {timer}", check=False) == "inactive", "the timer is gone")
        confirmation = step_text("firewall", {}, "machine/undo.sh", "machine/confirm.sh")
        refused = subprocess.run(server.ssh(), input=confirmation, capture_output=True, text=True, check=False)
        assert refused.returncode == 1
        assert "undone by itself: no new connection could be made within 60 s" in refused.stderr
        mend(deployed, server)
        assert findings(deployed, server) == {}

    def test_destroying_leaves_the_server_as_it_is(self, deployed: Engine, server: LabServer) -> None:
        deployed.destroy()
        assert server.login().returncode == 0
        assert "Status: active" in server("ufw status")
        assert "echo-80" in server("docker ps --format '{{.Names}}'")
