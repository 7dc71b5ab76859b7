"""What a person reads: answers on standard output, the rest on standard error."""

from __future__ import annotations

from rich.console import Console

output = Console(highlight=False, soft_wrap=True)
notes = Console(stderr=True, highlight=False, soft_wrap=True)
