"""A command that could not do what it was asked."""

from __future__ import annotations

FAILED = 1
MISTAKE = 2  # in the usage or the configuration: doing the same again cannot help


class CommandError(Exception):
    """What is wrong, where, and what to do; `code` is the exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code
