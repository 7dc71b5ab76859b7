"""Pulumi and its plugins: the machine's own, the official download, or built from package registries."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from ops.bootstrap import python
from ops.bootstrap.commands import Report, answer, run
from ops.bootstrap.stamps import Stamp, key
from ops.bootstrap.steps import Step
from ops.places import CACHE, PROJECT, PULUMI_HOME, TOOLS

VERSION = "3.259.0"
PLUGINS = {"docker": "5.2.0", "random": "4.21.4", "command": "1.2.1"}

_PLUGIN_SECONDS = 120.0  # tens of megabytes each
_OWN, _OFFICIAL, _BUILT = "own", "official", "built"
_NOTES = {_OWN: "which was there", _OFFICIAL: "official download", _BUILT: "built from package registries"}
_TIME = re.compile(r"^[\d.]+ s\s+")
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
    source, _, program = value.splitlines()[0].partition(" ")
    installed = os.access(program, os.X_OK) and _has_plugins()
    return installed and value == _stamp(source, Path(program))


def _stamp(source: str, program: Path) -> str:
    """The chosen program and what it came from: the machine's own by its time, ours by the toolchain's sources."""
    wanted = (VERSION, *(f"{name} {version}" for name, version in PLUGINS.items()))
    changed = str(program.stat().st_mtime_ns) if source == _OWN and program.exists() else ""
    return f"{source} {program}\n{key(*wanted, changed, *(_toolchain_sources() if source == _BUILT else ()))}"


def _toolchain_sources() -> list[Path]:
    files = (path for path in (PROJECT / "toolchain").rglob("*") if path.suffix in (".go", ".mod", ".sum", ".py"))
    return sorted(path for path in files if not path.name.endswith("_test.go"))


def _has_plugins() -> bool:
    return all(_plugin(name).is_dir() for name in PLUGINS)


def _plugin(name: str) -> Path:
    return PULUMI_HOME / "plugins" / f"resource-{name}-v{PLUGINS[name]}"


def _make(report: Report) -> str:
    before = _STAMP.value() or ""
    _STAMP.begin()
    source, program = _choose(report, built_before=before.startswith(_BUILT))
    _STAMP.done(_stamp(source, program))
    return f"{VERSION}, {_NOTES[source]}"


def _choose(report: Report, *, built_before: bool) -> tuple[str, Path]:
    """Make Pulumi and the plugins available, in the order of preference; where it came from and where it is."""
    ours = TOOLS / "pulumi"
    if not built_before:  # its HTTP client would take 50 ms of every start
        from ops.bootstrap import download  # noqa: PLC0415

        own = own_program(os.environ.get("PATH", os.defpath))
        if own is not None and (_has_plugins() or (download.reachable(VERSION) and _download_plugins(own, report))):
            shutil.rmtree(TOOLS, ignore_errors=True)
            return _OWN, own
        if own is None and download.install(VERSION, TOOLS, report) and _download_plugins(ours, report):
            return _OFFICIAL, ours
    _build(report)
    return _BUILT, ours


def own_program(path: str) -> Path | None:
    """The machine's Pulumi, when it is recent enough."""
    folders = os.pathsep.join(entry for entry in path.split(os.pathsep) if Path(entry) != TOOLS)
    found = shutil.which("pulumi", path=folders)
    if found is None or version_number(answer([found, "version"]).stdout) < version_number(VERSION):
        return None
    return Path(found)


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
    """Build what is not built yet from the toolchain's sources; they say what is done with a time before it."""
    command = [str(python.PROGRAM), str(PROJECT / "toolchain" / "build.py"), "--cache", str(CACHE)]
    run(command, lambda line: report(_TIME.sub("", line)), log="toolchain")
