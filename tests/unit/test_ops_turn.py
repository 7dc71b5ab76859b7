"""Two runs on one stack: the second fails clearly or waits, and a killed one blocks no longer than its lease."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ops import locks
from ops.locks import Lock
from ops.turn import LockedError, Turn

PULUMI_SAYS = """\
error: the stack is currently locked by 2 lock(s). Either wait for the other process(es) to end or delete the \
lock file with `pulumi cancel`.
  s3://state/.pulumi/locks/organization/monopco/prod/a.json: created by runner@az1 (pid 2042) at 2026-11-23T07:00:00Z
  file:///p/.pulumi/locks/organization/monopco/prod/c.json: created by anna@laptop (pid 7) at 2026-11-23T08:00:00+01:00
"""


def lock(minutes: float, user: str | None = None) -> Lock:
    """A lock that was made elsewhere so long ago."""
    since = datetime.now(timezone.utc) - timedelta(minutes=minutes)
    return Lock(Path("a.json"), 7, user or getpass.getuser(), "elsewhere", since)


class Stack:
    """A stack that is held by each of `holders` in turn; a cancel lets go of the present one."""

    def __init__(self, *holders: Lock) -> None:
        self.holders = list(holders)
        self.cancelled: list[Lock] = []

    def run(self) -> str:
        if self.holders:
            raise LockedError("held", [self.holders[0]])
        return "done"

    def cancel(self) -> None:
        self.cancelled.append(self.holders.pop(0))


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """What happens instead of each wait."""

    def instead(happens: Callable[[], object]) -> None:
        monkeypatch.setattr("ops.turn.time.sleep", lambda _seconds: happens())

    return instead


def test_locks_are_read_from_what_pulumi_says_of_any_backend() -> None:
    first, second = locks.told(PULUMI_SAYS)
    assert (first.user, first.host, first.process) == ("runner", "az1", 2042)
    assert (second.user, second.host, second.process) == ("anna", "laptop", 7)
    assert first.since == second.since == datetime(2026, 11, 23, 7, tzinfo=timezone.utc)


def test_a_stack_that_is_held_is_told_at_once() -> None:
    with pytest.raises(LockedError, match="held"):
        Turn().take(Stack(lock(1)).run, lambda: None)


def test_a_run_is_waited_for_as_long_as_asked(naps: Callable[[Callable[[], object]], None]) -> None:
    stack = Stack(lock(1))
    naps(stack.holders.clear)
    assert Turn(timedelta(seconds=900)).take(stack.run, stack.cancel) == "done"
    assert stack.cancelled == []


def test_waiting_ends(naps: Callable[[Callable[[], object]], None], monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter(range(0, 9000, 10))
    monkeypatch.setattr("ops.turn.time.monotonic", lambda: next(times))
    naps(lambda: None)
    with pytest.raises(LockedError):
        Turn(timedelta(seconds=60)).take(Stack(lock(1)).run, lambda: None)


def test_a_killed_pipeline_is_not_waited_for_longer_than_its_lease() -> None:
    stack = Stack(lock(31))
    assert Turn(lease=timedelta(minutes=30)).take(stack.run, stack.cancel) == "done"
    assert len(stack.cancelled) == 1


@pytest.mark.parametrize(("minutes", "user"), [(1, None), (600, "somebody else")])
def test_a_run_that_may_still_go_on_is_left_alone(minutes: float, user: str | None) -> None:
    stack = Stack(lock(minutes, user))
    with pytest.raises(LockedError):
        Turn(lease=timedelta(minutes=30)).take(stack.run, stack.cancel)
    assert stack.cancelled == []


def test_without_a_lease_an_old_lock_of_elsewhere_is_left_alone() -> None:
    stack = Stack(lock(600))
    with pytest.raises(LockedError):
        Turn().take(stack.run, stack.cancel)


def test_a_lock_that_cannot_be_let_go_of_is_told_instead_of_trying_for_ever() -> None:
    stack = Stack(lock(31))
    with pytest.raises(LockedError):
        Turn(lease=timedelta(minutes=30)).take(stack.run, lambda: None)


def test_every_holder_must_have_ended() -> None:
    both = [lock(31), replace(lock(31), user="somebody else")]

    def run() -> None:
        raise LockedError("held", both)

    with pytest.raises(LockedError):
        Turn(lease=timedelta(minutes=30)).take(run, lambda: pytest.fail("cancelled"))
