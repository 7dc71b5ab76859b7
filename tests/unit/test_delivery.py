"""Bringing images to a server: what is sent, what is left out, and what is told."""

from __future__ import annotations

import gzip
import importlib.util
import io
import json
import os
import secrets
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pulumi
import pytest
from recorder import COMMAND, PROJECT, Resource, record
from values import is_secret

from components.delivery import Delivery, Registry
from components.server import PUBLISHED_BASE
from components.stack import Stack
from ops.bootstrap import base_image


def load() -> ModuleType:
    """The program, which runs by itself."""
    spec = importlib.util.spec_from_file_location("deliver", PROJECT / "components" / "delivery" / "deliver.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their types up
    spec.loader.exec_module(module)
    return module


program = load()


def brought(password: str = "") -> Resource:
    """The step that brings an image; through a registry when there is a password for it."""

    def declare() -> None:
        secret = pulumi.Output.secret(password)
        registry = Registry(url="r.example/m", username="ann", password=secret) if password else None
        delivery = Delivery(stack=Stack("prod"), docker_host="ssh://monopco@a:22", built_on="here", registry=registry)
        delivery.bring("one", image="sha256:1", reference="a:1", opts=pulumi.ResourceOptions())

    return record(declare).named("one", COMMAND)


def test_the_program_talks_to_both_daemons_itself_and_its_text_is_an_input() -> None:
    told = brought().inputs["environment"]
    assert "DOCKER_HOST" not in told
    assert told["SERVER"] == "ssh://monopco@a:22"
    assert told["MONOPCO_SSH_CONFIG"] == ".state/ssh/a-22/config"
    assert told["PROGRAM"] == (PROJECT / "components/delivery/deliver.py").read_text(encoding="utf-8")


def test_a_password_goes_by_standard_input_and_stays_secret() -> None:
    found = brought("hunter2")
    assert is_secret(found.inputs["stdin"])
    assert "hunter2" not in json.dumps(found.inputs["environment"])
    assert (found.inputs["environment"]["REGISTRY"], found.inputs["environment"]["USERNAME"]) == ("r.example/m", "ann")


def test_the_base_image_is_the_one_that_the_command_pulls() -> None:
    assert base_image._PUBLISHED == PUBLISHED_BASE


@pytest.mark.parametrize(
    ("others", "count"),
    [
        ([], 0),
        ([["a", "b"]], 2),
        ([["a"], ["a", "b", "x"]], 2),
        ([["b", "a"], ["x", "b", "c"]], 0),
        ([["a", "b", "c", "d"]], 3),
    ],
)
def test_a_layer_is_there_when_it_lies_on_the_same_ones(others: Sequence[Sequence[str]], count: int) -> None:
    assert program.in_common(["a", "b", "c"], others) == count


def test_images_are_the_same_by_id_or_by_name_and_layers() -> None:
    mine = {"Id": "1", "RootFS": {"Layers": ["a", "b"]}}
    assert program.same(mine, {"Id": "1"})
    assert program.same(mine, {"Id": "another kind of digest", "RootFS": {"Layers": ["a", "b"]}})
    assert not program.same(mine, {"Id": "2", "RootFS": {"Layers": ["a"]}})
    assert not program.same(mine, None)


def write_archive(path: Path, second: bytes = b"two" * 1000) -> Path:
    """As `docker save` writes it; the third layer is the first one again."""
    manifest = [{"Config": "config.json", "RepoTags": ["a:1"], "Layers": ["1/layer.tar", "2/layer.tar", "3/layer.tar"]}]
    with tarfile.open(path, "w") as archive:
        for name, content in {
            "1/layer.tar": b"one" * 1000,
            "2/layer.tar": second,
            "config.json": b"{}",
            "manifest.json": json.dumps(manifest).encode(),
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo("3/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../1/layer.tar"
        archive.addfile(link)
    return path


@pytest.mark.parametrize(
    ("skipped", "left_out"),
    [
        (0, set()),
        (1, set()),  # the third one is a link to it
        (2, {"2/layer.tar"}),
        (3, {"1/layer.tar", "2/layer.tar", "3/layer.tar"}),
    ],
)
def test_what_the_server_has_is_left_out_of_the_archive(tmp_path: Path, skipped: int, left_out: set[str]) -> None:
    every = {"1/layer.tar", "2/layer.tar", "3/layer.tar", "config.json", "manifest.json"}
    archive = program.Archive(write_archive(tmp_path / "image.tar"), skipped)
    sent = io.BytesIO()
    archive.write(sent, program.Progress("a:1", archive.size()))
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(sent.getvalue()))) as arrived:
        assert set(arrived.getnames()) == every - left_out
        if "2/layer.tar" in arrived.getnames():
            content = arrived.extractfile("2/layer.tar")
            assert content is not None
            assert content.read() == b"two" * 1000


def test_progress_is_told_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(program.time, "monotonic", lambda: now[0])
    progress = program.Progress("a:1", 10 * 10**6)
    for second in range(1, 5):
        now[0] = float(second)
        progress.add(10**6)
    assert capsys.readouterr().err.splitlines() == ["a:1: 20 % of 10.0 MB sent", "a:1: 40 % of 10.0 MB sent"]


@pytest.mark.parametrize("size", [1, 100_000, 10_000_000])
def test_why_docker_went_away_is_told_when_the_pipe_to_it_broke(tmp_path: Path, size: int) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\nexec <&-\necho connection reset by peer\nexit 1\n")
    docker.chmod(0o755)
    server = program.Docker("on the server", {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})
    path = write_archive(tmp_path / "image.tar", secrets.token_bytes(size))
    _, refused = program.load(server, program.Archive(path, 0), "a:1")
    assert refused == "connection reset by peer"


@pytest.mark.parametrize(
    ("registry", "key"),
    [("registry.example.com:5000/team", "registry.example.com:5000"), ("docker.io/ann", "https://index.docker.io/v1/")],
)
def test_a_login_is_in_a_file_that_only_the_user_reads(tmp_path: Path, registry: str, key: str) -> None:
    variables = program.credentials(tmp_path, registry, "ann", "hunter2")
    assert variables == {"DOCKER_CONFIG": str(tmp_path)}
    path = tmp_path / "config.json"
    assert json.loads(path.read_text()) == {"auths": {key: {"auth": "YW5uOmh1bnRlcjI="}}}
    assert path.stat().st_mode & 0o077 == 0


def test_a_name_in_the_registry_is_one_level_deep() -> None:
    assert program.registry_name("r.example/m/", "monopco-prod/app:1") == "r.example/m/monopco-prod-app:1"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"BUILT_ON": "here"}, "here"),
        ({"BUILT_ON": "server", "HELD_BY": "ssh://manager"}, "on the server"),
        ({"BUILT_ON": "here", "HELD_BY": "ssh://manager", "IMAGE": "known"}, "here"),
        ({"BUILT_ON": "here", "HELD_BY": "ssh://manager", "IMAGE": "old"}, "on the manager"),
    ],
)
def test_an_image_is_taken_from_where_it_is(given: dict[str, str], wanted: str) -> None:
    class Here:
        where = "here"

        def image(self, name: str) -> dict[str, str] | None:
            return {"Id": name} if name == "known" else None

    server = program.Docker("on the server", {"DOCKER_HOST": "ssh://node", "MONOPCO_SSH_CONFIG": "node"})
    found = program.holder({"IMAGE": "known", "HELD_BY_CONFIG": "manager", **given}, Here(), server)
    assert found.where == wanted
    if wanted == "on the manager":
        assert dict(found.environment) == {"DOCKER_HOST": "ssh://manager", "MONOPCO_SSH_CONFIG": "manager"}
