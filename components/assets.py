"""The files that pages ask for by names which change with their content: kept beside those of earlier releases.

A page that was opened before a deploy asks for the files of its own release, also long after the switch; the new one
does not have them, and the page would break. The proxy serves them from a store in its volume, newest release last, so
that the app is asked only for what is not there. Each release brings its own before it gets requests.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.child import child
from components.step import script, step


@dataclass(frozen=True, kw_only=True)
class AssetsArgs:
    docker_host: str | None
    proxy_container: pulumi.Input[str]
    release: pulumi.Input[str]
    container: pulumi.Input[str]
    """One of the release's."""
    folder: str
    """Where its image has them, below /app."""
    keep: int
    """Releases whose files are kept."""


class Assets(pulumi.ComponentResource):
    kept: pulumi.Output[str]
    """How many files the release has, or that there is no such folder."""

    def __init__(self, name: str, args: AssetsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Assets", name, None, opts)
        kept = step(
            f"{name}-keep",
            script("assets/keep.sh"),
            docker_host=args.docker_host,
            environment={
                "PROXY": args.proxy_container,
                "RELEASE": args.release,
                "CONTAINER": args.container,
                "FOLDER": args.folder,
                "KEEP": str(args.keep),
            },
            opts=child(self, opts),
        )
        self.kept = kept.stdout
        self.register_outputs({"kept": self.kept})
