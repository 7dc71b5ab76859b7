"""Visitors of an environment, for as long as something is done to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.load import Load, Options
from tests.integration.environment import Environment


@contextmanager
def visitors(environment: Environment, rate: float = 3, paths: Sequence[str] = ("/", "/api/info")) -> Iterator[Load]:
    """Clients that never retry, for as long as the block runs; what they lost is the caller's question."""
    url = f"https://localhost:{environment.https_port}"
    with Load(Options(url=url, ca=str(environment.authority()), seconds=300, rate=rate, paths=paths)) as load:
        load.more(50)
        yield load
        load.more(50)
