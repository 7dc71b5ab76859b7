"""Checkpoint, publish and rollback on the whole environment, as a person uses them, with visitors all the while."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.load import Load
from tests.integration.environment import Environment, docker, everything_said
from tests.integration.visitors import visitors

PAGE = "examples/app/client/src/App.tsx"
API = "examples/app/server/api.ts"
CANARY = "canary-9b1d7c3e52"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    one = Environment(tmp_path_factory.mktemp("releases") / "project", "releases")
    one.write_config(app={"secrets": ["PAPPERS_API_KEY"], "watchSeconds": 0, "env": {"ROUND": "1"}})
    one.pulumi("config", "set", "--secret", "PAPPERS_API_KEY", "--stack", one.stack, stdin=CANARY)
    try:
        one.monopco("up")
        yield one
    finally:
        one.destroy()


def lost(load: Load) -> list[Any]:
    return list(load.report["failures"])


def live(environment: Environment) -> str:
    """The release that answers."""
    return str(environment.request("GET", "/api/info").json()["release"])


def listed(environment: Environment) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(environment.monopco("releases", "--json"))
    return found


def given(environment: Environment, name: str) -> str:
    """A variable as the live containers are given it."""
    (first, *_) = environment.containers("app")
    lines = docker("exec", first, "cat", "/etc/monopco/env").splitlines()
    return base64.b64decode(dict(line.split("=", 1) for line in lines)[name]).decode()


def assets(environment: Environment) -> dict[str, bytes]:
    """What the page that is served now asks for."""
    paths = re.findall(r'"(/assets/[^"]+)"', environment.request("GET", "/").body.decode())
    assert paths
    return {path: environment.request("GET", path).body for path in paths}


def set_app(environment: Environment, **keys: Any) -> None:
    environment.write_config(app={**environment.config["app"], **keys})


def next_round(environment: Environment) -> None:
    """A change that makes another release without a build."""
    number = int(environment.config["app"]["env"]["ROUND"]) + 1
    set_app(environment, env={"ROUND": str(number)})


def test_a_checkpoint_is_recorded_and_changes_nothing_that_is_live(environment: Environment) -> None:
    before, containers, opened = live(environment), environment.containers("app"), assets(environment)
    environment.edit(PAGE, "</h1>", " (checkpoint)</h1>")
    with visitors(environment) as load:
        said = environment.monopco("checkpoint", "-m", 'A "page" with $HOME')
    assert lost(load) == []
    newest, *_ = listed(environment)
    assert (newest["description"], newest["live"]) == ('A "page" with $HOME', False)
    assert newest["schema"] == {"level": 2, "last": "create_uploads.sql"}
    assert newest["id"] in said
    assert (live(environment), environment.containers("app")) == (before, containers)
    assert environment.output("release") == before
    assert json.loads(environment.monopco("status", "--json"))["release"] == before

    with visitors(environment) as load:
        environment.monopco("publish")
    assert lost(load) == []
    assert live(environment) == newest["id"]
    environment.up("--expect-no-changes")
    # Who opened the page before has one whose files only the release before has.
    assert assets(environment).keys() != opened.keys()
    assert {path: environment.request("GET", path).body for path in opened} == opened


def test_a_rollback_brings_back_image_configuration_and_secrets_and_stays(environment: Environment) -> None:
    first = live(environment)
    page = environment.request("GET", "/").body
    environment.edit(PAGE, "</h1>", " (rolled back)</h1>")
    next_round(environment)
    environment.pulumi("config", "set", "--secret", "PAPPERS_API_KEY", "--stack", environment.stack, stdin="another")
    environment.monopco("up")
    second = live(environment)
    assert (second == first, given(environment, "PAPPERS_API_KEY")) == (False, "another")

    with visitors(environment) as load:
        said = environment.monopco("rollback")
    assert lost(load) == []
    assert f"Release {first} is live again" in said
    assert (live(environment), environment.request("GET", "/").body) == (first, page)
    assert given(environment, "PAPPERS_API_KEY") == CANARY
    assert {entry["id"]: entry["live"] for entry in listed(environment)}[first] is True

    environment.up("--expect-no-changes")
    assert "Nothing to change" in environment.monopco("up")
    preview = environment.pulumi("preview", "--refresh", "--expect-no-changes", "--stack", environment.stack)
    assert f"release {first} is pinned" in preview

    assert second in environment.monopco("checkpoint", "-m", "the source, while another release is pinned")
    assert live(environment) == first
    environment.monopco("publish", second[:6])
    assert (live(environment), given(environment, "PAPPERS_API_KEY")) == (second, "another")
    assert "pinned" not in environment.stack_file.read_text(), "the source gives what runs, so nothing is pinned"

    environment.monopco("rollback")
    next_round(environment)
    environment.monopco("up")
    assert live(environment) not in (first, second), "a change after a rollback is deployed"
    assert "pinned" not in environment.stack_file.read_text()


def test_a_rollback_needs_neither_source_nor_build_nor_network(environment: Environment) -> None:
    next_round(environment)
    environment.monopco("up")
    previous = next(entry["id"] for entry in listed(environment) if entry["previous"])
    source = environment.folder / "examples" / "app"
    source.rename(source.with_name("elsewhere"))
    try:
        environment.monopco("rollback")
        assert live(environment) == previous
    finally:
        source.with_name("elsewhere").rename(source)
    environment.monopco("up")


def test_a_release_that_is_not_there_is_a_mistake_that_lists_those_that_are(environment: Environment) -> None:
    done = environment.attempt_monopco("rollback", "ffffffffff")
    assert done.returncode == 2
    assert f"there are: {', '.join(entry['id'] for entry in listed(environment))}" in done.stderr


def test_what_is_live_already_is_left_alone(environment: Environment) -> None:
    containers = environment.containers("app")
    assert "is live already" in environment.monopco("publish", live(environment))
    assert environment.containers("app") == containers


@pytest.mark.long
def test_replicas_come_and_go_without_a_lost_request(environment: Environment) -> None:
    with visitors(environment) as load:
        for replicas in (3, 2):
            set_app(environment, replicas=replicas)
            environment.monopco("up")
            assert len(environment.containers("app")) == replicas
    assert lost(load) == []


def test_old_releases_go_and_the_live_one_and_the_one_before_it_stay(environment: Environment) -> None:
    set_app(environment, keepReleases=2)
    for _ in range(2):
        next_round(environment)
        environment.monopco("up")
    environment.monopco("rollback")
    kept = listed(environment)
    set_app(environment, keepReleases=5)
    assert len(kept) <= 3
    assert [entry["live"] for entry in kept].count(True) == 1
    tags = docker("image", "ls", "--filter", f"label=dev.monopco.stack={environment.stack}", "--format", "{{.ID}}")
    assert {entry["image"].removeprefix("sha256:")[:12] for entry in kept} <= set(tags.split())
    environment.monopco("rollback", next(entry["id"] for entry in kept if not entry["live"]))


@pytest.mark.long
def test_a_release_with_an_older_schema_is_refused_until_its_script_is_accepted(environment: Environment) -> None:
    before = live(environment)
    script = environment.folder / "examples" / "app" / "drop_something.sql"
    script.write_text("ALTER TABLE notes ADD COLUMN mood text;\n")
    environment.monopco("up")
    ahead, containers = live(environment), environment.containers("app")
    refused = environment.attempt_monopco("rollback")
    assert refused.returncode != 0
    assert "drop_something.sql was applied on" in refused.stderr
    assert "--accept 'drop_something.sql'" in refused.stderr
    assert (live(environment), environment.containers("app")) == (ahead, containers)
    assert "pinned" not in environment.stack_file.read_text()
    environment.up()
    assert environment.containers("app") == containers

    environment.monopco("rollback", "--accept", "drop_something.sql")
    assert live(environment) == before
    points = docker(
        "run",
        "--rm",
        "--volume",
        f"monopco-{environment.stack}-restore-points:/p",
        "--entrypoint",
        "ls",
        docker("inspect", "--format", "{{.Image}}", environment.container("database")),
        "/p",
    )
    assert "before-drop_something.sql.dump" in points
    environment.monopco("up", "--from-source")
    assert live(environment) == ahead


@pytest.fixture
def watched(environment: Environment) -> Iterator[None]:
    """New releases are watched; elsewhere nobody has to wait for that."""
    set_app(environment, watchSeconds=30)
    yield
    set_app(environment, watchSeconds=0)


@pytest.mark.usefixtures("watched")
def test_a_release_that_fails_its_visitors_is_taken_back(environment: Environment) -> None:
    before = live(environment)
    environment.edit(
        API,
        "async function info(_request: Request, response: Response): Promise<void> {",
        "async function info(_request: Request, response: Response): Promise<void> {\n"
        '  console.error("out of ink");\n  throw new Error("no info today");',
    )
    with visitors(environment) as load:
        done = environment.attempt_monopco("up")
        assert live_by_header(environment) == before
    environment.edit(API, '\n  console.error("out of ink");\n  throw new Error("no info today");', "")
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "was taken back" in said
    assert "out of ink" in said, "the app's last lines belong to the message"
    assert 'running "#!/bin/sh' not in said
    assert [failure for failure in lost(load) if "500" not in failure["what"]] == []
    environment.monopco("up")
    assert live(environment) == before
    assert len(environment.containers("app")) == 2, "the containers of the bad release are gone"


def live_by_header(environment: Environment) -> str:
    return environment.request("GET", "/").headers["x-release"]


@pytest.mark.long
@pytest.mark.usefixtures("watched")
def test_a_release_that_runs_out_of_memory_is_taken_back_with_the_reason(environment: Environment) -> None:
    before = live(environment)
    hog = "  kept.push(Buffer.alloc(150 * 2 ** 20, 1));\n"
    environment.edit(
        API,
        "async function info(_request: Request, response: Response): Promise<void> {\n",
        "const kept: Buffer[] = [];\n"
        f"async function info(_request: Request, response: Response): Promise<void> {{\n{hog}",
    )
    with visitors(environment):
        done = environment.attempt_monopco("up")
        assert live_by_header(environment) == before
    environment.edit(API, "const kept: Buffer[] = [];\n", "")
    environment.edit(API, hog, "")
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "it needs more than app.memory (500 MB)" in said
    environment.monopco("up")


@pytest.mark.long
def test_maintenance_shows_a_page_and_lets_a_deploy_go_on(environment: Environment) -> None:
    environment.monopco("maintenance", "on")
    assert environment.request("GET", "/").status == 503
    assert json.loads(environment.monopco("status", "--json"))["maintenance"] is True
    next_round(environment)
    environment.monopco("up")
    assert environment.request("GET", "/").status == 503
    environment.monopco("maintenance", "off")
    assert environment.request("GET", "/").status == 200


def test_logs_are_found_by_release_and_by_request(environment: Environment) -> None:
    release = live(environment)
    request = environment.request("GET", "/api/info").headers["x-request-id"]
    (line,) = environment.monopco("logs", "proxy", "--request", request).splitlines()
    assert json.loads(line)["path"] == "/api/info"
    said = environment.monopco("logs", "--release", release)
    assert f"release {release} listens" in said
    assert set(names(said)) == {
        f"monopco-releases-app-{release}-1",
        f"monopco-releases-app-{release}-2",
        "monopco-releases-proxy",
    }


def names(lines: str) -> Iterator[str]:
    return (line.split(" | ")[0].strip() for line in lines.splitlines() if " | " in line)


def test_the_secret_of_a_release_is_in_no_image_container_log_or_list(environment: Environment) -> None:
    images, containers = environment.ours("image"), environment.ours("container")
    texts = [docker("inspect", *images, *containers), environment.monopco("releases", "--json")]
    texts += [docker("history", "--no-trunc", image) for image in images]
    texts += [everything_said(container) for container in containers]
    spellings = {CANARY, base64.b64encode(CANARY.encode()).decode().rstrip("=")}
    assert [spelling for spelling in spellings for text in texts if spelling in text] == []


@pytest.mark.long
def test_a_first_checkpoint_can_be_published_and_taking_the_environment_away_takes_its_releases_along(
    environment: Environment, tmp_path: Path
) -> None:
    other = Environment(tmp_path / "project", "departing")
    try:
        other.monopco("checkpoint", "-m", "before there was anything")
        assert other.containers("proxy") == [], "a first checkpoint makes nothing that can be visited"
        other.monopco("publish")
        assert live(other) == listed(other)[0]["id"]
    finally:
        other.monopco("down", "--yes")
    left = {kind: found for kind in ("container", "volume", "network", "image") if (found := other.ours(kind))}
    assert left == {}
    assert live(environment)
