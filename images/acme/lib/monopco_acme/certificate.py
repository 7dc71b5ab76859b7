"""The certificate that certbot keeps, and its copy in the proxy's volume."""

from __future__ import annotations

import fcntl
import json
from dataclasses import dataclass
from datetime import datetime, timezone

from cryptography import x509

from monopco_acme import places
from monopco_acme.settings import Settings

LIFE_LEFT = 1 / 3
"""A certificate is renewed when this part of its life is left: 30 days of 90, 2 days of 6."""


@dataclass(frozen=True)
class Certificate:
    key: str
    chain: str
    names: tuple[str, ...]
    begin: float
    end: float
    serial: str
    issuer: str

    @staticmethod
    def read() -> Certificate | None:
        """What certbot has; None when there is none yet, or when it cannot be read."""
        folder = places.CERTBOT / "live" / places.LINEAGE
        try:
            return Certificate.parse((folder / "privkey.pem").read_text(), (folder / "fullchain.pem").read_text())
        except (OSError, ValueError):
            return None

    @staticmethod
    def parse(key: str, chain: str) -> Certificate:
        leaf = x509.load_pem_x509_certificate(chain.encode())
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return Certificate(
            key=key,
            chain=chain,
            names=tuple(sorted(names.get_values_for_type(x509.DNSName))),
            begin=leaf.not_valid_before_utc.timestamp(),
            end=leaf.not_valid_after_utc.timestamp(),
            serial=f"{leaf.serial_number:x}",
            issuer=leaf.issuer.rfc4514_string(),
        )

    @property
    def due(self) -> float:
        """When it is to be renewed, in seconds since 1970."""
        return self.end - (self.end - self.begin) * LIFE_LEFT

    def fits(self, settings: Settings) -> bool:
        """Whether it is what the settings ask for, whatever its age."""
        try:
            ordered = json.loads(places.ORDERED.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return bool(ordered == settings.order and set(self.names) == set(settings.names))

    def install(self) -> None:
        """Have the proxy serve it from the next handshake on: chain and key are one file, replaced as a whole."""
        with (places.TLS / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            bundle = places.TLS / "bundle.pem"
            if bundle.exists() and bundle.read_text() == self.key + self.chain:
                return
            places.write(bundle, self.key + self.chain)
            places.write(places.TLS / "fullchain.pem", self.chain)
            (places.TLS / "names").unlink(missing_ok=True)

    def __str__(self) -> str:
        end = datetime.fromtimestamp(self.end, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        return f"certificate {self.serial} for {', '.join(self.names)}, until {end}, by {self.issuer}"


def forget_old() -> None:
    """Delete the keys of certificates that were replaced; certbot would keep them for ever."""
    live = places.CERTBOT / "live" / places.LINEAGE
    current = {link.resolve() for link in live.glob("*.pem")}
    for file in (places.CERTBOT / "archive" / places.LINEAGE).glob("*.pem"):
        if file not in current:
            file.unlink()
