"""Pulumi's errors in words for people, with the right exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest

from ops import locks, pulumi
from ops.containers import container
from ops.errors import FAILED, MISTAKE, CommandError
from ops.pulumi import Pulumi, plain
from ops.status import since

PROGRAM = """\
#!/bin/sh
cat "$(dirname "$0")/events"
cat "$(dirname "$0")/complaints" >&2
exit "$(cat "$(dirname "$0")/code")"
"""


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where a test writes what Pulumi says."""
    program = tmp_path / "pulumi"
    program.write_text(PROGRAM, encoding="utf-8")
    program.chmod(0o755)
    for name, content in (("events", ""), ("complaints", ""), ("code", "1")):
        (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(pulumi, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(pulumi, "PROJECT", tmp_path)
    return tmp_path


def error(said: Path, *, message: str = "", complaint: str = "") -> CommandError:
    events = [{"diagnosticEvent": {"severity": "error", "message": message, "urn": ""}}] if message else []
    (said / "events").write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")
    (said / "complaints").write_text(complaint, encoding="utf-8")
    with pytest.raises(CommandError) as caught:
        Pulumi("dev").operate("up")
    return caught.value


def test_a_run_that_succeeds_has_an_outcome(said: Path) -> None:
    (said / "code").write_text("0", encoding="utf-8")
    (said / "events").write_text('{"summaryEvent": {"resourceChanges": {"create": 3}}}\n', encoding="utf-8")
    assert Pulumi("dev").operate("up").changed == 3


def test_mistakes_in_the_configuration_are_shown_as_they_are(said: Path) -> None:
    caught = error(said, message="2 mistakes in the configuration; nothing was touched\n  - a: b\n  - c: d\n")
    assert str(caught) == "2 mistakes in the configuration; nothing was touched\n  - a: b\n  - c: d"
    assert caught.code == MISTAKE


def test_any_other_error_is_a_failure(said: Path) -> None:
    caught = error(said, message="Docker does not answer\n")
    assert (str(caught), caught.code) == ("Docker does not answer", FAILED)


def test_a_killed_pulumi_is_told(said: Path) -> None:
    (said / "pulumi").write_text("#!/bin/sh\nkill -KILL $$\n", encoding="utf-8")
    assert str(error(said)) == "Pulumi was killed by signal 9 and said nothing. The next run goes on from where it was."


def test_a_wrong_passphrase_is_told_with_its_file(said: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "/project/.state/passphrase")
    caught = error(said, complaint="error: get stack secrets manager: incorrect passphrase\n")
    assert str(caught).startswith(
        "The passphrase in /project/.state/passphrase is not the one that stack dev was made with."
    )
    assert caught.code == MISTAKE


def test_a_lock_is_told_with_its_holder(said: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.delenv("PULUMI_ACCESS_TOKEN", raising=False)
    folder = said / "locks"
    (folder / "dev").mkdir(parents=True)
    fields = {"pid": 7, "username": "anna", "hostname": "elsewhere", "timestamp": "2026-11-23T07:00:00Z"}
    (folder / "dev" / "a.json").write_text(json.dumps(fields), encoding="utf-8")
    held = locks.of_stack("dev", folder)
    monkeypatch.setattr(locks, "of_stack", lambda _stack: held)
    caught = error(said, complaint="error: the stack is currently locked by 1 lock(s). Either wait …\n  file:///…\n")
    assert "- anna on elsewhere (process 7) since 2026-11-23 " in str(caught)
    assert str(caught).endswith("pulumi cancel --stack dev")
    assert caught.code == FAILED


@pytest.mark.parametrize("run", [Pulumi.check, Pulumi.outputs])
def test_notes_beside_the_state_that_a_kill_cut_short_are_removed_by_every_run(
    said: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[[Pulumi], object]
) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.delenv("PULUMI_ACCESS_TOKEN", raising=False)
    monkeypatch.setattr(pulumi, "STATE", said)
    folder = said / ".pulumi" / "stacks" / "monopco"
    folder.mkdir(parents=True)
    for name, text in (("dev.json", ""), ("dev.json.attrs", '{"md5"'), ("dev.json.bak.attrs", '{"md5": ""}')):
        (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(CommandError):
        run(Pulumi("dev"))
    assert sorted(file.name for file in folder.iterdir()) == ["dev.json", "dev.json.bak.attrs"]


def test_a_traceback_goes_to_a_file_and_leaves_its_last_line(said: Path) -> None:
    text = 'Program failed:\nTraceback (most recent call last):\n  File "x"\nValueError: boom\n\n'
    assert plain(text) == "ValueError: boom\n  (all of it: logs/last-error.log)"
    assert (said / "logs" / "last-error.log").read_text(encoding="utf-8") == text.strip()


@pytest.mark.parametrize(
    ("said_by_the_plugin", "told"),
    [
        ('Process exited with status 1: running "if [ 1 ]; then\\n  echo \\"a\\"":\nno memory', "no memory"),
        (
            'exit status 1: running "#!/bin/sh\\nset -eu\\nprintf \\"%s\\\\n\\" \\"$A\\"\\n":\nNo answer.\n',
            "No answer.",
        ),
        ('exit status 130: running "echo \\\\": end', ": end"),
        ('exit status 3: running "" failed', ""),
        ('before: exit status 1: running "a":\nafter "quoted" text', 'before: after "quoted" text'),
        (
            'exit status 1: running "a":\none\n\nexit status 2: running "b":\ntwo',
            "one\n\ntwo",
        ),
        ('exit status 1: nothing of ours is "quoted"', 'exit status 1: nothing of ours is "quoted"'),
        ("error: plain words", "plain words"),
    ],
    ids=[
        "on a server",
        "a script",
        "a backslash at its end",
        "nothing said",
        "in the middle",
        "two of them",
        "another",
        "no script",
    ],
)
def test_the_script_that_the_command_plugin_quotes_is_left_out(said_by_the_plugin: str, told: str) -> None:
    assert plain(said_by_the_plugin).strip() == told


@pytest.mark.parametrize(
    ("said_by_the_plugin", "what_to_do"),
    [
        (
            "connecting to a:22: after 2 failed attempts: ssh: handshake failed: ssh: unable to authenticate",
            "authorized_keys",
        ),
        ("connecting to a:22: ssh: handshake failed: ssh: host key mismatch", "monopco:server.hostKey"),
    ],
)
def test_what_a_server_is_refused_for_comes_with_what_to_do(said_by_the_plugin: str, what_to_do: str) -> None:
    first, second = plain(said_by_the_plugin).split("\n")
    assert first == said_by_the_plugin
    assert what_to_do in second


def test_what_a_killed_run_had_begun_is_read_from_the_projects_own_state(
    said: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.delenv("PULUMI_ACCESS_TOKEN", raising=False)
    monkeypatch.setattr(pulumi, "STATE", said)
    assert Pulumi("dev").pending() == []
    path = said / ".pulumi" / "stacks" / "monopco" / "dev.json"
    path.parent.mkdir(parents=True)
    for latest, expected in (
        (None, []),
        ({}, []),
        ({"pending_operations": None}, []),
        ({"pending_operations": [{"type": "creating"}]}, [{"type": "creating"}]),
    ):
        path.write_text(json.dumps({"checkpoint": {"latest": latest}}), encoding="utf-8")
        assert Pulumi("dev").pending() == expected


def test_what_a_killed_run_had_begun_is_asked_of_another_backend(said: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    (said / "code").write_text("0", encoding="utf-8")
    (said / "events").write_text('{"deployment": {"pending_operations": [{"type": "creating"}]}}', encoding="utf-8")
    assert Pulumi("dev").pending() == [{"type": "creating"}]


def test_forgetting_what_was_begun_leaves_the_rest_of_the_state(said: Path) -> None:
    (said / "code").write_text("0", encoding="utf-8")
    state = {"version": 3, "deployment": {"resources": [{"urn": "a"}], "pending_operations": [{"type": "creating"}]}}
    (said / "events").write_text(json.dumps(state), encoding="utf-8")
    (said / "pulumi").write_text(
        '#!/bin/sh\ncd "$(dirname "$0")"\nif [ "$2" = import ]; then cp "$4" imported; else cat events; fi\n',
        encoding="utf-8",
    )
    Pulumi("dev").forget_pending()
    imported = json.loads((said / "imported").read_text(encoding="utf-8"))
    assert imported == {"version": 3, "deployment": {"resources": [{"urn": "a"}]}}


def inspected(**state: object) -> dict[str, object]:
    return {
        "Name": "/monopco-dev-proxy",
        "Config": {"Labels": {"dev.monopco.component": "proxy", "dev.monopco.release": "1a2b"}},
        "State": {"Status": "running", "StartedAt": "2026-11-23T07:00:00.123456789Z", **state},
        "HostConfig": {
            "PortBindings": {
                "8080/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
                "8443/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8443"}, {"HostIp": "::1", "HostPort": "8443"}],
            }
        },
    }


def test_a_container_is_read_from_what_docker_says() -> None:
    proxy = container(inspected(Health={"Status": "healthy"}))
    assert (proxy.name, proxy.component, proxy.release) == ("monopco-dev-proxy", "proxy", "1a2b")
    assert proxy.ports == (8080, 8443)
    assert proxy.well


@pytest.mark.parametrize(
    ("state", "well"),
    [
        ({}, True),
        ({"Health": {"Status": "starting"}}, False),
        ({"Health": {"Status": "unhealthy"}}, False),
        ({"Status": "exited"}, False),
        ({"Status": "restarting"}, False),
    ],
)
def test_a_container_is_well_when_it_runs_and_is_not_unhealthy(state: dict[str, object], well: bool) -> None:
    assert container(inspected(**state)).well is well


@pytest.mark.parametrize(
    ("started", "shown"),
    [
        ("2026-11-23T07:00:00.1Z", "5 s"),
        ("2026-11-23T06:00:00Z", "1 h"),
        ("2026-11-20T07:00:00Z", "3 d"),
        ("2026-11-23T06:55:00Z", "5 min"),
        ("", ""),
    ],
)
def test_times_are_told_in_their_largest_unit(started: str, shown: str) -> None:
    assert since(started, datetime(2026, 11, 23, 7, 0, 5, tzinfo=timezone.utc)) == shown
