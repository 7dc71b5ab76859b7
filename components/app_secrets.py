"""The secrets that need nobody to think of them: database passwords and the key that signs sessions.

Each is made once, kept encrypted in the state, and made anew when its rotation value changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_random as random

from components.child import child
from components.sealing import key_of

# 32 letters and digits hold 190 bits and need no quoting in a URL.
PASSWORD_LENGTH = 32
# As long as the guide's `openssl rand -base64 32`; 262 bits.
JWT_SECRET_LENGTH = 44
# More than the 512 bits of the key that is made of it.
RECORD_PASSWORD_LENGTH = 96
# 64 letters and digits hold 381 bits.
BACKUP_KEY_LENGTH = 64


@dataclass(frozen=True, kw_only=True)
class AppSecretsArgs:
    database_rotation: str
    jwt_rotation: str
    page_rotation: str
    monitoring: bool
    """Whether there is a monitoring, which has passwords of its own."""
    protect: bool
    """Whether the key of the backups stays when the environment goes, as the backups do."""


class AppSecrets(pulumi.ComponentResource):
    owner_password: pulumi.Output[str]
    """Password of the role that owns the schema (secret)."""
    app_password: pulumi.Output[str]
    """Password of the role that the app uses (secret)."""
    jwt_secret: pulumi.Output[str]
    """44 random letters and digits (secret)."""
    record_key: pulumi.Output[str]
    """Base64 of the key for the secrets in the records of releases (secret)."""
    backup_key: pulumi.Output[str]
    """The key that backups are encrypted with (secret)."""
    monitor_password: pulumi.Output[str] | None
    """Password of the role that reads the database's figures (secret)."""
    page_password: pulumi.Output[str] | None
    """Password of the page of the monitoring (secret)."""

    def __init__(self, name: str, args: AppSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:AppSecrets", name, None, opts)
        self.owner_password = self._password(f"{name}-owner-password", args.database_rotation, opts)
        self.app_password = self._password(f"{name}-app-password", args.database_rotation, opts)
        self.jwt_secret = self._password(f"{name}-jwt", args.jwt_rotation, opts, JWT_SECRET_LENGTH)
        # It is not rotated: the records of all releases are encrypted with it.
        record_password = self._password(f"{name}-record-key", "", opts, RECORD_PASSWORD_LENGTH)
        self.record_key = pulumi.Output.secret(record_password.apply(lambda password: key_of(str(password))))
        # Nor is this one: it opens the backups that are there.
        self.backup_key = self._password(f"{name}-backup-key", "", opts, BACKUP_KEY_LENGTH, protect=args.protect)
        self.monitor_password = self.page_password = None
        if args.monitoring:
            self.monitor_password = self._password(f"{name}-monitor-password", args.database_rotation, opts)
            self.page_password = self._password(f"{name}-page-password", args.page_rotation, opts)
        self.register_outputs(
            {
                "ownerPassword": self.owner_password,
                "appPassword": self.app_password,
                "jwtSecret": self.jwt_secret,
                "recordKey": self.record_key,
                "backupKey": self.backup_key,
                "monitorPassword": self.monitor_password,
                "pagePassword": self.page_password,
            }
        )

    def _password(
        self,
        name: str,
        rotation: str,
        opts: pulumi.ResourceOptions | None,
        length: int = PASSWORD_LENGTH,
        *,
        protect: bool | None = None,
    ) -> pulumi.Output[str]:
        # Never RandomBytes: what it makes is also its id, and ids are not encrypted in the state.
        password = random.RandomPassword(
            name,
            length=length,
            special=False,
            keepers={"rotation": rotation},
            opts=child(self, opts, protect=protect),
        )
        return pulumi.Output.secret(password.result)
