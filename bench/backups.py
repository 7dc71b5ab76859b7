"""Backups of 1 GB: what they take, beside the plainest way of doing the same, and what the app feels of them."""

from __future__ import annotations

import http.client
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.results import OURS, Figure, Ratio, Row
from tests.integration.environment import Environment, docker, wait_until

# Random digits, which shrink by half at most: about 290 bytes a row. A file has 1 GB at most and is one process's work,
# so they lie in some tables, as an app's do.
_TABLES, _ROWS = 4, 3_500_000
_FILL = "".join(
    f"CREATE TABLE bench_filling_{number} AS SELECT n, md5(n::text) || md5('a' || n) || md5('b' || n) || md5('c' || n)"  # noqa: S608
    " || md5('d' || n) || md5('e' || n) || md5('f' || n) || md5('g' || n) AS text"
    f" FROM generate_series({number} * {_ROWS // _TABLES} + 1, {number + 1} * {_ROWS // _TABLES}) AS n;\n"
    for number in range(_TABLES)
)
# Segments of the log of changes that are not in the archive yet. A backup waits for them, and filling leaves many.
_WAITING = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'"
_REPEATED = 3
_BASE = "rm -rf /scratch/base && pg_basebackup --host=/var/lib/postgresql/socket --username=postgres --checkpoint=fast"
_COPY = "rm -rf /scratch/copy && cp -a /var/lib/postgresql/17/main /scratch/copy && sync --file-system /scratch/copy"
_RESTORE = (
    "rm -rf /scratch/bench && mkdir -m 0700 /scratch/bench"
    " && pgbackrest --stanza=monopco restore --pg1-path=/scratch/bench --archive-mode=off --process-max=2"
)


@dataclass(frozen=True)
class _Pair:
    """Seconds of a way of ours and of the plain one, in turns."""

    ours: list[float]
    plain: list[float]


def measure(environment: Environment) -> Figure:
    """Fill the database, and take turns: each has three runs."""
    keeper, database = environment.container("backups"), environment.container("database")
    wait_until(lambda: "F" in docker("exec", keeper, "backups", "list"), "the first backup is made")

    def ask(sql: str) -> str:
        return docker("exec", "--interactive", database, "psql", "-qtA", "-U", "postgres", "-d", "monopco", stdin=sql)

    # As autovacuum leaves it: who reads rows for the first time writes to their pages, and to the log.
    ask(f"{_FILL}VACUUM;\nCHECKPOINT;")
    wait_until(lambda: ask(_WAITING) == "0", "all of it is in the archive")
    size = float(ask("SELECT pg_database_size('monopco')"))

    def inside(command: str) -> Callable[[], object]:
        return lambda: docker("exec", keeper, "sh", "-euc", command)

    backup = _pair(inside("backups take full --quiet"), inside(f"{_BASE} --pgdata=/scratch/base"))
    restore = _pair(inside(_RESTORE), inside(_COPY))
    nothing = _again_and_again(inside("backups take diff --quiet"))
    usual = _slow(_latencies(environment, lambda: time.sleep(10)))
    meanwhile = _slow(_latencies(environment, inside("backups take full --quiet")))
    inside("rm -rf /scratch/base /scratch/copy /scratch/bench")()

    return Figure(
        name="backups",
        title=f"Backups of {size / 1e9:.2f} GB",
        rows=[
            *_rows("full backup", backup, "pg_basebackup"),
            *_rows("restore of the files", restore, "a copy"),
            Row.told("backup when nothing has changed", OURS, "s", nothing),
            Row.told("p95 of the app while a full backup runs", OURS, "ms", [1000 * meanwhile]),
            Row.told("p95 of the app", "usual", "ms", [1000 * usual]),
        ],
        ratios=[
            Ratio.of("full backup by pg_basebackup", backup.ours, backup.plain, 1.3),
            Ratio.of("restore of the files by a copy", restore.ours, restore.plain, 1.5),
            Ratio.of("p95 of the app while a full backup runs, by its usual one", [meanwhile], [usual], 1.5),
        ],
        notes=[
            (
                "The full backup is checked page by page, compressed and encrypted; `pg_basebackup` does none of that."
                f" The data lies in {_TABLES} tables, which two processes share."
            ),
        ],
    )


def _rows(what: str, pair: _Pair, plain: str) -> list[Row]:
    return [Row.told(what, OURS, "s", pair.ours), Row.told(what, plain, "s", pair.plain)]


def _pair(ours: Callable[[], object], plain: Callable[[], object]) -> _Pair:
    seconds = [(_seconds(ours), _seconds(plain)) for _ in range(_REPEATED)]
    return _Pair([mine for mine, _ in seconds], [plain for _, plain in seconds])


def _again_and_again(work: Callable[[], object]) -> list[float]:
    return [_seconds(work) for _ in range(_REPEATED)]


def _seconds(work: Callable[[], object]) -> float:
    subprocess.run(["sync"], check=True)
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _latencies(environment: Environment, work: Callable[[], object]) -> list[float]:
    """Of requests that read the database, 50 a second on one connection, while `work` is done."""
    connection = http.client.HTTPSConnection("localhost", environment.https_port, context=environment.trust())
    doing = threading.Thread(target=work)
    doing.start()
    found = []
    try:
        while doing.is_alive():
            started = time.monotonic()
            connection.request("GET", "/api/notes")
            connection.getresponse().read()
            found.append(time.monotonic() - started)
            time.sleep(max(0.0, 0.02 - found[-1]))
    finally:
        doing.join()
        connection.close()
    return found


def _slow(latencies: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(latencies, n=20)[-1]
