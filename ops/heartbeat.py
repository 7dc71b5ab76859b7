"""The heartbeat of an environment: the same look again and again, and what happened in between."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from rich.live import Live
from rich.text import Text

from ops.console import output
from ops.errors import CommandError

SECONDS = 2.0
_BEATS = "●○"


def follow(look: Callable[[], dict[str, Any]]) -> None:
    """Show what `look` prints, anew every two seconds until Ctrl-C; it returns what the proxy knows.

    Where nothing can be shown in the same place again, each look follows the one before.
    """
    looks = beats(look, lambda: time.sleep(SECONDS))
    with suppress(KeyboardInterrupt):
        if output.is_terminal:
            with Live(console=output, auto_refresh=False, screen=True) as live:
                for text in looks:
                    live.update(text, refresh=True)
        else:
            for text in looks:
                output.print(text)


def beats(look: Callable[[], dict[str, Any]], wait: Callable[[], None]) -> Iterator[Text]:
    """A text for each look. One that fails is told, and the next one is tried all the same."""
    before: dict[str, Any] = {}
    before_at = time.monotonic()
    for beat in itertools.cycle(_BEATS):
        try:
            with output.capture() as captured:
                state = look()
            shown, now_at = captured.get(), time.monotonic()
            line = pulse(before, state, now_at - before_at) if before else ""
            before, before_at = state, now_at
        except CommandError as error:
            shown, line, before = "", str(error), {}
        yield Text.from_ansi(f"{beat} {datetime.now().astimezone():%H:%M:%S}  {line}\n\n{shown}")
        wait()


def pulse(before: dict[str, Any], now: dict[str, Any], seconds: float) -> str:
    """Requests and errors per second between two states of the proxy, and what it is doing."""
    answered, failed = (_sum(now, key) - _sum(before, key) for key in ("total", "errors_5xx"))
    lost = int(now.get("lost") or 0) - int(before.get("lost") or 0)
    in_flight = sum(int(peer.get("inflight") or 0) for peer in now.get("peers") or [])
    if answered < 0 or seconds <= 0:  # nginx was started again, or the totals of an old release are gone
        return f"{in_flight} in flight"
    errors = f"{failed} of {answered} failed" if answered else "nobody asked"
    return f"{answered / seconds:.1f} requests/s, {errors}, {lost} without an answer, {in_flight} in flight"


def _sum(state: dict[str, Any], key: str) -> int:
    return sum(int(totals.get(key) or 0) for totals in (state.get("requests") or {}).values())
