"""The load program must be strict: whatever a server does wrong is counted, once, and nothing else is."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from bench import clients
from bench import load as program
from bench.clients import Run, due_times
from bench.figures import Seen
from bench.http_client import Lost, parse_chunk_size, parse_head
from bench.load import Load, LoadError, Options

Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GOOD = b"HTTP/1.1 200 OK\r\nX-Release: one\r\nContent-Length: 5\r\n\r\nhello"


def with_length(body: bytes, length: int, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % length, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body


def answering(answer: bytes, *, then: str = "") -> Streams:
    """A server that gives this answer to every request; `then` it closes or resets the connection."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(answer)
            await writer.drain()
            if then == "reset":
                # Closing a socket that lingers for no time sends a reset.
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            if then:
                break

    return serve_one


async def loaded(server: Streams, seconds: float = 0.3, **options: Any) -> dict[str, Any]:
    """The report of one client's load on a server in this very process."""
    async with listening_to(server) as port:
        return await program.load(given(port, seconds, **options), driven=False)


@asynccontextmanager
async def listening_to(server: Streams) -> AsyncIterator[int]:
    """The port of a server of which nothing is left afterwards."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        try:
            await server(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.01)


def given(port: int, seconds: float = 0.3, **options: Any) -> Options:
    return Options(
        **{
            "url": f"http://localhost:{port}",
            "seconds": seconds,
            "keeping": 1,
            "reconnecting": 0,
            "rate": 20.0,
            **options,
        }
    )


def lost_on(server: Streams, **options: Any) -> list[str]:
    report = asyncio.run(loaded(server, **options))
    assert len(report["failures"]) == report["failed"]
    return [failure["what"] for failure in report["failures"]]


class TestStrictness:
    @pytest.mark.parametrize(
        ("server", "what"),
        [
            (answering(b"", then="close"), "ended early, after 0 bytes"),
            (answering(b"", then="reset"), "ConnectionResetError"),
            (answering(GOOD[:20], then="close"), "ended early, after 20 bytes"),
            (answering(with_length(b"hel", 5), then="close"), "ended early, after 3 of 5 bytes"),
            (answering(with_length(b"hel", 5), then="reset"), "ConnectionResetError"),
            (answering(chunked(b"5\r\nhel"), then="close"), "ended early, after 3 of 5 bytes"),
            (answering(chunked(b"5\r\nhello\r\n"), then="close"), "ended early, after 0 bytes"),
            (answering(chunked(b"5\r\nhello\r\n0\r\n"), then="close"), "ended early, after 0 bytes"),
            (answering(chunked(b"2\r\nhello\r\n0\r\n\r\n"), then="close"), "a chunk that is longer than it said"),
            (answering(chunked(b"five\r\nhello\r\n0\r\n\r\n"), then="close"), "not the size of a chunk"),
            (answering(b"HTTP/1.1 200 OK\r\n\r\nhello", then="close"), "without a length"),
            (answering(b"hello\r\n\r\n", then="close"), "not an answer"),
            (answering(with_length(b"", 0)), "an empty answer"),
            (answering(with_length(b"sorry", 5, status=b"503 No")), "status 503"),
            (answering(with_length(b"moved", 5, b"Location: /", status=b"301 Moved")), "status 301"),
            (answering(with_length(b"", 0, status=b"404 Not Found")), "status 404"),
        ],
    )
    @pytest.mark.parametrize("keeping", [1, 0], ids=["kept", "new"])
    def test_each_request_that_a_server_spoils_is_lost(self, server: Streams, what: str, keeping: int) -> None:
        lost = lost_on(server, keeping=keeping, reconnecting=1 - keeping, seconds=0.2)
        assert 1 <= len(lost) <= 3
        assert all(what in one for one in lost), lost

    def test_a_refused_connection_is_a_loss(self) -> None:
        report = asyncio.run(program.load(given(1, seconds=0.2), driven=False))
        assert [failure["what"][:13] for failure in report["failures"]] == ["no connection"] * report["requests"]

    def test_a_connection_closed_without_a_word_costs_the_next_request(self) -> None:
        report = asyncio.run(loaded(answering(GOOD, then="close")))
        losses = [failure["what"] for failure in report["failures"]]
        assert len(losses) == report["requests"] // 2
        assert all("request 2 of its connection" in loss for loss in losses), losses

    def test_a_connection_that_the_server_said_it_would_close_costs_nothing(self) -> None:
        answer = with_length(b"hello", 5, b"Connection: Close")
        assert lost_on(answering(answer, then="close")) == []

    def test_bytes_too_many_are_a_loss(self) -> None:
        longer = with_length(b"hello, world", 5)
        assert all("not an answer" in loss for loss in lost_on(answering(longer)))
        assert lost_on(answering(longer)) != []
        lost = lost_on(answering(longer, then="close"), keeping=0, reconnecting=1)
        assert lost
        assert all("bytes after the end of the answer: b', world'" in loss for loss in lost)

    @pytest.mark.parametrize(
        "answer",
        [
            GOOD,
            chunked(b"5;name=value\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: yes\r\n\r\n"),
            b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + GOOD,
            with_length(b"made", 4, status=b"201 Created"),
        ],
    )
    def test_good_answers_are_no_losses(self, answer: bytes) -> None:
        report = asyncio.run(loaded(answering(answer)))
        assert report["failed"] == 0
        assert 2 <= report["requests"] <= 5

    def test_no_request_is_sent_twice(self) -> None:
        met: list[bytes] = []

        async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            met.append(await reader.readuntil(b"\r\n\r\n"))
            writer.transport.abort()

        report = asyncio.run(loaded(count))
        assert len(met) == report["requests"] == report["failed"]

    def test_an_answer_that_does_not_come_is_a_loss(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clients, "ANSWER_SECONDS", 0.1)
        assert set(lost_on(answering(b"HTTP/1.1 200"))) == {"no whole answer in 0.1 s"}

    def test_a_certificate_that_is_not_trusted_is_a_loss(self) -> None:
        lost = lost_on(answering(GOOD, then="close"), url="https://localhost:1", seconds=0.2)
        assert all(loss.startswith("no connection") for loss in lost)
        context = Options(url="https://localhost:1").endpoint().context
        assert context
        assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)


class TestParsing:
    def test_a_head(self) -> None:
        head = parse_head(b"HTTP/1.1 200 OK\r\nX-Release:  a:b \r\nConnection: keep-alive, close\r\n\r\n")
        assert (head.status, head.headers["x-release"], head.closes) == (200, "a:b", True)

    @pytest.mark.parametrize(
        "raw", [b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 20\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"]
    )
    def test_what_is_none(self, raw: bytes) -> None:
        with pytest.raises(Lost):
            parse_head(raw)

    def test_the_size_of_a_chunk(self) -> None:
        assert [parse_chunk_size(line) for line in (b"0\r\n", b"1f\r\n", b"A;x=y\r\n")] == [0, 31, 10]


class TestPacing:
    def test_a_schedule_does_not_move(self) -> None:
        assert list(itertools.islice(due_times(10.0, 0.25), 4)) == [10.0, 10.25, 10.5, 10.75]

    def test_clients_are_spread_evenly_over_their_interval_and_paths(self) -> None:
        options = Options(url="http://localhost:1", keeping=16, reconnecting=16, rate=8, paths=["/", "/api"])
        run = Run(options.endpoint(), Seen(0.0), until=1.0)
        made = program.visitors(options, run, start=100.0)
        assert [visitor.kind for visitor in made] == ["kept", "new"] * 16
        assert [visitor.keeps for visitor in made] == [True, False] * 16
        firsts = [visitor.first for visitor in made]
        assert firsts == pytest.approx([100 + number / 256 for number in range(32)])
        assert {visitor.interval for visitor in made} == {1 / 8}
        assert {tuple(visitor.paths) for visitor in made} == {("/", "/api"), ("/api", "/")}

    def test_a_stall_is_seen_by_every_request_that_was_due_in_it(self) -> None:
        """A client that waited and then went on from there would show one slow request only."""
        stalled = False

        async def stall_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal stalled
            for number in itertools.count():
                await reader.readuntil(b"\r\n\r\n")
                if number == 2 and not stalled:
                    stalled = True
                    await asyncio.sleep(1)
                writer.write(GOOD)

        report = asyncio.run(loaded(stall_once, seconds=2, rate=20.0))
        phase = report["phases"]["all"]
        assert phase["max"] > 900
        assert phase["p95"] > 700
        assert phase["p50"] > 10
        assert report["failed"] == 0
        assert report["requests"] == pytest.approx(38, abs=2)

    def test_both_kinds_ask_at_the_rate_that_is_given(self) -> None:
        report = asyncio.run(loaded(answering(GOOD), seconds=1.1, keeping=2, reconnecting=2, rate=25.0))
        kinds = report["phases"]["all"]["kinds"]
        assert kinds["kept"]["requests"] == pytest.approx(50, abs=3)
        assert kinds["new"]["requests"] == pytest.approx(50, abs=3)


class TestOptions:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"url": "https://example.com"},
            {"url": "https://10.0.0.1"},
            {"url": "ftp://localhost"},
            {"seconds": 1e9},
            {"seconds": 0},
            {"keeping": 1000},
            {"keeping": 128, "reconnecting": 0, "rate": 100},
            {"rate": 0},
            {"paths": []},
            {"paths": ["api"]},
            {"sockets": 1000},
        ],
    )
    def test_it_is_bounded_and_aims_at_this_machine_only(self, wrong: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"must|only|most|needed"):
            Options(**{"url": "https://localhost:8443", **wrong})

    def test_a_mistake_ends_the_program_with_2(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert program.main(["https://example.com"]) == 2
        assert "this machine only" in capsys.readouterr().err


def uploading(answer: bytes, *, early: bool) -> Streams:
    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST") and not early:
            await reader.readexactly(clients.UPLOAD_BYTES)
        writer.write(answer)
        await writer.drain()
        await asyncio.sleep(0.2)

    return serve_one


class TestLongRequests:
    @pytest.fixture(autouse=True)
    def _quickly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clients, "UPLOAD_BYTES", 1000)
        monkeypatch.setattr(clients, "UPLOAD_CHUNKS", 10)
        monkeypatch.setattr(clients, "UPLOAD_SECONDS", 0.3)

    def upload(self, server: Streams) -> dict[str, Any]:
        return asyncio.run(loaded(server, keeping=0, upload="/upload", seconds=0.3))

    def test_an_upload_whose_answer_tells_its_digest_is_complete(self) -> None:
        digest = hashlib.sha256((bytes(range(256)) * 4)[:1000]).hexdigest()
        body = json.dumps({"size": 1000, "sha256": digest}).encode()
        report = self.upload(uploading(with_length(body, len(body)), early=False))
        told = [failure["what"] for failure in report["failures"]]
        assert report["done"] == {"upload": 1}, told

    @pytest.mark.parametrize(
        ("answer", "early", "what"),
        [
            (with_length(b"{}", 2), False, "the answer is for another file"),
            (with_length(b"ok", 2), True, "answered before the body was sent: 200"),
            (with_length(b"big", 3, status=b"413 Too Large"), True, "status 413"),
        ],
    )
    def test_any_other_is_lost(self, answer: bytes, early: bool, what: str) -> None:
        report = self.upload(uploading(answer, early=early))
        assert report["failuresByKind"] == {"upload": 1}
        assert what in report["failures"][0]["what"]
        assert report["done"] == {}

    @pytest.mark.parametrize(
        ("body", "lost"), [(b"4\r\n1\n2\n\r\n5\r\ndone\n\r\n0\r\n\r\n", 0), (b"4\r\n1\n2\n\r\n0\r\n\r\n", 1)]
    )
    def test_a_long_response_must_come_to_its_end(self, body: bytes, lost: int) -> None:
        report = asyncio.run(loaded(answering(chunked(body)), keeping=0, long="/slow", seconds=0.3))
        assert report["failed"] == lost
        assert report["done"] == ({} if lost else {"long response": 1})


class TestSockets:
    async def talked(self, handler: Callable[[ServerConnection], Awaitable[None]], seconds: float) -> dict[str, Any]:
        async with serve(handler, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            return await program.load(given(port, seconds, keeping=0, socket="/ws", sockets=1), driven=False)

    def test_echoes_are_counted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(clients, "PAUSE", 0.1)

        async def echo(connection: ServerConnection) -> None:
            await connection.send("hello")
            async for message in connection:
                await connection.send(message)

        report = asyncio.run(self.talked(echo, 0.5))
        assert report["failed"] == 0
        assert report["done"]["socket connection"] == 1
        assert report["done"]["socket message"] >= 3

    def test_one_that_is_closed_while_nothing_is_switched_is_a_loss_and_made_anew(self) -> None:
        async def close(connection: ServerConnection) -> None:
            await connection.send(await connection.recv())
            await connection.close(1001, "the server stops")

        report = asyncio.run(self.talked(close, 0.5))
        assert report["failed"] >= 2
        assert {failure["what"] for failure in report["failures"]} == {"closed by the server, 1001 the server stops"}
        assert report["done"]["socket connection"] >= 2

    def test_one_that_is_cut_is_told_as_such(self) -> None:
        async def cut(connection: ServerConnection) -> None:
            await connection.recv()
            connection.transport.abort()

        report = asyncio.run(self.talked(cut, 0.3))
        assert report["failed"] >= 1
        assert {failure["what"] for failure in report["failures"]} == {"closed by the server, 1006 without a word"}

    def test_one_that_is_refused_is_a_loss(self) -> None:
        report = asyncio.run(loaded(answering(with_length(b"", 0, status=b"502 Bad")), 0.3, keeping=0, socket="/ws"))
        assert report["failed"] == 2
        assert "no connection" in report["failures"][0]["what"]


@contextmanager
def serving(server: Streams) -> Iterator[int]:
    """A server in a thread; gives its port."""
    ready, ports = threading.Event(), list[int]()
    stop: list[Callable[[], object]] = []

    async def main() -> None:
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with listening_to(server) as port:
            ports.append(port)
            stop.append(lambda: loop.call_soon_threadsafe(ended.set))
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    ready.wait()
    try:
        yield ports[0]
    finally:
        stop[0]()
        thread.join()


class TestProcess:
    def test_it_is_told_of_phases_and_gives_a_report_when_it_is_stopped(self) -> None:
        with serving(answering(GOOD)) as port, Load(given(port, seconds=60)) as load:
            load.phase("before")
            load.more(3)
            load.phase("switching", "one")
            load.more(3)
            assert load.stop() is load.report
        assert [span["name"] for span in load.report["spans"]] == ["start", "before", "switching"]
        assert load.report["spans"][2]["detail"] == "one"
        assert load.report["phases"]["switching"]["requests"] >= 3
        assert load.report["seconds"] < 30
        assert load.report["failed"] == 0

    def test_it_stops_by_itself_when_its_time_is_over(self) -> None:
        with (
            serving(answering(GOOD)) as port,
            Load(given(port, seconds=0.6)) as load,
            pytest.raises(LoadError, match="has ended with 0"),
        ):
            load.more(1000)
        assert 1 <= load.report["requests"] <= 11

    def test_a_load_that_was_killed_is_an_error(self) -> None:
        with serving(answering(GOOD)) as port:
            load = Load(given(port, seconds=60)).__enter__()
            load._process.kill()
            with pytest.raises(LoadError, match="no report"):
                load.stop()
