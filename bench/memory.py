"""Memory of every container, as the share of physical memory that is its own (PSS)."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from tests.integration.environment import Environment, docker

KIB = 1024


def measure(environment: Environment) -> Table:
    """A row for each container; those that are neither app nor database are what monopco itself costs."""
    table = Table(title="memory in use, MB of PSS")
    table.add_column("container")
    table.add_column("MB", justify="right")
    overhead = 0.0
    for container in environment.ours("container"):
        component, name = docker(
            "inspect", "--format", '{{index .Config.Labels "dev.monopco.component"}} {{.Name}}', container
        ).split()
        size = proportional_set_size(container)
        overhead += 0 if component in ("app", "database") else size
        table.add_row(name.lstrip("/"), f"{size:.1f}")
    table.add_row("all but app and database", f"{overhead:.1f}")
    return table


def proportional_set_size(container: str) -> float:
    """MB of PSS of all processes of a container, read from the host's /proc."""
    processes = docker("top", container, "-eo", "pid").split()[1:]
    total = 0
    for process in processes:
        with Path(f"/proc/{process}/smaps_rollup").open(encoding="ascii") as rollup:
            total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return total / KIB
