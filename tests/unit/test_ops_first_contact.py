"""First contact with a server: which of its keys is pinned, and where."""

from __future__ import annotations

from typing import Any

import pytest

from ops import first_contact
from ops.errors import CommandError
from ops.first_contact import best, fingerprint
from ops.stack_file import StackFile

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
RSA = "ssh-rsa AAAAB3NzaC1yc2E="
SCANNED = f"# server:22 SSH-2.0-OpenSSH_10.0\nserver {RSA}\nserver {ED25519}\n"


class FakePulumi:
    def __init__(self) -> None:
        self.set: dict[str, str] = {}
        self.checked = 0

    def check(self) -> None:
        self.checked += 1

    def set_config(self, path: str, value: str) -> None:
        self.set[path] = value


def stack(**server: Any) -> StackFile:
    return StackFile(
        "prod", {"monopco:server": server}, {"monopco:server": {"host": None, "port": 22, "hostKey": None}}
    )


def pin(file: StackFile, monkeypatch: pytest.MonkeyPatch, scanned: str) -> dict[str, str]:
    """What is written into the stack's file."""
    pulumi = FakePulumi()
    monkeypatch.setattr(first_contact, "_scan", lambda *_: scanned)
    monkeypatch.setattr(StackFile, "read", staticmethod(lambda _: file))
    first_contact.pin_host_key(file, pulumi)  # type: ignore[arg-type]
    return pulumi.set


def test_the_best_key_is_pinned_and_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert pin(stack(host="server"), monkeypatch, SCANNED) == {"monopco:server.hostKey": ED25519}
    assert fingerprint(ED25519) in capsys.readouterr().err


def test_a_key_that_is_given_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pin(stack(host="server", hostKey=RSA), monkeypatch, SCANNED) == {}


def test_this_machine_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pin(stack(), monkeypatch, SCANNED) == {}


def test_a_server_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="No SSH server answers at server, port 22"):
        pin(stack(host="server"), monkeypatch, "")


def test_another_key_is_taken_where_there_is_no_better_one() -> None:
    assert best(f"server {RSA}\n") == RSA
    assert best("server ssh-dss AAAA\nnonsense\n") == ""


def test_the_fingerprint_is_as_openssh_shows_it() -> None:
    assert fingerprint(ED25519) == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
