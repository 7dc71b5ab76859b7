"""On what was measured, and the files that results are kept in."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.integration.environment import PROJECT, shell_environment


def described() -> dict[str, Any]:
    """The machine and the versions of what runs on it."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memoryMB": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "loadAverage": [round(average, 2) for average in os.getloadavg()],
        "python": platform.python_version(),
        "pulumi": _said("pulumi", "version"),
        "docker": _said("docker", "version", "--format", "{{.Server.Version}}"),
        "commit": _said("git", "describe", "--always", "--dirty", "--abbrev=12"),
    }


def spread(values: Sequence[float], digits: int = 2) -> dict[str, Any]:
    """Repetitions, median, min and max: no figure is told without them."""
    if not values:
        return {"repetitions": 0}
    return {
        "repetitions": len(values),
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
    }


def shown(values: Sequence[float]) -> str:
    """The same for a table: median (min to max)."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})" if values else "none"


def write(folder: Path, name: str, results: dict[str, Any]) -> Path:
    """Keep results with what they were measured on; an earlier file stays."""
    folder.mkdir(parents=True, exist_ok=True)
    now = time.gmtime()
    path = folder / f"{name}-{time.strftime('%Y%m%dT%H%M%SZ', now)}.json"
    content = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", now), "machine": described(), **results}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def _said(*command: str) -> str:
    try:
        done = subprocess.run(
            command, cwd=PROJECT, env=dict(shell_environment()), capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return done.stdout.strip()


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(encoding="utf-8").splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
