"""The watch after a switch, the way back, and the history of releases, with real containers and clients.

The windows are bounds. Where a test needs the watch to end, it makes what ends it; where it needs the watch to last,
the window is longer than any test.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.integration.proxy_lab import (
    IMAGE,
    PROJECT,
    Load,
    Proxy,
    build_image,
    docker,
    wait_until,
)

LONG = 600
TAKEN_BACK = 3


@pytest.fixture(scope="module")
def watch_network() -> Iterator[str]:
    build_image(IMAGE, PROJECT / "images" / "nginx")
    name = f"proxy-watch-{uuid.uuid4().hex[:8]}"
    docker("network", "create", name)
    yield name
    docker("network", "rm", name)


@pytest.fixture
def proxy(watch_network: str) -> Iterator[Proxy]:
    proxy = Proxy(watch_network)
    proxy.start()
    proxy.configure()
    proxy.trust()
    yield proxy
    proxy.remove()


def history(proxy: Proxy) -> tuple[list[str], str]:
    """The releases before and the one that is live."""
    state = proxy.status()
    assert state["previous"] == (state["history"] or [""])[-1]
    return state["history"], state["release"]


def watched(proxy: Proxy, release: str) -> None:
    """Return when the tool has asked the release through the proxy; what is left of the switch is drain and watch."""

    def asked() -> bool:
        lines = docker("logs", proxy.name).stdout.splitlines()
        return any("monopco-switch" in line and f'"release":"{release}"' in line for line in lines)

    wait_until(asked, f"the requests are with {release}")


# What is worse


def test_a_release_with_errors_is_taken_back_and_the_numbers_are_named(proxy: Proxy) -> None:
    one, two = proxy.app("one"), proxy.app("two")
    proxy.switch("one", one)
    proxy.behave(two, fails=1)
    with Load(proxy) as load:
        done = proxy.tool("switch", "two", "30", str(LONG), two, check=False)
        load.more(100)
    assert done.returncode == TAKEN_BACK, done.stderr
    report = json.loads(done.stdout)
    watch = report["watch"]
    assert (report["release"], report["from"], report["drained"], report["cut"]) == ("two", "one", True, 0)
    assert (watch["verdict"], watch["old"]["errors"]) == ("worse", 0)
    assert 5 <= watch["new"]["errors"] <= watch["new"]["requests"]
    assert watch["old"]["requests"] >= 50
    assert watch["reason"].startswith(f"{watch['new']['errors']} of {watch['new']['requests']} requests (")
    assert watch["reason"].endswith("(0.0 %) on one")
    said = f"release two was taken back {watch['seconds']:.1f} s after the switch: {watch['reason']}\n"
    assert done.stderr == said
    assert proxy.status()["switch"] == report
    assert history(proxy) == ([], "one")
    # Nothing is lost but what the release itself has failed.
    assert set(load.failures) == {"GET /: 500"}
    assert report["lost"] == 0
    assert load.answers["one"] > 0


def test_a_release_that_dies_is_taken_back_and_what_it_lost_is_counted(proxy: Proxy) -> None:
    one, two = proxy.app("one"), proxy.app("two")
    proxy.switch("one", one)
    with Load(proxy) as load:
        switching = proxy.switching("two", two, watch=LONG)
        watched(proxy, "two")
        docker("kill", proxy.apps[1])
        report = json.loads(switching.communicate()[0])
        load.more(100)
    assert switching.returncode == TAKEN_BACK
    assert report["watch"]["new"]["errors"] >= 5
    assert report["lost"] == len(load.failures) > 0
    assert history(proxy) == ([], "one")


def test_a_release_that_is_slow_is_taken_back(proxy: Proxy) -> None:
    one, two = proxy.app("one"), proxy.app("two")
    proxy.switch("one", one)
    proxy.behave(two, delay=1.5)
    with Load(proxy, keeping=16, reconnecting=16) as load:
        report = proxy.switch("two", two, watch=LONG, check=False)
        load.more(100)
    watch = report["watch"]
    assert watch["verdict"] == "worse"
    assert watch["new"]["requests"] >= 100
    assert watch["new"]["p95_ms"] > 3 * watch["old"]["p95_ms"]
    assert "requests were answered within 2,500 ms, within" in watch["reason"]
    assert load.failures == []
    assert (report["lost"], report["drained"]) == (0, True)
    assert history(proxy) == ([], "one")


def test_a_release_that_hangs_is_taken_back(proxy: Proxy) -> None:
    one, two = proxy.app("one"), proxy.app("two")
    proxy.switch("one", one)
    with Load(proxy, keeping=8, reconnecting=0) as load:
        switching = proxy.switching("two", two, watch=LONG)
        watched(proxy, "two")
        proxy.behave(two, delay=20)
        report = json.loads(switching.communicate()[0])
        load.more(100)
    assert switching.returncode == TAKEN_BACK
    assert "requests wait and none was answered for" in report["watch"]["reason"]
    assert load.failures == []
    assert history(proxy) == ([], "one")


def test_what_is_under_way_on_a_release_that_is_taken_back_is_answered(proxy: Proxy) -> None:
    one, two = proxy.app("one"), proxy.app("two")
    proxy.switch("one", one)
    with Load(proxy), ThreadPoolExecutor() as pool:
        switching = proxy.switching("two", two, watch=LONG)
        watched(proxy, "two")
        slow = pool.submit(proxy.ask, "/slow")
        wait_until(lambda: proxy.inside(two, "/slow/waiting") == "1", "the slow request is with the new release")
        proxy.behave(two, fails=1)
        wait_until(lambda: proxy.status()["release"] == "one", "it is taken back")
        assert switching.poll() is None
        proxy.inside(two, "/slow/go")
        report = json.loads(switching.communicate()[0])
        reply = slow.result()
    assert (reply.status, reply.body) == (200, b"two\n")
    assert (report["drained"], report["cut"], report["lost"]) == (True, 0, 0)


# What is not


def test_a_switch_without_errors_is_good_and_loses_nothing(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"), proxy.app("one"))
    with Load(proxy) as load:
        report = proxy.switch("two", proxy.app("two"), proxy.app("two"), watch=2)
    assert load.failures == []
    assert (report["watch"]["verdict"], report["lost"]) == ("good", 0)
    assert "reason" not in report["watch"]
    assert report["watch"]["new"]["requests"] > 0
    assert history(proxy) == (["one"], "two")


def test_an_error_rate_that_is_no_higher_than_before_is_good(proxy: Proxy) -> None:
    peers = {"one": proxy.app("one"), "two": proxy.app("two")}
    for address in peers.values():
        proxy.behave(address, fails=4)
    proxy.switch("one", peers["one"])
    live, next_one = "one", "two"
    with Load(proxy) as load:
        for _ in range(20):
            load.more(100)
            report = proxy.switch(next_one, peers[next_one], watch=3)
            live, next_one = next_one, live
            assert report["watch"]["verdict"] == "good", report
            if report["watch"]["new"]["errors"] >= 5:
                break
        else:
            pytest.fail("the clients have not asked enough")
    assert report["watch"]["old"]["errors"] >= 5
    assert report["lost"] == 0


def test_when_nobody_is_there_the_watch_ends_early(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    report = proxy.switch("two", proxy.app("two"), watch=60)
    assert report["watch"]["verdict"] == "idle"
    assert report["watch"]["new"] == {"requests": 0, "errors": 0, "p95_ms": 0}
    assert history(proxy) == (["one"], "two")


def test_nothing_is_watched_when_only_the_peers_change(proxy: Proxy) -> None:
    one, two, three = proxy.app("one"), proxy.app("one"), proxy.app("one")
    first = proxy.switch("one", one, two, watch=LONG)
    assert (first["watch"]["verdict"], first["from"]) == ("off", "")
    with Load(proxy) as load:
        for peers in ((one, two, three), (one, two)):
            report = proxy.switch("one", *peers, watch=LONG)
            assert (report["watch"]["verdict"], report["watch"]["seconds"]) == ("off", 0)
    assert load.failures == []
    refused = proxy.tool("revert", "a container was restarted", check=False)
    assert (refused.returncode, refused.stderr) == (1, "revert: there is nothing to go back to\n")
    assert [peer["address"] for peer in proxy.status()["peers"]] == [one, two]
    assert history(proxy) == ([], "one")


def test_without_a_window_nothing_is_watched(proxy: Proxy) -> None:
    one, two = proxy.app("one"), proxy.app("two")
    proxy.switch("one", one)
    proxy.behave(two, fails=1)
    with Load(proxy) as load:
        assert proxy.switch("two", two)["watch"]["verdict"] == "off"
        load.more(50)
    assert history(proxy) == (["one"], "two")


# The history


def test_a_release_is_remembered_and_going_back_forgets_it(proxy: Proxy) -> None:
    peers = {release: proxy.app(release) for release in ("one", "two", "three")}
    steps: list[tuple[str, list[str]]] = [
        ("one", []),
        ("two", ["one"]),
        ("three", ["one", "two"]),
        ("three", ["one", "two"]),
        ("two", ["one"]),
        ("three", ["one", "two"]),
        ("one", []),
        ("two", ["one"]),
    ]
    for release, expected in steps:
        proxy.switch(release, peers[release])
        assert history(proxy) == (expected, release)
    proxy.restart()
    assert history(proxy) == (["one"], "two")


def test_the_last_20_releases_are_remembered(proxy: Proxy) -> None:
    address = proxy.app("any")

    def switched(release: str) -> None:
        """As the tool does; the app says another name, so the tool's own question is left out."""
        proxy.shell(
            "curl -sf -X POST --unix-socket /run/monopco/admin.sock "
            f"'http://proxy/switch?release={release}&peers={address}'"
        )
        proxy.admin("POST", "/finish?drain=5&watch=0")

    for number in range(23):
        switched(f"r{number}")
    assert history(proxy) == ([f"r{number}" for number in range(2, 22)], "r22")


@pytest.mark.parametrize("next_release", ["two", "three"])
def test_a_watch_that_a_restart_cut_short_is_settled_by_the_next_switch(proxy: Proxy, next_release: str) -> None:
    peers = {release: proxy.app(release) for release in ("one", "two", "three")}
    proxy.switch("one", peers["one"])
    with Load(proxy):
        switching = proxy.switching("two", peers["two"], watch=LONG)
        watched(proxy, "two")
    proxy.restart(signal="KILL")
    switching.communicate()
    assert switching.returncode not in (0, TAKEN_BACK)
    state = proxy.status()
    assert (state["release"], state["history"], state["pending"]) == ("two", [], True)
    report = proxy.switch(next_release, peers[next_release])
    assert report["watch"]["verdict"] == "off"
    expected = ["one"] if next_release == "two" else ["one", "two"]
    assert history(proxy) == (expected, next_release)
    assert proxy.status()["pending"] is False


def test_nginx_ends_at_once_while_a_watch_goes_on(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    with Load(proxy):
        switching = proxy.switching("two", proxy.app("two"), watch=LONG)
        watched(proxy, "two")
    wait_until(lambda: proxy.status()["connections"]["active"] <= 2, "the clients have gone")
    docker("stop", "--time", "60", proxy.name)
    assert "the requests stay with two" in switching.communicate()[1]
    assert docker("inspect", "--format", "{{.State.ExitCode}}", proxy.name).stdout == "0\n"


def test_a_repeated_switch_that_is_not_answered_leaves_the_requests_where_they_are(proxy: Proxy) -> None:
    peers = {release: proxy.app(release) for release in ("one", "two")}
    for release in ("one", "two"):
        proxy.switch(release, peers[release])
    proxy.shell(
        f"for path in 'switch?release=two&peers={peers['two']}' revert; do "
        'curl -sf -X POST --unix-socket /run/monopco/admin.sock "http://proxy/$path"; done'
    )
    assert history(proxy) == (["one"], "two")
    proxy.tool("revert", "it can still be taken back")
    assert history(proxy) == ([], "one")


# The way back by hand


def test_revert_gives_the_requests_back_once(proxy: Proxy) -> None:
    for release in ("one", "two", "three"):
        proxy.switch(release, proxy.app(release))
    with Load(proxy) as load:
        back = proxy.tool("revert", "a container ended; 100 % \"bad\" & 'é'")
        load.more(50)
    assert load.failures == []
    report = json.loads(back.stdout)
    assert (report["release"], report["from"], report["drained"], report["lost"]) == ("three", "two", True, 0)
    assert report["watch"]["reason"] == "a container ended; 100 % \"bad\" & 'é'"
    assert proxy.status()["switch"] == report
    assert history(proxy) == (["one"], "two")
    again = proxy.tool("revert", "again", check=False)
    assert (again.returncode, again.stderr) == (1, "revert: there is nothing to go back to\n")
    assert history(proxy) == (["one"], "two")


def test_what_a_way_back_has_forgotten_is_known_again_when_it_is_taken_back(proxy: Proxy) -> None:
    peers = {release: proxy.app(release) for release in ("one", "two", "three")}
    for release in ("one", "two", "three", "one"):
        proxy.switch(release, peers[release])
    assert history(proxy) == ([], "one")
    proxy.restart()
    proxy.tool("revert", "one is worse")
    assert history(proxy) == (["one", "two"], "three")


def test_revert_ends_a_watch_that_goes_on(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    two = proxy.app("two")
    with Load(proxy) as load:
        switching = proxy.switching("two", two, watch=LONG)
        watched(proxy, "two")
        back = proxy.tool("revert", "a container was restarted")
        said, told = switching.communicate()
    assert load.failures == []
    assert switching.returncode == TAKEN_BACK
    assert json.loads(said) == json.loads(back.stdout) == proxy.status()["switch"]
    assert told.endswith(": a container was restarted\n")
    assert history(proxy) == ([], "one")


def test_revert_refuses_to_go_where_nobody_answers(proxy: Proxy) -> None:
    first = proxy.tool("revert", "nothing was ever live", check=False)
    assert (first.returncode, first.stderr) == (1, "revert: there is nothing to go back to\n")
    one = proxy.app("one")
    proxy.switch("one", one)
    assert proxy.tool("revert", "nothing before", check=False).returncode == 1
    proxy.switch("two", proxy.app("two"))
    docker("kill", proxy.apps[0])
    refused = proxy.tool("revert", "gone", check=False)
    assert (refused.returncode, f"{one}, which was live before, does not answer" in refused.stderr) == (1, True)
    assert history(proxy) == (["one"], "two")
    assert proxy.ask().release == "two"


def test_requests_go_back_also_when_that_cannot_be_written_down(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    proxy.switch("two", proxy.app("two"))
    proxy.shell("chmod 555 /var/lib/monopco")
    refused = proxy.tool("maintenance", "on", check=False)
    assert (refused.returncode, "could not be written" in refused.stderr) == (1, True)
    proxy.tool("revert", "the disk is full, too")
    assert proxy.ask().release == "one"
    assert '"event":"the report of a switch could not be written"' in docker("logs", proxy.name).stderr


@pytest.mark.parametrize("arguments", [[], [""], ["one", "two"]])
def test_revert_wants_a_reason(proxy: Proxy, arguments: list[str]) -> None:
    refused = proxy.tool("revert", *arguments, check=False)
    assert (refused.returncode, refused.stderr) == (2, "revert: usage: revert REASON\n")


# Beside a switch


def test_maintenance_that_begins_in_a_watch_stays_and_counts_as_no_loss(proxy: Proxy) -> None:
    proxy.switch("one", proxy.app("one"))
    two = proxy.app("two")
    with Load(proxy) as load:
        switching = proxy.switching("two", two, watch=LONG)
        watched(proxy, "two")
        proxy.tool("maintenance", "on")
        wait_until(lambda: load.failures, "a client gets the maintenance page")
        proxy.tool("revert", "enough")
    report: dict[str, Any] = json.loads(switching.communicate()[0])
    assert report["lost"] == 0
    assert proxy.tool("maintenance", "status").stdout == "on\n"
    assert history(proxy) == ([], "one")
