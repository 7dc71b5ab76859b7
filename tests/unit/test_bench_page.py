"""What is told of measurements is what was measured: the page, its pictures and the README's table."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench import chart, growth, page, results, turns
from bench.results import OURS, Figure, Ratio, Row
from tests.integration.environment import PROJECT


def figure() -> Figure:
    return Figure(
        name="deploy",
        title="A <deploy>",
        rows=[Row.told("lost", OURS, "requests", [0, 0, 0]), Row.told("lost", "other & co", "requests", [2, 9, 4])],
        ratios=[Ratio.of("rate", [1.0, 3.0], [2.0, 4.0], 0.95, "at least")],
        at="2026-01-02T03:04:05Z",
        machine={"commit": "abc", "cores": 2, "processor": "A", "loadAverage": [0.5, 0.4, 0.3]},
    )


@pytest.mark.parametrize("path", sorted(page.documents(results.read())), ids=lambda path: str(path.name))
def test_every_document_is_written_from_the_results(path: Path) -> None:
    written = page.documents(results.read())[path]
    assert path.read_text(encoding="utf-8") == written, f"run: python -m bench page, and commit {path.name}"


def test_no_picture_is_left_over_and_every_figure_is_told() -> None:
    pictures = {path.stem for path in page.PICTURES.glob("*.svg")}
    assert pictures == set(results.read())
    assert pictures <= set(page.ORDER)


def test_every_figure_has_a_machine_a_moment_and_repetitions() -> None:
    for name, one in results.read().items():
        assert one.machine["cores"], name
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}Z", one.at), name
        assert all(row.repetitions > 0 and row.min <= row.median <= row.max for row in one.rows), name


def test_a_figure_is_kept_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results.keep(figure(), path)
    results.keep(Figure(name="another", title="Another", rows=[]), path)
    kept = results.read(path)
    assert kept["deploy"].rows == figure().rows
    assert kept["deploy"].ratios == figure().ratios
    assert list(kept) == ["another", "deploy"]
    assert kept["deploy"].machine


def test_a_ratio_is_taken_pair_by_pair_and_knows_its_limit() -> None:
    ratio = figure().ratios[0]
    assert (ratio.min, ratio.median, ratio.max) == (0.5, 0.625, 0.75)
    assert ratio.holds is False
    assert Ratio.of("time", [1.0], [2.0], 1.5).holds is True
    assert Ratio.of("time", [1.0], [2.0]).holds is None


def test_what_is_behind_is_told_first() -> None:
    text = page.page({"deploy": figure()})
    assert "| [A <deploy>](#deploy): rate | at least 0.95 | 0.625 (0.5 to 0.75) |" in text


def test_a_picture_is_sound_and_has_a_bar_for_each_row() -> None:
    root = ET.fromstring(chart.svg(figure()))  # noqa: S314 - our own text
    space = "{http://www.w3.org/2000/svg}"
    kinds = [bar.get("class") for bar in root.iter(f"{space}rect")]
    assert kinds == ["ours", "other"]
    widths = [float(bar.get("width", 0)) for bar in root.iter(f"{space}rect")]
    assert widths[0] < widths[1]
    assert any(text.text == "other & co" for text in root.iter(f"{space}text"))


def test_an_exponent_is_that_of_the_power_by_which_times_grow() -> None:
    assert growth.exponent({1: 3.0, 2: 6.0, 4: 12.0}) == pytest.approx(1.0)
    assert growth.exponent({1: 3.0, 2: 12.0, 4: 48.0}) == pytest.approx(2.0)
    assert growth.exponent({1: 3.0, 16: 3.0}) == pytest.approx(0.0)


def test_every_round_has_another_order() -> None:
    orders = [turns.order(["a", "b", "c"], number) for number in range(4)]
    assert orders == [["a", "b", "c"], ["a", "c", "b"], ["c", "a", "b"], ["c", "b", "a"]]


def test_the_results_are_committed_where_the_page_says() -> None:
    assert (PROJECT / "bench" / "results.json").exists()
