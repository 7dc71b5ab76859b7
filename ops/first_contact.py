"""First contact with a server: the host key that it shows is pinned in the stack's file, and told."""

from __future__ import annotations

import base64
import hashlib
import subprocess

from ops.console import notes
from ops.errors import CommandError
from ops.pulumi import Pulumi
from ops.stack_file import StackFile

_KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")  # the best first
_SECONDS = 15


def pin_host_key(file: StackFile, pulumi: Pulumi) -> StackFile:
    """The stack's file, which has the host keys of its servers from now on. Raises CommandError when none is shown."""
    if not file.value("server", "host"):
        return file
    if not isinstance(file.value("server", "port"), int):
        pulumi.check()  # says what is wrong with it
    unknown = {} if file.value("server", "hostKey") else {"server.hostKey": str(file.value("server", "host"))}
    unknown |= {
        f"server.nodes[{number}].hostKey": node.host for number, node in enumerate(file.nodes) if not node.host_key
    }
    if unknown:
        pulumi.check()  # mistakes are told before a server is asked and the file is written
    for key, host in unknown.items():
        _pin(file, pulumi, key, host)
    return StackFile.read(file.name) if unknown else file


def _pin(file: StackFile, pulumi: Pulumi, path: str, host: str) -> None:
    port = file.value("server", "port")
    key = best(_scan(host, str(port)))
    if not key:
        raise CommandError(
            f"No SSH server answers at {host}, port {port}. Is {path.removesuffix('Key')} right, and is the server up? "
            f"If it is reached in another way, set its key: pulumi config set --stack {file.name} --path "
            f"'monopco:{path}' 'ssh-ed25519 AAAA…' (on the server: cat /etc/ssh/ssh_host_ed25519_key.pub)"
        )
    pulumi.set_config(f"monopco:{path}", key)
    notes.print(
        f"First contact with {host}: its host key is {fingerprint(key)} (written to Pulumi.{file.name}.yaml).\n"
        "  Compare it with what your provider shows, or on its console: "
        "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
        markup=False,
    )


def best(scanned: str) -> str:
    """The key to pin, from what ssh-keyscan printed; empty when there is none."""
    lines = [line.split() for line in scanned.splitlines() if not line.startswith("#")]
    keys = {kind: f"{kind} {key}" for _, kind, key in (line for line in lines if len(line) == len("hkt"))}
    return next((keys[kind] for kind in _KINDS if kind in keys), "")


def fingerprint(key: str) -> str:
    """As OpenSSH shows it."""
    digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def _scan(host: str, port: str) -> str:
    command = ["ssh-keyscan", "-T", str(_SECONDS), "-t", "ed25519,ecdsa,rsa", "-p", port, "--", host]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError as error:
        raise CommandError("ssh-keyscan is missing on this machine; install OpenSSH's client.") from error
