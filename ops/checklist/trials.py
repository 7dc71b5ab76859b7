"""Tests."""

from __future__ import annotations

import base64
import io
import json
import re
import secrets
import tarfile
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ops import containers
from ops.checklist import configuration, guide
from ops.checklist.check import check
from ops.checklist.result import Result, failed, judged, not_applicable, passed
from ops.errors import CommandError
from ops.survey import Survey
from sections import parse_size
from source import files

_ERROR = re.compile(r"(?i:\b(?:uncaught|unhandled\w*|fatal|exception|\w*error)\b[: ])|\bE[A-Z]{5,}\b")
_START_SECONDS = 30  # how long after the start a line belongs to it
_SOCKETS = ("/ws", "/socket", "/api/ws", "/socket.io/?EIO=4&transport=websocket")
_SOCKET_IN_CODE = re.compile(r"""["'`](/[\w/-]*(?:ws|socket)[\w/-]*)["'`]""")
_SWITCHING = 101
_TOO_LARGE = 413
_MOST_SENT = 100 * 2**20  # bytes
_MEBIBYTE = 2**20
_LONGEST_TESTS = 1800  # seconds
MEND_TESTS = "mend what fails; they run without a network and without the app's secrets"


@check(guide.UNIT_TESTS, "The app's own tests pass, on its image", slow=True)
def unit_tests(survey: Survey) -> Result:
    """The source is put into a container of the app's image, which has Node and all that it needs, but no network."""
    test = str(
        (json.loads((survey.source / "package.json").read_text(encoding="utf-8")).get("scripts") or {}).get("test", "")
    )
    if not test:
        return not_applicable("package.json of the source has no script `test`")
    if survey.file.value("app", "dependencies") == "production":
        return not_applicable("app.dependencies is production: the image has nothing to test with")
    name = f"monopco-{survey.stack}-tests-{secrets.token_hex(4)}"
    labels = [f"--label={containers.LABEL}.{key}" for key in (f"stack={survey.stack}", "component=tests")]
    create = ["create", f"--name={name}", "--network=none", "--user=0", "--init"]
    create += ["--env=CI=true", "--env=NODE_ENV=test"]
    image = survey.running("app")[0].image
    try:
        containers.docker([*create, *labels, "--entrypoint=start", image, "bash", "-c", test], survey.host)
        code, printed = survey.docker(["cp", "-", f"{name}:/app"], _packed(survey.source))
        if code != 0:
            raise CommandError(f"The source cannot be copied into a container: {printed.strip()[-300:]}")
        code, printed = survey.docker(["start", "--attach", name], seconds=_LONGEST_TESTS)
    finally:
        containers.docker(["rm", "--force", name], survey.host)
    return judge_tests(code, printed)


def _packed(source: Path) -> bytes:
    """The files of the source that would be built, as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in files(source):
            archive.add(path, path.relative_to(source).as_posix(), recursive=False, filter=_of_nobody)
    return buffer.getvalue()


def _of_nobody(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry


def judge_tests(code: int, printed: str) -> Result:
    """The exit code decides; the last lines say why."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in printed.splitlines()]
    lines = [line for line in lines if line]
    summary = [line for line in lines if re.match(r"(Tests?|Test Files)\b", line)] or lines[-3:]
    if code != 0:
        failures = [line for line in lines if line.startswith("FAIL")][:5]
        return failed(f"exit code {code}: {'; '.join([*failures, *summary])}", MEND_TESTS)
    return passed("; ".join(summary))


def errors_in(log: str) -> list[str]:
    return [line.strip()[:200] for line in log.splitlines() if _ERROR.search(line)]


def judge_start(fields: Mapping[str, Any], log: str) -> list[str]:
    """What went wrong with a container of the app, from `docker inspect` and its first lines."""
    name, state = fields["Name"].lstrip("/"), fields["State"]
    problems = [f"{name} was started again {fields['RestartCount']} times" for _ in [0] if fields.get("RestartCount")]
    problems += [f"{name} was ended by the kernel for want of memory" for _ in [0] if state.get("OOMKilled")]
    return problems + [f"{name}: {line}" for line in errors_in(log)[:3]]


@check(guide.START)
def start(survey: Survey) -> Result:
    live = {one.name for one in survey.running("app")}
    problems: list[str] = []
    for fields in survey.inspected:
        name = fields["Name"].lstrip("/")
        if name in live:
            # Docker notes the start a little after what a quick process says first.
            begin = str(int(moment(fields["State"]["StartedAt"])) - 1)
            log = first_lines(survey.said(name, "--timestamps", "--since", begin), _START_SECONDS)
            problems += judge_start(fields, log)
    problems = [survey.redacted(problem) for problem in problems]
    return judged(
        problems,
        f"./monopco logs app -s {survey.stack}",
        f"{len(live)} containers, no error in their first {_START_SECONDS} s",
    )


def moment(time: str) -> float:
    """Seconds since the epoch of a time as Docker writes it."""
    return datetime.strptime(time[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()


def first_lines(log: str, seconds: int) -> str:
    """The lines of the first seconds, without the time that Docker puts before them."""
    stamped = [line.partition(" ") for line in log.splitlines() if line]
    if not stamped:
        return ""
    begin = moment(stamped[0][0])
    return "\n".join(text for time, _, text in stamped if moment(time) - begin <= seconds)


@check(guide.FUNCTIONS, "The page, its own paths, and the API answer")
def functions(survey: Survey) -> Result:
    health = survey.file.value("app", "health")
    page, deep, api = survey.web.ask("/"), survey.web.ask("/monopco-verify/page"), survey.web.ask(str(health["path"]))
    problems = [
        f"{what} answers {answer.status} {answer.kind}"
        for what, answer in (("/", page), ("a path of the page", deep))
        if answer.status != 200 or answer.kind != "text/html"  # noqa: PLR2004
    ]
    if api.status != 200 or str(health["expect"]) not in api.text:  # noqa: PLR2004
        problems.append(f"{health['path']} answers {api.status} without {health['expect']}")
    problems += [f"{path} of the page is not there" for path in _named_but_missing(survey)]
    return judged(problems, f"./monopco doctor -s {survey.stack}", "the rest is for a person to try")


def _named_but_missing(survey: Survey) -> list[str]:
    page = survey.page
    named = set(re.findall(r"""(?:src|href)=["'](/assets/[^"']+)["']""", page.html))
    return sorted(path for path in named if path not in page.texts and path.endswith((".js", ".css")))


def socket_paths(survey: Survey) -> list[str]:
    """Where the app may take WebSockets: where the page's code says, and where they usually are."""
    named = {path for text in survey.page.texts.values() for path in _SOCKET_IN_CODE.findall(text)}
    return [*_SOCKETS, *sorted(named - set(_SOCKETS))[:5]]


def _handshake() -> dict[str, str]:
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    return {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
    }


def upgrades_inside(survey: Survey, paths: list[str]) -> str:
    """The path at which the app itself takes a WebSocket, asked inside its container; empty when there is none."""
    port = survey.release.record.specification.port
    headers = "".join(f"header = {json.dumps(f'{name}: {value}')}\n" for name, value in _handshake().items())
    for path in paths:
        asked = f"url = {json.dumps(f'http://127.0.0.1:{port}{path}')}\n{headers}"
        options = ["--silent", "--http1.1", "--globoff", "--noproxy", "*", "--max-time", "1", "--output", "/dev/null"]
        command = ["sh", "-c", 'curl "$@" || true', "curl", *options, "--write-out", "%{http_code}", "--config", "-"]
        if survey.run(survey.running("app")[0].name, *command, stdin=asked).strip() == str(_SWITCHING):
            return path
    return ""


@check(guide.FUNCTIONS, "WebSockets pass the proxy")
def websocket(survey: Survey) -> Result:
    path = upgrades_inside(survey, socket_paths(survey))
    if not path:
        return not_applicable("the app itself takes no WebSocket at the usual paths")
    status = survey.web.ask(path, headers=_handshake()).status
    if status != _SWITCHING:
        return failed(
            f"the app takes one at {path}, the proxy answers {status}",
            f"./monopco up -s {survey.stack} after pulumi refresh",
        )
    return passed(f"{path} becomes a WebSocket")


@check(guide.MAIL, "Mails can be sent: Resend is reached, and knows a domain of ours")
def mail(survey: Survey) -> Result:
    if configuration.RESEND.variable not in (survey.file.value("app", "secrets") or []):
        return not_applicable(f"app.secrets has no {configuration.RESEND.variable}")
    if not survey.online:
        return not_applicable("Resend is asked with --online only; that a mail arrives is for a person to see")
    key = survey.variables.get(configuration.RESEND.variable, "")
    return judge_mail(*configuration.ask_service(configuration.RESEND, key))


def judge_mail(status: int, body: str) -> Result:
    if "restricted_api_key" in body:
        return not_applicable("the key may only send, so Resend does not tell whether the domain is verified")
    if status != 200:  # noqa: PLR2004
        return failed(f"Resend answers {status}", "./monopco doctor mail")
    found = configuration.domains_of(body)
    verified = sorted(name for name, state in found.items() if state == "verified")
    if not verified:
        listed = ", ".join(f"{name} ({state})" for name, state in sorted(found.items())) or "none"
        return failed(
            f"no domain is verified at Resend: {listed}", "make the DNS records that Resend shows for the domain"
        )
    return passed(f"verified at Resend: {', '.join(verified)}; that a mail arrives is for a person to see")


@check(guide.SIGN_IN, "The page to sign in answers, and a stranger is nobody")
def sign_in(survey: Survey) -> Result:
    page = survey.web.ask("/login")
    problems = [f"/login answers {page.status}" for _ in [0] if page.status != 200]  # noqa: PLR2004
    path, expect = (str(survey.file.value("app", "health")[key]) for key in ("path", "expect"))
    if "auth" in path:
        forged = ".".join(
            base64.urlsafe_b64encode(text).decode().rstrip("=") for text in (b'{"alg":"none"}', b'{"sub":"x"}')
        )
        for cookie in ("", f"session={forged}.; app_session_id={forged}."):
            answer = survey.web.ask(path, headers={"Cookie": cookie} if cookie else None)
            who = "a forged session" if cookie else "no session"
            problems += [f"{path} fails with {who}: {answer.status}" for _ in [0] if answer.status >= 500]  # noqa: PLR2004
            problems += [f"{who} is let in" for _ in [0] if expect in answer.text and not _nobody(answer.text)]
    return judged(problems, f"./monopco logs app -s {survey.stack}", "signing in itself is for a person to try")


def _nobody(text: str) -> bool:
    """Whether a tRPC answer names no user."""
    return bool(re.search(r'"json"\s*:\s*null', text)) or '"data"' not in text


def judge_uploads(limit: int, sent: int, at_limit: int, above: int) -> Result:
    problems = []
    if at_limit in (_TOO_LARGE, 502, 503, 504):
        problems.append(f"a body of {sent} bytes, within the limit, is answered with {at_limit}")
    if above != _TOO_LARGE:
        problems.append(f"a body of {limit + 1} bytes, above the limit, is answered with {above} instead of 413")
    return judged(
        problems,
        "set http.bodyLimit to what the app takes: pulumi config set --path monopco:http.bodyLimit 10M, ./monopco up",
        f"{sent / _MEBIBYTE:.0f} MB reach the app, {limit + 1} bytes are refused",
    )


@check(guide.UPLOADS, "A body of the limit's size reaches the app, and one above it is refused")
def uploads(survey: Survey) -> Result:
    """Sent to a path that the app does not have, so that nothing is kept of it."""
    path, limit = "/api/monopco-verify-nowhere", parse_size(str(survey.file.value("http", "bodyLimit")))
    sent = min(limit, _MOST_SENT)
    kind = {"Content-Type": "application/octet-stream"}
    at_limit = survey.web.ask(path, "POST", kind, bytes(sent)).status
    return judge_uploads(limit, sent, at_limit, survey.web.announce(path, limit + 1).status)
