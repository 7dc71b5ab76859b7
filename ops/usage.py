"""What a container uses, as its own control group counts it: Docker's own statistics can be all zeros under load."""

from __future__ import annotations

from dataclasses import dataclass

from ops import containers
from ops.errors import CommandError

# Memory, its limit, what of it is only cache, and nanoseconds of CPU: of version 2 of control groups, or of 1.
_SCRIPT = """
set -eu
cd /sys/fs/cgroup
figures() {
    if [ -f memory.current ]; then
        cat memory.current memory.max
        sed -n 's/^inactive_file //p' memory.stat
        sed -n 's/^usage_usec \\(.*\\)/\\1000/p' cpu.stat
    else
        cat memory/memory.usage_in_bytes memory/memory.limit_in_bytes
        sed -n 's/^total_inactive_file //p' memory/memory.stat
        cat cpuacct/cpuacct.usage
    fi
}
date +%s%N
figures
sleep 1
date +%s%N
figures
nproc
"""
_FIGURES = 11


@dataclass(frozen=True)
class Usage:
    """Shares from 0 to 1: of the container's memory limit, and of all the machine's processors."""

    memory: float
    processors: float


def of_container(name: str, host: str | None) -> Usage:
    """What a running container uses within a second. Raises CommandError when it does not tell."""
    return parse(containers.docker(["exec", "--interactive", name, "sh", "-s"], host, stdin=_SCRIPT))


def parse(printed: str) -> Usage:
    lines = printed.split()
    if len(lines) != _FIGURES:
        raise CommandError(f"A container does not tell what it uses: {printed.strip()[:100]}")
    begun, used, limit, cache, before, ended, *_, after, cores = lines
    share = 0.0 if limit == "max" else max(0, int(used) - int(cache)) / int(limit)
    return Usage(share, (int(after) - int(before)) / max(1, int(ended) - int(begun)) / int(cores))
