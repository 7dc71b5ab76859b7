"""The app's image, and the two images of Node that it is made of and made with."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.child import child
from components.delivery import Delivery
from components.image import Image, ImageArgs
from components.stack import Stack


@dataclass(frozen=True, kw_only=True)
class AppImageArgs:
    stack: Stack
    node: str
    """Folder with the Dockerfile of Node, relative to the project."""
    node_digest: str
    source: str
    """Folder of the app's source, relative to the project."""
    dockerfile: str
    """Path of the app's Dockerfile, relative to the source."""
    digest: str
    """SHA-256 over everything that decides the app's image."""
    pnpm_version: str
    dependencies: str
    """Whether the image holds development dependencies, too: "production" or "all"."""
    public: Mapping[str, str]
    """VITE_* values that become part of the page."""
    remote: bool = False
    """Whether they are built on a server; then the Dockerfile lies in the source's folder."""
    delivery: Delivery | None = None
    """How the app's image gets to where it runs; the other two stay where they are."""


class AppImage(pulumi.ComponentResource):
    image_id: pulumi.Output[str]
    """Content address of the app's image (sha256:…)."""
    reference: pulumi.Output[str]
    """Its name and tag."""

    def __init__(self, name: str, args: AppImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:AppImage", name, None, opts)
        runtime, build = (self._node(name, args, opts, target) for target in ("runtime", "build"))
        app = Image(
            f"{name}-app",
            ImageArgs(
                stack=args.stack,
                component="app",
                context=args.source,
                dockerfile=args.dockerfile,
                digest=args.digest,
                remote=args.remote,
                delivery=args.delivery,
                build_args={
                    "RUNTIME": runtime.reference,
                    "BUILD": build.reference,
                    "PNPM_VERSION": args.pnpm_version,
                    "DEPENDENCIES": args.dependencies,
                    "PUBLIC_ENV": base64.b64encode(json.dumps(dict(args.public), sort_keys=True).encode()).decode(),
                },
            ),
            child(self, opts),
        )
        self.image_id = app.image_id
        self.reference = app.reference
        self.register_outputs({"imageId": self.image_id, "reference": self.reference})

    def _node(self, name: str, args: AppImageArgs, opts: pulumi.ResourceOptions | None, target: str) -> Image:
        image = ImageArgs(
            stack=args.stack,
            component=target,
            context=args.node,
            dockerfile="Dockerfile",
            digest=args.node_digest,
            target=target,
            remote=args.remote,
        )
        return Image(f"{name}-{target}", image, child(self, opts))
