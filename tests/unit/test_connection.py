"""The parts of a database URL, as PostgreSQL's programs want them."""

from __future__ import annotations

import pytest
from values import unpack

from components.connection import Connection

URL = "postgresql://app%40x:p%3Aw%5C%40%2F@db.example:6543/my%20data?sslmode=require"


def test_what_is_quoted_in_a_url_is_read() -> None:
    connection = Connection.from_url(URL)
    assert (connection.user, connection.password, connection.database) == ("app@x", "p:w\\@/", "my data")


@pytest.mark.parametrize(("port", "expected"), [("", 5432), (":6543", 6543)])
def test_a_url_without_a_port_means_postgresqls_own(port: str, expected: int) -> None:
    assert Connection.from_url(f"postgres://u:p@h{port}/d").port == expected


def test_the_environment_of_libpq_holds_everything_but_the_password() -> None:
    assert Connection.from_url(URL).libpq() == (
        "PGHOST=db.example\nPGPORT=6543\nPGDATABASE=my data\nPGUSER=app@x\nPGSSLMODE=require\n"
    )


def test_the_password_file_escapes_what_separates_its_fields() -> None:
    assert Connection.from_url(URL).pgpass() == "*:*:*:*:p\\:w\\\\@/\n"


def test_an_option_that_is_given_twice_counts_as_libpq_counts_it() -> None:
    connection = Connection.from_url("postgresql://u:p@h/d?sslmode=disable&sslmode=require")
    assert connection.options == (("sslmode", "require"),)


def test_the_bundle_holds_the_connection_and_the_files_given() -> None:
    connection = Connection.from_url(URL)
    assert unpack(connection.bundled(order="a\n")) == {
        "connection": connection.libpq(),
        "pgpass": connection.pgpass(),
        "order": "a\n",
    }
