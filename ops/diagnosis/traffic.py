"""Causes between visitors and the app: the proxy, its certificate, what it has written down."""

from __future__ import annotations

import json
import ssl
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from cryptography import x509

from ops.checklist.performance import ENOUGH_REQUESTS, ERROR_RATE, SLOW_MS
from ops.checklist.result import Verdict
from ops.checklist.security import authorities, judge_dates
from ops.checklist.trials import websocket
from ops.diagnosis.finding import Certainty, Finding, Symptom, cause
from ops.diagnosis.ground import last, refresh
from ops.reading import built_into_page
from ops.survey import Survey

_TEMPORARY = "temporary"
_LINES, _LATELY = "2000", "15m"  # what was longer ago explains nothing that is seen now
_SOME = 5
_GATEWAY = (502, 503, 504)


@cause(Symptom.NO_START, Symptom.GATEWAY, Symptom.CERTIFICATE)
def proxy_does_not_run(survey: Survey) -> Finding | None:
    if not survey.containers:
        return None
    found = survey.of("proxy")
    if not found:
        return Finding("the proxy is gone", "its container was removed", refresh(survey), Certainty.CERTAIN)
    (one, *_) = found
    if one.state == "running":
        return None
    fields = next(fields for fields in survey.inspected if fields["Name"].lstrip("/") == one.name)
    said = fields["State"].get("Error") or last(survey.said(one.name, "--tail", "20").splitlines())
    return Finding(
        "the proxy does not run",
        f"{one.name} is {one.state}; {said[:300] or 'it said nothing'}",
        f"docker start {one.name}",
        Certainty.CERTAIN,
    )


@cause(Symptom.NO_START, Symptom.GATEWAY)
def maintenance_is_on(survey: Survey) -> Finding | None:
    if not survey.proxy.state.get("maintenance"):
        return None
    return Finding(
        "maintenance is on",
        "the proxy answers every visitor with the maintenance page",
        f"./monopco maintenance off -s {survey.stack}",
        Certainty.CERTAIN,
    )


@cause(Symptom.NO_START, Symptom.GATEWAY)
def proxy_has_no_peers(survey: Survey) -> Finding | None:
    peers = survey.proxy.state.get("peers") or []
    if any(not peer["down"] for peer in peers):
        return None
    listed = ", ".join(str(peer["address"]) for peer in peers)
    return Finding(
        "the proxy reaches no container of the app",
        f"all of its peers are down: {listed}" if peers else "it was never told of one",
        f"./monopco status -s {survey.stack}" if peers else f"./monopco up -s {survey.stack}",
        Certainty.LIKELY,
    )


def requests(log: str) -> list[dict[str, Any]]:
    """The lines of the access log."""
    found = []
    for line in log.splitlines():
        if line.startswith('{"time":'):
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return [one for one in found if "status" in one]


def _lately(survey: Survey) -> list[dict[str, Any]]:
    """The last requests of the last minutes."""
    return requests(survey.said(survey.running("proxy")[0].name, "--since", _LATELY, "--tail", _LINES))


def judge_errors(found: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], str] | None:
    """The last request that failed, and how many did; None when they are few."""
    wrong = [one for one in found if int(one["status"]) >= 500]  # noqa: PLR2004
    if len(wrong) < _SOME or len(wrong) < ERROR_RATE * len(found):
        return None
    paths = ", ".join(f"{path} ({count})" for path, count in Counter(str(one["path"]) for one in wrong).most_common(3))
    return wrong[-1], f"{len(wrong)} of the last {len(found)} requests failed: {paths}"


@cause(Symptom.GATEWAY)
def app_answers_errors(survey: Survey) -> Finding | None:
    found = judge_errors(_lately(survey))
    if found is None:
        return None
    request, evidence = found
    return Finding(
        "requests get no answer from the app" if int(request["status"]) in _GATEWAY else "the app answers with errors",
        evidence,
        f"./monopco logs --request {request['request_id']} -s {survey.stack}",
        Certainty.POSSIBLE,
    )


@cause(Symptom.SLOW)
def visitors_are_held_back(survey: Survey) -> Finding | None:
    found = _lately(survey)
    limited = [one for one in found if int(one["status"]) == 429]  # noqa: PLR2004
    if len(limited) < _SOME:
        return None
    (address, count), *_ = Counter(str(one["address"]) for one in limited).most_common(1)
    rate = survey.file.value("http", "requestsPerSecond")
    return Finding(
        "visitors are held back by the limit of requests",
        f"{len(limited)} of the last {len(found)} got 429, {count} from {address}; {rate}/s are let through",
        f"pulumi config set --stack {survey.stack} --path monopco:http.requestsPerSecond {2 * int(rate)}"
        f" && ./monopco up -s {survey.stack}",
        Certainty.LIKELY,
    )


@cause(Symptom.SLOW)
def app_is_slow(survey: Survey) -> Finding | None:
    figures = (survey.proxy.state.get("requests") or {}).get(survey.live) or {}
    if figures.get("total", 0) < ENOUGH_REQUESTS or (figures.get("p95_ms") or 0) <= SLOW_MS:
        return None
    found = _lately(survey)
    slow = Counter(str(one["path"]) for one in found if float(one["duration"]) > SLOW_MS / 1000)
    worst = ", ".join(f"{path} ({count})" for path, count in slow.most_common(3))
    return Finding(
        "the app takes long",
        f"95 of 100 requests take up to {figures['p95_ms']:.0f} ms; slow ones lately: {worst or 'none'}",
        f"./monopco logs app -s {survey.stack}",
        Certainty.LIKELY,
    )


@cause(Symptom.CERTIFICATE, Symptom.NO_START)
def certificate_is_wrong(survey: Survey) -> Finding | None:
    web = survey.web
    certificate = x509.load_der_x509_certificate(web.certificate(web.domain))
    mode = survey.file.value("tls", "mode")
    command = f"./monopco up -s {survey.stack}" if mode == "files" else refresh(survey)
    if _TEMPORARY in certificate.subject.rfc4514_string():
        return Finding(
            "the proxy has no certificate yet",
            "it shows its temporary one",
            refresh(survey),
            Certainty.CERTAIN,
        )
    if problem := judge_dates(certificate, datetime.now(timezone.utc)):
        evidence = f"{web.url}: {problem}; tls.mode is {mode}"
        soon = "ends in" in problem
        return Finding(
            "the certificate ends soon" if soon else "the certificate does not hold",
            evidence,
            _renew(survey, mode) or command,
            Certainty.LIKELY if soon else Certainty.CERTAIN,
        )
    if refused := _refusals(survey, authorities(survey)):
        return Finding(
            "browsers do not trust the certificate",
            "; ".join(refused),
            _renew(survey, mode) or command,
            Certainty.CERTAIN,
        )
    return None


def _renew(survey: Survey, mode: str) -> str:
    """How a certificate of the local authority is made anew at once; empty for other certificates."""
    if mode != "self-signed" or not survey.of("proxy"):
        return ""
    names = [survey.web.domain, *(str(alias) for alias in survey.file.value("domain", "aliases") or [])]
    return f"docker exec {survey.of('proxy')[0].name} certificate self-signed {' '.join(names)}"


def _refusals(survey: Survey, context: ssl.SSLContext) -> list[str]:
    names = [survey.web.domain, *(str(alias) for alias in survey.file.value("domain", "aliases") or [])]
    return [f"{name}: {reason}" for name in names if (reason := survey.web.refusal(name, context))]


@cause(Symptom.REALTIME)
def websockets_do_not_pass(survey: Survey) -> Finding | None:
    result = websocket(survey)
    if result.verdict is not Verdict.FAILED:
        return None
    return Finding("WebSockets do not pass the proxy", result.said, refresh(survey), Certainty.CERTAIN)


@cause(Symptom.REALTIME)
def page_has_no_supabase(survey: Survey) -> Finding | None:
    if not survey.has_source:
        return None
    given = survey.file.value("app", "public") or {}
    wanted = {name for name in built_into_page(survey.source) if name.startswith("VITE_SUPABASE_")}
    lost = sorted(name for name in wanted if not given.get(name))
    if not lost:
        return None
    return Finding(
        "the page does not know its Supabase project",
        f"the page's code reads {', '.join(lost)}, and app.public has no such value; without it there is no realtime",
        f"pulumi config set --stack {survey.stack} --path monopco:app.public.{lost[0]} VALUE",
        Certainty.CERTAIN,
    )
