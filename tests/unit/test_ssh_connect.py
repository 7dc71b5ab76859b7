"""Opening the shared connection: what is tried again, and what a person is told."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest
from recorder import PROJECT

FIRST_MET = Path("/p/.state/ssh/a-22/known_hosts")


def load() -> ModuleType:
    """The program, which lies beside a module of its folder's name and so cannot be imported by name."""
    spec = importlib.util.spec_from_file_location("ssh_connect", PROJECT / "components" / "ssh" / "connect.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


connect = load()

REFUSED = "ssh: connect to host a port 22: Connection refused\n"
DENIED = "monopco@a: Permission denied (publickey).\n"
CHANGED = "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n"
UNKNOWN = "No ED25519 host key is known for a and you have requested strict checking.\nHost key verification failed.\n"
NO_NAME = "ssh: Could not resolve hostname a: Name or service not known\n"
NO_RESOLVER = "ssh: Could not resolve hostname a: Temporary failure in name resolution\n"
TIMEOUT = "ssh: connect to host a port 22: Connection timed out\n"
CUT = "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 192.0.2.1 port 22\n"


def tried(answers: Iterable[str | None]) -> tuple[str | None, list[float]]:
    """What came of it, and the pauses that were made."""
    coming, pauses = iter(answers), list[float]()
    return connect.attempts(lambda: next(coming), pauses.append), pauses


@pytest.mark.parametrize("said", [REFUSED, TIMEOUT, CUT, NO_RESOLVER])
def test_what_may_go_better_is_tried_again_after_longer_and_longer_pauses(said: str) -> None:
    assert tried([said, said, None]) == (None, [1, 2])
    assert tried([said] * 5) == (said, [1, 2, 4, 8])


@pytest.mark.parametrize("said", [DENIED, CHANGED, UNKNOWN, NO_NAME, "Bad configuration option: colour\n"])
def test_what_the_server_has_refused_is_not_tried_again(said: str) -> None:
    assert tried([said]) == (said, [])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (REFUSED, "The server a does not answer by SSH: ssh: connect to host a port 22: Connection refused. Look"),
        (TIMEOUT, "does not answer by SSH"),
        (CUT, "does not answer by SSH"),
        (NO_NAME, "There is no server a: ssh: Could not resolve hostname a: Name or service not known. Correct server"),
        (NO_RESOLVER, "does not answer by SSH"),
        (DENIED, "The server a does not let the user monopco in: monopco@a: Permission denied (publickey). Its ~mon"),
        (CHANGED, "The server a shows another host key than it should"),
        (UNKNOWN, "The server a shows another host key than it should"),
        ("", "There is no connection to the server a: ssh said nothing"),
        ("Bad configuration option: colour", "no connection to the server a: Bad configuration option: colour"),
    ],
)
def test_people_are_told_what_is_wrong_and_what_to_do(said: str, words: str) -> None:
    assert words in connect.in_words("a", "monopco", said, None)


def test_another_host_key_is_told_with_where_the_expected_one_stands() -> None:
    assert "is server.hostKey; correct that" in connect.in_words("a", "monopco", CHANGED, None)
    assert f"was met first; remove {FIRST_MET}" in connect.in_words("a", "monopco", CHANGED, FIRST_MET)


def test_it_needs_nothing_but_python_itself() -> None:
    imported = {name.partition(".")[0] for name in vars(connect) if isinstance(vars(connect)[name], ModuleType)}
    assert imported <= set(sys.stdlib_module_names)
