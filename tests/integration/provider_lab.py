"""The record APIs of two DNS providers, as far as lexicon asks them, behind a proxy that answers for their hosts.

Written after the providers' published API references; what only they know (accounts, limits, delays) is not here.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import io
import json
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from zones.record import quoted

OVH, GANDI = "eu.api.ovh.com", "api.gandi.net"
ZONE = "monopco.test"
CREDENTIALS = {
    "ovh": {
        "auth_entrypoint": "ovh-eu",
        "auth_application_key": "application",
        "auth_application_secret": "marked-application-secret",
        "auth_consumer_key": "consumer",
    },
    "gandi": {"auth_token": "marked-personal-access-token"},
}
_NOT_FOUND: tuple[int, Any] = (404, {"message": "not found"})


@dataclass
class Zone:
    """What the provider has: values as it hands them out, by relative name and type."""

    records: list[dict[str, Any]] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)
    """Statuses with which the next requests are answered instead."""
    requests: list[str] = field(default_factory=list)

    def add(self, name: str, kind: str, value: str, ttl: int = 3600) -> dict[str, Any]:
        number = max((int(one["id"]) for one in self.records), default=0) + 1
        self.records.append({"id": number, "name": name, "type": kind, "value": _stored(kind, value), "ttl": ttl})
        return self.records[-1]

    def values(self, name: str, kind: str) -> set[str]:
        return {one["value"] for one in self.records if (one["name"], one["type"]) == (name, kind)}

    def answer(self, host: str, method: str, path: str, body: Any) -> tuple[int, Any]:
        url = urlsplit(path)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        query = {key: values[-1] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        return self._ovh(method, parts[1:], query, body) if host == OVH else self._gandi(method, parts[2:], body)

    def _ovh(self, method: str, parts: list[str], query: dict[str, str], body: Any) -> tuple[int, Any]:
        plain: dict[str, Any] = {
            "auth/time": int(time.time()),
            "domain/zone": [ZONE],
            f"domain/zone/{ZONE}/status": {"isDeployed": True},
            f"domain/zone/{ZONE}/refresh": None,
        }
        if (path := "/".join(parts)) in plain:
            return 200, plain[path]
        if parts[:4] != ["domain", "zone", ZONE, "record"]:
            return _NOT_FOUND
        if len(parts) > 4:
            return self._ovh_one(method, parts[4], body)
        if method == "POST":
            made = self.add(body["subDomain"], body["fieldType"], body["target"], body.get("ttl", 0))
            return 200, _ovh_record(made)
        wanted = (query.get("fieldType"), query.get("subDomain"))
        found = [
            one["id"] for one in self.records if wanted[0] in (None, one["type"]) and wanted[1] in (None, one["name"])
        ]
        return 200, found

    def _ovh_one(self, method: str, number: str, body: Any) -> tuple[int, Any]:
        found = next((one for one in self.records if str(one["id"]) == number), None)
        if found is None:
            return _NOT_FOUND
        if method == "PUT":
            found["value"] = _stored(found["type"], body["target"])
        if method == "DELETE":
            self.records.remove(found)
        return 200, _ovh_record(found) if method == "GET" else None

    def _gandi(self, method: str, parts: list[str], body: Any) -> tuple[int, Any]:
        if parts[:2] != ["domains", ZONE]:
            return _NOT_FOUND
        if len(parts) == 2:
            return 200, {"fqdn": ZONE}
        name, kind = parts[3], parts[4]
        there = [one for one in self.records if (one["name"], one["type"]) == (name, kind)]
        if method == "GET":
            values = [one["value"] for one in there]
            shown = {"rrset_name": name, "rrset_type": kind, "rrset_ttl": 3600, "rrset_values": values}
            return (200, shown) if there else _NOT_FOUND
        if method == "POST" and there:
            return 409, {"message": "exists"}
        for one in there:
            self.records.remove(one)
        for value in body.get("rrset_values", ()) if method != "DELETE" else ():
            self.add(name, kind, value, body.get("rrset_ttl", 10800))
        return 201, {"message": "done"}


def _stored(kind: str, value: str) -> str:
    """Both keep TXT quoted, whether it came so or not."""
    return quoted(value) if kind == "TXT" and not value.startswith('"') else value


def _ovh_record(one: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": one["id"], "zone": ZONE, "subDomain": one["name"], "fieldType": one["type"],
        "target": one["value"], "ttl": one["ttl"],
    }  # fmt: skip


def _allowed(host: str, method: str, url: str, body: str, headers: Any) -> bool:
    """As the provider checks it: OVH wants each request signed."""
    if host == GANDI:
        return bool(headers["Authorization"] == f"Bearer {CREDENTIALS['gandi']['auth_token']}")
    if url.endswith("/auth/time"):
        return True
    ours = CREDENTIALS["ovh"]
    secret, consumer = ours["auth_application_secret"], ours["auth_consumer_key"]
    signed = "+".join([secret, consumer, method, url, body, headers["X-Ovh-Timestamp"]])
    signature = hashlib.sha1(signed.encode()).hexdigest()  # noqa: S324 - OVH's protocol
    return bool(headers["X-Ovh-Signature"] == f"$1${signature}" and headers["X-Ovh-Application"] == "application")


@contextlib.contextmanager
def providers(folder: Path) -> Iterator[tuple[Zone, dict[str, str]]]:
    """The zone, and the environment in which requests to the providers' hosts come here."""
    zone, certificate = Zone(), _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        host = ""

        def do_CONNECT(self) -> None:
            self.host = self.path.partition(":")[0]
            self.send_response(200)
            self.end_headers()
            with context.wrap_socket(self.connection, server_side=True) as secured:
                self.connection = secured
                with secured.makefile("rb") as self.rfile, secured.makefile("wb") as self.wfile:
                    self.close_connection = False
                    while not self.close_connection:
                        self.handle_one_request()
            self.close_connection = True
            self.rfile, self.wfile = io.BytesIO(), io.BytesIO()

        def _serve(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
            zone.requests.append(f"{self.command} {self.path}")
            if zone.faults:
                status, body = zone.faults.pop(0), {"message": "a fault"}
            elif _allowed(self.host, self.command, f"https://{self.host}{self.path}", text, self.headers):
                status, body = zone.answer(self.host, self.command, self.path, json.loads(text or "{}"))
            else:
                status, body = 403, {"message": "This credential is not valid"}
            answer = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)
            self.wfile.flush()

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        place = f"http://127.0.0.1:{server.server_address[1]}"
        yield (
            zone,
            {
                **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), place),
                **dict.fromkeys(("NO_PROXY", "no_proxy"), ""),
                **dict.fromkeys(("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), str(certificate)),
            },
        )
    finally:
        server.shutdown()
        server.server_close()


def _certificate(folder: Path) -> Path:
    """A certificate for both hosts that is its own authority, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "providers of tests")])
    now = dt.datetime.now(dt.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(OVH), x509.DNSName(GANDI)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / "providers.pem"
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none)
    file.write_bytes(certificate.public_bytes(pem) + private)
    return file
