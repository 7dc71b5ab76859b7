"""Mending what a killed run left: things that it began to make and that the state does not know.

Pulumi notes what it is about to do, and after a kill cannot tell whether it was done. A container of which that is
unknown would be in the way of the next one of its name, so it is removed; it never got a request.
"""

from __future__ import annotations

from typing import Any

from ops import containers
from ops.console import notes
from ops.errors import CommandError
from ops.events import count, name
from ops.pulumi import Pulumi

_CONTAINER = "docker:index/container:Container"
_NETWORK = "docker:index/network:Network"


def interrupted(pulumi: Pulumi, host: str | None) -> None:
    """Remove what a killed run half made in this stack, and let the next run begin afresh."""
    pending = pulumi.pending()
    if not pending:
        return
    notes.print(f"A run was interrupted in the middle of {count(len(pending))}; mending that first:")
    known = {str(resource.get("id")) for resource in pulumi.resources()}
    for operation in pending:
        resource = operation["resource"]
        what = "nothing to remove"
        if operation["type"] == "creating" and _remove(pulumi.name, resource, known, host):
            what = "removed"
        notes.print(f"  {operation['type']} {name(resource['urn'])}: {what}", markup=False)
    pulumi.forget_pending()


def _remove(stack: str, resource: dict[str, Any], known: set[str], host: str | None) -> bool:
    """Whether there was such a thing of ours that the state does not know. Data is never touched."""
    kind, wanted = resource["type"], (resource.get("inputs") or {}).get("name")
    command = {_CONTAINER: "container", _NETWORK: "network"}.get(kind)
    if command is None or not isinstance(wanted, str):
        return False
    everything = ["--all"] if command == "container" else []
    ours = [*containers.filters(stack), "--filter", f"name=^/?{wanted}$"]
    ids = containers.docker([command, "ls", *everything, "--quiet", "--no-trunc", *ours], host).split()
    left = [one for one in ids if one not in known]
    for one in left:
        try:
            containers.docker([command, "rm", *(["--force"] if command == "container" else []), one], host)
        except CommandError as error:
            notes.print(f"  {error}", markup=False)
            return False
    return bool(left)
