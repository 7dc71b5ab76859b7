"""`plan`: what a change does to what the program declares, compared with another commit; no secret, state or Docker."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from ops import checkout, report
from ops.changes import is_hidden, read
from ops.console import output
from ops.errors import FAILED, MISTAKE, CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK, PROJECT
from ops.report import Impact
from ops.stack_file import StackFile

_PROGRAM = Path(__file__).parent / "rehearsal" / "program.py"
# What a provider changes in place; every other input of Docker's things makes them anew.
_IN_PLACE = frozenset({"memory", "memorySwap", "restart", "cpuShares", "maxRetryCount", "cpuSet"})


def plan(
    stack: StackOption = DEFAULT_STACK,
    *,
    against: Annotated[str, typer.Option("--against", metavar="COMMIT", help="What to compare with.")] = "HEAD",
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the report for a pull request there, too.")
    ] = None,
) -> None:
    """Compare what the program declares for a stack with what it declared at another commit.

    Needs no secret, no state and no Docker, so it can be run for a pull request from a fork. What really runs is not
    asked: `preview` does that.
    """
    StackFile.read(stack)
    try:
        with _at(against) as folder:
            before = declared(folder, stack) if (folder / f"Pulumi.{stack}.yaml").is_file() else None
        found = report.report(read(events(before, declared(PROJECT, stack), against)))
        reason = ""
    except CommandError as error:
        found, reason = report.refused(str(error)), str(error)
    output.print(report.text(found), end="", markup=False)
    if markdown:
        markdown.write_text(report.markdown(found, stack), encoding="utf-8")
    if found.impact in (Impact.REFUSED, Impact.DATA):
        raise typer.Exit(MISTAKE if reason else FAILED)


@contextmanager
def _at(commit: str) -> Iterator[Path]:
    """The project as it was at a commit, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="monopco-plan-") as place:
        folder = Path(place) / "project"
        _git("worktree", "add", "--quiet", "--detach", str(folder), commit)
        try:
            yield folder
        finally:
            _git("worktree", "remove", "--force", str(folder))


def _git(*arguments: str) -> None:
    done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandError(f"git {arguments[0]} failed: {done.stderr.strip()}", MISTAKE)


def declared(folder: Path, stack: str) -> dict[str, Any]:
    """What the program in `folder` declares. Raises CommandError with its own words when it is refused."""
    file = StackFile.read(stack, folder)
    checkout.ensure(file, folder)
    done = subprocess.run(
        [sys.executable, str(_PROGRAM), str(folder), stack],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise CommandError(done.stderr.strip(), MISTAKE)
    return dict(json.loads(done.stdout))


def events(before: dict[str, Any] | None, after: dict[str, Any], against: str) -> Iterator[dict[str, Any]]:
    """The difference as the events of a preview, so that the same report is made of it."""
    old = {one["urn"]: one for one in (before or {"resources": []})["resources"]}
    new = {one["urn"]: one for one in after["resources"]}
    for urn in [*new, *(urn for urn in old if urn not in new)]:
        if (metadata := _metadata(old.get(urn), new.get(urn))) is not None:
            yield {"resourcePreEvent": {"metadata": metadata}}
            if metadata["op"] == "delete" and old[urn]["protect"]:
                yield _said("error", "cannot be deleted because it is protected", urn)
    yield from _release(before or {"outputs": {}}, after)
    for warning in after["warnings"]:
        yield _said("warning", warning)
    yield _said("warning", f"compared with {against} by what the program declares; what runs was not asked")


def _metadata(old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any] | None:
    """What would become of a resource; None when it stays as it is."""
    one = new or old
    if one is None:
        return None
    paths = _differing((old or one)["inputs"], (new or one)["inputs"])
    keys = sorted({path.partition(".")[0] for path in paths})
    if old is None or new is None:
        operation = "create" if old is None else "delete"
    elif not keys:
        return None
    else:
        forced = one["type"].startswith("docker:") and not set(keys) <= _IN_PLACE
        operation = "replace" if forced else "update"
    return {
        "op": operation,
        "urn": one["urn"],
        "type": one["type"],
        "diffs": paths if operation in ("update", "replace") else [],
        "keys": [key for key in keys if key not in _IN_PLACE] if operation == "replace" else [],
        "old": old and {"inputs": old["inputs"]},
        "new": new and {"inputs": new["inputs"]},
    }


def _differing(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Paths of what differs: of an object such as an environment, which of its keys."""
    paths = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict) and not is_hidden(before) and not is_hidden(after):
            paths += [f"{key}.{inner}" for inner in _differing(before, after)]
        else:
            paths.append(key)
    return paths


def _release(before: dict[str, Any], after: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kind = "monopco:components:Release"

    def of(side: dict[str, Any]) -> dict[str, Any]:
        return next((outputs for urn, outputs in side["outputs"].items() if f"::{kind}::" in urn), {})

    yield {
        "resOutputsEvent": {
            "metadata": {"op": "same", "type": kind, "old": {"outputs": of(before)}, "new": {"outputs": of(after)}}
        }
    }


def _said(severity: str, message: str, urn: str = "") -> dict[str, Any]:
    return {"diagnosticEvent": {"severity": severity, "message": message, "urn": urn}}
