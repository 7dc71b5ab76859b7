"""What the documents tell people to type: commands of ours, and keys of the configuration."""

from __future__ import annotations

import ast
import itertools
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from recorder import PROJECT

DOCUMENTS = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
TESTS = [file for folder in ("integration", "faults") for file in sorted((PROJECT / "tests" / folder).glob("*.py"))]
WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
# A command ends in a sentence, a table, a pipe, before a comment or the next column; but not inside of quotes.
_COMMAND = re.compile(r"""(?:'[^'`]*'|"[^"`]*"|(?!(?<!\\)\||[`#;&>)]|  ).)*""")
_SET = re.compile(r"pulumi config set ([^`#\n|]*)")


@dataclass(frozen=True)
class Typed:
    """One command line as a document has it."""

    place: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.place}: {shlex.join(self.words)}"


def commands(paths: list[Path]) -> Iterator[Typed]:
    """Every `./monopco …` of the documents; of what is optional or one of several, the fullest form."""
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for rest in line.split("./monopco ")[1:]:
                # [-s STACK] may be given, on\\|off and [--to TIME\\|--backup ID] are one of them.
                command = _COMMAND.match(rest)
                text = re.sub(r"\[([^]]*?)\\\|[^]]*\]", r"\1", command[0] if command else "")
                text = re.sub(r"[\[\]]", " ", text)
                text = re.sub(r"(\S+?)(?:\\\|\S+)+", r"\1", text)
                if (words := _words(text)) and re.fullmatch(r"[a-z-]+", words[0]):
                    yield Typed(f"{path.name}:{number}", tuple(words))


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text.replace("…", ""))
    except ValueError:  # an apostrophe of the sentence around it
        return text.split()


def keys(paths: list[Path]) -> Iterator[tuple[str, str]]:
    """Every key of ours that a document sets with --path, and where."""
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for match in _SET.finditer(line):
                words = match[1].replace('"', "").split()
                if "--path" in words and (named := [word for word in words if word.startswith("monopco:")]):
                    yield f"{path.name}:{number}", named[0].removeprefix("monopco:")


def run_by(paths: list[Path], verbs: Collection[str]) -> Iterator[tuple[str, ...]]:
    """The words of every command in the code of tests, from its verb on; what is no text there is VALUE here."""
    for path in paths:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        named = {
            target.id: node.value.elts
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, (ast.Tuple, ast.List))
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield from _from_verb(_texts(node.args, named), verbs)
            elif isinstance(node, (ast.Tuple, ast.List)):
                yield from _from_verb(_texts(node.elts, named), verbs)


def _texts(parts: list[ast.expr], named: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, ast.Starred) and isinstance(part.value, ast.Name):
            yield from _texts(named.get(part.value.id, []), {})
        else:
            yield part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "VALUE"


def _from_verb(words: Iterator[str], verbs: Collection[str]) -> Iterator[tuple[str, ...]]:
    from_verb = tuple(itertools.dropwhile(lambda word: word not in verbs, words))
    if from_verb:
        yield from_verb
