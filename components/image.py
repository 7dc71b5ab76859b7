"""One image, built from one of our Dockerfiles.

The tag is the digest of all that goes in, so an unchanged input builds nothing and an old release keeps its image.
Building never deletes an image; that is left to the server component, which knows them by label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi
import pulumi_docker as docker

from components.child import child
from components.delivery import Delivery
from components.stack import Stack


@dataclass(frozen=True, kw_only=True)
class ImageArgs:
    stack: Stack
    component: str
    context: str
    """Folder that is sent to the builder, relative to the project."""
    dockerfile: str
    """Path of the Dockerfile, relative to the context."""
    digest: str
    """SHA-256 over everything that decides the content."""
    target: str | None = None
    build_args: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    remote: bool = False
    """Whether it is built on a server. What the machine itself builds with would go there by its own ways, so the
    server's builder is asked by Docker's API. That needs the Dockerfile in the context, and tells no progress."""
    delivery: Delivery | None = None
    """How it gets to where it runs; None when that is where it is built, or when nothing runs it."""


class Image(pulumi.ComponentResource):
    image_id: pulumi.Output[str]
    """Content address of the image (sha256:…)."""
    reference: pulumi.Output[str]
    """Name and tag."""

    def __init__(self, name: str, args: ImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Image", name, None, opts)
        labels = args.stack.labels(args.component, args.digest[:12])
        image = docker.RemoteImage(
            f"{name}-build",
            name=args.stack.image_name(args.component, args.digest),
            build=docker.RemoteImageBuildArgs(
                context=args.context,
                dockerfile=args.dockerfile,
                target=args.target,
                build_args=args.build_args,
                label=labels,
                # By this name the other builder takes them.
                labels=labels if args.remote else None,
                build_log_file=None if args.remote else f".state/logs/build-{args.component}.log",
                use_legacy_builder=True if args.remote else None,
                secrets=[docker.RemoteImageBuildSecretArgs(id="ca", src=".state/ca.pem")],
            ),
            triggers={"digest": args.digest},
            keep_locally=True,
            opts=child(self, opts, create_timeout="60m"),
        )
        self.reference = image.name
        self.image_id = image.image_id
        if args.delivery:
            options = child(self, opts)
            self.image_id = args.delivery.bring(
                f"{name}-bring", image=image.image_id, reference=image.name, opts=options
            )
            # Whoever uses the name waits until it stands for something there.
            self.reference = pulumi.Output.all(image.name, self.image_id).apply(lambda both: str(both[0]))
        self.register_outputs({"imageId": self.image_id, "reference": self.reference})
