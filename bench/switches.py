"""Twenty changes under load: what a visitor notices of them, and how long each takes to reach all traffic."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import machine
from bench.app import Deployed
from bench.figures import SWITCHING
from bench.load import Load, LoadError, phases_table
from bench.results import OURS, Figure, Ratio, Row
from tests.integration.environment import LABEL

WARM_UP_REQUESTS = 1000
BEFORE_SECONDS = 30.0
BETWEEN_SECONDS = 5.0
LONGEST_SWITCH_SECONDS = 150
# The program that is driven may cost as much as this, compared to the time before the first switch.
P99_FACTOR = 2.0
SLOWEST_MORE_MS = 500.0


@dataclass(frozen=True)
class Switch:
    """One change: what is prepared, the command that brings it about, and whether another release answers then."""

    name: str
    prepare: Callable[[Deployed], object]
    command: tuple[str, ...] = ("up",)
    releases: bool = True
    builds: bool = False


def _configured(path: str, value: str) -> Callable[[Deployed], object]:
    return lambda deployed: deployed.configure(path, value)


def _nothing(_: Deployed) -> None:
    """A rollback needs no preparation."""


_SOURCE = Switch("source", lambda deployed: deployed.edit(), builds=True)
_ROLLBACK = Switch("rollback", _nothing, ("rollback",))

# Every rollback follows a release that it can leave. A change after one makes the pinned release give way.
SWITCHES: tuple[Switch, ...] = (
    _SOURCE,
    _SOURCE,
    _ROLLBACK,
    Switch("environment", _configured("app.env.BENCH", "first"), builds=True),
    Switch("replicas 2 to 3", _configured("app.replicas", "3"), releases=False),
    _SOURCE,
    _ROLLBACK,
    Switch("secret", lambda deployed: deployed.set_secret("the second one"), builds=True),
    _SOURCE,
    Switch("nginx setting", _configured("http.bodyLimit", "12M"), releases=False),
    _ROLLBACK,
    _SOURCE,
    Switch("replicas 3 to 2", _configured("app.replicas", "2"), releases=False),
    Switch("certificate", _configured("domain.aliases[0]", "www.localhost"), releases=False),
    _SOURCE,
    Switch("environment", _configured("app.env.BENCH", "second")),
    _SOURCE,
    _ROLLBACK,
    _SOURCE,
    Switch("memory limit", _configured("app.memory", "520M")),
)


def measure(
    deployed: Deployed,
    folder: Path,
    tell: Callable[[str], None] = print,
    *,
    switches: Sequence[Switch] = SWITCHES,
    niceness: int = 0,
) -> tuple[list[Table], Figure]:
    """Make all switches under load; the results are kept in `folder`, also those of a run that did not come through."""
    seconds = WARM_UP_REQUESTS / 100 + BEFORE_SECONDS + len(switches) * (LONGEST_SWITCH_SECONDS + BETWEEN_SECONDS)
    load = Load(deployed.load(seconds=seconds, niceness=niceness))
    problem = ""
    with load:
        try:
            _carry_out(deployed, load, switches, tell)
        except (AssertionError, LoadError) as error:
            problem = str(error)
    results = summary(load.report, switches, problem)
    path = machine.write(folder, "switches", results)
    tell(f"results: {path}")
    if problem:
        raise AssertionError(problem)
    return tables(load.report, results), figure(load.report, results)


def _carry_out(deployed: Deployed, load: Load, switches: Sequence[Switch], tell: Callable[[str], None]) -> None:
    load.phase("warm-up")
    load.more(WARM_UP_REQUESTS)
    load.phase("before")
    time.sleep(BEFORE_SECONDS)
    _tell_of_a_busy_machine(tell)
    for number, switch in enumerate(switches, start=1):
        tell(f"switch {number} of {len(switches)}: {switch.name} ({load.answered} answered, {load.failed} lost)")
        switch.prepare(deployed)
        detail = f"{number} {switch.name}"
        load.phase("building" if switch.builds else SWITCHING, detail)
        with _telling_when_containers_come(deployed, load, detail) if switch.builds else contextlib.nullcontext():
            deployed.command(*switch.command)
        load.phase("between", detail)
        time.sleep(BETWEEN_SECONDS)


def _tell_of_a_busy_machine(tell: Callable[[str], None]) -> None:
    average, cores = os.getloadavg()[0], os.cpu_count() or 1
    if average > cores:
        tell(f"the load average is {average:.1f} on {cores} cores: others work here, latencies say little")


@contextlib.contextmanager
def _telling_when_containers_come(deployed: Deployed, load: Load, detail: str) -> Iterator[None]:
    """Mark the end of "building" when the first container of the environment is made: nothing is switched before."""
    command = ["docker", "events", "--filter", f"label={LABEL}={deployed.environment.stack}"]
    command += ["--filter", "type=container", "--filter", "event=create", "--format", "{{.Action}}"]
    events = subprocess.Popen(command, env=deployed.environment.variables, stdout=subprocess.PIPE, text=True)

    def watch() -> None:
        if events.stdout and events.stdout.readline():
            load.phase(SWITCHING, detail)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        events.terminate()
        events.wait()
        watcher.join()


def summary(report: dict[str, Any], switches: Sequence[Switch], problem: str) -> dict[str, Any]:
    """What is kept in the file: the verdicts, the times of each kind of switch, and the load's whole report."""
    made = changes(report)
    problems = [problem] if problem else []
    problems += [
        f"{one['name']}: the same release answers as before"
        for one, switch in zip(made, switches, strict=False)
        if switch.releases and one["switchedAfter"] is None
    ]
    if len(made) < len(switches):
        problems.append(f"only {len(made)} of {len(switches)} switches were made")
    kinds = dict.fromkeys(one["name"].split(" ", 1)[1] for one in made)
    return {
        "switches": len(made),
        "problems": problems,
        "verdicts": verdicts(report),
        "secondsToSwitch": {
            kind: machine.spread([one["switchedAfter"] for one in made if _is(one, kind) and one["switchedAfter"]])
            for kind in kinds
        },
        "secondsOfCommand": {
            kind: machine.spread([one["seconds"] for one in made if _is(one, kind)]) for kind in kinds
        },
        "changes": made,
        "load": report,
    }


def _is(change: dict[str, Any], kind: str) -> bool:
    return bool(change["name"].split(" ", 1)[1] == kind)


def changes(report: dict[str, Any]) -> list[dict[str, Any]]:
    """A line for each switch, its building included; what was switched counts from the start of the command."""
    made: dict[str, dict[str, Any]] = {}
    for span in report["spans"]:
        if span["name"] not in ("building", SWITCHING):
            continue
        one = made.setdefault(
            span["detail"],
            {"name": span["detail"], "start": span["start"], "seconds": 0.0, "switchedAfter": None, "lost": 0},
        )
        if span["switchedAfter"] is not None:
            one["switchedAfter"] = round(span["start"] - one["start"] + span["switchedAfter"], 2)
        one["seconds"] = round(one["seconds"] + span["seconds"], 2)
        one["lost"] += span["failures"]
        one[f"{span['name']}P99"], one[f"{span['name']}Slowest"] = span["p99"], span["max"]
    return list(made.values())


def verdicts(report: dict[str, Any]) -> list[dict[str, Any]]:
    """What is claimed, what was measured, and whether it is so."""
    phases, done = report["phases"], report["done"]
    before = phases["before"]
    during = report["changing"]
    limit_p99, limit_max = P99_FACTOR * before["p99"], before["max"] + SLOWEST_MORE_MS
    own = [
        {"claim": "no request is lost", "measured": report["failed"], "limit": 0},
        {"claim": "p99 ms while commands run", "measured": during["p99"], "limit": round(limit_p99, 1)},
        {"claim": "slowest ms while commands run", "measured": during["max"], "limit": round(limit_max, 1)},
    ]
    if SWITCHING in phases:
        measured = phases[SWITCHING]["p99"]
        own.append({"claim": "p99 ms while switching, no build", "measured": measured, "limit": round(limit_p99, 1)})
    told = [{**one, "holds": one["measured"] <= one["limit"]} for one in own]
    told.append({"claim": "requests per second", "measured": before["per_second"], "limit": 200})
    told[-1]["holds"] = before["per_second"] >= 200
    for kind in ("upload", "long response"):
        lost = report["failuresByKind"].get(kind, 0)
        if kind in done or lost:
            told.append({"claim": f"every {kind} complete", "measured": lost, "limit": 0, "holds": lost == 0})
    return told


def tables(report: dict[str, Any], results: dict[str, Any]) -> list[Table]:
    """Phases, switches, and claims."""
    each = Table(title="switches, in turn")
    for column in ("switch", "s to all traffic", "s of command", "lost", "p99 building", "p99 switching", "slowest ms"):
        each.add_column(column, justify="left" if column == "switch" else "right")
    for one in results["changes"]:
        slowest = max(one.get("buildingSlowest", 0), one.get("switchingSlowest", 0))
        p99s = (one.get("buildingP99", ""), one.get("switchingP99", ""))
        to_all = one["switchedAfter"] if one["switchedAfter"] is not None else ""
        each.add_row(one["name"], *(str(cell) for cell in (to_all, one["seconds"], one["lost"], *p99s, slowest)))
    claims = Table(title=f"what {report['requests']} requests say")
    for column in ("claim", "measured", "limit", ""):
        claims.add_column(column, justify="left" if column == "claim" else "right")
    for one in results["verdicts"]:
        claims.add_row(
            one["claim"], str(one["measured"]), str(one["limit"]), "so" if one["holds"] else "[red]not so[/]"
        )
    for problem in results["problems"]:
        claims.add_row(problem, "", "", "[red]not so[/]")
    return [phases_table(report, "latency, counted from when a request was due"), each, claims, _losses(report)]


def figure(report: dict[str, Any], results: dict[str, Any]) -> Figure:
    """The whole run in one table."""
    before, during = report["phases"]["before"], report["changing"]
    rows = [
        Row.told("requests", OURS, "requests", [report["requests"]]),
        Row.told("requests lost", OURS, "requests", [report["failed"]]),
        Row.told("99 of 100 answers within", "before", "ms", [before["p99"]]),
        Row.told("99 of 100 answers within", OURS, "ms", [during["p99"]]),
        Row.told("slowest answer", "before", "ms", [before["max"]]),
        Row.told("slowest answer", OURS, "ms", [during["max"]]),
    ]
    rows += [
        Row(what=f"until all traffic is switched: {kind}", of=OURS, unit="s", **times)
        for kind, times in results["secondsToSwitch"].items()
        if times["repetitions"]
    ]
    claims = {one["claim"]: one for one in results["verdicts"]}
    p99 = claims["p99 ms while commands run"]
    return Figure(
        name="switches",
        title=f"{results['switches']} changes under load",
        rows=rows,
        ratios=[Ratio.of("p99 while commands run, by p99 before", [p99["measured"]], [before["p99"]], P99_FACTOR)],
        notes=[
            (
                "Under 224 requests a second from clients that never retry, with WebSockets, 10 MB uploads and 20 s"
                " answers; image builds included, on the processors that serve."
            ),
        ],
    )


def _losses(report: dict[str, Any]) -> Table:
    table = Table(title=f"{report['failed']} losses; completed: {report['done']}; drained: {report['socketsDrained']}")
    for column in ("at s", "client", "path", "what happened"):
        table.add_column(column)
    for failure in report["failures"]:
        table.add_row(f"{failure['at']:.3f}", failure["kind"], failure["path"], failure["what"])
    return table


def show(deployed: Deployed, folder: Path, console: Console, **options: Any) -> Figure:
    """Measure, print each switch, and give what is kept."""
    told, found = measure(deployed, folder, console.print, **options)
    for table in told:
        console.print(table)
    return found
