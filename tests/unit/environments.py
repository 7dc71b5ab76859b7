"""The environments that the tests of the whole program look at, and the secrets that these are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from authorities import issue
from recorder import Recording, StackConfig, record_program
from values import labels_of, reveal, unpack

import record
import settings
from components.sealing import key_of
from record import Record, record_file

# Values that can be found again wherever they turn up.
SECRETS: Mapping[str, str] = {"RESEND_API_KEY": "marked-resend-key", "PAPPERS_API_KEY": "marked-pappers-key"}
DATABASE_PASSWORD = "marked-database-password"
DATABASE_URL = f"postgresql://app:{DATABASE_PASSWORD}@db.example:6543/data?sslmode=require"
CERTIFICATE = issue("monopco.fr", "www.monopco.fr", by=issue(common_name="Root"))
PRIVATE_KEY = CERTIFICATE.key_pem.splitlines()[2]  # a line of it that no other key has
# What the secrets are now, while a release is pinned that has those above.
OF_TODAY = "marked-secret-of-today"
RECORD_PASSWORD = "generated.secrets-record-key"
RECORD_KEY = key_of(RECORD_PASSWORD)
JWT_SECRET = "generated.secrets-jwt"
GENERATED = (
    "generated.secrets-owner-password",
    "generated.secrets-app-password",
    JWT_SECRET,
    RECORD_PASSWORD,
    RECORD_KEY,
)


def write_source(folder: Path) -> Path:
    """The smallest source that can be built, with one SQL script."""
    (folder / "src").mkdir(parents=True)
    (folder / "package.json").write_text('{"name": "app", "packageManager": "pnpm@10.4.1"}\n', encoding="utf-8")
    (folder / "pnpm-lock.yaml").write_text("lockfileVersion: '9.0'\n", encoding="utf-8")
    (folder / "src" / "index.js").write_text("console.log(1);\n", encoding="utf-8")
    (folder / "01-tables.sql").write_text("CREATE TABLE notes (id int);\n", encoding="utf-8")
    return folder


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for the names of prod, and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_text(f"{CERTIFICATE.pem}\n", encoding="ascii")
    key.write_text(CERTIFICATE.key_pem, encoding="ascii")
    return chain, key


def dev(_: Path) -> StackConfig:
    """The stack file as it is, with the sample app."""
    return StackConfig.of_file("dev")


def prod(folder: Path) -> StackConfig:
    """The stack file with its secrets set, and a source that is there."""
    return StackConfig.of_file("prod").changed("app", source=str(folder / "app"), ref=None).with_secrets(**SECRETS)


def met(folder: Path) -> StackConfig:
    """A production server that was met before."""
    return prod(folder).changed("server", hostKey="ssh-ed25519 AAAA")


def prod_with_files(folder: Path) -> StackConfig:
    """The same with a certificate of one's own."""
    names = {"certificateFile": str(folder / "chain.pem"), "keyFile": str(folder / "key.pem")}
    return prod(folder).changed("tls", mode="files", **names).changed("server", hostKey="ssh-ed25519 AAAA")


def external(folder: Path) -> StackConfig:
    """The same with a database elsewhere."""
    config = prod_with_files(folder).changed("database", mode="external", url=DATABASE_URL)
    return config.marked_secret("database")


def pinned(folder: Path) -> StackConfig:
    """The release of `prod_with_files` pinned, by a configuration that has moved on in all that a release keeps."""
    config = prod_with_files(folder).changed("pinned", release=recorded_release(folder).release_id)
    config = config.changed("app", memory="600M", env={"NEW": "1"}, port=4000)
    return config.with_secrets(RESEND_API_KEY=OF_TODAY, PAPPERS_API_KEY=OF_TODAY)


@dataclass(frozen=True)
class Environment:
    """One run of the program. `secrets` are the values that must stay hidden and do reach something."""

    stack: str
    preview: bool
    configure: Callable[[Path], StackConfig]
    secrets: tuple[str, ...]
    pinned: bool = False

    def run(self, folder: Path) -> Recording:
        return run_program(self.stack, self.configure(folder), folder, preview=self.preview)


def run_program(stack: str, config: StackConfig, folder: Path, *, preview: bool = False) -> Recording:
    """The whole program, with the records of pinned releases below `folder`."""

    def read_record(_: Path, stack: str, release: str) -> Record:
        return record.read_record(folder, stack, release)

    with patch.object(settings, "read_record", read_record):
        return record_program(stack, config, preview=preview)


# What the step finds out when it builds a record.
BUILT = {"at": "2026-11-23T07:00:00Z", "commit": "f" * 40, "tag": "v1", "dirty": "false"}


def labels_of_record(step: Mapping[str, Any]) -> dict[str, str]:
    """The labels of the record that the step with these inputs builds."""
    _, context, _ = step["stdin"].split("\n")
    late = {**BUILT, "serial": step["environment"]["SERIAL"], "image": step["environment"]["IMAGE"]}
    return {
        **labels_of(unpack(context)["Dockerfile"]),
        **{f"dev.monopco.{name}": value for name, value in late.items()},
    }


def record_of(recording: Recording) -> Record:
    """The record that a recorded run would have made."""
    inputs = reveal(recording.named("checkpoint-record").inputs)
    return Record.of_image(inputs["environment"]["RECORD"], labels_of_record(inputs))


def write_record(folder: Path, stack: str, made: Record) -> None:
    """The copy of a record that the program reads."""
    path = record_file(folder, stack, made.release_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(made.to_json(), encoding="utf-8")


@cache
def recorded_release(folder: Path) -> Record:
    """The record of the release that "prod deployed" gives, where the program reads it."""
    made = record_of(recorded("prod deployed", folder))
    write_record(folder, "prod", made)
    return made


GIVEN = (*SECRETS.values(), PRIVATE_KEY)
ENVIRONMENTS: Mapping[str, Environment] = {
    "dev previewed": Environment("dev", True, dev, ()),
    "dev deployed": Environment("dev", False, dev, GENERATED),
    "acme previewed": Environment("prod", True, prod, ()),
    "acme deployed": Environment("prod", False, met, (*GENERATED, *SECRETS.values())),
    "prod previewed": Environment("prod", True, prod_with_files, (PRIVATE_KEY,)),
    "prod deployed": Environment("prod", False, prod_with_files, (*GENERATED, *GIVEN)),
    "external previewed": Environment("prod", True, external, (DATABASE_PASSWORD, PRIVATE_KEY)),
    "external deployed": Environment("prod", False, external, (DATABASE_PASSWORD, *GIVEN, RECORD_KEY)),
    "pinned previewed": Environment("prod", True, pinned, (PRIVATE_KEY,), pinned=True),
    "pinned deployed": Environment("prod", False, pinned, (*GENERATED, *GIVEN), pinned=True),
}
FROM_SOURCE = [name for name, environment in ENVIRONMENTS.items() if not environment.pinned]
PINNED = [name for name, environment in ENVIRONMENTS.items() if environment.pinned]


@cache
def recorded(name: str, folder: Path) -> Recording:
    """One run of an environment, shared by all tests that only look at it."""
    return ENVIRONMENTS[name].run(folder)
