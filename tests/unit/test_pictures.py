"""Pictures of the home page."""

from __future__ import annotations

from recorder import COMMAND, VOLUME, record

from components.pictures import Pictures, PicturesArgs
from components.stack import Stack


def test_one_is_taken_of_each_release_by_a_container_that_runs_only_then() -> None:
    recording = record(
        lambda: Pictures(
            "pictures",
            PicturesArgs(
                stack=Stack("dev"),
                docker_host=None,
                image_id="sha256:browser",
                network_name="monopco-dev-network",
                metrics_volume="monopco-dev-metrics",
                domain="monopco.fr",
                release="abc123",
                keep=5,
            ),
        )
    )
    (volume,) = recording.of_type(VOLUME)
    taken = recording.named("pictures-take", COMMAND).inputs
    assert {key: taken["environment"][key] for key in ("RELEASE", "DOMAIN", "KEEP", "PICTURES")} == {
        "RELEASE": "abc123",
        "DOMAIN": "monopco.fr",
        "KEEP": "5",
        "PICTURES": volume.inputs["name"],
    }
    assert "docker run --rm" in taken["create"]
