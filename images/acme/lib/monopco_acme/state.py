"""How the last order went, kept through restarts so that none of them leads to one order more."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from monopco_acme.places import STATE, write

FIRST_WAIT_SECONDS = 15 * 60  # Let's Encrypt takes five failures of a name in an hour
LONGEST_WAIT_SECONDS = 12 * 3600


@dataclass(frozen=True, kw_only=True)
class State:
    settings: str = ""
    """Digest of the settings that it is about: others are a new beginning."""
    failures: int = 0
    """Since the last order that went well."""
    failed_at: float = 0
    """Seconds since 1970."""
    reason: str = ""
    """For a person: what went wrong, and what to do."""
    retry_at: float = 0
    """When the timer tries again."""
    told: bool = False
    """Whether the authority itself said so: nobody tries sooner."""

    @staticmethod
    def read(settings: str) -> State:
        """The state for these settings; an empty one when it is about others or cannot be read."""
        try:
            found = State(**json.loads(STATE.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            found = State()
        return found if found.settings == settings else State(settings=settings)

    def write(self) -> None:
        write(STATE, json.dumps(asdict(self)) + "\n")

    def failed(self, settings: str, reason: str, now: float, told: float | None) -> State:
        """The state after one failure more; `told` is when the authority takes orders again, if it said so."""
        failures = self.failures + 1
        wait = min(FIRST_WAIT_SECONDS * 2 ** (failures - 1), LONGEST_WAIT_SECONDS)
        return State(
            settings=settings,
            failures=failures,
            failed_at=now,
            reason=reason,
            retry_at=now + wait if told is None else max(told, now + FIRST_WAIT_SECONDS),
            told=told is not None,
        )
