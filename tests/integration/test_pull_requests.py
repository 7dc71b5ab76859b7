"""Environments for pull requests, the report of a preview and two runs at once, with real stacks side by side."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.environment import LABEL, PROJECT, Environment, docker, labelled, run
from tests.integration.proxy_lab import Connection

CANARY = "canary-of-the-base-7d1e"
GIVEN = "canary-that-was-given-55aa"
PERSON = "A Person of Production"


@dataclass
class Temporary:
    """One environment that `env create` has made in a copy of the project."""

    base: Environment
    name: str

    @property
    def file(self) -> Path:
        return self.base.folder / f"Pulumi.{self.name}.yaml"

    @property
    def config(self) -> dict[str, Any]:
        return dict(yaml.safe_load(self.file.read_text())["config"])

    def change(self, section: str, **keys: Any) -> None:
        document = yaml.safe_load(self.file.read_text())
        document["config"].setdefault(f"monopco:{section}", {}).update(keys)
        self.file.write_text(yaml.safe_dump(document))

    def ask(self, path: str = "/api/info") -> Any:
        """What the app answers at the environment's own address."""
        front = self.config["monopco:temporary"].get("front", self.name)
        context = ssl.create_default_context(cafile=str(self.base.folder / ".state" / f"ca-{front}.crt"))
        name, port = self.config["monopco:domain"]["name"], self.config["monopco:http"]["httpsPort"]
        with closing(Connection(port, context, name)) as connection:
            reply = connection.ask(path)
        if reply.status != 200:
            raise OSError(f"{name} answered {reply.status}")
        return json.loads(reply.body)

    def left(self) -> dict[str, list[str]]:
        """What of it is in Docker."""
        found = {}
        for kind in ("container", "volume", "network", "image"):
            ids = labelled(kind, self.name)
            if ids:
                found[kind] = ids
        return found


def did(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """A stack with a secret, whose proxy gives requests to environments below its name."""
    one = Environment(tmp_path_factory.mktemp("teams") / "project", "teams")
    one.write_config(
        app={"secrets": ["PAPPERS_API_KEY"], "replicas": 1},
        domain={"name": "monopco.test", "aliases": [], "environments": True},
    )
    one.pulumi("config", "set", "--secret", "PAPPERS_API_KEY", "--stack", one.stack, stdin=CANARY)
    # The same without a front, and never deployed itself.
    alone = yaml.safe_load(one.stack_file.read_text())
    alone["config"]["monopco:domain"]["environments"] = False
    (one.folder / "Pulumi.alone.yaml").write_text(yaml.safe_dump(alone))
    try:
        did(one.attempt_any("up", "-s", one.stack))
        write = f"INSERT INTO notes (author, body) VALUES ('{PERSON}', 'kept')"  # noqa: S608 - ours
        did(one.attempt_any("psql", "--write", "-c", write, "-s", one.stack))
        did(one.attempt_any("backup", "-s", one.stack))
        yield one
    finally:
        one.destroy()


def create_seeded(base: Environment, name: str) -> subprocess.CompletedProcess[str]:
    """With a secret, a script of its own, and the data of the base, made anonymous."""
    (base.folder / "rules.sql").write_text("UPDATE notes SET author = 'nobody';\n")
    source = base.folder / "proposed"
    shutil.copytree(base.folder / "examples" / "app", source, dirs_exist_ok=True)
    (source / "update_notes.sql").write_text("ALTER TABLE notes ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue';\n")
    options = ("--from", "alone", "--secret", "PAPPERS_API_KEY", "--lifetime", "1h", "--source", str(source))
    data = ("--data-of", base.stack, "--anonymise", str(base.folder / "rules.sql"))
    return base.attempt_any("env", "create", name, *options, *data, PAPPERS_API_KEY=GIVEN)


@pytest.fixture(scope="module")
def both(base: Environment) -> Iterator[tuple[Temporary, Temporary]]:
    made = [Temporary(base, f"pr-{uuid.uuid4().hex[:8]}-x") for _ in range(2)]
    try:
        first, second = made
        did(base.attempt_any("env", "create", first.name, "--from", base.stack, "--data-of", "", "--anonymise", ""))
        did(create_seeded(base, second.name))
        yield first, second
    finally:
        for one in made:
            base.attempt_any("env", "remove", one.name)


def test_each_serves_at_a_name_of_its_own_with_its_own_database(
    base: Environment, both: tuple[Temporary, Temporary]
) -> None:
    """The first one behind the proxy of the base, at its port; the second one at ports of its own."""
    first, second = both
    releases = [one.ask()["release"] for one in both]
    assert len(set(releases)) == 2
    assert base.output("release") not in releases
    for one in both:
        assert one.ask()["database"]["ok"] is True
        assert one.config["monopco:domain"]["name"] == f"{one.name}.monopco.test"
    assert first.config["monopco:http"]["httpsPort"] == base.https_port
    assert second.config["monopco:http"]["httpsPort"] != base.https_port
    published = docker("ps", "--format", "{{.Ports}}", "--filter", f"label={LABEL}={first.name}")
    assert "->" not in published
    assert first.left()["network"] != second.left()["network"]


@pytest.mark.long
def test_the_data_of_another_stack_comes_anonymous_and_only_once(
    base: Environment, both: tuple[Temporary, Temporary]
) -> None:
    empty, seeded = both
    query = ("psql", "-c", "SELECT author, body, colour FROM notes", "-s", seeded.name)
    # The script of the pull request was run on the copy.
    assert "nobody | kept | blue (1 row)" in " ".join(did(base.attempt_any(*query)).split())
    assert empty.ask("/api/notes") == []
    did(base.attempt_any("psql", "--write", "-c", "UPDATE notes SET body = 'changed'", "-s", seeded.name))
    again = create_seeded(base, seeded.name)
    assert f"The data of {seeded.name} stays as it is." in (did(again) and again.stderr)
    assert "changed" in did(base.attempt_any(*query))
    # Nothing of it went through a file that was left.
    assert list((base.folder / ".state").glob("copy-*")) == []
    assert run(["grep", "-rlF", PERSON, str(base.folder / ".state")]).stdout == ""


@pytest.mark.long
def test_people_s_data_never_reaches_one(base: Environment) -> None:
    name = f"pr-{uuid.uuid4().hex[:8]}"
    for options, words in (
        (("--data-of", base.stack), "--data-of STACK and --anonymise RULES.sql go together"),
        (("--anonymise", "rules.sql"), "--data-of STACK and --anonymise RULES.sql go together"),
        (("--data-of", base.stack, "--anonymise", "gone.sql"), "--anonymise: the file cannot be read"),
    ):
        done = base.attempt_any("env", "create", name, "--from", "alone", *options)
        assert (done.returncode, words in done.stderr) == (2, True), done.stderr
    assert not Temporary(base, name).file.exists()


def test_a_name_without_an_environment_is_answered_with_a_page(base: Environment) -> None:
    context = ssl.create_default_context(cafile=str(base.folder / ".state" / f"ca-{base.stack}.crt"))
    with closing(Connection(base.https_port, context, "pr-nowhere.monopco.test")) as connection:
        reply = connection.ask("/")
    assert reply.status == 503
    assert b"<html" in reply.body


def test_no_secret_of_the_base_reaches_them_and_those_that_are_given_do(
    base: Environment, both: tuple[Temporary, Temporary]
) -> None:
    first, second = both
    assert first.ask()["settings"]["PAPPERS_API_KEY"] is False
    assert second.ask()["settings"]["PAPPERS_API_KEY"] is True
    for one in both:
        state = base.pulumi("stack", "export", "--show-secrets", "--stack", one.name)
        assert CANARY not in state + one.file.read_text()
    assert GIVEN not in second.file.read_text() + docker("inspect", *second.left()["container"])


def test_they_are_listed_with_their_time(base: Environment, both: tuple[Temporary, Temporary]) -> None:
    listed = {one["name"]: one for one in json.loads(did(base.attempt_any("env", "list", "--json")))}
    assert listed.keys() == {one.name for one in both}
    until = datetime.fromisoformat(listed[both[1].name]["until"].replace("Z", "+00:00"))
    assert until < datetime.now(timezone.utc) + timedelta(hours=1)
    assert did(base.attempt_any("env", "reconcile")) == ""


def test_one_that_the_memory_does_not_allow_is_refused_before_anything_is_made(base: Environment) -> None:
    refused = Temporary(base, f"pr-{uuid.uuid4().hex[:8]}")
    large = yaml.safe_load((base.folder / "Pulumi.alone.yaml").read_text())
    large["config"]["monopco:app"] = {"secrets": [], "memory": "4000G"}
    (base.folder / "Pulumi.large.yaml").write_text(yaml.safe_dump(large))
    done = base.attempt_any("env", "create", refused.name, "--from", "large")
    assert done.returncode == 1
    assert f"There is no room for {refused.name}: it needs 8192384 MB" in done.stderr
    assert not refused.file.exists()
    assert refused.left() == {}


def test_a_preview_says_what_a_reviewer_needs_and_no_secret(
    base: Environment, both: tuple[Temporary, Temporary]
) -> None:
    _, one = both
    report = base.folder / "report.md"
    one.change("app", env={"FEATURE": "on"})
    shown = did(base.attempt_any("preview", "-s", one.name, "--markdown", str(report)))
    first = shown.splitlines()[0]
    assert first.startswith("No interruption: one environment variable changes (FEATURE); a new release ")
    text = report.read_text()
    assert text.splitlines()[0].replace("`", "") == f"**{one.name}: {first}**"
    assert GIVEN not in shown + text
    strict = base.attempt_any("preview", "-s", one.name, "--expect-no-changes")
    assert strict.returncode == 1
    one.change("app", env={})
    assert (
        did(base.attempt_any("preview", "-s", one.name, "--refresh", "--expect-no-changes"))
        == "Nothing would change.\n"
    )


def test_a_preview_that_would_lose_data_fails_and_says_so_first(
    base: Environment, both: tuple[Temporary, Temporary]
) -> None:
    _, one = both
    before = one.file.read_text()
    one.change("database", mode="external")
    base.pulumi(
        *("config", "set", "--secret", "--path", "monopco:database.url", "--stack", one.name),
        stdin="postgresql://app:canary-password@db.example:5432/data",
    )
    done = base.attempt_any("preview", "-s", one.name)
    one.file.write_text(before)
    assert done.returncode == 1
    assert done.stdout.startswith(f"DATA WOULD BE LOST: the volume monopco-{one.name}-database would be deleted; ")
    assert "canary-password" not in done.stdout + done.stderr


def lock(base: Environment, stack: str, minutes: float) -> Path:
    """The lock of a run of the same user on another machine, that began so long ago."""
    began = datetime.now(timezone.utc) - timedelta(minutes=minutes)
    user = run(["id", "-un"]).stdout.strip()
    content = {"pid": 1, "username": user, "hostname": "elsewhere", "timestamp": began.isoformat()}
    path = base.folder / ".state" / ".pulumi" / "locks" / "organization" / "monopco" / stack / f"{uuid.uuid4()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.long
def test_two_runs_at_once(base: Environment, both: tuple[Temporary, Temporary]) -> None:
    stack = both[0].name
    held = lock(base, stack, minutes=5)
    done = base.attempt_any("up", "-s", stack, "--lease", "30")
    assert done.returncode == 1
    assert f"Stack {stack} is being changed by another run" in done.stderr
    assert "elsewhere" in done.stderr

    command = [str(PROJECT / ".venv" / "bin" / "python"), "-m", "ops", "up", "-s", stack, "--wait", "120"]
    with subprocess.Popen(
        command, cwd=base.folder, env=base.variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        assert waiting.stderr is not None
        for line in waiting.stderr:
            if line.startswith("Waiting for the run of "):
                held.unlink()
                break
        said, _ = waiting.communicate(timeout=120)
    assert waiting.returncode == 0
    assert "Nothing to change" in said


@pytest.mark.long
def test_a_killed_pipeline_blocks_no_longer_than_its_lease(
    base: Environment, both: tuple[Temporary, Temporary]
) -> None:
    stack = both[0].name
    held = lock(base, stack, minutes=31)
    assert "Nothing to change" in did(base.attempt_any("up", "-s", stack, "--lease", "30"))
    assert not held.exists()


def asking(ask: Callable[[], Any], stop: threading.Event, failures: list[str]) -> int:
    asked = 0
    while not stop.is_set():
        try:
            ask()
        except OSError as error:
            failures.append(str(error))
        asked += 1
        time.sleep(0.01)
    return asked


def test_one_whose_time_is_over_goes_with_all_that_it_had_and_its_neighbour_loses_nothing(
    base: Environment, both: tuple[Temporary, Temporary]
) -> None:
    neighbour, ended = both
    ended.change("temporary", until="2026-01-01T00:00:00Z")
    did(base.attempt_any("up", "-s", ended.name))
    ended.file.unlink()  # as in a pipeline's fresh checkout
    assert ended.name in did(base.attempt_any("env", "reconcile", "--dry-run"))
    assert ended.left() != {}
    stop, failures, counts = threading.Event(), list[str](), list[int]()
    thread = threading.Thread(target=lambda: counts.append(asking(neighbour.ask, stop, failures)))
    thread.start()
    try:
        told = did(base.attempt_any("env", "reconcile"))
    finally:
        stop.set()
        thread.join()
    assert told == f"{ended.name}: its time was over at 2026-01-01T00:00:00Z; removing it\n"
    assert ended.left() == {}
    assert not ended.file.exists()
    assert [one["name"] for one in json.loads(did(base.attempt_any("env", "list", "--json")))] == [neighbour.name]
    assert list((base.folder / ".state").rglob(f"*{ended.name}*")) == []
    assert failures == []
    assert counts[0] > 5
