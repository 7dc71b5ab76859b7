"""Mistakes are told before anything is touched: by `pulumi up` itself, with real Docker, ports and databases."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.environment import PROJECT, Environment, docker, run, shell_environment


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    one = Environment(tmp_path / "project", "mistakes")
    yield one
    one.destroy()


def touched(environment: Environment) -> dict[str, list[str]]:
    return {kind: found for kind in ("container", "volume", "network") if (found := environment.ours(kind))}


def refusal(environment: Environment) -> str:
    """What a failing `up` says; it must not be a traceback."""
    done = environment.attempt_up()
    said = done.stdout + done.stderr
    assert done.returncode != 0, f"up went through:\n{said}"
    assert "Traceback" not in said, said
    return said


def test_every_mistake_of_the_stack_file_is_told_at_once(environment: Environment) -> None:
    environment.write_config(
        app={"secrets": [], "replicas": 0, "memory": "lots", "sourse": "x"}, database={"url": "postgresql://u:hush@h/d"}
    )
    said = refusal(environment)
    for expected in (
        "app.replicas: must be greater than or equal to 1 (got 0)",
        'app.memory: must be a whole number followed by K, M or G, for example "500M" (got "lots")',
        "app.sourse: unknown key",
        "database.url: is given in plain text",
        "nothing was touched",
    ):
        assert expected in said
    assert "hush" not in said
    assert touched(environment) == {}


def test_what_breaks_the_policies_is_refused_by_plain_pulumi_all_at_once(environment: Environment) -> None:
    environment.write_config(
        app={"secrets": [], "replicas": 1, "env": {"SMTP_PASSWORD": "hush"}}, policies={"production": True}
    )
    said = refusal(environment)
    for expected in (
        "5 findings against the policies; nothing was touched",
        "noPlainSecrets: app.env.SMTP_PASSWORD is in plain text",
        "replicas: app.replicas is 1",
        "dataProtected: the volume database-data may be deleted",
        "dataProtected: the volume repository-volume may be deleted",
    ):
        assert expected in said
    assert "hush" not in said
    assert touched(environment) == {}


def test_a_source_that_is_not_there_is_named(environment: Environment) -> None:
    environment.write_config(app={"secrets": [], "source": "nowhere"})
    said = refusal(environment)
    assert f"app.source: there is no folder {environment.folder / 'nowhere'}" in said
    assert touched(environment) == {}


def test_a_missing_secret_is_named_with_the_command_that_sets_it(environment: Environment) -> None:
    environment.write_config(app={"secrets": ["PAPPERS_API_KEY"]})
    assert "pulumi config set --secret PAPPERS_API_KEY" in refusal(environment)
    assert touched(environment) == {}


def test_a_port_of_another_process_is_named_before_anything_is_made(environment: Environment) -> None:
    with socket.create_server(("127.0.0.1", environment.https_port)):
        said = refusal(environment)
    assert f"Port {environment.https_port} on 127.0.0.1 cannot be used" in said
    assert "monopco:http.httpsPort" in said
    assert touched(environment) == {}


def test_a_docker_that_does_not_answer_is_named(environment: Environment, tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/no.sock"
    done = environment.attempt("up", "--yes", "--skip-preview", "--stack", environment.stack, DOCKER_HOST=nowhere)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"Docker does not answer ({nowhere})" in said
    assert touched(environment) == {}


def test_an_external_database_that_does_not_answer_stops_everything(environment: Environment) -> None:
    environment.write_config(database={"mode": "external"})
    environment.pulumi(
        "config",
        "set",
        "--secret",
        "--path",
        "monopco:database.url",
        "--stack",
        environment.stack,
        stdin=f"postgresql://someone:hush@localhost:{environment.http_port}/app?sslmode=disable",
    )
    said = refusal(environment)
    assert "localhost" in said
    assert "hush" not in said
    assert touched(environment).get("container") is None


def test_a_full_disk_is_told_with_numbers() -> None:
    script = (PROJECT / "components" / "server" / "check.sh").read_text()
    variables = {
        "BASE": "monopco/base:trixie",
        "STACK": "bad",
        "LABEL": "dev.monopco",
        "FREE_DISK_MB": "1000000000",
        "ADDRESS": "127.0.0.1",
        "PORTS": "",
        "PROXY": "monopco-bad-proxy",
    }
    done = run(["sh", "-c", script], env={**shell_environment(), **variables})
    assert done.returncode == 1
    assert "MB free; a deployment needs 1000000000 MB" in done.stderr


def test_a_wrong_passphrase_is_told(environment: Environment) -> None:
    environment.pulumi("config", "set", "--secret", "RESEND_API_KEY", "--stack", environment.stack, stdin="value")
    done = environment.attempt(
        "preview", "--stack", environment.stack, PULUMI_CONFIG_PASSPHRASE="not the one it was made with"
    )
    assert done.returncode != 0
    assert "passphrase" in (done.stdout + done.stderr)


def test_the_check_leaves_nothing_behind(environment: Environment) -> None:
    environment.write_config(app={"secrets": [], "source": "nowhere"})
    refusal(environment)
    assert environment.ours("container") == []


def test_a_network_whose_addresses_are_taken_is_named_with_what_to_set(environment: Environment) -> None:
    docker("network", "create", "--subnet", "10.255.192.0/18", "taken-by-a-test")
    try:
        environment.write_config(network={"subnet": "10.255.192.0/18"})
        said = refusal(environment)
    finally:
        docker("network", "rm", "taken-by-a-test")
    assert "The addresses 10.255.192.0/18 are those of the network taken-by-a-test." in said
    assert "monopco:network.subnet" in said
    assert touched(environment) == {}
