"""What a fault costs: visitors that never retry, a writer that remembers what it was promised, and a clock."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

from bench.load import Load, Options
from tests.faults.table import FAULTS, FOLDER
from tests.integration.environment import Environment, docker, wait_until

# As long as the slowest part takes to be up again, several times over: it only turns a hang into a failure.
RECOVERY_SECONDS = 180


@dataclass
class Writer:
    """Writes notes one after the other and keeps those that the app said it had stored."""

    environment: Environment
    promised: list[str] = field(default_factory=list)

    def __enter__(self) -> Writer:
        self._over = threading.Event()
        self._trust = self.environment.trust()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()
        wait_until(lambda: bool(self.promised), "a first note is written")
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def more(self) -> None:
        """Wait until another note was stored."""
        before = len(self.promised)
        wait_until(lambda: len(self.promised) > before, "another note is written", RECOVERY_SECONDS)

    def lost(self) -> set[str]:
        """Promised notes that the database does not hold."""
        answer = self.environment.monopco("psql", "--command", "SELECT body FROM notes")
        return set(self.promised) - {line.strip() for line in answer.splitlines()}

    def _write(self) -> None:
        while not self._over.wait(0.1):
            body = f"note-{uuid.uuid4().hex}"
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self._post(body) == http.HTTPStatus.CREATED:
                    self.promised.append(body)

    def _post(self, body: str) -> int:
        connection = http.client.HTTPSConnection(
            "localhost", self.environment.https_port, timeout=30, context=self._trust
        )
        with contextlib.closing(connection):
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/api/notes", body=json.dumps({"body": body}), headers=headers)
            return connection.getresponse().status


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a fault has cost. The table in docs/faults.md is made of these."""

    fault: str
    expected: str
    requests: int
    lost: int
    seconds: float
    """From the fault, or for one that lasts from its end, to the first note that was stored after it."""
    data_lost: int
    said: str = ""
    """What names the cause while the fault lasts; empty where it is over before anybody can ask."""
    person: str = ""
    """What a person has to do; empty where it mends by itself."""


class Costs:
    """The costs of one module's faults, left in a file of its name at the end."""

    def __init__(self, module: str) -> None:
        self.file = FOLDER / f"{module}.json"
        self.found: list[Cost] = []

    def add(self, cost: Cost) -> None:
        assert cost.fault in FAULTS, f"the table in docs/faults.md has no row for it: {cost.fault}"
        self.found.append(cost)
        print(json.dumps(asdict(cost), ensure_ascii=False))

    def keep(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(
            json.dumps([asdict(each) for each in self.found], indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def visitors(environment: Environment, rate: float = 5) -> Load:
    """Sixteen of them, half on kept connections; what they ask for needs the database every other time."""
    return Load(
        Options(
            url=f"https://localhost:{environment.https_port}",
            ca=str(environment.authority()),
            seconds=RECOVERY_SECONDS * 4,
            keeping=8,
            reconnecting=8,
            rate=rate,
            paths=("/api/notes", "/"),
        )
    )


@dataclass(frozen=True)
class Fault:
    """A fault and how it comes about."""

    strike: Callable[[Environment], None]
    expected: str
    most: int | None = None
    """How many requests may be lost: those under way in what died, none for what is only slow, or it depends."""
    felt: Callable[[Environment], bool] | None = None
    """Of a fault that lasts: whether visitors feel it. Then the doctor is asked."""
    cause: str = ""
    """What the doctor must find."""
    end: Callable[[Environment], None] | None = None
    """The fault ends: the disk has room again, the cable is plugged in. Nothing of ours is mended by it."""


def cost_of(environment: Environment, name: str, fault: Fault) -> Cost:
    """Strike under load, and wait until the app stores and answers again."""
    said = ""
    with visitors(environment) as load, Writer(environment) as writer:
        load.more(100)
        load.phase("fault")
        began = time.monotonic()
        try:
            fault.strike(environment)
            if fault.felt:
                felt = fault.felt
                wait_until(lambda: felt(environment), f"it is felt: {name}")
                said = finding(environment, fault.cause) if fault.cause else ""
        finally:
            if fault.end:
                began = time.monotonic()
                fault.end(environment)
        writer.more()
        seconds = time.monotonic() - began
        wait_until(lambda: all_well(environment), "every container is healthy again", RECOVERY_SECONDS)
        load.phase("after")
        load.more(200)
        writer.more()
    told = load.stop()
    after = told["phases"]["after"]
    assert after["failures"] == 0, f"requests are still lost after it: {told['failures'][-5:]}"
    return Cost(
        fault=name,
        expected=fault.expected,
        requests=told["requests"],
        lost=told["failed"],
        seconds=round(seconds, 1),
        data_lost=len(writer.lost()),
        said=said,
    )


def finding(environment: Environment, cause: str) -> str:
    """The finding of `./monopco doctor` that names the cause, which must be there."""
    done = environment.attempt_monopco("doctor", "--json")
    found = json.loads(done.stdout)["findings"]
    named = [f"{one['cause']}: {one['evidence']}" for one in found if one["cause"] == cause]
    assert named, f"the doctor does not find that {cause}:\n{done.stdout}{done.stderr}"
    return f"doctor: {cause}"


@contextlib.contextmanager
def under_load(environment: Environment) -> Iterator[Load]:
    """Visitors while something is done that they must not feel; none of their requests is lost."""
    with visitors(environment, rate=2) as load:
        load.more(50)
        yield load
        load.more(50)
    assert load.report["failures"] == []


def kill_main_process(container: str) -> None:
    """As a crash does it: Docker, which would take its own `kill` for a wish, starts the container again."""
    os.kill(main_process(container), signal.SIGKILL)


def main_process(container: str) -> int:
    return int(docker("inspect", "--format", "{{.State.Pid}}", container))


def all_well(environment: Environment) -> bool:
    return environment.attempt_monopco("status").returncode == 0
