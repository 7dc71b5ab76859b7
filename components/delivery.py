"""How images get to a server: over the SSH connection, layer by layer, or through a registry."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi

from components.ssh import CONFIG_VARIABLE, WRAPPER, config_file
from components.stack import LABEL, Stack
from components.step import SCRIPTS, script, step


@dataclass(frozen=True, kw_only=True)
class Registry:
    url: str
    """Host and path, for example registry.example.com/monopco."""
    username: str | None
    """Without one, whatever login the docker command has."""
    password: pulumi.Input[str] | None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """From the machine that builds to the server."""

    stack: Stack
    docker_host: str
    """The server's Docker."""
    built_on: str
    """Where images are built: "here" or "server"."""
    registry: Registry | None
    held_by: str | None = None
    """A server that has the image when the machine that builds does not: that of a release which is run again."""

    def bring(
        self,
        name: str,
        *,
        image: pulumi.Input[str],
        reference: pulumi.Input[str],
        opts: pulumi.ResourceOptions,
        published: str = "",
        trigger: str = "",
        delete: str | None = None,
    ) -> pulumi.Output[str]:
        """See to it that the server has `image` under the name `reference`; its id there.

        When it is nowhere, the server pulls it as `published`. It is looked at again when `trigger` changes.
        `delete` is a script that runs on the machine that deploys when the resource goes.
        """
        registry = self.registry
        brought = step(
            name,
            script("delivery/deliver.sh"),
            # The program itself talks to both daemons.
            docker_host=None,
            environment={
                "PROGRAM": (SCRIPTS / "delivery" / "deliver.py").read_text(encoding="utf-8"),
                "SERVER": self.docker_host,
                "WRAPPER": WRAPPER,
                CONFIG_VARIABLE: config_file(self.docker_host),
                "BUILT_ON": self.built_on,
                "IMAGE": image,
                "REFERENCE": reference,
                "PUBLISHED": published,
                "REGISTRY": registry.url if registry else "",
                "USERNAME": registry.username or "" if registry else "",
                "LABEL": LABEL,
                "STACK": self.stack.name,
                **({"TRIGGER": trigger} if trigger else {}),
                **({"HELD_BY": self.held_by, "HELD_BY_CONFIG": config_file(self.held_by)} if self.held_by else {}),
            },
            stdin=registry.password if registry and registry.password else None,
            delete=delete,
            opts=opts,
        )
        return brought.stdout.apply(lambda text: str(json.loads(text)["image"]))
