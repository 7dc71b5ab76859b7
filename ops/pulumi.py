"""Runs Pulumi on a stack and says what went wrong in words for people."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ops import locks, reach
from ops.console import notes
from ops.environment import uses_own_state
from ops.errors import FAILED, MISTAKE, CommandError
from ops.events import Display, Outcome
from ops.places import DEFAULT_STACK, LOGS, PASSPHRASE, PROJECT, STATE
from ops.turn import LockedError, Turn

_STACK_NOT_FOUND = 6  # exit code of the CLI
# The command plugin quotes the whole script that failed before it tells what the script said.
_SCRIPT = re.compile(r'(?:exit status|Process exited with status) \d+: running "(?:[^"\\]|\\.)*"(?::\n| failed)?')
# What to do about words of the command plugin's.
_HINTS = {
    "unable to authenticate": "The server does not accept the key. Put its public part into ~/.ssh/authorized_keys of "
    "server.user on the server, or give the right one: pulumi config set --secret --path monopco:server.privateKey < "
    "FILE. Without server.privateKey, the keys of your SSH agent are used (ssh-add -l).",
    "host key mismatch": "The server shows another host key than server.hostKey: somebody is in between, or it was set "
    "up anew. If you know that it was, ./monopco up pins the new one after: pulumi config rm --path "
    "monopco:server.hostKey",
}
_MISTAKES = re.compile(r"^\d+ (mistakes? in the configuration|findings? against the policies)")


class Pulumi:
    """The stack `name` of this project."""

    def __init__(self, name: str, turn: Turn | None = None) -> None:
        self.name = name
        self.turn = turn or Turn()

    def ensure(self) -> None:
        """Make the stack when Pulumi does not know it yet, and let go of it when a Pulumi that ended still holds it."""
        own = uses_own_state(os.environ)
        if not (own and self._state_file().is_file()) and not self.exists():
            select = [] if self.name == DEFAULT_STACK else ["--no-select"]  # never select prod by the way
            self._ask(["stack", "init", self.name, *select], stack=False)
        held = locks.of_stack(self.name) if own else []
        if held and all(lock.abandoned() for lock in held):
            notes.print(f"The run of {held[0]} ended without letting go of the stack; going on from where it was.")
            self._cancel()

    def _drop_cut_notes(self) -> None:
        """Remove what Pulumi notes beside each file of its state (`.attrs`) where a kill left it cut short.

        The state itself is written elsewhere and put in its place at once; the notes are not, and without the end of
        theirs Pulumi says "EOF" of a state that is whole. Without them it only does not know the type of the file.
        """
        if not uses_own_state(os.environ):
            return
        locks_of_stack = STATE / ".pulumi" / "locks" / "organization" / "monopco" / self.name
        for notes_file in (
            *self._state_file().parent.glob(f"{self.name}.json*.attrs"),
            *locks_of_stack.glob("*.attrs"),
        ):
            with suppress(FileNotFoundError):
                text = notes_file.read_text(encoding="utf-8", errors="replace")
                if not _is_json(text):
                    notes_file.unlink()

    def _cancel(self) -> None:
        self._ask(["cancel", self.name, "--yes"], stack=False)

    def exists(self) -> bool:
        return self._ask(["stack", "--show-name"], allowed=(0, _STACK_NOT_FOUND)) != ""

    def outputs(self, *, secrets: bool = False) -> dict[str, Any]:
        """The stack's outputs; secret ones are "[secret]" unless they are asked for."""
        shown = ["--show-secrets"] if secrets else []
        return dict(json.loads(self._ask(["stack", "output", "--json", *shown]) or "{}"))

    def resources(self) -> list[dict[str, Any]]:
        """What the state says about every resource; secrets stay encrypted."""
        return list(self._deployment().get("resources") or [])

    def resources_in_clear(self) -> list[dict[str, Any]]:
        """The same with the secrets, as `{"plaintext": JSON}`: for this process only."""
        return list(json.loads(self.exported(secrets=True))["deployment"].get("resources") or [])

    def exported(self, *, secrets: bool = False) -> str:
        """The state as JSON; secrets stay encrypted unless they are asked for."""
        return self._ask(["stack", "export", *(["--show-secrets"] if secrets else [])])

    def opened_config(self) -> dict[str, Any]:
        """The stack's configuration by key, secrets included."""
        shown = json.loads(self._ask(["config", "--json", "--show-secrets"]))
        return {key: one.get("objectValue", one.get("value")) for key, one in shown.items()}

    def pending(self) -> list[dict[str, Any]]:
        """What was begun by a run that was killed, and whose end nobody knows."""
        return list(self._deployment().get("pending_operations") or [])

    def forget_pending(self) -> None:
        """Take what was begun out of the state; what has become of it is the caller's to know."""
        exported = json.loads(self.exported())
        exported["deployment"].pop("pending_operations", None)
        with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(exported, file)
            file.flush()
            self._ask(["stack", "import", "--file", file.name])

    def configured(self, path: str) -> str:
        """A value of the stack file, decrypted."""
        return self._ask(["config", "get", "--path", path])

    def set_config(self, path: str, value: str) -> None:
        self._ask(["config", "set", "--path", path, value])

    def set_secret(self, path: str, value: str) -> None:
        """The value goes by standard input: an argument list is for all to read."""
        self._ask(["config", "set", "--secret", "--path", path], stdin=value)

    def secret_output(self, name: str) -> str:
        """One output in clear text."""
        return self._ask(["stack", "output", name, "--show-secrets"])

    def remove(self) -> None:
        """Forget the stack, which must be empty, its file and its history."""
        self._ask(["stack", "rm", self.name, "--yes"], stack=False)
        if uses_own_state(os.environ):
            for kept in ("history/monopco", "backups/monopco", "locks/organization/monopco"):
                shutil.rmtree(STATE / ".pulumi" / kept / self.name, ignore_errors=True)
            for copy in self._state_file().parent.glob(f"{self.name}.json*"):
                copy.unlink(missing_ok=True)

    def protect(self, urn: str, *, protected: bool) -> None:
        self._ask(["state", "protect" if protected else "unprotect", urn, "--yes"])

    def check(self) -> None:
        """Raises CommandError when the program refuses the configuration. Shows and changes nothing."""
        self.operate("preview", quiet=True)

    def operate(self, verb: str, arguments: Sequence[str] = (), *, quiet: bool = False) -> Outcome:
        """Run up, preview or destroy. Raises CommandError with every error once."""
        return self.turn.take(lambda: self._run(verb, arguments, Display(quiet=quiet), iter), self._cancel)

    def preview(self, arguments: Sequence[str], seen: list[dict[str, Any]]) -> Outcome:
        """Run a preview in silence; `seen` gets every event, also when CommandError is raised."""
        return self._run("preview", arguments, Display(quiet=True), lambda events: _kept(events, seen))

    def _run(
        self,
        verb: str,
        arguments: Sequence[str],
        display: Display,
        through: Callable[[Iterator[dict[str, Any]]], Iterator[dict[str, Any]]],
    ) -> Outcome:
        self._drop_cut_notes()
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
            outcome = display.follow(through(_events(process)))
            code = process.wait()
            complaints.seek(0)
            if code != 0:
                words = outcome.errors or [complaints.read().strip() or _wordless(code)]
                raise self._failure(words)
        return outcome

    def _deployment(self) -> dict[str, Any]:
        if not uses_own_state(os.environ):
            return dict(json.loads(self.exported())["deployment"] or {})
        path = self._state_file()
        if not path.is_file():
            return {}
        return dict(self._checkpoint(path).get("latest") or {})

    def _state_file(self) -> Path:
        """Where the project's own state keeps the stack: looking there spares half a second of Pulumi's."""
        return STATE / ".pulumi" / "stacks" / "monopco" / f"{self.name}.json"

    def _checkpoint(self, path: Path) -> dict[str, Any]:
        text = path.read_text(encoding="utf-8")
        try:
            return dict(json.loads(text)["checkpoint"])
        except (ValueError, KeyError, TypeError) as error:
            raise CommandError(_damaged(self.name, path, text, error)) from None

    def _ask(
        self, arguments: Sequence[str], *, stack: bool = True, allowed: Sequence[int] = (0,), stdin: str = ""
    ) -> str:
        self._drop_cut_notes()
        command = ["pulumi", *arguments, *(["--stack", self.name] if stack else []), "--non-interactive"]
        done = subprocess.run(command, cwd=PROJECT, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode not in allowed:
            raise self._failure([done.stderr or done.stdout])
        return done.stdout.strip()

    def _failure(self, errors: Sequence[str]) -> CommandError:
        # A server that cannot be reached is the same reason for all that was to be done there.
        text = "\n\n".join(dict.fromkeys(plain(error) for error in errors))
        if "incorrect passphrase" in text:
            return CommandError(_wrong_passphrase(self.name), MISTAKE)
        if "unsupported checkpoint version" in text:
            return CommandError(_newer(self.name), FAILED)
        if "currently locked" in text:
            holders = (locks.of_stack(self.name) if uses_own_state(os.environ) else []) or locks.told(text)
            return LockedError(_locked(self.name, text, holders), holders)
        return CommandError(text, MISTAKE if any(_MISTAKES.match(plain(error)) for error in errors) else FAILED)


def stacks() -> list[dict[str, Any]]:
    """The stacks of this project that the backend knows, each with its name and last update."""
    done = subprocess.run(
        ["pulumi", "stack", "ls", "--json", "--non-interactive"],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CommandError(plain(done.stderr or done.stdout))
    return list(json.loads(done.stdout or "[]"))


def plain(error: str) -> str:
    """An error without what only helps who writes the program; a traceback goes to a file and leaves its last line."""
    text = reach.in_words(_SCRIPT.sub("", error.strip().removeprefix("error: ")))
    if "Traceback (most recent call last):" not in text:
        return "\n".join([text, *(hint for words, hint in _HINTS.items() if words in text)])
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / "last-error.log"
    log.write_text(text, encoding="utf-8")
    last = next(line for line in reversed(text.splitlines()) if line.strip())
    return f"{last.strip()}\n  (all of it: {log.relative_to(PROJECT)})"


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


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


def _kept(events: Iterator[dict[str, Any]], seen: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for event in events:
        seen.append(event)
        yield event


def _parsed(lines: IO[str] | None) -> Iterator[dict[str, Any]]:
    for line in lines or ():
        if line.startswith("{"):
            yield json.loads(line)


def _damaged(stack: str, path: Path, text: str, error: Exception) -> str:
    what = f"is cut short or damaged ({error})" if text.strip() else "is empty"
    before = path.with_name(f"{path.name}.bak")
    help_ = (
        f"Pulumi left the state of one change earlier beside it: cp {before} {path} && pulumi refresh --stack {stack}"
        if before.is_file()
        else f"Bring it back from your backup of {path.parent}."
    )
    return f"The state of stack {stack}, {path}, {what}. Nothing was touched. {help_}"


def _newer(stack: str) -> str:
    return (
        f"The state of stack {stack} was written by a newer Pulumi than the one that is used here. "
        f"Use that one, or take up its version: git pull, then ./monopco up -s {stack}"
    )


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


def _locked(stack: str, text: str, holders: Sequence[locks.Lock]) -> str:
    who = "\n".join(f"  - {lock}" for lock in holders) or text
    return (
        f"Stack {stack} is being changed by another run:\n{who}\n"
        f"Wait until it has ended: ./monopco up --wait 900 -s {stack}. If it has ended and left the lock behind: "
        f"pulumi cancel --stack {stack}"
    )
