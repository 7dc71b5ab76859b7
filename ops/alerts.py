"""`alerts`: whether an alert would reach somebody."""

from __future__ import annotations

import enum
import json
import re
import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Annotated

import typer
from rich.markup import escape

from ops import containers
from ops.console import output
from ops.errors import FAILED, CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.stack_file import StackFile

_URL = "http://localhost:9093"
_COUNTED = re.compile(
    r'alertmanager_notification_requests_(failed_)?total\{integration="(\w+)",receiver_name="test"\} (\S+)'
)
_SECONDS = 60
_NAMES = {"email": "mail", "webhook": "webhook"}


class Job(str, enum.Enum):
    """What is to be done."""

    TEST = "test"


@dataclass(frozen=True)
class Sent:
    """How often a kind of receiver was spoken to, and how often that failed."""

    requests: float = 0
    failed: float = 0


def alerts(
    job: Annotated[Job, typer.Argument(metavar="test", help="test sends one now.")],  # noqa: ARG001 - there is one
    stack: StackOption = DEFAULT_STACK,
) -> None:
    """Send a real test alert to every receiver, and say whether each has accepted it. Exit code 1 when one has not."""
    alertmanager = _Alertmanager.of_stack(stack)
    before = alertmanager.sent()
    if not before:
        raise CommandError(
            f"Stack {stack} tells nobody of alerts. Set monopco:monitoring.alerts.email.to (with from and "
            f"smtpHost) or .webhook.url, and run ./monopco up -s {stack}."
        )
    alertmanager.raise_test()
    arrived = _wait(alertmanager, before)
    for kind in sorted(before):
        name = _NAMES.get(kind, kind)
        if kind in arrived:
            output.print(f"[green]accepted[/]  {name}: the receiver's server has taken the test alert")
        else:
            output.print(f"[red]FAILED[/]    {name}: {escape(alertmanager.reason(kind))}")
    if set(before) - arrived:
        raise typer.Exit(FAILED)


@dataclass(frozen=True)
class _Alertmanager:
    stack: str
    container: str
    host: str | None
    since: str

    @staticmethod
    def of_stack(stack: str) -> _Alertmanager:
        """Raises CommandError when none runs."""
        host = StackFile.read(stack).docker_host
        name = f"monopco-{stack}-monitoring-alerts"
        running = [each.name for each in containers.of_stack(stack, host) if each.state == "running"]
        if name not in running:
            raise CommandError(
                f"No monitoring runs in stack {stack}. Set monopco:monitoring.enabled to true, "
                f"and run ./monopco up -s {stack}."
            )
        return _Alertmanager(stack, name, host, datetime.now(timezone.utc).isoformat())

    def sent(self) -> dict[str, Sent]:
        """By kind of receiver, what was sent to those of test alerts."""
        text = self._run(["curl", "--silent", "--show-error", "--fail", f"{_URL}/metrics"])
        counts: dict[str, dict[str, float]] = {}
        for failed, kind, value in _COUNTED.findall(text):
            counts.setdefault(kind, {})["failed" if failed else "requests"] = float(value)
        return {kind: Sent(**count) for kind, count in counts.items()}

    def raise_test(self) -> None:
        ends = datetime.now(timezone.utc) + timedelta(seconds=2 * _SECONDS)
        alert = {
            "labels": {"alertname": "Test", "severity": "test", "stack": self.stack, "id": secrets.token_hex(4)},
            "annotations": {
                "summary": "This is a test",
                "description": "Somebody wanted to know whether alerts arrive: ./monopco alerts test",
                "runbook": "nothing is to be done",
                "graph": "none",
            },
            "endsAt": ends.isoformat(),
        }
        post = ["curl", "--silent", "--show-error", "--fail-with-body", "--header", "Content-Type: application/json"]
        self._run([*post, "--data", "@-", f"{_URL}/api/v2/alerts"], json.dumps([alert]))

    def reason(self, kind: str) -> str:
        """What Alertmanager says of the failure, or that it got no answer."""
        said = containers.docker(["logs", "--since", self.since, "--tail", "200", self.container], self.host)
        return last_reason(said, kind) or f"no answer within {_SECONDS} s; docker logs {self.container} may say more"

    def _run(self, command: list[str], stdin: str = "") -> str:
        interactive = ["--interactive"] if stdin else []
        return containers.docker(["exec", *interactive, self.container, *command], self.host, stdin)


def last_reason(log: str, kind: str) -> str:
    """The last failure of a test alert by this kind of receiver that the log tells; empty when it tells none."""
    lines = [line for line in log.splitlines() if "receiver=test" in line and f"integration={kind}" in line]
    found = [re.search(r'\berr="((?:[^"\\]|\\.)*)"', line) for line in lines]
    reasons = [each[1].replace('\\"', '"') for each in found if each]
    return reasons[-1] if reasons else ""


def _wait(alertmanager: _Alertmanager, before: dict[str, Sent]) -> set[str]:
    """The kinds of receivers that accepted, as soon as all have accepted or refused."""
    deadline = time.monotonic() + _SECONDS
    while True:
        now = alertmanager.sent()
        tried = {kind for kind in before if now[kind].requests > before[kind].requests}
        if tried == set(before) or time.monotonic() > deadline:
            now = alertmanager.sent()  # a failure is counted a moment after the try
            return {kind for kind in tried if now[kind].failed == before[kind].failed}
        time.sleep(0.5)
