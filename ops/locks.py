"""Pulumi's locks on a stack: as files in the project's own state, and as Pulumi tells of them wherever they are."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ops.places import STATE

_TOLD = re.compile(r"^ *(\S+): created by (\S+)@(\S+) \(pid (\d+)\) at (\S+)", re.MULTILINE)
FOLDER = STATE / ".pulumi" / "locks" / "organization" / "monopco"


@dataclass(frozen=True)
class Lock:
    """Who holds a stack, since when and from where."""

    path: Path
    process: int
    user: str
    host: str
    since: datetime

    def abandoned(self, proc: Path = Path("/proc")) -> bool:
        """Whether it was made on this machine by a Pulumi that does not run any more."""
        if self.host != socket.gethostname() or not proc.is_dir():
            return False
        try:
            name = (proc / str(self.process) / "comm").read_text(encoding="utf-8").strip()
        except OSError:
            return True
        return not name.startswith("pulumi")

    def __str__(self) -> str:
        since = self.since.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return f"{self.user} on {self.host} (process {self.process}) since {since}"


def of_stack(stack: str, folder: Path | None = None) -> list[Lock]:
    """The locks on `stack`, oldest first."""
    locks = [_read(path) for path in ((folder or FOLDER) / stack).glob("*.json")]
    return sorted((lock for lock in locks if lock is not None), key=lambda lock: lock.since)


def told(message: str) -> list[Lock]:
    """The locks that an error of Pulumi's names, in any backend."""
    return [
        Lock(Path(place), int(process), user, host, datetime.fromisoformat(_microseconds(since)))
        for place, user, host, process, since in _TOLD.findall(message)
    ]


def _read(path: Path) -> Lock | None:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        since = datetime.fromisoformat(_microseconds(fields["timestamp"]))
        return Lock(path, int(fields["pid"]), str(fields["username"]), str(fields["hostname"]), since)
    except (OSError, ValueError, KeyError):  # let go of, or written, at this very moment
        return None


def _microseconds(timestamp: str) -> str:
    """Go's time with up to nine digits of a second and Z, as Python 3.10 can read it."""
    head, dot, tail = timestamp.replace("Z", "+00:00").partition(".")
    if not dot:
        return head
    digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
    return f"{head}.{digits[:6]:0<6}{tail[len(digits) :]}"
