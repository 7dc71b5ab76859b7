"""Making a recorded release the live one: the way that publish and rollback share.

It is `pulumi up` with the release pinned in the stack's file. When that fails, the pin is as before.
"""

from __future__ import annotations

from collections.abc import Sequence

from ops import containers, pin, preflight, proxy, register, repair
from ops.console import notes
from ops.errors import CommandError
from ops.events import Outcome
from ops.pin import Pin
from ops.places import PROJECT
from ops.pulumi import Pulumi
from ops.register import Recorded
from ops.stack_file import StackFile
from record import record_file


def switch_to(file: StackFile, pulumi: Pulumi, target: Recorded, accepts: Sequence[str] = ()) -> Outcome:
    """Give the requests to `target`, and check that it has them. Raises CommandError when it has not."""
    before = pin.read(file)
    register.keep(file.name, target)
    pin.write(file.name, Pin(target.id, accepts=tuple(accepts)))
    try:
        repair.interrupted(pulumi, file.docker_host)
        outcome = pulumi.operate("up")
    except CommandError:
        pin.write(file.name, before)
        raise
    settle(file.name, outcome)
    check(file, outcome, target)
    return outcome


def settle(stack: str, outcome: Outcome) -> None:
    """Note in the pin what the source gave meanwhile, so that a changed source is deployed again; or take the pin out
    when the source gives the pinned release itself."""
    pinned, source = pin.read(StackFile.read(stack)), outcome.outputs.get("sourceRelease")
    if pinned is None or not isinstance(source, str) or not source:
        return
    if pinned.release == source:
        pin.write(stack, None)
    elif pinned.instead_of is None:
        pin.write(stack, Pin(pinned.release, source, pinned.accepts))
    elif pinned.instead_of != source:
        pin.write(stack, None)
        notes.print(f"The source has changed: release {pinned.release} is not pinned any more.")


def check(file: StackFile, outcome: Outcome, target: Recorded) -> None:
    """Raises CommandError when what runs is not what was asked for."""
    wanted, host = str(outcome.outputs.get("release")), file.docker_host
    live = proxy.running(file.name, host).live
    if live != wanted:
        raise CommandError(f"The proxy gives the requests to release {live or 'none'} instead of {wanted}.")
    own = [each for each in containers.everywhere(file) if each.component == "app" and each.release == wanted]
    wrong = [
        each.name
        for each in own
        if each.state != "running" or each.health == "unhealthy" or each.image != target.record.image
    ]
    if not own or wrong:
        raise CommandError(f"Release {wanted} does not run as it was recorded: {', '.join(wrong) or 'no container'}.")
    if wanted != target.id:
        notes.print(
            f"It runs as release {wanted}: image, configuration and secrets of {target.id}, with the present password "
            "of the database and as this version of monopco makes containers."
        )


def fetch_pinned(file: StackFile) -> None:
    """Bring the record of a pinned release to where the program reads it."""
    pinned = pin.read(file)
    if pinned and not record_file(PROJECT, file.name, pinned.release).is_file():
        register.fetch(file.name, file.docker_host, pinned.release)


def local_checks(file: StackFile, pulumi: Pulumi) -> None:
    """What is looked at before a stack on this machine is changed."""
    if preflight.is_local(file):
        preflight.docker_disk()
        preflight.settle_ports(file, pulumi)
