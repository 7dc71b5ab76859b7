"""Whether a release can use the tables as they are."""

from __future__ import annotations

import base64
import dataclasses
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pulumi
import pytest
from recorder import COMMAND, Recording, record
from values import is_secret, reveal, unpack

from components.specification import Script
from components.stack import Stack
from components.step import SCRIPTS
from components.usable_schema import UsableSchema, UsableSchemaArgs

ARGS = UsableSchemaArgs(
    stack=Stack("dev"),
    docker_host=None,
    image_id="sha256:postgres",
    network_name="monopco-dev-network",
    owner_url="postgresql://owner:marked@database:5432/monopco",
    database_identity="one",
    container="monopco-dev-database",
    release="abc",
    scripts=[Script("02.sql", "b" * 64), Script("db/01.sql", "a" * 64)],
    strict=True,
    accepts=["03 more.sql", "04.sql"],
)


def declare(*, preview: bool = False, **changes: Any) -> Recording:
    def run() -> None:
        url = pulumi.Output.secret(ARGS.owner_url)
        UsableSchema("usable-schema", dataclasses.replace(ARGS, **{"owner_url": url, **changes}))

    return record(run, preview=preview)


def step(**changes: Any) -> dict[str, Any]:
    return dict(declare(**changes).named("usable-schema-check", COMMAND).inputs)


def test_the_step_is_a_child_of_the_component() -> None:
    recording = declare()
    names = [child.name for child in recording.children(recording.component("UsableSchema"))]
    assert names == ["usable-schema-check"]


def test_the_step_knows_whom_to_ask_and_what_is_accepted() -> None:
    assert step()["environment"] == {
        "IMAGE": "sha256:postgres",
        "NETWORK": "monopco-dev-network",
        "CONTAINER": "monopco-dev-database",
        "DATABASE": "one",
        "STRICT": "true",
        "LABEL": "dev.monopco",
        "STACK": "dev",
        "RELEASE": "abc",
        "ACCEPT": "03 more.sql\n04.sql",
    }


@pytest.mark.parametrize("preview", [False, True])
def test_the_scripts_that_the_release_knows_come_with_the_connection_as_a_secret(preview: bool) -> None:
    stdin = step(preview=preview)["stdin"]
    assert is_secret(stdin)
    assert unpack(reveal(stdin)) == {
        "connection": "PGHOST=database\nPGPORT=5432\nPGDATABASE=monopco\nPGUSER=owner\n",
        "pgpass": "*:*:*:*:marked\n",
        "order": f"02.sql {'b' * 64}\ndb/01.sql {'a' * 64}\n",
    }


def test_nothing_accepted_is_an_empty_text() -> None:
    assert step(accepts=[])["environment"]["ACCEPT"] == ""


@pytest.mark.parametrize(
    ("changes", "differing"),
    [({"release": "def"}, {"RELEASE"}), ({"database_identity": "two"}, {"DATABASE"}), ({"strict": False}, {"STRICT"})],
    ids=["another release", "a database made anew", "a release from the source"],
)
def test_it_is_asked_again_for(changes: dict[str, Any], differing: set[str]) -> None:
    """One with the same scripts, too: the tables may have changed meanwhile."""
    before, after = step()["environment"], step(**changes)["environment"]
    assert {name for name in before if before[name] != after[name]} == differing


def test_a_source_may_have_lost_a_script() -> None:
    assert step(strict=False)["environment"]["STRICT"] == "false"


def test_the_level_is_what_the_step_printed() -> None:
    recording = declare()
    assert recording.outputs(recording.component("UsableSchema")) == {"level": "printed by usable-schema-check"}


DOCKER = """\
#!/bin/sh
cd "$(dirname "$0")"
printf '%s\\n' "$*" >asked
cat >stdin
cat said >&2
exit "$(cat code)"
"""


class TestScript:
    """What the step says, with a Docker of the test's own."""

    def run(
        self, folder: Path, *, code: int, said: str, container: str = "db", strict: str = "true"
    ) -> subprocess.CompletedProcess[str]:
        for name, content in (("docker", DOCKER), ("code", str(code)), ("said", said)):
            (folder / name).write_text(content, encoding="utf-8")
        (folder / "docker").chmod(0o755)
        names = {"IMAGE": "sha256:p", "NETWORK": "net", "CONTAINER": container, "LABEL": "dev.monopco", "STACK": "prod"}
        variables = {
            **names,
            "RELEASE": "abc",
            "ACCEPT": "",
            "STRICT": strict,
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        }
        script = str(SCRIPTS / "usable_schema" / "check.sh")
        stdin = base64.b64encode(b"bundle").decode()
        command = ["sh", script]
        return subprocess.run(command, env=variables, input=stdin, capture_output=True, text=True, check=False)

    def ahead(self, *scripts: str) -> str:
        lines = [
            f"migrate: the schema is ahead of this release: {name} was applied on 2026-11-23 and this release does not "
            "know it\n"
            for name in scripts
        ]
        return "".join(lines)

    def offered(self, said: str) -> Sequence[str]:
        """The words of the command that is offered, as a shell reads them."""
        (line,) = [line for line in said.splitlines() if "./monopco rollback" in line]
        command = line[line.index("./monopco rollback") :]
        script = f'for word in {command}; do printf "%s\\n" "$word"; done'
        return subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False).stdout.splitlines()

    def test_tables_that_can_be_used_are_told_on_standard_output(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, code=0, said='{"level": 2}\n')
        assert (done.returncode, done.stdout, done.stderr) == (0, '{"level": 2}\n', "")
        assert (tmp_path / "stdin").read_text(encoding="utf-8") == "bundle"

    def test_a_container_of_ours_is_asked_in_itself(self, tmp_path: Path) -> None:
        self.run(tmp_path, code=0, said="")
        asked = (tmp_path / "asked").read_text(encoding="utf-8")
        assert asked == "exec --interactive --env ACCEPT= db migrate --check\n"

    def test_a_database_elsewhere_is_asked_from_a_container_that_goes(self, tmp_path: Path) -> None:
        self.run(tmp_path, code=0, said="", container="")
        asked = (tmp_path / "asked").read_text(encoding="utf-8")
        assert asked.startswith("run --rm --interactive --network net --read-only ")
        assert asked.endswith(" --entrypoint migrate sha256:p --check\n")

    def test_tables_that_are_ahead_are_told_with_what_can_be_done(self, tmp_path: Path) -> None:
        said = self.ahead("db/03.sql", "db/04.sql")
        done = self.run(tmp_path, code=5, said=said)
        assert (done.returncode, done.stdout) == (5, "")
        assert done.stderr.startswith(f"{said}Nothing was changed. What can be done:\n")
        accepted = ["--accept", "db/03.sql", "--accept", "db/04.sql"]
        assert self.offered(done.stderr) == ["./monopco", "rollback", "abc", *accepted, "-s", "prod"]

    @pytest.mark.parametrize("name", ["03 more.sql", "$(evil).sql", "it's.sql"])
    def test_the_command_that_is_offered_is_one_for_every_name(self, tmp_path: Path, name: str) -> None:
        done = self.run(tmp_path, code=5, said=self.ahead(name))
        assert self.offered(done.stderr) == ["./monopco", "rollback", "abc", "--accept", name, "-s", "prod"]

    def test_tables_that_are_ahead_of_a_source_are_left_to_the_scripts_themselves(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, code=5, said=self.ahead("db/03.sql"), strict="false")
        assert (done.returncode, done.stdout, done.stderr) == (0, "pending unknown\n", "")

    @pytest.mark.parametrize("strict", ["true", "false"])
    def test_any_other_failure_is_told_as_it_is(self, tmp_path: Path, strict: str) -> None:
        done = self.run(tmp_path, code=9, said="no connection\n", strict=strict)
        assert (done.returncode, done.stdout, done.stderr) == (9, "", "no connection\n")
