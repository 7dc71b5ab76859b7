"""The drawing of the architecture, made from what the program declares: `python -m ops.drawing` writes it anew.

A box is a component with what it makes; an arrow leads from what must be there first. Columns follow from the arrows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from ops.places import PROJECT
from ops.plan import declared

PLACE = PROJECT / "docs" / "architecture.svg"
STACK = "dev"
_STACK_TYPE = "pulumi:pulumi:Stack"
_OURS = "monopco:components:"
_WIDTH, _LINE, _GAP, _ROOM, _EDGE = 190, 17, 22, 70, 20
_KINDS = {
    "container": ("container", "containers"),
    "volume": ("volume", "volumes"),
    "network": ("network", "networks"),
    "remoteimage": ("image", "images"),
    "command": ("step", "steps"),
    "randompassword": ("generated secret", "generated secrets"),
    "randombytes": ("generated secret", "generated secrets"),
}

_FRAME = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"
  font-family="system-ui, sans-serif" font-size="13" role="img"
  aria-label="The components of one environment; an arrow leads from what must be there first">
  <defs>
    <marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">
      <path d="M0 0L10 5L0 10z" fill="#64748b"/>
    </marker>
  </defs>
  <rect width="{width}" height="{height}" fill="#ffffff"/>
  <g fill="none" stroke="#64748b" stroke-width="1.2" marker-end="url(#tip)">
{arrows}
  </g>
{boxes}
</svg>
"""


@dataclass(frozen=True)
class Box:
    """A component: its name, what it makes in a few words, and what must be there first."""

    name: str
    lines: tuple[str, ...]
    after: frozenset[str]

    @property
    def height(self) -> int:
        return _LINE * (1 + len(self.lines)) + 14


def boxes(resources: Sequence[Mapping[str, Any]]) -> list[Box]:
    """The components below the stack, in the order of the program."""
    by_urn = {one["urn"]: one for one in resources}

    def component(urn: str) -> str:
        """The component below the stack that a resource belongs to; empty for the stack and providers."""
        one = by_urn[urn]
        above = by_urn.get(one["parent"])
        if above is not None and above["type"] != _STACK_TYPE:
            return component(one["parent"])
        return str(one["urn"].rpartition("::")[2]) if one["type"].startswith(_OURS) else ""

    made: dict[str, Counter[str]] = {}
    needs: dict[str, set[str]] = {}
    for one in resources:
        if not (name := component(one["urn"])):
            continue
        kinds, after = made.setdefault(name, Counter()), needs.setdefault(name, set())
        kind = one["type"].rpartition(":")[2].lower()
        if not one["type"].startswith(_OURS):
            kinds[_KINDS.get(kind, (kind, kind))[0]] += 1
        after |= {component(urn) for urn in one["dependencies"] if urn in by_urn}
    plural = dict(_KINDS.values())
    reduced = _reduced({name: after - {name, ""} for name, after in needs.items()})
    return [
        Box(
            name,
            tuple(f"{number} {kind if number == 1 else plural.get(kind, kind)}" for kind, number in kinds.items()),
            frozenset(reduced[name]),
        )
        for name, kinds in made.items()
    ]


def _reduced(needs: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The arrows without those that others imply."""

    @cache
    def all_before(name: str) -> frozenset[str]:
        direct = needs[name]
        return frozenset(direct).union(*(all_before(other) for other in direct))

    return {
        name: {one for one in own if not any(one in all_before(other) for other in own)} for name, own in needs.items()
    }


def columns(found: Sequence[Box]) -> list[list[Box]]:
    """The boxes by how many must be there before them."""
    by_name = {box.name: box for box in found}

    @cache
    def depth(name: str) -> int:
        return 1 + max((depth(other) for other in by_name[name].after), default=-1)

    last = max(depth(box.name) for box in found)
    return [[box for box in found if depth(box.name) == level] for level in range(last + 1)]


def svg(found: Sequence[Box]) -> str:
    """The drawing."""
    levels = columns(found)
    tallest = max(sum(box.height + _GAP for box in level) for level in levels)
    places: dict[str, tuple[int, int, Box]] = {}
    for index, level in enumerate(levels):
        y = _EDGE + (tallest - sum(box.height + _GAP for box in level)) // 2
        for box in level:
            places[box.name] = (_EDGE + index * (_WIDTH + _ROOM), y, box)
            y += box.height + _GAP
    width, height = 2 * _EDGE + len(levels) * (_WIDTH + _ROOM) - _ROOM, 2 * _EDGE + tallest - _GAP
    arrows = [
        _arrow(places[before], places[box.name]) for level in levels for box in level for before in sorted(box.after)
    ]
    drawn = [_box(*place) for place in places.values()]
    return _FRAME.format(width=width, height=height, arrows="\n".join(arrows), boxes="\n".join(drawn))


def _box(x: int, y: int, box: Box) -> str:
    lines = [
        f'  <rect x="{x}" y="{y}" width="{_WIDTH}" height="{box.height}" rx="8" fill="#eff6ff" stroke="#2563eb"/>',
        f'  <text x="{x + 12}" y="{y + 21}" font-weight="600" fill="#0f172a">{escape(box.name)}</text>',
    ]
    for number, line in enumerate(box.lines, start=1):
        lines.append(f'  <text x="{x + 12}" y="{y + 21 + number * _LINE}" fill="#475569">{escape(line)}</text>')
    return "\n".join(lines)


def _arrow(start: tuple[int, int, Box], end: tuple[int, int, Box]) -> str:
    (x1, y1, one), (x2, y2, other) = start, end
    x1, y1, y2 = x1 + _WIDTH, y1 + one.height // 2, y2 + other.height // 2
    bend = _ROOM * 3 // 4
    return f'    <path d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2 - 2} {y2}"/>'


def drawing() -> str:
    """The drawing of the program as it is."""
    return svg(boxes(declared(PROJECT, STACK)["resources"]))


def main(place: Path = PLACE) -> None:
    place.write_text(drawing(), encoding="utf-8")


if __name__ == "__main__":
    main()
