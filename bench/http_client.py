"""An HTTP/1.1 client that forgives nothing, which no ready-made one can be made to be.

It sends each request once on one connection. Whatever is not a whole, well-formed answer of a good status is `Lost`:
a refused or reset connection, one that the server closed without having said so, a body that ends early, a wrong
length, bytes that nobody asked for.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

CONNECT_SECONDS = 10
FINISH_SECONDS = 1
_LIMIT = 2**18


class Lost(Exception):  # noqa: N818 - it is the outcome that is counted
    """A request that got no good answer; the text says how it was lost."""


@dataclass(frozen=True)
class Endpoint:
    """Where the connections go: to this machine or a private address, whatever the name in the URL."""

    name: str
    port: int
    context: ssl.SSLContext | None
    address: str = "127.0.0.1"

    @property
    def authority(self) -> str:
        return self.name if self.port == (443 if self.context else 80) else f"{self.name}:{self.port}"


@dataclass(frozen=True)
class Head:
    """Status and headers of an answer; names are in lower case."""

    status: int
    headers: Mapping[str, str]

    @property
    def closes(self) -> bool:
        """Whether the server said that this is the connection's last answer."""
        return "close" in self.headers.get("connection", "").lower()


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    head: Head
    body: bytes

    @property
    def release(self) -> str:
        return self.head.headers.get("x-release", "")


class Connection:
    """One connection; after anything but an answer that keeps it open it is of no use."""

    def __init__(self, endpoint: Endpoint, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._endpoint, self._reader, self._writer = endpoint, reader, writer
        self.asked = 0

    @classmethod
    async def open(cls, endpoint: Endpoint) -> Connection:
        opening = asyncio.open_connection(
            endpoint.address,
            endpoint.port,
            limit=_LIMIT,
            ssl=endpoint.context,
            server_hostname=endpoint.name if endpoint.context else None,
        )
        try:
            return cls(endpoint, *await asyncio.wait_for(opening, CONNECT_SECONDS))
        except asyncio.TimeoutError:
            raise Lost(f"no connection in {CONNECT_SECONDS} s") from None
        except OSError as error:
            raise Lost(f"no connection: {error!r}") from None

    async def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a request without a body."""
        await self.send(self._request(method, path, headers or {}))
        return await self.answer()

    async def upload(self, path: str, length: int, chunks: AsyncIterator[bytes]) -> Answer:
        """The answer to a POST whose body comes in time. An answer before its end is a refusal."""
        await self.send(self._request("POST", path, {"Content-Length": str(length)}))
        answering = asyncio.ensure_future(self.answer())
        try:
            async for chunk in chunks:
                if answering.done():
                    raise Lost(f"answered before the body was sent: {(await answering).head.status}")
                await self.send(chunk)
            return await answering
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    async def send(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise self._lost(f"{error!r} while sending") from None

    async def answer(self) -> Answer:
        """Read one answer. A status other than 2xx is `Lost`, its body being read or not."""
        try:
            head = await self._head()
            body = await self._body(head)
        except asyncio.IncompleteReadError as error:
            expected = f" of {error.expected}" if error.expected else ""
            raise self._lost(f"the connection ended early, after {len(error.partial)}{expected} bytes") from None
        except asyncio.LimitOverrunError:
            raise self._lost("a line or head that does not end") from None
        except OSError as error:
            raise self._lost(f"{error!r} while reading") from None
        self.asked += 1
        if not 200 <= head.status < 300:
            raise Lost(f"status {head.status}: {body[:80]!r}")
        return Answer(head, body)

    async def finish(self) -> None:
        """Close after the last answer. On a connection that goes on, bytes too many are met as the next answer."""
        try:
            more = await asyncio.wait_for(self._reader.read(80), FINISH_SECONDS)
        except (OSError, asyncio.TimeoutError):
            more = b""
        self._writer.close()
        if more:
            raise Lost(f"bytes after the end of the answer: {more!r}")

    def abort(self) -> None:
        self._writer.transport.abort()

    def _request(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._endpoint.authority}", "User-Agent: monopco-load"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _lost(self, what: str) -> Lost:
        return Lost(f"{what} (request {self.asked + 1} of its connection)")

    async def _head(self) -> Head:
        head = parse_head(await self._reader.readuntil(b"\r\n\r\n"))
        while head.status < 200:
            head = parse_head(await self._reader.readuntil(b"\r\n\r\n"))
        return head

    async def _body(self, head: Head) -> bytes:
        if head.status in (204, 304):
            return b""
        if "chunked" in head.headers.get("transfer-encoding", "").lower():
            return await self._chunks()
        length = head.headers.get("content-length", "")
        if not length.isdecimal():
            raise Lost("an answer without a length: whether it was cut cannot be told")
        return await self._reader.readexactly(int(length))

    async def _chunks(self) -> bytes:
        parts: list[bytes] = []
        while size := parse_chunk_size(await self._reader.readuntil(b"\r\n")):
            parts.append(await self._reader.readexactly(size))
            if await self._reader.readexactly(2) != b"\r\n":
                raise Lost("a chunk that is longer than it said")
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass  # trailers
        return b"".join(parts)


def parse_head(raw: bytes) -> Head:
    """A status line and headers. Raises Lost when they are none."""
    first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
    version, _, rest = first.partition(" ")
    status = rest[:3]
    if not version.startswith("HTTP/1.") or not status.isdecimal() or len(status) != 3:
        raise Lost(f"not an answer: {first[:80]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Lost(f"not a header: {line[:80]!r}")
        headers[name.strip().lower()] = value.strip()
    return Head(int(status), headers)


def parse_chunk_size(line: bytes) -> int:
    """The size that a chunk's first line gives; what stands behind a semicolon is of no matter."""
    digits = line.partition(b";")[0].strip()
    try:
        return int(digits, 16)
    except ValueError:
        raise Lost(f"not the size of a chunk: {line[:40]!r}") from None
