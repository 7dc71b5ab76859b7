"""Memory and disk of all that is neither the app nor its database: what monopco itself costs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from bench.results import OURS, Figure, Row
from ops.places import BASE_IMAGE, CACHE, PROJECT
from tests.integration.environment import Environment, docker

KIB, MB = 1024, 1_000_000
APP_AND_DATABASE = ("app", "database")
ALL = "memory: all but app and database"


def measure(environment: Environment) -> Figure:
    """Memory as the share of physical memory that is its own (PSS), disk as what is there because of us."""
    memory: dict[str, float] = {}
    for container in environment.ours("container"):
        label = '{{index .Config.Labels "dev.monopco.component"}}'
        component = docker("inspect", "--format", label, container)
        if component not in APP_AND_DATABASE:
            memory[component] = memory.get(component, 0) + proportional_set_size(container)
    rows = [Row.told(f"memory: {name}", OURS, "MB", [size]) for name, size in sorted(memory.items())]
    rows.append(Row.told(ALL, OURS, "MB", [sum(memory.values())]))
    disk = {
        "disk: the proxy's image, on top of the base": _own_size(environment, "proxy"),
        "disk: the proxy's volume": _volume_size(environment, "proxy", "/var/lib/monopco"),
        "disk, deploying machine: pulumi and its plugins": _size([CACHE / "bin", CACHE / "pulumi-home"]),
        "disk, deploying machine: Python packages": _size([PROJECT / ".venv"]),
    }
    rows += [Row.told(name, OURS, "MB", [size]) for name, size in disk.items()]
    return Figure(
        name="cost",
        title="What is there besides app and database",
        rows=rows,
        notes=[
            "With two replicas, after a start and some requests. The backups run in the database's own image.",
            "The Python packages are those of the tests, too.",
        ],
    )


def proportional_set_size(container: str) -> float:
    """MB of PSS of all processes of a container, read from the host's /proc."""
    processes = docker("top", container, "-eo", "pid").split()[1:]
    total = 0
    for process in processes:
        with Path(f"/proc/{process}/smaps_rollup").open(encoding="ascii") as rollup:
            total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
    return total / KIB


def _own_size(environment: Environment, component: str) -> float:
    """MB of a container's image without the base that all of ours share."""
    image = docker("inspect", "--format", "{{.Image}}", environment.container(component))
    whole, base = (json.loads(docker("image", "inspect", name))[0]["Size"] for name in (image, BASE_IMAGE))
    return float(whole - base) / MB


def _volume_size(environment: Environment, component: str, path: str) -> float:
    said = docker("exec", environment.container(component), "du", "--summarize", "--bytes", path)
    return int(said.split()[0]) / MB


def _size(folders: Iterable[Path]) -> float:
    """MB of the files in them."""
    files = (file for folder in folders for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
    return sum(file.stat().st_size for file in files) / MB
