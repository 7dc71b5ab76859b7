"""What a load run has seen, and what is told about it: by phase, by span of a phase, and every loss."""

from __future__ import annotations

import itertools
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

FAILURES_TOLD = 20
# A socket that the server closes is told as drained when that is in a phase of this name or shortly after.
SWITCHING = "switching"
GRACE_SECONDS = 2.0


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all do not exceed; 0 when there is none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


@dataclass(frozen=True)
class Failure:
    """One request that was lost; `at` is in seconds of the monotonic clock, like all times here."""

    at: float
    kind: str
    path: str
    what: str


@dataclass(frozen=True)
class Mark:
    """The moment at which a phase begins; it lasts until the next mark."""

    at: float
    name: str
    detail: str = ""


@dataclass(frozen=True)
class Span:
    """One phase from its mark to the next."""

    start: float
    end: float
    name: str
    detail: str


@dataclass(frozen=True)
class Closing:
    """A WebSocket that the server closed."""

    at: float
    code: int
    reason: str


class Samples:
    """The answered requests, in columns: hundreds of thousands of objects would make the collector stall the load."""

    def __init__(self) -> None:
        self.due, self.latency = array("d"), array("d")
        self.kind, self.release = array("H"), array("H")
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}

    def add(self, due: float, latency: float, kind: str, release: str) -> None:
        self.due.append(due)
        self.latency.append(latency)
        self.kind.append(self._number(kind))
        self.release.append(self._number(release))

    def rows(self) -> Iterator[tuple[float, float, str, str]]:
        """When it was due, the seconds to its answer, the kind of client, the release that answered."""
        names = self._names
        for due, latency, kind, release in zip(self.due, self.latency, self.kind, self.release, strict=True):
            yield due, latency, names[kind], names[release]

    def __len__(self) -> int:
        return len(self.due)

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self._names)
            self._names.append(name)
        return self._numbers[name]


@dataclass
class Seen:
    """Everything that a run records while it goes on."""

    started: float
    samples: Samples = field(default_factory=Samples)
    failures: list[Failure] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    closings: list[Closing] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    """How many uploads, long responses, connections and messages of sockets were completed."""
    lags: list[tuple[float, float]] = field(default_factory=list)
    """How late the load program itself was woken, and when: what of the latencies may be its own."""

    def fail(self, at: float, kind: str, path: str, what: str) -> None:
        self.failures.append(Failure(at, kind, path, what))

    def spans(self, end: float) -> list[Span]:
        ends = [mark.at for mark in self.marks[1:]] + [end]
        return [
            Span(mark.at, max(mark.at, stop), mark.name, mark.detail)
            for mark, stop in zip(self.marks, ends, strict=True)
        ]


@dataclass(frozen=True)
class Latencies:
    """Requests of one phase, span or kind of client; times are in milliseconds, from when each was due."""

    seconds: float
    requests: int
    failures: int
    per_second: float
    p50: float
    p95: float
    p99: float
    max: float

    @staticmethod
    def of(seconds: float, latencies: Iterable[float], failures: int) -> Latencies:
        ordered = sorted(latency * 1000 for latency in latencies)
        requests = len(ordered) + failures
        p50, p95, p99 = (round(percentile(ordered, share), 1) for share in (0.50, 0.95, 0.99))
        largest = round(ordered[-1], 1) if ordered else 0.0
        per_second = round(requests / seconds, 1) if seconds > 0 else 0.0
        return Latencies(round(seconds, 2), requests, failures, per_second, p50, p95, p99, largest)


Row = tuple[float, float, str, str]


class _Filed:
    """Samples and failures, each put to the span in which it was due."""

    def __init__(self, seen: Seen, spans: Sequence[Span]) -> None:
        self.spans = spans
        self.rows: list[list[Row]] = [[] for _ in spans]
        self.failures: list[list[Failure]] = [[] for _ in spans]
        self.lags: list[list[float]] = [[] for _ in spans]
        for row in seen.samples.rows():
            self.rows[self._index(row[0])].append(row)
        for failure in seen.failures:
            self.failures[self._index(failure.at)].append(failure)
        for at, lag in seen.lags:
            self.lags[self._index(at)].append(lag)

    def _index(self, at: float) -> int:
        for index in range(len(self.spans) - 1, 0, -1):
            if at >= self.spans[index].start:
                return index
        return 0

    def latencies(self, indexes: Sequence[int], kind: str = "") -> Latencies:
        seconds = sum(self.spans[index].end - self.spans[index].start for index in indexes)
        rows = itertools.chain.from_iterable(self.rows[index] for index in indexes)
        failures = itertools.chain.from_iterable(self.failures[index] for index in indexes)
        lost = sum(1 for failure in failures if not kind or failure.kind == kind)
        return Latencies.of(seconds, (row[1] for row in rows if not kind or row[2] == kind), lost)

    def kinds(self, indexes: Sequence[int]) -> list[str]:
        return sorted({row[2] for index in indexes for row in self.rows[index]})

    def own_lag(self, indexes: Sequence[int]) -> dict[str, float]:
        ordered = sorted(lag * 1000 for index in indexes for lag in self.lags[index])
        return {"p99": round(percentile(ordered, 0.99), 1), "max": round(ordered[-1], 1) if ordered else 0.0}


def releases_of(rows: Iterable[Row]) -> tuple[dict[str, int], str, float | None]:
    """How many answers came from each release, the one that answered last, and when the last of another one came."""
    counts: Counter[str] = Counter()
    last: dict[str, float] = {}
    for due, latency, _, release in rows:
        counts[release] += 1
        last[release] = max(last.get(release, 0.0), due + latency)
    if not last:
        return {}, "", None
    newest = max(last, key=lambda release: last[release])
    before = [at for release, at in last.items() if release != newest]
    return dict(counts), newest, max(before) if before else None


def report(seen: Seen, end: float) -> dict[str, Any]:
    """All figures, as JSON has them; times of failures and spans are seconds since the load began."""
    spans = seen.spans(end)
    drained, cut = _closings(seen, spans)
    failures = sorted([*seen.failures, *cut], key=lambda failure: failure.at)
    filed = _Filed(seen, spans)
    phases: dict[str, Any] = {}
    for name in dict.fromkeys(span.name for span in spans):
        indexes = [index for index, span in enumerate(spans) if span.name == name]
        phases[name] = {
            **asdict(filed.latencies(indexes)),
            "kinds": {kind: asdict(filed.latencies(indexes, kind)) for kind in filed.kinds(indexes)},
            "ownLag": filed.own_lag(indexes),
        }
    return {
        "seconds": round(end - seen.started, 1),
        "requests": len(seen.samples) + len(seen.failures),
        "failed": len(failures),
        "failures": [{**asdict(one), "at": round(one.at - seen.started, 3)} for one in failures[:FAILURES_TOLD]],
        "failuresByKind": dict(Counter(one.kind for one in failures)),
        "phases": phases,
        "changing": _while_changing(filed),
        "spans": [_told(filed, index, seen.started) for index in range(len(spans))],
        "done": dict(seen.done),
        "socketsDrained": dict(Counter(str(one.code) for one in drained)),
        "socketsClosed": [_closed(one, spans, seen.started) for one in seen.closings],
    }


def _while_changing(filed: _Filed) -> dict[str, Any]:
    """Building and switching taken together: all the time in which a command ran."""
    indexes = [index for index, span in enumerate(filed.spans) if span.name in ("building", SWITCHING)]
    return asdict(filed.latencies(indexes))


def _told(filed: _Filed, index: int, started: float) -> dict[str, Any]:
    span = filed.spans[index]
    counts, newest, last_of_another = releases_of(filed.rows[index])
    return {
        "name": span.name,
        "detail": span.detail,
        "start": round(span.start - started, 3),
        **asdict(filed.latencies([index])),
        "ownLag": filed.own_lag([index]),
        "releases": counts,
        "newest": newest,
        "slowestBySecond": _slowest_by_second(filed.rows[index], span.start),
        "switchedAfter": None if last_of_another is None else round(last_of_another - span.start, 3),
    }


def _slowest_by_second(rows: Iterable[Row], start: float) -> list[int]:
    """Milliseconds of the slowest request of each second: they show which step of a deploy it is that costs."""
    slowest: dict[int, float] = {}
    for due, latency, _, _ in rows:
        second = max(0, int(due - start))
        slowest[second] = max(slowest.get(second, 0.0), latency)
    return [round(slowest.get(second, 0.0) * 1000) for second in range(max(slowest, default=-1) + 1)]


def _closed(one: Closing, spans: Sequence[Span], started: float) -> dict[str, Any]:
    during = [span for span in spans if span.start <= one.at]
    where = f"{during[-1].name} {during[-1].detail}".rstrip() if during else ""
    return {"at": round(one.at - started, 3), "code": one.code, "reason": one.reason, "during": where}


def _closings(seen: Seen, spans: Sequence[Span]) -> tuple[list[Closing], list[Failure]]:
    """Sockets that were closed while a switch went on, and as failures those that were closed without one."""
    windows = [(span.start, span.end + GRACE_SECONDS) for span in spans if span.name == SWITCHING]
    drained: list[Closing] = []
    cut: list[Failure] = []
    for one in seen.closings:
        if any(start <= one.at <= end for start, end in windows):
            drained.append(one)
        else:
            cut.append(Failure(one.at, "socket", "", f"closed by the server, {one.code} {one.reason}".rstrip()))
    return drained, cut
