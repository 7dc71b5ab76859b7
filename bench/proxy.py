"""The proxy by itself, beside Debian's nginx, HAProxy and Caddy with their own settings: rates and latencies over TLS.

All are asked in turn by the same generator and stand before the same app, an nginx that answers at once. So what is
compared is the proxies' own work; the processor time of a request is that alone, whoever else is busy.
"""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import turns
from bench.figures import percentile
from bench.peers import proxies, tools
from bench.results import OURS, Figure, Ratio, Row
from tests.integration.environment import docker, shell_environment, wait_until
from tests.integration.proxy_lab import DOMAIN, IMAGE, PROJECT, Proxy, build_image

GOAL = 0.95
CONNECTIONS = (16, 128)
# The generator, the proxy and the app share the machine.
FIXED_RATE, FIXED_CONNECTIONS = 5000, 50
_PORT = 8443
_TICKS = os.sysconf("SC_CLK_TCK")
_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}
# Limits that are counted but not met: the generator is one client.
_OPEN = {"rate": {"requests_per_second": 1_000_000, "burst": 1_000_000}, "https_port": _PORT}

Seen = dict[tuple[str, str, str], list[float]]
"""Values by what, by whom and unit."""


@dataclass(frozen=True)
class Contestant:
    """A proxy that runs."""

    name: str
    container: str
    address: str

    def processor_seconds(self) -> float:
        """What its processes have used of the processors so far."""
        total = 0
        for process in docker("top", self.container, "-eo", "pid").split()[1:]:
            fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / _TICKS


@contextmanager
def contestants(names: Sequence[str] = (OURS, *proxies.NAMES)) -> Iterator[list[Contestant]]:
    """Ours, and the others with its certificate, in a network of their own with one app."""
    build_image(IMAGE, PROJECT / "images" / "nginx")
    network = f"monopco-bench-proxy-{uuid.uuid4().hex[:8]}"
    docker("network", "create", network)
    ours, made = Proxy(network, name=f"{network}-ours"), []
    try:
        made.append(f"{network}-app")
        proxies.start_app(made[0], network)
        ours.start()
        wait_until(lambda: "release" in docker("exec", ours.name, "state", check=False), "the proxy runs", 30)
        ours.trust()
        ours.configure(**_OPEN)
        # What a deploy does with the assets of its release.
        given = f"docker cp {made[0]}:/srv/assets - | docker exec --interactive {ours.name} assets bench 5"
        subprocess.run(["sh", "-c", given], env=dict(shell_environment()), check=True, stdout=subprocess.DEVNULL)
        ours.switch("bench", f"{proxies.address(made[0])}:3000")
        running = [Contestant(OURS, ours.name, proxies.address(ours.name))]
        for name in names:
            if name != OURS:
                container = f"{network}-{name.split()[-1].lower()}"
                made.append(container)
                proxies.start(name, container, network, ours.name)
                running.append(Contestant(name, container, proxies.address(container)))
        for one in running:
            for path in proxies.PATHS.values():
                wait_until(lambda one=one, path=path: _answers(network, one, path), f"{one.name} answers", 30)  # type: ignore[misc]
        yield running
    finally:
        docker("rm", "--force", *made, check=False)
        ours.remove()
        docker("network", "rm", network, check=False)


def _answers(network: str, one: Contestant, path: str) -> bool:
    said = _generator(network, one, "h2load", "--h1", "-n1", f"https://{DOMAIN}:{_PORT}{path}")
    return "1 succeeded" in said


def _generator(network: str, one: Contestant, *command: str) -> str:
    """What the load generator says; it knows the site by its name."""
    host = ("--add-host", f"{DOMAIN}:{one.address}", "--ulimit", "nofile=4096")
    return docker("run", "--rm", "--network", network, *host, "--shm-size", "256m", tools.image(), *command)


def _network(one: Contestant) -> str:
    return docker(
        "inspect", "--format", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}", one.container
    )


def saturate(one: Contestant, kind: str, connections: int, seconds: int, seen: Seen) -> None:
    """As fast as it goes."""
    url = f"https://{DOMAIN}:{_PORT}{proxies.PATHS[kind]}"
    before = one.processor_seconds()
    said = _generator(_network(one), one, "wrk", "--latency", f"-t{1}", f"-c{connections}", f"-d{seconds}s", url)
    used = one.processor_seconds() - before
    if "Non-2xx" in said or "Socket errors" in said:
        raise AssertionError(f"{one.name} does not answer as it should: {said}")
    rate, requests = (
        float(_found(rf"{pattern}", said)[1]) for pattern in (r"Requests/sec:\s+([\d.]+)", r"(\d+) requests in")
    )
    what = f"{kind}, {connections} connections"
    seen[what, one.name, "requests/s"].append(rate)
    seen[f"{what}: processor per request", one.name, "µs"].append(used / requests * 1e6)
    for share in ("50", "99"):
        time = _found(rf"{share}%\s+([\d.]+)(us|ms|s)", said)
        seen[f"{what}: p{share}", one.name, "ms"].append(float(time[1]) * _MILLISECONDS[time[2]])


def fixed(one: Contestant, seconds: int, seen: Seen) -> None:
    """At a rate that all of them can bear; a latency counts from when the request was sent."""
    url = f"https://{DOMAIN}:{_PORT}{proxies.PATHS['proxied']}"
    each = FIXED_RATE // FIXED_CONNECTIONS
    load = f"h2load --h1 -t1 -c{FIXED_CONNECTIONS} --rps={each} -n{FIXED_RATE * seconds} --log-file=/dev/shm/log {url}"
    said = _generator(_network(one), one, "sh", "-c", f"{load} >&2 && cut -f2,3 /dev/shm/log")
    rows = [line.split() for line in said.splitlines()]
    if failed := sum(status != "200" for status, _ in rows):
        raise AssertionError(f"{one.name}: {failed} of {len(rows)} answers are none")
    times = sorted(int(microseconds) / 1000 for _, microseconds in rows)
    for share in (0.5, 0.99):
        seen[f"proxied, {FIXED_RATE} requests/s: p{share * 100:g}", one.name, "ms"].append(percentile(times, share))


def _found(pattern: str, text: str) -> re.Match[str]:
    match = re.search(pattern, text)
    if not match:
        raise AssertionError(f"the load generator says nothing of {pattern}: {text}")
    return match


def measure(repetitions: int = 5, seconds: int = 5, tell: Callable[[str], None] = print) -> list[Figure]:
    """Every proxy in turn, in another order each time."""
    seen: Seen = defaultdict(list)
    with contestants() as running:
        for number in range(repetitions):
            tell(f"proxies, {number + 1} of {repetitions}")
            turned = turns.order(running, number)
            for kind in proxies.PATHS:
                for connections in CONNECTIONS:
                    for one in turned:
                        saturate(one, kind, connections, seconds, seen)
            for one in turned:
                fixed(one, 2 * seconds, seen)
    return [_figure(seen, kind) for kind in proxies.PATHS]


def _figure(seen: Seen, kind: str) -> Figure:
    mine = {key: values for key, values in seen.items() if key[0].startswith(kind)}
    rates = [f"{kind}, {connections} connections" for connections in CONNECTIONS]
    return Figure(
        name=f"proxy-{kind}",
        title=f"The proxy over TLS, {kind}",
        rows=[Row.told(*key, values) for key, values in mine.items()],
        ratios=[
            Ratio.of(
                f"{what}, ours by bare nginx",
                seen[what, OURS, "requests/s"],
                seen[what, proxies.NGINX, "requests/s"],
                GOAL,
                "at least",
            )
            for what in rates
        ]
        + [
            Ratio.of(
                f"{what}: processor per request, ours by bare nginx",
                seen[f"{what}: processor per request", OURS, "µs"],
                seen[f"{what}: processor per request", proxies.NGINX, "µs"],
            )
            for what in rates
        ],
        versions=tools.debian_versions(),
    )
