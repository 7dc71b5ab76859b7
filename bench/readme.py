"""The README's table of figures, each from results.json. A figure that was not measured is not told."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bench.memory import ALL
from bench.nothing_to_do import EMPTY
from bench.peers import compose
from bench.previews import CHANGED
from bench.results import OURS, Figure, Row, number
from tests.integration.environment import PROJECT

README = PROJECT / "README.md"
BEGIN, END = "<!-- measured -->", "<!-- end of measured -->"
_UNTIL = "until all answers are the new one's"


def with_table(figures: Mapping[str, Figure]) -> str:
    """The README with the table in its place."""
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n{table(figures)}\n{END}{after}"


def table(figures: Mapping[str, Figure]) -> str:
    rows = [f"| {what} | {said(figures[name])} |" for name, what, said in _LINES if name in figures]
    return "\n".join(["| what | figure |", "|---|---|", *rows])


def _lost(figure: Figure) -> str:
    mine, theirs = figure.row("requests lost"), figure.row("requests lost", compose.TOGETHER)
    return f"{_most(mine)}; {_most(theirs)} with docker compose"


def _most(row: Row) -> str:
    return f"{number(row.max)} at most in {row.repetitions} runs" if row.max else f"0 in {row.repetitions} runs"


def _slowest(figure: Figure) -> str:
    mine, theirs = figure.row("slowest answer"), figure.row("slowest answer", compose.TOGETHER)
    return f"{number(mine.median)} ms; {number(theirs.median)} ms with docker compose"


def _until(figure: Figure) -> str:
    mine, theirs = figure.row(_UNTIL), figure.row(_UNTIL, compose.TOGETHER)
    return f"{number(mine.median)} s; {number(theirs.median)} s with docker compose"


def _switches(figure: Figure) -> str:
    lost, requests = figure.row("requests lost"), figure.row("requests")
    return f"{number(lost.median)} of {number(requests.median)}"


def _rollback(figure: Figure) -> str:
    row, ratio = figure.row("rollback"), figure.ratio("rollback / (empty run + start)")
    app, times = (
        figure.title.partition(": ")[2],
        f"{number(ratio.median)} times an empty Pulumi run and the app's own start",
    )
    return f"{app}: {number(row.median)} s, {times}"


def _publish(figure: Figure) -> str:
    row, ratio = figure.row("publishing a change of source"), figure.ratio("publish / (build + empty run + start)")
    times = f"{number(ratio.median)} times an empty run, the app's start and its own build"
    return f"{number(row.median)} s, {times}; the aim is {ratio.limit}"


def _both(what: str) -> Callable[[Figure], str]:
    return lambda figure: f"{number(figure.row(what).median)} ms; {number(figure.row(what, 'before').median)} ms before"


def _nothing(figure: Figure) -> str:
    ratio, mine = figure.ratio(f"ours by {EMPTY}"), figure.row("nothing to do")
    return f"{number(mine.median)} s, {number(ratio.median)} times a nearly empty program with the same plugins"


def _preview(figure: Figure) -> str:
    ratio, mine = figure.ratio(f"{CHANGED}: {OURS} by {EMPTY}"), figure.row(CHANGED)
    return f"{number(mine.median)} s, {number(ratio.median)} times that of a nearly empty program"


def _proxy(figure: Figure) -> str:
    # Each is called "proxied, 16 connections, ours by bare nginx".
    rates = [ratio for ratio in figure.ratios if ratio.limit is not None]
    told = [f"{number(ratio.median)} ({ratio.what.split(', ')[1]})" for ratio in rates]
    return " and ".join(told)


def _exponents(figure: Figure) -> str:
    return ", ".join(f"{number(ratio.median)} ({ratio.what.partition(':')[0]})" for ratio in figure.ratios)


def _beside(what: str, ratio: str, of: str) -> Callable[[Figure], str]:
    """Seconds, and how many times those of the plain way that is."""
    return lambda figure: f"{number(figure.row(what).median)} s, {number(figure.ratio(ratio).median)} times {of}"


def _busy(figure: Figure) -> str:
    what = "p95 of the app"
    busy, usual = figure.row(f"{what} while a full backup runs"), figure.row(what, "usual")
    return f"{number(busy.median)} ms; {number(usual.median)} ms before"


def _median(what: str, unit: str, of: str = OURS) -> Callable[[Figure], str]:
    return lambda figure: f"{number(figure.row(what, of).median)} {unit}"


_LINES: tuple[tuple[str, str, Callable[[Figure], str]], ...] = (
    ("deploy", "a changed source under 112 requests/s from clients that never retry: requests lost", _lost),
    ("deploy", "the same: slowest answer", _slowest),
    ("deploy", "the same: from the command until all answers are the new release's, build included", _until),
    ("rollback-under-load", "rollback under the same load: requests lost", _lost),
    ("rollback-under-load", "the same: from the command until all answers are the old release's", _until),
    (
        "switches",
        "requests lost over a run of changes of all kinds, with WebSockets, uploads and long answers",
        _switches,
    ),
    ("switches", "the same: slowest answer while commands run", _both("slowest answer")),
    (
        "switches",
        "the same: 99 of 100 answers while commands run, image builds included",
        _both("99 of 100 answers within"),
    ),
    ("rollback", "rollback, from the command to all traffic switched", _rollback),
    ("rollback", "publishing a changed source, the same", _publish),
    ("nothing-to-do", "`pulumi up` with nothing to do", _nothing),
    ("previews", "`pulumi preview` of a changed variable", _preview),
    ("proxy-proxied", "requests/s over TLS, proxied, by those of a bare nginx", _proxy),
    ("cost", "memory of all that is not app or database (PSS)", _median(ALL, "MB")),
    ("growth-replicas", "1 to 16 replicas: exponent by which time grows", _exponents),
    (
        "backups",
        "1 GB: full backup, each page checked, compressed, encrypted",
        _beside("full backup", "full backup by pg_basebackup", "`pg_basebackup`, which does none of that"),
    ),
    (
        "backups",
        "the same: restore of the files",
        _beside("restore of the files", "restore of the files by a copy", "a copy of them"),
    ),
    ("backups", "the same: backup when nothing has changed", _median("backup when nothing has changed", "s")),
    ("backups", "the same: 95 of 100 requests while the full backup runs", _busy),
)
