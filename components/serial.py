"""The serial number of a release: each has one more than the one before it, and with it a block of addresses."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi

from components.child import child
from components.stack import LABEL, Stack
from components.step import script, step


@dataclass(frozen=True, kw_only=True)
class SerialArgs:
    stack: Stack
    docker_host: str | None
    release: str
    image_id: pulumi.Input[str]
    """The app's image, unless the release is recorded with another one."""


class Serial(pulumi.ComponentResource):
    number: pulumi.Output[int]
    """The number of the release; it keeps the one that it is recorded with."""
    image_id: pulumi.Output[str]
    """Id of the app's image that the release runs."""

    def __init__(self, name: str, args: SerialArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Serial", name, None, opts)
        counted = step(
            f"{name}-number",
            script("serial/count.sh"),
            docker_host=args.docker_host,
            environment={
                "LABEL": LABEL,
                "STACK": args.stack.name,
                "RELEASE": args.release,
                "RECORD": args.stack.image_name("release", args.release),
                "IMAGE": args.image_id,
            },
            opts=child(self, opts),
        )
        found = counted.stdout.apply(lambda text: dict(json.loads(text)))
        self.number = found["serial"]
        self.image_id = found["image"]
        self.register_outputs({"number": self.number, "imageId": self.image_id})
