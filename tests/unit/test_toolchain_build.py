"""What the toolchain's build decides: what is out of date, which Go will do, and how a failure is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toolchain import build


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small toolchain of the same layout."""
    folder = tmp_path / "toolchain"
    for name in (
        "go.mod",
        "go.sum",
        "host/go.mod",
        "docker/provider.go",
        "shim/shim.go",
        "random/a.go",
        "command/a.go",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name}\n")
    monkeypatch.setattr(build, "SOURCES", folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path, sources: Path) -> build.Cache:
    """A cache in which every part is built from these sources."""
    assert sources.is_dir()
    cache = build.Cache(tmp_path / "cache")
    cache.work.mkdir(parents=True)
    for part in build.parts(cache):
        for product in part.products:
            product.parent.mkdir(parents=True, exist_ok=True)
            product.write_text("built")
        part.finished(cache)
    return cache


def stale(cache: build.Cache) -> set[str]:
    return {part.name for part in build.parts(cache) if not part.is_fresh(cache)}


def test_nothing_is_built_again_while_the_sources_stay(cache: build.Cache) -> None:
    assert stale(cache) == set()


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("random/a.go", {"random"}),
        ("docker/provider.go", {"docker"}),
        ("host/go.mod", {"language host"}),
        ("go.sum", {"pulumi", "language host", "docker", "random", "command"}),
    ],
)
def test_a_changed_source_makes_out_of_date_what_is_made_of_it(
    cache: build.Cache, sources: Path, source: str, parts: set[str]
) -> None:
    (sources / source).write_text("changed\n")
    assert stale(cache) == parts


def test_a_new_file_counts_and_a_test_of_go_does_not(cache: build.Cache, sources: Path) -> None:
    (sources / "random" / "b_test.go").write_text("package random\n")
    assert stale(cache) == set()
    (sources / "random" / "b.go").write_text("package random\n")
    assert stale(cache) == {"random"}


def test_a_part_whose_file_was_deleted_is_built_again(cache: build.Cache) -> None:
    cache.plugin("command").unlink()
    (cache.bin / "pulumi-language-python-exec").unlink()
    assert stale(cache) == {"command", "language host"}


def test_other_flags_make_everything_out_of_date(cache: build.Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "GO_FLAGS", "-race")
    assert len(stale(cache)) == 5


@pytest.mark.parametrize(
    ("version", "wanted", "found"),
    [
        ("go1.26.8", "1.25.11", True),
        ("go1.25.11", "1.25.11", True),
        ("go1.25.9", "1.25.11", False),
        ("go1.26rc1", "1.25.11", True),
        ("", "1.25.11", False),
    ],
)
def test_go_is_used_if_it_is_not_older_than_the_module_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, wanted: str, found: bool
) -> None:
    go = tmp_path / "go"
    go.write_text(f"#!/bin/sh\necho {version}\n")
    go.chmod(0o755)
    (tmp_path / "go.mod").write_text(f"module x\n\ngo {wanted}\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert build.find_go(tmp_path / "go.mod") == (go if found else None)


def test_without_go_there_is_none_to_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert build.find_go(tmp_path / "go.mod") is None


def test_a_program_that_fails_is_told_with_its_last_words_and_where_all_of_them_are(cache: build.Cache) -> None:
    commands = build.Commands(cache)
    with pytest.raises(build.BuildError) as failure:
        commands.run("docker", "sh", "-c", "seq 40; echo no space left >&2; exit 3")
    assert str(failure.value) == (
        "docker: sh failed (3) and said:\n"
        + "\n".join(str(number) for number in range(27, 41))
        + f"\nno space left\nAll of it is in {cache.work / 'docker.log'}"
    )
    assert (cache.work / "docker.log").read_text().startswith("1\n2\n")


def test_a_program_ends_when_the_build_is_given_up(cache: build.Cache) -> None:
    said = []

    def give_up(line: str) -> None:
        said.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build.Commands(cache).run("go", "sh", "-c", "echo $$; exec sleep infinity", line=give_up)
    with pytest.raises(ProcessLookupError):
        os.kill(int(said[0]), 0)


def test_a_program_that_is_missing_is_told_by_its_name(cache: build.Cache) -> None:
    with pytest.raises(build.BuildError, match="go: /no/such/go cannot be started: No such file or directory"):
        build.Commands(cache).run("go", "/no/such/go")
