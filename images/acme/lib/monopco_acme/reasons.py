"""Why an order failed, for a person: what the authority said, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import NamedTuple

from monopco_acme.settings import Settings

_PREFIX = "urn:ietf:params:acme:error:"


class Advice(NamedTuple):
    headline: str
    to_do: str


_HTTP = {
    "dns": Advice(
        "DNS does not know the name",
        "make the A (and AAAA) record that points at this server (pulumi stack output dnsRecords lists them), "
        "and wait until public resolvers have it",
    ),
    "connection": Advice(
        "port 80 of the server cannot be reached",
        "open port 80 in every firewall on the way, see that DNS points at this server and that http.httpPort is 80 "
        "(or forwarded from it); or use tls.challenge: dns-01, which needs no port",
    ),
    "unauthorized": Advice(
        "another server answered under this name",
        "see that the A and AAAA records point at this server and nowhere else, and that nothing before it "
        "answers on port 80",
    ),
}
_DNS = {
    "dns": Advice(
        "DNS gives no answer for the challenge's record",
        "see that dns.zone is the zone that the public name servers of the domain serve, without a DNSSEC error",
    ),
    "unauthorized": Advice(
        "the challenge's record was not seen by the authority",
        "see that dns.zone is the zone that the public name servers of the domain serve, and that all of them follow "
        "a change at once",
    ),
}
_CONTACT = Advice("the authority refuses the address in tls.email", "give an address that can be written to")
_ANY = {
    "caa": Advice(
        "a CAA record forbids this authority",
        'add the authority to the domain\'s CAA records (0 issue "letsencrypt.org"), or remove them',
    ),
    "rateLimited": Advice(
        "the authority takes no more orders for now",
        "wait until the time that it gives; tls.directoryUrl: staging has its own, wider limits for trying things out",
    ),
    "rejectedIdentifier": Advice(
        "the authority gives no certificates for this name",
        "use a public name that is yours in domain.name and domain.aliases",
    ),
    "invalidContact": _CONTACT,
    "unsupportedContact": _CONTACT,
    "invalidProfile": Advice(
        "the authority does not know tls.profile",
        "use one that its directory lists, or leave tls.profile out",
    ),
    "accountDoesNotExist": Advice(
        "the authority does not know our account any more",
        "remove the folder accounts in the volume of the acme container, and try again: a new account is made",
    ),
    "serverInternal": Advice("the authority has a problem of its own", "nothing: it is tried again by itself"),
    "directory-untrusted": Advice(
        "the certificate of the ACME directory is not signed by an authority that is known here",
        "give that authority's certificate in tls.caFile; for a public directory see that nothing on the way opens TLS",
    ),
    "directory-unreachable": Advice(
        "the ACME directory cannot be reached from the server",
        "see that tls.directoryUrl is right, and that the server may open HTTPS connections to it",
    ),
    "directory-wrong": Advice(
        "what answers at tls.directoryUrl is no ACME directory",
        "give the URL of the directory itself, for example https://acme-v02.api.letsencrypt.org/directory",
    ),
    "record": Advice(
        "the challenge's DNS record could not be made",
        "see that the credentials in the dns section may change this zone",
    ),
}
_UNKNOWN = Advice("the order failed", "read what was said above; the container's log has the rest")
_NETWORK = (
    (r"CERTIFICATE_VERIFY_FAILED|SSLError|certificate verify failed", "directory-untrusted"),
    (
        r"ConnectionError|NameResolutionError|Max retries exceeded|Connection refused|ConnectTimeout|ReadTimeout",
        "directory-unreachable",
    ),
    (r"JSONDecodeError|KeyError|NotFound|Unexpected response|404|DeserializationError", "directory-wrong"),
)
_DOMAIN = re.compile(
    r"^ *Domain: (?P<name>.*)\n *Type: +(?P<kind>.*)\n *Detail: (?P<detail>.*(?:\n(?! *\n| *Domain:|\S).*)*)",
    re.MULTILINE,
)
_RETRY = re.compile(r"retry after (\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?: ?(?:UTC|Z))?", re.IGNORECASE)


@dataclass(frozen=True)
class Problem:
    kind: str
    detail: str
    name: str = ""


def problems(said: str, log: str, trouble: str) -> list[Problem]:
    """What went wrong, from what certbot printed, its log, and what the DNS challenge left."""
    if trouble:
        return [Problem("record", trouble)]
    found = [
        Problem(_kind(match["kind"].strip(), match["detail"]), " ".join(match["detail"].split()), match["name"].strip())
        for match in _DOMAIN.finditer(said)
    ]
    if found:
        return found
    _, _, detail = said.partition("An unexpected error occurred:\n")
    detail = " ".join((detail or said).partition("Ask for help or search")[0].split())
    kinds: list[str] = re.findall(rf'"type": "{_PREFIX}(\w+)"', log)
    if kinds:
        return [Problem(kinds[-1], detail)]
    for pattern, kind in _NETWORK:
        if re.search(pattern, said):
            return [Problem(kind, detail)]
    return [Problem("", detail)]


def _kind(kind: str, detail: str) -> str:
    """Some authorities call a name that nobody knows a connection that failed."""
    return "dns" if kind == "connection" and re.search("resolve|NXDOMAIN|no such host", detail) else kind


def retry_time(found: Sequence[Problem]) -> float | None:
    """When a limit ends, if the authority said so; seconds since 1970."""
    for problem in found:
        if problem.kind == "rateLimited" and (match := _RETRY.search(problem.detail)):
            when = datetime.fromisoformat(match[1]).replace(tzinfo=timezone.utc)
            return when.timestamp()
    return None


def explain(found: Sequence[Problem], settings: Settings) -> str:
    """The problems as lines for a person: each with what was said, and each thing to do once."""
    own: Mapping[str, Advice] = _DNS if settings.challenge == "dns-01" else _HTTP
    table = {**own, **_ANY}
    lines, to_do = [], []
    for problem in found:
        headline, advice = table.get(problem.kind, _UNKNOWN)
        about = f"{problem.name}: " if problem.name else ""
        lines.append(f"  {about}{headline}: {problem.detail}")
        if advice not in to_do:
            to_do.append(advice)
    return "\n".join([*lines, *(f"  What to do: {advice}." for advice in to_do)])
