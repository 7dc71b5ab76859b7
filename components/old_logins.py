"""The logins of the app's earlier passwords: locked as soon as no release that has one gets requests."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.child import child
from components.database import APP_ROLE
from components.step import script, step


@dataclass(frozen=True, kw_only=True)
class OldLoginsArgs:
    docker_host: str | None
    container: pulumi.Input[str]
    """Name of the database's container."""
    server: pulumi.Input[str]
    """Changes when the server has been made anew."""
    login: str
    """The one that stays."""


class OldLogins(pulumi.ComponentResource):
    login: pulumi.Output[str]
    """The one that is left."""

    def __init__(self, name: str, args: OldLoginsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:OldLogins", name, None, opts)
        lock = step(
            f"{name}-lock",
            script("old_logins/lock.sh"),
            docker_host=args.docker_host,
            environment={
                "CONTAINER": args.container,
                "SERVER": args.server,
                "ROLE": APP_ROLE,
                "LOGIN": args.login,
            },
            opts=child(self, opts),
        )
        self.login = lock.stdout
        self.register_outputs({"login": self.login})
