"""A real ACME authority (Pebble) that asks a real DNS server (Knot), which takes updates by RFC 2136 with TSIG."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import ipaddress
import json
import os
import ssl
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

import dns.message
import dns.query
import dns.rcode
import dns.tsig
import dns.update
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ops.places import CACHE
from source import folder_digest
from tests.integration.docker_lab import running
from tests.integration.environment import docker, free_ports, wait_until
from tests.integration.proxy_lab import DOMAIN, build_image
from toolchain import build

HERE = Path(__file__).parent
FOLDER = HERE / "acme"
IMAGE = f"monopco/acme-lab:test-{folder_digest(FOLDER)[:12]}"
BLOCKED = "blocked.test"
PEBBLE = "github.com/letsencrypt/pebble/v2/cmd/pebble"
KEY_NAME, ALGORITHM = "monopco-key", "hmac-sha256"
_KNOT = """
server:
  listen: [0.0.0.0@{port}]
  rundir: /run
database:
  storage: /run/db
key:
  - id: {key_name}
    algorithm: {algorithm}
    secret: {secret}
acl:
  - id: update
    key: {key_name}
    action: update
zone:
  - domain: {zone}
    file: /run/zone
    acl: update
    zonefile-sync: -1
    journal-content: changes
"""
_ZONE = """
@ 60 IN SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 1
@ 60 IN NS ns
ns 60 IN A 127.0.0.1
@ 60 IN A 127.0.0.1
www 60 IN CNAME @
"""


def this_machine() -> str:
    """An address of this machine that containers of every network reach."""
    return docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")


@dataclass
class DnsServer:
    """The server of the site's zone, on a port of this machine that containers reach as well."""

    name: str = field(default_factory=lambda: f"acme-test-{uuid.uuid4().hex[:8]}")
    port: int = field(default_factory=lambda: free_ports(1)[0])
    secret: str = field(default_factory=lambda: base64.b64encode(os.urandom(32)).decode())

    def start(self) -> DnsServer:
        settings = _KNOT.format(port=self.port, key_name=KEY_NAME, algorithm=ALGORITHM, secret=self.secret, zone=DOMAIN)
        docker(
            *("run", "--detach", "--init", "--name", self.name, "--network", "host", "--tmpfs", "/run", IMAGE),
            *("sh", "-c", 'mkdir /run/db; printf %s "$1" >/run/zone; printf %s "$2" >/run/knot.conf; exec "$0" "$3"'),
            *("knotd", _ZONE.format(zone=DOMAIN), settings, "--config=/run/knot.conf"),
        )
        wait_until(lambda: self.values(DOMAIN, "A") == {"127.0.0.1"}, f"{self.name} answers")
        return self

    def remove(self) -> None:
        docker("rm", "--force", self.name, check=False)

    def values(self, name: str, kind: str) -> set[str]:
        try:
            answer = dns.query.tcp(dns.message.make_query(name, kind), "127.0.0.1", port=self.port, timeout=2)
        except (OSError, EOFError):
            return set()
        return {record.to_text() for group in answer.answer for record in group}

    def put(self, name: str, kind: str, *values: str) -> None:
        """What a name is to have: these values and no others."""
        key = dns.tsig.Key(KEY_NAME, self.secret, f"{ALGORITHM}.")
        update = dns.update.UpdateMessage(DOMAIN, keyring=key)
        update.delete(f"{name}.", kind)
        for value in values:
            update.add(f"{name}.", 60, kind, value)
        answer = dns.query.tcp(update, "127.0.0.1", port=self.port, timeout=5)
        assert answer.rcode() == dns.rcode.NOERROR, answer


@dataclass
class Authority:
    """Pebble at `directory`, whose own certificate is signed by what `authority` (PEM) holds."""

    directory: str
    authority: Path
    management: int
    trust: ssl.SSLContext

    def root(self) -> str:
        """The certificate that what it issues goes back to (PEM)."""
        with urlopen(f"https://127.0.0.1:{self.management}/roots/0", context=self.trust) as answer:
            return str(answer.read().decode())


@contextlib.contextmanager
def dns_server() -> Iterator[DnsServer]:
    build_image(IMAGE, FOLDER)
    server = DnsServer()
    try:
        yield server.start()
    finally:
        server.remove()


@contextlib.contextmanager
def authority(folder: Path, address: str, http_port: int, dns_port: int, seconds: int) -> Iterator[Authority]:
    """An authority that containers reach at `address`; its profile `short` is valid for some seconds."""
    port, management = free_ports(2)
    signer = _write_certificates(folder, address)
    settings = {
        "listenAddress": f"0.0.0.0:{port}",
        "managementListenAddress": f"127.0.0.1:{management}",
        "certificate": str(folder / "directory.pem"),
        "privateKey": str(folder / "directory.key"),
        "httpPort": http_port,
        "tlsPort": 1,
        "externalAccountBindingRequired": False,
        "domainBlocklist": [BLOCKED],
        "retryAfter": {"authz": 1, "order": 1},
        "profiles": {
            "default": {"description": "as long as usual", "validityPeriod": 90 * 86400},
            "short": {"description": "over soon", "validityPeriod": seconds},
        },
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    trust = ssl.create_default_context(cafile=str(signer))

    def ready() -> bool:
        try:
            with urlopen(f"https://127.0.0.1:{port}/dir", context=trust) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    program = build.program(CACHE, HERE / "tools" / "pebble", PEBBLE, lambda part, state: print(f"{part}: {state}"))
    command = [str(program), "-config", str(folder / "pebble.json"), "-dnsserver", f"127.0.0.1:{dns_port}"]
    # Without these it waits before it looks, and refuses some requests, for no reason but to annoy.
    quiet = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
    with contextlib.ExitStack() as stack:
        for name, value in quiet.items():
            stack.enter_context(_variable(name, value))
        stack.enter_context(running(command, folder / "pebble.log", ready))
        yield Authority(f"https://{address}:{port}/dir", signer, management, trust)


@contextlib.contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]


def _write_certificates(folder: Path, address: str) -> Path:
    """Make an authority and the directory's certificate for `address`; returns the file of the authority."""
    signer_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    signer_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "directory's authority")])
    now = dt.datetime.now(dt.timezone.utc)

    def builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(signer_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )

    identifier = x509.SubjectKeyIdentifier.from_public_key(signer_key.public_key())
    usage = {
        name: name in ("key_cert_sign", "crl_sign")
        for name in (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
            *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
        )
    }
    signer = (
        builder(signer_name, signer_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(identifier, critical=False)
        .sign(signer_key, hashes.SHA256())
    )
    addresses = [x509.IPAddress(ipaddress.ip_address(each)) for each in (address, "127.0.0.1")]
    leaf = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "directory")]), leaf_key)
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(signer_key, hashes.SHA256())
    )
    (folder / "directory.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    (folder / "directory.key").write_bytes(
        leaf_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    file = folder / "directory-ca.pem"
    file.write_bytes(signer.public_bytes(serialization.Encoding.PEM))
    return file
