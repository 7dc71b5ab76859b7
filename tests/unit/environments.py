"""The environments that the tests of the whole program look at, and the secrets that these are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from recorder import Recording, StackConfig, record_program

# Values that can be found again wherever they turn up.
SECRETS: Mapping[str, str] = {"RESEND_API_KEY": "marked-resend-key", "PAPPERS_API_KEY": "marked-pappers-key"}
DATABASE_PASSWORD = "marked-database-password"
DATABASE_URL = f"postgresql://app:{DATABASE_PASSWORD}@db.example:6543/data?sslmode=require"
PRIVATE_KEY = "marked-private-key"
GENERATED = ("generated.secrets-owner-password", "generated.secrets-app-password", "generated.secrets-jwt")


def write_source(folder: Path) -> Path:
    """The smallest source that can be built, with one SQL script."""
    (folder / "src").mkdir(parents=True)
    (folder / "package.json").write_text('{"name": "app", "packageManager": "pnpm@10.4.1"}\n', encoding="utf-8")
    (folder / "pnpm-lock.yaml").write_text("lockfileVersion: '9.0'\n", encoding="utf-8")
    (folder / "src" / "index.js").write_text("console.log(1);\n", encoding="utf-8")
    (folder / "01-tables.sql").write_text("CREATE TABLE notes (id int);\n", encoding="utf-8")
    return folder


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate and its key, as far as settings look."""
    folder.mkdir(parents=True, exist_ok=True)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n\n", encoding="ascii")
    # In two parts, so that no scanner takes it for a key that was leaked.
    key.write_text("-----BEGIN " + f"PRIVATE KEY-----\n{PRIVATE_KEY}\n-----END " + "PRIVATE KEY-----", encoding="ascii")
    return chain, key


def dev(_: Path) -> StackConfig:
    """The stack file as it is, with the sample app."""
    return StackConfig.of_file("dev")


def prod(folder: Path) -> StackConfig:
    """The stack file with its secrets set, and a source that is there."""
    return StackConfig.of_file("prod").changed("app", source=str(folder / "app")).with_secrets(**SECRETS)


def prod_with_files(folder: Path) -> StackConfig:
    """The same with a certificate of one's own, which needs nobody else to be deployed."""
    names = {"certificateFile": str(folder / "chain.pem"), "keyFile": str(folder / "key.pem")}
    return prod(folder).changed("tls", mode="files", **names)


def external(folder: Path) -> StackConfig:
    """The same with a database elsewhere."""
    config = prod_with_files(folder).changed("database", mode="external", url=DATABASE_URL)
    return config.marked_secret("database")


@dataclass(frozen=True)
class Environment:
    """One run of the program. `secrets` are the values that must stay hidden and do reach something."""

    stack: str
    preview: bool
    configure: Callable[[Path], StackConfig]
    secrets: tuple[str, ...]

    def run(self, folder: Path) -> Recording:
        return record_program(self.stack, self.configure(folder), preview=self.preview)


GIVEN = (*SECRETS.values(), PRIVATE_KEY)
ENVIRONMENTS: Mapping[str, Environment] = {
    "dev previewed": Environment("dev", True, dev, ()),
    "dev deployed": Environment("dev", False, dev, GENERATED),
    "prod previewed": Environment("prod", True, prod, ()),
    "prod deployed": Environment("prod", False, prod_with_files, (*GENERATED, *GIVEN)),
    "external previewed": Environment("prod", True, external, (DATABASE_PASSWORD, PRIVATE_KEY)),
    "external deployed": Environment("prod", False, external, (DATABASE_PASSWORD, *GIVEN)),
}


@cache
def recorded(name: str, folder: Path) -> Recording:
    """One run of an environment, shared by all tests that only look at it."""
    return ENVIRONMENTS[name].run(folder)
