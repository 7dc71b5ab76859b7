"""What was changed by hand: on the server, and in the proxy's container.

Every step of the server is asked, by its own script in the state, what differs from what it would make.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops import containers, ssh
from ops.console import notes, output
from ops.errors import CommandError
from ops.events import own_name
from ops.pulumi import Pulumi
from ops.stack_file import StackFile

_STEP = "monopco:components:Machine$command:remote:Command"
_CONFIGURATION = "proxy-configuration"
_MARK = "monopco-step"
_RESULT = re.compile(rf"^{_MARK} (\d+)\n(.*?)^{_MARK} ended (\d+)\n", re.MULTILINE | re.DOTALL)
# Asks the proxy's own tools which configuration is in use, and looks at the files that it is read from.
_LOADED = """. /usr/local/lib/monopco/common.sh
admin GET "/configuration?md5=$1" >/dev/null 2>&1 || echo 'nginx runs with another configuration than it was given'
for file in "$RUNNING" "$STATE/nginx.conf"; do
    [ "$(md5sum <"$file" | cut -c 1-32)" = "$1" ] || echo "$file was changed"
done"""


METRICS = "/var/lib/monopco/metrics"
# What looks at the containers may write where the monitoring reads.
_LEAVE = f"cat >{METRICS}/drift.new && chmod 0644 {METRICS}/drift.new && mv {METRICS}/drift.new {METRICS}/drift.prom"


@dataclass(frozen=True)
class Finding:
    """Something that is not as a resource made it. Making the resource anew mends it."""

    urn: str
    differs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{own_name(self.urn)}: {'; '.join(self.differs)}"


def of_stack(file: StackFile, pulumi: Pulumi) -> list[Finding]:
    """What differs on the stack's server and in its proxy. Raises CommandError when the server cannot be asked."""
    resources = pulumi.resources()
    found = []
    if file.value("server", "host"):
        user = str(file.value("server", "user"))
        found += of_server(_of_machine(resources, "machine"), ssh.command(file, user))
        for node in file.nodes:
            steps = _of_machine(resources, f"machine-{node.host}")
            found += of_server(steps, ssh.node_command(file, node, user)) if steps else []
    return found + of_proxy(resources, file.docker_host)


def _of_machine(resources: Iterable[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """The steps of one server, by the name of its component."""
    return [each for each in resources if str(each.get("parent", "")).endswith(f"::{name}")]


def of_server(resources: Iterable[Mapping[str, Any]], command: Sequence[str]) -> list[Finding]:
    """What differs on the server that `command` runs a shell script on, over one connection."""
    steps = [each for each in resources if _STEP in each["urn"] and "id" in each]
    if not steps:
        return []
    done = subprocess.run(command, input=question(steps), capture_output=True, text=True, check=False)
    results = {int(number): (code, said) for number, said, code in _RESULT.findall(done.stdout)}
    if len(results) != len(steps):
        raise CommandError(f"The server could not be asked what differs on it: {(done.stderr or done.stdout).strip()}")
    return [
        Finding(step["urn"], tuple(said.strip().splitlines()) or (f"its check ended with {code}",))
        for number, step in enumerate(steps)
        for code, said in [results[number]]
        if code != "0"
    ]


def question(steps: Sequence[Mapping[str, Any]]) -> str:
    """A script that has every step say what differs; all at once, told one after the other."""
    lines = ["folder=$(mktemp -d) || exit"]
    for number, step in enumerate(steps):
        lines += [
            f'(CHECK=1 sh -c {shlex.quote(step["inputs"]["create"])} </dev/null >"$folder/{number}" 2>&1',
            f'echo $? >"$folder/{number}.code") &',
        ]
    lines.append("wait")
    for number in range(len(steps)):
        lines += [
            f"echo {_MARK} {number}",
            f'cat "$folder/{number}"',
            f'echo {_MARK} ended "$(cat "$folder/{number}.code")"',
        ]
    return "\n".join([*lines, 'rm -rf "$folder"']) + "\n"


def of_proxy(resources: Iterable[Mapping[str, Any]], host: str | None) -> list[Finding]:
    """Whether nginx runs with the configuration that it was given. A proxy that does not run is not asked."""
    for resource in resources:
        if own_name(resource["urn"]) == _CONFIGURATION and "id" in resource:
            given = resource["inputs"]["environment"]
            if "MD5" not in given:
                return []
            asked = ["exec", given["CONTAINER"], "sh", "-c", _LOADED, "sh", given["MD5"]]
            try:
                said = containers.docker(asked, host)
            except CommandError:
                return []
            return [Finding(resource["urn"], tuple(said.splitlines()))] if said else []
    return []


def tell(findings: Sequence[Finding], what_next: str) -> None:
    """Say what differs, and what becomes of it."""
    if findings:
        output.print(f"[yellow]Changed by hand[/], {what_next}:")
    for finding in findings:
        output.print(f"  {finding}", markup=False)


def replacing(findings: Iterable[Finding]) -> list[str]:
    """Arguments by which Pulumi makes anew what differs."""
    return [argument for finding in findings for argument in ("--replace", finding.urn)]


def leave(file: StackFile, count: int) -> None:
    """Tell the monitoring how many parts are not as they were made; it raises an alert while there are any."""
    if not file.value("monitoring", "enabled"):
        return
    watching = f"monopco-{file.name}-monitoring-containers"
    try:
        command = ["exec", "--interactive", watching, "sh", "-c", _LEAVE]
        containers.docker(command, file.docker_host, stdin=f"monopco_drift_resources {count}\n")
    except CommandError as error:
        notes.print(f"The monitoring could not be told what was changed by hand: {error}", markup=False)
