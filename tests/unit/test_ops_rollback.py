"""Where rollback and publish go, and what the list of releases marks."""

from __future__ import annotations

from typing import Any

import pytest
from registers import release

from ops import live, proxy, publish, register, rollback
from ops.errors import MISTAKE, CommandError
from ops.events import Outcome
from ops.proxy import Proxy
from ops.pulumi import Pulumi
from ops.register import Recorded
from ops.releases import _marks, commit
from ops.stack_file import StackFile

FIRST, SECOND, THIRD = release(1), release(2), release(3)
FILE = StackFile("dev", {}, {})


def front(live_release: str, *history: str) -> Proxy:
    return Proxy("monopco-dev-proxy", None, {"release": live_release, "history": list(history)})


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the proxy says and what is recorded, newest first; a test may change both."""
    world: dict[str, Any] = {"front": front(THIRD.id, FIRST.id, SECOND.id), "releases": [THIRD, SECOND, FIRST]}
    monkeypatch.setattr(proxy, "of_stack", lambda _stack, _host: world["front"])
    monkeypatch.setattr(register, "recorded", lambda _stack, _host: world["releases"])
    return world


def target(wanted: str = "") -> Recorded | None:
    return rollback._target(FILE, wanted)


class TestTarget:
    @pytest.mark.usefixtures("there")
    def test_it_is_the_good_one_before_the_live_one(self) -> None:
        assert target() == SECOND

    def test_one_that_cannot_be_started_any_more_is_passed_over(self, there: dict[str, Any]) -> None:
        there["releases"] = [THIRD, FIRST]
        assert target() == FIRST

    def test_the_live_one_is_passed_over(self, there: dict[str, Any]) -> None:
        there["front"] = front(THIRD.id, FIRST.id, THIRD.id)
        assert target() == FIRST

    def test_it_is_what_was_live_and_not_what_was_recorded_before(self, there: dict[str, Any]) -> None:
        """A checkpoint that was never published has proved nothing with visitors."""
        there["front"] = front(THIRD.id, FIRST.id)
        assert target() == FIRST

    @pytest.mark.usefixtures("there")
    def test_another_can_be_named(self) -> None:
        assert target(FIRST.id[:6]) == FIRST

    @pytest.mark.usefixtures("there")
    def test_one_that_is_live_already_is_nothing_to_do(self) -> None:
        assert target(THIRD.id) is None

    @pytest.mark.usefixtures("there")
    def test_one_that_is_not_there_is_a_mistake(self) -> None:
        with pytest.raises(CommandError, match=r"^zz is no release that can be started") as caught:
            target("zz")
        assert caught.value.code == MISTAKE

    def test_without_one_before_it_is_a_mistake_that_lists_the_others(self, there: dict[str, Any]) -> None:
        there["front"] = front(THIRD.id)
        with pytest.raises(CommandError) as caught:
            target()
        assert str(caught.value) == (
            f"No release was live before {THIRD.id}, so there is none to go back to. "
            f"Name one to go to (there are: {SECOND.id}, {FIRST.id})."
        )
        assert caught.value.code == MISTAKE

    def test_before_the_first_release_there_is_nothing_at_all(self, there: dict[str, Any]) -> None:
        there |= {"front": front(""), "releases": []}
        with pytest.raises(CommandError, match=r"^No release was live before the first one, .* \(there are: none\)\.$"):
            target()

    def test_without_a_proxy_nobody_knows_what_is_live(self, there: dict[str, Any]) -> None:
        there["front"] = None
        with pytest.raises(CommandError, match=r"^No proxy runs in stack dev; \./monopco up -s dev starts it\.$"):
            target()


class TestMarks:
    @pytest.mark.parametrize(
        ("state", "found", "expected"),
        [
            (front(THIRD.id, FIRST.id, SECOND.id), [THIRD, SECOND, FIRST], (THIRD.id, SECOND.id)),
            (front(THIRD.id, FIRST.id, SECOND.id), [THIRD, FIRST], (THIRD.id, FIRST.id)),
            (front(FIRST.id), [THIRD, SECOND, FIRST], (FIRST.id, "")),
            (front(THIRD.id, THIRD.id), [THIRD], (THIRD.id, "")),
            (front(""), [FIRST], ("", "")),
            (None, [FIRST], ("", "")),
        ],
        ids=["the usual", "one is gone", "nothing before", "only itself before", "nothing is live", "no proxy"],
    )
    def test_live_and_previous_are_marked(
        self, state: Proxy | None, found: list[Recorded], expected: tuple[str, str]
    ) -> None:
        assert _marks(found, state) == expected

    @pytest.mark.parametrize("history", [[FIRST.id, SECOND.id], [SECOND.id, FIRST.id], [SECOND.id, THIRD.id]])
    def test_previous_is_where_rollback_goes(self, there: dict[str, Any], history: list[str]) -> None:
        there["front"] = front(THIRD.id, *history)
        found = target()
        assert found is not None
        assert _marks(there["releases"], there["front"])[1] == found.id


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        ({"commit": "0123456789abcdef", "tag": "", "dirty": "false"}, "0123456789"),
        ({"commit": "0123456789abcdef", "tag": "v1", "dirty": "false"}, "v1"),
        ({"commit": "0123456789abcdef", "tag": "", "dirty": "true"}, "0123456789+"),
        ({"commit": "", "tag": "", "dirty": "true"}, ""),
        ({}, ""),
    ],
)
def test_a_commit_is_told_by_its_tag_and_whether_it_was_changed(labels: dict[str, str], shown: str) -> None:
    assert commit(release(1, **labels)) == shown


class TestPublish:
    @pytest.fixture
    def switched(self, monkeypatch: pytest.MonkeyPatch, there: dict[str, Any]) -> list[Recorded]:
        """What was made live, instead of doing so."""
        assert there["front"]
        made: list[Recorded] = []

        def switch_to(_file: StackFile, _pulumi: Pulumi, target: Recorded) -> Outcome:
            made.append(target)
            return Outcome(outputs={"release": target.id, "url": "https://localhost"})

        monkeypatch.setattr(Pulumi, "ensure", lambda _self: None)
        monkeypatch.setattr(live, "local_checks", lambda _file, _pulumi: None)
        monkeypatch.setattr(live, "switch_to", switch_to)
        return made

    def test_with_no_release_it_is_a_mistake_that_says_how_to_make_one(
        self, there: dict[str, Any], switched: list[Recorded]
    ) -> None:
        there["releases"] = []
        with pytest.raises(CommandError) as caught:
            publish.publish()
        assert str(caught.value) == ("There is no release to publish; ./monopco checkpoint -m TEXT -s dev makes one.")
        assert caught.value.code == MISTAKE
        assert switched == []

    def test_the_newest_is_published_when_none_is_named(self, there: dict[str, Any], switched: list[Recorded]) -> None:
        there["front"] = front(FIRST.id)
        publish.publish()
        assert switched == [THIRD]

    def test_another_can_be_named(self, switched: list[Recorded]) -> None:
        publish.publish(FIRST.id[:6])
        assert switched == [FIRST]

    def test_the_live_one_is_not_published_again(self, switched: list[Recorded]) -> None:
        publish.publish()
        assert switched == []

    def test_the_first_one_needs_no_proxy_yet(self, there: dict[str, Any], switched: list[Recorded]) -> None:
        there["front"] = None
        publish.publish()
        assert switched == [THIRD]
