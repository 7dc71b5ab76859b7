"""What is asked once, whoever needs it first; a failure is kept like an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ops.errors import CommandError

Answer = TypeVar("Answer")


class Memory:
    """Keeps what was asked; several threads may ask."""

    def __init__(self) -> None:
        self._answers: dict[str, tuple[Any, CommandError | None]] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def recall(self, name: str, ask: Callable[[], Answer]) -> Answer:
        """The answer, or the CommandError, that `ask` gave the first time."""
        with self._guard:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._answers:
                try:
                    self._answers[name] = (ask(), None)
                except CommandError as error:
                    self._answers[name] = (None, error)
        answer, kept = self._answers[name]
        if kept is not None:
            raise CommandError(str(kept), kept.code) from kept
        return answer  # type: ignore[no-any-return]


class Asked(Generic[Answer]):
    """A property of something with a `memory`: its function runs once."""

    def __init__(self, ask: Callable[[Any], Answer]) -> None:
        self._ask = ask
        self.__doc__ = ask.__doc__

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, one: Any, _owner: type | None = None) -> Answer:
        memory: Memory = one.memory
        return memory.recall(self._name, lambda: self._ask(one))
