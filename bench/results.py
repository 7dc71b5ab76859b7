"""What the measurements have found, kept in one file that is committed: documents quote from there and nowhere else.

A figure is a table: each row is one thing that one contestant did, with its repetitions, median, smallest and largest.
A figure that is measured again takes the place of the one before; the others stay, each with its machine and date.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

from bench import machine
from tests.integration.environment import PROJECT

FILE = PROJECT / "bench" / "results.json"
OURS = "monopco"
_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one contestant did, again and again."""

    what: str
    of: str
    unit: str
    repetitions: int
    median: float
    min: float
    max: float

    @staticmethod
    def told(what: str, of: str, unit: str, values: Sequence[float]) -> Row:
        return Row(what=what, of=of, unit=unit, **machine.spread(values, _DIGITS))


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Ours by a peer's, taken pair by pair in one run, and what it should be where that was said."""

    what: str
    repetitions: int
    median: float
    min: float
    max: float
    limit: float | None = None
    kind: Literal["at most", "at least"] = "at most"

    @staticmethod
    def of(
        what: str,
        ours: Sequence[float],
        theirs: Sequence[float],
        limit: float | None = None,
        kind: Literal["at most", "at least"] = "at most",
    ) -> Ratio:
        pairs = [mine / other for mine, other in zip(ours, theirs, strict=True) if other]
        return Ratio(what=what, limit=limit, kind=kind, **machine.spread(pairs, _DIGITS))

    @property
    def holds(self) -> bool | None:
        if self.limit is None:
            return None
        return self.median <= self.limit if self.kind == "at most" else self.median >= self.limit


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One table of the page; `name` is also the name of its picture."""

    name: str
    title: str
    rows: Sequence[Row]
    ratios: Sequence[Ratio] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    """What a reader must know to judge it, a sentence each."""
    at: str = ""
    machine: Mapping[str, Any] = field(default_factory=dict)

    def row(self, what: str, of: str = OURS) -> Row:
        """The one row of that name."""
        (found,) = [row for row in self.rows if (row.what, row.of) == (what, of)]
        return found

    def ratio(self, what: str) -> Ratio:
        (found,) = [ratio for ratio in self.ratios if ratio.what == what]
        return found


def read(path: Path = FILE) -> dict[str, Figure]:
    """All figures by name."""
    if not path.exists():
        return {}
    document = json.loads(path.read_text(encoding="utf-8"))
    return {name: _figure(name, content) for name, content in document["figures"].items()}


def _figure(name: str, content: Mapping[str, Any]) -> Figure:
    rows = [Row(**row) for row in content["rows"]]
    ratios = [Ratio(**ratio) for ratio in content["ratios"]]
    return Figure(**{**content, "name": name, "rows": rows, "ratios": ratios})


def keep(figure: Figure, path: Path = FILE) -> None:
    """Put a figure into the file, with the machine and the moment."""
    document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"figures": {}}
    content = asdict(figure)
    content.pop("name")
    content["at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    content["machine"] = machine.described()
    document["figures"][figure.name] = content
    document["figures"] = dict(sorted(document["figures"].items()))
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def shown(row: Row | Ratio) -> str:
    """Median (smallest to largest)."""
    if row.repetitions == 1:
        return number(row.median)
    return f"{number(row.median)} ({number(row.min)} to {number(row.max)})"


def number(value: float) -> str:
    """With three digits that count, as a person writes it."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(figure: Figure) -> Table:
    """For the terminal."""
    made = Table(title=figure.title)
    for title in ("what", "who", "unit", "median (min to max)", "times"):
        made.add_column(title)
    for row in figure.rows:
        made.add_row(row.what, row.of, row.unit, shown(row), str(row.repetitions))
    for ratio in figure.ratios:
        limit = "" if ratio.limit is None else f"{ratio.kind} {ratio.limit:g}"
        made.add_row(f"ratio: {ratio.what}", "", limit, shown(ratio), str(ratio.repetitions))
    return made
