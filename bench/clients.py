"""The clients of the load program. None of them tries a request again; each has a schedule that it keeps to.

A latency counts from the moment at which the request was due, not from when it was sent: a client that waits for an
answer sends its next request late, and that wait is part of what a visitor would have seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

import websockets
from websockets.asyncio.client import ClientConnection, connect

from bench.figures import Closing, Seen
from bench.http_client import Answer, Connection, Endpoint, Lost

ANSWER_SECONDS = 30
MESSAGE_SECONDS = 10
UPLOAD_BYTES = 10_000_000
UPLOAD_SECONDS = 15
UPLOAD_CHUNKS = 150
LONG_SECONDS = 20
PAUSE = 1.0
HEARTBEAT = 0.02

_Once = Callable[[Connection], Awaitable[None]]


def due_times(first: float, interval: float) -> Iterator[float]:
    """When the requests of one client are due, for ever; a stall moves none of them."""
    return itertools.count(first, interval)


@dataclass
class Run:
    """What the clients of one run share."""

    endpoint: Endpoint
    seen: Seen
    until: float
    """Nothing is begun after this; what is under way may end."""

    async def wait(self, moment: float) -> bool:
        """Sleep until then; whether there is anything left to do."""
        # In short sleeps, so that an end that comes earlier is seen: `until` may change meanwhile.
        while (now := time.monotonic()) < moment and now < self.until:  # noqa: ASYNC110
            await asyncio.sleep(min(moment - now, self.until - now, 0.5))
        return moment < self.until


@dataclass
class Visitor:
    """Asks for one path after the other on a connection that it keeps, or on a new one each time."""

    run: Run
    kind: str
    keeps: bool
    paths: Sequence[str]
    first: float
    interval: float
    _connection: Connection | None = None

    async def visit(self) -> None:
        for due, path in zip(due_times(self.first, self.interval), itertools.cycle(self.paths), strict=False):
            if not await self.run.wait(due):
                break
            try:
                latency, answer = await asyncio.wait_for(self._ask(path, due), ANSWER_SECONDS)
            except asyncio.TimeoutError:
                self._lose(due, path, f"no whole answer in {ANSWER_SECONDS} s")
            except Lost as error:
                self._lose(due, path, str(error))
            else:
                self.run.seen.samples.add(due, latency, self.kind, answer.release)
        self._drop()

    async def _ask(self, path: str, due: float) -> tuple[float, Answer]:
        if self._connection is None:
            self._connection = await Connection.open(self.run.endpoint)
        answer = await self._connection.ask("GET", path, {} if self.keeps else {"Connection": "close"})
        latency = time.monotonic() - due
        if not answer.body:
            raise Lost("an empty answer")
        if answer.head.closes or not self.keeps:
            last, self._connection = self._connection, None
            await last.finish()
        return latency, answer

    def _lose(self, due: float, path: str, what: str) -> None:
        self.run.seen.fail(due, self.kind, path, what)
        self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None


async def upload_again_and_again(run: Run, path: str) -> None:
    """A slow upload after the other; the answer must tell its size and digest."""
    body = bytes(range(256)) * (UPLOAD_BYTES // 256 + 1)
    body = body[:UPLOAD_BYTES]
    digest = hashlib.sha256(body).hexdigest().encode()

    async def slowly() -> AsyncIterator[bytes]:
        size = -(-UPLOAD_BYTES // UPLOAD_CHUNKS)
        for start in range(0, UPLOAD_BYTES, size):
            yield body[start : start + size]
            await asyncio.sleep(UPLOAD_SECONDS / UPLOAD_CHUNKS)

    async def once(connection: Connection) -> None:
        answer = await connection.upload(path, UPLOAD_BYTES, slowly())
        if digest not in answer.body or str(UPLOAD_BYTES).encode() not in answer.body:
            raise Lost(f"the answer is for another file: {answer.body[:120]!r}")

    await _again_and_again(run, "upload", path, UPLOAD_SECONDS, once)


async def ask_for_long_again_and_again(run: Run, path: str) -> None:
    """A response of many seconds after the other; each must come to its end."""

    async def once(connection: Connection) -> None:
        answer = await connection.ask("GET", path)
        if not answer.body.rstrip().endswith(b"done"):
            raise Lost(f"it ends with {answer.body[-40:]!r}")

    await _again_and_again(run, "long response", path, LONG_SECONDS, once)


async def _again_and_again(run: Run, kind: str, path: str, seconds: float, once: _Once) -> None:
    while time.monotonic() < run.until:
        began = time.monotonic()
        connection: Connection | None = None
        try:
            connection = await Connection.open(run.endpoint)
            await asyncio.wait_for(once(connection), seconds + ANSWER_SECONDS)
            run.seen.done[kind] += 1
        except asyncio.TimeoutError:
            run.seen.fail(began, kind, path, f"not at its end after {time.monotonic() - began:.0f} s")
        except Lost as error:
            run.seen.fail(began, kind, path, f"after {time.monotonic() - began:.1f} s: {error}")
        finally:
            if connection is not None:
                connection.abort()
        await run.wait(time.monotonic() + PAUSE)


async def talk(run: Run, path: str) -> None:
    """A WebSocket with a message each second; one that the server closes is recorded and made anew."""
    while time.monotonic() < run.until:
        began = time.monotonic()
        try:
            connection = await _open_socket(run.endpoint, path)
        except (OSError, websockets.WebSocketException, asyncio.TimeoutError) as error:
            run.seen.fail(began, "socket", path, f"no connection: {error!r}")
            await run.wait(began + PAUSE)
            continue
        run.seen.done["socket connection"] += 1
        await _exchange(run, path, connection)


async def _open_socket(endpoint: Endpoint, path: str) -> ClientConnection:
    scheme = "wss" if endpoint.context else "ws"
    return await connect(
        f"{scheme}://{endpoint.authority}{path}",
        host="127.0.0.1",
        port=endpoint.port,
        ssl=endpoint.context,
        server_hostname=endpoint.name if endpoint.context else None,
        proxy=None,
        compression=None,
        ping_interval=None,
        open_timeout=10,
        close_timeout=5,
    )


async def _exchange(run: Run, path: str, connection: ClientConnection) -> None:
    """Messages until the run or the connection ends."""
    try:
        for number in itertools.count():
            if time.monotonic() >= run.until:
                break
            await asyncio.wait_for(_echo(connection, f"message {number}"), MESSAGE_SECONDS)
            run.seen.done["socket message"] += 1
            with contextlib.suppress(asyncio.TimeoutError):
                # Waiting for its end tells at once when the server closes it; the next message then meets that.
                await asyncio.wait_for(connection.wait_closed(), PAUSE)
    except asyncio.TimeoutError:
        run.seen.fail(time.monotonic(), "socket", path, f"no echo in {MESSAGE_SECONDS} s")
    except websockets.ConnectionClosed as closed:
        frame = closed.rcvd
        run.seen.closings.append(
            Closing(time.monotonic(), frame.code if frame else 1006, frame.reason if frame else "without a word")
        )
    finally:
        await connection.close()


async def _echo(connection: ClientConnection, text: str) -> None:
    """Send a text and wait until it comes back; other messages may come between."""
    await connection.send(text)
    while await connection.recv() != text:
        pass


async def feel_the_pulse(run: Run) -> None:
    """How late this program itself is woken: delays of that size are not the server's."""
    for due in due_times(time.monotonic(), HEARTBEAT):
        now = time.monotonic()
        if now >= run.until:
            return
        if due > now:
            await asyncio.sleep(due - now)
            run.seen.lags.append((due, max(0.0, time.monotonic() - due)))
