"""Stamps: a made thing is up to date as long as the key that it was made from is the same."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ops.places import STAMPS


def key(*parts: str | Path) -> str:
    """A hash of texts and of the contents of files; a missing file counts as empty."""
    digest = hashlib.sha256()
    for part in parts:
        content = _content(part) if isinstance(part, Path) else part.encode()
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def write_atomically(path: Path, content: str, mode: int = 0o644) -> None:
    """Write `path` so that it is whole or not there, whenever the machine stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(content)
    draft.replace(path)


class Stamp:
    """The key of one made thing, and whether its making was begun and never ended."""

    def __init__(self, name: str, folder: Path = STAMPS) -> None:
        self._done = folder / name
        self._begun = folder / f"{name}.begun"

    def fits(self, current: str) -> bool:
        return self.value() == current and not self.interrupted()

    def value(self) -> str | None:
        try:
            return self._done.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def interrupted(self) -> bool:
        return self._begun.exists()

    def begin(self) -> None:
        write_atomically(self._begun, "")

    def forget(self) -> None:
        """As if it had never been made."""
        self._done.unlink(missing_ok=True)
        self._begun.unlink(missing_ok=True)

    def done(self, current: str) -> None:
        write_atomically(self._done, current)
        self._begun.unlink(missing_ok=True)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
