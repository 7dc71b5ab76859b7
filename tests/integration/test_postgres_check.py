"""`check`: whether a database answers, from where the app will ask it, and what is wrong if it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from components.database import APP_ROLE, OWNER_ROLE
from tests.integration.database_lab import IMAGE, PASSWORDS, Server, Tool, archive
from tests.integration.proxy_lab import docker

TLS_HOST = "tls-database"
# An authority, and a certificate of it for TLS_HOST; both as PostgreSQL wants its key: private.
CERTIFICATES = f"""
mkdir tls; cd tls
new() {{ openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@"; }}
new -x509 -keyout ca.key -out ca.pem -days 2 -subj /CN=authority
new -keyout server.key -out server.csr -subj /CN={TLS_HOST}
printf 'subjectAltName=DNS:{TLS_HOST}' >names
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out server.pem -days 2
chmod 600 server.key
"""


@pytest.fixture(scope="module")
def encrypted(database_network: str) -> Iterator[Server]:
    """A server with TLS, reached as TLS_HOST or as "other-name"."""
    tls = "/var/lib/postgresql/tls"
    settings = ("ssl=on", f"ssl_cert_file={tls}/server.pem", f"ssl_key_file={tls}/server.key")
    encrypted = Server(
        database_network,
        alias=TLS_HOST,
        options=("--network-alias", "other-name"),
        arguments=tuple(argument for setting in settings for argument in ("-c", setting)),
    )
    encrypted.volume = encrypted.name
    docker(
        *("run", "--rm", "--volume", f"{encrypted.name}:/var/lib/postgresql"),
        *("--entrypoint", "sh", IMAGE, "-ec", CERTIFICATES),
    )
    encrypted.start()
    encrypted.provision()
    yield encrypted
    encrypted.remove()


def test_a_database_that_answers_is_told_with_its_version(database: Server) -> None:
    done = database.check()
    assert (done.status, done.errors) == (0, "")
    version = database.value("SHOW server_version")
    assert done.output == f"PostgreSQL {version} at database:5432/monopco as monopco_owner, not encrypted\n"


ADVICE = {
    10: "there is no host of this name; correct the host in the URL",
    11: "nothing listens there; correct host and port in the URL, or start the server",
    13: "TLS failed; look at sslmode, at the name in the certificate, and at who signed it",
    14: "user or password is refused; correct them in the URL",
    15: "the server has no database of this name; create it, or correct the name in the URL",
    17: "the server does not let this user in from here; allow it there",
}


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({"host": "nowhere.invalid"}, 10, "could not translate host name"),
        ({"port": 1}, 11, "Connection refused"),
        ({"options": (("sslmode", "require"),)}, 13, "does not support SSL"),
        ({"options": (("sslmode", "sure"),)}, 13, "invalid sslmode"),
        ({"password": "wrong:marked"}, 14, "password authentication failed"),
        ({"user": "nobody"}, 14, "password authentication failed"),
        ({"password": ""}, 14, "password"),
        ({"database": "none"}, 15, "does not exist"),
        ({"user": "postgres"}, 17, "pg_hba.conf rejects"),
        ({"user": APP_ROLE, "password": PASSWORDS[APP_ROLE], "database": "postgres"}, 17, "permission denied"),
    ],
)
def test_each_kind_of_failure_has_its_number_and_its_advice(
    database: Server, changes: dict[str, Any], status: int, said: str
) -> None:
    done = database.check(**changes)
    assert (done.status, done.output) == (status, "")
    parts = {"host": "database", "port": 5432, "database": "monopco", "user": OWNER_ROLE, **changes}
    first, second = done.errors.splitlines()[:2]
    assert first == "check: {host}:{port}/{database} as {user}: ".format(**parts) + ADVICE[status]
    assert said in second
    assert "marked" not in done.errors


def test_a_server_that_takes_no_more_connections_is_told(database: Server) -> None:
    database.ask(f"ALTER ROLE {OWNER_ROLE} CONNECTION LIMIT 0")
    done = database.check()
    database.provision()
    assert done.status == 16
    assert "the server is there but takes no connection now; try again, or free connections" in done.errors
    assert database.check().status == 0


def test_a_server_that_does_not_answer_is_given_up(database: Server) -> None:
    docker("pause", database.name)
    done = database.check()
    docker("unpause", database.name)
    assert done.status == 12
    assert "no answer in time; correct host and port, or open the firewall for this machine" in done.errors


def test_an_address_that_nobody_has_is_told(database: Server) -> None:
    done = database.check(host="fd00::1")
    assert done.status == 12
    assert "there is no way to this address; if it is of IPv6 only, use an IPv4 pooler" in done.errors


def test_an_encrypted_connection_is_told_as_such(encrypted: Server) -> None:
    for mode in ("prefer", "require"):
        assert encrypted.check(host=TLS_HOST, options=(("sslmode", mode),)).output.endswith(", TLSv1.3\n")


def test_a_certificate_of_a_given_authority_is_verified(encrypted: Server) -> None:
    authority = encrypted.run("cat", "/var/lib/postgresql/tls/ca.pem").output
    full = (("sslmode", "verify-full"),)
    done = encrypted.check({"ca.pem": authority}, host=TLS_HOST, options=full)
    assert (done.status, done.errors) == (0, "")
    wrong_name = encrypted.check({"ca.pem": authority}, host="other-name", options=full)
    assert wrong_name.status == 13
    assert 'server certificate for "tls-database" does not match host name "other-name"' in wrong_name.errors
    assert encrypted.check({"ca.pem": authority}, host="other-name", options=(("sslmode", "verify-ca"),)).status == 0


def test_without_an_authority_the_ones_that_debian_trusts_decide(encrypted: Server) -> None:
    done = encrypted.check(host=TLS_HOST, options=(("sslmode", "verify-full"),))
    assert done.status == 13
    assert "certificate verify failed" in done.errors


def test_migrations_go_over_the_verified_connection_too(encrypted: Server) -> None:
    authority = encrypted.run("cat", "/var/lib/postgresql/tls/ca.pem").output
    files = {
        "ca.pem": authority,
        "order": "1.sql\n",
        "scripts/1.sql": "CREATE TABLE t AS SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
    }
    done = encrypted.tool("migrate", files, host=TLS_HOST, options=(("sslmode", "verify-full"),)).outcome()
    assert done.status == 0
    assert encrypted.value("SELECT ssl FROM t") == "t"


def test_options_of_other_clients_are_ignored_and_told(database: Server) -> None:
    done = database.check(options=(("pgbouncer", "true"), ("password", "marked")))
    assert done.status == 0
    assert done.errors == (
        "check: PGPGBOUNCER is not an option of PostgreSQL and is ignored\n"
        "check: PGPASSWORD is not an option of PostgreSQL and is ignored\n"
    )


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (b"not an archive", "check: standard input must be a tar archive"),
        (b"", "check: standard input must be a tar archive"),
        (archive({"connection": "PGHOST=database\n"}), "check: the archive has no file pgpass"),
        (archive({"pgpass": "*:*:*:*:x\n"}), "check: the archive has no file connection"),
    ],
)
def test_what_is_no_connection_is_refused(database: Server, stdin: bytes, message: str) -> None:
    done = Tool("check", database.network, stdin).outcome()
    assert (done.status, done.errors) == (2, message + "\n")
