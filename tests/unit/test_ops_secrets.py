"""`secrets rotate`: which value comes next, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from ops import secrets
from ops.errors import CommandError
from ops.stack_file import StackFile

STACK = StackFile("dev", {}, {"monopco:app": {"secrets": ["API_KEY"]}, "monopco:rotation": {"database": "1", "jwt": 7}})


class Stack:
    """What Pulumi is told."""

    told: list[tuple[str, str]]

    def __init__(self, _: str) -> None:
        """One for all."""

    def ensure(self) -> None:
        """It is there."""

    def set_config(self, path: str, value: str) -> None:
        Stack.told.append((path, value))


@pytest.fixture(autouse=True)
def _stack(monkeypatch: pytest.MonkeyPatch) -> None:
    Stack.told = []
    monkeypatch.setattr(secrets, "Pulumi", Stack)
    monkeypatch.setattr(secrets, "up", lambda stack: Stack.told.append(("up", stack)))
    monkeypatch.setattr(StackFile, "read", lambda _: STACK)


def test_the_next_of_a_number_is_the_next_number_and_of_a_word_the_time() -> None:
    assert secrets.following("9") == "10"
    assert re.fullmatch(r"\d{8}T\d{6}Z", secrets.following("summer"))


@pytest.mark.parametrize(("name", "value"), [("database", "2"), ("jwt", "8")])
def test_what_is_generated_is_rotated_and_deployed(name: str, value: str) -> None:
    secrets.secrets(secrets.Action.ROTATE, name)
    assert Stack.told == [(f"monopco:rotation.{name}", value), ("up", "dev")]


def test_an_unknown_secret_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(CommandError, match="there are: database, jwt, API_KEY") as raised:
        secrets.secrets(secrets.Action.ROTATE, "COLOUR")
    assert (raised.value.code, Stack.told) == (2, [])


def pinned(monkeypatch: pytest.MonkeyPatch, given: Mapping[str, Any]) -> None:
    file = StackFile("dev", {"monopco:pinned": dict(given)}, STACK.defaults)
    monkeypatch.setattr(StackFile, "read", lambda _: file)


def test_a_pinned_release_brings_its_own_secrets_but_not_its_own_database_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pinned(monkeypatch, {"release": "0123456789"})
    with pytest.raises(CommandError, match="Release 0123456789 is pinned and brings back its own jwt"):
        secrets.secrets(secrets.Action.ROTATE, "jwt")
    secrets.secrets(secrets.Action.ROTATE, "database")
    assert Stack.told == [("monopco:rotation.database", "2"), ("up", "dev")]
