"""What an app's source says about itself, read without running it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_TEMPLATES = (".env.example", ".env.template", ".env.sample", "env.example")
_CODE = {".ts", ".tsx", ".js", ".mjs", ".jsx"}
_NOT_OURS = {"node_modules", "dist", ".git", "build", "coverage"}
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)
_READ = re.compile(r"""process\.env(?:\.|\[["'])([A-Z][A-Z0-9_]*)""")
_BUILT_IN = re.compile(r"import\.meta\.env\.(VITE_[A-Z0-9_]+)")
_CREATED = re.compile(
    r"""^\s*CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:"?public"?\.)?"?([a-z_][a-z0-9_]*)"?\s*\(""",
    re.IGNORECASE | re.MULTILINE,
)
_DROPPED = re.compile(
    r"""^\s*DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:"?public"?\.)?"?([a-z_][a-z0-9_]*)"?""", re.IGNORECASE | re.MULTILINE
)
_PUBLISHED = re.compile(
    r"^\s*ALTER\s+PUBLICATION\s+supabase_realtime\s+ADD\s+TABLE\s+([^;]+);", re.IGNORECASE | re.MULTILINE
)
_REMARK = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def names_in_template(source: Path) -> set[str]:
    """Variables that the source's template of an environment assigns."""
    found: set[str] = set()
    for name in _TEMPLATES:
        if (source / name).is_file():
            found |= set(_ASSIGNMENT.findall((source / name).read_text(encoding="utf-8", errors="replace")))
    return found


def code(source: Path) -> Iterator[str]:
    """The text of every file of code that is no test."""
    for path in sorted(source.rglob("*")):
        ours = not _NOT_OURS & set(path.relative_to(source).parts)
        if ours and path.suffix in _CODE and ".test." not in path.name and path.is_file():
            yield path.read_text(encoding="utf-8", errors="replace")


def read_from_environment(source: Path) -> set[str]:
    """Variables that the code reads when it runs; most have a default or belong to a feature."""
    return {name for text in code(source) for name in _READ.findall(text)}


def built_into_page(source: Path) -> set[str]:
    """VITE_* values that the page's code asks for."""
    return {name for text in code(source) for name in _BUILT_IN.findall(text)}


def created_tables(scripts: list[str]) -> set[str]:
    """Tables of the schema public that are there once the scripts have run in this order."""
    tables: set[str] = set()
    for text in scripts:
        plain = _REMARK.sub("", text)
        tables |= {name.lower() for name in _CREATED.findall(plain)}
        tables -= {name.lower() for name in _DROPPED.findall(plain)}
    return tables


def published_tables(scripts: list[str]) -> set[str]:
    """Tables that the scripts add to Supabase's publication for realtime."""
    lists = [found for text in scripts for found in _PUBLISHED.findall(_REMARK.sub("", text))]
    names = [name.strip().rpartition(".")[2].strip('"').lower() for found in lists for name in found.split(",")]
    return set(names)


def drizzle_dialect(source: Path) -> str:
    """The dialect that drizzle.config.ts names; empty without such a file."""
    path = source / "drizzle.config.ts"
    if not path.is_file():
        return ""
    found = re.search(r"""\bdialect\s*:\s*["'](\w+)["']""", path.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else "unknown"
