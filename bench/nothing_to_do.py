"""A run that finds nothing to do: ours, the smallest Pulumi program, and the programs that others use for the same."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from bench import turns
from bench.app import Deployed
from bench.peers import compose, tasks, tofu, tools
from bench.results import OURS, Figure, Ratio, Row
from tests.integration.environment import Environment

EMPTY, BARE = "nearly empty Pulumi program", "empty Pulumi program"
WHAT = "nothing to do"
EMPTY_PROGRAM = """
import pulumi_command as command
import pulumi_docker as docker
import pulumi_random as random

docker.Volume("volume")
random.RandomId("id", byte_length=4)
command.local.Command("command", create="true")
"""


class EmptyProgram:
    """The nearly empty program, deployed; `run` is one more `pulumi up`, which finds nothing to do."""

    def __init__(self, environment: Environment, folder: Path, program: str = EMPTY_PROGRAM) -> None:
        self._variables, self._folder = environment.variables, folder
        folder.mkdir()
        (folder / "Pulumi.yaml").write_text(f"name: {folder.name}\nruntime: python\n")
        (folder / "__main__.py").write_text(program)
        self._pulumi("stack", "init", "empty")
        self._pulumi("up", "--yes", "--skip-preview", "--stack", "empty")

    def run(self) -> None:
        self._pulumi("up", "--yes", "--skip-preview", "--stack", "empty", "--expect-no-changes")

    def preview(self) -> None:
        self._pulumi("preview", "--stack", "empty", "--expect-no-changes")

    def destroy(self) -> None:
        self._pulumi("destroy", "--yes", "--skip-preview", "--stack", "empty")
        self._pulumi("stack", "rm", "empty", "--yes")

    def _pulumi(self, *arguments: str) -> None:
        command = ["pulumi", *arguments, "--non-interactive"]
        subprocess.run(command, cwd=self._folder, env=self._variables, check=True, capture_output=True)


def measure(deployed: Deployed, folder: Path, repetitions: int = 7, tell: Callable[[str], None] = print) -> Figure:
    """Every contestant in turn."""
    environment = deployed.environment
    places = {name: folder / name for name in ("compose", "tofu", "ansible", "pyinfra")}
    for place in places.values():
        place.mkdir(parents=True)
    programs = [EmptyProgram(environment, folder / "nearly"), EmptyProgram(environment, folder / "empty", "")]
    stack, plan = compose.Compose(deployed, places["compose"]), tofu.Tofu(deployed, places["tofu"])
    playbook, operations = tasks.ansible(places["ansible"]), tasks.pyinfra(places["pyinfra"])
    try:
        stack.start()
        plan.start()
        for one in (playbook, operations):
            one.run()
        times = turns.seconds(
            {
                OURS: lambda: environment.up("--expect-no-changes"),
                EMPTY: programs[0].run,
                BARE: programs[1].run,
                compose.TOGETHER: stack.nothing,
                tofu.NAME: plan.nothing,
                tasks.ANSIBLE: playbook.nothing,
                tasks.PYINFRA: operations.nothing,
            },
            repetitions,
            tell,
        )
    finally:
        stack.remove()
        plan.remove()
        for program in programs:
            program.destroy()
    return Figure(
        name="nothing-to-do",
        title="A run with nothing to do",
        rows=[Row.told(WHAT, name, "s", values) for name, values in times.items()],
        ratios=[Ratio.of(f"ours by {name}", times[OURS], values) for name, values in times.items() if name != OURS],
        versions={**tools.versions("compose", "tofu"), **tools.python_versions()},
        notes=[
            (
                f"Ours looks at {_resources(environment)} resources, the nearly empty program at three with the same"
                " plugins, the empty one at none."
            ),
            (
                "Compose and OpenTofu have the same database, two app containers and nginx. They know nothing of"
                " releases, backups, SQL scripts, roles, certificates and a switch without loss."
            ),
            (
                f"Ansible and pyinfra have {tasks.TASKS} small tasks on this machine, without SSH: what setting up a"
                " server is made of."
            ),
        ],
    )


def _resources(environment: Environment) -> int:
    return len(environment.pulumi("stack", "--show-urns", "--stack", environment.stack).split("URN:")) - 1
