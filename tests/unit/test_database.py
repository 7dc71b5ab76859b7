"""PostgreSQL in a container of ours."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
from typing import Any, Literal

import pulumi
import pytest
from recorder import COMMAND, CONTAINER, VOLUME, Recording, record
from values import is_secret, reveal

from components.database import Database, DatabaseArgs, roles_sql, scram_verifier
from components.stack import Stack

ARGS = DatabaseArgs(
    stack=Stack("dev"),
    docker_host=None,
    image_id="sha256:postgres",
    network_name="monopco-dev-network",
    owner_password="marked-owner",
    app_password="marked-app",
    app_login="monopco_app",
    compatibility="supabase",
    memory_mb=512,
    protect=False,
)


def declare(*, preview: bool = False, **changes: Any) -> Recording:
    def run() -> None:
        passwords = {name: pulumi.Output.secret(getattr(ARGS, name)) for name in ("owner_password", "app_password")}
        Database("database", dataclasses.replace(ARGS, **{**passwords, **changes}))

    return record(run, preview=preview)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare()


@pytest.fixture(scope="module")
def server(recording: Recording) -> Any:
    return recording.named("database-server", CONTAINER).inputs


def test_volume_server_and_roles_are_children_of_the_component(recording: Recording) -> None:
    assert {(child.type, child.name) for child in recording.children(recording.component("Database"))} == {
        (VOLUME, "database-data"),
        (CONTAINER, "database-server"),
        (COMMAND, "database-roles"),
    }


def test_the_data_lies_in_a_volume_named_after_the_stack(recording: Recording, server: Any) -> None:
    volume = recording.named("database-data")
    assert volume.inputs["name"] == "monopco-dev-database"
    assert server["volumes"] == [{"volumeName": "monopco-dev-database", "containerPath": "/var/lib/postgresql"}]


@pytest.mark.parametrize("protect", [False, True])
def test_the_data_is_protected_when_it_is_asked_for_and_nothing_else_ever(protect: bool) -> None:
    found = {one.name for one in declare(protect=protect).resources if one.protect}
    assert found == ({"database-data"} if protect else set())


def test_the_server_publishes_nothing(server: Any) -> None:
    assert "ports" not in server
    assert "networkMode" not in server


def test_the_server_is_found_by_name_on_the_stacks_network_only(server: Any) -> None:
    assert server["networksAdvanced"] == [{"name": "monopco-dev-network", "aliases": ["database"]}]


def test_the_memory_is_limited_and_postgresql_is_told_how_much_it_has(server: Any) -> None:
    assert (server["memory"], server["memorySwap"], server["shmSize"]) == (512, 512, 256)
    assert server["envs"] == ["MEMORY_MB=512"]


def test_the_root_of_the_server_is_read_only(server: Any) -> None:
    assert server["readOnly"] is True


def test_the_server_ends_its_work_before_it_stops(server: Any) -> None:
    assert (server["stopSignal"], server["stopTimeout"], server["destroyGraceSeconds"]) == ("SIGINT", 60, 60)


def test_docker_sees_whether_the_server_is_ready(server: Any) -> None:
    assert server["healthcheck"]["tests"] == ["CMD", "ready"]


def test_no_password_is_in_the_containers_definition(server: Any) -> None:
    assert "marked" not in str(reveal(server))


def test_roles_are_made_on_standard_input_and_kept_secret(recording: Recording) -> None:
    roles = recording.named("database-roles", COMMAND).inputs
    assert is_secret(roles["stdin"])
    assert roles["environment"] == {"CONTAINER": "database-server-id"}


@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize("name", ["appUrl", "ownerUrl"])
def test_the_urls_are_secret_before_and_after_they_are_known(name: str, preview: bool) -> None:
    found = declare(preview=preview)
    assert is_secret(found.outputs(found.component("Database"))[name])


def test_each_role_has_a_url_of_its_own(recording: Recording) -> None:
    outputs = reveal(recording.outputs(recording.component("Database")))
    assert outputs["appUrl"] == "postgresql://monopco_app:marked-app@database:5432/monopco"
    assert outputs["ownerUrl"] == "postgresql://monopco_owner:marked-owner@database:5432/monopco"


def test_a_url_is_not_known_before_its_role_exists() -> None:
    def run() -> None:
        database = Database("database", ARGS)
        for name, url in (("app", database.app_url), ("owner", database.owner_url)):
            pulumi.CustomResource("test:index:User", name, {"url": url})

    recording = record(run)
    for name in ("app", "owner"):
        assert "database-roles" in recording.waits_for(recording.named(name, "test:index:User"))


def test_a_server_made_anew_has_another_identity(recording: Recording) -> None:
    assert recording.outputs(recording.component("Database"))["identity"] == "database-server-id"


def test_the_container_is_known_by_name(recording: Recording) -> None:
    assert recording.outputs(recording.component("Database"))["container"] == "monopco-dev-database"


class TestRolesSql:
    def sql(self, compatibility: Literal["supabase", "none"] = "none", owner: str = "owner", app: str = "app") -> str:
        return roles_sql(owner, app, compatibility)

    def test_passwords_appear_as_verifiers_only(self) -> None:
        sql = self.sql(owner="marked-owner", app="marked-app")
        assert "marked-" not in sql
        assert sql.count("SCRAM-SHA-256$4096:") == 2

    def test_both_roles_are_made(self) -> None:
        assert {name for name in ("monopco_owner", "monopco_app") if f'ALTER ROLE "{name}" LOGIN' in self.sql()} == {
            "monopco_owner",
            "monopco_app",
        }

    def test_the_same_passwords_give_the_same_text_so_that_no_change_is_seen(self) -> None:
        assert self.sql() == self.sql()

    def test_two_roles_with_one_password_have_different_verifiers(self) -> None:
        verifiers = {line for line in self.sql(owner="same", app="same").splitlines() if "SCRAM" in line}
        assert len(verifiers) == 2

    def test_another_password_changes_its_own_role_only(self) -> None:
        before, after = self.sql().splitlines(), self.sql(app="other").splitlines()
        assert len([1 for one, other in zip(before, after, strict=True) if one != other]) == 1

    def test_supabases_schema_is_made_when_it_is_asked_for(self) -> None:
        assert "supabase_realtime" in self.sql("supabase")
        assert "supabase_realtime" not in self.sql("none")


class TestScramVerifier:
    """Against the exchange that RFC 7677 gives as its example (user "user", password "pencil")."""

    SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    PROOF = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    SERVER_SIGNATURE = base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    MESSAGE = (f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={NONCE}").encode()

    @pytest.fixture
    def parts(self) -> tuple[bytes, bytes, bytes]:
        """Salt, stored key and server key of the verifier."""
        scheme, iterations_and_salt, keys = scram_verifier("pencil", self.SALT).split("$")
        iterations, salt = iterations_and_salt.split(":")
        assert (scheme, iterations) == ("SCRAM-SHA-256", "4096")
        stored_key, server_key = keys.split(":")
        return base64.b64decode(salt), base64.b64decode(stored_key), base64.b64decode(server_key)

    def test_the_salt_is_the_one_given(self, parts: tuple[bytes, bytes, bytes]) -> None:
        assert parts[0] == self.SALT

    def test_the_stored_key_accepts_the_examples_client(self, parts: tuple[bytes, bytes, bytes]) -> None:
        signature = hmac.digest(parts[1], self.MESSAGE, "sha256")
        client_key = bytes(one ^ other for one, other in zip(self.PROOF, signature, strict=True))
        assert hashlib.sha256(client_key).digest() == parts[1]

    def test_the_server_key_signs_as_the_examples_server(self, parts: tuple[bytes, bytes, bytes]) -> None:
        assert hmac.digest(parts[2], self.MESSAGE, "sha256") == self.SERVER_SIGNATURE
