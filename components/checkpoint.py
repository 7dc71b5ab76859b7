"""A checkpoint: a release that has proved that it starts, recorded so that it can be run at any time.

The record is an image on the app's image. It adds the SQL scripts and, as labels, the specification, the encrypted
secrets, where the source came from, and when. So a release is there as a whole or not at all, what is listed can
be started, and nothing but Docker has to be asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.bundle import bundle
from components.child import child
from components.label import label_instruction
from components.release import configuration, health_environment
from components.sealing import seal
from components.specification import Specification
from components.stack import LABEL, Stack
from components.step import script, step

READABLE = 0o444


@dataclass(frozen=True)
class Migration:
    """One SQL script: its name, by which it is recorded, and its text."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class CheckpointArgs:
    stack: Stack
    docker_host: str | None
    specification: Specification
    image_id: pulumi.Input[str]
    serial: pulumi.Input[int]
    proved: pulumi.Input[str]
    """What was found out about running containers; those of this release spare it a proof of its own."""
    base: pulumi.Input[str]
    """Image that the record is put on: the app's, or the record of the release that is run again."""
    network_name: pulumi.Input[str]
    secrets: Mapping[str, pulumi.Input[str]]
    unrecorded: frozenset[str]
    """Secrets that are always today's, and so are not kept: their truth lies elsewhere."""
    record_key: pulumi.Input[str]
    """Base64 of the key that the recorded secrets are encrypted with (secret)."""
    migrations: Sequence[Migration] | None
    """SQL scripts; None when they are in `base` already."""
    origin: Mapping[str, str]
    """Where the source came from: SOURCE, a folder or URL, and for a URL COMMIT and TAG."""


def dockerfile(labels: Mapping[str, str], *, with_scripts: bool) -> str:
    """The record's Dockerfile."""
    lines = ["ARG BASE", "FROM ${BASE}"]
    if with_scripts:
        lines.append("COPY monopco /usr/share/monopco")
    lines.append(label_instruction(labels))
    return "".join(f"{line}\n" for line in lines)


class Checkpoint(pulumi.ComponentResource):
    record: pulumi.Output[str]
    """Name of the image that is the record; known once it is there."""

    def __init__(self, name: str, args: CheckpointArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Checkpoint", name, None, opts)
        what, release = args.specification, args.specification.release_id
        recorded = step(
            f"{name}-record",
            script("release/health.sh", "checkpoint/prove.sh", "checkpoint/record.sh"),
            docker_host=args.docker_host,
            environment={
                **health_environment(what),
                "IMAGE": args.image_id,
                "SERIAL": pulumi.Output.from_input(args.serial).apply(lambda number: str(int(number))),
                "PROVED": args.proved,
                "BASE": args.base,
                "RECORD": args.stack.image_name("release", release),
                "NETWORK": args.network_name,
                "NAME": args.stack.resource_name("proof", release),
                "LABEL": LABEL,
                "STACK": args.stack.name,
                "RELEASE": release,
                "READ_ONLY": "true" if what.read_only else "false",
                **args.origin,
            },
            stdin=self._content(args),
            opts=child(self, opts),
        )
        self.record = recorded.stdout.apply(lambda text: text.strip())
        self.register_outputs({"record": self.record})

    def _content(self, args: CheckpointArgs) -> pulumi.Output[str]:
        """Two bundles in one line each: the configuration for the proof, and what the record is built from."""
        kept = {name: value for name, value in args.secrets.items() if name not in args.unrecorded}
        release = args.specification.release_id
        sealed = pulumi.Output.all(args.record_key, pulumi.Output.all(**kept)).apply(
            lambda parts: seal(str(parts[0]), release, {name: str(value) for name, value in parts[1].items()})
        )
        context = sealed.apply(lambda text: bundle(_files(args, text), mode=READABLE))
        return pulumi.Output.secret(
            pulumi.Output.concat(configuration(args.specification, args.secrets), "\n", context, "\n")
        )


def _files(args: CheckpointArgs, sealed: str) -> dict[str, str]:
    """The folder that the record is built from."""
    labels = {
        **args.stack.labels("release", args.specification.release_id),
        f"{LABEL}.record": args.specification.to_json(),
        f"{LABEL}.secrets": sealed,
    }
    if args.migrations is None:
        return {"Dockerfile": dockerfile(labels, with_scripts=False)}
    return {
        "Dockerfile": dockerfile(labels, with_scripts=True),
        "monopco/order": "".join(f"{migration.name}\n" for migration in args.migrations),
        **{f"monopco/scripts/{migration.name}": migration.text for migration in args.migrations},
    }
