"""Runs the steps side by side and shows how far each is."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TextIO

from ops.bootstrap.commands import Report, stop_all, stopping
from ops.bootstrap.errors import StepError

_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_MINUTE = 60
_PLAIN_INTERVAL = 30.0  # seconds between signs of life where nothing can be redrawn


@dataclass(frozen=True)
class Step:
    """One thing that is made: whether it is there, how it is made, and which steps must have ended before."""

    name: str
    ready: Callable[[], bool]
    make: Callable[[Report], str]  # returns a few words on how, may raise StepError
    after: tuple[str, ...] = ()


@dataclass
class _Progress:
    name: str
    started: float | None = None
    detail: str = ""
    told: float = field(default_factory=time.monotonic)


class Display:
    """Redrawn lines on a terminal; elsewhere a line when a step starts and ends, and now and then in between."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        unicode = (self._stream.encoding or "").lower().startswith("utf")
        self._done, self._failed, self._spinner = ("✓", "✗", _SPINNER) if unicode else ("+", "!", "|/-\\")
        self._lock = threading.Lock()
        self._running: list[_Progress] = []
        self._drawn = 0
        self._closed = threading.Event()
        if self._live:
            threading.Thread(target=self._redraw, daemon=True).start()

    def begin(self, name: str) -> Report:
        progress = _Progress(name, time.monotonic())
        with self._lock:
            self._running.append(progress)
            if not self._live:
                self._line(f"  {name} …" if self._done == "✓" else f"  {name} ...")
        return lambda detail: self._report(progress, detail)

    def end(self, name: str, note: str, *, failed: bool = False) -> None:
        with self._lock:
            progress = next(running for running in self._running if running.name == name)
            self._running.remove(progress)
            self._clear()
            mark = self._failed if failed else self._done
            self._line(f"{mark} {name:<24}{_elapsed(progress):>8}  {note}".rstrip())

    def close(self) -> None:
        with self._lock:
            self._closed.set()
            self._clear()

    def _report(self, progress: _Progress, detail: str) -> None:
        with self._lock:
            progress.detail = " ".join(detail.split())
            if not self._live and time.monotonic() - progress.told > _PLAIN_INTERVAL:
                progress.told = time.monotonic()
                self._line(f"  {progress.name:<24}{_elapsed(progress):>8}  {progress.detail[:100]}")

    def _redraw(self) -> None:
        turn = 0
        while not self._closed.wait(0.1):
            with self._lock:
                if self._closed.is_set():
                    return
                self._clear()
                width = shutil.get_terminal_size().columns - 1
                for progress in self._running:
                    mark = self._spinner[turn % len(self._spinner)]
                    self._line(f"{mark} {progress.name:<24}{_elapsed(progress):>8}  {progress.detail}"[:width])
                self._drawn = len(self._running)
            turn += 1

    def _clear(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}F\x1b[J")
            self._drawn = 0
            self._stream.flush()

    def _line(self, text: str) -> None:
        encoding = self._stream.encoding or "ascii"
        self._stream.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        self._stream.flush()


def missing(steps: Sequence[Step]) -> list[Step]:
    """The steps that have something to do."""
    with ThreadPoolExecutor(max(1, len(steps))) as pool:
        return [
            step for step, ready in zip(steps, pool.map(lambda step: step.ready(), steps), strict=True) if not ready
        ]


def make(steps: Sequence[Step], display: Display) -> dict[str, StepError]:
    """Make all steps side by side, each after those it names. The failures by step; the others go on."""
    futures: dict[str, Future[None]] = {}
    failures: dict[str, StepError] = {}

    def task(step: Step) -> None:
        before = [futures[name] for name in step.after if name in futures]
        wait(before)
        if any(name in failures for name in step.after):
            failures[step.name] = StepError(
                "not made, because " + " and ".join(n for n in step.after if n in failures) + " failed"
            )
            return
        report = display.begin(step.name)
        try:
            display.end(step.name, step.make(report))
        except StepError as error:
            failures[step.name] = error
            display.end(step.name, "stopped" if stopping() else "failed", failed=True)

    with ThreadPoolExecutor(max(1, len(steps))) as pool:
        try:
            for step in steps:  # a step stands behind those that it waits for
                futures[step.name] = pool.submit(task, step)
            for future in futures.values():
                future.result()
        except BaseException:
            stop_all()
            raise
    return failures


def _elapsed(progress: _Progress) -> str:
    seconds = time.monotonic() - (progress.started or progress.told)
    return f"{seconds:.1f} s" if seconds < _MINUTE else f"{int(seconds // _MINUTE)}:{int(seconds % _MINUTE):02d} min"
