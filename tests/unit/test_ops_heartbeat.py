"""The heartbeat of `status --watch`."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from ops import heartbeat
from ops.console import output
from ops.errors import CommandError


def state(total: int, errors: int = 0, lost: int = 0, in_flight: int = 0) -> dict[str, Any]:
    return {
        "requests": {"abc": {"total": total, "errors_5xx": errors}, "def": {"total": 1, "errors_5xx": 0}},
        "lost": lost,
        "peers": [{"inflight": in_flight}, {"inflight": 1}],
    }


@pytest.mark.parametrize(
    ("before", "now", "line"),
    [
        (state(10), state(30), "10.0 requests/s, 0 of 20 failed, 0 without an answer, 1 in flight"),
        (state(10, 1, 1), state(14, 3, 2, 4), "2.0 requests/s, 2 of 4 failed, 1 without an answer, 5 in flight"),
        (state(10), state(10), "0.0 requests/s, nobody asked, 0 without an answer, 1 in flight"),
        (state(10), state(2), "1 in flight"),
    ],
    ids=["requests", "errors", "nobody", "nginx was started again"],
)
def test_a_beat_tells_what_happened_since_the_one_before(
    before: dict[str, Any], now: dict[str, Any], line: str
) -> None:
    assert heartbeat.pulse(before, now, 2.0) == line


def test_a_look_that_fails_is_told_and_the_next_one_is_tried() -> None:
    answers: list[dict[str, Any] | CommandError] = [
        state(1),
        CommandError("Docker gives no answer."),
        state(2),
        state(3),
    ]

    def look() -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, CommandError):
            raise answer
        output.print("what there is")
        return answer

    first, failed, again, last = (text.plain for text in islice(heartbeat.beats(look, lambda: None), 4))
    assert "what there is" in first
    assert "Docker gives no answer." in failed
    assert "requests/s" not in again
    assert "requests/s" in last
    assert [text[0] for text in (first, failed, again, last)] == ["●", "○", "●", "○"]
