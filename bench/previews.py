"""A preview: ours by that of the nearly empty program, with nothing to do and with a changed variable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench import turns
from bench.app import Deployed
from bench.nothing_to_do import EMPTY, EmptyProgram
from bench.results import OURS, Figure, Ratio, Row

NOTHING, CHANGED = "nothing to do", "a changed variable"
VARIABLE = "app.env.PREVIEWED"
REPORT = "monopco with its report"
# What the requirement on previews says: of the empty program's.
LIMIT = 2


def measure(deployed: Deployed, folder: Path, repetitions: int = 7, tell: Callable[[str], None] = print) -> Figure:
    """Plain `pulumi preview` of both, and the report that `./monopco preview` writes, in turn."""
    environment = deployed.environment
    folder.mkdir(parents=True)
    program = EmptyProgram(environment, folder / "nearly")
    contestants: dict[str, Callable[[], object]] = {
        OURS: lambda: environment.pulumi("preview", "--stack", environment.stack),
        REPORT: lambda: environment.monopco("preview"),
        EMPTY: program.preview,
    }
    rows: list[Row] = []
    ratios: list[Ratio] = []

    def compare(what: str) -> None:
        tell(what)
        times = turns.seconds(contestants, repetitions, tell)
        rows.extend(Row.told(what, name, "s", values) for name, values in times.items())
        ratios.append(Ratio.of(f"{what}: {OURS} by {EMPTY}", times[OURS], times[EMPTY], LIMIT))
        ratios.append(Ratio.of(f"{what}: {REPORT} by {EMPTY}", times[REPORT], times[EMPTY]))

    try:
        compare(NOTHING)
        deployed.configure(VARIABLE, "1")
        compare(CHANGED)
        deployed.forget(VARIABLE)
    finally:
        program.destroy()
    return Figure(
        name="previews",
        title="A preview",
        rows=rows,
        ratios=ratios,
        notes=[
            (
                "The nearly empty program has three resources of the same plugins, and nothing to do in both. Ours is"
                " `pulumi preview`."
            ),
            (
                "`./monopco preview` reads also what runs, to tell what was changed by hand and what visitors notice:"
                " more than what is asked of a preview here."
            ),
        ],
    )
