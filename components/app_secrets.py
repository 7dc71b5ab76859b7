"""The secrets that need nobody to think of them: database passwords and the key that signs sessions.

Each is made once, kept encrypted in the state, and made anew when its rotation value changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_random as random

from components.child import child
from components.sealing import KEY_BYTES

# 32 letters and digits hold 190 bits and need no quoting in a URL.
PASSWORD_LENGTH = 32
# As the guide's `openssl rand -base64 32`.
JWT_SECRET_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class AppSecretsArgs:
    database_rotation: str
    jwt_rotation: str


class AppSecrets(pulumi.ComponentResource):
    owner_password: pulumi.Output[str]
    """Password of the role that owns the schema (secret)."""
    app_password: pulumi.Output[str]
    """Password of the role that the app uses (secret)."""
    jwt_secret: pulumi.Output[str]
    """Base64 of 32 random bytes (secret)."""
    record_key: pulumi.Output[str]
    """Base64 of the key for the secrets in the records of releases (secret)."""

    def __init__(self, name: str, args: AppSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monopco:components:AppSecrets", name, None, opts)
        self.owner_password = self._password(f"{name}-owner-password", args.database_rotation, opts)
        self.app_password = self._password(f"{name}-app-password", args.database_rotation, opts)
        self.jwt_secret = self._bytes(f"{name}-jwt", JWT_SECRET_BYTES, args.jwt_rotation, opts)
        # It is not rotated: the records of all releases are encrypted with it.
        self.record_key = self._bytes(f"{name}-record-key", KEY_BYTES, "", opts)
        self.register_outputs(
            {
                "ownerPassword": self.owner_password,
                "appPassword": self.app_password,
                "jwtSecret": self.jwt_secret,
                "recordKey": self.record_key,
            }
        )

    def _bytes(self, name: str, length: int, rotation: str, opts: pulumi.ResourceOptions | None) -> pulumi.Output[str]:
        made = random.RandomBytes(name, length=length, keepers={"rotation": rotation}, opts=child(self, opts))
        return pulumi.Output.secret(made.base64)

    def _password(self, name: str, rotation: str, opts: pulumi.ResourceOptions | None) -> pulumi.Output[str]:
        password = random.RandomPassword(
            name,
            length=PASSWORD_LENGTH,
            special=False,
            keepers={"rotation": rotation},
            opts=child(self, opts),
        )
        return pulumi.Output.secret(password.result)
