"""The logs that image builds write while they run."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.places import LOGS

_PATTERN = "build-*.log"
_INTERVAL = 1.0  # seconds
_TAIL = 4096  # bytes
_WORDS = 32768  # bytes
_SHOWN = 40  # lines of a failed build
_FAILED = re.compile(r"#(\d+) ERROR")
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f]")


class BuildLogs:
    """Tells the last line of each build that is under way."""

    def __init__(self, folder: Path = LOGS) -> None:
        self._folder = folder
        self._since = time.time()
        self._told: dict[Path, str] = {}

    @contextmanager
    def followed(self, tell: Callable[[str, str], None]) -> Iterator[None]:
        """Call `tell(build, line)` for new last lines as long as the block runs."""
        ended = threading.Event()

        def follow() -> None:
            while not ended.wait(_INTERVAL):
                for build, line in self.news():
                    tell(build, line)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def news(self) -> Iterator[tuple[str, str]]:
        for path in sorted(self._folder.glob(_PATTERN)):
            try:
                if path.stat().st_mtime < self._since:
                    continue
                line = last_line(path)
            except OSError:
                continue
            if line and self._told.get(path) != line:
                self._told[path] = line
                yield path.stem.removeprefix("build-"), line

    def last_words(self, build: str) -> list[str]:
        """What the step that failed said last in a build of this run; none when there was no build."""
        path = self._folder / f"build-{build}.log"
        try:
            return failed_step(_last_lines(path, _WORDS))[-_SHOWN:] if path.stat().st_mtime >= self._since else []
        except OSError:
            return []


def failed_step(lines: list[str]) -> list[str]:
    """The lines of the step that failed, without BuildKit's number and clock; all lines when none is marked so."""
    failed = next((match[1] for line in reversed(lines) if (match := _FAILED.match(line))), None)
    if failed is None:
        return lines
    said = re.compile(rf"#{failed} (?:[0-9.]+ )?(?!ERROR|DONE|CACHED)(.*)")
    return [match[1] for line in lines if (match := said.fullmatch(line))]


def last_line(path: Path) -> str:
    """The last line with something in it, without what steers a terminal."""
    return next(reversed(_last_lines(path, _TAIL)), "")


def _last_lines(path: Path, size: int) -> list[str]:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        lines = [_CONTROL.sub("", line).strip() for line in file.read().decode(errors="replace").splitlines()]
    return [line for line in lines if line]
