"""Runs Pulumi on a stack and says what went wrong in words for people."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ops import locks
from ops.console import notes
from ops.environment import uses_own_state
from ops.errors import FAILED, MISTAKE, CommandError
from ops.events import Display, Outcome
from ops.places import DEFAULT_STACK, LOGS, PASSPHRASE, PROJECT, STATE

_STACK_NOT_FOUND = 6  # exit code of the CLI
# The command plugin quotes the whole script that failed before it tells what the script said.
_SCRIPT = re.compile(r'exit status \d+: running "(?:[^"\\]|\\.)*"(?::\n| failed)?')
_MISTAKES = re.compile(r"^\d+ mistakes? in the configuration")


class Pulumi:
    """The stack `name` of this project."""

    def __init__(self, name: str) -> None:
        self.name = name

    def ensure(self) -> None:
        """Make the stack when Pulumi does not know it yet, and let go of it when a Pulumi that ended still holds it."""
        own = uses_own_state(os.environ)
        if not (own and self._state_file().is_file()) and not self.exists():
            select = [] if self.name == DEFAULT_STACK else ["--no-select"]  # never select prod by the way
            self._ask(["stack", "init", self.name, *select], stack=False)
        held = locks.of_stack(self.name) if own else []
        if held and all(lock.abandoned() for lock in held):
            notes.print(f"The run of {held[0]} ended without letting go of the stack; going on from where it was.")
            self._ask(["cancel", self.name, "--yes"], stack=False)

    def exists(self) -> bool:
        return self._ask(["stack", "--show-name"], allowed=(0, _STACK_NOT_FOUND)) != ""

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs; secret ones are "[secret]"."""
        return dict(json.loads(self._ask(["stack", "output", "--json"]) or "{}"))

    def resources(self) -> list[dict[str, Any]]:
        """What the state says about every resource; secrets stay encrypted."""
        return list(json.loads(self._ask(["stack", "export"]))["deployment"].get("resources") or [])

    def pending(self) -> list[dict[str, Any]]:
        """What was begun by a run that was killed, and whose end nobody knows."""
        if uses_own_state(os.environ):
            path = self._state_file()
            if not path.is_file():
                return []
            deployment = json.loads(path.read_text(encoding="utf-8"))["checkpoint"].get("latest") or {}
        else:
            deployment = json.loads(self._ask(["stack", "export"]))["deployment"]
        return list(deployment.get("pending_operations") or [])

    def forget_pending(self) -> None:
        """Take what was begun out of the state; what has become of it is the caller's to know."""
        exported = json.loads(self._ask(["stack", "export"]))
        exported["deployment"].pop("pending_operations", None)
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(exported, file)
            file.flush()
            self._ask(["stack", "import", "--file", file.name])

    def set_config(self, path: str, value: str) -> None:
        self._ask(["config", "set", "--path", path, value])

    def protect(self, urn: str, *, protected: bool) -> None:
        self._ask(["state", "protect" if protected else "unprotect", urn, "--yes"])

    def check(self) -> None:
        """Raises CommandError when the program refuses the configuration. Shows and changes nothing."""
        self.operate("preview", quiet=True)

    def operate(self, verb: str, arguments: Sequence[str] = (), *, quiet: bool = False) -> Outcome:
        """Run up, preview or destroy. Raises CommandError with every error once."""
        command = ["pulumi", verb, "--stack", self.name, "--json", "--non-interactive", *arguments]
        if verb != "preview":
            command += ["--yes", "--skip-preview"]
        environment = {**os.environ, "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"}
        with (
            tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as complaints,
            subprocess.Popen(
                command,
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                # Signals come from us alone, so that Pulumi ends what it has begun.
                start_new_session=True,
            ) as process,
        ):
            outcome = Display(quiet=quiet).follow(_events(process))
            code = process.wait()
            complaints.seek(0)
            if code != 0:
                words = outcome.errors or [complaints.read().strip() or _wordless(code)]
                raise self._failure(words)
        return outcome

    def _state_file(self) -> Path:
        """Where the project's own state keeps the stack: looking there spares half a second of Pulumi's."""
        return STATE / ".pulumi" / "stacks" / "monopco" / f"{self.name}.json"

    def _ask(self, arguments: Sequence[str], *, stack: bool = True, allowed: Sequence[int] = (0,)) -> str:
        command = ["pulumi", *arguments, *(["--stack", self.name] if stack else []), "--non-interactive"]
        done = subprocess.run(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode not in allowed:
            raise self._failure([done.stderr or done.stdout])
        return done.stdout.strip()

    def _failure(self, errors: Sequence[str]) -> CommandError:
        text = "\n\n".join(plain(error) for error in errors)
        if "incorrect passphrase" in text:
            return CommandError(_wrong_passphrase(self.name), MISTAKE)
        if "currently locked" in text:
            return CommandError(_locked(self.name, text), FAILED)
        return CommandError(text, MISTAKE if any(_MISTAKES.match(plain(error)) for error in errors) else FAILED)


def plain(error: str) -> str:
    """An error without what only helps who writes the program; a traceback goes to a file and leaves its last line."""
    text = _SCRIPT.sub("", error.strip().removeprefix("error: "))
    if "Traceback (most recent call last):" not in text:
        return text
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / "last-error.log"
    log.write_text(text, encoding="utf-8")
    last = next(line for line in reversed(text.splitlines()) if line.strip())
    return f"{last.strip()}\n  (all of it: {log.relative_to(PROJECT)})"


def _wordless(code: int) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"Pulumi {how} and said nothing. The next run goes on from where it was."


def _events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """The events of a running Pulumi. An interrupt asks it to stop after what it is doing; a second one stops it."""
    asked = 0

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal asked
        asked += 1
        process.send_signal(signal.SIGINT)
        again = "Interrupt again to stop at once." if asked == 1 else "Stopping at once."
        notes.print(f"Stopping when what is being done has ended. {again}" if asked == 1 else again)

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield from _parsed(process.stdout)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parsed(lines: IO[str] | None) -> Iterator[dict[str, Any]]:
    for line in lines or ():
        if line.startswith("{"):
            yield json.loads(line)


def _wrong_passphrase(stack: str) -> str:
    if "PULUMI_CONFIG_PASSPHRASE" in os.environ:
        source = "the variable PULUMI_CONFIG_PASSPHRASE"
    else:
        source = os.environ.get("PULUMI_CONFIG_PASSPHRASE_FILE", str(PASSPHRASE))
    return (
        f"The passphrase in {source} is not the one that stack {stack} was made with. Put the right one there. "
        f"If it is lost, so are the secrets: remove the lines `encryptionsalt` and `secure` from Pulumi.{stack}.yaml, "
        f"run `pulumi stack rm {stack} --force --preserve-config`, and set the secrets anew."
    )


def _locked(stack: str, text: str) -> str:
    held = locks.of_stack(stack) if uses_own_state(os.environ) else []
    who = "\n".join(f"  - {lock}" for lock in held) or text
    return (
        f"Stack {stack} is being changed by another run:\n{who}\n"
        f"Wait until it has ended. If it has ended and left the lock behind: pulumi cancel --stack {stack}"
    )
