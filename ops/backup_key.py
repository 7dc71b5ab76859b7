"""The file with the key of the backups, for the user to store away from the machine."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from ops.console import notes
from ops.errors import MISTAKE, CommandError
from ops.places import PROJECT, STATE
from ops.pulumi import Pulumi

_TEXT = """\
The backups of stack {stack} are encrypted with this key. Without it they are worth nothing, and the machine that has it
may be the one that is lost: store this file elsewhere, as you store passwords, and delete it here if you like.

key: {key}

On a new server, with backups.remote set as it was:
    ./monopco restore --from-scratch --key THIS_FILE -s {stack}
"""


def keep(stack: str, pulumi: Pulumi, outputs: dict[str, Any], folder: Path = STATE) -> None:
    """Write the file when this key was not written yet, and tell what to do with it, once.

    A digest beside it remembers which key it was, so that a file that was taken away is not written again.
    """
    path, mark = folder / f"backup-key-{stack}.txt", folder / f"backup-key-{stack}.told"
    version = str(outputs.get("backupKeyVersion") or "")
    if not version or (mark.is_file() and mark.read_text(encoding="utf-8") == version):
        return
    key = pulumi.secret_output("backupKey")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(_TEXT.format(stack=stack, key=key))
    mark.write_text(version, encoding="utf-8")
    shown = path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path
    notes.print(
        f"\n[bold yellow]Store {shown} away from this machine.[/] It has the key of the backups: without it they"
    )
    notes.print("cannot be read on a new server. It is written only this once; you may move it.")


def read(path: Path) -> str:
    """The key in such a file. Raises CommandError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--key: the file cannot be read: {error}", MISTAKE) from error
    match = re.search(r"^key: (\S+)$", text, re.MULTILINE)
    if not match:
        raise CommandError(f'--key: {path} has no line that begins with "key: "', MISTAKE)
    return match[1]
