"""What more replicas and more environments cost: the time of an `up`, and the exponent by which it grows."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import machine, turns
from bench.app import SAMPLE, Deployed
from bench.results import Figure, Ratio, Row

REPLICAS = (1, 2, 4, 8, 16)
STACKS = 4
RELEASE, NOTHING, FIRST = "up with a new release", "up with nothing to do", "first up of one more environment"
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


def stacks(folder: Path, count: int = STACKS, repetitions: int = 3, tell: Callable[[str], None] = print) -> Figure:
    """One environment after the other on the same machine, all of them running."""
    times: dict[str, dict[int, list[float]]] = {FIRST: {}, NOTHING: {}}
    made: list[Deployed] = []
    try:
        for number in range(1, count + 1):
            tell(f"{number} environments")
            deployed = Deployed.make(folder / f"environment-{number}", f"bench{number}", SAMPLE)
            made.append(deployed)
            times[FIRST][number] = [turns.once(deployed.environment.up)]
            times[NOTHING][number] = [
                turns.once(lambda: made[-1].environment.up("--expect-no-changes")) for _ in range(repetitions)
            ]
    finally:
        for deployed in made:
            deployed.environment.destroy()
    return _figure(
        "growth-environments",
        "Growth: environments on one machine",
        "environments",
        times,
        ["From nothing to the app answering: network, volumes, database, roles, proxy, certificate. Images are there."],
    )


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
