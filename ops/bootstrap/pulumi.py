"""Pulumi and its plugins: the machine's own, the official download, or built from package registries."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from ops.bootstrap import download, python
from ops.bootstrap.commands import Report, answer, run
from ops.bootstrap.errors import StepError
from ops.bootstrap.stamps import Stamp, key
from ops.bootstrap.steps import Step
from ops.places import CACHE, PROJECT, PULUMI_HOME, TOOLS

VERSION = "3.259.0"
PLUGINS = {"docker": "5.2.0", "random": "4.21.4", "command": "1.2.1"}

_PLUGIN_SECONDS = 120.0  # tens of megabytes each
_STAMP = Stamp("pulumi-choice")


def step() -> Step:
    return Step("Pulumi", _ready, _make, after=(python.NAME,))


def version_number(text: str) -> tuple[int, ...]:
    """ "v3.259.0-dev.1" as (3, 259, 0), to compare; empty when there is no version in it."""
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text.strip())
    return tuple(int(part) for part in match.groups()) if match else ()


def _ready() -> bool:
    """Whether what was chosen last time is still there; a Pulumi that appears on PATH later changes nothing."""
    value = _STAMP.value()
    if value is None or _STAMP.interrupted():
        return False
    program = Path(value.partition("\n")[0])
    return value == _stamp(program) and os.access(program, os.X_OK) and all(_plugin(name).is_dir() for name in PLUGINS)


def _stamp(program: Path) -> str:
    """The chosen program and what it came from: the machine's own by its time, ours by the toolchain's sources."""
    wanted = (VERSION, *(f"{name} {version}" for name, version in PLUGINS.items()))
    if program.parent == TOOLS:
        return f"{program}\n{key(*wanted, *_toolchain_sources())}"
    changed = program.stat().st_mtime_ns if program.exists() else 0
    return f"{program}\n{key(*wanted, str(changed))}"


def _toolchain_sources() -> list[Path]:
    return sorted(
        path for path in (PROJECT / "toolchain").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )


def _plugin(name: str) -> Path:
    return PULUMI_HOME / "plugins" / f"resource-{name}-v{PLUGINS[name]}"


def _make(report: Report) -> str:
    _STAMP.begin()
    program, note = TOOLS / "pulumi", "official download"
    if own := own_program(os.environ.get("PATH", os.defpath)):
        program, note = own, str(own)
        shutil.rmtree(TOOLS, ignore_errors=True)
        complete = download.reachable(VERSION) and _download_plugins(program, report)
    else:
        complete = _official(report) and _download_plugins(program, report)
    if not complete:
        program, note = TOOLS / "pulumi", "built from source"
        _build(report)
    _STAMP.done(_stamp(program))
    return f"{VERSION}, {note}"


def own_program(path: str) -> Path | None:
    """The machine's Pulumi, when it is recent enough."""
    folders = os.pathsep.join(entry for entry in path.split(os.pathsep) if Path(entry) != TOOLS)
    found = shutil.which("pulumi", path=folders)
    if found is None or version_number(answer([found, "version"]).stdout) < version_number(VERSION):
        return None
    return Path(found)


def _official(report: Report) -> bool:
    try:
        return download.install(VERSION, TOOLS, report)
    except StepError as error:
        report(str(error))
        return False


def _download_plugins(program: Path, report: Report) -> bool:
    """Whether the official plugins could be had from where Pulumi gets them."""
    for name, version in PLUGINS.items():
        if not _plugin(name).is_dir():
            report(f"plugin {name} {version}")
            command = [str(program), "plugin", "install", "resource", name, version]
            asked = answer(
                command, _PLUGIN_SECONDS, env={"PULUMI_HOME": str(PULUMI_HOME), "PULUMI_SKIP_UPDATE_CHECK": "true"}
            )
            if asked.returncode != 0:
                return False
    return True


def _build(report: Report) -> None:
    """Build what the toolchain's sources say; what is built already stays."""
    command = [str(python.PROGRAM), str(PROJECT / "toolchain" / "build.py"), str(CACHE)]
    run(command, report, log="toolchain")
