"""A load that never retries and counts every reset, in a process of its own: `python -m bench.load URL --ca FILE`.

The Python that drives Pulumi would delay what it measures, so the load is another process. Whoever drives it starts
a `Load`, marks phases as it goes on, and gets the report at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from bench.clients import Run, Visitor, ask_for_long_again_and_again, feel_the_pulse, talk, upload_again_and_again
from bench.figures import Mark, Seen, report
from bench.http_client import Endpoint

PROJECT = Path(__file__).resolve().parents[1]
HERE = ("localhost", "127.0.0.1")
LONGEST_SECONDS = 2 * 3600
MOST_CLIENTS = 128
MOST_PER_SECOND = 1000
# How long what is under way at the end may take: as long as the slowest client waits.
ENDING_SECONDS = 60
# The program itself gets ready before the first request is due.
LEAD_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is asked for, by whom and how often. An empty path leaves that kind of client out."""

    url: str
    ca: str = ""
    seconds: float = 60
    keeping: int = 16
    reconnecting: int = 16
    rate: float = 7
    """Requests per second of one client."""
    paths: Sequence[str] = ("/",)
    socket: str = ""
    sockets: int = 2
    upload: str = ""
    long: str = ""
    connect: str = ""
    """Private address that is meant by localhost: that of a server in a lab."""
    niceness: int = 0
    """Below 0 the load is woken before the builds and deploys of the same machine, as if it ran on another one."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.hostname not in HERE or parts.scheme not in ("http", "https"):
            raise ValueError(f"the load is aimed at this machine only: https://localhost:PORT (got {self.url})")
        if self.connect and not ipaddress.ip_address(self.connect).is_private:
            raise ValueError(f"the load is aimed at private addresses only (got {self.connect})")
        if not 0 < self.seconds <= LONGEST_SECONDS:
            raise ValueError(f"seconds must be above 0, {LONGEST_SECONDS} at most (got {self.seconds:g})")
        clients = self.keeping + self.reconnecting
        if not 0 <= clients <= MOST_CLIENTS or not 0 <= self.sockets <= MOST_CLIENTS:
            raise ValueError(f"there may be {MOST_CLIENTS} clients and as many sockets at most")
        if not self.rate > 0 or clients * self.rate > MOST_PER_SECOND:
            raise ValueError(f"{clients} clients at {self.rate:g} requests/s: {MOST_PER_SECOND} at most together")
        if not self.paths or not all(path.startswith("/") for path in self.paths):
            raise ValueError("paths begin with /, and one is needed")

    def endpoint(self) -> Endpoint:
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        context = ssl.create_default_context(cafile=self.ca or None) if secure else None
        port = parts.port or (443 if secure else 80)
        return Endpoint(parts.hostname or "", port, context, self.connect or "127.0.0.1")


def visitors(options: Options, run: Run, start: float) -> list[Visitor]:
    """The clients, each a little later than the one before, so that their requests are spread evenly."""
    clients = options.keeping + options.reconnecting
    interval = 1 / options.rate
    # Both kinds in turn, as long as there are of both.
    order = sorted(range(clients), key=lambda number: number % max(options.keeping, 1))
    return [
        Visitor(
            run,
            kind="kept" if number < options.keeping else "new",
            keeps=number < options.keeping,
            paths=[*options.paths[place % len(options.paths) :], *options.paths[: place % len(options.paths)]],
            first=start + interval * place / clients,
            interval=interval,
        )
        for place, number in enumerate(order)
    ]


async def carry_out(options: Options, seen: Seen, run: Run) -> None:
    """Everything, until the run's time is over and what was under way has ended."""
    tasks = [asyncio.ensure_future(visitor.visit()) for visitor in visitors(options, run, seen.started + LEAD_SECONDS)]
    if options.socket:
        tasks += [asyncio.ensure_future(talk(run, options.socket)) for _ in range(options.sockets)]
    if options.upload:
        tasks.append(asyncio.ensure_future(upload_again_and_again(run, options.upload)))
    if options.long:
        tasks.append(asyncio.ensure_future(ask_for_long_again_and_again(run, options.long)))
    tasks.append(asyncio.ensure_future(feel_the_pulse(run)))
    pending: set[asyncio.Future[None]] = set(tasks)
    while pending and time.monotonic() < run.until + ENDING_SECONDS:
        done, pending = await asyncio.wait(pending, timeout=0.5, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    for task in pending:
        task.cancel()
        seen.fail(time.monotonic(), "client", "", f"did not end in {ENDING_SECONDS} s")
    await asyncio.gather(*pending, return_exceptions=True)


async def obey(run: Run, lines: asyncio.StreamReader) -> None:
    """Do what the driver says, a JSON object per line; its end is the end of the load."""
    while line := await lines.readline():
        order = json.loads(line)
        if "phase" in order:
            run.seen.marks.append(Mark(order["at"], order["phase"], order["detail"]))
        else:
            break
    run.until = min(run.until, time.monotonic())


async def tell(run: Run) -> None:
    """A line of progress, twice a second."""
    while True:
        seen = run.seen
        print(json.dumps({"answered": len(seen.samples), "failed": len(seen.failures)}), flush=True)
        await asyncio.sleep(0.5)


async def load(options: Options, *, driven: bool) -> dict[str, Any]:
    """Run the load and return its report."""
    seen = Seen(started=time.monotonic())
    seen.marks.append(Mark(seen.started, "start" if driven else "all"))
    run = Run(options.endpoint(), seen, until=seen.started + options.seconds)
    helpers: list[asyncio.Task[None]] = []
    if driven:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        helpers = [asyncio.create_task(obey(run, reader)), asyncio.create_task(tell(run))]
    await carry_out(options, seen, run)
    ended = min(run.until, time.monotonic())
    for helper in helpers:
        helper.cancel()
    await asyncio.gather(*helpers, return_exceptions=True)
    return report(seen, max(ended, seen.marks[-1].at))


class LoadError(RuntimeError):
    """The load program did not run, or ended without a report."""


class Load:
    """The load in its own process, as something to be started, told of phases and stopped.

    with Load(options) as load:
        load.more(500)
        load.phase("switching", "replicas 2 to 3")
        …
    load.report["failed"]
    """

    def __init__(self, options: Options) -> None:
        self.report: dict[str, Any] = {}
        self.answered = self.failed = 0
        self._options = options

    def __enter__(self) -> Load:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load", self._options.url, "--driven", json.dumps(asdict(self._options))],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.more(1)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def phase(self, name: str, detail: str = "") -> None:
        """A new phase begins now. "switching" is the one in which sockets may be closed."""
        self._say({"phase": name, "detail": detail, "at": time.monotonic()})

    def more(self, count: int, seconds: float = 60) -> None:
        """Wait until this many more requests were answered or lost."""
        goal, deadline = self.answered + self.failed + count, time.monotonic() + seconds
        while self.answered + self.failed < goal:
            if self._process.poll() is not None:
                raise LoadError(f"the load program has ended with {self._process.returncode}")
            if time.monotonic() > deadline:
                raise LoadError(f"{count} more requests were not made in {seconds:g} s")
            time.sleep(0.1)

    def stop(self) -> dict[str, Any]:
        """End the load; uploads and long responses that are under way come to their end before. Gives the report."""
        if self._process.stdin and not self._process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            code = self._process.wait(ENDING_SECONDS + 60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        self._reader.join()
        if self._process.stdout:
            self._process.stdout.close()
        if code != 0 or not self.report:
            raise LoadError(f"the load program ended with {code} and {'a' if self.report else 'no'} report")
        return self.report

    def _say(self, order: dict[str, Any]) -> None:
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise LoadError("the load has ended already: its time was over") from None

    def _read(self) -> None:
        for line in self._process.stdout or ():
            told = json.loads(line)
            self.report = told.get("report", self.report)
            self.answered = told.get("answered", self.answered)
            self.failed = told.get("failed", self.failed)


def phases_table(told: dict[str, Any], title: str) -> Table:
    """A row per phase."""
    table = Table(title=title)
    columns = ("requests", "lost", "per s", "p50 ms", "p95 ms", "p99 ms", "slowest ms", "own delay p99 ms")
    table.add_column("phase")
    for column in columns:
        table.add_column(column, justify="right")
    for name, phase in told["phases"].items():
        keys = ("requests", "failures", "per_second", "p50", "p95", "p99", "max")
        table.add_row(name, *(str(phase[key]) for key in keys), str(phase["ownLag"]["p99"]))
    return table


def _parser() -> argparse.ArgumentParser:
    default = Options(url="https://localhost")
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("url", help="https://localhost:PORT")
    parser.add_argument("--ca", default="", help="certificate authority, a PEM file")
    parser.add_argument("--seconds", type=float, default=default.seconds, help=f"{LONGEST_SECONDS} at most")
    parser.add_argument("--keeping", type=int, default=default.keeping, help="clients that keep their connection")
    parser.add_argument("--reconnecting", type=int, default=default.reconnecting, help="clients that do not")
    parser.add_argument("--rate", type=float, default=default.rate, help="requests per second of one client")
    parser.add_argument("--path", action="append", dest="paths", help="may be given several times")
    parser.add_argument("--socket", default="", metavar="PATH", help="WebSockets that echo")
    parser.add_argument("--sockets", type=int, default=default.sockets)
    parser.add_argument("--upload", default="", metavar="PATH", help="takes 10 MB, answers with size and SHA-256")
    parser.add_argument("--long", default="", metavar="PATH", help='a response of about 20 s that ends with "done"')
    parser.add_argument("--niceness", type=int, default=0, help="-20 to 19; below 0 for root only")
    parser.add_argument("--json", action="store_true", help="print the whole report")
    parser.add_argument("--driven", help=argparse.SUPPRESS)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    given = vars(_parser().parse_args(arguments))
    as_json, driven = given.pop("json"), given.pop("driven")
    given["paths"] = given["paths"] or ["/"]
    try:
        options = Options(**json.loads(driven)) if driven else Options(**given)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, 0, options.niceness)
    told = asyncio.run(load(options, driven=bool(driven)))
    if driven:
        print(json.dumps({"report": told}), flush=True)
        return 0
    if as_json:
        print(json.dumps(told, indent=2))
    else:
        _show(told)
    return 1 if told["failed"] else 0


def _show(told: dict[str, Any]) -> None:
    console = Console()
    console.print(phases_table(told, f"{told['requests']} requests in {told['seconds']:g} s, {told['failed']} lost"))
    console.print(f"completed: {told['done']}; sockets closed by switches: {told['socketsDrained']}")
    for failure in told["failures"]:
        console.print(f"{failure['at']:9.3f} s  {failure['kind']}  {failure['path']}  {failure['what']}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
