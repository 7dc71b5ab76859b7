"""The folder in which other parts leave figures."""

from __future__ import annotations

from recorder import COMMAND, VOLUME, record

from components.metrics import Metrics, MetricsArgs
from components.stack import Stack

ARGS = MetricsArgs(stack=Stack("dev"), docker_host=None, image_id="sha256:monitoring")


def test_the_volume_is_given_away_once_everybody_may_write_to_it() -> None:
    recording = record(lambda: Metrics("metrics", ARGS))
    component = recording.component("Metrics")
    assert {(one.type, one.name) for one in recording.children(component)} == {
        (VOLUME, "metrics-files"),
        (COMMAND, "metrics-open"),
    }
    assert recording.outputs(component) == {"volume": "monopco-dev-metrics"}
    assert "metrics-files" in recording.waits_for(recording.named("metrics-open"))


def test_another_image_is_no_reason_to_open_it_again() -> None:
    recording = record(lambda: Metrics("metrics", ARGS))
    assert recording.named("metrics-open").ignore_changes == ("environment.IMAGE",)
