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


def last_line(path: Path) -> str:
    """The last line with something in it, without what steers a terminal."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        lines = [_CONTROL.sub("", line).strip() for line in file.read().decode(errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "")
