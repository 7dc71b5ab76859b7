"""Causes in the app."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from ops import containers
from ops.checklist.performance import judge_load
from ops.diagnosis.finding import Certainty, Finding, Symptom, cause
from ops.diagnosis.ground import last, refresh
from ops.survey import Survey

_LISTENING = "0A"  # in /proc/net/tcp
_MOST_SAID = "200"
_KILLED, _STOPPED = 137, 143  # exit codes
_NEXT_END = 15  # seconds
_END = "--format={{.State.Status}} {{.State.ExitCode}}"
# What an app says when it ends, what that means, and what to do: STACK and RELEASE are put in.
_LAST_WORDS = (
    (r"ERR_MODULE_NOT_FOUND|Cannot find (?:module|package)", "a module is missing in the image",
     "pulumi config set --stack STACK --path monopco:app.dependencies all && ./monopco up -s STACK"),
    (r"EROFS|read-only file system", "it writes where it may not",
     "pulumi config set --stack STACK --path monopco:app.readOnly false && ./monopco up -s STACK"),
    (r"EADDRINUSE", "its port is taken inside the container", "./monopco logs app --release RELEASE -s STACK"),
    (r"EACCES|permission denied", "it has no right to a file", "./monopco logs app --release RELEASE -s STACK"),
    (r"ECONNREFUSED|ENOTFOUND|password authentication failed|ETIMEDOUT",
     "it cannot reach something that it needs", "./monopco doctor connections -s STACK"),
    (r"(?:is|are) not (?:set|defined|configured)|missing (?:\w+ )?env(?:ironment)?\b|is required",
     "a variable of its environment is missing", "./monopco verify configuration -s STACK"),
)  # fmt: skip


def explain(log: str) -> tuple[str, str]:
    """What the last words of an app mean, and the next command for it."""
    for pattern, meaning, command in _LAST_WORDS:
        if re.search(pattern, log, re.IGNORECASE):
            return meaning, command
    return "", "./monopco logs app --release RELEASE -s STACK"


def _filled(command: str, stack: str, release: str) -> str:
    return command.replace("STACK", stack).replace("RELEASE", release)


def _quote(log: str) -> str:
    """The line that says why, or else the last one."""
    lines = log.splitlines()
    telling = [
        line for line in lines if re.search(r"error|not set|cannot|missing|refused|E[A-Z]{4,}", line, re.IGNORECASE)
    ]
    return last(telling) or last(lines) or "nothing"


def _loops(fields: Mapping[str, Any]) -> bool:
    state, restarts = fields["State"], int(fields.get("RestartCount") or 0)
    return state["Status"] == "restarting" or (restarts > 0 and state.get("Health", {}).get("Status") != "healthy")


def judge_end(fields: Mapping[str, Any], log: str, stack: str, code: int) -> Finding | None:
    """Why a container of the app does not run or runs in a loop, from `docker inspect`, its log and its exit code.

    With an init process Docker does not see that the kernel ended the app for want of memory. But what is killed by
    hand is not started again, so a container that is started again after a kill was killed by the kernel.
    """
    state, name = fields["State"], fields["Name"].lstrip("/")
    release = (fields["Config"]["Labels"] or {}).get(f"{containers.LABEL}.release", "")
    status, restarts, loops = state["Status"], int(fields.get("RestartCount") or 0), _loops(fields)
    if state.get("OOMKilled") or (loops and code == _KILLED):
        memory = int(fields["HostConfig"].get("Memory") or 0) // 2**20
        return Finding(
            "the app needs more memory than it may have",
            f"the kernel ended {name} at its limit of {memory} MB",
            f"pulumi config set --stack {stack} --path monopco:app.memory {2 * memory}M && ./monopco up -s {stack}",
            Certainty.CERTAIN,
        )
    if state.get("Error"):
        return Finding(
            "Docker cannot start the app", f"{name}: {state['Error']}"[:300], f"docker start {name}", Certainty.CERTAIN
        )
    if loops:
        meaning, command = explain(log)
        return Finding(
            "the app ends as soon as it starts" + (f": {meaning}" if meaning else ""),
            f"{name} was started {restarts} times again (exit code {code}); it said: {_quote(log)}",
            _filled(command, stack, release),
            Certainty.CERTAIN,
        )
    if status in ("exited", "dead", "created"):
        meaning, command = explain(log) if code not in (0, _KILLED, _STOPPED) else ("", "")
        return Finding(
            "the app ended" + (f": {meaning}" if meaning else ", and was not started again"),
            f"{name} is {status} (exit code {code}); it said last: {_quote(log)}",
            _filled(command, stack, release) if command else f"docker start {name}",
            Certainty.CERTAIN,
        )
    return None


@cause(Symptom.NO_START, Symptom.GATEWAY, Symptom.DEPLOY)
def app_does_not_run(survey: Survey) -> Finding | None:
    """Of the live release first; then of one that was to follow it."""
    live = _live(survey)
    for fields in sorted(_apps(survey), key=lambda one: _release(one) != live):
        if fields["State"]["Status"] == "running" and not fields.get("RestartCount"):
            continue
        name = fields["Name"].lstrip("/")
        if found := judge_end(fields, survey.said(name, "--tail", _MOST_SAID), survey.stack, exit_code(survey, fields)):
            return _of_another_release(found, _release(fields), live)
    return None


def exit_code(survey: Survey, fields: Mapping[str, Any]) -> int:
    """How a container ended last. While it runs again Docker's recent events tell, of which it keeps 256.

    What runs in a loop ends again soon, so where no event tells, the next end is awaited, for 15 s at most.
    """
    if fields["State"]["Status"] != "running":
        return int(fields["State"].get("ExitCode") or 0)
    recent = ["events", "--since=24h", "--until=0s", f"--filter=container={fields['Id']}", "--filter=event=die"]
    codes = containers.docker([*recent, "--format={{.Actor.Attributes.exitCode}}"], survey.host).split()
    if codes:
        return int(codes[-1])
    deadline = time.monotonic() + _NEXT_END
    while _loops(fields) and time.monotonic() < deadline:
        state, code = containers.docker(["inspect", _END, fields["Id"]], survey.host).split()
        if state != "running":
            return int(code)
        time.sleep(0.1)
    return 0


def _of_another_release(found: Finding, release: str, live: str) -> Finding:
    if release == live or not live:
        return found
    evidence = f"{found.evidence}. It is of release {release}; release {live} serves meanwhile"
    return Finding(found.cause, evidence, found.command, Certainty.LIKELY)


def _live(survey: Survey) -> str:
    return survey.live if survey.of("proxy") and survey.of("proxy")[0].state == "running" else ""


def _apps(survey: Survey) -> list[dict[str, Any]]:
    return [
        one for one in survey.inspected if (one["Config"]["Labels"] or {}).get(f"{containers.LABEL}.component") == "app"
    ]


def _release(fields: Mapping[str, Any]) -> str:
    return str((fields["Config"]["Labels"] or {}).get(f"{containers.LABEL}.release", ""))


@cause(Symptom.NO_START, Symptom.GATEWAY)
def app_is_gone(survey: Survey) -> Finding | None:
    if not survey.containers or any(_release(one) == _live(survey) for one in _apps(survey)):
        return None
    return Finding("the app is gone", "no container of the live release is there", refresh(survey), Certainty.CERTAIN)


def listening(table: str) -> list[int]:
    """Ports that something listens on, from /proc/net/tcp and tcp6; Docker's own name server is none."""
    rows = [line.split() for line in table.splitlines()]
    found = {
        int(row[1].rpartition(":")[2], 16)
        for row in rows
        if len(row) > 3 and row[3] == _LISTENING and not row[1].startswith("0B00007F")  # noqa: PLR2004
    }
    return sorted(found)


@cause(Symptom.NO_START, Symptom.GATEWAY)
def app_listens_elsewhere(survey: Survey) -> Finding | None:
    port = int(survey.file.value("app", "port"))
    for one in survey.of("app"):
        if one.state != "running":
            continue
        found = listening(survey.run(one.name, "cat", "/proc/net/tcp", "/proc/net/tcp6"))
        if found and port not in found:
            return Finding(
                "the app listens on another port",
                f"{one.name} listens on {', '.join(map(str, found))}; app.port is {port}",
                f"pulumi config set --stack {survey.stack} --path monopco:app.port {found[0]}",
                Certainty.CERTAIN,
            )
    return None


@cause(Symptom.NO_START, Symptom.GATEWAY, Symptom.SLOW)
def app_hangs(survey: Survey) -> Finding | None:
    ill = [one for one in survey.of("app") if one.state == "running" and one.health == "unhealthy"]
    if not ill:
        return None
    checks = next(fields for fields in survey.inspected if fields["Name"].lstrip("/") == ill[0].name)["State"]["Health"]
    said = last([str(one.get("Output", "")) for one in checks.get("Log") or []])
    return Finding(
        "the app runs but does not answer",
        f"{', '.join(one.name for one in ill)}: the health check says {said or 'nothing within 5 s'}",
        f"docker restart {' '.join(one.name for one in ill)}",
        Certainty.CERTAIN,
    )


@cause(Symptom.SLOW)
def container_is_at_its_limit(survey: Survey) -> Finding | None:
    busy = judge_load(survey.usage())
    if not busy:
        return None
    key = "database.memory" if "database" in busy[0] else "app.memory" if "memory" in busy[0] else "app.replicas"
    return Finding(
        "a container is at its limit",
        "; ".join(busy),
        f"pulumi config set --stack {survey.stack} --path monopco:{key} MORE && ./monopco up -s {survey.stack}",
        Certainty.LIKELY,
    )
