"""Whose turn it is to change a stack: waiting for another run, and telling one that goes on from one that was killed.

A lock of this machine is abandoned when its process is gone, which is seen at once. Of a lock that was made elsewhere
only its age is known. A pipeline knows more: its runs end after the job's time limit at the latest. So with a lease, a
lock of the same user that is older than it is nobody's.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TypeVar

from ops.console import notes
from ops.errors import FAILED, CommandError
from ops.locks import Lock

Result = TypeVar("Result")
_POLL_SECONDS = 2.0


class LockedError(CommandError):
    """Another run holds the stack."""

    def __init__(self, message: str, holders: Sequence[Lock]) -> None:
        super().__init__(message, FAILED)
        self.holders = tuple(holders)


@dataclass(frozen=True)
class Turn:
    """How long another run is waited for, and after how long one of the same user must have ended."""

    wait: timedelta = timedelta()
    lease: timedelta | None = None

    def take(self, run: Callable[[], Result], cancel: Callable[[], object]) -> Result:
        """What `run` gives, once nobody else holds the stack. `cancel` lets go of an abandoned lock.

        Raises LockedError when the time to wait is over.
        """
        deadline = time.monotonic() + self.wait.total_seconds()
        let_go: set[Lock] = set()
        told = False
        while True:
            try:
                return run()
            except LockedError as error:
                if self._abandoned(error.holders) and not let_go >= set(error.holders):
                    notes.print(f"The run of {error.holders[0]} must have ended: letting go of its lock.", markup=False)
                    let_go |= set(error.holders)
                    cancel()
                    continue
                if time.monotonic() >= deadline:
                    raise
                if not told:
                    notes.print(f"Waiting for the run of {' and '.join(map(str, error.holders))}.", markup=False)
                told = True
                time.sleep(_POLL_SECONDS)

    def _abandoned(self, holders: Sequence[Lock]) -> bool:
        return bool(holders) and all(lock.abandoned() or self._expired(lock) for lock in holders)

    def _expired(self, lock: Lock) -> bool:
        return (
            self.lease is not None
            and lock.user == getpass.getuser()
            and datetime.now(timezone.utc) - lock.since > self.lease
        )
