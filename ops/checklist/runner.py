"""Runs checks, several at a time; what cannot be asked is a failure with its reason, never an end of the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ops.checklist import configuration, database, documentation, monitoring, performance, security, trials
from ops.checklist.check import REGISTER, Check
from ops.checklist.guide import Group
from ops.checklist.result import Result, failed
from ops.errors import MISTAKE, CommandError
from ops.survey import Survey

_AT_ONCE = 8
# The modules register their checks when they are imported.
_MODULES = (configuration, database, security, performance, monitoring, trials, documentation)


@dataclass(frozen=True)
class Outcome:
    """A check, what came of it, and how long it took."""

    check: Check
    result: Result
    seconds: float


def checks() -> list[Check]:
    """Every check, in the order of the guide."""
    order = list(Group)
    return sorted(REGISTER, key=lambda one: order.index(one.group))


def chosen(names: Sequence[str], *, slow: bool) -> list[Check]:
    """The checks that are named, by id or by heading; all when none is. Raises CommandError for other names."""
    known = checks()
    for name in names:
        if not any(name in (one.id, one.group.value) for one in known):
            listed = ", ".join([*(group.value for group in Group), *(one.id for one in known)])
            raise CommandError(f"{name} is no check and no heading (there are: {listed})", MISTAKE)
    if names:
        return [one for one in known if one.id in names or (one.group.value in names and (slow or not one.slow))]
    return [one for one in known if slow or not one.slow]


def run(survey: Survey, wanted: Sequence[Check], tell: Callable[[Outcome], None]) -> list[Outcome]:
    """Ask all; `tell` hears of each as it ends. The outcomes are in the order of the checks."""

    def one(check: Check) -> Outcome:
        outcome = ask(survey, check)
        tell(outcome)
        return outcome

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(one, wanted))


def ask(survey: Survey, check: Check) -> Outcome:
    started = time.monotonic()
    try:
        result = check.run(survey)
    except CommandError as error:
        result = failed(f"cannot be checked: {error}", f"./monopco doctor -s {survey.stack}")
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        # An answer of a kind that nobody has thought of.
        result = failed(f"cannot be checked: {type(error).__name__}: {error}", f"./monopco doctor -s {survey.stack}")
    result = Result(result.verdict, one_line(survey.redacted(result.said)), one_line(survey.redacted(result.todo)))
    return Outcome(check, result, time.monotonic() - started)


def one_line(text: str) -> str:
    return " ".join(text.split())


def by_group(outcomes: Sequence[Outcome]) -> Iterator[tuple[Group, list[Outcome]]]:
    for group in Group:
        found = [one for one in outcomes if one.check.group is group]
        if found:
            yield group, found
