"""The sample app on a server that is reached by SSH alone: images by each of the three ways, and what can go wrong."""

from __future__ import annotations

import json
import secrets
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.docker_lab import PASSWORD, USER, registry
from tests.integration.environment import Environment, docker, run, wait_until
from tests.integration.remote_server import RemoteServer, remote_server
from tests.integration.ssh_lab import Key

# A quick app: what is watched and drained is other tests' matter.
APP = {"secrets": [], "replicas": 1, "watchSeconds": 0, "drainSeconds": 5}
# A change of one line is a new `dist` of the sample app; measured 87 kB.
ONE_LINE_BYTES = 200_000
PICTURE_BYTES = 60 * 10**6
MAIN = "examples/app/server/index.ts"


class RemoteEnvironment(Environment):
    """An environment on a server; what it builds here goes from here, too."""

    def delivered(self, component: str) -> dict[str, Any]:
        """What bringing the image of a component said last."""
        for resource in json.loads(self.pulumi("stack", "export", "--stack", self.stack))["deployment"]["resources"]:
            if resource["urn"].endswith(f"::image-{component}-bring"):
                found: dict[str, Any] = json.loads(resource["outputs"]["stdout"])
                return found
        raise AssertionError(f"the image of {component} was not brought")

    def change_a_line(self, word: str) -> None:
        """Another release: the app says a word when it starts."""
        self.edit(MAIN, "start().catch", f'console.log("{word}");\nstart().catch')


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("remote")


@pytest.fixture(scope="module")
def bare(folder: Path) -> RemoteEnvironment:
    return RemoteEnvironment(folder / "project", "remote")


@pytest.fixture(scope="module")
def server(bare: RemoteEnvironment, folder: Path) -> Iterator[RemoteServer]:
    with remote_server(folder, [bare.http_port, bare.https_port]) as started:
        yield started


@pytest.fixture(scope="module")
def environment(bare: RemoteEnvironment, server: RemoteServer) -> Iterator[RemoteEnvironment]:
    """The sample app on the server, brought there by one `./monopco up`."""
    address = "0.0.0.0"  # noqa: S104 - all of the server's, whose ports are published on this machine alone
    bare.write_config(
        app=APP,
        http={"httpPort": bare.http_port, "httpsPort": bare.https_port, "address": address},
        server={"host": "127.0.0.1", "port": server.port, "hostKey": server.host_key.public, "setUp": False},
        # It is taken away again.
        policies={"production": False},
    )
    set_secret(bare, "server.privateKey", server.key.private)
    try:
        said = bare.monopco("up")
        assert "sending 6 of 7 layers" in said, "how far the database's image has come"
        yield bare
    finally:
        bare.destroy()
        assert server.docker("ps", "--all", "--quiet", "--filter", f"label=dev.monopco.stack={bare.stack}") == ""
        assert bare.ours("image") == [], "what was built here to be sent"


def set_secret(environment: Environment, path: str, value: str) -> None:
    command = ("config", "set", "--secret", "--path", f"monopco:{path}", "--stack", environment.stack)
    environment.pulumi(*command, stdin=value)
    section = path.partition(".")[0]
    written = yaml.safe_load(environment.stack_file.read_text())["config"]
    environment.config[section] = written[f"monopco:{section}"]


def release(environment: Environment) -> str:
    answer = environment.request("GET", "/api/info").json()
    assert answer["database"]["ok"] is True
    return str(answer["release"])


def test_one_login_was_enough_and_only_the_user_reads_the_key(
    environment: RemoteEnvironment, server: RemoteServer
) -> None:
    assert release(environment) == environment.output("release")
    assert server.logins() == 1
    assert docker("ps", "--quiet", "--filter", f"label=dev.monopco.stack={environment.stack}") == ""
    (settings,) = (environment.folder / ".state" / "ssh").iterdir()
    assert stat.S_IMODE(settings.stat().st_mode) == 0o700
    assert stat.S_IMODE((settings / "key").stat().st_mode) == 0o600
    line = server.key.private.splitlines()[1]
    for path in (environment.folder / ".state" / ".pulumi").rglob("*.json*"):
        assert line not in path.read_text()


def test_a_second_up_changes_nothing_and_connects_no_more(environment: RemoteEnvironment, server: RemoteServer) -> None:
    environment.up("--expect-no-changes")
    environment.pulumi("preview", "--refresh", "--expect-no-changes", "--stack", environment.stack)
    assert server.logins() == 1


def test_a_changed_line_sends_one_layer(environment: RemoteEnvironment, server: RemoteServer) -> None:
    before = release(environment)
    environment.change_a_line("one")
    environment.monopco("up")
    assert release(environment) != before
    sent = environment.delivered("app")["sent"]
    print(f"a changed line sends {sent} bytes")
    assert 0 < sent < ONE_LINE_BYTES
    assert server.logins() == 1


@pytest.mark.long
def test_every_command_works_on_the_server(environment: RemoteEnvironment, server: RemoteServer) -> None:
    live = release(environment)
    wait_until(lambda: environment.attempt_monopco("status").returncode == 0, "all are healthy")
    status = json.loads(environment.monopco("status", "--json"))
    assert (status["release"], status["healthy"]) == (live, True)
    assert "one" in environment.monopco("logs", "app")
    with subprocess.Popen(
        environment.command("logs", "app", "--follow"),
        cwd=environment.folder,
        env=environment.variables,
        stdout=subprocess.PIPE,
        text=True,
    ) as follow:
        assert any(f"release {live} listens" in line for line in follow.stdout or ())
        follow.terminate()
    environment.monopco("maintenance", "on")
    assert environment.request("GET", "/").status == 503
    environment.monopco("maintenance", "off")
    environment.change_a_line("two")
    environment.monopco("checkpoint", "-m", "Two")
    assert release(environment) == live
    newest, *_ = json.loads(environment.monopco("releases", "--json"))
    assert newest["description"] == "Two"
    environment.monopco("publish")
    assert release(environment) == newest["id"]
    environment.monopco("rollback")
    assert release(environment) == live
    assert server.logins() == 1


def test_ssh_opens_the_server_over_the_same_connection(environment: RemoteEnvironment, server: RemoteServer) -> None:
    command = [str(environment.folder / ".venv/bin/python"), "-m", "ops", "ssh", "--stack", environment.stack, "--"]
    done = run([*command, "whoami; hostname; exit 7"], cwd=environment.folder, env=environment.variables)
    assert (done.returncode, done.stdout.split()) == (7, ["monopco", server.run("hostname")])
    done = run([*command, "sh", "-s"], cwd=environment.folder, env=environment.variables, input="echo from stdin")
    assert done.stdout == "from stdin\n"
    assert server.logins() == 1


def test_a_cut_connection_is_opened_again_and_the_image_sent_again(
    environment: RemoteEnvironment, server: RemoteServer, folder: Path
) -> None:
    picture = environment.folder / "examples" / "app" / "client" / "public" / "picture.bin"
    picture.parent.mkdir(exist_ok=True)
    picture.write_bytes(secrets.token_bytes(PICTURE_BYTES))
    logins = server.logins()
    with (folder / "up.log").open("w+") as log:
        up = subprocess.Popen(
            ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack", environment.stack],
            cwd=environment.folder,
            env=environment.variables,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        # Docker unpacks there what comes in.
        wait_until(lambda: "docker-import" in server.run("ls", "/var/lib/docker/tmp"), "the image comes in")
        server.cut()
        assert up.wait() == 0, (folder / "up.log").read_text()
    said = (folder / "up.log").read_text()
    assert "the connection broke" in said
    assert environment.delivered("app")["sent"] > PICTURE_BYTES
    assert server.logins() == logins + 1
    picture.unlink()


def test_another_host_key_is_not_talked_to(environment: RemoteEnvironment, server: RemoteServer, folder: Path) -> None:
    given, logins = environment.config["server"], server.logins()
    wrong = Key.generate(folder / "wrong").public
    document = environment.stack_file.read_text()
    environment.stack_file.write_text(document.replace(given["hostKey"], wrong))
    done = environment.attempt_monopco("status")
    environment.stack_file.write_text(document)
    assert done.returncode == 1
    assert "shows another host key than it should" in done.stderr
    assert "docker.example.com" not in done.stderr
    assert server.logins() == logins


def test_a_key_that_is_not_accepted_and_a_docker_that_is_not_allowed_are_told(
    environment: RemoteEnvironment, server: RemoteServer
) -> None:
    server.run("gpasswd", "--delete", "monopco", "docker")
    server.cut()
    assert "monopco is not in the group docker" in environment.attempt_monopco("status").stderr
    server.run("gpasswd", "--add", "monopco", "docker")
    server.run("mv", "/home/monopco/.ssh/authorized_keys", "/root/kept")
    server.cut()
    refused = environment.attempt_monopco("status").stderr
    assert "does not let the user monopco in" in refused
    assert "docker.example.com" not in refused
    server.run("mv", "/root/kept", "/home/monopco/.ssh/authorized_keys")
    wait_until(lambda: environment.attempt_monopco("status").returncode == 0, "all are healthy")


@pytest.mark.long
def test_images_go_through_a_registry(environment: RemoteEnvironment, server: RemoteServer, folder: Path) -> None:
    with registry(folder, protected=True) as address, server.forwarded(address):
        url = f"{address}/monopco"
        environment.write_config(registry={"url": url, "username": USER})
        set_secret(environment, "registry.password", "wrong-password")
        refused = environment.attempt_monopco("up")
        assert refused.returncode == 1
        assert "registry.username and registry.password" in refused.stderr
        set_secret(environment, "registry.password", PASSWORD)
        environment.change_a_line("three")
        environment.monopco("up")
        environment.up("--expect-no-changes")
        assert environment.delivered("app")["sent"] == 0
    live = release(environment)
    assert live == environment.output("release")
    assert address not in server.docker("image", "ls", "--digests"), "a name for the way only"
    told = environment.pulumi("stack", "export", "--stack", environment.stack)
    assert PASSWORD not in told + refused.stdout + refused.stderr


@pytest.mark.long
def test_images_are_built_on_the_server(environment: RemoteEnvironment, server: RemoteServer) -> None:
    """Recorded and not made live, so that the app's images alone are built there."""
    environment.write_config(registry={}, app={**APP, "buildOn": "server"})
    environment.change_a_line("four")
    environment.monopco("checkpoint", "-m", "Built there")
    newest, *_ = json.loads(environment.monopco("releases", "--json"))
    assert newest["description"] == "Built there"
    assert not run(["docker", "image", "inspect", newest["image"]]).stdout.startswith("[{"), "it was built here"
    assert server.docker("image", "inspect", "--format", "{{.Id}}", newest["image"]) == newest["image"]
