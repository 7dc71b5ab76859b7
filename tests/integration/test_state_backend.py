"""The state in an S3-compatible store: runs at the same time, a killed one, and the way back to local files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.docker_lab import running, tool
from tests.integration.environment import Environment, free_ports, wait_until

STORE = "github.com/versity/versitygw/cmd/versitygw"
KEY, SECRET = "tester", "a-secret-for-tests"
BUCKET = "states"


class StoredElsewhere(Environment):
    """An environment whose state lies in the store at `endpoint`."""

    endpoint = ""

    @property
    def variables(self) -> dict[str, str]:
        return {
            **super().variables,
            "PULUMI_BACKEND_URL": f"s3://{BUCKET}?endpoint={self.endpoint}&s3ForcePathStyle=true&region=us-east-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def store(folder: Path) -> Iterator[str]:
    """The endpoint of a store with an empty bucket, which is a folder."""
    (port,) = free_ports(1)
    (folder / "store" / BUCKET).mkdir(parents=True)
    program = tool(STORE, Path(__file__).parent / "s3")
    credentials = ("--access", KEY, "--secret", SECRET)
    command = [str(program), "--port", f"127.0.0.1:{port}", *credentials, "posix", str(folder / "store")]
    log = folder / "store.log"
    with running(command, log, lambda: "listening" in log.read_text()):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def environment(folder: Path, store: str) -> Iterator[StoredElsewhere]:
    StoredElsewhere.endpoint = store
    one = StoredElsewhere(folder / "project", "stored")
    try:
        yield one
    finally:
        one.attempt("cancel", "--yes", one.stack)
        one.destroy()


def locks(folder: Path, stack: str) -> list[Path]:
    return list((folder / "store" / BUCKET / ".pulumi" / "locks" / "organization" / "monopco" / stack).glob("*.json"))


def begin(environment: Environment) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        environment.command("up"),
        cwd=environment.folder,
        env=environment.variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_of_two_runs_at_once_the_second_is_told_who_holds_the_lock(environment: StoredElsewhere, folder: Path) -> None:
    first = begin(environment)
    wait_until(lambda: locks(folder, environment.stack) != [], "the first run holds the stack")
    holder = json.loads(locks(folder, environment.stack)[0].read_text())
    second = environment.attempt_monopco("up")
    assert second.returncode == 1
    assert f"Stack {environment.stack} is being changed by another run" in second.stderr
    assert f"{holder['username']} on {holder['hostname']} (process {holder['pid']}) since " in second.stderr
    assert first.wait() == 0
    assert environment.request("GET", "/api/info").json()["database"]["ok"] is True


@pytest.mark.long
def test_a_run_that_was_killed_is_gone_on_with(environment: StoredElsewhere, folder: Path) -> None:
    environment.write_config(app={"secrets": [], "env": {"GREETING": "salut"}})
    run = begin(environment)
    names = f"monopco-{environment.stack}-app-"

    def made() -> bool:
        listed = subprocess.run(
            ["docker", "ps", "--all", "--filter", f"name={names}", "--format", "{{.Names}}"],
            capture_output=True,
            text=True,
            check=True,
        )
        return len(listed.stdout.split()) > 2

    wait_until(made, "the run has begun to make containers")
    (lock,) = locks(folder, environment.stack)
    os.kill(json.loads(lock.read_text())["pid"], signal.SIGKILL)
    assert run.wait() == 1
    refused = environment.attempt_monopco("up")
    assert f"pulumi cancel --stack {environment.stack}" in refused.stderr
    environment.pulumi("cancel", "--yes", environment.stack)
    environment.monopco("up")
    assert environment.request("GET", "/api/info").status == 200


def test_the_state_moves_to_local_files_and_nothing_changes(environment: StoredElsewhere) -> None:
    exported = environment.pulumi("stack", "export", "--stack", environment.stack)
    local = Environment.variables.fget  # type: ignore[attr-defined]
    variables = {**environment.variables, "PULUMI_BACKEND_URL": local(environment)["PULUMI_BACKEND_URL"]}

    def there(*arguments: str, stdin: str | None = None) -> None:
        done = environment.attempt(*arguments, "--stack", environment.stack, stdin=stdin, **variables)
        assert done.returncode == 0, done.stdout + done.stderr

    done = environment.attempt("stack", "init", environment.stack, **variables)
    assert done.returncode == 0, done.stderr
    there("stack", "import", stdin=exported)
    there("preview", "--expect-no-changes")
    assert (environment.folder / ".state/.pulumi/stacks/monopco" / f"{environment.stack}.json").is_file()
