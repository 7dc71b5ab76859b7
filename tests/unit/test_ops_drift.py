"""What was changed by hand: how a server's steps are asked, and what becomes of their answers."""

from __future__ import annotations

from typing import Any

import pytest

from components.metrics import PATH
from ops import containers, drift
from ops.drift import Finding
from ops.errors import CommandError
from ops.stack_file import StackFile

PREFIX = "urn:pulumi:prod::monopco::monopco:components:Machine$command:remote:Command::machine-"
HERE = ("sh", "-s")  # this machine stands for the server


def step(name: str, text: str) -> dict[str, Any]:
    return {"urn": f"{PREFIX}{name}", "id": "1", "inputs": {"create": text}}


def test_a_step_that_finds_a_difference_is_told_with_its_words() -> None:
    steps = [
        step("clock", "echo 'as it should be'"),
        step("ssh", 'echo "it\'s $CHECK"; echo loose >&2; exit 3'),
        step("logs", "exit 3"),
    ]
    assert drift.of_server(steps, HERE) == [
        Finding(f"{PREFIX}ssh", ("it's 1", "loose")),
        Finding(f"{PREFIX}logs", ("its check ended with 3",)),
    ]


def test_a_step_that_cannot_even_look_differs() -> None:
    (found,) = drift.of_server([step("firewall", "ufw-is-gone status")], HERE)
    assert "ufw-is-gone" in str(found)


def test_a_step_that_reads_does_not_eat_the_others() -> None:
    assert drift.of_server([step("a", "cat"), step("b", "exit 3")], HERE)[0].urn == f"{PREFIX}b"


def test_nothing_is_asked_of_a_server_without_steps() -> None:
    other = {"urn": "urn:pulumi:prod::monopco::command:local:Command::server-check", "id": "1", "inputs": {}}
    assert drift.of_server([other], ("false",)) == []


def test_a_server_that_cannot_be_asked_is_told() -> None:
    with pytest.raises(CommandError, match="could not be asked what differs on it: no route"):
        drift.of_server([step("a", "true")], ("sh", "-c", "echo no route >&2; exit 255"))


def test_what_differs_is_made_anew() -> None:
    assert drift.replacing([Finding("urn:a", ("x",)), Finding("urn:b", ("y",))]) == [
        *("--replace", "urn:a"),
        *("--replace", "urn:b"),
    ]


def proxy(**environment: str) -> dict[str, Any]:
    urn = "urn:pulumi:prod::monopco::monopco:components:Proxy$command:local:Command::proxy-configuration"
    return {"urn": urn, "id": "1", "inputs": {"environment": {"CONTAINER": "abc", **environment}}}


def test_the_proxy_is_asked_for_the_configuration_that_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def docker(arguments: list[str], host: str | None) -> str:
        asked.append([*arguments, str(host)])
        return "/var/lib/monopco/nginx.conf was changed\n"

    monkeypatch.setattr(containers, "docker", docker)
    (found,) = drift.of_proxy([proxy(MD5="0123")], "ssh://server")
    assert found.differs == ("/var/lib/monopco/nginx.conf was changed",)
    assert (asked[0][:2], asked[0][-2:]) == (["exec", "abc"], ["0123", "ssh://server"])


def test_a_proxy_that_does_not_run_or_was_made_by_an_earlier_version_is_not_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def docker(*_: object) -> str:
        raise CommandError("no such container")

    monkeypatch.setattr(containers, "docker", docker)
    assert drift.of_proxy([proxy(MD5="0123")], None) == []
    assert drift.of_proxy([proxy()], None) == []
    assert drift.of_proxy([], None) == []


@pytest.mark.parametrize("enabled", [True, False])
def test_the_monitoring_is_told_how_much_differs(monkeypatch: pytest.MonkeyPatch, enabled: bool) -> None:
    told: list[tuple[str, str]] = []
    monkeypatch.setattr(containers, "docker", lambda arguments, _host, stdin: told.append((arguments[2], stdin)))
    file = StackFile("dev", {"monopco:monitoring": {"enabled": enabled}}, {})
    drift.leave(file, 3)
    assert told == [("monopco-dev-monitoring-containers", "monopco_drift_resources 3\n")] * enabled
    assert drift.METRICS == PATH
