"""Runs the scripts of steps with a Docker of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from components.step import script

# Notes what it is asked, one list of words a line; the answers of a test follow.
HEAD = """\
#!/usr/bin/env python3
import json, pathlib, sys
here, words = pathlib.Path(__file__).parent, sys.argv[1:]
with (here / "asked").open("a") as file:
    file.write(json.dumps(words) + "\\n")
world = json.loads((here / "world.json").read_text())
"""


def run(
    folder: Path,
    names: Sequence[str],
    answers: str,
    variables: Mapping[str, str],
    *,
    world: object = None,
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run scripts as one step. `answers` is Python that acts on `words`, what docker is asked, and on `world`."""
    (folder / "docker").write_text(HEAD + answers, encoding="utf-8")
    (folder / "docker").chmod(0o755)
    (folder / "world.json").write_text(json.dumps(world), encoding="utf-8")
    environment = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", **variables}
    command = ["/bin/sh", "-c", script(*names)]
    return subprocess.run(command, env=environment, input=stdin, capture_output=True, text=True, check=False)


def asked(folder: Path) -> list[list[str]]:
    """What docker was asked, in order."""
    path = folder / "asked"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def verbs(folder: Path) -> list[str]:
    """The first word of each question."""
    return [words[0] for words in asked(folder)]
