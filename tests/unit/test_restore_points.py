"""Where restore points lie."""

from __future__ import annotations

import pytest
from recorder import VOLUME, Recording, record

from components.restore_points import RestorePoints, RestorePointsArgs
from components.stack import Stack


def declare(stack: Stack, *, protect: bool = False) -> Recording:
    return record(lambda: RestorePoints("restore-points", RestorePointsArgs(stack=stack, protect=protect)))


def test_they_are_a_volume_of_the_stack_that_belongs_to_no_release(stack: Stack) -> None:
    recording = declare(stack)
    (volume,) = recording.children(recording.component("RestorePoints"))
    assert (volume.type, volume.inputs["name"]) == (VOLUME, "monopco-dev-restore-points")
    assert recording.outputs(recording.component("RestorePoints")) == {"volume": "monopco-dev-restore-points"}
    assert recording.labels(volume) == {
        "dev.monopco.stack": "dev",
        "dev.monopco.component": "restore-points",
        "dev.monopco.release": "",
    }


@pytest.mark.parametrize("protect", [False, True])
def test_they_are_protected_where_the_data_is(stack: Stack, protect: bool) -> None:
    found = {one.name for one in declare(stack, protect=protect).resources if one.protect}
    assert found == ({"restore-points-volume"} if protect else set())


def test_those_of_an_environment_that_was_made_before_are_found_where_they_were(stack: Stack) -> None:
    (volume,) = declare(stack).of_type(VOLUME)
    assert volume.aliases == ("urn:pulumi:dev::monopco::monopco:components:Schema::schema schema-restore-points",)
