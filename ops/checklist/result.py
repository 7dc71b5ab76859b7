"""What came of a check."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verdict(str, enum.Enum):
    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Result:
    """A verdict with what was seen, or with why it does not apply; `todo` is what to do after a failure."""

    verdict: Verdict
    said: str
    todo: str = ""


def passed(evidence: str) -> Result:
    return Result(Verdict.PASSED, evidence)


def failed(problem: str, todo: str) -> Result:
    return Result(Verdict.FAILED, problem, todo)


def not_applicable(why: str) -> Result:
    return Result(Verdict.NOT_APPLICABLE, why)


def judged(problems: list[str], todo: str, evidence: str) -> Result:
    """Failed with all problems, or passed with the evidence."""
    return failed("; ".join(problems), todo) if problems else passed(evidence)
