"""A stream of bytes between a file and a program, with progress."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

from ops.console import notes
from ops.errors import CommandError

_CHUNK = 1 << 20
_TELL_SECONDS = 5.0


def to_file(command: Sequence[str], path: Path, what: str) -> int:
    """What a program prints becomes the file, readable for its owner only; the number of bytes.

    It has its name when it is whole and on the disk. Raises CommandError, and leaves nothing, when the program fails.
    """
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file, _running(command, stdout=subprocess.PIPE) as process:
            with _progress(what, None) as tell:
                while chunk := process.stdout.read(_CHUNK) if process.stdout else b"":
                    file.write(chunk)
                    tell(len(chunk))
            file.flush()
            os.fsync(file.fileno())
        size = partial.stat().st_size
        partial.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
    return size


def from_file(path: Path, command: Sequence[str], what: str) -> None:
    """The file becomes the standard input of a program. Raises CommandError with its words when it fails."""
    with path.open("rb") as file, _running(command, stdin=subprocess.PIPE) as process:
        with _progress(what, path.stat().st_size) as tell:
            try:
                while chunk := file.read(_CHUNK):
                    if process.stdin:
                        process.stdin.write(chunk)
                    tell(len(chunk))
            except BrokenPipeError:
                pass  # why it has ended is told by its exit code and its words
        if process.stdin:
            with suppress(BrokenPipeError):
                process.stdin.close()


@contextmanager
def _running(
    command: Sequence[str], *, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[bytes]]:
    with tempfile.TemporaryFile() as complaints:
        with subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=complaints) as process:
            yield process
        if process.returncode != 0:
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip()
            raise CommandError(said or f"{command[0]} ended with exit code {process.returncode}")


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, and elsewhere a line every few seconds."""
    done, last = 0, time.monotonic()
    bar = Progress(
        TextColumn(what),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
        console=notes,
        transient=True,
        disable=not notes.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=total)

        def tell(count: int) -> None:
            nonlocal done, last
            done += count
            bar.update(task, advance=count)
            if not notes.is_terminal and time.monotonic() - last > _TELL_SECONDS:
                last = time.monotonic()
                of = f" of {total / 1e6:.0f}" if total else ""
                notes.print(f"{what}: {done / 1e6:.0f}{of} MB")

        yield tell
