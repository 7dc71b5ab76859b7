"""Monitoring."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from typing import Any

from ops.checklist import guide
from ops.checklist.check import check
from ops.checklist.result import Result, failed, judged, not_applicable, passed
from ops.containers import Container
from ops.survey import Survey

LEAST_FREE = 0.2
# nginx writes its line after the answer, and Docker takes it a moment later.
_LOG_SECONDS = 5.0
_LOOK_SECONDS = 0.1


def unlimited_log(fields: Mapping[str, Any]) -> str:
    """What is wrong with how a container's log is kept; empty when nothing is."""
    log = fields["HostConfig"].get("LogConfig") or {}
    options = log.get("Config") or {}
    if log.get("Type") in ("none", "journald", "local"):
        return "" if log["Type"] != "none" else "keeps no log"
    lost = [name for name in ("max-size", "max-file") if not options.get(name)]
    return f"has no {' and no '.join(lost)}" if lost else ""


@check(guide.LOGS, "The log of every container is rotated")
def rotation(survey: Survey) -> Result:
    problems = [
        f"{fields['Name'].lstrip('/')} {wrong}" for fields in survey.inspected if (wrong := unlimited_log(fields))
    ]
    return judged(
        problems,
        f"docker rm --force NAME, then ./monopco up -s {survey.stack} after pulumi refresh",
        f"{len(survey.inspected)} containers, each with a largest size and a number of files",
    )


@check(guide.LOGS, "A request is found in the log by its id, and its query is not written")
def request_log(survey: Survey) -> Result:
    mark = uuid.uuid4().hex
    answer = survey.web.ask(f"/monopco-verify?secret={mark}")
    request = answer.headers.get("x-request-id", "")
    deadline = time.monotonic() + _LOG_SECONDS
    written = _access_log(survey)
    while request not in written and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        written = _access_log(survey)
    return judge_log(request, mark, written)


def _access_log(survey: Survey) -> str:
    return survey.said(survey.running("proxy")[0].name, "--tail", "2000")


def judge_log(request: str, mark: str, written: str) -> Result:
    """Whether the log has one line of JSON about the request, and not what it asked for."""
    if mark in written:
        return failed("the query of a request is in the log", "put the log_format of nginx.conf.j2 back: ./monopco up")
    line = next((line for line in written.splitlines() if request and request in line), "")
    try:
        fields = json.loads(line)
    except ValueError:
        return failed("the log has no line for a request that was just made", "./monopco logs proxy")
    return passed(f"X-Request-Id {request}: {fields['method']} {fields['path']} {fields['status']}")


@check(guide.MONITORING, "Every container runs, is healthy, and is started again when it ends")
def health(survey: Survey) -> Result:
    problems = [
        f"{one.name} is {one.health if one.state == 'running' else one.state}"
        for one in survey.containers
        if _is_ill(survey, one)
    ]
    for fields in survey.inspected:
        policy = (fields["HostConfig"].get("RestartPolicy") or {}).get("Name")
        if policy not in ("unless-stopped", "always"):
            problems.append(f"{fields['Name'].lstrip('/')} is not started again when it ends")
        if not fields["HostConfig"].get("Memory"):
            problems.append(f"{fields['Name'].lstrip('/')} has no memory limit")
    if not survey.containers:
        problems = ["there is no container"]
    return judged(problems, f"./monopco doctor -s {survey.stack}", f"{len(survey.containers)} containers")


def _is_ill(survey: Survey, one: Container) -> bool:
    """One that has just started may take its time; a release that was taken back stays, stopped, to be looked at."""
    set_aside = one.component == "app" and one.release != survey.live
    return not one.well and one.health != "starting" and not set_aside


@check(guide.MONITORING)
def monitoring(survey: Survey) -> Result:
    if not survey.file.value("monitoring", "enabled"):
        return not_applicable("not configured: monitoring.enabled is false")
    parts = survey.of("monitoring")
    if not parts:
        return failed(
            "monitoring.enabled is true, and no container of monitoring is there", f"./monopco up -s {survey.stack}"
        )
    stopped = [one.name for one in parts if not one.well]
    return judged(
        [f"{name} does not run" for name in stopped], f"docker start {' '.join(stopped)}", f"{len(parts)} containers"
    )


def receivers(alerts: Mapping[str, Any]) -> list[str]:
    """The kinds of receivers that would hear of an alert: those with an address."""
    addresses = {"email": (alerts.get("email") or {}).get("to"), "webhook": (alerts.get("webhook") or {}).get("url")}
    return sorted(kind for kind, address in addresses.items() if address)


@check(guide.ALERTS)
def alerts(survey: Survey) -> Result:
    if not survey.file.value("monitoring", "enabled"):
        return not_applicable("not configured: monitoring.enabled is false")
    told = receivers(survey.file.value("monitoring", "alerts") or {})
    if not told:
        return failed(
            "nobody is told: neither monitoring.alerts.email.to nor monitoring.alerts.webhook.url is set",
            "pulumi config set --path 'monopco:monitoring.alerts.email.to[0]' YOU@EXAMPLE.ORG, the same way email.from "
            "and email.smtpHost; or pulumi config set --secret --path monopco:monitoring.alerts.webhook.url URL",
        )
    return passed(f"alerts go by {', '.join(told)}")


def judge_backups(facts: Mapping[str, Any]) -> Result:
    """What the container that makes the backups knows of them: what is wrong in words, and each place's newest."""
    problems = [str(problem) for problem in facts.get("problems") or []]
    places = facts.get("places") or {}
    newest = [
        f"{name}: {(place.get('newest') or {}).get('at') or 'none'}, proved {place.get('proved_at') or 'never'}"
        for name, place in sorted(places.items())
    ]
    return judged(problems, "./monopco backups", "; ".join(newest) or "no place is told")


@check(guide.BACKUPS)
def backups(survey: Survey) -> Result:
    keepers = survey.of("backups")
    if not keepers:
        return not_applicable("not configured: no container makes backups; restore points are dumps before SQL scripts")
    if stopped := [one.name for one in keepers if not one.well]:
        return failed(f"{', '.join(stopped)} does not run", f"docker start {' '.join(stopped)}")
    # Its exit code says whether something is wrong, and so do its facts.
    facts = survey.run(keepers[0].name, "sh", "-c", "backups state --quiet || [ $? -eq 1 ]").splitlines()
    return judge_backups(json.loads(facts[-1]))


def judge_disk(size: int, free: int) -> Result:
    """The guide's limit: a fifth of the disk stays free."""
    said = f"{free / 2**30:.1f} of {size / 2**30:.1f} GB are free where Docker keeps its data ({free / size:.0%})"
    if free < LEAST_FREE * size:
        return failed(f"{said}; 20 % should be", "./monopco doctor disk")
    return passed(said)


@check(guide.Group.MONITORING, "A fifth of the disk is free")
def disk(survey: Survey) -> Result:
    return judge_disk(*survey.free(survey.running("proxy")[0].name, "/var/lib/monopco"))
