"""What the tls section names: a certificate with its key in files, the names that an authority is asked for.

All of it is checked before anything is touched.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import AuthorityInformationAccessOID

from sections import Dns, Domain, Http, Sections, Tls

SOON = timedelta(days=14)
SMALLEST_RSA_BITS = 2048
HTTP_PORT = 80
LOOPBACK = ("127.0.0.1", "::1")


class CertificateError(ValueError):
    """Mistakes in what was given, one line each, as settings report them."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(mistakes))


@dataclass(frozen=True)
class Given:
    """A chain and its key (PEM), and what a person should know of them."""

    pem: str
    warnings: tuple[str, ...]


def read_given(project: Path, tls: Tls, domain: Domain, now: datetime | None = None) -> Given | None:
    """What tls.mode files names; None in other modes. Raises CertificateError with every mistake in it."""
    if tls.mode != "files" or not tls.certificate_file or not tls.key_file:
        return None
    texts: list[str] = []
    mistakes: list[str] = []
    for key, name, marker in (
        ("tls.certificateFile", tls.certificate_file, "BEGIN CERTIFICATE"),
        ("tls.keyFile", tls.key_file, "PRIVATE KEY"),
    ):
        try:
            texts.append(_read(project, key, name, marker))
        except CertificateError as error:
            mistakes += error.mistakes
    if mistakes:
        raise CertificateError(mistakes)
    chain, key_text = texts
    try:
        certificates = x509.load_pem_x509_certificates(chain.encode())
    except ValueError as error:
        raise CertificateError([f"tls.certificateFile: {tls.certificate_file} cannot be read: {error}"]) from None
    moment = now or datetime.now(timezone.utc)
    mistakes = [
        *_wrong_key(certificates, key_text, tls),
        *_wrong_chain(certificates, tls),
        *_missing_names(certificates[0], domain, tls),
        *_wrong_dates(certificates, moment, tls),
    ]
    if mistakes:
        raise CertificateError(mistakes)
    return Given(chain + key_text, tuple(_warnings(certificates, moment, tls)))


def read_authority(project: Path, tls: Tls) -> str:
    """The certificates of tls.caFile (PEM); empty when none is named. Raises CertificateError."""
    if tls.ca_file is None:
        return ""
    text = _read(project, "tls.caFile", tls.ca_file, "BEGIN CERTIFICATE")
    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise CertificateError([f"tls.caFile: {tls.ca_file} cannot be read: {error}"]) from None
    return text


def unorderable(sections: Sections) -> list[str]:
    """Why no authority could issue what is asked for; empty when one could."""
    domain, tls, dns = sections.domain, sections.tls, sections.dns
    if tls.mode != "acme":
        return []
    names = [domain.name, *domain.aliases]
    mistakes = [
        f"domain: tls.mode acme needs public names, which have a dot (got {name})" for name in names if "." not in name
    ]
    if domain.environments:
        mistakes.append(
            f"domain.environments: needs a certificate for *.{domain.name}, and tls.mode acme orders none for names "
            "that it does not know; bring one with tls.mode files"
        )
    if tls.challenge == "dns-01":
        mistakes += _not_in_zone(names, dns, domain)
    return mistakes


def doubts(sections: Sections) -> list[str]:
    """What will keep an authority from reaching the challenge on port 80, unless something before it forwards it."""
    http, tls = sections.http, sections.tls
    if tls.mode != "acme" or tls.challenge != "http-01":
        return []
    return [
        f"{key}: the authority asks port 80 of each name, but {what}; forward it, or use tls.challenge: dns-01"
        for key, what in _hidden(http)
    ]


def _hidden(http: Http) -> Iterator[tuple[str, str]]:
    if http.http_port != HTTP_PORT:
        yield "http.httpPort", f"nginx listens on {http.http_port}"
    if http.address in LOOPBACK:
        yield "http.address", f"{http.address} is reached from this machine only"


def _not_in_zone(names: Sequence[str], dns: Dns, domain: Domain) -> Iterator[str]:
    if dns.mode == "manual":
        yield "tls.challenge: dns-01 needs dns.mode rfc2136 or lexicon, so that the challenge's record can be made"
        return
    zone = dns.zone or domain.name
    for name in names:
        if name != zone and not name.endswith(f".{zone}"):
            yield f"tls.challenge: dns-01 proves names in the zone {zone} (dns.zone) only; {name} is not in it"


def _read(project: Path, key: str, name: str, marker: str) -> str:
    try:
        text = (project / Path(name).expanduser()).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise CertificateError([f"{key}: cannot be read: {error}"]) from None
    if marker not in text:
        raise CertificateError([f"{key}: {name} holds no PEM block with {marker}"])
    return text.rstrip() + "\n"


def _wrong_key(certificates: Sequence[x509.Certificate], key_text: str, tls: Tls) -> Iterator[str]:
    try:
        key = load_pem_private_key(key_text.encode(), None)
    except TypeError:
        yield f"tls.keyFile: {tls.key_file} needs a passphrase; give one without: openssl pkey -in FILE -out FILE"
        return
    except (ValueError, UnsupportedAlgorithm):
        yield f"tls.keyFile: {tls.key_file} holds no key that can be read (its content is not shown)"
        return
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < SMALLEST_RSA_BITS:
        yield f"tls.keyFile: {tls.key_file} has {key.key_size} bits; browsers refuse RSA below {SMALLEST_RSA_BITS}"
    ours = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fitting = [
        certificate
        for certificate in certificates
        if certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == ours
    ]
    if not fitting:
        yield f"tls.keyFile: {tls.key_file} is not the key of {_name(certificates[0])} in {tls.certificate_file}"
    elif fitting[0] is not certificates[0]:
        yield (
            f"tls.certificateFile: {tls.certificate_file} begins with {_name(certificates[0])}; "
            f"the server's own certificate, {_name(fitting[0])}, must come first"
        )


def _wrong_chain(certificates: Sequence[x509.Certificate], tls: Tls) -> Iterator[str]:
    for number, (certificate, issuer) in enumerate(itertools.pairwise(certificates), start=1):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            yield (
                f"tls.certificateFile: {tls.certificate_file} is out of order: certificate {number}, "
                f"{_name(certificate)}, is issued by {certificate.issuer.rfc4514_string()}, "
                f"but {_name(issuer)} follows it"
            )


def _missing_names(leaf: x509.Certificate, domain: Domain, tls: Tls) -> Iterator[str]:
    covered = _names(leaf)
    wanted = [("domain.name", domain.name), *(("domain.aliases", alias) for alias in domain.aliases)]
    if domain.environments:
        wanted.append(("domain.environments", f"*.{domain.name}"))
    for key, name in wanted:
        wildcard = f"*.{name.partition('.')[2]}"
        if name not in covered and wildcard not in covered:
            yield (
                f"tls.certificateFile: {tls.certificate_file} does not cover {name} ({key}); "
                f"it is for {', '.join(covered) or 'no host name'}"
            )


def _wrong_dates(certificates: Sequence[x509.Certificate], now: datetime, tls: Tls) -> Iterator[str]:
    for certificate in certificates:
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if now >= end:
            yield f"tls.certificateFile: {_name(certificate)} in {tls.certificate_file} ended on {end:%Y-%m-%d}"
        elif now < begin:
            yield (
                f"tls.certificateFile: {_name(certificate)} in {tls.certificate_file} "
                f"is not valid before {begin:%Y-%m-%d %H:%M} UTC"
            )


def _warnings(certificates: Sequence[x509.Certificate], now: datetime, tls: Tls) -> Iterator[str]:
    for certificate in certificates:
        left = certificate.not_valid_after_utc - now
        if left < SOON:
            end = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
            yield f"tls.certificateFile: {_name(certificate)} ends in {left.days} days, on {end}; get a new one"
    leaf = certificates[0]
    if len(certificates) == 1 and leaf.issuer != leaf.subject and _tells_its_issuer(leaf):
        yield (
            f"tls.certificateFile: {tls.certificate_file} holds the server's own certificate only; most clients need "
            f"that of {leaf.issuer.rfc4514_string()} after it (the file is often called fullchain)"
        )


def _tells_its_issuer(leaf: x509.Certificate) -> bool:
    """Whether it names a place for its issuer's certificate, as those of public authorities do."""
    try:
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return False
    return any(each.access_method == AuthorityInformationAccessOID.CA_ISSUERS for each in access)


def _names(leaf: x509.Certificate) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in names.get_values_for_type(x509.DNSName)]


def _name(certificate: x509.Certificate) -> str:
    names = _names(certificate)
    return names[0] if names else certificate.subject.rfc4514_string() or f"number {certificate.serial_number:x}"
