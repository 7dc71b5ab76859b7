"""Where things lie in the container."""

from pathlib import Path

ACME = Path("/var/lib/acme")  # a volume of its own, which outlives the environment
SETTINGS = ACME / "settings.json"
STATE = ACME / "state.json"
ORDERED = ACME / "ordered.json"
LOCK = ACME / "lock"
AUTHORITY = ACME / "directory-ca.pem"
CERTBOT = ACME / "certbot"
LINEAGE = "monopco"

PROXY = Path("/var/lib/monopco")  # the proxy's volume
WEBROOT = PROXY / "acme"
TLS = PROXY / "tls"

SLEEP = Path("/run/sleep")  # number of the process that the timer waits for
LOGS = Path("/run/certbot")
TROUBLE = Path("/run/challenge.txt")  # what went wrong with a DNS record, if anything did


def write(path: Path, text: str) -> None:
    """Write a file whole or not at all, for nobody else to read."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
