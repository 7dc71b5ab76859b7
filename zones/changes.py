"""Putting one record into a zone, and taking it out again, without touching what others have made.

What was made is remembered by whoever calls: `put` gives it, and takes it again to change it, as `take` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Protocol

from zones.record import SINGLE, ZoneRecord, listed

_TRIES = 5


class ZoneError(Exception):
    """Why a zone cannot be read or changed, and what to do, in words for people."""


class ChangedMeanwhile(Exception):  # noqa: N818 - it is met and handled, and never reaches a person
    """The zone is not what the change was made for."""


@dataclass(frozen=True)
class Found:
    """What a zone has of one name and type."""

    values: frozenset[str] = field(default_factory=frozenset)
    ttl: int | None = None
    """None where it cannot be told or kept."""


@dataclass(frozen=True)
class Made:
    """What a step has made; `ours` is false when the value was there before."""

    value: str
    ours: bool

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Made | None:
        return Made(**json.loads(text)) if text.strip() else None


class Zone(Protocol):
    """A zone that can be changed. All raise ZoneError; values are canonical."""

    def read(self, name: str, kind: str) -> Found:
        """What there is of a name and type."""

    def others(self, name: str, kind: str) -> Iterable[str]:
        """The types besides `kind` that the name has records of."""

    def change(self, record: ZoneRecord, before: Found, after: frozenset[str]) -> None:
        """Make `before` into `after` in one go where the zone can. Raises ChangedMeanwhile when it is not `before`."""


def put(zone: Zone, record: ZoneRecord, made: Made | None, *, mend: bool = False) -> Made:
    """Have the record in the zone, in the place of what was `made` of it before.

    With `mend` what others have put in its place since gives way. Raises ZoneError.
    """
    mine = made.value if made and made.ours else None
    before = Found()
    if made:
        before = zone.read(record.name, record.type)
    for _ in range(_TRIES):
        after, ours = _with(record, before, mine, mend=mend)
        # The time to live is one for all records of a name and type, so others' decide it where there are any.
        keeps_ttl = before.ttl in (None, record.ttl) or len(after) > 1 or not ours
        if after == before.values and keeps_ttl:
            return Made(record.value, ours)
        try:
            zone.change(record, before, after)
        except ChangedMeanwhile:
            _refuse_beside(zone, record)
            before = zone.read(record.name, record.type)
        else:
            return Made(record.value, ours)
    raise ZoneError(f"{record}: something else changes it all the time; find out what, and run it again.")


def take(zone: Zone, record: ZoneRecord, made: Made | None) -> None:
    """Take what was made out of the zone; what is gone already, and what others have made, is left alone."""
    if made is None or not made.ours:
        return
    for _ in range(_TRIES):
        before = zone.read(record.name, record.type)
        if made.value not in before.values:
            return
        try:
            zone.change(record, before, before.values - {made.value})
        except ChangedMeanwhile:
            continue
        return
    raise ZoneError(f"{record}: something else changes it all the time; find out what, and run it again.")


def differs(zone: Zone, record: ZoneRecord, made: Made | None) -> str:
    """How the zone differs from what was made; empty when it does not."""
    found = zone.read(record.name, record.type)
    wanted = made.value if made else record.value
    if wanted not in found.values:
        there = f"; there is {listed(found.values)}" if record.type in SINGLE and found.values else ""
        return f"{wanted} is missing{there}"
    extra = found.values - {wanted} if record.type in SINGLE else frozenset()
    if extra:
        return f"there is {listed(extra)} beside it"
    ours = made is None or made.ours
    if ours and len(found.values) == 1 and found.ttl not in (None, record.ttl):
        return f"its time to live is {found.ttl} s instead of {record.ttl} s"
    return ""


def _with(record: ZoneRecord, before: Found, mine: str | None, *, mend: bool) -> tuple[frozenset[str], bool]:
    """What there will be, and whether our value among it is of our making."""
    foreign = before.values - {mine}
    if record.type not in SINGLE:
        return foreign | {record.value}, record.value not in foreign
    if not mend and foreign - {record.value}:
        raise ZoneError(
            f"{record}: there is {listed(foreign)} already, which monopco did not make. "
            f"Remove it from the zone if the name is to point at {record.value}, or change the configuration."
        )
    return frozenset({record.value}), mend or record.value not in foreign


def _refuse_beside(zone: Zone, record: ZoneRecord) -> None:
    others = sorted(zone.others(record.name, record.type))
    if others and (record.type == "CNAME" or "CNAME" in others):
        raise ZoneError(
            f"{record}: the name has {listed(others)} already, and nothing can stand beside a CNAME. "
            "Remove it from the zone, or change the configuration."
        )
