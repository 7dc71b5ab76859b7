"""Security."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509

from components.proxy import LOOPBACK
from ops import containers, pulumi
from ops.checklist import guide
from ops.checklist.check import check
from ops.checklist.result import Result, failed, judged, not_applicable, passed
from ops.survey import Survey
from ops.web import Answer, Web
from sections import parse_size

SHORTEST_LIFE = timedelta(days=21)
# One that holds for days only is renewed later.
LAST_PART = 4
_HEADERS = (
    "strict-transport-security",
    "x-frame-options",
    "x-content-type-options",
    "referrer-policy",
    "permissions-policy",
    "content-security-policy-report-only",
)
_OPTIONAL = {"content-security-policy-report-only": ("http", "contentSecurityPolicy")}
# What servers are found by: the low ports, and those of the programs that MonOPCO's guide has.
_SCANNED = sorted({*range(1, 1025), 3000, 3306, 5432, 6379, 8000, 8080, 8443, 9000, 9090, 9093, 9100, 19999})
_PATIENCE = 1.0  # seconds for one port
_MOVED = 301
_TOO_LARGE = 413


def authorities(survey: Survey) -> ssl.SSLContext:
    """Whom browsers of this environment trust: the local authority, or those that this machine knows."""
    if survey.file.value("tls", "mode") == "self-signed":
        return ssl.create_default_context(cadata=str(survey.outputs.get("caCertificate") or "") or None)
    extra = survey.file.value("tls", "caFile")
    context = ssl.create_default_context()
    if extra:
        context.load_verify_locations(cafile=str(survey.project / str(extra)))
    return context


@check(guide.HTTPS)
def https(survey: Survey) -> Result:
    answer = survey.web.ask("/")
    if answer.status >= 500:  # noqa: PLR2004
        return failed(f"{survey.web.url} answers {answer.status}", f"./monopco doctor 502 -s {survey.stack}")
    return passed(f"{survey.web.url} answers {answer.status}")


@check(guide.HTTPS, "Plain HTTP and the other names lead to the one address")
def redirects(survey: Survey) -> Result:
    web, path = survey.web, "/a/b?c=d"
    aliases = [str(alias) for alias in survey.file.value("domain", "aliases") or []]
    answers = {f"http://{name}": web.plain(path, name) for name in (web.domain, *aliases)}
    answers |= {f"https://{name}": web.ask(path, host=name) for name in aliases}
    wrong = [
        f"{asked} answers {answer.status} {answer.headers.get('location', '')}".rstrip()
        for asked, answer in answers.items()
        if (answer.status, answer.headers.get("location")) != (_MOVED, web.url + path)
    ]
    return judged(wrong, f"./monopco up -s {survey.stack}", f"{', '.join(answers)} to {web.url}, the path kept")


def judge_dates(certificate: x509.Certificate, now: datetime) -> str:
    """What is wrong with the time that a certificate holds for; empty when nothing is."""
    if now < certificate.not_valid_before_utc:
        return f"it holds from {certificate.not_valid_before_utc:%Y-%m-%d} on"
    left = certificate.not_valid_after_utc - now
    if left < timedelta():
        return f"it ended on {certificate.not_valid_after_utc:%Y-%m-%d}"
    whole = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return f"it ends in {left.days} days" if left < min(SHORTEST_LIFE, whole / LAST_PART) else ""


def renewal(survey: Survey) -> str:
    """What to do for a certificate that holds longer."""
    if survey.file.value("tls", "mode") == "files":
        return f"put a new one into tls.certificateFile and tls.keyFile, then ./monopco up -s {survey.stack}"
    return f"./monopco up -s {survey.stack} after pulumi refresh makes or orders a new one"


@check(guide.CERTIFICATES, "The certificate that is served holds, and does not end soon")
def certificate_dates(survey: Survey) -> Result:
    certificate = x509.load_der_x509_certificate(survey.web.certificate(survey.web.domain))
    problem = judge_dates(certificate, datetime.now(timezone.utc))
    return judged([problem] if problem else [], renewal(survey), f"until {certificate.not_valid_after_utc:%Y-%m-%d}")


@check(guide.CERTIFICATES, "Browsers trust its chain, for every name of the site")
def certificate_chain(survey: Survey) -> Result:
    names = [survey.web.domain, *(str(alias) for alias in survey.file.value("domain", "aliases") or [])]
    refused = {name: reason for name in names if (reason := survey.web.refusal(name, authorities(survey)))}
    return judged([f"{name}: {reason}" for name, reason in refused.items()], renewal(survey), ", ".join(names))


@check(guide.CERTIFICATES, "It is renewed without anybody thinking of it")
def certificate_renewal(survey: Survey) -> Result:
    mode = survey.file.value("tls", "mode")
    if mode == "files":
        return not_applicable("tls.mode is files: whoever makes the files renews them")
    if mode == "self-signed":
        return passed("a local certificate is made anew by any `up` in its last 30 days")
    orderers = survey.of("acme")
    if not orderers:
        return failed("tls.mode is acme, and no container of acme is there to renew", f"./monopco up -s {survey.stack}")
    stopped = [one.name for one in orderers if not one.well]
    return judged(
        [f"{name} does not run" for name in stopped], f"docker start {' '.join(stopped)}", "its container runs"
    )


def _tls(web: Web, version: ssl.TLSVersion) -> str:
    """Why the server does not speak a version; empty when it does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is why it is tried
        context.minimum_version = context.maximum_version = version
    return web.refusal(web.domain, context)


@check(guide.Group.SECURITY, "TLS 1.2 and 1.3 only")
def tls_versions(survey: Survey) -> Result:
    web = survey.web
    old = [version for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1) if not _tls(web, version)]
    new = [version for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3) if _tls(web, version)]
    wrong = [f"{version.name} is spoken" for version in old] + [f"{version.name} is not spoken" for version in new]
    return judged(wrong, f"./monopco up -s {survey.stack} after pulumi refresh", "older ones are refused")


@check(guide.FIREWALL, "Only the proxy publishes ports, and only its two")
def published_ports(survey: Survey) -> Result:
    own = {survey.web.http_port, survey.web.https_port}
    wrong = [
        f"{one.name} publishes {', '.join(map(str, extra))}"
        for one in survey.containers
        if (extra := [port for port in one.ports if one.component != "proxy" or port not in own])
    ]
    return judged(
        wrong,
        f"remove it: docker rm --force NAME, then ./monopco up -s {survey.stack}",
        ", ".join(map(str, sorted(own))),
    )


def open_ports(host: str, ports: Iterable[int]) -> list[int]:
    """The ports of a host that take a connection."""

    def try_port(port: int) -> bool:
        try:
            with socket.create_connection((host, port), timeout=_PATIENCE):
                return True
        except OSError:
            return False

    tried = list(ports)
    with ThreadPoolExecutor(64) as pool:
        return [port for port, found in zip(tried, pool.map(try_port, tried), strict=True) if found]


@check(guide.FIREWALL, "A scan from here finds no other port open")
def scan(survey: Survey) -> Result:
    server = survey.file.value("server", "host")
    if not server:
        return not_applicable("the environment runs on this machine: a scan from here does not come from outside")
    return judge_scan(survey, open_ports(str(server), _SCANNED))


def judge_scan(survey: Survey, found: Sequence[int]) -> Result:
    allowed = {int(survey.file.value("server", "port")), survey.web.http_port, survey.web.https_port}
    more = [str(port) for port in found if port not in allowed]
    return judged(
        [f"open on {survey.file.value('server', 'host')}: {', '.join(more)}" for _ in more[:1]],
        "stop what listens there, or close the port in the server's firewall",
        f"{len(_SCANNED)} ports tried, open are {', '.join(map(str, found)) or 'none of them'}",
    )


@check(guide.Group.SECURITY, "No container has more rights than it needs")
def confinement(survey: Survey) -> Result:
    problems = [
        f"{fields['Name'].lstrip('/')} {', '.join(loose)}"
        for fields in survey.inspected
        if (loose := looseness(fields))
    ]
    return judged(
        problems,
        f"docker rm --force NAME, then ./monopco up -s {survey.stack} after pulumi refresh",
        f"{len(survey.inspected)} containers: no capability, no new privileges, nothing of the host",
    )


def looseness(fields: Mapping[str, Any]) -> list[str]:
    """What a container may do that ours may not, from what `docker inspect` says."""
    host = fields["HostConfig"]
    mounts = [one.get("Source", "") for one in fields.get("Mounts") or []]
    found = {
        "is privileged": host.get("Privileged"),
        "has capabilities": "ALL" not in (host.get("CapDrop") or []) or host.get("CapAdd"),
        "may gain privileges": not any("no-new-privileges" in one for one in host.get("SecurityOpt") or []),
        "is in the host's network": host.get("NetworkMode") == "host",
        "sees the host's processes": host.get("PidMode") == "host",
        "has Docker's socket": any("docker.sock" in mount for mount in mounts) and not _watches_containers(fields),
    }
    return [what for what, so in found.items() if so]


def _watches_containers(fields: Mapping[str, Any]) -> bool:
    """The one part of the monitoring that asks Docker, which is why nothing can reach it."""
    watching = ((fields.get("Config") or {}).get("Labels") or {}).get("dev.monopco.component") == "monitoring"
    return watching and fields["HostConfig"].get("NetworkMode") == "none"


# The secrets, wherever they could have got to.


def _disclosed(survey: Survey, places: Mapping[str, str], todo: str) -> Result:
    found = [f"{', '.join(names)} in {place}" for place, text in places.items() if (names := survey.disclosed(text))]
    return judged(found, todo, f"{len(survey.secrets)} secrets searched for in {len(places)} places")


_ROTATE = "make a new secret where it came from (rotation.jwt, rotation.database, pulumi config set --secret), then "


@check(guide.SECRETS, "No secret is in a log")
def secrets_in_logs(survey: Survey) -> Result:
    places = {f"the log of {one.name}": survey.said(one.name) for one in survey.containers}
    return _disclosed(survey, places, f"{_ROTATE}keep the app from writing it")


@check(guide.SECRETS, "No secret is in what Docker tells of containers and their processes")
def secrets_in_containers(survey: Survey) -> Result:
    places = {f"docker inspect {fields['Name'].lstrip('/')}": str(fields) for fields in survey.inspected}
    for one in survey.containers:
        if one.state == "running":
            top = containers.docker(["top", one.name, "-eo", "pid,args"], survey.host)
            places[f"the processes of {one.name}"] = top
    return _disclosed(survey, places, f"{_ROTATE}./monopco up -s {survey.stack}")


@check(guide.SECRETS, "No secret is in an image")
def secrets_in_images(survey: Survey) -> Result:
    wanted = containers.filters(survey.stack)
    images = sorted(set(containers.docker(["image", "ls", "--quiet", "--no-trunc", *wanted], survey.host).split()))
    places = {
        f"image {image[7:19]}": containers.docker(["image", "inspect", image], survey.host)
        + containers.docker(["history", "--no-trunc", image], survey.host)
        for image in images
    }
    return _disclosed(survey, places, f"{_ROTATE}take it out of the source and ./monopco up -s {survey.stack}")


@check(guide.SECRETS, "No secret is in a file of the app's image, nor in the page")
def secrets_in_files(survey: Survey) -> Result:
    image = survey.running("app")[0].image
    found = survey.files_with_secrets(image)
    page = survey.page
    shown = survey.disclosed("\n".join([page.html, *page.texts.values()]))
    problems = [f"a secret in {path} of image {image[7:19]}" for path in found] + [
        f"{name} in the page" for name in shown
    ]
    return judged(problems, f"{_ROTATE}take it out of the source and ./monopco up -s {survey.stack}", "searched")


@check(guide.SECRETS, "No secret is readable in the state or in the stack's file")
def secrets_in_state(survey: Survey) -> Result:
    places = {
        "the state": pulumi.Pulumi(survey.stack).exported(),
        f"Pulumi.{survey.stack}.yaml": (survey.project / f"Pulumi.{survey.stack}.yaml").read_text(encoding="utf-8"),
    }
    return _disclosed(survey, places, f"{_ROTATE}set it with: pulumi config set --secret")


def kinds_of_answers(survey: Survey) -> dict[str, Answer]:
    """One answer of each kind of place that headers could be missing from."""
    web, page = survey.web, survey.page
    found = {
        "the page": page.answer,
        "the API": web.ask(str(survey.file.value("app", "health")["path"])),
        "an unknown path of the API": web.ask("/api/monopco-verify-nowhere"),
        "an upload that is too large": web.announce(
            "/api/upload", parse_size(str(survey.file.value("http", "bodyLimit"))) + 1
        ),
        "a name that is not ours": web.ask("/", host="not-ours.invalid"),
    }
    for path in page.assets[:1]:
        found["an asset"] = web.ask(path)
    return found


def lacking(answer: Answer, wanted: Sequence[str]) -> list[str]:
    lost = [name for name in wanted if not answer.headers.get(name)]
    told = [f"tells {name}" for name in ("x-powered-by",) if name in answer.headers]
    version = ["tells its version"] if "/" in answer.headers.get("server", "") else []
    return [*(f"has no {name}" for name in lost), *told, *version]


@check(guide.HEADERS, "Security headers stand on the page, the API, assets and error pages")
def headers(survey: Survey) -> Result:
    off = [name for name, (section, key) in _OPTIONAL.items() if not survey.file.value(section, key)]
    wanted = [name for name in _HEADERS if name not in off]
    answers = kinds_of_answers(survey)
    problems = [f"{what} {', '.join(wrong)}" for what, answer in answers.items() if (wrong := lacking(answer, wanted))]
    return judged(
        problems,
        f"./monopco up -s {survey.stack} after pulumi refresh",
        f"{len(wanted)} in {len(answers)} kinds of answers",
    )


def judge_hsts(header: str, seconds: int) -> str:
    """What is wrong with what browsers are told about HTTPS; empty when nothing is."""
    return "" if f"max-age={seconds}" in header.replace(" ", "").split(";") else f"is {header or 'not there'}"


@check(guide.HEADERS, "Browsers are told to come by HTTPS only")
def hsts(survey: Survey) -> Result:
    seconds = int(survey.file.value("http", "hstsSeconds"))
    problem = judge_hsts(survey.web.ask("/").headers.get("strict-transport-security", ""), seconds)
    if problem:
        return failed(f"Strict-Transport-Security {problem}", f"./monopco up -s {survey.stack} after pulumi refresh")
    if seconds == 0 and survey.web.domain in LOOPBACK:
        return not_applicable("http.hstsSeconds is 0: localhost belongs to other servers, too")
    if seconds == 0:
        return failed("http.hstsSeconds is 0", "pulumi config set --path monopco:http.hstsSeconds 31536000")
    return passed(f"for {seconds} seconds")


@check(guide.HEADERS, "The limit of requests is the one that is configured")
def limits(survey: Survey) -> Result:
    rate, burst = survey.file.value("http", "requestsPerSecond"), survey.file.value("http", "burst")
    running = survey.run(survey.running("proxy")[0].name, "cat", "/run/monopco/nginx.conf")
    wanted = [
        f"rate={rate}r/s;",
        "limit_req_status 429;",
        f"burst={burst} nodelay" if burst else "limit_req zone=requests;",
    ]
    lost = [text for text in wanted if text not in running]
    todo = f"./monopco up -s {survey.stack} after pulumi refresh"
    return judged([f"nginx has no {text}" for text in lost], todo, f"{rate} requests/s, then 429")


@check(guide.Group.SECURITY, "A name that is not ours gets no site")
def foreign_names(survey: Survey) -> Result:
    answer = survey.web.ask("/", host="not-ours.invalid")
    if answer.status != 421:  # noqa: PLR2004
        return failed(f"it answers {answer.status}", f"./monopco up -s {survey.stack} after pulumi refresh")
    return passed("it answers 421")
