"""While the program is being built it reads files, and touches nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from environments import ENVIRONMENTS, recorded

FORBIDDEN = frozenset(
    f"{module}.{action}"
    for module, actions in {
        "os": [
            "system",
            "exec",
            "fork",
            "posix_spawn",
            "mkdir",
            "remove",
            "rename",
            "rmdir",
            "link",
            "symlink",
            "chmod",
            "truncate",
        ],
        "socket": ["connect", "getaddrinfo", "gethostbyname", "sendto"],
        "subprocess": ["Popen"],
    }.items()
    for action in actions
)


class Watch:
    """What Python was asked to do to the world outside. Its hook stays for good, so there is one for all tests."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in FORBIDDEN:
            self.seen.append(event)
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            self.seen.append(f"write {arguments[0]}")

    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        self.on, self.seen = True, []
        try:
            yield self.seen
        finally:
            self.on = False


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_program_changes_nothing_and_asks_nobody(name: str, folder: Path, watch: Watch) -> None:
    recorded(name, folder)  # Python writes what it compiled when it first imports a module
    with watch.watching() as seen:
        ENVIRONMENTS[name].run(folder)
    assert seen == []


def test_the_watch_sees_what_it_is_for(watch: Watch, tmp_path: Path) -> None:
    with watch.watching() as seen:
        (tmp_path / "file").write_text("x", encoding="utf-8")
        subprocess.run(["true"], check=True)
        with socket.socket() as one, pytest.raises(OSError, match=r"refused|denied|unreachable"):
            one.connect(("127.0.0.1", 1))
    assert seen[0] == f"write {tmp_path / 'file'}"
    assert {"subprocess.Popen", "socket.connect"} <= set(seen)
