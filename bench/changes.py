"""Four changes under load, ours and docker compose's, in turn: requests lost, the slowest answer, and the time it took.

The load is the one of `load.py` without its uploads, long answers and sockets, so that each change is met by plain
requests only, and half as many: 112 a second, half of them on new connections.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import turns
from bench.app import Deployed
from bench.figures import SWITCHING
from bench.load import Load, Options
from bench.peers import compose, tools
from bench.results import OURS, Figure, Ratio, Row

BEFORE_SECONDS = 5.0
# What goes wrong after a change belongs to it.
AFTER_SECONDS = 5.0
LONGEST_CHANGE_SECONDS = 120
SOURCE, ROLLBACK, REPLICA, HEADER = "changed source", "rollback", "a replica more", "a header of nginx"


@dataclass(frozen=True)
class Change:
    """What is prepared, what is timed, and whether another release answers then."""

    what: str
    prepare: Callable[[], object]
    carry_out: Callable[[], object]
    releases: bool = False


def _load(deployed: Deployed) -> Options:
    seconds = 4 * LONGEST_CHANGE_SECONDS
    return deployed.load(seconds=seconds, keeping=8, reconnecting=8, socket="", upload="", long="")


class Ours:
    """The environment, as a person changes it."""

    name = OURS

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self._seconds = 0

    def load(self) -> Options:
        return _load(self._deployed)

    def changes(self) -> list[Change]:
        deployed = self._deployed
        self._seconds += 1
        header = self._seconds
        return [
            Change(SOURCE, deployed.edit, lambda: deployed.command("up"), releases=True),
            Change(ROLLBACK, lambda: None, lambda: deployed.command("rollback"), releases=True),
            Change(REPLICA, lambda: deployed.configure("app.replicas", "3"), lambda: deployed.command("up")),
            Change(HEADER, lambda: deployed.configure("http.hstsSeconds", str(header)), lambda: deployed.command("up")),
        ]

    def end(self) -> None:
        """Two replicas again, and the newest source."""
        self._deployed.configure("app.replicas", "2")
        self._deployed.command("up")


class Composed:
    """A compose project, as a person changes it."""

    def __init__(self, deployed: Deployed, stack: compose.Compose) -> None:
        self.name = stack.name
        self._deployed, self._stack = deployed, stack
        self._seconds = 0

    def load(self) -> Options:
        return self._stack.load(_load(self._deployed))

    def changes(self) -> list[Change]:
        stack = self._stack
        self._seconds += 1
        header = self._seconds
        made = [
            Change(SOURCE, stack.prepare, stack.deploy),
            Change(ROLLBACK, lambda: None, stack.rollback),
            Change(REPLICA, lambda: None, lambda: stack.scale(3)),
            Change(HEADER, lambda: None, lambda: stack.header(header)),
        ]
        return made if stack.name == compose.TOGETHER else [one for one in made if one.what != REPLICA]

    def end(self) -> None:
        if self._stack.name == compose.TOGETHER:
            self._stack.scale(2)


Seen = dict[tuple[str, str, str], list[float]]


def measure(
    deployed: Deployed, folder: Path, repetitions: int = 3, tell: Callable[[str], None] = print
) -> list[Figure]:
    """All changes of each contestant, one contestant after the other, in another order each time."""
    seen: Seen = defaultdict(list)
    stacks = []
    for in_turn in (False, True):
        place = folder / f"compose-{in_turn}"
        place.mkdir(parents=True)
        stacks.append(compose.Compose(deployed, place, in_turn=in_turn))
    contestants: Sequence[Ours | Composed] = [Ours(deployed), *(Composed(deployed, stack) for stack in stacks)]
    requests = 0
    try:
        for stack in stacks:
            stack.start()
        for number in range(repetitions):
            for one in turns.order(contestants, number):
                tell(f"changes under load, {number + 1} of {repetitions}: {one.name}")
                requests += _one_round(one, seen)
    finally:
        for stack in stacks:
            stack.remove()
    return _figures(seen, requests)


def _one_round(one: Ours | Composed, seen: Seen) -> int:
    with Load(one.load()) as load:
        load.more(200)
        load.phase("before")
        time.sleep(BEFORE_SECONDS)
        for change in one.changes():
            change.prepare()
            load.phase(SWITCHING, change.what)
            took = turns.once(change.carry_out)
            load.phase("after", change.what)
            time.sleep(AFTER_SECONDS)
            seen[f"{change.what}: whole command", one.name, "s"].append(took)
    one.end()
    _read(one, load.report, seen)
    return int(load.report["requests"])


def _read(one: Ours | Composed, report: dict[str, Any], seen: Seen) -> None:
    spans = [span for span in report["spans"] if span["detail"]]
    for change in one.changes():
        parts = [span for span in spans if span["detail"] == change.what]
        seen[f"{change.what}: requests lost", one.name, "requests"].append(sum(span["failures"] for span in parts))
        seen[f"{change.what}: slowest answer", one.name, "ms"].append(max(span["max"] for span in parts))
        if change.releases and parts[0]["switchedAfter"] is None:
            raise AssertionError(f"{change.what}: the same release answers as before")
        # Compose's old containers are gone when its command ends; ours still drains and watches.
        if change.what in (SOURCE, ROLLBACK):
            took = parts[0]["switchedAfter"] if change.releases else parts[0]["seconds"]
            seen[f"{change.what}: until all answers are the new one's", one.name, "s"].append(took)


def _figures(seen: Seen, requests: int) -> list[Figure]:
    return [_figure(seen, requests, *one) for one in _PAGES]


_PAGES: Sequence[tuple[str, str]] = (
    (SOURCE, "deploy"),
    (ROLLBACK, "rollback-under-load"),
    (REPLICA, "replica"),
    (HEADER, "header"),
)


def _figure(seen: Seen, requests: int, what: str, name: str) -> Figure:
    mine = {key: values for key, values in seen.items() if key[0].startswith(f"{what}: ")}
    ours, theirs = (seen[f"{what}: whole command", of, "s"] for of in (OURS, compose.TOGETHER))
    return Figure(
        name=name,
        title=f"Under load: {what}",
        rows=[Row.told(key[0].partition(": ")[2], *key[1:], values) for key, values in mine.items()],
        ratios=[Ratio.of("whole command, ours by docker compose", ours, theirs)],
        versions=tools.versions("compose"),
        notes=[_NOTES[what], f"{requests} requests in all of these runs; none is tried again."],
    )


_NOTES = {
    SOURCE: "Both build the same source with the same Dockerfile and the same cache. Ours then has the new containers"
    " answer, records the release, switches, drains, and watches the new release for 30 s; compose stops the old"
    " ones and starts the new.",
    ROLLBACK: "Ours is `./monopco rollback`, drain and watch included; compose's is the tag of the image before.",
    REPLICA: "Ours makes the third container, has it answer and tells the proxy; compose's nginx finds it by name.",
    HEADER: "Ours has the proxy say `Connection: close` for some seconds before it reloads; compose's is"
    " `nginx -s reload`.",
}
