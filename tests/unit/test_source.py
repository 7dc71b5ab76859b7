"""What counts as a change of the source, what a source must have, and which SQL scripts it brings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from settings import PROJECT
from source import EXCLUDED, Script, Source, SourceError, checkout_folder, folder_digest, is_git_url, tag_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "https://git.example/app.git"


def read(source: Path | str, *, ref: str | None = None, migrations: Sequence[str] = ("*.sql",)) -> Source:
    return Source.read(Path("/nowhere"), str(source), ref, migrations)


def refusal(source: Path | str, *, ref: str | None = None, migrations: Sequence[str] = ("*.sql",)) -> str:
    with pytest.raises(SourceError) as raised:
        read(source, ref=ref, migrations=migrations)
    return str(raised.value)


def write(path: Path, text: str = "x") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def move_between_folders(source: Path) -> None:
    (source / "lib").mkdir()
    (source / "src" / "index.js").rename(source / "lib" / "index.js")


def put_a_link_in_place(source: Path) -> None:
    (source / "link").symlink_to("package.json")


CHANGES: dict[str, Callable[[Path], object]] = {
    "other content": lambda source: write(source / "src" / "index.js", "console.log(2);\n"),
    "a new file": lambda source: write(source / "src" / "new.js"),
    "an empty file": lambda source: write(source / "src" / "empty.js", ""),
    "a removed file": lambda source: (source / "src" / "index.js").unlink(),
    "another name": lambda source: (source / "src" / "index.js").rename(source / "src" / "main.js"),
    "another folder": move_between_folders,
    "made executable": lambda source: (source / "src" / "index.js").chmod(0o755),
    "a link": put_a_link_in_place,
    "an example of an environment": lambda source: write(source / ".env.example"),
    "another .dockerignore": lambda source: write(source / ".dockerignore", "docs\n"),
    "a name that is no UTF-8": lambda source: Path(os.fsdecode(bytes(source) + b"/\xff")).touch(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_gets_into_the_image_changes_the_digest(source: Path, change: Callable[[Path], object]) -> None:
    before = folder_digest(source)
    change(source)
    assert folder_digest(source) != before


@pytest.mark.parametrize(
    "name",
    [
        ".git/HEAD",
        "node_modules/x/index.js",
        "packages/a/node_modules/x/index.js",
        "dist/index.js",
        "packages/a/dist/index.js",
        ".env",
        ".env.local",
        "config/.env",
        "npm-debug.log",
        "src/.DS_Store",
        "lib/__pycache__/a.cpython-313.pyc",
    ],
)
def test_what_never_gets_into_the_image_leaves_the_digest_alone(source: Path, name: str) -> None:
    before = folder_digest(source)
    write(source / name)
    assert folder_digest(source) == before


def test_a_staged_source_is_what_is_hashed_with_our_dockerfile(source: Path, tmp_path: Path) -> None:
    (source / ".env").write_text("SECRET=1\n", encoding="utf-8")
    (source / ".dockerignore").write_text("src\n", encoding="utf-8")
    (source / "run").write_text("#!/bin/sh\n", encoding="utf-8")
    (source / "run").chmod(0o755)
    (source / "link").symlink_to("run")
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM scratch\n", encoding="utf-8")
    read = Source.read(tmp_path, str(source), None, [])
    staged = read.stage(tmp_path, dockerfile)
    assert sorted(path.relative_to(staged).as_posix() for path in staged.rglob("*") if not path.is_dir()) == [
        *("01-tables.sql", "link", "monopco.Dockerfile", "package.json", "pnpm-lock.yaml", "run", "src/index.js")
    ]
    assert (staged / "link").is_symlink()
    assert (staged / "run").stat().st_mode & 0o111
    assert read.stage(tmp_path, dockerfile) == staged
    dockerfile.write_text("FROM other\n", encoding="utf-8")
    assert read.stage(tmp_path, dockerfile) != staged


def test_the_builder_is_sent_what_the_digest_is_made_of() -> None:
    ignore = (PROJECT / "images" / "node" / "app.Dockerfile.dockerignore").read_text()
    lines = [line for line in ignore.splitlines() if line and not line.startswith("#")]
    assert [line.replace("**/", "", 1) for line in lines] == [pattern.rstrip("/") for pattern in EXCLUDED]


def test_the_apps_own_dockerignore_decides_nothing(source: Path) -> None:
    write(source / ".dockerignore", "docs\n")
    before = folder_digest(source)
    write(source / "docs" / "a.md")
    assert folder_digest(source) != before


def test_a_copy_elsewhere_at_another_time_has_the_same_digest(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(source, copy)
    os.utime(copy / "package.json", (0, 0))
    (copy / "package.json").chmod(0o600)
    assert folder_digest(copy) == folder_digest(source)


def test_content_cannot_move_from_one_file_to_the_next_unseen(tmp_path: Path) -> None:
    write(tmp_path / "one" / "a", "1")
    write(tmp_path / "one" / "b", "23")
    write(tmp_path / "two" / "a", "12")
    write(tmp_path / "two" / "b", "3")
    assert folder_digest(tmp_path / "one") != folder_digest(tmp_path / "two")


def test_a_link_out_of_the_folder_is_not_followed(source: Path, tmp_path: Path) -> None:
    write(tmp_path / "outside" / "a")
    (source / "outside").symlink_to(tmp_path / "outside")
    before = folder_digest(source)
    write(tmp_path / "outside" / "b")
    assert folder_digest(source) == before


def test_a_relative_source_is_looked_for_below_the_project(source: Path) -> None:
    assert Source.read(source.parent, "app", None, ()).path == source


def test_a_source_in_the_home_folder_is_found(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(source.parent))
    assert read("~/app").path == source


def test_a_source_that_is_no_folder_is_refused(source: Path) -> None:
    path = source / "package.json"
    assert refusal(path) == (f'app.source: there is no folder {path} (got "{path}"); set it to the folder of your app')


def test_a_source_without_package_json_is_refused(source: Path) -> None:
    (source / "package.json").unlink()
    assert refusal(source) == (
        f"app.source: {source} has no package.json, which is needed to name the app and its scripts; "
        "check it in, or set app.source"
    )


def test_a_source_without_a_lockfile_is_refused(source: Path) -> None:
    (source / "pnpm-lock.yaml").unlink()
    assert refusal(source) == (
        f"app.source: {source} has no pnpm-lock.yaml, which is needed to install what was tested; "
        "check it in, or set app.source"
    )


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"], ids=["cut off", "no object", "not UTF-8"])
def test_a_package_json_that_cannot_be_read_is_refused(source: Path, content: bytes) -> None:
    (source / "package.json").write_bytes(content)
    message = refusal(source)
    assert message.startswith(f"app.source: {source}/package.json is not valid JSON ("), message


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("{}", '""'),
        ('{"packageManager": "npm@10.0.0"}', '"npm@10.0.0"'),
        ('{"packageManager": "pnpm"}', '"pnpm"'),
        ('{"packageManager": "pnpm@10"}', '"pnpm@10"'),
        ('{"packageManager": "pnpm@10.4.1; evil"}', '"pnpm@10.4.1; evil"'),
    ],
)
def test_a_source_that_does_not_pin_pnpm_is_refused(source: Path, given: str, shown: str) -> None:
    write(source / "package.json", given)
    assert refusal(source) == (
        f'app.source: "packageManager" in {source}/package.json must name pnpm and its version, '
        f'for example "pnpm@10.4.1" (got {shown})'
    )


@pytest.mark.parametrize("given", ["pnpm@10.4.1", "pnpm@10.4.1+sha512.abc"])
def test_the_version_of_pnpm_is_the_one_that_the_source_pins(source: Path, given: str) -> None:
    write(source / "package.json", f'{{"packageManager": "{given}"}}')
    assert read(source).pnpm_version == "10.4.1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [(REPOSITORY, True), ("git@git.example:app.git", True), ("../app", False), ("/srv/app", False), ("~/app", False)],
)
def test_a_git_url_is_told_from_a_folder(text: str, expected: bool) -> None:
    assert is_git_url(text) is expected


@pytest.mark.parametrize(
    ("ref", "shown"),
    [(None, "null"), ("main", '"main"'), (COMMIT[:7], f'"{COMMIT[:7]}"'), (COMMIT + "\n", f'"{COMMIT}\\n"')],
)
def test_a_git_source_without_a_whole_commit_is_refused(ref: str | None, shown: str) -> None:
    assert refusal(REPOSITORY, ref=ref) == (
        f"app.ref: must be a commit of 40 hexadecimal digits for a git source (got {shown}); "
        f"./monopco checkpoint -m TEXT pins the commit of a branch or tag"
    )


def test_a_commit_that_was_not_fetched_is_refused_with_what_fetches_it() -> None:
    path = f"/nowhere/.cache/sources/{COMMIT}"
    assert refusal(REPOSITORY, ref=COMMIT) == (
        f"app.source: commit {COMMIT} has not been fetched; ./monopco up fetches it, or: "
        f"git clone {REPOSITORY} {path} && git -C {path} checkout {COMMIT}"
    )


def test_a_fetched_commit_is_read_from_its_checkout(source: Path, tmp_path: Path) -> None:
    checkout = checkout_folder(tmp_path, COMMIT)
    checkout.parent.mkdir(parents=True)
    source.rename(checkout)
    assert Source.read(tmp_path, REPOSITORY, COMMIT, ()).path == checkout


def test_the_tag_of_a_fetched_commit_is_known_when_it_was_written_down(source: Path, tmp_path: Path) -> None:
    checkout = checkout_folder(tmp_path, COMMIT)
    checkout.parent.mkdir(parents=True)
    source.rename(checkout)
    assert Source.read(tmp_path, REPOSITORY, COMMIT, ()).tag == ""
    tag_file(tmp_path, COMMIT).write_text("v1.2\n", encoding="utf-8")
    assert Source.read(tmp_path, REPOSITORY, COMMIT, ()).tag == "v1.2"


class TestMigrations:
    def names(self, source: Path, *globs: str) -> list[str]:
        return [script.name for script in read(source, migrations=globs).migrations]

    def test_scripts_come_in_the_order_of_their_names_whatever_the_order_of_the_globs(self, source: Path) -> None:
        write(source / "db" / "02.sql")
        write(source / "db" / "01.sql")
        assert self.names(source, "db/*.sql", "*.sql") == ["01-tables.sql", "db/01.sql", "db/02.sql"]

    def test_a_script_that_two_globs_find_comes_once(self, source: Path) -> None:
        assert self.names(source, "*.sql", "01-*.sql") == ["01-tables.sql"]

    def test_scripts_of_installed_packages_are_not_the_apps(self, source: Path) -> None:
        write(source / "node_modules" / "x" / "evil.sql")
        assert self.names(source, "**/*.sql") == ["01-tables.sql"]

    def test_a_script_is_read_as_it_is(self, source: Path) -> None:
        write(source / "01-tables.sql", "SELECT 'é';\n")
        assert read(source).migrations == (Script("01-tables.sql", "SELECT 'é';\n"),)

    def test_no_script_is_needed(self, source: Path) -> None:
        (source / "01-tables.sql").unlink()
        assert self.names(source, "*.sql") == []

    def test_a_folder_with_the_ending_is_no_script(self, source: Path) -> None:
        (source / "old.sql").mkdir()
        assert self.names(source, "*.sql") == ["01-tables.sql"]

    def test_a_glob_of_ones_own_that_finds_nothing_is_refused(self, source: Path) -> None:
        assert refusal(source, migrations=["db/*.sql"]) == (
            f'database.migrations: no file matches "db/*.sql" in {source}'
        )

    @pytest.mark.parametrize("pattern", ["", "/etc/*.sql", "../*.sql", "db/../../*.sql"])
    def test_a_glob_that_leaves_the_source_is_refused(self, source: Path, pattern: str) -> None:
        assert refusal(source, migrations=[pattern]) == (
            f'database.migrations: must name files below the source (got "{pattern}")'
        )

    def test_a_script_that_is_not_utf_8_is_refused(self, source: Path) -> None:
        (source / "02.sql").write_bytes(b"SELECT '\xe9';")
        assert refusal(source) == "database.migrations: 02.sql is not UTF-8 (byte 8); save it as UTF-8"


def test_a_token_in_a_git_url_is_never_shown(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as refusal:
        Source.read(tmp_path, "https://me:hush@example.org/app.git", COMMIT, [])
    assert "git clone https://example.org/app.git" in str(refusal.value)
    assert "hush" not in str(refusal.value)
