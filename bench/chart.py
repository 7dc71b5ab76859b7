"""One figure as a picture: bars with their smallest and largest value, readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from bench.results import OURS, Figure, Row, number

WIDTH, LABEL_WIDTH, VALUE_WIDTH = 860, 260, 130
BAR, GAP, HEADING, MARGIN = 18, 6, 30, 14
_STYLE = """
    text { font: 13px system-ui, sans-serif; fill: #1e293b }
    .heading { font-weight: 600 }
    .quiet { fill: #64748b }
    .ours { fill: #2563eb }
    .other { fill: #94a3b8 }
    .spread { stroke: #1e293b; stroke-width: 1.2 }
    @media (prefers-color-scheme: dark) {
      text { fill: #e2e8f0 }
      .quiet { fill: #94a3b8 }
      .ours { fill: #60a5fa }
      .other { fill: #64748b }
      .spread { stroke: #e2e8f0 }
    }
"""


def svg(figure: Figure) -> str:
    """A panel for each thing that was measured, each with a scale of its own that begins at 0."""
    panels: dict[tuple[str, str], list[Row]] = {}
    for row in figure.rows:
        panels.setdefault((row.what, row.unit), []).append(row)
    parts, top = [], MARGIN
    for (what, unit), rows in panels.items():
        parts.append(f'<text class="heading" x="{MARGIN}" y="{top + 15}">{escape(what)}, {escape(unit)}</text>')
        top += HEADING
        largest = max(row.max for row in rows) or 1.0
        for row in rows:
            parts += _bar(row, top, largest, alone=len(rows) == 1)
            top += BAR + GAP
        top += MARGIN
    title = escape(figure.title)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img" aria-label="{title}">'
    return "\n".join([head, f"  <style>{_STYLE}  </style>", *(f"  {part}" for part in parts), "</svg>"]) + "\n"


def _bar(row: Row, top: int, largest: float, *, alone: bool) -> Sequence[str]:
    room = WIDTH - LABEL_WIDTH - VALUE_WIDTH - 2 * MARGIN
    left, middle = MARGIN + LABEL_WIDTH, top + BAR / 2

    def place(value: float) -> float:
        return round(left + room * value / largest, 1)

    width = max(1.0, place(row.median) - left)
    kind = "ours" if alone or row.of == OURS or row.of[0].isdigit() else "other"
    made = [
        f'<text x="{left - 8}" y="{top + 14}" text-anchor="end">{escape(row.of)}</text>',
        f'<rect class="{kind}" x="{left}" y="{top}" width="{width:.1f}" height="{BAR}" rx="2"/>',
    ]
    if row.max > row.min:
        made.append(f'<line class="spread" x1="{place(row.min)}" x2="{place(row.max)}" y1="{middle}" y2="{middle}"/>')
    end = place(max(row.max, row.median)) + 8
    made.append(f'<text class="quiet" x="{end}" y="{top + 14}">{number(row.median)}</text>')
    return made
