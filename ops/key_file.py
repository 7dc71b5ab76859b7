"""The private key of a stack's server in the file that OpenSSH reads; Pulumi alone can open it in the stack's file."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

from components.ssh import PRIVATE, Ssh
from ops.bootstrap.stamps import write_atomically
from ops.places import PROJECT
from ops.pulumi import Pulumi


@functools.cache
def _written(ssh: Ssh, stack: str, version: str) -> None:
    """Once in a run is enough. Asking Pulumi takes half a second, so the key's version is noted beside it."""
    noted = ssh.key_file(PROJECT).with_name("key.version")
    if not ssh.own_key or (_read(noted) == version and ssh.key_file(PROJECT).is_file()):
        ssh.write(PROJECT)
        return
    ssh.write(PROJECT, Pulumi(stack).configured("monopco:server.privateKey"))
    write_atomically(noted, version, PRIVATE)


def write(ssh: Ssh, stack: str, encrypted: Any) -> None:
    """Write what SSH needs to reach the server of `stack`. Raises CommandError when Pulumi cannot open the key."""
    _written(ssh, stack, hashlib.sha256(str(encrypted).encode()).hexdigest())


def _read(path: Any) -> str:
    return str(path.read_text(encoding="utf-8")) if path.is_file() else ""
