"""`env`: what makes plain `pulumi` work in a shell."""

from __future__ import annotations

import os
import sys

from ops.console import notes
from ops.environment import exports, uses_own_state
from ops.errors import CommandError
from ops.places import DEFAULT_STACK, STATE


def env() -> None:
    """Print the settings for plain `pulumi preview|up|destroy|stack`. Use it as: eval "$(./monopco env)"."""
    if uses_own_state(os.environ) and not (STATE / f".pulumi/stacks/monopco/{DEFAULT_STACK}.json").exists():
        _make_default_stack()
    sys.stdout.write(exports(os.environ))


def _make_default_stack() -> None:
    """Make and select the stack that a plain `pulumi up` then works on; what hinders it, hinders nobody here."""
    from ops.pulumi import Pulumi  # noqa: PLC0415

    try:
        Pulumi(DEFAULT_STACK).ensure()
    except CommandError as error:
        notes.print(f"The stack {DEFAULT_STACK} was not made: {error}", markup=False)
