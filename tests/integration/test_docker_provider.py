"""The plugin "docker", as a program and the engine see it: every type that one daemon alone can run."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from tests.integration.docker_lab import Docker
from tests.integration.pulumi_project import PulumiError, PulumiProject, changes, is_secret

BASE = "monopco/base:trixie"
DOCKERFILE = f"""
FROM {BASE}
ARG GREETING
RUN --mount=type=secret,id=token,target=/run/secrets/token \\
    echo "a line of the build" && wc -c < /run/secrets/token > /secret-size && echo "$GREETING" > /greeting
"""
PROGRAM = """
import pulumi
import pulumi_docker as docker

def at(first, updated=None, replaced=None):
    return {{"first": first, "updated": updated or first, "replaced": replaced or updated or first}}["{stage}"]

label = {{"label": "test.round", "value": at("1", replaced="2")}}
network = docker.Network("network", labels=[label])
volume = docker.Volume("volume", labels=[label])
image = docker.RemoteImage(
    "image",
    name="{images}:" + at("1", replaced="2"),
    force_remove=at(False, updated=True),
    build={{
        "context": "context",
        "build_args": {{"GREETING": at("hello", replaced="good day")}},
        "secrets": [{{"id": "token", "src": "token"}}],
        "build_log_file": "build.log",
    }},
    triggers={{"round": at("1", replaced="2")}},
)
docker.Tag("tag", source_image=image.name, target_image="{images}:tag-" + at("1", replaced="2"))
docker.BuildxBuilder("builder", endpoint="unix:///var/run/docker.sock", platforms=at([], replaced=["linux/arm64"]))
container = docker.Container(
    "container",
    image=image.image_id,
    command=["sh", "-c", "cat /etc/uploaded; touch /tmp/ready; exec sleep infinity"],
    init=True,
    memory=at(64, updated=96),
    memory_swap=at(64, updated=96),  # left to Docker, it would be a difference for ever
    restart=at("no", updated="unless-stopped"),
    labels=[label],
    envs=[pulumi.Output.secret("TOKEN=secret-of-env"), "PLAIN=1"],
    uploads=[{{"file": "/etc/uploaded", "content": pulumi.Output.secret("secret-of-upload\\n")}}],
    volumes=[{{"volume_name": volume.name, "container_path": "/data"}}],
    networks_advanced=[{{"name": network.name, "aliases": ["alias"]}}],
    healthcheck={{"tests": ["CMD", "test", "-f", "/tmp/ready"], "interval": "1s", "timeout": "1s", "retries": 30}},
    wait=True,
    wait_timeout=60,
)
pulumi.export("network", docker.get_network_output(name=network.name).driver)
pulumi.export("image", docker.get_remote_image_output(name=image.name).id)
logs = docker.get_logs_output(name=container.id, show_stdout=True, logs_list_string_enabled=True)
pulumi.export("logs", logs.logs_list_strings)
"""
TYPES = {"network", "volume", "image", "tag", "builder", "container"}


@pytest.fixture(scope="module")
def docker() -> Docker:
    return Docker()


@pytest.fixture(scope="module")
def new_project(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Deployment]]:
    """Makes projects; what a test has left of them is deleted at the end."""
    made = []

    def make() -> Deployment:
        made.append(Deployment(tmp_path_factory.mktemp("docker")))
        return made[-1]

    yield make
    for deployment in made:
        deployment.close()
        listed = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", deployment.images)
        if listed:
            docker("image", "rm", *listed.split())


@pytest.fixture
def project(new_project: Callable[[], Deployment]) -> Deployment:
    return new_project()


@pytest.fixture(scope="module")
def deployed(new_project: Callable[[], Deployment]) -> Deployment:
    """A project that is deployed and may be looked at, not changed."""
    project = new_project()
    project.stage("first")
    project.up()
    return project


class Deployment(PulumiProject):
    """The program above at one of its stages."""

    def __init__(self, folder: Path) -> None:
        self.images = f"monopco-test/{uuid.uuid4().hex[:8]}"
        self.builders = folder / "buildx" / "instances"
        super().__init__(folder / "project", {"BUILDX_CONFIG": str(folder / "buildx")})
        (self.folder / "context").mkdir()
        (self.folder / "context" / "Dockerfile").write_text(DOCKERFILE)
        (self.folder / "token").write_text("secret-of-build")

    def stage(self, stage: str) -> None:
        """Write the program with the inputs of this stage."""
        self.write(PROGRAM.format(stage=stage, images=self.images))

    def ids(self) -> dict[str, str]:
        """The IDs of all resources."""
        return {name: state["id"] for name, state in self.resources().items()}


def each(names: Collection[str], *operations: str) -> dict[str, list[str]]:
    """The same operations on all of them."""
    return {name: list(operations) for name in names}


def test_every_type_lives_from_creation_to_deletion(project: Deployment, docker: Docker) -> None:
    project.stage("first")
    assert changes(project.preview()) == each(TYPES, "create")
    assert changes(project.up()) == each(TYPES, "create")
    assert changes(project.up()) == {}
    assert changes(project.refresh()) == {}
    assert changes(project.preview()) == {}, "a refresh made a difference"
    first = project.ids()

    project.stage("updated")
    assert changes(project.up()) == {"image": ["update"], "container": ["update"]}
    assert changes(project.up()) == {}
    host_config = docker.inspect("container", first["container"])["HostConfig"]
    assert (host_config["Memory"], host_config["RestartPolicy"]["Name"]) == (96 << 20, "unless-stopped")
    assert project.ids() == first

    project.stage("replaced")
    replaced = changes(project.up())
    assert replaced.pop("container") == ["delete-replaced", "create-replacement"]
    assert replaced == each(TYPES - {"container"}, "create-replacement", "delete-replaced")
    assert changes(project.up()) == {}
    second = project.ids()
    assert [name for name in TYPES if second[name] == first[name]] == []
    assert not docker.has("volume", first["volume"])
    built = docker("run", "--rm", f"{project.images}:2", "cat", "/greeting", "/secret-size")
    assert built.split("\n") == ["good day", str(len("secret-of-build"))]

    assert changes(project.destroy()) == each(TYPES, "delete")
    assert [kind for kind in ("container", "network", "volume") if docker.has(kind, second[kind])] == []
    assert not docker.has("image", f"{project.images}:2")
    assert list(project.builders.iterdir()) == []


@pytest.mark.long
def test_what_is_changed_by_hand_is_found_and_put_right(project: Deployment, docker: Docker) -> None:
    project.stage("first")
    project.up()
    ids = project.ids()

    docker("container", "update", "--memory", "80m", "--memory-swap", "80m", ids["container"])
    (changed,) = [step for step in project.preview("--refresh") if step.op == "update"]
    assert (changed.name, changed.diffs) == ("container", ("memory", "memorySwap"))
    assert changes(project.up("--refresh")) == {"container": ["update"]}
    assert docker.inspect("container", ids["container"])["HostConfig"]["Memory"] == 64 << 20

    docker("container", "rm", "--force", ids["container"])
    docker("network", "rm", ids["network"])
    docker("volume", "rm", ids["volume"])
    docker("image", "rm", f"{project.images}:1", f"{project.images}:tag-1")
    (project.builders / ids["builder"]).unlink()
    # Upstream never reads a tag again: to the engine it is there until its source changes.
    assert changes(project.refresh()) == each(TYPES - {"tag"}, "delete")
    assert changes(project.up()) == each(TYPES - {"tag"}, "create")
    assert changes(project.up()) == {}


def test_a_resource_without_a_name_gets_its_own_with_seven_hexadecimal_digits(deployed: Deployment) -> None:
    names = {name: state["outputs"].get("name", "") for name, state in deployed.resources().items()}
    named = {name for name in TYPES if re.fullmatch(f"{name}-[0-9a-f]{{7}}", names[name])}
    assert named == {"network", "volume", "builder", "container"}


def test_inputs_that_are_secret_are_not_in_the_state_in_clear(deployed: Deployment) -> None:
    container = deployed.resources()["container"]
    for side in ("inputs", "outputs"):
        assert {name for name, value in container[side].items() if is_secret(value)} >= {"envs", "uploads"}
    assert set(re.findall(r"secret-of-(?:env|upload|build)", deployed.state_text())) == {"secret-of-upload"}, (
        "only the log that the program exports tells one"
    )


def test_functions_answer(deployed: Deployment, docker: Docker) -> None:
    outputs = deployed.outputs()
    assert outputs["network"] == "bridge"
    assert outputs["image"] == docker.inspect("image", f"{deployed.images}:1")["Id"]
    assert "secret-of-upload" in "".join(outputs["logs"])


def test_a_build_leaves_its_output_in_the_log(deployed: Deployment) -> None:
    assert "a line of the build" in (deployed.folder / "build.log").read_text()


@pytest.mark.long
def test_a_failing_build_names_the_instruction_and_keeps_the_image(project: Deployment, docker: Docker) -> None:
    project.stage("first")
    project.up()
    (project.folder / "context" / "Dockerfile").write_text(f"FROM {BASE}\nRUN echo the reason >&2; exit 7\n")
    project.stage("replaced")
    with pytest.raises(PulumiError, match=r"echo the reason >&2; exit 7.*exit code: 7"):
        project.up()
    assert re.search(r"^#\d+ [\d.]+ the reason$", (project.folder / "build.log").read_text(), re.MULTILINE)
    assert docker.has("image", f"{project.images}:1")


@pytest.mark.long
def test_the_daemon_is_that_of_the_provider_then_that_of_the_environment(project: Deployment) -> None:
    project.environment["DOCKER_HOST"] = "tcp://127.0.0.1:2"
    project.write(
        """
        import pulumi, pulumi_docker as docker
        chosen = docker.Provider("chosen", host="tcp://127.0.0.1:1")
        docker.Volume("volume", opts=pulumi.ResourceOptions(provider=chosen))
        """
    )
    with pytest.raises(PulumiError, match=r"127\.0\.0\.1:1"):
        project.up()
    project.write("import pulumi_docker as docker\ndocker.Volume('volume')")
    with pytest.raises(PulumiError, match=r"127\.0\.0\.1:2"):
        project.up()


def test_an_image_of_the_native_kind_is_refused_by_its_type(project: Deployment) -> None:
    project.write("import pulumi_docker as docker\ndocker.Image('image', image_name='a:b', build={}, skip_push=True)")
    with pytest.raises(PulumiError, match="docker:index/image:Image"):
        project.up()
