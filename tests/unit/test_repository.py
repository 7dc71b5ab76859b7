"""Where backups go: the volumes, and the settings by which pgBackRest and restic find the places."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pulumi
import pytest
from recorder import COMMAND, VOLUME, Recording, record
from values import is_secret, reveal, unpack

from components.repository import S3, Repository, RepositoryArgs, Sftp, pgbackrest
from components.stack import Stack

BUCKET = S3(
    endpoint="s3.example:9000",
    bucket="backups",
    region="eu-west-1",
    key="marked-access",
    secret="marked-secret",
    path="/monopco",
    authority="-----BEGIN CERTIFICATE-----\n",
)
HOST = Sftp(
    host="a.fr", port=2222, user="backups", private_key="marked-key", host_key="ssh-ed25519 AAAA", path="/home/backups"
)
ARGS = RepositoryArgs(
    stack=Stack("dev"),
    docker_host=None,
    image_id="sha256:postgres",
    key="marked-backup-key",
    remote=None,
    remote_kind="",
    keep_days=30,
    protect=False,
    times={"take": "-H 2"},
)


def declare(*, preview: bool = False, remote: S3 | Sftp | None = None, **changes: Any) -> Recording:
    def run() -> None:
        secrets: dict[str, Any] = {"key": pulumi.Output.secret(ARGS.key)}
        if remote:
            secrets["remote"] = pulumi.Output.secret(remote)
        Repository("repository", dataclasses.replace(ARGS, **{**secrets, **changes}))

    return record(run, preview=preview)


def options(remote: S3 | Sftp | None) -> dict[str, str]:
    lines = pgbackrest("marked-backup-key", remote, 30).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_volumes_and_settings_are_children_of_the_component() -> None:
    recording = declare()
    assert {(child.type, child.name) for child in recording.children(recording.component("Repository"))} == {
        (VOLUME, "repository-volume"),
        (VOLUME, "repository-settings"),
        (COMMAND, "repository-configuration"),
    }


@pytest.mark.parametrize("protect", [False, True])
def test_the_backups_are_protected_as_the_data_is(protect: bool) -> None:
    found = {one.name for one in declare(protect=protect).resources if one.protect}
    assert found == ({"repository-volume"} if protect else set())


def test_the_settings_go_by_standard_input_and_are_a_secret() -> None:
    recording = declare(remote=BUCKET, remote_kind="s3")
    step = recording.named("repository-configuration").inputs
    assert is_secret(step["stdin"])
    assert "marked" not in str(reveal(step["environment"]))
    files = unpack(reveal(step["stdin"]))
    assert set(files) == {"pgbackrest.conf", "monopco.json", "key", "aws-credentials", "authority.pem"}
    assert "marked" not in files["monopco.json"].replace("marked-access", "")


def test_only_the_key_is_a_secret_output() -> None:
    recording = declare()
    outputs = recording.outputs(recording.component("Repository"))
    assert {name for name, value in outputs.items() if is_secret(value)} == {"key"}
    assert "marked" not in str(outputs["keyVersion"])


def test_the_local_place_is_encrypted_compressed_and_kept_by_days() -> None:
    found = options(None)
    assert found["repo1-cipher-type"] == "aes-256-cbc"
    assert found["repo1-cipher-pass"] == "marked-backup-key"
    assert (found["repo1-retention-full-type"], found["repo1-retention-full"]) == ("time", "30")
    assert found["compress-type"] == "zst"
    assert [name for name in found if name.startswith("repo2")] == []


@pytest.mark.parametrize(
    ("endpoint", "host", "port", "style"),
    [
        ("s3.example:9000", "s3.example", "9000", "path"),
        ("s3.example", "s3.example", "443", "path"),
        ("s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com", "443", "host"),
    ],
)
def test_a_bucket_is_the_second_place(endpoint: str, host: str, port: str, style: str) -> None:
    found = options(dataclasses.replace(BUCKET, endpoint=endpoint))
    assert (found["repo2-s3-endpoint"], found["repo2-storage-port"], found["repo2-s3-uri-style"]) == (host, port, style)
    assert (found["repo2-s3-key"], found["repo2-s3-key-secret"]) == ("marked-access", "marked-secret")
    assert (found["repo2-path"], found["repo2-cipher-pass"]) == ("/monopco/database", "marked-backup-key")
    assert found["repo2-storage-ca-file"] == "/etc/pgbackrest/authority.pem"
    assert "repo2-storage-ca-file" not in options(dataclasses.replace(BUCKET, authority=None))


def test_a_folder_by_sftp_is_the_second_place() -> None:
    found = options(HOST)
    assert (found["repo2-sftp-host"], found["repo2-sftp-host-port"]) == ("a.fr", "2222")
    assert found["repo2-sftp-known-host"] == "/etc/pgbackrest/known-hosts"
    assert HOST.files() == {"private-key": "marked-key\n", "known-hosts": "[a.fr]:2222 ssh-ed25519 AAAA\n"}
    assert dataclasses.replace(HOST, port=22).files()["known-hosts"] == "a.fr ssh-ed25519 AAAA\n"


@pytest.mark.parametrize("remote", [BUCKET, HOST])
def test_no_argument_of_restic_holds_a_secret(remote: S3 | Sftp) -> None:
    assert "marked" not in " ".join(remote.restic("state"))


def test_a_database_elsewhere_is_dumped_and_its_url_goes_the_same_way() -> None:
    external = "postgresql://owner:marked-password@db.example:6543/app?sslmode=verify-full"
    step = declare(remote=BUCKET, remote_kind="s3", external=external).named("repository-configuration").inputs
    files = unpack(reveal(step["stdin"]))
    assert is_secret(step["stdin"])
    assert set(files) == {"connection", "pgpass", "monopco.json", "key", "aws-credentials", "authority.pem"}
    assert files["pgpass"] == "*:*:*:*:marked-password\n"
    assert "marked-password" not in files["connection"] + files["monopco.json"] + str(reveal(step["environment"]))
    about = json.loads(files["monopco.json"])
    assert about["keep_days"] == 30
    assert about["dumps"]["1"] == ["--repo", "/var/lib/monopco-backups/dumps"]
    assert about["dumps"]["2"][1].endswith("/monopco/dumps")
    assert about["restic"][1].endswith("/monopco/state")


def test_a_place_that_hangs_or_refuses_does_not_hold_up_the_other() -> None:
    text = pgbackrest("k", BUCKET, 30)
    assert "archive-async=y" in text.split("[global:archive-push]")[1].split("[monopco]")[0]
    # Else the log of changes would be fetched ahead into a small tmpfs when a backup is restored.
    assert "archive-async" not in text.split("[global:archive-push]")[0]
