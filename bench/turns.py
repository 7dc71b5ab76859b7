"""Contestants in turn, in another order each time, so that what else goes on meets all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def order(items: Sequence[Item], number: int) -> list[Item]:
    """The order of a round: one further each time, and backwards every other time."""
    start = number % len(items)
    turned = [*items[start:], *items[:start]]
    return turned[::-1] if number % 2 else turned


def seconds(
    contestants: Mapping[str, Callable[[], object]], repetitions: int, tell: Callable[[str], None] = print
) -> dict[str, list[float]]:
    """How long each takes, each time."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(repetitions):
        tell(f"round {number + 1} of {repetitions}")
        for name in order(list(contestants), number):
            found[name].append(once(contestants[name]))
    return found


def once(action: Callable[[], object]) -> float:
    """Seconds that it takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
