"""The plugin "command" copying files to a server, over real SSH."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.engine import Engine
from tests.integration.ssh_lab import Key, SshServer, ssh_server


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return Key.generate(tmp_path_factory.mktemp("key") / "key")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, key: Key) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("ssh") / "server", key) as running:
        yield running


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "project")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a", encoding="utf-8")
    (folder / "deep" / "b.txt").write_text("b", encoding="utf-8")
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where the copies go; it is made by the first one."""
    return tmp_path / "target"


@pytest.fixture
def connection(server: SshServer, key: Key) -> str:
    return f"connection={server.connection(private_key=key.private)!r}"


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in files}


def test_copies_live_from_creation_to_deletion(
    engine: Engine, connection: str, source: Path, target: Path, server: SshServer
) -> None:
    def program(trigger: int = 1, text: str = "text") -> str:
        copies = {
            "file": (f"pulumi.FileAsset('{source}/a.txt')", "file/new.txt"),
            "text": (f"pulumi.StringAsset('{text}')", "text/new.txt"),
            "named": (f"pulumi.FileArchive('{source}')", "named"),
            "content": (f"pulumi.FileArchive('{source}/')", "content"),
        }
        return "".join(
            f"command.remote.CopyToRemote('{name}', {connection}, source={source}, remote_path='{target}/{path}',"
            f" triggers=[{trigger}])\n"
            for name, (source, path) in copies.items()
        )

    engine.write(program())
    assert set(engine.preview().operations.values()) == {"create"}
    assert not target.exists(), "a preview copied"
    engine.up()
    expected = {
        "file/new.txt": "a",
        "text/new.txt": "text",
        "named/source/a.txt": "a",
        "named/source/deep/b.txt": "b",
        "content/a.txt": "a",
        "content/deep/b.txt": "b",
    }
    assert contents(target) == expected
    assert engine.secret_outputs("file") == {"connection"}
    logins = server.logins()
    assert engine.up().changes == {}
    assert engine.refresh().changes == {}
    assert server.logins() == logins

    (source / "a.txt").write_text("changed", encoding="utf-8")
    engine.write(program(text="other"))
    assert engine.up().changes == dict.fromkeys(("file", "text", "named", "content"), "update")
    changed = {name: "changed" if name.endswith("a.txt") else content for name, content in expected.items()}
    assert contents(target) == {**changed, "file/new.txt": "changed", "text/new.txt": "other"}

    engine.write(program(trigger=2, text="other"))
    assert set(engine.up().changes.values()) == {"create-replacement"}
    assert set(engine.destroy().operations.values()) == {"delete"}
    assert (target / "file" / "new.txt").exists(), "the official plugin leaves copies where they are"


@pytest.mark.long
def test_a_copy_goes_into_a_directory_that_is_there_and_not_over_a_file(
    engine: Engine, connection: str, source: Path, target: Path
) -> None:
    def program(what: str, where: str) -> str:
        return f"command.remote.CopyToRemote('c', {connection}, source={what}, remote_path='{target}/{where}')"

    (target / "there").mkdir(parents=True)
    engine.write(program(f"pulumi.FileAsset('{source}/a.txt')", "there"))
    engine.up()
    assert contents(target) == {"there/a.txt": "a"}
    engine.write(program(f"pulumi.FileArchive('{source}')", "there/a.txt"))
    assert "exists on the server, but is not a directory" in engine.try_up().failure
    engine.write(program("pulumi.StringAsset('text')", "there"))
    assert "is a directory on the server" in engine.try_up().failure
    engine.write(program("pulumi.AssetArchive({'x': pulumi.StringAsset('x')})", "there"))
    assert "archive must be a path to a file or directory" in engine.try_up().failure


def test_a_source_that_is_known_only_later_is_no_mistake(engine: Engine, connection: str, target: Path) -> None:
    engine.write(
        f"""
        made = command.local.Command("made", create="echo made")
        command.remote.CopyToRemote(
            "c", {connection}, remote_path="{target}/new.txt", source=made.stdout.apply(pulumi.StringAsset)
        )
        """
    )
    assert engine.preview().operations == {"made": "create", "c": "create"}
    engine.up()
    assert contents(target) == {"new.txt": "made"}


@pytest.mark.long
def test_the_old_way_to_copy_a_file_still_works(engine: Engine, connection: str, source: Path, target: Path) -> None:
    target.mkdir()

    def program(name: str) -> str:
        paths = f"local_path='{source}/{name}', remote_path='{target}/copy.txt'"
        return f"command.remote.CopyFile('c', {connection}, {paths})"

    engine.write(program("a.txt"))
    run = engine.up()
    assert any("CopyFile is deprecated" in message for message in run.messages("warning"))
    assert contents(target) == {"copy.txt": "a"}
    assert engine.up().changes == {}
    engine.write(program("deep/b.txt"))
    assert engine.up().changes == {"c": "create-replacement"}
    assert contents(target) == {"copy.txt": "b"}
    engine.destroy()
