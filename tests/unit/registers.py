"""Recorded releases for the tests of the verbs, and a Docker client that answers what a test says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from specifications import SPECIFICATION

from ops import containers
from ops.errors import CommandError
from ops.register import Recorded
from record import Record


def labels(number: int, **own: str) -> dict[str, str]:
    """The labels of the record of a release; each number gives another one."""
    what = dataclasses.replace(SPECIFICATION, image_digest=f"{number:064}")
    given = {
        "stack": "dev",
        "component": "release",
        "release": what.release_id,
        "record": what.to_json(),
        "secrets": "sealed",
        "serial": str(number),
        "at": f"2026-11-23T07:00:{number:02}Z",
        "image": f"sha256:app-{number}",
        **own,
    }
    return {f"dev.monopco.{name}": value for name, value in given.items()}


def release(number: int, **own: str) -> Recorded:
    given = labels(number, **own)
    return Recorded(Record.of_image(f"monopco-dev/release:{given['dev.monopco.release']}", given), 300_000_000)


class Docker:
    """Answers by the first words of a command; keeps what it was asked."""

    def __init__(self, answers: dict[str, str | Callable[[Sequence[str]], str]]) -> None:
        self.answers = answers
        self.asked: list[list[str]] = []
        self.hosts: set[str | None] = set()
        self.stdin: list[str] = []

    def __call__(self, arguments: Sequence[str], host: str | None = None, stdin: str = "") -> str:
        self.asked.append(list(arguments))
        self.hosts.add(host)
        self.stdin.append(stdin)
        text = " ".join(arguments)
        for beginning, answer in self.answers.items():
            if text.startswith(beginning):
                if callable(answer):
                    return answer(arguments)
                if answer.startswith("refused"):
                    raise CommandError(f"Docker {answer}")
                return answer
        raise AssertionError(f"docker was asked what the test does not know: {text}")

    def installed(self, monkeypatch: pytest.MonkeyPatch) -> Docker:
        monkeypatch.setattr(containers, "docker", self)
        return self

    def did(self, beginning: str) -> list[list[str]]:
        """The commands that begin so."""
        return [one for one in self.asked if " ".join(one).startswith(beginning)]


def inspected(*records: dict[str, str]) -> list[dict[str, Any]]:
    """What `docker image inspect` says of records."""
    return [
        {
            "RepoTags": [f"monopco-dev/release:{one['dev.monopco.release']}"],
            "Config": {"Labels": one},
            "Size": 300_000_000,
        }
        for one in records
    ]
