"""Faults of an environment that runs: what each costs, and that it mends without a person."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
from collections.abc import Callable, Iterator
from http import HTTPStatus
from http.client import HTTPException

import pytest

from tests.faults.measure import Costs, Fault, cost_of, kill_main_process, main_process, under_load
from tests.integration.checklist_lab import own_certificate
from tests.integration.environment import Environment, docker, run, wait_until
from tests.sampled import sampled

RESOLVER = "127.0.0.11"  # Docker's own, in every container


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    one = Environment(tmp_path_factory.mktemp("faults") / "project", "faults")
    one.write_config(app={"secrets": [], "watchSeconds": 0, "memory": "200M"})
    try:
        one.up()
        yield one
    finally:
        one.destroy()


def psql(environment: Environment, sql: str) -> str:
    database = environment.container("database")
    return docker("exec", database, "psql", "-U", "postgres", "-At", "monopco", "-c", sql)


def one_replica_dies(environment: Environment) -> None:
    kill_main_process(environment.containers("app")[0])


def every_replica_dies(environment: Environment) -> None:
    for container in environment.containers("app"):
        kill_main_process(container)


def the_proxy_dies(environment: Environment) -> None:
    kill_main_process(environment.container("proxy"))


def the_database_dies(environment: Environment) -> None:
    kill_main_process(environment.container("database"))


def the_database_restarts(environment: Environment) -> None:
    docker("restart", environment.container("database"))


def the_database_is_cut_off(environment: Environment) -> None:
    network, database = f"monopco-{environment.stack}-network", environment.container("database")
    docker("network", "disconnect", network, database)
    docker("network", "connect", "--alias", "database", network, database)


def a_replica_runs_out_of_memory(environment: Environment) -> None:
    eat = "const kept = []; for (;;) kept.push(Buffer.alloc(1e7, 1));"
    with contextlib.suppress(AssertionError):  # it is killed, too
        docker("exec", environment.containers("app")[0], "node", "-e", eat)


def the_database_is_slow(environment: Environment) -> None:
    psql(environment, "BEGIN; LOCK TABLE notes IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(2); COMMIT")


def all_connections_break(environment: Environment) -> None:
    psql(environment, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'monopco_app'")


def firewall(change: str, *rule: str) -> Callable[[Environment], None]:
    """Packets that the app's containers send vanish, without an answer; or they are let through again."""

    def strike(environment: Environment) -> None:
        for container in environment.containers("app"):
            inside = ("nsenter", "--target", str(main_process(container)), "--net", "iptables", "--wait")
            done = run([*inside, change, "OUTPUT", *rule, "--jump", "DROP"])
            assert done.returncode == 0, done.stderr

    return strike


TO_DATABASE = ("--protocol", "tcp", "--dport", "5432")
TO_RESOLVER = ("--destination", RESOLVER)


def fails(path: str) -> Callable[[Environment], bool]:
    """Whether a visitor who asks now gets no good answer."""

    def ask(environment: Environment) -> bool:
        try:
            return environment.request("GET", path).status >= HTTPStatus.INTERNAL_SERVER_ERROR
        except (OSError, HTTPException):
            return True

    return ask


def no_name_is_found(environment: Environment) -> bool:
    """The app's open connections to the database go on, so visitors feel nothing."""
    lookup = ("timeout", "5", "getent", "hosts", "database")
    found = [docker("exec", one, *lookup, check=False) for one in environment.containers("app")]
    return not any(found)


def the_certificate_ends(environment: Environment) -> None:
    put_certificate(environment, own_certificate(-1, ("localhost",)))


def put_certificate(environment: Environment, bundle: str) -> None:
    file = "/var/lib/monopco/tls/bundle.pem"
    write = f"cat >{file}.test && mv {file}.test {file}"
    docker("exec", "--interactive", environment.container("proxy"), "sh", "-c", write, stdin=bundle)


def browsers_refuse(environment: Environment) -> bool:
    try:
        environment.request("GET", "/")
    except ssl.SSLCertVerificationError:
        return True
    return False


def the_proxy_looks_at_it(environment: Environment) -> None:
    """Twice a day; here its nap is cut short."""
    naps = [line.split() for line in docker("top", environment.container("proxy"), "-eo", "pid,args").splitlines()]
    (pid,) = [int(nap[0]) for nap in naps if nap[1:] == ["sleep", "43200"]]
    os.kill(pid, signal.SIGKILL)


FAULTS: dict[str, Fault] = {
    "one replica dies": Fault(one_replica_dies, "requests under way in it", 16),
    "every replica dies": Fault(every_replica_dies, "requests until one is up; visitors see a page"),
    "the proxy dies": Fault(the_proxy_dies, "connections until it is up"),
    "the database dies": Fault(the_database_dies, "requests that need it until it is up"),
    "the database restarts": Fault(the_database_restarts, "requests that need it until it is up"),
    "the database is cut off and comes back at another address": Fault(
        the_database_is_cut_off, "requests that need it meanwhile"
    ),
    "all packets between app and database vanish": Fault(
        firewall("--append", *TO_DATABASE),
        "requests that need it meanwhile; other pages are served",
        felt=fails("/api/notes"),
        cause="the app does not reach its database",
        end=firewall("--delete", *TO_DATABASE),
    ),
    "DNS fails": Fault(
        firewall("--append", *TO_RESOLVER),
        "requests for which the app opens another connection to the database; nginx needs no name",
        felt=no_name_is_found,
        cause="the app cannot resolve the name of its database",
        end=firewall("--delete", *TO_RESOLVER),
    ),
    "a replica runs out of memory": Fault(a_replica_runs_out_of_memory, "requests under way in it", 16),
    "the database is slow for 2 s": Fault(the_database_is_slow, "nothing; requests wait", 0),
    "all connections to the database break": Fault(all_connections_break, "requests under way on them", 16),
    "the local certificate has ended": Fault(
        the_certificate_ends,
        "new connections until it is renewed; it is, 30 days before its end",
        felt=browsers_refuse,
        cause="the certificate does not hold",
        end=the_proxy_looks_at_it,
    ),
}


@pytest.mark.parametrize("name", sampled(FAULTS, 3))
def test_it_mends_by_itself_and_no_data_is_lost(environment: Environment, costs: Costs, name: str) -> None:
    fault = FAULTS[name]
    cost = cost_of(environment, name, fault)
    costs.add(cost)
    assert cost.data_lost == 0
    if fault.most is not None:
        assert cost.lost <= fault.most


def test_a_certificate_of_the_local_authority_is_renewed_before_it_ends(environment: Environment) -> None:
    """Nobody has to deploy for it, and no visitor notices."""
    before = docker("exec", environment.container("proxy"), "cat", "/var/lib/monopco/tls/bundle.pem")
    with under_load(environment):
        soon = shortened(environment, days=20)
        wait_until(lambda: served(environment) == soon, "the certificate that ends soon is served")
        the_proxy_looks_at_it(environment)
        wait_until(lambda: served(environment) not in (soon, before), "a new one is served")


def shortened(environment: Environment, days: int) -> str:
    """The proxy's certificate, signed once more by its authority for fewer days, in the place of the one it has."""
    tls = "/var/lib/monopco/tls"
    sign = (
        f"cd {tls} && openssl x509 -in bundle.pem -signkey bundle.pem -x509toreq -copy_extensions copyall "
        f"| openssl x509 -req -CA authority.pem -CAkey authority.key -days {days} -copy_extensions copyall "
        "&& openssl pkey -in bundle.pem"
    )
    bundle = docker("exec", environment.container("proxy"), "sh", "-c", sign)
    put_certificate(environment, bundle + "\n")
    return certificate_of(bundle)


def certificate_of(bundle: str) -> str:
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return bundle[bundle.index(begin) : bundle.index(end) + len(end)]


def served(environment: Environment) -> str:
    return ssl.get_server_certificate(("localhost", environment.https_port)).strip()
