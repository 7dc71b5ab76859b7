"""Values as the engine's protocol writes them: which are secret, and what is in them."""

from __future__ import annotations

import base64
import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

# What the engine's protocol uses to tell secrets and values that are not known yet from ordinary ones.
SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def wrapped(value: str) -> dict[str, str]:
    """A secret as the engine's protocol writes it."""
    return {SIGNATURE: SECRET, "value": value}


def is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(SIGNATURE) == SECRET


def reveal(value: Any) -> Any:
    """The value with all secrets unwrapped."""
    if is_secret(value):
        return reveal(value["value"])
    if isinstance(value, Mapping):
        return {key: reveal(item) for key, item in value.items()}
    return [reveal(item) for item in value] if isinstance(value, list) else value


def in_clear(value: Any) -> Any:
    """The value with all secrets left out: what a state file or a diff shows to everybody."""
    if is_secret(value):
        return "[secret]"
    if isinstance(value, Mapping):
        return {key: in_clear(item) for key, item in value.items()}
    return [in_clear(item) for item in value] if isinstance(value, list) else value


def texts(value: Any) -> Iterator[str]:
    """Every text in a value, the keys of its objects included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def spellings(secret: str) -> set[str]:
    """The ways in which a text may be written inside another: plain, in a URL, in hexadecimal, in base64.

    Base64 may be inside base64: a bundle holds the environment file, whose values are written so.
    """
    once = _in_base64(secret)
    found = {
        secret,
        quote(secret, safe=""),
        secret.encode().hex(),
        *once,
        *(each for one in once for each in _in_base64(one)),
    }
    assert min(map(len, found)) > 7, f"{secret} is too short to be told from other text"
    return found


def _in_base64(text: str) -> set[str]:
    found = set()
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + text.encode()).decode()
        # The first and last characters depend on what stands beside the text.
        found.add(encoded[4 if offset else 0 : len(encoded) - 4])
    return found


def labels_of(dockerfile: str) -> dict[str, str]:
    """The labels that Docker's builder reads: words NAME="TEXT" apart by a blank, escapes undone."""
    pair = r'([\w.]+)="((?:[^"\\$]|\\.)*)"'
    found: dict[str, str] = {}
    for line in dockerfile.replace(" \\\n ", " ").splitlines():
        if line.startswith("LABEL "):
            given = line.removeprefix("LABEL ")
            assert re.fullmatch(f"{pair}(?: {pair})*", given), line
            found |= {name: re.sub(r"\\(.)", r"\1", text) for name, text in re.findall(pair, given)}
    return found


def unpack(text: str) -> dict[str, str]:
    """The files of a bundle."""
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(text))) as archive:
        members = {member.name: archive.extractfile(member) for member in archive}
        return {name: content.read().decode() for name, content in members.items() if content}
