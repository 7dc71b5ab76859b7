"""The specification that tests of releases start from."""

from __future__ import annotations

from components.specification import Health, Script, Specification

SUBNET = "10.200.0.0/18"
SPECIFICATION = Specification(
    image_digest="0" * 64,
    subnet=SUBNET,
    memory_mb=500,
    port=3000,
    health=Health(path="/health", expect="ok", start_seconds=60),
    read_only=True,
    drain_seconds=30,
    environment={"NODE_ENV": "production"},
    secret_versions={"DATABASE_URL": "1", "KEY": "1"},
    scripts=(Script("01.sql", "a" * 64), Script("db/02.sql", "b" * 64)),
)
