"""What more replicas and more environments cost: the time of an `up`, and the exponent by which it grows."""

from __future__ import annotations

import math
import statistics
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import machine, turns
from bench.app import SAMPLE, Deployed
from bench.load import Load
from bench.results import OURS, Figure, Ratio, Row
from tests.integration.environment import labelled

REPLICAS = (1, 2, 4, 8, 16)
ENVIRONMENTS = 10
LONGEST_SECONDS = 1200
RELEASE, NOTHING, FIRST = "up with a new release", "up with nothing to do", "making one more environment"
LIMIT = 1.0


def replicas(
    deployed: Deployed, repetitions: int = 3, counts: Sequence[int] = REPLICAS, tell: Callable[[str], None] = print
) -> Figure:
    """A new release in 1 to 16 containers, and a run that changes nothing."""
    times: dict[str, dict[int, list[float]]] = {RELEASE: {}, NOTHING: {}}
    for count in counts:
        tell(f"{count} replicas")
        deployed.configure("app.replicas", str(count))
        deployed.environment.up()
        for number in range(repetitions):
            deployed.configure("app.env.GROWTH", f"{count}-{number}")
            times[RELEASE].setdefault(count, []).append(turns.once(deployed.environment.up))
            nothing = turns.once(lambda: deployed.environment.up("--expect-no-changes"))
            times[NOTHING].setdefault(count, []).append(nothing)
    deployed.configure("app.replicas", "2")
    deployed.environment.up()
    return _figure(
        "growth-replicas",
        "Growth: replicas",
        "replicas",
        times,
        ["Every container of the new release starts while those of the old one serve, on the same two cores."],
    )


def environments(
    folder: Path, count: int = ENVIRONMENTS, repetitions: int = 3, tell: Callable[[str], None] = print
) -> Figure:
    """One environment after the other behind the proxy of the same one, which visitors ask all the while; then none."""
    times: dict[str, dict[int, list[float]]] = {FIRST: {}, NOTHING: {}}
    removed = []
    base = Deployed.make(folder / "base", "bench", replace(SAMPLE, config={"domain.environments": "true"}))
    from_base = ("--from", base.environment.stack)
    names = [f"pr-{number}" for number in range(1, count + 1)]
    try:
        base.environment.up()
        with Load(base.load(seconds=LONGEST_SECONDS, keeping=8, reconnecting=8, socket="", upload="", long="")) as load:
            for number, name in enumerate(names, start=1):
                tell(f"{number} environments")
                create = partial(base.told, "env", "create", name, *from_base)
                times[FIRST][number] = [turns.once(create)]
                nothing = partial(base.told, "up", "-s", name)
                times[NOTHING][number] = [turns.once(nothing) for _ in range(repetitions)]
            base.configure("app.memory", f"{machine.described()['memoryMB']}M")
            _refused(base.attempt("env", "create", "pr-too-many", *from_base))
            removed = [turns.once(partial(base.told, "env", "remove", name)) for name in names]
        _nothing_left(names)
    finally:
        for name in names:
            base.attempt("env", "remove", name)
        base.environment.destroy()
    figure = _figure(
        "growth-environments",
        "Growth: environments on one machine",
        "environments",
        times,
        [
            "Each has a database and a name of its own, behind the proxy of the first environment. Images are there.",
            "One too many, for which the machine has no memory left, is refused. Of those removed, nothing is left.",
        ],
    )
    rows = [
        Row.told("removing one", OURS, "s", removed),
        Row.told("requests to the first one meanwhile", OURS, "requests", [load.report["requests"]]),
        Row.told("requests lost", OURS, "requests", [load.report["failed"]]),
    ]
    return replace(figure, rows=[*figure.rows, *rows])


def _refused(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode == 0 or "There is no room for pr-too-many" not in done.stderr:
        raise AssertionError(f"one too many was not refused for its memory:\n{done.stdout}\n{done.stderr}")


def _nothing_left(names: Sequence[str]) -> None:
    for kind in ("container", "volume", "network", "image"):
        for name in names:
            if found := labelled(kind, name):
                raise AssertionError(f"of {name} is left: {kind} {' '.join(found)}")


def exponent(times: Mapping[int, float]) -> float:
    """Of the power of n by which the times grow, fitted by least squares to their logarithms."""
    points = [(math.log(count), math.log(seconds)) for count, seconds in times.items()]
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def _figure(
    name: str, title: str, of: str, times: Mapping[str, Mapping[int, Sequence[float]]], notes: Sequence[str]
) -> Figure:
    rows = [
        Row.told(what, f"{count} {of if count > 1 else of[:-1]}", "s", values)
        for what, counts in times.items()
        for count, values in counts.items()
    ]
    ratios = []
    for what, counts in times.items():
        rounds = min(len(values) for values in counts.values())
        slopes = [exponent({count: values[turn] for count, values in counts.items()}) for turn in range(rounds)]
        ratios.append(Ratio(what=f"{what}: exponent", limit=LIMIT, **machine.spread(slopes, 3)))
    return Figure(name=name, title=title, rows=rows, ratios=ratios, notes=notes)
