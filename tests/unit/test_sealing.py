"""Secrets in the record of a release."""

from __future__ import annotations

import base64

import pytest

from components.sealing import KEY_BYTES, SealError, seal, unseal

KEY = base64.b64encode(bytes(range(KEY_BYTES))).decode()
OTHER = base64.b64encode(bytes(reversed(range(KEY_BYTES)))).decode()
SECRETS = {"KEY": "marked-hunter2", "ACCENT": "é\n\"'"}
SEALED = seal(KEY, "abc", SECRETS)
DAMAGED = (
    "pinned.release: the secrets of release {} cannot be opened: its record is damaged, or it was made with the "
    "state of another environment; publish another release"
)


@pytest.mark.parametrize("secrets", [SECRETS, {}], ids=["two", "none"])
def test_what_was_sealed_is_opened_again(secrets: dict[str, str]) -> None:
    assert unseal(KEY, "abc", seal(KEY, "abc", secrets)) == secrets


def test_the_same_secrets_give_the_same_text_so_that_no_change_is_seen() -> None:
    assert seal(KEY, "abc", dict(reversed(SECRETS.items()))) == SEALED


@pytest.mark.parametrize(
    ("key", "release", "secrets"),
    [(OTHER, "abc", SECRETS), (KEY, "abd", SECRETS), (KEY, "abc", {**SECRETS, "KEY": "other"})],
    ids=["another key", "another release", "another secret"],
)
def test_anything_else_gives_another_text(key: str, release: str, secrets: dict[str, str]) -> None:
    assert seal(key, release, secrets) != SEALED


def test_the_text_is_one_line_that_holds_no_secret() -> None:
    assert SEALED.isascii()
    assert SEALED.isprintable()
    assert b"marked" not in base64.b64decode(SEALED)


def refusal(key: str, release: str, sealed: str) -> SealError:
    with pytest.raises(SealError) as raised:
        unseal(key, release, sealed)
    return raised.value


def flipped(position: int) -> str:
    data = bytearray(base64.b64decode(SEALED))
    data[position] ^= 1
    return base64.b64encode(bytes(data)).decode()


@pytest.mark.parametrize(
    ("key", "release", "sealed"),
    [
        (OTHER, "abc", SEALED),
        (KEY, "abd", SEALED),
        (KEY, "abc", flipped(0)),
        (KEY, "abc", flipped(-1)),
        (KEY, "abc", SEALED[:8]),
        (KEY, "abc", SEALED[:-1]),
        (KEY, "abc", ""),
        ("c2hvcnQ=", "abc", SEALED),
        ("not base64", "abc", SEALED),
    ],
    ids=[
        "another key",
        "another release",
        "a changed first byte",
        "a changed last byte",
        "cut to a piece",
        "cut by one letter",
        "nothing",
        "a short key",
        "no key",
    ],
)
def test_what_cannot_be_opened_is_refused_without_a_secret(key: str, release: str, sealed: str) -> None:
    raised = refusal(key, release, sealed)
    assert str(raised) == DAMAGED.format(release)
    assert "marked" not in str(raised.__cause__)
    assert key not in str(raised.__cause__)
