"""The Lua modules by themselves: what the watch calls worse, at the limits of each rule, and what it compares with;
which workers count."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.integration.proxy_lab import IMAGE, PROJECT, build_image, docker

# Runs the Lua that it is sent, with the modules of the image.
CONFIGURATION = """
include /etc/monopco/main.conf;
http {
    lua_shared_dict monopco_recent 512k;
    lua_shared_dict monopco_live 512k;
    client_body_temp_path /tmp/bodies;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    scgi_temp_path /tmp/scgi;
    uwsgi_temp_path /tmp/uwsgi;
    server {
        listen unix:/run/monopco/lua.sock;
        location / {
            client_body_in_single_buffer on;
            content_by_lua_block {
                ngx.req.read_body()
                ngx.say(require("cjson").encode(assert(loadstring(ngx.req.get_body_data()))()))
            }
        }
    }
}
"""

Lua = Callable[[str], Any]


@pytest.fixture(scope="module")
def lua() -> Iterator[Lua]:
    build_image(IMAGE, PROJECT / "images" / "nginx")
    name = f"proxy-verdict-{uuid.uuid4().hex[:8]}"
    start = (
        "mkdir -p /run/monopco && cat > /run/monopco/lua.conf && exec nginx -c /run/monopco/lua.conf -g 'daemon on;'"
    )
    docker("run", "--detach", "--init", "--network", "none", "--name", name, "--entrypoint", "sleep", IMAGE, "1d")

    def run(code: str) -> Any:
        command = ["curl", "-sSf", "--unix-socket", "/run/monopco/lua.sock", "--data-binary", "@-", "http://lua/"]
        return json.loads(docker("exec", "--interactive", name, *command, stdin=code).stdout)

    try:
        docker("exec", "--interactive", name, "sh", "-c", start, stdin=CONFIGURATION)
        yield run
    finally:
        docker("rm", "--force", name)


def table(values: Mapping[str, int]) -> str:
    return "{" + ", ".join(f'["{name}"] = {value}' for name, value in values.items()) + "}"


def figures(requests: int, errors: int = 0, within: Mapping[str, int] | None = None) -> str:
    return f"{{ requests = {requests}, errors = {errors}, within = {table(within or {'5': requests})} }}"


def judged(
    lua: Lua,
    new: str,
    old: str = figures(1000),
    *,
    seconds: float = 30,
    window: float = 60,
    visits: tuple[float, bool] = (1, True),
    silence: tuple[int, float] = (0, 0),
) -> tuple[str | None, str]:
    """Verdict and reason.

    `visits` says how long before the switch a request came, and whether one came after it; `silence` how many requests
    have got no answer, and for how many seconds none was given.
    """
    quiet, visited = visits
    before = 1_000_000 - quiet
    waiting, silent = silence
    return tuple(
        lua(
            f"""
            local mark = {{ from = "one", at = 1000000, visited = {before}, old = {old} }}
            local silence = {{ waiting = {waiting}, seconds = {silent} }}
            local verdict, reason = require("monopco.watch").judge(
                mark, {new}, silence, {1_000_001 if visited else before}, {seconds}, {window})
            return {{ verdict or "none", reason or "" }}
            """
        )
    )


@pytest.mark.parametrize(
    ("new", "old", "verdict", "reason"),
    [
        (figures(5, 4), figures(1000), "none", ""),
        (figures(5, 5), figures(0), "worse", "5 of 5 requests (100.0 %) failed, and one had none to compare with"),
        (figures(500, 5), figures(1000), "none", ""),
        (figures(499, 5), figures(1000), "worse", "5 of 499 requests (1.0 %) failed, 0 of 1,000 (0.0 %) on one"),
        (figures(100, 31), figures(100, 10), "none", ""),
        (figures(100, 32), figures(100, 10), "worse", "32 of 100 requests (32.0 %) failed, 10 of 100 (10.0 %) on one"),
        (figures(310, 37), figures(5120), "worse", "37 of 310 requests (11.9 %) failed, 0 of 5,120 (0.0 %) on one"),
        (figures(9, 9), figures(1234567), "worse", "9 of 9 requests (100.0 %) failed, 0 of 1,234,567 (0.0 %) on one"),
    ],
)
def test_errors_are_judged_by_their_number_and_against_the_rate_before(
    lua: Lua, new: str, old: str, verdict: str, reason: str
) -> None:
    assert judged(lua, new, old, seconds=0.2) == (verdict, reason)


SLOW = {"5": 94, "1000": 6}


@pytest.mark.parametrize(
    ("new", "old", "seconds", "window", "verdict"),
    [
        (figures(100, 0, SLOW), figures(100), 10, 60, "worse"),
        (figures(100, 0, SLOW), figures(100), 9.9, 60, "none"),
        (figures(100, 0, SLOW), figures(100), 3, 3, "worse"),
        (figures(99, 0, {"1000": 99}), figures(100), 10, 60, "none"),
        (figures(100, 0, {"5": 95, "1000": 5}), figures(100), 10, 60, "none"),
        (figures(100, 0, {"500": 100}), figures(100), 10, 60, "none"),
        (figures(100, 0, {"1000": 100}), figures(1, 0, {"250": 1}), 10, 60, "worse"),
        (figures(100, 0, {"1000": 100}), figures(1, 0, {"500": 1}), 10, 60, "none"),
        (figures(100, 0, {"more": 100}), figures(1, 0, {"5000": 1}), 10, 60, "worse"),
        (figures(100, 0, {"1000": 100}), figures(0), 10, 60, "none"),
    ],
)
def test_times_are_judged_when_there_are_enough_and_the_app_is_warm(
    lua: Lua, new: str, old: str, seconds: float, window: float, verdict: str
) -> None:
    assert judged(lua, new, old, seconds=seconds, window=window)[0] == verdict


@pytest.mark.parametrize(
    ("waiting", "silent", "old", "window", "verdict"),
    [
        (5, 10, figures(100), 60, "worse"),
        (4, 10, figures(100), 60, "none"),
        (5, 9.9, figures(100), 60, "none"),
        (5, 3, figures(100), 3, "worse"),
        (5, 10, figures(0), 60, "worse"),
        (5, 10, figures(100, 0, {"1000": 100}), 60, "worse"),
        (5, 10, figures(100, 0, {"2500": 100}), 60, "none"),
    ],
)
def test_a_release_that_hangs_is_worse_unless_the_app_always_lets_wait(
    lua: Lua, waiting: int, silent: float, old: str, window: float, verdict: str
) -> None:
    assert judged(lua, figures(0), old, seconds=1, window=window, silence=(waiting, silent))[0] == verdict


@pytest.mark.parametrize(
    ("seconds", "window", "quiet", "visited", "verdict"),
    [
        (5, 60, 10, False, "idle"),
        (4.9, 60, 10, False, "none"),
        (5, 60, 9.9, False, "none"),
        (5, 60, 10, True, "none"),
        (3, 3, 10, False, "idle"),
        (60, 60, 1, True, "good"),
        (59.9, 60, 1, True, "none"),
    ],
)
def test_the_watch_ends_with_its_window_or_when_nobody_is_there(
    lua: Lua, seconds: float, window: float, quiet: float, visited: bool, verdict: str
) -> None:
    assert judged(lua, figures(0), seconds=seconds, window=window, visits=(quiet, visited))[0] == verdict


def test_the_last_five_minutes_are_kept_and_no_more(lua: Lua) -> None:
    seen = lua(
        """
        local recent, time, seen = require "monopco.recent", ngx.time, {}
        local now = 1000000
        ngx.time = function() return now end
        recent.count("one", "5", false)
        recent.count("one", "1000", true)
        recent.count("other", "5", true)
        for number, later in ipairs({ 0, 300, 310 }) do
            now = 1000000 + later
            seen[number] = recent.figures("one")
        end
        ngx.time = time
        return seen
        """
    )
    assert seen[0] == seen[1] == {"requests": 2, "errors": 1, "within": {"5": 1, "1000": 1}}
    assert (seen[2]["requests"], seen[2]["errors"]) == (0, 0)


@pytest.mark.parametrize(("recent", "taken"), [(50, 50), (49, 1000)])
def test_with_too_few_requests_of_late_all_of_them_are_the_measure(lua: Lua, recent: int, taken: int) -> None:
    code = f'return require("monopco.watch").measure({figures(recent)}, {figures(1000)})'
    assert lua(code)["requests"] == taken


@pytest.mark.parametrize(
    ("within", "share", "limit"),
    [
        ({}, 0.95, 0),
        ({"5": 1}, 0.5, 5),
        ({"5": 1, "10": 1}, 0.5, 5),
        ({"5": 1, "10": 1}, 0.95, 10),
        ({"5": 19, "2500": 1}, 0.95, 5),
        ({"5": 18, "2500": 2}, 0.95, 2500),
        ({"more": 1}, 0.5, 60000),
    ],
)
def test_a_percentile_is_the_upper_limit_of_its_class(
    lua: Lua, within: Mapping[str, int], share: float, limit: int
) -> None:
    assert lua(f'return {{ require("monopco.figures").percentile({table(within)}, {share}) }}') == [limit]


def test_a_worker_that_has_just_begun_counts_though_it_has_no_title_yet(lua: Lua) -> None:
    found = lua("""
        local workers, shared = require "monopco.workers", ngx.shared.monopco_live
        local file = io.open("/proc/self/status")
        local untitled = file:read("*a"):match("PPid:%s+(%d+)")
        file:close()
        shared:set("worker|" .. untitled, "new")
        shared:set("worker|999999", "old")
        local runs = { workers.all_run("new"), workers.all_run("old") }
        return { runs, { shared:get("worker|" .. untitled), shared:get("worker|999999") } }
    """)
    assert found == [[True, False], ["new"]]
