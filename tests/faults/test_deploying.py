"""Faults of a deploy: what served goes on serving, the message names the cause, and the next deploy works."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.load import Load
from tests.faults.measure import Cost, Costs, Writer, visitors
from tests.integration.checklist_lab import own_certificate
from tests.integration.environment import PROJECT, Environment, wait_until


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    one = Environment(tmp_path_factory.mktemp("deploying") / "project", "deploying")
    one.write_config(app={"secrets": [], "watchSeconds": 0, "source": "source"})
    shutil.copytree(PROJECT / "examples" / "app", one.folder / "source")
    try:
        one.monopco("up")
        yield one
    finally:
        one.destroy()


@dataclass
class Deploying:
    """A fault of a deploy, under load from before it to after the next deploy that works."""

    environment: Environment
    load: Load
    name: str = ""
    said: str = ""
    person: str = ""

    def is_refused(self, name: str, *words: str, person: str = "") -> str:
        """What a deploy says that must fail; the words are looked for in it, and no traceback may be."""
        self.name, self.person = name, person
        self.load.phase("fault")
        done = self.environment.attempt_monopco("up")
        self.load.more(50)
        said = done.stdout + done.stderr
        assert done.returncode != 0, said
        assert "Traceback" not in said
        missing = [word for word in words if word not in said]
        assert not missing, f"{missing} not in:\n{said}"
        self.said = f"up: … {words[0]} …"
        return said


@pytest.fixture
def deploy(environment: Environment, costs: Costs) -> Iterator[Deploying]:
    """The release that serves is the same and well after each fault, no visitor felt it, and the next deploy works."""
    release = serving(environment)
    with visitors(environment, rate=2) as load, Writer(environment) as writer:
        load.more(50)
        fault = Deploying(environment, load)
        yield fault
        assert serving(environment) == release
        load.phase("after")
        environment.monopco("up")
        writer.more()
        load.more(50)
    assert serving(environment) == release
    told = load.report
    costs.add(
        Cost(
            fault=fault.name,
            expected="nothing; what serves goes on",
            requests=told["requests"],
            lost=told["failed"],
            seconds=0,
            data_lost=len(writer.lost()),
            said=fault.said,
            person=fault.person,
        )
    )
    assert told["failures"] == []
    assert writer.lost() == set()


def serving(environment: Environment) -> str:
    answer = environment.request("GET", "/api/info")
    assert answer.status == 200
    return str(answer.json()["release"])


def state_file(environment: Environment) -> Path:
    return environment.folder / ".state" / ".pulumi" / "stacks" / "monopco" / f"{environment.stack}.json"


@pytest.fixture
def state(environment: Environment) -> Iterator[Path]:
    path = state_file(environment)
    before = path.read_text(encoding="utf-8")
    yield path
    path.write_text(before, encoding="utf-8")


INTEGRITY = f"sha512-{base64.b64encode(bytes(64)).decode()}"
# A package that no cache has, so that it must be fetched, as the lock file names it.
LOCKED = (
    ("      express:\n", "      marked-package:\n        specifier: 1.0.0\n        version: 1.0.0\n      express:\n"),
    (
        "\npackages:\n",
        f"\npackages:\n\n  marked-package@1.0.0:\n    resolution: {{integrity: {INTEGRITY}}}\n",
    ),
    ("\nsnapshots:\n", "\nsnapshots:\n\n  marked-package@1.0.0: {}\n"),
)


@pytest.mark.long
def test_the_registry_is_away_during_a_build(environment: Environment, deploy: Deploying) -> None:
    source = environment.folder / "source"
    before = {name: (source / name).read_text(encoding="utf-8") for name in ("package.json", "pnpm-lock.yaml")}
    settings = source / ".npmrc"
    settings.write_text("registry=http://127.0.0.1:9/\nfetch-retries=0\n", encoding="utf-8")
    environment.edit(
        "source/package.json", '"cookie": "^1.1.1",', '"cookie": "^1.1.1",\n    "marked-package": "1.0.0",'
    )
    for old, new in LOCKED:
        environment.edit("source/pnpm-lock.yaml", old, new)
    try:
        deploy.is_refused("the package registry is away during a build", "ECONNREFUSED", "127.0.0.1:9")
    finally:
        settings.unlink()
        for name, text in before.items():
            (source / name).write_text(text, encoding="utf-8")


def test_a_build_that_fails_shows_its_own_words(environment: Environment, deploy: Deploying) -> None:
    page = environment.folder / "source" / "server" / "api.ts"
    before = page.read_text(encoding="utf-8")
    page.write_text(before + "\nthis is no program {\n", encoding="utf-8")
    try:
        deploy.is_refused("the source does not build", "api.ts", person="mend the source")
    finally:
        page.write_text(before, encoding="utf-8")


@pytest.mark.long
def test_an_app_that_ends_at_once_shows_its_last_words(environment: Environment, deploy: Deploying) -> None:
    entry = environment.folder / "source" / "server" / "index.ts"
    before = entry.read_text(encoding="utf-8")
    entry.write_text('throw new Error("the marked reason");\n' + before, encoding="utf-8")
    try:
        deploy.is_refused("a new release ends as soon as it starts", "the marked reason", person="mend the source")
    finally:
        entry.write_text(before, encoding="utf-8")


def test_a_state_file_that_is_cut_short(deploy: Deploying, state: Path) -> None:
    text = state.read_text(encoding="utf-8")
    state.write_text(text[: len(text) // 2], encoding="utf-8")
    try:
        person = "copy the file that the message names"
        deploy.is_refused("the state file is cut short", "is cut short or damaged", state.name, ".bak", person=person)
    finally:
        state.write_text(text, encoding="utf-8")


@pytest.mark.long
def test_a_state_file_that_is_empty(deploy: Deploying, state: Path) -> None:
    text = state.read_text(encoding="utf-8")
    state.write_text("", encoding="utf-8")
    try:
        person = "copy the file that the message names"
        deploy.is_refused("the state file is empty", "is empty", state.name, person=person)
    finally:
        state.write_text(text, encoding="utf-8")


@pytest.mark.long
def test_a_state_file_of_a_newer_pulumi(deploy: Deploying, state: Path) -> None:
    text = state.read_text(encoding="utf-8")
    document = json.loads(text)
    document["version"] = 99
    state.write_text(json.dumps(document), encoding="utf-8")
    try:
        words = "was written by a newer Pulumi"
        deploy.is_refused("the state file is of a newer Pulumi", words, person="use that version: git pull")
    finally:
        state.write_text(text, encoding="utf-8")


def test_a_certificate_of_ones_own_that_has_ended(environment: Environment, deploy: Deploying) -> None:
    bundle, tls = own_certificate(-1, ("localhost",)), {"mode": "files", "certificateFile": "a.pem", "keyFile": "a.pem"}
    (environment.folder / "a.pem").write_text(bundle, encoding="utf-8")
    environment.write_config(tls=tls)
    try:
        deploy.is_refused("a certificate of one's own has ended", "ended on", "a.pem", person="get a new certificate")
    finally:
        environment.write_config(tls={"mode": "self-signed"})


@pytest.mark.long
def test_the_disk_is_full_before_a_deploy(environment: Environment, deploy: Deploying) -> None:
    """As it is seen here: what must be free is more than there is."""
    environment.edit("ops/preflight.py", "FREE_DISK_BYTES = 3 * 2**30", "FREE_DISK_BYTES = 2**60")
    try:
        deploy.is_refused("too little disk for a deploy", "The disk is almost full", person="docker system df")
    finally:
        environment.edit("ops/preflight.py", "FREE_DISK_BYTES = 2**60", "FREE_DISK_BYTES = 3 * 2**30")


def test_two_people_at_once(environment: Environment, deploy: Deploying) -> None:
    environment.write_config(app={"secrets": [], "watchSeconds": 20, "source": "source", "env": {"ROUND": "1"}})
    first = subprocess.Popen(
        environment.command("up"),
        cwd=environment.folder,
        env=environment.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    locks = environment.folder / ".state" / ".pulumi" / "locks"
    try:
        wait_until(lambda: any(locks.rglob("*.json")), "the first has the stack")
        said = deploy.is_refused("two people deploy at once", "is being changed by another run", "process")
        assert f"--stack {environment.stack}" in said
    finally:
        told, _ = first.communicate()
    assert first.returncode == 0, told
    environment.write_config(app={"secrets": [], "watchSeconds": 0, "source": "source"})
    environment.monopco("up")
