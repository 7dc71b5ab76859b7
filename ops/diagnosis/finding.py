"""A cause that was found, and the register of the functions that look for one."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from ops.survey import Survey


class Symptom(str, enum.Enum):
    """What a person sees, as the guide's troubleshooting chapter and the runbooks name it."""

    NO_START = "no-start"
    GATEWAY = "502"
    SLOW = "slow"
    MAIL = "mail"
    REALTIME = "realtime"
    DISK = "disk"
    CERTIFICATE = "certificate"
    CONNECTIONS = "connections"
    DEPLOY = "deploy"


class Certainty(enum.IntEnum):
    """How sure it is that the cause explains what is seen."""

    NOTE = 0
    """Worth knowing; nothing is wrong because of it now."""
    POSSIBLE = 1
    LIKELY = 2
    CERTAIN = 3


@dataclass(frozen=True)
class Finding:
    """What is the matter, what shows it, and the one command to run next."""

    cause: str
    evidence: str
    command: str
    certainty: Certainty


@dataclass(frozen=True)
class Suspect:
    """A cause that may be looked for. Those that stand first explain those that follow."""

    name: str
    symptoms: frozenset[Symptom]
    look: Callable[[Survey], Finding | None]


REGISTER: list[Suspect] = []
Look = Callable[[Survey], "Finding | None"]


def cause(*symptoms: Symptom) -> Callable[[Look], Look]:
    """Register a function as what looks for a cause of these symptoms; of all when none is given."""

    def register(look: Look) -> Look:
        REGISTER.append(Suspect(look.__name__.replace("_", "-"), frozenset(symptoms or Symptom), look))
        return look

    return register
