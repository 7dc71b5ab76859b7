"""A check, and the register of all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ops.checklist.guide import Box, Group
from ops.checklist.result import Result
from ops.survey import Survey

Question = Callable[[Survey], Result]


@dataclass(frozen=True)
class Check:
    """One question to an environment. Without a box it is a promise of this project that the guide does not ask for."""

    id: str
    group: Group
    title: str
    box: Box | None
    run: Question
    slow: bool = False
    """Whether it is asked only when it is named or wanted."""


REGISTER: list[Check] = []


def check(about: Box | Group, title: str = "", *, slow: bool = False) -> Callable[[Question], Question]:
    """Register a function as the check of a box, or of a promise below a heading; its name is the check's."""
    box = about if isinstance(about, Box) else None
    group = about.group if isinstance(about, Box) else about

    def register(run: Question) -> Question:
        name = run.__name__.replace("_", "-")
        words = title or (box.english if box else "")
        REGISTER.append(Check(f"{group.value}.{name}", group, words, box, run, slow))
        return run

    return register
