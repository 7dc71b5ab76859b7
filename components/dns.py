"""The DNS records that the public names need: listed for whoever keeps the zone, or made one by one.

Each record is a resource, so that a preview shows what changes. A record changes in place; what others have made in
the zone is left alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from components.child import child
from components.step import script, step
from zones.place import Place
from zones.record import SINGLE, ZoneRecord, inside, mail_purpose, relative


@dataclass(frozen=True, kw_only=True)
class DnsArgs:
    zone: str
    records: Sequence[ZoneRecord]
    place: Place | None
    """Where the zone is changed; None leaves that to a person."""
    access: pulumi.Input[str]
    """The secrets by which it is changed, as `zones` reads them."""


class Dns(pulumi.ComponentResource):
    records: pulumi.Output[list[dict[str, str]]]
    """Each record: name, type, value and time to live, the name as a form wants it (host), and who makes it (by)."""

    def __init__(self, name: str, args: DnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:Dns", name, None, opts)
        ours = [record for record in args.records if args.place and inside(record.name, args.zone)]
        if args.place:
            for record in ours:
                step(
                    f"{name}-{resource_key(record)}",
                    script("dns/put.sh"),
                    docker_host=None,
                    environment={"RECORD": record.to_json(), "PLACE": args.place.to_json()},
                    stdin=pulumi.Output.secret(args.access),
                    delete=script("dns/take.sh"),
                    # Made anew it is the same record: the old one must not take the new one's value out.
                    opts=child(self, opts, delete_before_replace=True),
                )
        self.records = pulumi.Output.from_input(
            [_shown(record, args.zone, "monopco" if record in ours else "you") for record in args.records]
        )
        self.register_outputs({"records": self.records})


def resource_key(record: ZoneRecord) -> str:
    """A name that no other record has, and that stays when the value changes wherever there can be but one of it.

    The others are named by their value: a changed one is another record, made before the old one goes.
    """
    if record.type in SINGLE:
        what = ""
    elif record.type == "MX":
        what = record.value.split()[1].rstrip(".")
    elif record.type == "CAA":
        what = "-".join(re.findall(r"[a-z0-9.-]+", " ".join(record.value.split()[1:]).lower()))
    else:
        what = mail_purpose(record) or hashlib.sha256(record.value.encode()).hexdigest()[:8]
    return "-".join(filter(None, [record.type.lower(), record.name, what]))


def _shown(record: ZoneRecord, zone: str, by: str) -> dict[str, str]:
    return {
        "name": f"{record.name}.",
        "host": relative(record.name, zone) if inside(record.name, zone) else record.name,
        "type": record.type,
        "value": record.value,
        "ttl": str(record.ttl),
        "by": by,
    }
