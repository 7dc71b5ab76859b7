"""Many cases of one kind, of which a quick run takes some."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def sampled(names: Iterable[str], every: int) -> Sequence[Any]:
    """Parameters of a test: one in `every` runs always, the others where tests that take long run, too."""
    return [
        pytest.param(name, marks=() if number % every == 0 else pytest.mark.long) for number, name in enumerate(names)
    ]
