"""Removing the releases that are not kept any more, by the script that also runs after each switch."""

from __future__ import annotations

import subprocess

from ops import containers, proxy
from ops.console import notes
from ops.places import PROJECT
from ops.stack_file import StackFile

_SCRIPT = PROJECT / "components" / "retention" / "prune.sh"


def prune(file: StackFile) -> None:
    """Remove what is beyond `app.keepReleases`. A failure is told and hinders nothing."""
    front = proxy.of_stack(file.name, file.docker_host)
    variables = {
        **containers.environment_of(file.docker_host),
        "LABEL": containers.LABEL,
        "STACK": file.name,
        "PROXY": front.container if front else "",
        "RELEASE": front.live if front else "",
        "KEEP": str(file.value("app", "keepReleases")),
    }
    done = subprocess.run(
        ["sh", str(_SCRIPT)], env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        notes.print(f"Old releases were not removed: {done.stderr.strip()}", markup=False)
