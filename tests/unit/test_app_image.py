"""The app's image and the two of Node."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import pytest
from recorder import IMAGE, Recording, record

from components.app_image import AppImage, AppImageArgs
from components.stack import Stack

ARGS = AppImageArgs(
    stack=Stack("dev"),
    node="images/node",
    node_digest="a" * 64,
    source="../app",
    dockerfile="../main/images/node/app.Dockerfile",
    digest="b" * 64,
    pnpm_version="10.4.1",
    dependencies="all",
    public={"VITE_B": "é", "VITE_A": "1"},
)


def declare(**changes: Any) -> Recording:
    return record(lambda: AppImage("image", dataclasses.replace(ARGS, **changes)))


def build(recording: Recording, name: str) -> dict[str, Any]:
    return dict(recording.named(f"image-{name}-build", IMAGE).inputs["build"])


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare()


def test_three_images_are_built_inside_it(recording: Recording) -> None:
    assert [one.name for one in recording.children(recording.component("AppImage"))] == [
        "image-runtime",
        "image-build",
        "image-app",
    ]


@pytest.mark.parametrize("target", ["runtime", "build"])
def test_the_images_of_node_are_two_stages_of_one_folder(recording: Recording, target: str) -> None:
    found = build(recording, target)
    assert (found["context"], found["dockerfile"], found["target"]) == ("images/node", "Dockerfile", target)
    name = recording.named(f"image-{target}-build").inputs["name"]
    assert name == f"monopco-dev/{target}:{'a' * 12}"


def test_the_app_is_built_from_its_source_on_the_two(recording: Recording) -> None:
    found = build(recording, "app")
    assert (found["context"], found["dockerfile"]) == ("../app", "../main/images/node/app.Dockerfile")
    arguments = dict(found["buildArgs"])
    assert json.loads(base64.b64decode(arguments.pop("PUBLIC_ENV"))) == {"VITE_A": "1", "VITE_B": "é"}
    assert arguments == {
        "RUNTIME": f"monopco-dev/runtime:{'a' * 12}",
        "BUILD": f"monopco-dev/build:{'a' * 12}",
        "PNPM_VERSION": "10.4.1",
        "DEPENDENCIES": "all",
    }


def test_the_order_of_public_values_builds_nothing_anew(recording: Recording) -> None:
    other = declare(public={"VITE_A": "1", "VITE_B": "é"})
    assert build(other, "app") == build(recording, "app")


def test_the_outputs_are_those_of_the_app(recording: Recording) -> None:
    assert recording.outputs(recording.component("AppImage")) == {
        "imageId": "sha256:image-app-build",
        "reference": f"monopco-dev/app:{'b' * 12}",
    }
