"""The application's source as a release sees it: what is hashed, which pnpm builds it, which SQL scripts it brings."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pathspec

# What never gets to the builder, and so must not make a new release; images/node/app.Dockerfile.dockerignore agrees.
EXCLUDED = (".git/", "node_modules/", "dist/", "__pycache__/", ".env", ".env.*", "!.env.example", "*.log", ".DS_Store")
# Name of our Dockerfile in a staged source, which may have one of its own.
STAGED_DOCKERFILE = "monopco.Dockerfile"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PNPM = re.compile(r"pnpm@([0-9]+\.[0-9]+\.[0-9]+)(\+.*)?")


class SourceError(ValueError):
    """The source cannot be built; the message names the key, what was found and what to do."""


@dataclass(frozen=True)
class Script:
    """One SQL script of the source: its path below the source and its text."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        """As the record of applied scripts knows it."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Source:
    """A folder that can be built, read once."""

    path: Path
    digest: str
    pnpm_version: str
    migrations: tuple[Script, ...]
    tag: str
    """Tag of a git source's commit, as far as it was known when it was fetched."""

    @staticmethod
    def read(project: Path, source: str, ref: str | None, migrations: Sequence[str]) -> Source:
        """Read the source named by `app.source` (and `app.ref` for a git URL). Raises SourceError."""
        path = _locate(project, source, ref)
        return Source(
            path=path,
            digest=folder_digest(path),
            pnpm_version=_pnpm_version(path),
            migrations=tuple(_scripts(path, migrations)),
            tag=_tag(project, ref) if is_git_url(source) and ref else "",
        )

    def stage(self, project: Path, dockerfile: Path) -> Path:
        """A copy of what is hashed, with our Dockerfile in it, for a builder that reads no .dockerignore of ours."""
        stages = project / ".cache" / "stages"
        key = hashlib.sha256(self.digest.encode() + dockerfile.read_bytes()).hexdigest()[:12]
        folder = stages / key
        if not folder.is_dir():
            unfinished = stages / f".{key}-{os.getpid()}"
            for path in files(self.path):
                name = path.relative_to(self.path)
                if name != Path(".dockerignore"):
                    _copy(path, unfinished / name)
            _copy(dockerfile, unfinished / STAGED_DOCKERFILE)
            unfinished.rename(folder)
        return folder


def is_git_url(source: str) -> bool:
    """Whether `app.source` names a repository instead of a folder."""
    return "://" in source or source.startswith("git@")


def without_login(url: str) -> str:
    """A URL that may be shown: a token in it stays where it is."""
    return re.sub(r"//[^/@]*@", "//", url)


def is_commit(ref: str) -> bool:
    """Whether `app.ref` is a full commit id, which alone cannot move."""
    return bool(_COMMIT.fullmatch(ref))


def checkout_folder(project: Path, commit: str) -> Path:
    """Where the checkout of a pinned commit lies."""
    return project / ".cache" / "sources" / commit


def tag_file(project: Path, commit: str) -> Path:
    """Where the tag of a pinned commit is written, beside its checkout."""
    return project / ".cache" / "sources" / f"{commit}.tag"


def _tag(project: Path, commit: str) -> str:
    path = tag_file(project, commit)
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _locate(project: Path, source: str, ref: str | None) -> Path:
    if is_git_url(source):
        if ref is None or not is_commit(ref):
            raise SourceError(
                f"app.ref: must be a commit of 40 hexadecimal digits for a git source (got {json.dumps(ref)}); "
                f"./monopco checkpoint -m TEXT pins the commit of a branch or tag"
            )
        path = checkout_folder(project, ref)
        if not path.is_dir():
            raise SourceError(
                f"app.source: commit {ref} has not been fetched; ./monopco up fetches it, or: "
                f"git clone {without_login(source)} {path} && git -C {path} checkout {ref}"
            )
        return path
    if ref is not None:
        raise SourceError(
            f"app.ref: only a git source has commits, and app.source is the folder {source} (got {json.dumps(ref)}); "
            "remove app.ref, or set app.source to the repository's URL"
        )
    path = (project / Path(source).expanduser()).resolve()
    if not path.is_dir():
        raise SourceError(
            f"app.source: there is no folder {path} (got {json.dumps(source)}); set it to the folder of your app"
        )
    return path


_NEVER = pathspec.GitIgnoreSpec.from_lines(EXCLUDED)


def files(root: Path) -> Iterator[Path]:
    """Files below `root` in a fixed order, without what EXCLUDED leaves out."""
    folders = [root]
    while folders:
        folder = folders.pop()
        for entry in sorted(folder.iterdir()):
            name = entry.relative_to(root).as_posix()
            is_folder = entry.is_dir() and not entry.is_symlink()
            if _NEVER.match_file(name + "/" if is_folder else name):
                continue
            if is_folder:
                folders.append(entry)
            else:
                yield entry


def folder_digest(root: Path) -> str:
    """SHA-256 over every file's name, mode and content: two folders that build the same have the same one."""
    digest = hashlib.sha256()
    for path in files(root):
        name = path.relative_to(root).as_posix()
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        executable = not path.is_symlink() and bool(path.stat().st_mode & 0o100)
        for part in (os.fsencode(name), b"x" if executable else b"-", hashlib.sha256(content).digest()):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        target.symlink_to(path.readlink())
    else:
        target.write_bytes(path.read_bytes())
        target.chmod(path.stat().st_mode)


def _pnpm_version(root: Path) -> str:
    for name, why in (
        ("package.json", "name the app and its scripts"),
        ("pnpm-lock.yaml", "install what was tested"),
    ):
        if not (root / name).is_file():
            raise SourceError(
                f"app.source: {root} has no {name}, which is needed to {why}; check it in, or set app.source"
            )
    try:
        manager = json.loads((root / "package.json").read_text(encoding="utf-8")).get("packageManager", "")
    except (ValueError, AttributeError) as error:
        raise SourceError(f"app.source: {root / 'package.json'} is not valid JSON ({error})") from error
    match = _PNPM.fullmatch(str(manager))
    if not match:
        raise SourceError(
            f'app.source: "packageManager" in {root / "package.json"} must name pnpm and its version, '
            f'for example "pnpm@10.4.1" (got {json.dumps(manager)})'
        )
    return match[1]


def _scripts(root: Path, globs: Sequence[str]) -> Iterator[Script]:
    found: set[Path] = set()
    for pattern in globs:
        if not pattern or pattern.startswith("/") or ".." in Path(pattern).parts:
            raise SourceError(f"database.migrations: must name files below the source (got {json.dumps(pattern)})")
        matches = {
            path
            for path in root.glob(pattern)
            if path.is_file() and not _NEVER.match_file(path.relative_to(root).as_posix())
        }
        if not matches and pattern != "*.sql":
            raise SourceError(f"database.migrations: no file matches {json.dumps(pattern)} in {root}")
        found |= matches
    for path in sorted(found, key=lambda path: path.relative_to(root).as_posix()):
        name = path.relative_to(root).as_posix()
        try:
            yield Script(name, path.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise SourceError(
                f"database.migrations: {name} is not UTF-8 (byte {error.start}); save it as UTF-8"
            ) from error
