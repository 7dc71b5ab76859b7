"""Writes what people read of the measurements: docs/performance.md, its pictures, and the table in the README.

Every figure comes from results.json; a test writes all of it again and compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import jinja2

from bench import chart, readme
from bench.results import Figure, number, read, shown
from tests.integration.environment import PROJECT

PAGE = PROJECT / "docs" / "performance.md"
PICTURES = PROJECT / "docs" / "performance"
# In the order in which they are told.
ORDER = (
    "deploy",
    "rollback-under-load",
    "replica",
    "header",
    "switches",
    "rollback",
    "nothing-to-do",
    "previews",
    "proxy-proxied",
    "proxy-static",
    "cost",
    "growth-replicas",
    "growth-environments",
    "backups",
)


def documents(figures: Mapping[str, Figure]) -> dict[Path, str]:
    """Every file that is written, with its text."""
    told = [figures[name] for name in ORDER if name in figures]
    made = {PICTURES / f"{figure.name}.svg": chart.svg(figure) for figure in told}
    made[PAGE] = page(figures)
    made[readme.README] = readme.with_table(figures)
    return made


def page(figures: Mapping[str, Figure]) -> str:
    """The page itself."""
    told = [figures[name] for name in ORDER if name in figures]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).resolve().parent),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - the output is Markdown
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"shown": shown, "number": number}
    return environment.get_template("performance.md.j2").render(figures=told, named=figures)


def write() -> None:
    """Write all of them."""
    PICTURES.mkdir(exist_ok=True)
    for path, text in documents(read()).items():
        path.write_text(text, encoding="utf-8")
