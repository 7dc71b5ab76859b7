"""`pulumi up` with nothing to do, against a nearly empty Pulumi program that loads the same plugins."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from rich.table import Table

from bench.machine import shown
from tests.integration.environment import Environment

RUNS = 7
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

    def __init__(self, environment: Environment, folder: Path) -> None:
        self._variables, self._folder = environment.variables, folder
        folder.mkdir()
        (folder / "Pulumi.yaml").write_text("name: empty\nruntime: python\n")
        (folder / "__main__.py").write_text(EMPTY_PROGRAM)
        self._pulumi("stack", "init", "empty")
        self._pulumi("up", "--yes", "--skip-preview", "--stack", "empty")

    def run(self) -> None:
        self._pulumi("up", "--yes", "--skip-preview", "--stack", "empty", "--expect-no-changes")

    def destroy(self) -> None:
        self._pulumi("destroy", "--yes", "--skip-preview", "--stack", "empty")
        self._pulumi("stack", "rm", "empty", "--yes")

    def _pulumi(self, *arguments: str) -> None:
        command = ["pulumi", *arguments, "--non-interactive"]
        subprocess.run(command, cwd=self._folder, env=self._variables, check=True, capture_output=True)


def measure(environment: Environment, folder: Path) -> Table:
    """Median wall times of both, in turns, and the ratio of each pair."""
    empty = EmptyProgram(environment, folder)
    try:
        pairs = [(seconds(lambda: environment.up("--expect-no-changes")), seconds(empty.run)) for _ in range(RUNS)]
    finally:
        empty.destroy()
    table = Table(title=f"pulumi up with nothing to do, median (min to max) of {RUNS} runs in turns")
    table.add_column("program")
    table.add_column("seconds", justify="right")
    for name, times in (("monopco", [ours for ours, _ in pairs]), ("nearly empty", [other for _, other in pairs])):
        table.add_row(name, shown(times))
    table.add_row("ratio", shown([ours / other for ours, other in pairs]))
    return table


def seconds(action: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
