"""docs/faults.md shows what the suite of faults has measured, and all of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_mistakes import MISTAKES

from tests.faults.table import FAULTS, PAGE, RESULTS, page


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


def test_the_page_shows_the_figures_that_were_measured(document: dict[str, Any]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text, document), "python -m tests.faults.table writes it"


def test_every_fault_was_measured(document: dict[str, Any]) -> None:
    assert [one["fault"] for one in document["faults"]] == list(FAULTS)


def test_no_fault_costs_data(document: dict[str, Any]) -> None:
    assert {one["fault"]: one["data_lost"] for one in document["faults"] if one["data_lost"]} == {}


def test_where_nothing_is_to_be_lost_nothing_was(document: dict[str, Any]) -> None:
    promised = [one for one in document["faults"] if one["expected"].startswith("nothing")]
    assert len(promised) >= 10
    assert {one["fault"]: one["lost"] for one in promised if one["lost"]} == {}


def test_the_number_of_mistakes_is_that_of_their_list() -> None:
    assert f"{len(MISTAKES)} mistakes" in PAGE.read_text(encoding="utf-8")
