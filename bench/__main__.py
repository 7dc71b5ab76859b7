"""Runs every measurement on one environment with the sample app: `./monopco test bench`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.console import Console

from bench import memory, nothing_to_do
from tests.integration.environment import Environment


def main() -> None:
    console = Console()
    with tempfile.TemporaryDirectory(prefix="monopco-bench-") as folder:
        environment = Environment(Path(folder) / "project", "bench")
        try:
            with console.status("deploying the sample app"):
                environment.up()
            console.print(nothing_to_do.measure(environment, Path(folder) / "empty"))
            console.print(memory.measure(environment))
        finally:
            with console.status("removing it again"):
                environment.destroy()


main()
