"""One preparation of the project at a time."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_held: list[int] = []


@contextmanager
def held(path: Path, wait_message: str = "is preparing this project; waiting for it") -> Iterator[None]:
    """Hold the lock `path`, waiting for whoever has it.

    The kernel lets go of the lock when the last holder ends. Programs that are started with `inherited()` hold it,
    too: after a kill of this process the next run waits until, say, pip has ended, and never meets a stale lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        _acquire(file, wait_message)
        file.truncate(0)
        file.write(f"{os.getpid()} {time.strftime('%H:%M:%S')}")
        file.flush()
        _held.append(file.fileno())
        try:
            yield
        finally:
            _held.remove(file.fileno())


def inherited() -> tuple[int, ...]:
    """File descriptors for `pass_fds` of programs that must not outlive the lock."""
    return tuple(_held)


def _acquire(file: IO[str], wait_message: str) -> None:
    told = False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told:
                print(f"{_holder(file)} {wait_message}.", file=sys.stderr, flush=True)
                told = True
            time.sleep(0.2)
        else:
            return


def _holder(file: IO[str]) -> str:
    file.seek(0)
    process, _, since = file.read().partition(" ")
    return f"Another ./monopco (process {process}, since {since})" if since else "Another ./monopco"
