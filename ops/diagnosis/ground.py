"""What everything else stands on: Docker, the disk, the deployment."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from ops import containers, locks
from ops.diagnosis.finding import Certainty, Finding, Symptom, cause
from ops.environment import uses_own_state
from ops.errors import CommandError
from ops.pulumi import Pulumi
from ops.reading import drizzle_dialect
from ops.survey import Survey

LEAST_FREE = 0.2
_ALMOST_NONE = 0.03
_LITTLE = 2**30  # bytes
_FULL = re.compile(r"no space left on device|ENOSPC|disk quota exceeded", re.IGNORECASE)
# Of its own memory, and not of the disk.
_KERNEL = ("/proc", "/sys", "/dev", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")


@cause()
def docker_is_down(survey: Survey) -> Finding | None:
    try:
        containers.docker(["version", "--format", "{{.Server.Version}}"], survey.host)
    except CommandError as error:
        server, user, port = (survey.file.value("server", key) for key in ("host", "user", "port"))
        return Finding(
            "Docker does not answer",
            str(error),
            f"ssh -p {port} {user}@{server} docker info" if server else "sudo systemctl start docker",
            Certainty.CERTAIN,
        )
    return None


@cause()
def disk_is_full(survey: Survey) -> Finding | None:
    for one in survey.containers:
        if one.state == "running":
            for mount, size, free in mounts(survey.run(one.name, "df", "--block-size=1", "--output=target,size,avail")):
                if free < min(_ALMOST_NONE * size, _LITTLE):
                    return _full(f"{one.name} has {free // 2**20} of {size // 2**20} MB left in {mount}")
        if lines := [line for line in survey.said(one.name, "--tail", "200").splitlines() if _FULL.search(line)]:
            return _full(f"{one.name} says: {lines[-1].strip()[:200]}")
    return None


def _full(evidence: str) -> Finding:
    return Finding("the disk is full", evidence, "docker builder prune", Certainty.CERTAIN)


def mounts(printed: str) -> list[tuple[str, int, int]]:
    """What can be written to, its size and what is free of it, from what df says."""
    rows = [line.split() for line in printed.splitlines()[1:]]
    return [(row[0], int(row[1]), int(row[2])) for row in rows if int(row[1]) and not row[0].startswith(_KERNEL)]


@cause(Symptom.DISK)
def disk_fills_up(survey: Survey) -> Finding | None:
    size, free = survey.free(survey.running("proxy")[0].name, "/var/lib/monopco")
    if free >= LEAST_FREE * size:
        return None
    return Finding(
        "the disk fills up",
        f"{free / size:.0%} of {size / 2**30:.0f} GB are free where Docker keeps its data; 20 % should be",
        "docker system df",
        Certainty.POSSIBLE,
    )


@cause()
def never_deployed(survey: Survey) -> Finding | None:
    if survey.containers:
        return None
    what = "The state is empty, too" if not survey.outputs else "The state knows of an environment"
    command = f"./monopco up -s {survey.stack}" if not survey.outputs else refresh(survey)
    return Finding("the environment does not run", f"No container of it is there. {what}.", command, Certainty.CERTAIN)


def refresh(survey: Survey) -> str:
    """The command that also makes what somebody has removed behind Pulumi's back."""
    return f'eval "$(./monopco env)" && pulumi up --refresh --stack {survey.stack}'


@cause(Symptom.DEPLOY, Symptom.NO_START)
def deploy_is_locked(survey: Survey) -> Finding | None:
    held = locks.of_stack(survey.stack) if uses_own_state(os.environ) else []
    if not held:
        return None
    if all(lock.abandoned() for lock in held):
        return Finding(
            "a deploy was killed and left its lock",
            f"{held[0]} holds the stack, and does not run any more",
            f"./monopco up -s {survey.stack}",
            Certainty.CERTAIN,
        )
    return Finding(
        "another deploy is going on",
        f"{held[0]} holds the stack",
        f"./monopco status -s {survey.stack}",
        Certainty.LIKELY,
    )


@cause(Symptom.DEPLOY, Symptom.NO_START)
def deploy_was_killed(survey: Survey) -> Finding | None:
    pending = Pulumi(survey.stack).pending()
    if not pending or any(not lock.abandoned() for lock in locks.of_stack(survey.stack)):
        return None
    names = [str(one["resource"]["urn"]).rpartition("::")[2] for one in pending]
    return Finding(
        "a deploy was killed in the middle",
        f"begun, and their end is not known: {', '.join(names[:5])}",
        f"./monopco up -s {survey.stack}",
        Certainty.CERTAIN,
    )


@cause(Symptom.DEPLOY)
def release_was_taken_back(survey: Survey) -> Finding | None:
    switch = survey.proxy.state.get("switch") or {}
    watch = switch.get("watch") or {}
    if watch.get("verdict") != "worse":
        return None
    return Finding(
        "the last release was taken back",
        f"release {switch.get('release')} did worse than the one before: {watch.get('reason') or 'no reason is noted'}",
        f"./monopco logs app --release {switch.get('release')} -s {survey.stack}",
        Certainty.CERTAIN,
    )


@cause(Symptom.NO_START, Symptom.CONNECTIONS, Symptom.DEPLOY)
def drizzle_is_for_mysql(survey: Survey) -> Finding | None:
    if (
        not survey.has_source
        or drizzle_dialect(survey.source) != "mysql"
        or not survey.variables.get("DATABASE_URL", "").startswith("postgres")
    ):
        return None
    return Finding(
        "MonOPCO's drizzle.config.ts is for MySQL",
        "its dialect is mysql, DATABASE_URL is of PostgreSQL: `pnpm db:push` cannot work; the SQL scripts are the way",
        f"./monopco verify database -s {survey.stack}",
        Certainty.NOTE,
    )


def last(lines: Sequence[str]) -> str:
    """The last line with something in it, short enough to be read."""
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")
