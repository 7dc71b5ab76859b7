"""A deploy that is killed: what serves goes on serving, and the next `./monopco up` ends what was begun."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.environment import Environment, docker, wait_until
from tests.integration.visitors import visitors
from tests.sampled import sampled

Event = dict[str, Any]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    one = Environment(tmp_path_factory.mktemp("interrupted") / "project", "interrupted")
    one.write_config(app={"secrets": [], "watchSeconds": 0, "env": {"ROUND": "0"}})
    try:
        one.monopco("up")
        yield one
    finally:
        # The test may have failed with a run that was not mended.
        one.attempt_monopco("up")
        one.destroy()


def begun(name: str) -> Callable[[Event], bool]:
    """The moment at which a resource of that name, or one that begins so, is about to be changed."""
    return lambda event: _about(event.get("resourcePreEvent"), name)


def ended(name: str) -> Callable[[Event], bool]:
    """The moment at which that is done."""
    return lambda event: _about(event.get("resOutputsEvent"), name)


def _about(event: Event | None, name: str) -> bool:
    if event is None or event["metadata"]["op"] == "same":
        return False
    own = event["metadata"]["urn"].rpartition("::")[2]
    return bool(own == name or (name.endswith("*") and own.startswith(name[:-1]) and own.endswith("-1")))


# In the order of a deploy; "release-*" is the first container of the new release, or of the old one when deleted.
MOMENTS: dict[str, Callable[[Event], bool]] = {
    "the program begins": lambda event: "preludeEvent" in event,
    "the record is made": begun("checkpoint-record"),
    "the record is made and not yet used": ended("checkpoint-record"),
    "a container is created": begun("release-*"),
    "a container was created": ended("release-*"),
    "the containers are asked": begun("release-healthy"),
    "the tables are seen to": begun("schema-migrate"),
    "the requests are switched": begun("switch-traffic"),
    "the requests were switched": ended("switch-traffic"),
    "old releases are removed": begun("retention-prune"),
    "the old containers go": lambda event: begun("release-*")(event) and _operation(event) == "delete",
}


def _operation(event: Event) -> str:
    return str(event["resourcePreEvent"]["metadata"]["op"])


def kill_at(environment: Environment, moment: Callable[[Event], bool]) -> None:
    """Deploy, and kill Pulumi with SIGKILL at that moment, as a full memory or a lost laptop would."""
    command = ["pulumi", "up", "--yes", "--skip-preview", "--json", "--non-interactive", "--stack", environment.stack]
    process = subprocess.Popen(
        command,
        cwd=environment.folder,
        env={**environment.variables, "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout
    met = any(line.startswith("{") and moment(json.loads(line)) for line in process.stdout)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert met, "the deploy ended before that moment"


def another_release(environment: Environment) -> None:
    app = environment.config["app"]
    environment.write_config(app={**app, "env": {"ROUND": str(int(app["env"]["ROUND"]) + 1)}})


def releases_of_containers(environment: Environment) -> set[str]:
    """Which releases have containers, the stopped ones included."""
    ours = [f"label=dev.monopco.stack={environment.stack}", "label=dev.monopco.component=app"]
    filters = [argument for label in ours for argument in ("--filter", label)]
    return set(docker("ps", "--all", *filters, "--format", '{{.Label "dev.monopco.release"}}').split())


@pytest.mark.parametrize("moment", sampled(MOMENTS, 7))
def test_a_killed_deploy_never_stops_the_service_and_the_next_one_ends_it(
    environment: Environment, moment: str
) -> None:
    another_release(environment)
    with visitors(environment) as load:
        kill_at(environment, MOMENTS[moment])
        load.more(100)
        said = environment.monopco("up")
        load.more(100)
    assert load.report["failures"] == [], said
    release = environment.output("release")
    assert release == environment.output("sourceRelease")
    assert environment.request("GET", "/api/info").json()["release"] == release
    assert releases_of_containers(environment) == {release}, "nothing of a release that does not serve is left"
    assert "pending" not in environment.up("--expect-no-changes")


def test_what_a_kill_left_cut_short_beside_the_state_is_no_damage(environment: Environment) -> None:
    """Seen as "failed to load checkpoint: EOF" with a state that was whole."""
    folder = environment.folder / ".state" / ".pulumi" / "stacks" / "monopco"
    noted = sorted(folder.glob(f"{environment.stack}.json*.attrs"))
    assert len(noted) == 2
    for file in noted:
        file.write_text("")
    assert "EOF" in environment.attempt_up().stderr
    assert "Nothing to change" in environment.monopco("up")


def test_a_second_deploy_is_told_who_is_deploying_since_when_and_from_where(environment: Environment) -> None:
    another_release(environment)
    first = subprocess.Popen(
        environment.command("up"),
        cwd=environment.folder,
        env=environment.variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    locks = environment.folder / ".state" / ".pulumi" / "locks" / "organization" / "monopco" / environment.stack
    wait_until(lambda: any(locks.glob("*.json")), "the first run holds the stack")
    second = environment.attempt_monopco("up")
    assert first.wait() == 0
    assert second.returncode == 1
    assert f"Stack {environment.stack} is being changed by another run:" in second.stderr
    assert f" on {os.uname().nodename} (process " in second.stderr
