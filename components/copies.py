"""Copies of an image: on every node of the swarm, beside the one that the manager has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pulumi

from components.child import child
from components.delivery import Delivery


@dataclass(frozen=True, kw_only=True)
class CopiesArgs:
    delivery: Delivery
    """How images get to the manager."""
    nodes: Mapping[str, str]
    """The Docker of each node by its host."""
    image_id: pulumi.Input[str]
    reference: pulumi.Input[str]


def _the_same(ids: Sequence[str]) -> str:
    """A service names its image by the id, so all must know it by the same."""
    if len(set(ids)) > 1:
        raise pulumi.RunError(
            f"The servers of the swarm know one image by different ids ({', '.join(sorted(set(ids)))}): their Dockers "
            "store images in different ways. Set containerd-snapshotter alike in /etc/docker/daemon.json of all."
        )
    return ids[0]


class Copies(pulumi.ComponentResource):
    image_ids: Mapping[str, pulumi.Output[str]]
    """Id of the image on each node, by its host; known once it is there."""
    everywhere: pulumi.Output[str]
    """The id that the manager has, known once every node has the image."""

    def __init__(self, name: str, args: CopiesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Copies", name, None, opts)
        self.image_ids = {
            host: replace(args.delivery, docker_host=docker_host, held_by=args.delivery.docker_host).bring(
                f"{name}-{host}", image=args.image_id, reference=args.reference, opts=child(self, opts)
            )
            for host, docker_host in args.nodes.items()
        }
        self.everywhere = pulumi.Output.all(args.image_id, *self.image_ids.values()).apply(
            lambda ids: _the_same([str(each) for each in ids])
        )
        self.register_outputs({"imageIds": self.image_ids, "everywhere": self.everywhere})
