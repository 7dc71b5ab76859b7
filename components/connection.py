"""How to reach a database: the parts of its URL, as libpq and its password file want them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from components.bundle import bundle

PORT = 5432


@dataclass(frozen=True)
class Connection:
    """How to reach a database. `password` is a secret; it is never shown."""

    host: str
    port: int
    database: str
    user: str
    password: str
    options: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def from_url(url: str) -> Connection:
        """Parts of a postgresql:// URL that settings have accepted."""
        parts = urlsplit(url)
        return Connection(
            host=parts.hostname or "",
            port=parts.port or PORT,
            database=unquote(parts.path.strip("/")),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            options=tuple((key, values[-1]) for key, values in sorted(parse_qs(parts.query).items())),
        )

    def libpq(self) -> str:
        """Environment lines for psql, without the password."""
        lines = [
            f"PGHOST={self.host}",
            f"PGPORT={self.port}",
            f"PGDATABASE={self.database}",
            f"PGUSER={self.user}",
        ]
        return "\n".join([*lines, *(f"PG{key.upper()}={value}" for key, value in self.options)]) + "\n"

    def pgpass(self) -> str:
        """The line of libpq's password file."""
        escaped = self.password.replace("\\", "\\\\").replace(":", "\\:")
        return f"*:*:*:*:{escaped}\n"

    def bundled(self, **files: str) -> str:
        """Standard input of the postgres image's one-off tools: the connection, and `files`."""
        return bundle({"connection": self.libpq(), "pgpass": self.pgpass(), **files})
