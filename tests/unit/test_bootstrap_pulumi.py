"""Which Pulumi is used, and that a download is what was published."""

from __future__ import annotations

import functools
import gc
import hashlib
import io
import platform
import socket
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ops.bootstrap import download
from ops.bootstrap.errors import StepError
from ops.bootstrap.pulumi import own_program, version_number

VERSION = "3.259.0"
NAME = download.archive_name(VERSION, platform.system(), platform.machine())


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        """Nothing on the tests' output."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A place to download from, and the folder that it gives."""
    folder = tmp_path / "site"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", folder
        server.shutdown()
        thread.join()


def publish(folder: Path, *, checksum: str | None = None) -> None:
    with tarfile.open(folder / NAME, "w:gz") as tar:
        for name in ("pulumi/pulumi", "pulumi/pulumi-language-python", "../outside"):
            member = tarfile.TarInfo(name)
            member.size = 4
            tar.addfile(member, io.BytesIO(b"true"))
    digest = checksum or hashlib.sha256((folder / NAME).read_bytes()).hexdigest()
    other = "0" * 64
    (folder / f"pulumi-{VERSION}-checksums.txt").write_text(f"{other}  other.zip\n{digest}  {NAME}\n", encoding="utf-8")


def install(url: str, tools: Path) -> bool:
    return download.install(VERSION, tools, lambda _: None, url)


def test_a_download_replaces_what_was_there(site: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = site
    publish(folder)
    tools = tmp_path / "cache" / "bin"
    tools.mkdir(parents=True)
    (tools / "old").touch()
    assert install(url, tools)
    assert sorted(path.name for path in tools.iterdir()) == ["outside", "pulumi", "pulumi-language-python"]
    assert (tools / "pulumi").stat().st_mode & 0o111 == 0o111
    assert [path.name for path in tools.parent.iterdir()] == ["bin"]


def test_a_download_that_is_not_what_was_published_is_refused(site: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = site
    publish(folder, checksum="1" * 64)
    with pytest.raises(StepError, match="which is not the published one"):
        install(url, tmp_path / "bin")
    assert not (tmp_path / "bin").exists()


def test_without_published_checksums_nothing_is_taken(site: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = site
    publish(folder)
    (folder / f"pulumi-{VERSION}-checksums.txt").unlink()
    assert not install(url, tmp_path / "bin")


def test_a_place_that_refuses_is_no_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert not install(f"http://127.0.0.1:{port}", tmp_path / "bin")
    assert not download.reachable(VERSION, f"http://127.0.0.1:{port}")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_place_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_ANSWER_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert not download.reachable(VERSION, url)
    for thread in threading.enumerate():
        if thread.name.startswith(url):  # the request that nobody waits for ends with its connection
            thread.join()
    gc.collect()


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [
        ("Linux", "x86_64", "pulumi-v3.259.0-linux-x64.tar.gz"),
        ("Linux", "aarch64", "pulumi-v3.259.0-linux-arm64.tar.gz"),
        ("Darwin", "arm64", "pulumi-v3.259.0-darwin-arm64.tar.gz"),
    ],
)
def test_the_archive_is_the_one_for_the_machine(system: str, machine: str, name: str) -> None:
    assert download.archive_name(VERSION, system, machine) == name


def test_an_unknown_processor_is_named() -> None:
    with pytest.raises(StepError, match="not published for riscv64"):
        download.archive_name(VERSION, "Linux", "riscv64")


@pytest.mark.parametrize("older", ["v3.258.9", "v3.99.0", "v2.300.0", "", "not a version"])
def test_older_versions_are_older(older: str) -> None:
    assert version_number(older) < version_number("3.259.0")


@pytest.mark.parametrize("recent", ["v3.259.0", "3.259.1\n", "v3.1000.0", "v4.0.0-alpha.1"])
def test_recent_versions_are_recent(recent: str) -> None:
    assert version_number(recent) >= version_number("3.259.0")


@pytest.mark.parametrize(("version", "used"), [("v3.300.0", True), ("v3.100.0", False)])
def test_the_machines_own_pulumi_is_used_when_it_is_recent(tmp_path: Path, version: str, used: bool) -> None:
    program = tmp_path / "pulumi"
    program.write_text(f"#!/bin/sh\necho {version}\n", encoding="utf-8")
    program.chmod(0o755)
    assert own_program(str(tmp_path)) == (program if used else None)


def test_a_machine_without_pulumi_has_none_of_its_own(tmp_path: Path) -> None:
    assert own_program(str(tmp_path)) is None
