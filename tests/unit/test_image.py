"""One image and its build."""

from __future__ import annotations

from typing import Any

import pytest
from recorder import IMAGE, Recording, record

from components.delivery import Delivery
from components.image import Image, ImageArgs
from components.stack import Stack

DIGEST = "0123456789abcdef" * 4


def declare(
    *,
    preview: bool = False,
    digest: str = DIGEST,
    target: str | None = None,
    remote: bool = False,
    delivery: Delivery | None = None,
) -> Recording:
    args = ImageArgs(
        stack=Stack("dev"),
        component="app",
        context="../app",
        dockerfile="../main/images/node/app.Dockerfile",
        digest=digest,
        target=target,
        remote=remote,
        delivery=delivery,
        build_args={"DEPENDENCIES": "all"},
    )
    return record(lambda: Image("image-app", args), preview=preview)


@pytest.fixture
def inputs() -> Any:
    return declare().named("image-app-build", IMAGE).inputs


def test_the_tag_names_the_content(inputs: Any) -> None:
    assert inputs["name"] == f"monopco-dev/app:{DIGEST[:12]}"


def test_the_build_gets_context_dockerfile_and_arguments(inputs: Any) -> None:
    build = inputs["build"]
    assert build["context"] == "../app"
    assert build["dockerfile"] == "../main/images/node/app.Dockerfile"
    assert build["buildArgs"] == {"DEPENDENCIES": "all"}
    assert "target" not in build


def test_a_stage_can_be_asked_for() -> None:
    assert declare(target="runtime").named("image-app-build").inputs["build"]["target"] == "runtime"


def test_the_image_carries_the_labels_of_the_stack(inputs: Any) -> None:
    assert inputs["build"]["label"] == {
        "dev.monopco.stack": "dev",
        "dev.monopco.component": "app",
        "dev.monopco.release": DIGEST[:12],
    }


def test_the_machines_certificate_authority_is_a_build_secret_and_no_argument(inputs: Any) -> None:
    assert inputs["build"]["secrets"] == [{"id": "ca", "src": ".state/ca.pem"}]


def test_what_the_build_says_is_kept(inputs: Any) -> None:
    assert inputs["build"]["buildLogFile"] == ".state/logs/build-app.log"


def test_another_content_is_built_under_another_name() -> None:
    other = declare(digest="f" * 64).named("image-app-build").inputs
    assert other["name"] == f"monopco-dev/app:{'f' * 12}"
    assert other["triggers"] == {"digest": "f" * 64}


def test_an_image_that_is_no_longer_wanted_stays_for_a_rollback(inputs: Any) -> None:
    assert inputs["keepLocally"] is True


def test_containers_get_the_image_by_its_content() -> None:
    recording = declare()
    assert recording.outputs(recording.component("Image")) == {
        "imageId": "sha256:image-app-build",
        "reference": f"monopco-dev/app:{DIGEST[:12]}",
    }


def test_in_a_preview_the_content_is_not_known_yet() -> None:
    recording = declare(preview=True)
    assert set(recording.outputs(recording.component("Image"))) >= {"imageId", "reference"}
    assert recording.outputs(recording.component("Image"))["imageId"] != "sha256:image-app-build"


def test_the_build_is_a_child_of_the_component() -> None:
    recording = declare()
    assert [child.name for child in recording.children(recording.component("Image"))] == ["image-app-build"]


def test_on_a_server_it_is_built_by_dockers_api_which_writes_no_log() -> None:
    build = declare(remote=True).named("image-app-build").inputs["build"]
    assert build["useLegacyBuilder"] is True
    assert "buildLogFile" not in build
    assert build["labels"] == build["label"], "each builder knows them by a name of its own"
    assert "useLegacyBuilder" not in declare().named("image-app-build").inputs["build"]


def test_with_a_delivery_the_image_is_the_one_that_was_brought() -> None:
    delivery = Delivery(stack=Stack("dev"), docker_host="ssh://monopco@a:22", built_on="here", registry=None)
    recording = declare(delivery=delivery)
    step = recording.named("image-app-bring")
    assert recording.waits_for(step) >= {"image-app-build"}
    assert step.inputs["environment"]["REFERENCE"] == f"monopco-dev/app:{DIGEST[:12]}"
    assert step.inputs["environment"]["IMAGE"] == "sha256:image-app-build"
