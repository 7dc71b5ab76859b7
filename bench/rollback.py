"""How long a rollback and a change of source take, compared to what they cannot do without.

A rollback needs a Pulumi run and the app's own start, a change of source the app's own `pnpm build` as well. Those
bare times are taken in the same run, in turns with the real ones.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import machine, turns
from bench.app import App, Deployed
from bench.figures import SWITCHING
from bench.load import Load
from bench.nothing_to_do import EmptyProgram
from bench.results import OURS, Figure, Ratio, Row
from tests.integration.environment import LABEL, docker

RUNS = 5
# Few clients: they only tell which release answers, and how soon.
CLIENTS = 4
RATE = 10.0
LONGEST_RUN_SECONDS = 240
ROLLBACK_FACTOR = 1.5
PUBLISH_FACTOR = 1.3
START_SECONDS = 120


@dataclass
class Times:
    """Seconds of each run."""

    empty: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)
    build: list[float] = field(default_factory=list)
    publish: list[float] = field(default_factory=list)
    rollback: list[float] = field(default_factory=list)

    def ratios(self) -> dict[str, list[float]]:
        """Of each run: the rollback by its bare time, the publishing by its own, and what is left for the build."""
        runs = list(zip(self.empty, self.start, self.build, self.publish, self.rollback, strict=True))
        return {
            "rollback / (empty run + start)": [back / (empty + start) for empty, start, _, _, back in runs],
            "publish / (build + empty run + start)": [
                published / (built + empty + start) for empty, start, built, published, _ in runs
            ],
            "(publish - empty run - start) / build": [
                (published - empty - start) / built for empty, start, built, published, _ in runs
            ],
        }


LIMITS = {
    "rollback / (empty run + start)": ROLLBACK_FACTOR,
    "publish / (build + empty run + start)": PUBLISH_FACTOR,
    "(publish - empty run - start) / build": PUBLISH_FACTOR,
}


def measure(
    deployed: Deployed,
    empty_folder: Path,
    folder: Path,
    tell: Callable[[str], None] = print,
    runs: int = RUNS,
) -> Figure:
    """All five times, `runs` times in turns."""
    times = Times()
    empty = EmptyProgram(deployed.environment, empty_folder)
    try:
        with Builder(deployed) as builder:
            load = Load(
                deployed.load(
                    seconds=runs * LONGEST_RUN_SECONDS,
                    keeping=CLIENTS // 2,
                    reconnecting=CLIENTS // 2,
                    rate=RATE,
                    socket="",
                    upload="",
                    long="",
                )
            )
            with load:
                for number in range(1, runs + 1):
                    tell(f"rollback and publish, {number} of {runs}")
                    _one_run(deployed, load, empty, builder, times)
    finally:
        empty.destroy()
    for span in load.report["spans"]:
        if span["name"] == SWITCHING:
            if span["switchedAfter"] is None:
                raise AssertionError(f"{span['detail']}: the same release answers as before")
            getattr(times, span["detail"]).append(span["switchedAfter"])
    path = machine.write(folder, "rollback", results(times, load.report))
    tell(f"results: {path}")
    return figure(times, load.report["failed"], deployed.app)


def _one_run(deployed: Deployed, load: Load, empty: EmptyProgram, builder: Builder, times: Times) -> None:
    load.phase("bare")
    times.empty.append(turns.once(empty.run))
    times.start.append(own_start(deployed))
    changed = deployed.edit()
    times.build.append(builder.build(changed))
    for detail, command in (("publish", "up"), ("rollback", "rollback")):
        load.phase(SWITCHING, detail)
        deployed.command(command)
        load.phase("between")
        load.more(int(CLIENTS * RATE))


def own_start(deployed: Deployed) -> float:
    """Seconds from `docker run` of the app's image, as it runs in its containers, to the first healthy answer."""
    running = json.loads(docker("inspect", deployed.environment.containers("app")[0]))[0]
    name = f"monopco-bench-start-{deployed.environment.stack}"
    health = running["Config"]["Healthcheck"]["Test"][1:]
    command = ["run", "--detach", "--name", name, *_as_made(running), running["Image"]]
    try:
        started = time.perf_counter()
        docker(*command)
        while subprocess.run(["docker", "exec", name, *health], capture_output=True, check=False).returncode:
            if time.perf_counter() - started > START_SECONDS:
                raise AssertionError(f"the app gave no healthy answer in {START_SECONDS} s")
            time.sleep(0.02)
        return time.perf_counter() - started
    finally:
        docker("rm", "--force", name, check=False)


def _as_made(running: dict[str, Any]) -> list[str]:
    """The options that decide how fast a container of the app starts."""
    host = running["HostConfig"]
    volumes = [part for one in running["Mounts"] if one["Type"] == "volume" for part in _volume(one)]
    scratch = [part for path, how in (host["Tmpfs"] or {}).items() for part in ("--tmpfs", f"{path}:{how}")]
    options = ["--init", "--memory", str(host["Memory"]), "--memory-swap", str(host["Memory"])]
    options += ["--network", next(iter(running["NetworkSettings"]["Networks"])), "--cap-drop", "ALL"]
    return [*options, f"--read-only={str(host['ReadonlyRootfs']).lower()}", *scratch, *volumes]


def _volume(mount: dict[str, Any]) -> tuple[str, str]:
    return "--volume", f"{mount['Name']}:{mount['Destination']}{'' if mount['RW'] else ':ro'}"


class Builder:
    """The app's source and its dependencies in a container of the image that builds it: what is timed is the build."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self._name = f"monopco-bench-build-{deployed.environment.stack}"

    def __enter__(self) -> Builder:
        environment = self._deployed.environment
        labels = [f"label={LABEL}={environment.stack}", "label=dev.monopco.component=build"]
        (image, *_) = docker("image", "ls", "--quiet", *(part for one in labels for part in ("--filter", one))).split()
        authorities = environment.folder / ".state" / "ca.pem"
        docker(
            *("run", "--detach", "--init", "--name", self._name, "--workdir", "/app"),
            *("--volume", f"{authorities}:/run/secrets/ca.pem:ro", "--entrypoint", "sleep", image, "infinity"),
        )
        try:
            docker("cp", f"{self._deployed.source}/.", f"{self._name}:/app")
            self._copy_dependencies(environment.containers("app")[0])
            self._inside(f"NODE_EXTRA_CA_CERTS=/run/secrets/ca.pem npm install --global pnpm@{self._pnpm_version()}")
            self._build()  # the first one warms what a build warms
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        docker("rm", "--force", self._name, check=False)

    def build(self, changed: Path) -> float:
        """Seconds of `pnpm build` after a file was changed."""
        docker("cp", str(changed), f"{self._name}:/app/{changed.relative_to(self._deployed.source)}")
        return turns.once(self._build)

    def _build(self) -> None:
        public = self._deployed.public()
        encoded = base64.b64encode(json.dumps(public, sort_keys=True).encode()).decode()
        self._inside(f"NODE_ENV=production PUBLIC_ENV={encoded} public-env pnpm run build")

    def _copy_dependencies(self, app: str) -> None:
        """From the app's image, which holds all of them when app.dependencies is "all"."""
        command = f"docker cp {shlex.quote(app)}:/app/node_modules - | docker cp - {shlex.quote(self._name)}:/app/"
        subprocess.run(["sh", "-c", command], check=True, capture_output=True)

    def _pnpm_version(self) -> str:
        manifest = json.loads((self._deployed.source / "package.json").read_text(encoding="utf-8"))
        found = re.match(r"pnpm@(\d[0-9A-Za-z.-]*)", manifest["packageManager"])
        if not found:
            raise AssertionError("package.json names no version of pnpm in packageManager")
        return found[1]

    def _inside(self, command: str) -> None:
        docker("exec", self._name, "sh", "-c", command)


def results(times: Times, report: dict[str, Any]) -> dict[str, Any]:
    """What is kept in the file."""
    ratios = times.ratios()
    return {
        "seconds": {name: machine.spread(values) for name, values in vars(times).items()},
        "ratios": {name: {**machine.spread(values), "limit": LIMITS[name]} for name, values in ratios.items()},
        "lost": report["failed"],
        "load": report,
    }


def figure(times: Times, lost: int, app: App) -> Figure:
    """Times and ratios."""
    names = {
        "empty": "nearly empty Pulumi run",
        "start": "the app's own start",
        "build": "the app's own pnpm build",
        "publish": "publishing a change of source",
        "rollback": "rollback",
    }
    rows = [
        Row.told(label, OURS if name in _OURS else "bare", "s", getattr(times, name)) for name, label in names.items()
    ]
    return Figure(
        name="rollback",
        title=f"From the command to all traffic switched: {app.name}",
        rows=[*rows, Row.told("requests lost", OURS, "requests", [lost])],
        ratios=[
            Ratio(what=name, limit=LIMITS[name], **machine.spread(values)) for name, values in times.ratios().items()
        ],
        notes=[
            "Ours, and in turn with it what it cannot do without: a Pulumi run, the app's own start, its own build."
        ],
    )


_OURS = ("publish", "rollback")
