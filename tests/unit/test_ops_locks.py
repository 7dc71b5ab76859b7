"""Who holds a stack, since when, from where."""

from __future__ import annotations

import json
import os
import socket
from datetime import datetime, timezone
from pathlib import Path

import pytest

from ops import locks


def write(folder: Path, name: str, **fields: object) -> None:
    content = {"pid": 123, "username": "anna", "hostname": "laptop", "timestamp": "2026-11-23T07:00:00.5Z", **fields}
    (folder / "dev").mkdir(exist_ok=True)
    (folder / "dev" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_lock_tells_who_where_and_since_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    write(tmp_path, "a")
    (lock,) = locks.of_stack("dev", tmp_path)
    assert str(lock).startswith("anna on laptop (process 123) since 2026-11-23 ")
    assert lock.since.isoformat() == "2026-11-23T07:00:00.500000+00:00"


@pytest.mark.parametrize(
    ("timestamp", "microsecond"),
    [
        ("2026-11-23T07:00:00Z", 0),
        ("2026-11-23T07:00:00.123456789Z", 123456),
        ("2026-11-23T08:00:00.12+01:00", 120000),
        ("2026-11-23T07:00:00.1234567+00:00", 123456),
    ],
)
def test_every_form_of_gos_time_is_read(tmp_path: Path, timestamp: str, microsecond: int) -> None:
    write(tmp_path, "a", timestamp=timestamp)
    (lock,) = locks.of_stack("dev", tmp_path)
    assert (lock.since.timestamp() // 1, lock.since.microsecond) == (1795417200, microsecond)


def test_locks_come_oldest_first_and_only_the_stacks_own(tmp_path: Path) -> None:
    write(tmp_path, "b", pid=2, timestamp="2026-11-23T08:00:00Z")
    write(tmp_path, "a", pid=1, timestamp="2026-11-23T09:00:00Z")
    assert [lock.process for lock in locks.of_stack("dev", tmp_path)] == [2, 1]
    assert locks.of_stack("prod", tmp_path) == []


def test_a_lock_that_is_being_written_is_none(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "a.json").write_text("{", encoding="utf-8")
    assert locks.of_stack("dev", tmp_path) == []


def proc(folder: Path, process: int, name: str) -> Path:
    (folder / "proc" / str(process)).mkdir(parents=True)
    (folder / "proc" / str(process) / "comm").write_text(f"{name}\n", encoding="utf-8")
    return folder / "proc"


@pytest.mark.parametrize(("name", "abandoned"), [("pulumi", False), ("bash", True)])
def test_a_lock_is_abandoned_when_its_process_number_is_anothers(tmp_path: Path, name: str, abandoned: bool) -> None:
    write(tmp_path, "a", hostname=socket.gethostname())
    (lock,) = locks.of_stack("dev", tmp_path)
    assert lock.abandoned(proc(tmp_path, 123, name)) is abandoned


def test_a_lock_of_an_ended_process_is_abandoned(tmp_path: Path) -> None:
    write(tmp_path, "a", hostname=socket.gethostname())
    (lock,) = locks.of_stack("dev", tmp_path)
    assert lock.abandoned(proc(tmp_path, os.getpid(), "pulumi"))


def test_of_a_lock_from_elsewhere_nobody_can_tell(tmp_path: Path) -> None:
    write(tmp_path, "a", hostname="elsewhere")
    (lock,) = locks.of_stack("dev", tmp_path)
    assert not lock.abandoned(proc(tmp_path, 1, "init"))


def test_who_holds_a_stack_elsewhere_is_read_from_pulumis_refusal() -> None:
    refusal = (
        "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the "
        "lock file with `pulumi cancel`.\n  s3://states/.pulumi/locks/organization/monopco/prod/91.json?region=x: "
        "created by ann@laptop (pid 4711) at 2026-11-25T05:32:45Z"
    )
    (lock,) = locks.told(refusal)
    assert (lock.user, lock.host, lock.process) == ("ann", "laptop", 4711)
    assert lock.since == datetime(2026, 11, 25, 5, 32, 45, tzinfo=timezone.utc)
    assert locks.told("something else") == []
