"""The checks that look at the sources without running them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ops.bootstrap.stamps import write_atomically
from ops.places import CACHE, PROJECT, VENV
from toolchain.build import GO_SETTINGS

_OWN_GO = CACHE / "go" / "go" / "bin"
_WORKFLOWS = PROJECT / ".github" / "workflows"
_ACTIONLINT = "v1.7.12"
_NO_GO = "there is no Go on this machine"
_FOREIGN = {"node_modules", "dist", "__pycache__"}
_SHELLS = ("#!/bin/sh", "#!/usr/bin/env sh", "#!/bin/bash", "#!/usr/bin/env bash")


@dataclass(frozen=True)
class Check:
    """One program over its files; `skipped` says why it cannot run here."""

    name: str
    command: list[str]
    folder: Path = PROJECT
    skipped: str = ""
    silent: bool = False  # whether anything that is printed is a finding
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """What came of a check."""

    check: Check
    passed: bool
    seconds: float
    said: str


def run_all() -> Iterator[Finding]:
    """Run every check, as many at once as there are cores; in a fixed order."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(_run, _checks())


def _checks() -> list[Check]:
    files = sorted(_files(PROJECT))
    python = [sys.executable, "-m"]
    scripts = [str(path) for path in files if _is_shell(path)]
    dockerfiles = [str(path) for path in files if path.name.endswith("Dockerfile")]
    return [
        Check("mypy --strict", [*python, "mypy", "--strict", "."]),
        *_go_checks(),
        Check("ruff format", [*python, "ruff", "format", "--check", "--quiet", "--diff", "."]),
        Check("ruff check", [*python, "ruff", "check", "--quiet", "."]),
        Check("shellcheck", [_tool("shellcheck"), *scripts]),
        Check("hadolint", [_tool("hadolint"), *dockerfiles]),
        _actionlint(),
        Check(
            "zizmor",
            [_tool("zizmor"), "--offline", "--no-progress", "--quiet", "--persona", "auditor", str(_WORKFLOWS)],
        ),
    ]


def _actionlint() -> Check:
    """Over the workflows; the program is built from its Go module at a pinned version, once."""
    found = _go()
    if found is None:
        return Check("actionlint", [], skipped=_NO_GO)
    return Check(
        "actionlint",
        [found, "run", f"github.com/rhysd/actionlint/cmd/actionlint@{_ACTIONLINT}", "-shellcheck", _tool("shellcheck")],
        environment={**_go_environment(found), "GOFLAGS": "-buildvcs=false -modcacherw"},
    )


def _go() -> str | None:
    return shutil.which("go", path=os.pathsep.join([os.environ["PATH"], str(_OWN_GO)]))


def _go_checks() -> list[Check]:
    found = _go()
    toolchain = PROJECT / "toolchain"
    if found is None:
        return [Check(name, [], toolchain, skipped=_NO_GO) for name in ("go vet", "go test", "gofmt")]
    gofmt = str(Path(found).resolve().with_name("gofmt"))
    return [
        Check(
            "go vet",
            [found, "vet", "-overlay", str(_overlay()), "./..."],
            toolchain,
            environment=_go_environment(found),
        ),
        Check(
            "go test", [found, "test", "./random/...", "./command/..."], toolchain, environment=_go_environment(found)
        ),
        Check("gofmt", [gofmt, "-l", "."], toolchain, silent=True),
    ]


def _go_environment(go: str) -> dict[str, str]:
    """The settings of the toolchain's build, so that what it compiled is used again."""
    settings = dict(GO_SETTINGS)
    if Path(go).parent == _OWN_GO:
        settings |= {"GOPATH": str(CACHE / "build" / "gopath"), "GOCACHE": str(CACHE / "build" / "gocache")}
    return settings


def _overlay() -> Path:
    """An empty schema where the build puts the generated one, which the sources embed."""
    folder = CACHE / "vet"
    schema, overlay = folder / "schema.json", folder / "overlay.json"
    write_atomically(schema, "{}")
    place = PROJECT / "toolchain" / "cmd" / "pulumi-resource-docker" / "schema.json"
    write_atomically(overlay, json.dumps({"Replace": {str(place): str(schema)}}))
    return overlay


def _run(check: Check) -> Finding:
    started = time.monotonic()
    if check.skipped:
        return Finding(check, passed=True, seconds=0, said="")
    done = subprocess.run(
        check.command,
        cwd=check.folder,
        env={**os.environ, **check.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    passed = done.returncode == 0 and not (check.silent and done.stdout.strip())
    return Finding(check, passed, time.monotonic() - started, done.stdout.rstrip())


def _tool(name: str) -> str:
    return str(VENV / "bin" / name)


def _files(folder: Path) -> Iterator[Path]:
    """The project's own files, and .ci."""
    for entry in folder.iterdir():
        if entry.name in _FOREIGN or (entry.name.startswith(".") and entry.name != ".ci") or entry.is_symlink():
            continue
        if entry.is_dir():
            yield from _files(entry)
        else:
            yield entry


def _is_shell(path: Path) -> bool:
    if path.suffix == ".j2":
        return False
    with path.open("rb") as file:
        return file.readline().decode(errors="replace").startswith(_SHELLS)
