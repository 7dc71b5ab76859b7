"""Causes of mails that do not arrive."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ops import names
from ops.checklist.configuration import RESEND, ask_service, domains_of, judge_key
from ops.checklist.result import Verdict
from ops.diagnosis.finding import Certainty, Finding, Symptom, cause
from ops.errors import CommandError
from ops.reading import code
from ops.survey import Survey

_LINES = "5000"
_ABOUT_MAIL = re.compile(r"resend|e-?mail|mail", re.IGNORECASE)
_SENDER = re.compile(r"""["'`][^"'`<>\n]{0,60}<?\b[\w.+-]+@([\w-]+(?:\.[\w-]+)+)>?["'`]""")
_SETTLING = re.compile(r"FROM|from\s*:|sender", re.IGNORECASE)
# What Resend says, what it means, and what to do; the first that is met is told.
_REFUSALS = (
    (
        r"rate_limit_exceeded|too many requests|requests? per second|\b429\b",
        "Resend's limit of 2 requests a second was met",
        "send one after the other in the app, or many at once by Resend's batch call: ./monopco logs app",
    ),
    (
        r"domain is not verified|domain .{0,80}not verified|not verified.{0,40}domain",
        "the sending domain is not verified at Resend",
        "./monopco verify tests.mail --online",
    ),
    (
        r"invalid_api_key|API key is invalid|missing_api_key|RESEND_API_KEY is not",
        "Resend refuses the key",
        "pulumi config set --secret RESEND_API_KEY",
    ),
    (
        r"daily_quota_exceeded|monthly_quota_exceeded|quota",
        "the quota of mails at Resend is used up",
        "./monopco logs app",
    ),
    (
        r"only send testing emails",
        "Resend lets a test account write to its owner only",
        "./monopco verify tests.mail --online",
    ),
    (
        r"(?:ENOTFOUND|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN|fetch failed|could not be resolved)",
        "Resend cannot be reached from the app",
        "./monopco verify configuration.resend-key --online",
    ),
)


def judge_mail_log(lines: Sequence[str]) -> tuple[str, str, str] | None:
    """What the app's log says about mails that were refused: cause, evidence and command."""
    about = [line.strip() for line in lines if _ABOUT_MAIL.search(line)]
    for pattern, meaning, command in _REFUSALS:
        met = [line for line in about if re.search(pattern, line, re.IGNORECASE)]
        if met:
            return meaning, f"{len(met)} lines of the app's log, the last: {met[-1][:200]}", command
    return None


@cause(Symptom.MAIL)
def key_is_missing(survey: Survey) -> Finding | None:
    reads = survey.has_source and any(RESEND.variable in text for text in code(survey.source))
    if not reads or survey.variables.get(RESEND.variable):
        return None
    return Finding(
        "the app has no key of Resend",
        f"its code reads {RESEND.variable}, and its environment has none: app.secrets must name it",
        f"pulumi config set --stack {survey.stack} --secret {RESEND.variable}",
        Certainty.CERTAIN,
    )


@cause(Symptom.MAIL)
def resend_refuses(survey: Survey) -> Finding | None:
    lines = [line for one in survey.running("app") for line in survey.said(one.name, "--tail", _LINES).splitlines()]
    found = judge_mail_log(lines)
    if found is None:
        return None
    meaning, evidence, command = found
    stack = f" --stack {survey.stack}" if command.startswith("pulumi") else f" -s {survey.stack}"
    return Finding(meaning, evidence, command + stack, Certainty.CERTAIN)


@cause(Symptom.MAIL)
def resend_was_asked(survey: Survey) -> Finding | None:
    """With --online: whether the key is accepted and a domain verified."""
    key = survey.variables.get(RESEND.variable, "")
    if not survey.online or not key:
        return None
    try:
        status, body = ask_service(RESEND, key)
    except CommandError as error:
        return Finding(
            "Resend cannot be reached from here", str(error), "./monopco doctor mail --online", Certainty.POSSIBLE
        )
    verdict = judge_key(RESEND, status, body)
    if verdict.verdict is Verdict.FAILED:
        return Finding("Resend refuses the key", verdict.said, verdict.todo.rpartition(": ")[2], Certainty.CERTAIN)
    waiting = {name: state for name, state in domains_of(body).items() if state != "verified"}
    if not waiting:
        return None
    listed = ", ".join(f"{name} ({state})" for name, state in sorted(waiting.items()))
    return Finding(
        "a sending domain is not verified at Resend",
        listed,
        f"dig +short TXT resend._domainkey.{min(waiting)}",
        Certainty.LIKELY,
    )


@cause(Symptom.MAIL)
def records_are_missing(survey: Survey) -> Finding | None:
    """With --online: whether the domains that the code sends from have the records that Resend asks for."""
    if not survey.online or not survey.has_source:
        return None
    for domain in sorted(senders(list(code(survey.source)))):
        lost = [name for name, kind in wanted_records(domain) if not names.records(name, kind)]
        if lost:
            return Finding(
                "the sending domain lacks DNS records",
                f"mails are sent from {domain}; there is no {', no '.join(lost)}",
                f"dig +short TXT {lost[0]}",
                Certainty.LIKELY,
            )
    return None


def wanted_records(domain: str) -> list[tuple[str, str]]:
    """What Resend has a domain prove itself by: the key that signs, and who may send."""
    return [(f"resend._domainkey.{domain}", "TXT"), (f"send.{domain}", "TXT"), (f"send.{domain}", "MX")]


def senders(texts: Sequence[str]) -> set[str]:
    """Domains of the addresses that the code sends from."""
    lines = [line for text in texts for line in text.splitlines() if _SETTLING.search(line)]
    return {domain.lower() for line in lines for domain in _SENDER.findall(line)} - {"example.com", "resend.dev"}
