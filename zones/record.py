"""A DNS record as everything here compares it: one spelling for each value, whoever wrote it."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

SINGLE = frozenset({"A", "AAAA", "CNAME"})
"""Types of which a name has one record here; of the others ours stands beside those of other people."""
TYPES = ("A", "AAAA", "CNAME", "TXT", "MX", "CAA")
_PART = 255
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, kw_only=True)
class ZoneRecord:
    """One record. `name` has no dot at its end; `value` is in the spelling of `canonical`; `ttl` is in seconds."""

    name: str
    type: str
    value: str
    ttl: int

    def __str__(self) -> str:
        return f"{self.type} {self.name}"

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> ZoneRecord:
        return ZoneRecord(**json.loads(text))


def canonical(kind: str, value: str) -> str:
    """The one spelling of a value: addresses as short as can be, names with a dot at their end, TXT without quotes."""
    value = value.strip()
    if kind in ("A", "AAAA"):
        return str(ipaddress.ip_address(value))
    if kind == "TXT":
        return _joined(value)
    if kind == "CAA":
        flags, tag, authority = value.split(None, 2)
        return f'{flags} {tag.lower()} "{authority.strip(chr(34))}"'
    return f"{value.lower().rstrip('.')}."


def _joined(text: str) -> str:
    """The text of a TXT record, which zone files and some providers write in quoted parts."""
    parts = _QUOTED.findall(text)
    if parts and not _QUOTED.sub("", text).strip():
        return re.sub(r"\\(.)", r"\1", "".join(parts))
    # Some providers leave out the outermost quotes.
    return text.replace('" "', "")


def quoted(text: str) -> str:
    """A TXT value as zone files have it, in parts of at most 255 bytes."""
    parts = [text[at : at + _PART] for at in range(0, len(text), _PART)] or [""]
    return " ".join('"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"' for part in parts)


def presented(kind: str, value: str) -> str:
    """A canonical value as zone files have it."""
    return quoted(value) if kind == "TXT" else value


def relative(name: str, zone: str) -> str:
    """A name as a provider's form wants it: without the zone, @ for the zone itself."""
    return "@" if name == zone else name.removesuffix(f".{zone}")


def mail_purpose(record: ZoneRecord) -> str:
    """spf, dmarc or dkim: the TXT records of which a name may have one; empty for all others."""
    if record.type != "TXT":
        return ""
    if "._domainkey." in record.name:
        return "dkim"
    value = record.value.lower()
    return "spf" if value.startswith("v=spf1") else "dmarc" if value.startswith("v=dmarc1") else ""


def inside(name: str, zone: str) -> bool:
    return name == zone or name.endswith(f".{zone}")


def listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(values)) or "nothing"
