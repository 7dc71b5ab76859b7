"""The certificate that visitors of a stack are shown: read on the wire, not from a file."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from ops import containers
from ops.errors import CommandError
from ops.places import PROJECT
from ops.stack_file import StackFile

SECONDS = 10
LEFT = timedelta(days=21)
LEFT_PART = 4
"""What is valid for less than four times 21 days is worth a warning in its last quarter."""
TEMPORARY = "CN=temporary"
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is listened on, and where to find it


@dataclass(frozen=True, kw_only=True)
class Served:
    """A certificate that a server has shown."""

    names: tuple[str, ...]
    issuer: str
    begin: datetime
    end: datetime
    serial: str
    """Hexadecimal."""
    problem: str
    """Why a client that trusts the system's authorities and ours refuses it; empty when it does not."""

    @property
    def temporary(self) -> bool:
        """Whether it is what nginx begins with, until there is a real one."""
        return self.issuer == TEMPORARY

    def warnings(self, names: Sequence[str], now: datetime | None = None) -> Iterator[str]:
        """What somebody should see to, for a site with these names."""
        left = self.end - (now or datetime.now(timezone.utc))
        if self.temporary:
            yield "visitors are shown the temporary certificate that nginx begins with, which no browser accepts"
            return
        if left <= timedelta(0):
            yield f"the certificate ended on {self.end:%Y-%m-%d %H:%M} UTC"
        elif left < min(LEFT, (self.end - self.begin) / LEFT_PART):
            yield f"the certificate ends in {_duration(left)}, on {self.end:%Y-%m-%d}, and was not renewed"
        if missing := [name for name in names if not covers(self.names, name)]:
            yield f"the certificate does not cover {', '.join(missing)}"
        if self.problem and left > timedelta(0):
            yield f"the certificate is not trusted: {self.problem}"

    def valid(self, names: Sequence[str], now: datetime | None = None) -> bool:
        """Whether it is in its time, for all of these names, and not the temporary one."""
        moment = now or datetime.now(timezone.utc)
        return not self.temporary and self.begin <= moment < self.end and all(covers(self.names, n) for n in names)

    def fields(self, names: Sequence[str]) -> dict[str, Any]:
        """For programs."""
        return {
            "names": list(self.names),
            "issuer": self.issuer,
            "notBefore": self.begin.isoformat(),
            "notAfter": self.end.isoformat(),
            "serial": self.serial,
            "verified": not self.problem,
            "problem": self.problem or None,
            "warnings": list(self.warnings(names)),
        }


def covers(covered: Sequence[str], name: str) -> bool:
    """Whether a certificate with these names is one for `name`."""
    return name in covered or f"*.{name.partition('.')[2]}" in covered


def read(address: str, port: int, name: str, trusted: Sequence[str] = ()) -> Served:
    """What the server at `address` shows to those who ask for `name`. Raises CommandError when it does not answer.

    `trusted` are authorities (PEM) that count beside those of the system.
    """
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    der = _handshake(address, port, name, anybody)
    strict = ssl.create_default_context()
    for pem in filter(None, trusted):
        strict.load_verify_locations(cadata=pem)
    problem = ""
    try:
        _handshake(address, port, name, strict)
    except ssl.SSLCertVerificationError as error:
        problem = error.verify_message
    return parse(der, problem)


def parse(der: bytes, problem: str) -> Served:
    certificate = x509.load_der_x509_certificate(der)
    return Served(
        names=tuple(_names(certificate)),
        issuer=certificate.issuer.rfc4514_string(),
        begin=certificate.not_valid_before_utc,
        end=certificate.not_valid_after_utc,
        serial=f"{certificate.serial_number:x}",
        problem=problem,
    )


def of_stack(file: StackFile, outputs: Mapping[str, Any]) -> Served:
    """What visitors of the stack are shown. Raises CommandError when nothing answers at its address."""
    host = file.value("server", "host")
    address = str(host or file.value("http", "address"))
    return read(
        ANY_ADDRESS.get(address, address),
        int(file.value("http", "httpsPort")),
        names(file)[0],
        [str(outputs.get("caCertificate") or ""), _own_authority(file)],
    )


def names(file: StackFile) -> list[str]:
    """The names of the site, the canonical one first."""
    return [str(file.value("domain", "name")), *map(str, file.value("domain", "aliases") or [])]


def order_trouble(stack: str, host: str | None) -> str:
    """Why the last order of a certificate failed, if it did and one is ordered."""
    found = containers.docker(["ps", *containers.filters(stack, "acme"), "--format", "{{.Names}}"], host).split()
    if not found:
        return ""
    state = json.loads(containers.docker(["exec", found[0], "state"], host))
    return str(state.get("reason") or "")


def _handshake(address: str, port: int, name: str, context: ssl.SSLContext) -> bytes:
    try:
        with (
            socket.create_connection((address, port), timeout=SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            return secure.getpeercert(binary_form=True) or b""
    except ssl.SSLCertVerificationError:
        raise
    except OSError as error:
        raise CommandError(f"No TLS at {address}:{port}: {error.strerror or error}") from error


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = [
        each for each in found.get_values_for_type(x509.IPAddress) if not hasattr(each, "prefixlen")
    ]
    return [*found.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _own_authority(file: StackFile) -> str:
    """tls.caFile, which often signs both the directory's certificate and ours."""
    name = file.value("tls", "caFile")
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return (PROJECT / Path(str(name)).expanduser()).read_text(encoding="ascii") if name else ""
    return ""


def _duration(left: timedelta) -> str:
    hours = int(left.total_seconds()) // 3600
    return f"{hours // 24} days" if hours >= 48 else f"{hours} hours"  # noqa: PLR2004
