"""What the modules of faults share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.measure import Costs


@pytest.fixture(scope="module")
def costs(request: pytest.FixtureRequest) -> Iterator[Costs]:
    """What the module's faults have cost."""
    found = Costs(request.module.__name__.rpartition(".")[2].removeprefix("test_"))
    yield found
    found.keep()
