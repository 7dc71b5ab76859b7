"""The options that a component gives to what is inside it."""

from __future__ import annotations

import pulumi
import pulumi_random as random
from recorder import PASSWORD, Resource, record

from components.child import child


class Holder(pulumi.ComponentResource):
    """A component with one resource inside."""

    def __init__(self, opts: pulumi.ResourceOptions | None = None, *, protect: bool | None = None) -> None:
        super().__init__("monopco:components:Holder", "holder", None, opts)
        options = child(self, opts, protect=protect, ignore_changes=["length"])
        random.RandomPassword("holder-inside", length=1, opts=options)


def inside(*, protect: bool | None = None, after: bool = False) -> Resource:
    def declare() -> None:
        first = [random.RandomPassword("first", length=1)] if after else []
        Holder(pulumi.ResourceOptions(depends_on=first), protect=protect)

    recording = record(declare)
    found = recording.named("holder-inside", PASSWORD)
    assert found.parent == recording.named("holder").urn
    assert ("first" in recording.waits_for(found)) is after
    return found


def test_what_is_inside_waits_for_what_the_component_waits_for() -> None:
    inside(after=True)


def test_what_is_inside_waits_for_nothing_otherwise() -> None:
    inside(after=False)


def test_what_is_inside_is_protected_only_when_it_is_asked_for() -> None:
    assert [inside(protect=protect).protect for protect in (None, False, True)] == [False, False, True]


def test_changes_are_ignored_where_that_is_asked_for() -> None:
    assert inside().ignore_changes == ("length",)


def test_a_component_without_options_can_have_children() -> None:
    assert record(Holder).named("holder-inside").parent
