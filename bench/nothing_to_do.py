"""`pulumi up` with nothing to do, against a nearly empty Pulumi program that loads the same plugins."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from rich.table import Table

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


def measure(environment: Environment, empty: Path) -> Table:
    """Median wall times of both, in turns, and the ratio of each pair."""
    empty.mkdir()
    (empty / "Pulumi.yaml").write_text("name: empty\nruntime: python\n")
    (empty / "__main__.py").write_text(EMPTY_PROGRAM)
    variables = environment.variables
    up = ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--stack"]

    def run(command: list[str], folder: Path) -> None:
        subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True)

    run(["pulumi", "stack", "init", "empty", "--non-interactive"], empty)
    run([*up, "empty"], empty)
    try:
        pairs = [
            (
                _seconds(lambda: run([*up, environment.stack, "--expect-no-changes"], environment.folder)),
                _seconds(lambda: run([*up, "empty", "--expect-no-changes"], empty)),
            )
            for _ in range(RUNS)
        ]
    finally:
        run(["pulumi", "destroy", "--yes", "--skip-preview", "--non-interactive", "--stack", "empty"], empty)
    table = Table(title=f"pulumi up with nothing to do, median (min to max) of {RUNS} runs in turns")
    table.add_column("program")
    table.add_column("seconds", justify="right")
    for name, times in (("monopco", [ours for ours, _ in pairs]), ("nearly empty", [other for _, other in pairs])):
        table.add_row(name, f"{statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})")
    ratios = [ours / other for ours, other in pairs]
    table.add_row("ratio", f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
    return table


def _seconds(action: Callable[[], None]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
