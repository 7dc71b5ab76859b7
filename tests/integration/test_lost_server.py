"""A server is lost with all that was on it: a new one has the second place, the key file, and nothing else."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from components.stack import Stack
from tests.integration.backups_lab import ACCESS, BUCKET, SECRET, s3_program
from tests.integration.environment import Environment, docker, everything_said, free_ports, wait_until

STACK = "lost"


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A real S3 service on this machine, as the containers of the stack reach it: the stack file's part about it."""
    folder = tmp_path_factory.mktemp("s3")
    address = gateway()
    (port,) = free_ports(1)
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", folder / "key.pem", "-out", folder / "chain.pem", "-days", "2", "-subj", f"/CN={address}"),
            *("-addext", f"subjectAltName=IP:{address}"),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "data" / BUCKET).mkdir(parents=True)
    log = folder / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [
                *(s3_program(), "--port", f"0.0.0.0:{port}", "--region", "eu-west-1"),
                *("--cert", folder / "chain.pem", "--key", folder / "key.pem", "posix", folder / "data"),
            ],
            env={**os.environ, "ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET},
            stdout=output,
            stderr=output,
        )
    try:
        wait_until(lambda: "listening on" in log.read_text() or server.poll() is not None, "the S3 service listens")
        assert server.poll() is None, log.read_text()
        yield {
            "type": "s3",
            "endpoint": f"{address}:{port}",
            "bucket": BUCKET,
            "region": "eu-west-1",
            "caFile": str(folder / "chain.pem"),
            "path": "/monopco/lost",
        }
    finally:
        server.terminate()
        server.wait()


def gateway() -> str:
    """The address of this machine on the stack's network."""
    return str(ipaddress.ip_network(Stack(STACK).subnet())[1])


def environment(folder: Path, remote: dict[str, Any]) -> Environment:
    """A project of its own, with the second place set."""
    one = Environment(folder, STACK)
    one.write_config(backups={"remote": remote})
    for key, value in (("key", ACCESS), ("secret", SECRET)):
        one.pulumi(
            *("config", "set", "--secret", "--stack", STACK, "--path", f"monopco:backups.remote.{key}"), stdin=value
        )
    return one


def write_note(one: Environment, body: str) -> None:
    headers = {"Content-Type": "application/json"}
    answer = one.request("POST", "/api/notes", body=json.dumps({"body": body}).encode(), headers=headers)
    assert answer.status == 201, answer


def notes(one: Environment) -> list[str]:
    return [note["body"] for note in one.request("GET", "/api/notes").json()]


@pytest.mark.long
def test_the_app_serves_the_same_rows_from_a_new_server(tmp_path: Path, remote: dict[str, Any]) -> None:
    lost = environment(tmp_path / "lost", remote)
    try:
        told = lost.attempt_monopco("up")
        assert told.returncode == 0, told.stderr
        assert "Store .state/backup-key-lost.txt away from this machine" in told.stderr
        key_file = lost.folder / ".state" / "backup-key-lost.txt"
        assert key_file.stat().st_mode & 0o777 == 0o600
        key = next(line.split()[1] for line in key_file.read_text().splitlines() if line.startswith("key: "))
        # Once taken away it is not written again.
        kept = key_file.rename(tmp_path / "kept.txt")
        again = lost.attempt_monopco("up")
        assert (again.returncode, key_file.exists()) == (0, False), again.stderr
        assert "Nothing to change" in again.stdout

        for number in range(5):
            write_note(lost, f"note {number}")
        wait_until(lambda: backed_up(lost) == {"local", "remote"}, "the first backups are made")
        lost.monopco("backup")
        write_note(lost, "after the backup")
        # What is asked for beside the live database leaves that as it is.
        beside = lost.monopco("restore", "--into", "beside")
        assert "The live database was not touched" in beside
        refused = lost.attempt_monopco("restore", "--live")
        assert (refused.returncode, "say --yes" in refused.stderr) == (2, True)
        there = notes(lost)
        assert len(there) == 6

        caretaker, database = lost.container("backups"), lost.container("database")
        state = subprocess.run(
            ["docker", "exec", caretaker, "backups", "fetch", "state.tar"], capture_output=True, check=True
        ).stdout
        with tarfile.open(fileobj=BytesIO(state)) as copy:
            assert f".state/.pulumi/stacks/monopco/{STACK}.json" in copy.getnames()
        outside = [
            docker("inspect", caretaker, database),
            everything_said(caretaker) + everything_said(database),
            told.stdout + told.stderr + again.stdout + again.stderr + beside,
            *(path.read_text() for path in (lost.folder / ".state" / ".pulumi").rglob("*.json")),
            lost.stack_file.read_text(),
        ]
        for secret in (key, ACCESS, SECRET):
            assert [text for text in outside if secret in text] == []
    finally:
        lost.destroy()

    new = environment(tmp_path / "new", remote)
    try:
        done = new.attempt_monopco("restore", "--from-scratch", "--key", str(kept), "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        assert notes(new) == there
        write_note(new, "on the new server")
        assert json.loads(new.monopco("backups", "--json"))["state"]["problems"] == []
        assert json.loads(new.monopco("status", "--json"))["backups"]["ok"] is True
        # Known again by its key, with nothing to do.
        assert "Nothing to change" in new.monopco("up")
    finally:
        new.destroy()


def backed_up(one: Environment) -> set[str]:
    """Places that hold a backup."""
    return {each["place"] for each in json.loads(one.attempt_monopco("backups", "--json").stdout)["backups"]}
