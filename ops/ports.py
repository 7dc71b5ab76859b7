"""Ports of this machine: who has them, and which are free."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

_LISTENING = "0A"  # in /proc/net/tcp
_TRIES = 200


def is_free(address: str, port: int) -> bool:
    """Whether `address:port` can be listened on; a port which only root may take counts as free."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
    return True


def next_free(start: int, free: Callable[[int], bool], taken: Iterable[int] = ()) -> int | None:
    """The first free port after `start` that is not in `taken`; None when there is none nearby."""
    candidates = range(start + 1, min(start + _TRIES, 65535) + 1)
    avoided = set(taken)
    return next((port for port in candidates if port not in avoided and free(port)), None)


def listener(port: int, proc: Path = Path("/proc")) -> str | None:
    """The process that listens on `port`, as "name (process 123)"; None where it cannot be seen."""
    inodes = {
        inode for table in ("net/tcp", "net/tcp6") if (proc / table).exists() for inode in _inodes(proc / table, port)
    }
    for process in sorted(
        (entry for entry in proc.iterdir() if entry.name.isdigit()), key=lambda entry: int(entry.name)
    ):
        if inodes and _has_socket(process, inodes):
            return f"{(process / 'comm').read_text(encoding='utf-8').strip()} (process {process.name})"
    return None


def _inodes(table: Path, port: int) -> list[str]:
    rows = (line.split() for line in table.read_text(encoding="utf-8").splitlines()[1:])
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]


def _has_socket(process: Path, inodes: set[str]) -> bool:
    links = {f"socket:[{inode}]" for inode in inodes}
    try:
        return any(str(link.readlink()) in links for link in (process / "fd").iterdir())
    except OSError:  # it has ended, or it is another user's
        return False
