"""The container that looks after a stack's backups, and what its tools answer."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from ops import containers
from ops.console import notes
from ops.errors import FAILED, MISTAKE, CommandError

_USAGE = 2  # exit code of the tools


@dataclass(frozen=True)
class Answer:
    """What a tool answered, None when it did not; `errors` is what went wrong, empty when nothing did."""

    data: Any
    errors: str
    code: int

    def data_or_error(self) -> Any:
        """The answer of a tool that either does all of it or nothing. Raises CommandError with its words."""
        if self.code != 0:
            raise CommandError(self.errors, MISTAKE if self.code == _USAGE else FAILED)
        return self.data


@dataclass(frozen=True)
class Caretaker:
    """The running container."""

    container: str
    host: str | None

    def ask(self, *arguments: str) -> Answer:
        """Run a tool that is quick."""
        with self._started("--quiet", *arguments) as lines:
            return self._answer(lines)

    def follow(self, *arguments: str) -> Answer:
        """Run a tool that takes its time, and show how far it is."""
        with self._started(*arguments) as started, _Display() as display:
            return self._answer(started, display)

    def facts(self) -> dict[str, Any]:
        """How the backups are; when nothing can be learnt, the reason is among the problems."""
        answer = self.ask("state")
        if isinstance(answer.data, dict):
            return answer.data
        return {"ok": False, "problems": [answer.errors or "no answer"], "places": {}}

    def send(self, content: bytes, *arguments: str) -> Answer:
        """Run a tool that reads `content`."""
        command = [*self._command(), "--interactive", self.container, "backups", *arguments, "--quiet"]
        done = subprocess.run(command, input=content, capture_output=True, check=False)
        return Answer(None, _plain(done.stderr.decode(errors="replace")), done.returncode)

    def receive(self, path: Path, content: str, *arguments: str) -> Answer:
        """Run a tool that reads `content`, and whose output becomes the file, readable for its owner only.

        How far it is, and its answer, come on the other output.
        """
        command = [*self._command(), "--interactive", self.container, "backups", *arguments]
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file, tempfile.TemporaryFile() as given, _Display() as display:
            given.write(content.encode())
            given.seek(0)
            with subprocess.Popen(
                command, stdin=given, stdout=file, stderr=subprocess.PIPE, text=True, errors="replace"
            ) as process:
                answer, complaints = "", []
                for line in process.stderr or ():
                    if line.startswith("{"):
                        answer = line
                    elif line.startswith("progress "):
                        display.show(line)
                    else:
                        complaints.append(line)
        return Answer(json.loads(answer) if answer else None, _plain("".join(complaints)), process.returncode)

    def _command(self) -> list[str]:
        return [*containers.client(self.host), "exec"]

    @contextmanager
    def _started(self, *arguments: str) -> Iterator[_Running]:
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints:
            command = [*self._command(), self.container, "backups", *sorted(arguments, key=lambda one: one[0] == "-")]
            with subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints, text=True
            ) as process:
                yield _Running(process, complaints)

    @staticmethod
    def _answer(running: _Running, display: _Display | None = None) -> Answer:
        last = ""
        for line in running.process.stdout or ():
            if not line.startswith("progress "):
                last = line
            elif display:
                display.show(line)
        code = running.process.wait()
        running.complaints.seek(0)
        return Answer(json.loads(last) if last else None, _plain(running.complaints.read()), code)


@dataclass(frozen=True)
class _Running:
    process: subprocess.Popen[str]
    complaints: Any


class _Display:
    """On a terminal a bar for what is under way; elsewhere a line for each thing that is begun."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=notes,
            transient=True,
            disable=not notes.is_terminal,
        )
        self._what = ""
        self._task: TaskID | None = None

    def __enter__(self) -> _Display:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, line: str) -> None:
        """A line by which a tool says how far it is."""
        _, percent, what = line.rstrip("\n").split(" ", 2)
        self.tell(what, None if percent == "-" else int(percent))

    def tell(self, what: str, percent: int | None) -> None:
        if what != self._what or self._task is None:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(what, total=None)
            self._what = what
            if not notes.is_terminal:
                notes.print(f"  {what} …", markup=False)
        if percent is not None:
            self._progress.update(self._task, total=100, completed=percent)


def of_stack(stack: str, host: str | None) -> Caretaker | None:
    """The container that looks after the backups of `stack`; None when none runs."""
    wanted = containers.filters(stack, "backups")
    names = containers.docker(["ps", *wanted, "--format", "{{.Names}}"], host).split()
    return Caretaker(names[0], host) if names else None


def running(stack: str, host: str | None) -> Caretaker:
    """The same. Raises CommandError when none runs."""
    found = of_stack(stack, host)
    if found is None:
        raise CommandError(f"Nothing looks after backups in stack {stack}; ./monopco up -s {stack} starts it.")
    return found


def _plain(text: str) -> str:
    return text.strip().removeprefix("backups: ").replace("\nbackups: ", "\n")
