"""The plugin "command" on a server, over real SSH."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.engine import Engine
from tests.integration.ssh_lab import Key, SshServer, ssh_agent, ssh_server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ssh")


@pytest.fixture(scope="module")
def key(folder: Path) -> Key:
    return Key.generate(folder / "key")


@pytest.fixture(scope="module")
def locked_key(folder: Path) -> Key:
    return Key.generate(folder / "locked", password="open sesame")


@pytest.fixture(scope="module")
def server(folder: Path, key: Key, locked_key: Key) -> Iterator[SshServer]:
    """A server that takes environment variables."""
    with ssh_server(folder / "server", key, locked_key, accept_env="GREETING HISTORY PULUMI_COMMAND_*") as running:
        yield running


@pytest.fixture(scope="module")
def strict_server(folder: Path, key: Key) -> Iterator[SshServer]:
    """A server that takes no environment variables, and has an RSA key."""
    with ssh_server(folder / "strict", key, kind="rsa") as running:
        yield running


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "project")


def remote(connection: dict[str, Any], name: str = "c", **inputs: Any) -> str:
    """A command on a server, as a program writes it."""
    given = ", ".join(f"{name}={value!r}" for name, value in inputs.items())
    return f"command.remote.Command({name!r}, connection={connection!r}, {given})\n"


def test_a_command_on_a_server_lives_from_creation_to_deletion(
    engine: Engine, server: SshServer, key: Key, tmp_path: Path
) -> None:
    history = tmp_path / "history"

    def program(greeting: str, trigger: int) -> str:
        return remote(
            server.connection(private_key=key.private),
            create="echo create $GREETING $(cat) >> $HISTORY; echo out-$GREETING; echo err >&2",
            update="echo update $GREETING after $PULUMI_COMMAND_STDOUT $PULUMI_COMMAND_STDERR >> $HISTORY; echo out2",
            delete="echo delete $GREETING after $PULUMI_COMMAND_STDOUT >> $HISTORY",
            stdin=f"in-{greeting}",
            environment={"GREETING": greeting, "HISTORY": str(history)},
            triggers=[trigger],
        )

    engine.write(program("one", 1))
    logins = server.logins()
    assert engine.preview().operations == {"c": "create"}
    assert server.logins() == logins, "a preview logged in"
    run = engine.up()
    assert "out-one" in run.messages("info")
    assert engine.outputs("c")["stdout"] == "out-one"
    assert engine.outputs("c")["stderr"] == "err"
    assert engine.up().changes == {}
    assert engine.refresh().changes == {}

    engine.write(program("two", 1))
    assert engine.up().changes == {"c": "update"}
    engine.write(program("three", 2))
    assert engine.up().changes == {"c": "create-replacement"}
    assert engine.destroy().operations == {"c": "delete"}
    assert history.read_text(encoding="utf-8").splitlines() == [
        "create one in-one",
        "update two after out-one err",
        "create three in-three",
        "delete two after out2",
        "delete three after out-three",
    ]


def test_the_connection_is_secret_and_so_is_the_standard_input(engine: Engine, server: SshServer, key: Key) -> None:
    secret = "marked-value-4711"
    program = remote(
        server.connection(private_key=key.private, password=secret), create="cat >/dev/null", stdin="SECRET"
    )
    engine.write(program.replace("'SECRET'", f"pulumi.Output.secret('{secret}')"))
    seen = str(engine.preview().events) + str(engine.up().events) + engine.project.pulumi("preview", "--diff")
    assert {"connection", "stdin"} <= engine.secret_outputs("c")
    seen += engine.project.state_text()
    assert secret not in seen
    assert key.private.splitlines()[1] not in seen


@pytest.mark.long
def test_a_failed_command_shows_what_it_wrote(engine: Engine, server: SshServer, key: Key) -> None:
    connection = server.connection(private_key=key.private)
    engine.write(remote(connection, create="echo to-out; echo to-err >&2; exit 3"))
    failure = engine.try_up().failure
    assert "exited with status 3" in failure
    assert "to-out" in failure
    assert "to-err" in failure
    assert engine.project.resources() == {}


@pytest.mark.long
def test_a_server_that_takes_no_variables_is_told_of(engine: Engine, strict_server: SshServer, key: Key) -> None:
    connection = strict_server.connection(private_key=key.private)
    engine.write(remote(connection, create="true", environment={"GREETING": "hello"}))
    assert "does not accept the environment variable GREETING. Add it to AcceptEnv" in engine.try_up().failure

    engine.write(remote(connection, create="echo first"))
    engine.up()
    engine.write(remote(connection, create="echo second"))
    run = engine.up()
    assert any("PULUMI_COMMAND_STDOUT" in message for message in run.messages("warning"))
    assert engine.outputs("c")["stdout"] == "second"
    engine.write(remote(connection, create="echo third", add_previous_output_in_env=False))
    assert engine.up().messages("warning") == []


@pytest.mark.long
def test_a_server_with_another_key_is_not_talked_to(
    engine: Engine, server: SshServer, strict_server: SshServer, key: Key
) -> None:
    logins = server.logins()
    for wrong in (key.public, strict_server.host_key.public):
        engine.write(remote(server.connection(private_key=key.private, host_key=wrong), create="true"))
        failure = engine.try_up().failure
        assert f"connecting to 127.0.0.1:{server.port}: after 0 failed attempts: ssh: handshake failed" in failure
    engine.write(remote(server.connection(private_key=key.private, host_key="no key"), create="true"))
    assert "hostKey of 127.0.0.1" in engine.try_up().failure
    assert server.logins() == logins


def test_a_key_that_the_server_does_not_know_is_refused(engine: Engine, server: SshServer, tmp_path: Path) -> None:
    stranger = Key.generate(tmp_path / "stranger")
    engine.write(remote(server.connection(private_key=stranger.private), create="true"))
    assert "unable to authenticate" in engine.try_up().failure
    engine.write(remote(server.connection(private_key=stranger.private, dial_error_limit=2), create="true"))
    run = engine.try_up()
    assert "after 2 failed attempts" in run.failure
    retries = [message for message in run.messages("info") if "failed: retrying" in message]
    assert [retry.split(" failed")[0] for retry in retries] == ["Dial 1/2", "Dial 2/2"]


@pytest.mark.long
def test_a_key_with_a_password_is_opened_with_it(engine: Engine, server: SshServer, locked_key: Key) -> None:
    right = server.connection(private_key=locked_key.private, private_key_password=locked_key.password)
    engine.write(remote(right, create="echo in"))
    engine.up()
    assert engine.outputs("c")["stdout"] == "in"
    engine.write(remote(server.connection(private_key=locked_key.private), name="without", create="true"))
    assert "set privateKeyPassword" in engine.try_up().failure
    wrong = server.connection(private_key=locked_key.private, private_key_password="wrong")
    engine.write(remote(wrong, name="wrong", create="true"))
    assert "privateKey cannot be read" in engine.try_up().failure


@pytest.mark.long
def test_an_agent_logs_in_when_there_is_no_key(
    engine: Engine, server: SshServer, key: Key, tmp_path_factory: pytest.TempPathFactory
) -> None:
    socket = tmp_path_factory.mktemp("a") / "s"
    with ssh_agent(socket, key):
        engine.write(remote(server.connection(agent_socket_path=str(socket)), create="echo in"))
        engine.up()
        assert engine.outputs("c")["stdout"] == "in"
        engine.project.environment["SSH_AUTH_SOCK"] = str(socket)
        engine.write(remote(server.connection(), name="other", create="echo in"))
        engine.up()
    engine.write(remote(server.connection(agent_socket_path=str(socket)), name="gone", create="true"))
    assert "the SSH agent does not answer" in engine.try_up().failure


@pytest.mark.long
def test_a_server_is_reached_through_another(
    engine: Engine, server: SshServer, strict_server: SshServer, key: Key, locked_key: Key
) -> None:
    through = strict_server.connection(private_key=key.private)
    logins = strict_server.logins(), server.logins()
    connection = server.connection(
        private_key=locked_key.private, private_key_password=locked_key.password, proxy=through
    )
    engine.write(remote(connection, create="echo there"))
    engine.up()
    assert engine.outputs("c")["stdout"] == "there"
    assert (strict_server.logins(), server.logins()) == (logins[0] + 1, logins[1] + 1)

    wrong_proxy = {**connection, "proxy": {**through, "host_key": key.public}}
    engine.write(remote(wrong_proxy, name="proxy", create="true"))
    assert f"proxy: connecting to 127.0.0.1:{strict_server.port}" in engine.try_up().failure
    engine.write(remote({**connection, "host_key": key.public}, name="server", create="true"))
    assert f"through the proxy: connecting to 127.0.0.1:{server.port}" in engine.try_up().failure
