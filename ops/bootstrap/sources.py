"""Where this machine gets its Debian packages from, as its apt sources say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_ONE_LINE = re.compile(
    r"^deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>[^\s\[]*\[[^\]]*\]\S*|\S+)\s+(?P<suite>\S+)\s+(?P<components>.+)$"
)
_REACHABLE = ("http://", "https://", "file:")  # debootstrap cannot use cdrom: or mirror+file:


@dataclass(frozen=True)
class Entry:
    """One archive at one address, in one suite."""

    uri: str
    suite: str
    components: tuple[str, ...]


@dataclass(frozen=True)
class Mirrors:
    """Addresses of Debian's archive and of its security archive."""

    main: str
    security: str


def parse_list(text: str) -> Iterator[Entry]:
    """Entries of a one-line-style file (sources.list, *.list)."""
    for line in text.splitlines():
        match = _ONE_LINE.match(line.partition("#")[0].strip())
        if match:
            yield Entry(match["uri"].rstrip("/"), match["suite"], tuple(match["components"].split()))


def parse_deb822(text: str) -> Iterator[Entry]:
    """Entries of a deb822-style file (*.sources)."""
    for fields in _stanzas(text):
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in (
            "no",
            "false",
            "off",
            "0",
        ):
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Entry(uri.rstrip("/"), suite, tuple(fields.get("components", "").split()))


def read(folder: Path = Path("/etc/apt")) -> list[Entry]:
    """Every entry of this machine, in apt's order."""
    lists = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.list"))]
    entries = [entry for path in lists if path.is_file() for entry in parse_list(path.read_text(encoding="utf-8"))]
    for path in sorted((folder / "sources.list.d").glob("*.sources")):
        entries += parse_deb822(path.read_text(encoding="utf-8"))
    return entries


def debian_mirrors(entries: list[Entry], codename: str) -> Mirrors | None:
    """The mirrors that a Debian machine of release `codename` uses, or None when its sources do not tell."""
    usable = [entry for entry in entries if "main" in entry.components and entry.uri.startswith(_REACHABLE)]
    main = next((entry.uri for entry in usable if entry.suite in (codename, "stable")), None)
    security = next((entry.uri for entry in usable if re.fullmatch(r"\S+(-security|/updates)", entry.suite)), None)
    if main is None:
        return None
    return Mirrors(main, security or security_beside(main))


def security_beside(main: str) -> str:
    """The security archive of a mirror in the usual layout, where it lies beside the main one."""
    return f"{main.rstrip('/')}-security"


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    last = ""
    for line in [*text.splitlines(), ""]:
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif line[0] in " \t" and last:
            fields[last] += f" {line.strip()}"
        else:
            name, _, value = line.partition(":")
            last = name.strip().lower()
            fields[last] = value.strip()
