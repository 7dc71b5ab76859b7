"""The checkout of a git source: the one commit that the stack file pins, fetched once."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ops.console import notes
from ops.errors import CommandError
from ops.places import PROJECT
from ops.stack_file import StackFile
from source import checkout_folder, is_commit, is_git_url


def ensure(stack: StackFile, project: Path = PROJECT) -> None:
    """Fetch the pinned commit when it is not there. Raises CommandError with git's own words.

    A source that is a folder, or that pins no commit, is left to the program, which reports all mistakes together.
    """
    url, commit = stack.value("app", "source"), stack.value("app", "ref")
    if not (isinstance(url, str) and is_git_url(url) and isinstance(commit, str) and is_commit(commit)):
        return
    folder = checkout_folder(project, commit)
    if folder.is_dir():
        return
    notes.print(f"Fetching commit {commit[:12]} of the source …")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetching-") as name:
        unfinished = Path(name) / "checkout"
        _fetch(url, commit, unfinished)
        shutil.rmtree(unfinished / ".git")
        unfinished.rename(folder)


def _fetch(url: str, commit: str, folder: Path) -> None:
    """Most servers hand out a single commit; from the others everything is fetched."""
    _git("init", "--quiet", str(folder))
    single = ["fetch", "--quiet", "--depth", "1", "--", url, commit]
    if _try("-C", str(folder), *single).returncode != 0:
        _git("-C", str(folder), "fetch", "--quiet", "--", url, "+refs/*:refs/fetched/*")
    _git("-C", str(folder), "checkout", "--quiet", "--detach", commit)


def _try(*arguments: str) -> subprocess.CompletedProcess[str]:
    # Without a terminal git would wait for a password that nobody can type.
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    return subprocess.run(
        ["git", *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def _git(*arguments: str) -> None:
    done = _try(*arguments)
    if done.returncode != 0:
        raise CommandError(f"app.source: the pinned commit cannot be fetched: {done.stderr.strip()}")
