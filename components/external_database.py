"""A PostgreSQL that is somebody else's, such as Supabase's: asked once, from where the app will ask it.

Owns nothing there. Whatever else the program makes waits for the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.child import child
from components.connection import Connection
from components.step import script, step


@dataclass(frozen=True, kw_only=True)
class ExternalDatabaseArgs:
    docker_host: str | None
    image_id: pulumi.Input[str]
    """Image with PostgreSQL's client programs."""
    url: pulumi.Input[str]
    """URL of the database (secret)."""


class ExternalDatabase(pulumi.ComponentResource):
    app_url: pulumi.Output[str]
    """URL that the app uses (secret); known once the database has answered."""
    owner_url: pulumi.Output[str]
    """URL with the right to change the schema (secret): the same one."""
    identity: pulumi.Output[str]
    """Always the same: whether the server behind the URL was made anew cannot be seen."""
    container: pulumi.Output[str]
    """Empty: there is no container of ours."""

    def __init__(self, name: str, args: ExternalDatabaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:ExternalDatabase", name, None, opts)
        url: pulumi.Output[str] = pulumi.Output.secret(args.url)
        check = step(
            f"{name}-check",
            script("external_database/check.sh"),
            docker_host=args.docker_host,
            environment={"IMAGE": args.image_id},
            stdin=url.apply(lambda text: Connection.from_url(text).bundled()),
            opts=child(self, opts),
        )
        answered: pulumi.Output[str] = pulumi.Output.all(url, check.id).apply(lambda parts: str(parts[0]))
        self.app_url = pulumi.Output.secret(answered)
        self.owner_url = self.app_url
        self.identity = pulumi.Output.from_input("external")
        self.container = pulumi.Output.from_input("")
        self.register_outputs(
            {
                "appUrl": self.app_url,
                "ownerUrl": self.owner_url,
                "identity": self.identity,
                "container": self.container,
            }
        )
