"""The proxy's image with real containers behind it: what it serves, what it refuses, and that it loses nothing."""

from __future__ import annotations

import hashlib
import json
import ssl
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from websockets.sync.client import connect

from ops import drift
from tests.integration.proxy_lab import (
    ALIAS,
    DOMAIN,
    IMAGE,
    PROJECT,
    Connection,
    Load,
    Proxy,
    build_image,
    configuration,
    docker,
    wait_until,
)

GOLDEN = sorted((PROJECT / "tests" / "unit" / "golden").glob("nginx-*.txt"))
MAX_MEMORY_KB = 20 * 1024


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    build_image(IMAGE, PROJECT / "images" / "nginx")
    name = f"proxy-test-{uuid.uuid4().hex[:8]}"
    docker("network", "create", name)
    yield name
    docker("network", "rm", name)


@pytest.fixture
def bare(network: str) -> Iterator[Proxy]:
    """A proxy as it is right after its first start."""
    proxy = Proxy(network)
    proxy.start()
    yield proxy
    proxy.remove()


@pytest.fixture
def proxy(bare: Proxy) -> Proxy:
    """A proxy with its configuration and certificate, and no app yet."""
    bare.configure()
    bare.trust()
    return bare


@pytest.fixture(scope="module")
def site(network: str) -> Iterator[Proxy]:
    """A proxy with two containers of release `one`, for tests that change nothing."""
    proxy = Proxy(network)
    proxy.start()
    proxy.configure()
    proxy.trust()
    proxy.switch("one", proxy.app("one"), proxy.app("one"))
    yield proxy
    proxy.remove()


# Starting


def test_without_a_configuration_it_shows_the_maintenance_page(bare: Proxy) -> None:
    bare.context.check_hostname = False
    bare.context.verify_mode = ssl.CERT_NONE
    wait_until(bare.workers, "nginx runs")
    for https in (True, False):
        reply = bare.ask(https=https)
        assert (reply.status, reply.headers["Retry-After"]) == (503, "5")
        assert "Maintenance" in reply.body.decode()


def test_without_an_app_it_shows_the_maintenance_page_and_json_to_the_api(proxy: Proxy) -> None:
    page = proxy.ask()
    assert (page.status, page.headers["Retry-After"], page.headers["Cache-Control"]) == (503, "5", "no-store")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    answer = proxy.ask("/api/trpc/auth.me")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert json.loads(answer.body)["error"]["status"] == 503


def test_with_all_apps_gone_it_shows_the_maintenance_page_and_they_come_back_by_themselves(proxy: Proxy) -> None:
    address = proxy.app("one")
    proxy.switch("one", address)
    docker("kill", proxy.apps[0])
    assert (proxy.ask().status, proxy.ask().headers["Retry-After"]) == (503, "5")
    docker("start", proxy.apps[0])
    wait_until(lambda: proxy.ask().status == 200, "the app answers again")


def test_nothing_in_it_runs_as_root_and_the_whole_container_stays_small(site: Proxy) -> None:
    with Load(site) as load:
        load.more(500)
    memory = site.shell("cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ { sum += $2 } END { print sum }'")
    assert 0 < int(memory) <= MAX_MEMORY_KB
    owners = docker("top", site.name, "-eo", "pid,user,comm").stdout
    assert [line for line in owners.splitlines() if "nginx" in line and "root" in line] == []


# Configuration


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case.stem)
def test_nginx_accepts_the_configuration_of_each_golden_file(site: Proxy, case: Path) -> None:
    text = case.read_text(encoding="utf-8").split("\n---\n", maxsplit=1)[1]
    site.tool("sh", "-c", "cat > /tmp/case.conf && nginx -t -q -c /tmp/case.conf", stdin=text)


def test_a_configuration_that_nginx_refuses_changes_nothing(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    workers = proxy.workers()
    refused = proxy.tool("configure", stdin=configuration().replace("gzip on;", "gzip maybe;"), check=False)
    assert refused.returncode == 1
    assert "the one before stays in use" in refused.stderr
    assert 'invalid value "maybe" in "gzip" directive' in refused.stderr
    assert proxy.workers() == workers
    proxy.restart()
    assert proxy.ask().release == "one"


def test_an_empty_configuration_is_a_usage_mistake(proxy: Proxy) -> None:
    refused = proxy.tool("configure", check=False)
    assert refused.returncode == 2
    assert "usage: configure < nginx.conf" in refused.stderr


def test_the_same_configuration_again_changes_no_process(proxy: Proxy) -> None:
    workers = proxy.workers()
    assert proxy.configure() == "unchanged"
    assert proxy.workers() == workers
    assert proxy.configure(body_limit="2M") == "in use"
    assert not set(proxy.workers()) & set(workers)


def test_a_configuration_that_was_put_in_place_and_never_loaded_is_loaded_the_next_time(proxy: Proxy) -> None:
    proxy.tool("sh", "-c", "cat > /run/monopco/nginx.conf", stdin=configuration(csp="changed"))
    assert proxy.configure(csp="changed") == "in use"
    assert proxy.ask().headers["Content-Security-Policy-Report-Only"] == "changed"


def test_a_configuration_that_was_changed_by_hand_is_found_and_made_good(proxy: Proxy) -> None:
    given = {"CONTAINER": proxy.name, "MD5": hashlib.md5(configuration().encode(), usedforsecurity=False).hexdigest()}
    step = {"urn": "urn::proxy-configuration", "id": "1", "inputs": {"environment": given}}
    assert drift.of_proxy([step], None) == []
    for file in ("/run/monopco/nginx.conf", "/var/lib/monopco/nginx.conf"):
        proxy.shell(f"echo '# by hand' >> {file}")
        assert drift.of_proxy([step], None)[0].differs == (f"{file} was changed",)
        assert proxy.configure() == "unchanged"
        assert drift.of_proxy([step], None) == []
    proxy.configure(csp="changed")
    assert "another configuration than it was given" in str(drift.of_proxy([step], None)[0])


def test_with_a_damaged_configuration_it_starts_with_the_last_good_one(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    proxy.configure(csp="second")
    proxy.shell("echo damaged > /var/lib/monopco/nginx.conf")
    proxy.restart()
    reply = proxy.ask()
    assert (reply.release, reply.headers["Content-Security-Policy-Report-Only"]) == ("one", "default-src 'self'")


# Certificates


def served(proxy: Proxy) -> bytes:
    """The certificate that a client gets, unchecked."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with closing(Connection(proxy.port(8443), context, DOMAIN)) as connection:
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        certificate = connection.sock.getpeercert(binary_form=True)
    assert certificate
    return certificate


def test_its_own_certificate_is_kept_while_it_fits_and_made_again_for_other_names(proxy: Proxy) -> None:
    first, workers = served(proxy), proxy.workers()
    authority = proxy.tool("certificate", "self-signed", DOMAIN, ALIAS).stdout
    assert served(proxy) == first
    assert proxy.tool("certificate", "self-signed", DOMAIN).stdout == authority
    assert served(proxy) != first
    assert proxy.ask().status == 503
    with pytest.raises(ssl.SSLCertVerificationError, match=ALIAS):
        proxy.ask(name=ALIAS)
    assert proxy.workers() == workers


def test_its_own_certificate_is_made_again_when_fewer_than_30_days_are_left(proxy: Proxy) -> None:
    proxy.shell(
        "cd /var/lib/monopco/tls && openssl x509 -in fullchain.pem -days 29 -CA authority.pem -CAkey authority.key "
        "-copy_extensions copyall -out /tmp/old.pem && openssl pkey -in bundle.pem > /tmp/bundle.pem "
        "&& cat /tmp/old.pem >> /tmp/bundle.pem && cp /tmp/bundle.pem bundle.pem"
    )
    soon_over = served(proxy)
    proxy.trust()
    assert served(proxy) != soon_over


def bundle(proxy: Proxy, days: int = 90) -> str:
    """A certificate with its key, as an operator would bring it."""
    return proxy.shell(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /tmp/key -out /tmp/crt "
        f"-subj /CN={DOMAIN} -addext subjectAltName=DNS:{DOMAIN} -not_before 20200101000000Z "
        f"-not_after $(date -u -d '{days} days' +%Y%m%d%H%M%SZ) 2>/dev/null; cat /tmp/key /tmp/crt"
    )


def test_a_given_certificate_is_served_from_the_next_handshake_on_without_a_reload(proxy: Proxy) -> None:
    workers, given = proxy.workers(), bundle(proxy)
    proxy.tool("certificate", "install", stdin=given)
    assert ssl.DER_cert_to_PEM_cert(served(proxy)).strip() in given
    assert proxy.workers() == workers


def test_a_given_certificate_that_cannot_work_is_refused_and_the_one_before_stays(proxy: Proxy) -> None:
    before = served(proxy)
    one, other, ended = bundle(proxy), bundle(proxy), bundle(proxy, days=-1)
    certificate = one[one.index("-----BEGIN CERTIFICATE") :]
    mistakes = {
        "does not belong to the first certificate": other[: other.index("-----BEGIN CERTIFICATE")] + certificate,
        "no readable private key": certificate,
        "no readable certificate": one[: one.index("-----BEGIN CERTIFICATE")],
        "the certificate ended on": ended,
    }
    for message, given in mistakes.items():
        refused = proxy.tool("certificate", "install", stdin=given, check=False)
        assert (refused.returncode, message in refused.stderr) == (1, True), refused.stderr
        assert "PRIVATE KEY" not in refused.stderr
    assert served(proxy) == before


# Switching


def test_switches_under_load_lose_no_request(proxy: Proxy) -> None:
    proxy.switch("r0", proxy.app("r0"), proxy.app("r0"))
    with Load(proxy) as load:
        for number in range(1, 5):
            release = f"r{number}"
            report = proxy.switch(release, proxy.app(release), proxy.app(release))
            assert (report["release"], report["drained"]) == (release, True)
            docker("rm", "--force", *proxy.apps[-4:-2])
            load.more(100)
    assert load.failures == []
    assert load.answers["r4"] > 0


def test_a_switch_is_complete_when_it_returns(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    with closing(proxy.connection()) as kept:
        assert kept.ask("/").release == "one"
        proxy.switch("two", proxy.app("two"))
        assert {kept.ask("/").release for _ in range(20)} == {"two"}


def test_reloads_under_load_lose_no_request(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"), proxy.app("one"))
    with Load(proxy) as load:
        for limit in ("2M", "3M", "4M"):
            assert proxy.configure(body_limit=limit) == "in use"
            load.more(100)
    assert load.failures == []


def test_a_changed_certificate_under_load_loses_no_request(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    with Load(proxy) as load:
        for names in ((DOMAIN,), (DOMAIN, ALIAS), (DOMAIN,)):
            proxy.tool("certificate", "self-signed", *names)
            load.more(100)
    assert load.failures == []


def test_the_peers_survive_a_restart_and_a_kill_of_nginx(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    proxy.restart()
    assert proxy.ask().release == "one"
    proxy.restart(signal="KILL")
    assert proxy.ask().release == "one"


def test_the_containers_behind_a_name_are_followed_through_a_restart_and_back(proxy: Proxy) -> None:
    """As on a swarm, where they come and go."""

    def peers() -> list[str]:
        return sorted(peer["address"] for peer in proxy.status()["peers"])

    proxy.configure(swarm=True)
    name = f"{proxy.name}-apps"
    first = proxy.app("one", alias=name)
    proxy.switch("one", f"{name}:3000")
    assert (proxy.ask().release, peers()) == ("one", [first])
    second = proxy.app("one", alias=name)
    wait_until(lambda: peers() == sorted([first, second]), "the new container is found")
    proxy.switch("one", f"{name}:3000")
    assert proxy.status()["previous"] == "", "other containers behind the same name are no switch"
    docker("rm", "--force", proxy.apps[0])
    wait_until(lambda: peers() == [second], "the one that has gone is forgotten")
    proxy.restart()
    third = proxy.app("one", alias=name)
    wait_until(lambda: peers() == sorted([second, third]), "the name is looked up after a restart, too")

    other = proxy.app("two")
    proxy.switch("two", other)
    docker("rm", "--force", proxy.apps[1])
    proxy.switch("one", f"{name}:3000")
    assert (proxy.ask().release, peers()) == ("one", [third])
    docker("rm", "--force", proxy.apps[2])
    assert proxy.tool("revert", "by hand").returncode == 0
    assert (proxy.ask().release, peers()) == ("two", [other])


def test_a_switch_to_a_container_that_does_not_answer_is_refused(proxy: Proxy) -> None:
    live, dead = proxy.app("one"), proxy.app("two")
    proxy.switch("one", live)
    docker("kill", proxy.apps[1])
    refused = proxy.tool("switch", "two", "5", "0", dead, check=False)
    assert refused.returncode == 1
    assert f"{dead} does not answer" in refused.stderr
    assert proxy.ask().release == "one"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one", "5", "0"], "usage: switch"),
        (["one", "soon", "0", "127.0.0.1:1"], "DRAIN_SECONDS must be a whole number of seconds (got 'soon')"),
        (["one", "5", "010", "127.0.0.1:1"], "WATCH_SECONDS must be a whole number of seconds (got '010')"),
    ],
)
def test_a_switch_says_what_is_wrong_with_its_arguments(proxy: Proxy, arguments: list[str], message: str) -> None:
    refused = proxy.tool("switch", *arguments, check=False)
    assert (refused.returncode, message in refused.stderr) == (2, True), refused.stderr


@pytest.mark.parametrize(
    "query",
    ["release=a/b&peers=10.0.0.1:1", "release=a&peers=app:3000", "release=a", "release=a&name=a&peers=10.0.0.1:1"],
)
def test_the_balancer_takes_only_addresses_and_short_names(proxy: Proxy, query: str) -> None:
    with pytest.raises(AssertionError):
        proxy.admin("POST", f"/switch?{query}")
    assert proxy.status()["release"] == ""


def test_a_drain_waits_for_an_answer_under_way_and_ends_with_it(proxy: Proxy) -> None:
    old, new = proxy.app("one"), proxy.app("two")
    proxy.switch("one", old)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(proxy.ask, "/slow")
        wait_until(lambda: proxy.inside(old, "/slow/waiting") == "1", "the slow request is with the app")
        switching = proxy.switching("two", new)
        wait_until(lambda: proxy.ask().release == "two", "new requests go to the new release")
        assert proxy.status()["draining"] == [{"address": old, "inflight": 1}]
        assert switching.poll() is None
        proxy.inside(old, "/slow/go")
        report = json.loads(switching.communicate()[0])
        reply = slow.result()
    assert (report["drained"], report["cut"]) == (True, 0)
    assert report["waited_seconds"] < 30
    assert (reply.status, reply.body) == (200, b"one\n")


def test_a_drain_is_bounded_and_says_what_it_left(proxy: Proxy) -> None:
    old = proxy.app("one")
    proxy.switch("one", old)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(proxy.ask, "/slow")
        wait_until(lambda: proxy.inside(old, "/slow/waiting") == "1", "the slow request is with the app")
        report = proxy.switch("two", proxy.app("two"), drain=1)
        proxy.inside(old, "/slow/go")
        assert slow.result().status == 200
    assert (report["drained"], report["cut"]) == (False, 1)
    assert proxy.status()["switch"] == report


def test_requests_of_a_worker_that_was_killed_are_not_waited_for(proxy: Proxy) -> None:
    old = proxy.app("one")
    proxy.switch("one", old)
    with closing(proxy.connection()) as connection:
        connection.request("GET", "/slow", headers={"Host": DOMAIN})
        wait_until(lambda: proxy.inside(old, "/slow/waiting") == "1", "the slow request is with the app")
        proxy.shell(f"kill -9 {' '.join(proxy.workers())}")
    wait_until(proxy.workers, "nginx has new workers")
    assert proxy.switch("two", proxy.app("two"))["drained"]


def test_a_websocket_passes_counts_as_in_flight_and_goes_on_through_switch_and_reload(proxy: Proxy) -> None:
    old = proxy.app("one")
    proxy.switch("one", old)
    tcp = proxy.connection()
    tcp.connect()
    assert tcp.sock
    with connect(f"ws://{DOMAIN}/socket", sock=tcp.sock, compression=None) as socket:
        socket.send("before")
        assert socket.recv() == "before"
        switching = proxy.switching("two", proxy.app("two"))
        wait_until(lambda: proxy.status()["draining"] == [{"address": old, "inflight": 1}], "the drain waits for it")
        socket.send("after")
        assert socket.recv() == "after"
        assert switching.poll() is None
    assert json.loads(switching.communicate()[0])["drained"]


def test_an_answer_that_began_before_a_reload_is_given_whole_after_it(proxy: Proxy) -> None:
    address = proxy.app("one")
    proxy.switch("one", address)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(proxy.ask, "/slow")
        wait_until(lambda: proxy.inside(address, "/slow/waiting") == "1", "the slow request is with the app")
        proxy.configure(body_limit="2M")
        assert proxy.status()["peers"][0]["inflight"] == 1
        proxy.inside(address, "/slow/go")
        assert slow.result().body == b"one\n"


def test_maintenance_stops_visitors_survives_a_restart_and_lets_a_switch_go_on(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    assert proxy.tool("maintenance", "on").stdout == "on\n"
    proxy.restart()
    assert proxy.tool("maintenance", "status").stdout == "on\n"
    assert proxy.ask().status == 503
    proxy.switch("two", proxy.app("two"))
    assert proxy.ask().status == 503
    assert proxy.tool("maintenance", "off").stdout == "off\n"
    assert proxy.ask().release == "two"


def test_certificates_can_be_ordered_during_maintenance(proxy: Proxy) -> None:
    folder = "/var/lib/monopco/acme/.well-known/acme-challenge"
    proxy.shell(f"mkdir -p {folder} && printf proof > {folder}/token")
    proxy.tool("maintenance", "on")
    assert proxy.ask("/.well-known/acme-challenge/token", https=False).body == b"proof"


@pytest.mark.parametrize("arguments", [[], ["maybe"], ["on", "off"]])
def test_maintenance_says_how_it_is_used(site: Proxy, arguments: list[str]) -> None:
    refused = site.tool("maintenance", *arguments, check=False)
    assert (refused.returncode, refused.stderr) == (2, "maintenance: usage: maintenance on|off|status\n")


# Failing apps


def test_when_a_container_is_killed_the_other_one_answers_and_no_request_is_lost(proxy: Proxy) -> None:
    one, two = proxy.app("one"), proxy.app("one")
    proxy.switch("one", one, two)
    docker("kill", proxy.apps[0])
    replies = [proxy.ask("/api/upload", method="POST", body=b"12345") for _ in range(20)]
    assert {(reply.status, reply.body) for reply in replies} == {(200, b"5\n")}
    assert proxy.status()["requests"]["one"]["retries"] > 0
    assert [peer["down"] for peer in proxy.status()["peers"]] == [True, False]
    assert f'"address":"{one}"' in docker("logs", proxy.name).stderr
    docker("start", proxy.apps[0])
    wait_until(lambda: not proxy.status()["peers"][0]["down"], "the container is found again")


def test_what_may_not_be_repeated_is_sent_once_and_what_may_be_is_sent_to_another(proxy: Proxy) -> None:
    one, two = proxy.app("one"), proxy.app("one")
    proxy.switch("one", one, two)

    def crashes() -> int:
        return sum(int(proxy.inside(address, "/crashes")) for address in (one, two))

    assert proxy.ask("/crash", method="POST", body=b"order").status == 503
    assert crashes() == 1
    assert proxy.ask("/crash").status == 503
    assert crashes() == 3
    assert all(peer["inflight"] == 0 and not peer["down"] for peer in proxy.status()["peers"])


def test_the_accounts_tell_totals_errors_and_times_of_each_release(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    before = proxy.status()["requests"]["one"]["total"]
    for path in ("/", "/", "/error"):
        proxy.ask(path)
    state = json.loads(proxy.tool("state").stdout)
    totals = state["requests"]["one"]
    assert (before, totals["total"], totals["errors_5xx"], totals["retries"]) == (0, 3, 1, 0)
    assert sum(totals["within"].values()) == totals["total"]
    assert 0 < totals["p50_ms"] <= totals["p95_ms"]
    assert (state["history"], state["previous"], state["lost"]) == ([], "", 0)


def figures(proxy: Proxy) -> dict[str, float]:
    """What Prometheus would read, by name and labels."""
    lines = proxy.shell("curl -sf http://127.0.0.1:9145/metrics").splitlines()
    samples = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in samples}


def test_the_accounts_are_there_for_prometheus_and_count_what_no_app_answered(proxy: Proxy) -> None:
    assert proxy.ask().status == 503
    assert figures(proxy)["monopco_requests_unanswered_total"] == 1
    address = proxy.app("one")
    proxy.switch("one", address)
    for _ in range(3):
        assert proxy.ask().status == 200
    proxy.behave(address, fails=1)
    assert proxy.ask().status == 500
    proxy.tool("maintenance", "on")
    assert proxy.ask().status == 503
    seen = figures(proxy)
    wanted = {
        'monopco_requests_total{release="one"}': 4,
        'monopco_request_errors_total{release="one"}': 1,
        'monopco_request_seconds_bucket{release="one",le="+Inf"}': 4,
        'monopco_request_seconds_count{release="one"}': 4,
        'monopco_release_live{release="one"}': 1,
        f'monopco_peer_down{{release="one",address="{address}"}}': 0,
        "monopco_requests_unanswered_total": 1,
        "monopco_maintenance": 1,
    }
    assert {name: seen.get(name) for name in wanted} == wanted
    classes = [value for name, value in seen.items() if name.startswith("monopco_request_seconds_bucket")]
    assert classes == sorted(classes)


def test_the_monitorings_own_requests_are_counted_and_nobodys_visit(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    assert proxy.ask(headers={"User-Agent": "monopco-probe"}).status == 200
    assert figures(proxy)['monopco_requests_total{release="one"}'] == 1
    assert proxy.switch("two", proxy.app("two"), watch=2)["watch"]["verdict"] == "idle"
    assert proxy.ask().status == 200
    assert proxy.switch("three", proxy.app("three"), watch=2)["watch"]["verdict"] == "good"


# What a visitor gets


LOCATIONS = [
    ("/", DOMAIN, 200),
    ("/api/headers", DOMAIN, 200),
    ("/assets/index-Ab12Cd34.js", DOMAIN, 200),
    ("/error", DOMAIN, 500),
    ("/", ALIAS, 301),
    ("/", "unknown.test", 421),
]


@pytest.mark.parametrize(("path", "name", "status"), LOCATIONS)
def test_the_security_headers_are_on_every_answer(site: Proxy, path: str, name: str, status: int) -> None:
    reply = site.ask(path, headers={"Host": name})
    assert reply.status == status
    found = {header: reply.headers.get_all(header) for header in reply.headers}
    assert found["Strict-Transport-Security"] == ["max-age=31536000; includeSubDomains"]
    assert found["X-Frame-Options"] == ["SAMEORIGIN"]
    assert found["X-Content-Type-Options"] == ["nosniff"]
    assert found["Referrer-Policy"] == ["strict-origin-when-cross-origin"]
    assert found["Content-Security-Policy-Report-Only"] == ["default-src 'self'"]
    assert found["X-XSS-Protection"] == ["0"]
    assert "Permissions-Policy" in found
    assert len(reply.headers["X-Request-Id"]) == 32
    assert reply.headers["Server"] == "nginx"


def test_http_has_the_same_headers_without_the_one_for_https(site: Proxy) -> None:
    reply = site.ask(https=False)
    assert reply.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert reply.headers["Strict-Transport-Security"] is None


def test_a_header_that_the_app_sets_itself_goes_before_ours(site: Proxy) -> None:
    headers = site.ask("/own-headers").headers
    assert headers.get_all("X-Frame-Options") == ["DENY"]
    assert headers.get_all("Cache-Control") == ["no-store"]


CACHING = [
    ("/", "no-cache"),
    ("/some/page", "no-cache"),
    ("/assets/index-Ab12Cd34.js", "public, max-age=31536000, immutable"),
    ("/assets/vendor.0123456789abcdef.js", "public, max-age=31536000, immutable"),
    ("/assets/settings.js", "public, max-age=0"),
    ("/assets/unknown-Ab12Cd34.js", "no-cache"),
]


@pytest.mark.parametrize(("path", "expected"), CACHING)
def test_hashed_assets_are_kept_for_a_year_and_pages_never_without_asking(
    site: Proxy, path: str, expected: str
) -> None:
    assert site.ask(path).headers.get_all("Cache-Control") == [expected]


@pytest.mark.parametrize(("accepted", "used"), [("gzip, br", "br"), ("gzip", "gzip"), ("identity", None)])
@pytest.mark.parametrize("path", ["/", "/assets/index-Ab12Cd34.js"])
def test_text_is_compressed_as_the_browser_can_read_it(site: Proxy, path: str, accepted: str, used: str | None) -> None:
    plain = site.ask(path)
    reply = site.ask(path, headers={"Accept-Encoding": accepted})
    assert (reply.headers["Content-Encoding"], reply.headers["Vary"]) == (used, "Accept-Encoding")
    assert len(reply.body) < len(plain.body) if used else reply.body == plain.body


def test_http_is_sent_to_https_and_every_name_to_the_canonical_one(site: Proxy) -> None:
    path = "/a%20b/?q=1&r=%2F"
    here = f"https://{DOMAIN}:8443{path}"
    for name, https, expected in (
        (DOMAIN, False, here),
        (ALIAS, False, here),
        (ALIAS, True, here),
        ("localhost", False, f"https://localhost:8443{path}"),
    ):
        reply = site.ask(path, name=name, https=https)
        assert (reply.status, reply.headers["Location"]) == (301, expected)


def test_http_that_is_spoken_to_the_https_port_is_sent_to_https(site: Proxy) -> None:
    with closing(Connection(site.port(8443), None, DOMAIN)) as connection:
        reply = connection.ask("/a?q=1")
    assert (reply.status, reply.headers["Location"]) == (301, f"https://{DOMAIN}:8443/a?q=1")


def test_the_challenge_of_a_certificate_order_is_answered_over_http(site: Proxy) -> None:
    folder = "/var/lib/monopco/acme/.well-known/acme-challenge"
    site.shell(f"mkdir -p {folder} && printf proof > {folder}/token")
    for name in (DOMAIN, ALIAS):
        reply = site.ask("/.well-known/acme-challenge/token", name=name, https=False)
        assert (reply.status, reply.body) == (200, b"proof")
    assert site.ask("/.well-known/acme-challenge/none", https=False).status == 404


def test_a_name_that_is_not_ours_gets_no_page_of_the_app(site: Proxy) -> None:
    for https in (True, False):
        reply = site.ask("/", https=https, headers={"Host": "unknown.test"})
        assert reply.status == 421
        assert b"<title>one</title>" not in reply.body


def test_http_2_is_spoken_and_old_tls_is_not(site: Proxy) -> None:
    site.context.set_alpn_protocols(["h2"])
    with closing(site.connection()) as connection:
        connection.connect()
        assert isinstance(connection.sock, ssl.SSLSocket)
        assert connection.sock.selected_alpn_protocol() == "h2"
    site.context.set_alpn_protocols(["http/1.1"])
    shown = site.tool(
        "openssl", "s_client", "-connect", "127.0.0.1:8443", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", check=False
    )
    assert shown.returncode != 0


def test_a_body_at_the_limit_passes_and_one_above_it_is_explained(site: Proxy) -> None:
    limit = 1024 * 1024
    assert site.ask("/api/upload", method="POST", body=b"x" * limit).body == f"{limit}\n".encode()
    too_large = b"x" * (limit + 1)
    answer = site.ask("/api/upload", method="POST", body=too_large)
    assert answer.status == 413
    assert "The limit of this site is 1M." in json.loads(answer.body)["error"]["message"]
    page = site.ask("/upload", method="POST", body=too_large)
    assert (page.status, "La limite de ce site est de 1M." in page.body.decode()) == (413, True)


def test_an_address_that_asks_too_much_is_told_to_wait_and_assets_have_their_own_measure(proxy: Proxy) -> None:
    proxy.configure(rate={"requests_per_second": 1, "burst": 2})
    proxy.switch("one", proxy.app("one"))
    with ThreadPoolExecutor(30) as pool:
        replies = list(pool.map(lambda _: proxy.ask("/api/headers"), range(30)))
    refused = [reply for reply in replies if reply.status == 429]
    assert refused
    assert refused[0].headers["Retry-After"] == "1"
    assert json.loads(refused[0].body)["error"]["status"] == 429
    assert [reply for reply in replies if reply.status == 200]
    assert proxy.ask("/assets/index-Ab12Cd34.js").status == 200


def test_the_app_learns_who_asks_and_not_what_the_client_claims(site: Proxy) -> None:
    claims = {
        "X-Forwarded-For": "1.2.3.4",
        "X-Real-IP": "1.2.3.4",
        "X-Forwarded-Proto": "http",
        "Forwarded": "for=1.2.3.4",
    }
    reply = site.ask("/api/headers", headers=claims)
    text = reply.body.decode()
    assert "1.2.3.4" not in text
    assert f"Host: {DOMAIN}:8443" in text
    assert f"X-Forwarded-Host: {DOMAIN}:8443" in text
    assert "X-Forwarded-Proto: https" in text
    assert f"X-Request-Id: {reply.headers['X-Request-Id']}" in text
    assert "Connection:" not in text


@pytest.mark.parametrize("path", ["/status", "/switch?release=evil&peers=1.2.3.4:80", "/maintenance?on"])
def test_the_admin_api_cannot_be_reached_over_tcp(site: Proxy, path: str) -> None:
    before = site.status()["peers"]
    for name in (DOMAIN, "proxy", "localhost"):
        for https in (True, False):
            for method in ("GET", "POST"):
                reply = site.ask(path, https=https, method=method, headers={"Host": name})
                assert b"inflight" not in reply.body
    after = site.status()
    assert [peer["address"] for peer in after["peers"]] == [peer["address"] for peer in before]
    assert not after["maintenance"]


def test_the_log_is_json_and_holds_no_query_string(site: Proxy) -> None:
    reply = site.ask('/error?token=very-secret&"x', headers={"User-Agent": 'a "quoted" agent'})
    wait_until(lambda: reply.headers["X-Request-Id"] in docker("logs", site.name).stdout, "the request is in the log")
    logs = docker("logs", site.name)
    lines = [json.loads(line) for line in logs.stdout.splitlines()]
    line = next(line for line in lines if line["request_id"] == reply.headers["X-Request-Id"])
    assert (line["status"], line["path"], line["host"], line["release"]) == (500, "/error", DOMAIN, "one")
    assert (line["upstream_status"], line["user_agent"]) == ("500", 'a "quoted" agent')
    assert line["upstream"].endswith(":3000")
    assert "very-secret" not in logs.stdout + logs.stderr
