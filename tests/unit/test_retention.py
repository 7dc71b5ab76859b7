"""Which releases are kept: the step, and its script against a Docker of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recorder import COMMAND, record

from components.retention import Retention, RetentionArgs
from components.stack import Stack
from components.step import SCRIPTS

ARGS = RetentionArgs(stack=Stack("dev"), docker_host=None, proxy_container="proxy-id", release="abc", keep=5)

# Answers as the docker command does to what prune.sh asks; ./docker.json says what there is.
DOCKER = """\
#!/usr/bin/env python3
import json, pathlib, sys
here = pathlib.Path(__file__).parent
world, words = json.loads((here / "docker.json").read_text()), sys.argv[1:]
if words[:2] == ["image", "ls"]:
    component = next(word for word in words if ".component=" in word).partition(".component=")[2]
    assert "label=dev.monopco.stack=dev" in words, words
    print("\\n".join(world["images"].get(component, [])))
elif words[:2] == ["image", "inspect"] and "{{.Id}}" in words:
    print(f"sha256:{words[-1]}")
elif words[:2] == ["image", "inspect"]:
    for name in words[4:]:
        at, release, image = world["records"][name]
        print(at, release, image, name)
elif words[:2] == ["image", "rm"]:
    if words[2] in world["used"]:
        sys.exit("conflict: in use")
    for names in world["images"].values():
        if words[2] in names:
            names.remove(words[2])
    (here / "docker.json").write_text(json.dumps(world))
elif words[0] == "exec" and words[2:] == ["state", "live"]:
    print(world["state"].get("release", "")) if world["state"] else sys.exit(1)
elif words[0] == "exec":
    assert words[2:] == ["state"], words
    print(json.dumps(world["state"], separators=(",", ":"))) if world["state"] else sys.exit(1)
elif words[0] == "ps":
    print("\\n".join(world["running"]))
else:
    sys.exit(f"not expected: {words}")
"""


def step(**changes: Any) -> dict[str, Any]:
    args = RetentionArgs(**{**ARGS.__dict__, **changes})
    return dict(record(lambda: Retention("retention", args)).named("retention-prune", COMMAND).inputs)


def test_the_step_knows_the_stack_the_live_release_and_how_many_are_kept() -> None:
    assert step()["environment"] == {
        "LABEL": "dev.monopco",
        "STACK": "dev",
        "PROXY": "proxy-id",
        "RELEASE": "abc",
        "KEEP": "5",
    }


def test_it_runs_again_when_another_release_has_become_live() -> None:
    before, after = step()["environment"], step(release="def")["environment"]
    assert {name for name in before if before[name] != after[name]} == {"RELEASE"}


def test_what_was_removed_is_told() -> None:
    recording = record(lambda: Retention("retention", ARGS))
    assert recording.outputs(recording.component("Retention")) == {"removed": "printed by retention-prune"}


@dataclass
class World:
    """What the Docker of the test has."""

    folder: Path
    records: Sequence[int]
    apps: Sequence[int] = ()
    others: dict[str, list[str]] | None = None
    running: Sequence[str] = ()
    state: dict[str, str] | None = None
    used: Sequence[str] = ()

    def prune(self, keep: int, release: str = "") -> list[str]:
        """What the script says that it removed."""
        names = {
            f"release:{number}": (f"2026-11-0{number}", f"r{number}", f"sha256:app:{number}") for number in self.records
        }
        world = {
            "images": {"release": list(names), "app": [f"app:{number}" for number in self.apps], **(self.others or {})},
            "records": names,
            "running": list(self.running),
            "state": self.state,
            "used": list(self.used),
        }
        (self.folder / "docker.json").write_text(json.dumps(world), encoding="utf-8")
        (self.folder / "docker").write_text(DOCKER, encoding="utf-8")
        (self.folder / "docker").chmod(0o755)
        variables = {"LABEL": "dev.monopco", "STACK": "dev", "PROXY": "p", "RELEASE": release, "KEEP": str(keep)}
        variables["PATH"] = f"{self.folder}:{os.environ['PATH']}"
        script = str(SCRIPTS / "retention" / "prune.sh")
        done = subprocess.run(["sh", script], env=variables, capture_output=True, text=True, check=True)
        return done.stdout.split()


class TestScript:
    def test_the_newest_are_kept(self, tmp_path: Path) -> None:
        assert World(tmp_path, records=[2, 4, 1, 3]).prune(keep=2) == ["release:2", "release:1"]

    def test_fewer_than_are_kept_are_all_kept(self, tmp_path: Path) -> None:
        assert World(tmp_path, records=[1, 2]).prune(keep=2) == []

    def test_nothing_is_there_and_nothing_fails(self, tmp_path: Path) -> None:
        assert World(tmp_path, records=[]).prune(keep=2) == []

    def test_the_live_one_is_kept_however_old(self, tmp_path: Path) -> None:
        assert World(tmp_path, records=[1, 2, 3, 4]).prune(keep=2, release="r1") == ["release:2"]

    def test_what_the_proxy_calls_live_and_previous_is_kept(self, tmp_path: Path) -> None:
        state = {"release": "r2", "previous": "r1"}
        assert World(tmp_path, records=[1, 2, 3, 4, 5], state=state).prune(keep=2) == ["release:3"]

    def test_one_that_has_a_container_is_kept(self, tmp_path: Path) -> None:
        assert World(tmp_path, records=[1, 2, 3, 4], running=["r1", ""]).prune(keep=2) == ["release:2"]

    def test_the_apps_image_goes_with_the_last_record_that_needs_it(self, tmp_path: Path) -> None:
        found = World(tmp_path, records=[1, 2, 3], apps=[1, 2, 3]).prune(keep=2)
        assert found == ["release:1", "app:1"]

    def test_an_image_that_docker_wants_to_keep_stays_and_is_not_told(self, tmp_path: Path) -> None:
        world = World(tmp_path, records=[1, 2, 3], apps=[1, 2, 3], used=["release:1"])
        assert world.prune(keep=2) == []

    def test_of_our_other_images_the_newest_is_kept(self, tmp_path: Path) -> None:
        others = {"proxy": ["nginx:new", "nginx:old"], "database": ["postgres:new"], "build": ["node:new", "node:old"]}
        assert World(tmp_path, records=[], others=others).prune(keep=2) == ["nginx:old", "node:old"]
