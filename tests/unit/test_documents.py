"""What the documents tell people to type exists: verbs, options and configuration keys; drawings are up to date."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from documents import DOCUMENTS, TESTS, WORKFLOWS, Typed, commands, keys, run_by
from pydantic import BaseModel
from recorder import PROJECT
from typer.core import TyperArgument, TyperGroup

from ops import drawing
from ops.__main__ import command_line
from sections import Sections

TYPED = [*commands(DOCUMENTS), *commands(WORKFLOWS)]
# What tests with real parts cannot type, and why.
NOT_RUN = {
    "github": "its end is GitHub; test_ops_github.py runs it with a gh of its own",
    "test": "it is what runs the tests",
}
VERBS: Any = typer.main.get_command(command_line([]))


def of_verb(words: list[str]) -> Any:
    """The command that the first words name, which are taken from the list."""
    command = VERBS
    while isinstance(command, TyperGroup) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    return command


def meant(words: tuple[str, ...]) -> tuple[str, set[str]]:
    """The verb of a command line, and the options that it is given."""
    left = list(words)
    command = of_verb(left)
    named = {name: option.name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    verb = " ".join(words[: len(words) - len(left)])
    return verb, {named[word] for word in itertools.takewhile(lambda word: word != "--", left) if word in named}


def problems(typed: Typed) -> Iterator[str]:
    """What is wrong with a command line; placeholders in capital letters stand for values."""
    words = list(typed.words)
    command = of_verb(words)
    if len(words) == len(typed.words):
        yield f"no verb {words[0]}"
        return
    options = {name: option for option in command.params for name in (*option.opts, *option.secondary_opts)}
    positional = [one for one in command.params if isinstance(one, TyperArgument)]
    given: list[str] = []
    while words:
        word = words.pop(0)
        if word in ("--help", "-h"):
            continue
        if word == "--":
            given += words
            break
        if not word.startswith("-"):
            given.append(word)
        elif word not in options:
            yield f"no option {word}"
        elif not options[word].is_flag:
            if not words:
                yield f"{word} without its value"
            else:
                words.pop(0)
    yield from _wrong_arguments(positional, given)


def _wrong_arguments(positional: list[Any], given: list[str]) -> Iterator[str]:
    if len(given) > len(positional) and not any(one.nargs == -1 for one in positional):
        yield f"more arguments than it takes: {given[len(positional) :]}"
    for one, value in zip(positional, given, strict=False):
        choices = [str(getattr(choice, "value", choice)) for choice in getattr(one.type, "choices", ())]
        if choices and value not in choices and not value.isupper():
            yield f"{value} is none of {', '.join(choices)}"


def test_documents_have_commands() -> None:
    assert len(TYPED) > 60
    assert {path.name for path in DOCUMENTS} >= {"README.md", "operations.md", "guide.fr.md", "architecture.md"}


@pytest.mark.parametrize("typed", TYPED, ids=str)
def test_every_command_in_the_documents_and_workflows_exists(typed: Typed) -> None:
    assert list(problems(typed)) == []


RUN = [meant(words) for words in run_by(TESTS, VERBS.commands)]


@pytest.mark.parametrize("typed", TYPED, ids=str)
def test_every_command_in_the_documents_is_run_by_a_test_with_real_parts(typed: Typed) -> None:
    if typed.words[0] in NOT_RUN:
        return
    verb, options = meant(typed.words)
    assert [one for one in RUN if one[0] == verb and one[1] >= options - {"stack"}], (
        "no test runs it with these options"
    )


def test_a_command_that_no_test_runs_is_noticed(tmp_path: Path) -> None:
    test = tmp_path / "test_it.py"
    test.write_text('to = ("restore", "--to", moment)\nenvironment.monopco(*to, "--live")\nrun(["docker", "ps"])\n')
    assert [meant(words) for words in run_by([test], VERBS.commands)] == [
        ("restore", {"to"}),
        ("restore", {"to", "live"}),
    ]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("up", "--nonsense"), "no option --nonsense"),
        (("maintenance", "perhaps"), "perhaps is none of on, off"),
        (("env", "create", "pr-1", "pr-2"), "more arguments than it takes: ['pr-2']"),
        (("up", "--wait"), "--wait without its value"),
    ],
)
def test_a_command_that_does_not_exist_is_noticed(words: tuple[str, ...], problem: str) -> None:
    assert list(problems(Typed("here", words))) == [problem]


def known(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Keys of the configuration; those whose last part is free end in a point."""
    for name, field in model.model_fields.items():
        key, kind = f"{prefix}{field.alias or name}", field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from known(kind, f"{key}.")
        else:
            yield f"{key}." if str(kind).startswith("dict") else key


@pytest.mark.parametrize(("place", "key"), list(keys(DOCUMENTS)))
def test_every_key_that_is_set_in_the_documents_is_known(place: str, key: str) -> None:
    fixed = re.sub(r"\[\d+\]$", "", key)
    assert [one for one in known(Sections) if fixed == one or (one.endswith(".") and fixed.startswith(one))], place


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{path.name}: {target}"
        for path in DOCUMENTS
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert broken == []


def test_the_drawing_of_the_architecture_is_that_of_the_program() -> None:
    shown = drawing.PLACE.read_text(encoding="utf-8")
    assert shown == drawing.drawing(), "make it anew with: .venv/bin/python -m ops.drawing"


def test_a_drawing_shows_each_component_and_who_must_be_first() -> None:
    def one(kind: str, name: str, parent: str, *dependencies: str) -> dict[str, Any]:
        return {"urn": f"x::{name}", "type": kind, "parent": parent, "dependencies": [f"x::{d}" for d in dependencies]}

    ours = "monopco:components:"
    found = drawing.boxes(
        [
            one("pulumi:pulumi:Stack", "stack", ""),
            one(f"{ours}Server", "server", "x::stack"),
            one("command:local:Command", "server-check", "x::server"),
            one(f"{ours}Proxy", "proxy", "x::stack", "server-check"),
            one("docker:index/volume:Volume", "proxy-state", "x::proxy"),
            one(f"{ours}Switch", "switch", "x::stack", "proxy-state", "server-check"),
        ]
    )
    assert [(box.name, box.lines, set(box.after)) for box in found] == [
        ("server", ("1 step",), set()),
        ("proxy", ("1 volume",), {"server"}),
        ("switch", (), {"proxy"}),
    ]
    texts = [element.text for element in ET.fromstring(drawing.svg(found)).iter() if element.tag.endswith("text")]  # noqa: S314
    assert texts == ["server", "1 step", "proxy", "1 volume", "switch"]


def test_the_drawing_of_the_project_is_well_formed() -> None:
    assert ET.parse(PROJECT / "docs" / "architecture.svg").getroot().tag.endswith("svg")  # noqa: S314
