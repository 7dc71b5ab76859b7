"""The workflows are thin: every line that they run is a ./monopco command, and no action is used but the checkout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from recorder import PROJECT

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
CHECKOUT = re.compile(r"actions/checkout@[0-9a-f]{40}")


def read(path: Path) -> dict[Any, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def jobs(path: Path) -> Iterator[dict[str, Any]]:
    yield from read(path)["jobs"].values()


def test_there_is_one_for_each_part_of_the_way() -> None:
    assert [path.stem for path in WORKFLOWS] == ["check", "deploy", "drift", "preview", "previews-cleanup"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=[path.stem for path in WORKFLOWS])
class TestWorkflow:
    def test_every_step_is_a_command_of_the_project(self, path: Path) -> None:
        for job in jobs(path):
            for step in job["steps"]:
                if "uses" in step:
                    assert CHECKOUT.fullmatch(step["uses"]), step
                    assert step["with"]["persist-credentials"] is False
                else:
                    assert re.fullmatch(r'(\./monopco [^\n]*|cat report\.md >>"\$GITHUB_STEP_SUMMARY")', step["run"]), (
                        step
                    )

    def test_no_value_of_the_event_becomes_part_of_a_script(self, path: Path) -> None:
        assert [step["run"] for job in jobs(path) for step in job["steps"] if "${{" in step.get("run", "")] == []

    def test_it_may_no_more_than_it_must_and_not_for_ever(self, path: Path) -> None:
        assert read(path)["permissions"] == {}
        for job in jobs(path):
            assert job["permissions"]
            # All tests with real parts take longer than anything else, and only in the night.
            assert job["timeout-minutes"] <= (180 if job.get("if") == "github.event_name == 'schedule'" else 60)
            assert job["runs-on"] == "ubuntu-24.04"

    def test_a_run_of_the_night_and_a_push_do_not_cancel_each_other(self, path: Path) -> None:
        document = read(path)
        events, concurrency = document[True], document.get("concurrency", {})
        if "schedule" in events and len(events) > 1 and concurrency.get("cancel-in-progress"):
            assert "github.event_name" in concurrency["group"]

    def test_a_fork_gets_no_secret(self, path: Path) -> None:
        events = read(path)[True]  # YAML reads the key "on" so
        assert "pull_request_target" not in events
        for job in jobs(path):
            if "pull_request" in events and "secrets." in str(job):
                assert "head.repo.full_name == github.repository" in job["if"]
                assert job["environment"] == "preview"


def test_the_lease_of_a_deployment_is_the_time_limit_of_its_job() -> None:
    (job,) = jobs(PROJECT / ".github" / "workflows" / "deploy.yml")
    (lease,) = re.findall(r"--lease (\d+)", str(job))
    assert int(lease) == job["timeout-minutes"]
    assert read(PROJECT / ".github" / "workflows" / "deploy.yml")["concurrency"]["cancel-in-progress"] is False
