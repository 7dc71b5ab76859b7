"""The checkout of a git source: the commit that the stack file pins, found by branch or tag, fetched once."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ops.console import notes
from ops.errors import MISTAKE, CommandError
from ops.places import PROJECT
from ops.pulumi import Pulumi
from ops.stack_file import StackFile
from source import checkout_folder, is_commit, is_git_url, tag_file, without_login

_TAG = "refs/tags/"


def pin(file: StackFile, pulumi: Pulumi, ref: str) -> StackFile:
    """The stack's file with `app.ref` as a commit: `ref`, or the branch or tag that stands there. Asks the repository.

    Raises CommandError when `ref` is given for a folder, or when the repository has no such branch or tag.
    """
    url, wanted = file.value("app", "source"), ref or file.value("app", "ref") or "HEAD"
    if not (isinstance(url, str) and is_git_url(url)):
        if ref:
            raise CommandError(
                f"--ref: app.source is a folder ({url}), not a git repository; check it out there.", MISTAKE
            )
        return file
    commit, tag = (wanted, "") if is_commit(wanted) else resolve(url, wanted)
    if tag:
        path = tag_file(PROJECT, commit)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(tag, encoding="utf-8")
    if commit == file.value("app", "ref"):
        return file
    pulumi.set_config("monopco:app.ref", commit)
    notes.print(f"{wanted} is commit {commit[:12]} (written to Pulumi.{file.name}.yaml).", markup=False)
    return StackFile.read(file.name)


def resolve(url: str, ref: str) -> tuple[str, str]:
    """The commit of a branch or tag, and the name of a tag of that commit. Raises CommandError."""
    listed = _git(
        "ls-remote", "--", url, "HEAD", "refs/heads/*", "refs/tags/*", about=f"app.source: {without_login(url)}"
    )
    # An annotated tag has an object of its own; the line with ^{} names its commit.
    commits = {name: commit for commit, name in (line.split("\t") for line in listed.splitlines())}
    found = next(
        (commits[name] for name in (ref, f"{_TAG}{ref}^{{}}", f"{_TAG}{ref}", f"refs/heads/{ref}") if name in commits),
        None,
    )
    if found is None:
        raise CommandError(
            f"app.ref: {without_login(url)} has no branch or tag {ref}; git ls-remote shows those that it has",
            MISTAKE,
        )
    tags = [
        name.removeprefix(_TAG).removesuffix("^{}")
        for name, commit in commits.items()
        if commit == found and name.startswith(_TAG)
    ]
    return found, ref if ref in tags else next(iter(sorted(tags)), "")


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


def _git(*arguments: str, about: str = "app.source: the pinned commit cannot be fetched") -> str:
    done = _try(*arguments)
    if done.returncode != 0:
        raise CommandError(f"{about}: {done.stderr.strip()}")
    return done.stdout
