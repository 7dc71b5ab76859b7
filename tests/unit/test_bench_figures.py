"""What the measurements make of what they have seen."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench import machine
from bench.app import SAMPLE, App, Deployed
from bench.figures import Closing, Latencies, Mark, Seen, percentile, releases_of, report
from bench.rollback import Times
from bench.switches import SWITCHES, changes, summary, verdicts
from tests.integration.environment import PROJECT


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.99, 0),
        ([5.0], 0.5, 5),
        ([1.0, 2.0], 0.5, 1),
        ([float(number) for number in range(1, 101)], 0.99, 99),
        ([float(number) for number in range(1, 101)], 0.5, 50),
        ([float(number) for number in range(1, 1002)], 0.99, 991),
    ],
)
def test_percentile(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def seen() -> Seen:
    """A second of "before", two of building, three of a switch from "old" to "new", and one after it."""
    made = Seen(started=100.0)
    made.marks += [Mark(100.0, "before"), Mark(101.0, "building", "1 source"), Mark(103.0, "switching", "1 source")]
    made.marks.append(Mark(106.0, "between", "1 source"))
    for tenth in range(70):
        due = 100 + tenth / 10
        made.samples.add(due, 0.2 if 30 <= tenth < 35 else 0.01, "kept", "old" if tenth < 45 else "new")
    return made


class TestReport:
    def test_a_request_belongs_to_the_phase_in_which_it_was_due(self) -> None:
        made = seen()
        made.samples.add(102.99, 2.0, "new", "old")
        phases = report(made, 107.0)["phases"]
        assert {name: phase["requests"] for name, phase in phases.items()} == {
            "before": 10,
            "building": 21,
            "switching": 30,
            "between": 10,
        }
        assert phases["building"]["max"] == 2000
        assert phases["building"]["kinds"]["new"]["requests"] == 1
        assert (phases["before"]["p99"], phases["before"]["per_second"]) == (10, 10)

    def test_phases_of_one_name_are_taken_together_and_told_each(self) -> None:
        made = seen()
        made.marks.append(Mark(106.5, "before"))
        told = report(made, 107.0)
        assert told["phases"]["before"]["seconds"] == 1.5
        assert [span["name"] for span in told["spans"]].count("before") == 2

    def test_all_traffic_is_switched_with_the_last_answer_of_another_release(self) -> None:
        span = report(seen(), 107.0)["spans"][2]
        assert span["newest"] == "new"
        assert span["switchedAfter"] == pytest.approx(1.41, abs=0.001)
        assert span["releases"] == {"old": 15, "new": 15}
        assert span["slowestBySecond"] == [200, 10, 10]

    def test_where_one_release_answers_nothing_was_switched(self) -> None:
        assert releases_of([(1.0, 0.1, "kept", "a")]) == ({"a": 1}, "a", None)
        assert releases_of([]) == ({}, "", None)

    def test_losses_count_where_they_were_due_and_twenty_are_told(self) -> None:
        made = seen()
        for number in range(25):
            made.fail(103.5 + number / 100, "kept", "/", "reset")
        told = report(made, 107.0)
        assert (told["failed"], len(told["failures"])) == (25, 20)
        assert told["failures"][0] == {"at": 3.5, "kind": "kept", "path": "/", "what": "reset"}
        assert told["phases"]["switching"]["failures"] == 25
        assert told["phases"]["switching"]["requests"] == 55
        assert told["requests"] == 95

    @pytest.mark.parametrize(("at", "drained"), [(102.9, 0), (103.0, 1), (105.0, 1), (107.9, 1), (108.1, 0)])
    def test_a_socket_may_be_closed_by_a_switch_only(self, at: float, drained: int) -> None:
        made = seen()
        made.closings.append(Closing(at, 1001, "the server stops"))
        told = report(made, 110.0)
        assert told["socketsDrained"] == ({"1001": 1} if drained else {})
        assert told["failed"] == 1 - drained

    def test_latencies_of_nothing(self) -> None:
        assert Latencies.of(0, [], 0) == Latencies(0, 0, 0, 0.0, 0.0, 0.0, 0.0, 0.0)

    def test_own_delays_are_told_apart(self) -> None:
        made = seen()
        made.lags += [(100.5, 0.001), (104.0, 0.5)]
        phases = report(made, 107.0)["phases"]
        assert (phases["before"]["ownLag"]["max"], phases["switching"]["ownLag"]["max"]) == (1, 500)


class TestSwitches:
    def test_there_are_twenty_of_the_kinds_that_are_promised(self) -> None:
        assert Counter(switch.name for switch in SWITCHES) == {
            "source": 8,
            "rollback": 4,
            "environment": 2,
            "replicas 2 to 3": 1,
            "replicas 3 to 2": 1,
            "secret": 1,
            "nginx setting": 1,
            "certificate": 1,
            "memory limit": 1,
        }

    def test_a_rollback_follows_a_release_that_is_not_its_own(self) -> None:
        for before, switch in itertools.pairwise(SWITCHES):
            assert not (before.command == switch.command == ("rollback",))

    def told(self, **changes_of_seen: Any) -> dict[str, Any]:
        made = seen()
        for name, value in changes_of_seen.items():
            setattr(made, name, value)
        return report(made, 107.0)

    def test_building_is_part_of_the_time_to_switch(self) -> None:
        (change,) = changes(self.told())
        assert change["switchedAfter"] == pytest.approx(3.41)
        assert change["seconds"] == 5
        assert (change["buildingP99"], change["switchingP99"]) == (10, 200)

    def test_claims_are_judged(self) -> None:
        judged = {one["claim"]: one["holds"] for one in verdicts(self.told(done=Counter({"upload": 2})))}
        assert judged == {
            "no request is lost": True,
            "p99 ms while commands run": False,
            "slowest ms while commands run": True,
            "p99 ms while switching, no build": False,
            "requests per second": False,
            "every upload complete": True,
        }

    def test_a_switch_that_switched_nothing_is_a_problem(self) -> None:
        made = seen()
        made.samples.release = type(made.samples.release)("H", [made.samples.release[0]] * len(made.samples))
        kept = summary(report(made, 107.0), SWITCHES[:1], "")
        assert kept["problems"] == ["1 source: the same release answers as before"]
        assert summary(report(seen(), 107.0), SWITCHES[:1], "")["problems"] == []

    def test_switches_that_were_not_made_are_a_problem(self) -> None:
        problems = summary(report(seen(), 107.0), SWITCHES[:2], "it broke")["problems"]
        assert problems == ["it broke", "only 1 of 2 switches were made"]


class TestEdits:
    def deployed(self, folder: Path, app: App, content: str) -> Deployed:
        class Copy:
            config = {"app": {"source": "app"}}  # noqa: RUF012 - stands for an Environment's

        Copy.folder = folder  # type: ignore[attr-defined]
        file = folder / "app" / app.edited
        file.parent.mkdir(parents=True)
        file.write_text(content)
        return Deployed(Copy(), app)  # type: ignore[arg-type]

    def test_the_sample_app_has_the_text(self) -> None:
        assert SAMPLE.text in (PROJECT / "examples" / "app" / SAMPLE.edited).read_text()

    def test_a_text_gets_a_number_that_goes_up(self, tmp_path: Path) -> None:
        deployed = self.deployed(tmp_path, App(), "<h2>What runs</h2>")
        assert [deployed.edit().read_text() for _ in range(3)] == [f"<h2>What runs {n}</h2>" for n in (1, 2, 3)]

    def test_a_file_without_it_gets_a_comment(self, tmp_path: Path) -> None:
        deployed = self.deployed(tmp_path, App(), "code\n")
        assert [deployed.edit().read_text() for _ in range(2)] == ["code\n// edit 1\n", "code\n// edit 2\n"]


def test_ratios_are_of_the_same_run() -> None:
    times = Times(empty=[1, 2], start=[1, 2], build=[2, 4], publish=[5, 12], rollback=[3, 4])
    assert list(times.ratios().values()) == [[1.5, 1.0], [1.25, 1.5], [1.5, 2.0]]


def test_no_figure_is_told_without_its_spread() -> None:
    assert machine.spread([3.0, 1.0, 2.0]) == {"repetitions": 3, "median": 2.0, "min": 1.0, "max": 3.0}
    assert machine.spread([]) == {"repetitions": 0}
    assert machine.shown([3.0, 1.0, 2.0]) == "2.00 (1.00 to 3.00)"
