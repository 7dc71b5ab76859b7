"""Runs the program of one folder without an engine and prints what it declares, as JSON.

`python program.py FOLDER STACK`; a folder may hold another version of the project, so nothing of it is imported here
but its program. A secret is a placeholder, and what a provider would compute is not known, as in a preview.
"""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import os
import runpy
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pulumi
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.protobuf import empty_pb2, json_format  # type: ignore[import-untyped]
from pulumi.runtime import Mocks, Settings, configure, set_all_config
from pulumi.runtime.mocks import MockEngine, MockMonitor
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_in_stack

PROJECT = "monopco"
PLACEHOLDER = "placeholder-for-a-secret"
# What the program reads must be readable, and the same at both commits.
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32)).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
_PLACEHOLDERS = {
    ("database", "url"): f"postgresql://app:{PLACEHOLDER}@database.invalid:5432/monopco",
    ("server", "privateKey"): _KEY.decode(),
    ("dns", "keySecret"): base64.b64encode(PLACEHOLDER.encode()).decode(),
    ("monitoring", "url"): f"https://{PLACEHOLDER}.invalid",
    ("monitoring", "heartbeatUrl"): f"https://{PLACEHOLDER}.invalid",
}


def config_of(folder: Path, stack: str) -> tuple[dict[str, str], list[str]]:
    """The configuration as Pulumi hands it over, and which keys are secret. A pin needs a record, so it is left out."""
    document = yaml.safe_load((folder / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")) or {}
    project = yaml.safe_load((folder / "Pulumi.yaml").read_text(encoding="utf-8"))
    config: dict[str, Any] = dict(document.get("config") or {})
    config.pop(f"{PROJECT}:pinned", None)
    default = ((project.get("config") or {}).get(f"{PROJECT}:app") or {}).get("default") or {}
    names = (config.get(f"{PROJECT}:app") or {}).get("secrets", default.get("secrets") or [])
    secret = {f"{PROJECT}:{name}" for name in names}
    values = dict.fromkeys(secret, PLACEHOLDER)
    for key, value in config.items():
        opened, hidden = _opened(value, key.partition(":")[2])
        values[key] = opened if isinstance(opened, str) else json.dumps(opened)
        if hidden:
            secret.add(key)
    return values, sorted(secret)


def _opened(value: Any, *path: str) -> tuple[Any, bool]:
    """The value with placeholders for what is encrypted, and whether there was any."""
    if not isinstance(value, dict):
        return value, False
    if "secure" in value:
        return _PLACEHOLDERS.get((path[0], path[-1]), PLACEHOLDER), True
    parts = {key: _opened(item, *path, key) for key, item in value.items()}
    return {key: opened for key, (opened, _) in parts.items()}, any(hidden for _, hidden in parts.values())


class _NoMocks(Mocks):
    def new_resource(self, args: Any) -> Any:
        raise AssertionError(f"{args.name} was read instead of registered")

    def call(self, args: Any) -> Any:
        raise AssertionError(f"the program called {args.token} while it was being built")


class Monitor(MockMonitor):
    """Takes registrations in as the engine does in a preview."""

    def __init__(self, stack: str) -> None:
        super().__init__(_NoMocks())
        self.stack = stack
        self.declared: list[dict[str, Any]] = []
        self.outputs: dict[str, Any] = {}

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the engine's protocol names it
        above = request.parent.split("::")[2] if request.parent else ""
        types = request.type if above in ("", "pulumi:pulumi:Stack") else f"{above}${request.type}"
        urn = f"urn:pulumi:{self.stack}::{PROJECT}::{types}::{request.name}"
        self.declared.append(
            {
                "urn": urn,
                "type": request.type,
                "parent": request.parent,
                "dependencies": sorted(request.dependencies),
                "protect": request.protect,
                "inputs": json_format.MessageToDict(request.object),
            }
        )
        return resource_pb2.RegisterResourceResponse(urn=urn, id="", object=request.object)

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        self.outputs[request.urn] = json_format.MessageToDict(request.outputs)
        return empty_pb2.Empty()


def rehearse(folder: Path, stack: str) -> dict[str, Any]:
    """What the program declares. Raises what the program raises."""
    sys.path[0] = str(folder)
    os.chdir(folder)
    with suppress(ImportError):  # an older version knows no server
        # Nobody connects from here, and a placeholder must not take the place of a key.
        importlib.import_module("components.ssh").Ssh.write = lambda *_arguments: None
    monitor, said = Monitor(stack), list[str]()
    pulumi.log.warn = lambda message, *_args, **_options: said.append(message)
    pulumi.log.info = lambda *_args, **_options: None
    configure(Settings(PROJECT, stack, monitor=monitor, engine=MockEngine(None), dry_run=True))
    values, secret = config_of(folder, stack)
    set_all_config(values, secret)
    asyncio.run(run_in_stack(lambda: _ignore(runpy.run_path(str(folder / "__main__.py"), run_name="__main__"))))
    return {"resources": monitor.declared, "outputs": monitor.outputs, "warnings": said}


def _ignore(_: object) -> None:
    return None


if __name__ == "__main__":
    try:
        print(json.dumps(rehearse(Path(sys.argv[1]).resolve(), sys.argv[2])))
    except pulumi.RunError as error:
        sys.exit(str(error))
