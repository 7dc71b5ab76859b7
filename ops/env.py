"""`env`: what makes plain `pulumi` work in a shell."""

from __future__ import annotations

import os
import sys

from ops.environment import exports


def env() -> None:
    """Print the settings for plain `pulumi preview|up|destroy|stack`. Use it as: eval "$(./monopco env)"."""
    sys.stdout.write(exports(os.environ))
