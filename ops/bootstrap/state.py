"""The git-ignored files that deployments are kept in and locked with."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from ops.bootstrap.commands import Report
from ops.bootstrap.errors import StepError
from ops.bootstrap.stamps import write_atomically
from ops.bootstrap.steps import Step
from ops.places import CERTIFICATES, LOGS, PASSPHRASE, PROJECT, STATE


def step(given: Mapping[str, str]) -> Step:
    """The folder of the state, its passphrase, and the certificate authority that the machine itself uses."""

    def ready() -> bool:
        return PASSPHRASE.exists() and LOGS.is_dir() and _current() == _authority(given)

    def make(_report: Report) -> str:
        STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
        LOGS.mkdir(exist_ok=True)
        write_atomically(CERTIFICATES, _authority(given))
        if PASSPHRASE.exists():
            return ""
        write_atomically(PASSPHRASE, secrets.token_urlsafe(32), 0o600)
        return f"its passphrase is in {PASSPHRASE.relative_to(PROJECT)}; keep a copy elsewhere"

    return Step("State folder", ready, make)


def _current() -> str | None:
    return CERTIFICATES.read_text(encoding="utf-8") if CERTIFICATES.exists() else None


def _authority(given: Mapping[str, str]) -> str:
    """The certificates which this machine trusts beyond the usual; empty where it names none."""
    for name in ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"):
        if path := given.get(name):
            try:
                return Path(path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise StepError(f"{name} names {path}, which cannot be read ({error}); correct or unset it") from error
    return ""
