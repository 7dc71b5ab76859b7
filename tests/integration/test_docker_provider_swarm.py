"""The plugin "docker" on a swarm and with registries: the types that the machine's own daemon is not asked for."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from tests.integration.docker_lab import PASSWORD, USER, Docker, ask_registry, registry, swarm, tool
from tests.integration.pulumi_project import PulumiProject, changes

BASE = "monopco/base:trixie"
PROGRAM = """
import base64
import pulumi
import pulumi_docker as docker

def at(first, updated=None, replaced=None):
    updated = first if updated is None else updated
    return {{"first": first, "updated": updated, "replaced": updated if replaced is None else replaced}}["{stage}"]

def encoded(text):
    return base64.b64encode(text.encode()).decode()

login = {{"address": "http://{protected}", "username": "{user}", "password": pulumi.Output.secret("{password}")}}
provider = docker.Provider("provider", registry_auth=[login])
managed, asked = pulumi.ResourceOptions(provider=provider), pulumi.InvokeOptions(provider=provider)

plugin = docker.Plugin(
    "plugin",
    name="{open}/test/plugin:1",
    alias=at("monopco-test:1", replaced="monopco-test:2"),
    enabled=at(False, updated=True),
    grant_all_permissions=True,
    force_destroy=True,
    opts=managed,
)
secret = docker.Secret("secret", data=encoded(at("of the first round", replaced="of the last round")), opts=managed)
config = docker.ServiceConfig("config", data=encoded(at("first round", replaced="last round")), opts=managed)
tag = docker.Tag(
    "tag", source_image="{base}", target_image="{protected}/test/base:" + at("1", replaced="2"), opts=managed
)
image = docker.RegistryImage(
    "image", name=tag.target_image, keep_remotely=at(False, updated=True, replaced=False), opts=managed
)
docker.Service(
    "service",
    mode={{"replicated": {{"replicas": at(1, updated=2)}}}},
    labels=[{{"label": "test.round", "value": at("1", updated="2")}}],
    task_spec={{
        "container_spec": {{
            "image": "{base}",
            "commands": ["sleep", "infinity"],
            "secrets": [{{"secret_id": secret.id, "secret_name": secret.name, "file_name": "/secret"}}],
            "configs": [{{"config_id": config.id, "config_name": config.name, "file_name": "/config"}}],
        }},
    }},
    converge_config={{"delay": "1s", "timeout": "2m"}},
    opts=managed,
)
pulumi.export("digest", docker.get_registry_image_output(name=image.name, opts=asked).sha256_digest)
pulumi.export("plugin", docker.get_plugin_output(id=plugin.id, opts=asked).plugin_reference)
"""
TYPES = {"plugin", "secret", "config", "tag", "image", "service"}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """For sockets, whose paths must be short."""
    folder = Path(tempfile.mkdtemp(prefix="monopco-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def open_registry(folder: Path) -> Iterator[str]:
    (folder / "open").mkdir()
    with registry(folder / "open", protected=False) as address:
        yield address


@pytest.fixture(scope="module")
def protected_registry(folder: Path) -> Iterator[str]:
    (folder / "protected").mkdir()
    with registry(folder / "protected", protected=True) as address:
        yield address


@pytest.fixture(scope="module")
def docker(folder: Path, open_registry: str) -> Iterator[Docker]:
    """A swarm that has the base image; the open registry has a plugin for it."""
    if shutil.which("dockerd") is None or os.geteuid() != 0:
        pytest.skip("a second Docker daemon, which needs dockerd on this machine and root, cannot be started here")
    (folder / "daemon").mkdir()
    with swarm(folder / "daemon") as docker:
        image = folder / "base.tar"
        Docker()("image", "save", "--output", str(image), BASE)
        docker("image", "load", "--input", str(image))
        _push_plugin(docker, folder / "plugin", f"{open_registry}/test/plugin:1")
        yield docker


@pytest.fixture
def project(tmp_path: Path, docker: Docker) -> Iterator[PulumiProject]:
    project = PulumiProject(tmp_path / "project", docker.environment)
    yield project
    project.close()


def _push_plugin(docker: Docker, folder: Path, name: str) -> None:
    sockets = folder / "rootfs" / "run" / "docker" / "plugins"
    sockets.mkdir(parents=True)
    shutil.copy(tool("./volume-plugin"), folder / "rootfs" / "plugin")
    interface = {"types": ["docker.volumedriver/1.0"], "socket": "test.sock"}
    config = {"entrypoint": ["/plugin"], "interface": interface, "network": {"type": "none"}}
    (folder / "config.json").write_text(json.dumps(config))
    docker("plugin", "create", name, str(folder))
    docker("plugin", "push", name)
    docker("plugin", "rm", name)


def each(names: Collection[str], *operations: str) -> dict[str, list[str]]:
    """The same operations on all of them."""
    return {name: list(operations) for name in names}


@pytest.mark.long
def test_every_type_lives_from_creation_to_deletion(
    project: PulumiProject, docker: Docker, open_registry: str, protected_registry: str
) -> None:
    def program(stage: str) -> str:
        registries = {"open": open_registry, "protected": protected_registry}
        return PROGRAM.format(stage=stage, base=BASE, user=USER, password=PASSWORD, **registries)

    def ids() -> dict[str, str]:
        return {name: state["id"] for name, state in project.resources().items()}

    project.write(program("first"))
    assert changes(project.preview()) == each(TYPES, "create")
    assert changes(project.up()) == each(TYPES, "create")
    assert changes(project.up()) == {}
    assert changes(project.refresh()) == {}
    assert changes(project.preview()) == {}, "a refresh made a difference"
    first = ids()
    assert ask_registry(protected_registry, "test/base/manifests/1")
    outputs = project.outputs()
    assert outputs["digest"] == first["image"]
    assert outputs["plugin"] == f"{open_registry}/test/plugin:1"

    project.write(program("updated"))
    assert changes(project.up()) == each({"plugin", "image", "service"}, "update")
    assert changes(project.up()) == {}
    assert docker("plugin", "inspect", "--format", "{{.Enabled}}", first["plugin"]) == "true"
    assert docker.inspect("service", first["service"])["Spec"]["Mode"]["Replicated"]["Replicas"] == 2
    assert ids() == first

    project.write(program("replaced"))
    named, unnamed = {"plugin", "image"}, {"tag", "secret", "config"}
    assert changes(project.up()) == {
        **each(named, "delete-replaced", "create-replacement"),
        **each(unnamed, "create-replacement", "delete-replaced"),
        "service": ["update"],
    }, "what has a name of its own goes before its successor comes"
    assert changes(project.up()) == {}
    second = ids()
    assert [kind for kind in ("plugin", "secret", "config") if docker.has(kind, first[kind])] == []

    for kind in ("service", "secret", "config"):
        docker(kind, "rm", second[kind])
    docker("plugin", "rm", "--force", second["plugin"])
    assert changes(project.refresh()) == each({"service", "secret", "config", "plugin"}, "delete")
    assert changes(project.up()) == each({"service", "secret", "config", "plugin"}, "create")

    third = ids()
    assert changes(project.destroy()) == each(TYPES, "delete")
    assert [kind for kind in ("plugin", "secret", "config", "service") if docker.has(kind, third[kind])] == []
    assert ask_registry(protected_registry, "test/base/manifests/2") is None

    stored = project.state_text()
    assert PASSWORD not in stored
    assert base64.b64encode(b"of the first round").decode() not in stored


@pytest.mark.long
def test_an_image_is_pulled_and_the_platforms_of_a_list_are_told(
    project: PulumiProject, docker: Docker, open_registry: str
) -> None:
    docker("image", "tag", BASE, f"{open_registry}/test/pulled:1")
    docker("image", "push", f"{open_registry}/test/pulled:1")
    docker("image", "rm", f"{open_registry}/test/pulled:1")
    manifest = ask_registry(open_registry, "test/pulled/manifests/1")
    assert manifest
    entry = {"mediaType": manifest["mediaType"], "digest": manifest["digest"], "size": int(manifest["size"])}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json"}
    platform = {"architecture": "riscv64", "os": "linux"}
    assert ask_registry(
        open_registry, "test/pulled/manifests/list", put={**index, "manifests": [{**entry, "platform": platform}]}
    )

    project.write(
        f"""
        import pulumi
        import pulumi_docker as docker
        image = docker.RemoteImage("pulled", name="{open_registry}/test/pulled:1")
        pulumi.export("digest", image.repo_digest)
        login = {{"address": "http://{open_registry}", "username": "", "password": ""}}
        found = docker.get_registry_image_manifests(name="{open_registry}/test/pulled:list", auth_config=login)
        pulumi.export("platforms", [[one.sha256_digest, one.architecture, one.os] for one in found.manifests])
        """
    )
    assert changes(project.up()) == {"pulled": ["create"]}
    outputs = project.outputs()
    assert outputs["digest"].endswith(f"@{manifest['digest']}")
    assert outputs["platforms"] == [[manifest["digest"], "riscv64", "linux"]]
