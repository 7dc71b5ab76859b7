"""The plugin "command" on this machine, as a program and the engine see it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.integration.engine import Engine
from tests.integration.environment import wait_until
from tests.integration.pulumi_project import PulumiError

MARKED = "marked-value-4711"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(tmp_path / "project")


def lifelike(history: Path, *, greeting: str = "one", trigger: int = 1) -> str:
    """A command that writes into a history what it is told at each moment of its life."""
    return f"""
    command.local.Command(
        "life",
        create="echo create $GREETING $(cat) >> $HISTORY; echo out-$GREETING; echo err-$GREETING >&2",
        update="echo update $GREETING after $PULUMI_COMMAND_STDOUT $PULUMI_COMMAND_STDERR >> $HISTORY; echo out2",
        delete="echo delete $GREETING after $PULUMI_COMMAND_STDOUT $(cat) >> $HISTORY",
        stdin="in-{greeting}",
        environment={{"GREETING": "{greeting}", "HISTORY": "{history}"}},
        triggers=[{trigger}, {{"any": ["thing"]}}],
    )
    """


def test_a_command_lives_from_creation_to_deletion(engine: Engine, tmp_path: Path) -> None:
    history = tmp_path / "history"
    engine.write(lifelike(history))
    assert engine.preview().operations == {"life": "create"}
    assert not history.exists(), "a preview ran the command"
    assert engine.up().operations == {"life": "create"}
    outputs = engine.outputs("life")
    assert (outputs["stdout"], outputs["stderr"]) == ("out-one", "err-one")

    assert engine.up().changes == {}
    assert engine.refresh().changes == {}
    assert engine.outputs("life") == outputs

    engine.write(lifelike(history, greeting="two"))
    planned = engine.preview().steps["life"]
    assert planned.operation == "update"
    assert set(planned.differences) == {"environment.GREETING", "stdin"}
    assert engine.up().changes == {"life": "update"}
    assert engine.outputs("life")["stdout"] == "out2"

    engine.write(lifelike(history, greeting="three", trigger=2))
    assert engine.preview().operations == {"life": "create-replacement"}
    replaced = engine.up()
    assert replaced.changes == {"life": "create-replacement"}
    assert replaced.order[-1] == "delete-replaced life"

    assert engine.destroy().operations == {"life": "delete"}
    assert history.read_text(encoding="utf-8").splitlines() == [
        "create one in-one",
        "update two after out-one err-one",
        "create three in-three",
        "delete two after out2 in-two",
        "delete three after out-three in-three",
    ]


@pytest.mark.long
def test_without_an_update_command_the_create_command_runs_again(engine: Engine) -> None:
    engine.write('command.local.Command("c", create="echo $N after $PULUMI_COMMAND_STDOUT", environment={"N": "1"})')
    engine.up()
    engine.write('command.local.Command("c", create="echo $N after $PULUMI_COMMAND_STDOUT", environment={"N": "2"})')
    engine.up()
    assert engine.outputs("c")["stdout"] == "2 after 1 after"
    engine.write(
        """
        command.local.Command(
            "c",
            create="echo $N after $PULUMI_COMMAND_STDOUT",
            environment={"N": "3"},
            add_previous_output_in_env=False,
        )
        """
    )
    engine.up()
    assert engine.outputs("c")["stdout"] == "3 after"


def test_a_failed_command_shows_what_it_wrote_and_leaves_the_state_as_it_was(engine: Engine) -> None:
    engine.write('command.local.Command("c", create="echo to-out; echo to-err >&2; exit 3")')
    failure = engine.try_up().failure
    assert "exit status 3" in failure
    assert "to-out" in failure
    assert "to-err" in failure
    assert engine.project.resources() == {}

    engine.write('command.local.Command("c", create="echo good")')
    engine.up()
    engine.write('command.local.Command("c", create="echo good", update="echo bad; exit 4")')
    assert "bad" in engine.try_up().failure
    assert engine.outputs("c")["stdout"] == "good"
    assert "update" not in engine.outputs("c")
    engine.write('command.local.Command("c", create="echo good", update="echo better")')
    assert engine.up().changes == {"c": "update"}
    assert engine.outputs("c")["stdout"] == "better"


def test_a_secret_is_nowhere_in_clear(engine: Engine, tmp_path: Path) -> None:
    received, arguments = tmp_path / "received", tmp_path / "arguments"
    program = f"""
    command.local.Command(
        "c",
        create="cat > {received}; echo $TOKEN >> {received}; cat /proc/[0-9]*/cmdline > {arguments} || true",
        delete="echo the token is $TOKEN; exit 1",
        stdin=pulumi.Output.secret("stdin-{MARKED}\\n"),
        environment={{"TOKEN": pulumi.Output.secret("token-{MARKED}"), "ROUND": ROUND}},
    )
    command.local.Command(
        "echoing", create="cat", stdin=pulumi.Output.secret("echoed-{MARKED}"),
        opts=pulumi.ResourceOptions(additional_secret_outputs=["stdout"]),
    )
    """
    engine.write(program.replace("ROUND}", '"1"}'))
    seen = str(engine.preview().events) + str(engine.up().events)
    assert received.read_text(encoding="utf-8") == f"stdin-{MARKED}\ntoken-{MARKED}\n"
    assert MARKED.encode() not in arguments.read_bytes(), "a secret is an argument of a process"
    assert engine.outputs("c")["stdin"] == f"stdin-{MARKED}\n"
    assert "stdin" in engine.secret_outputs("c")
    assert engine.outputs("echoing")["stdout"] == f"echoed-{MARKED}"

    engine.write(program.replace("ROUND}", '"2"}'))
    seen += engine.project.pulumi("preview", "--diff") + str(engine.up().events)
    engine.write("")
    failed = engine.try_up()
    assert "the token is [secret]" in failed.failure
    assert MARKED not in seen + str(failed.events) + engine.project.state_text()


def test_what_a_command_writes_is_shown_while_it_runs(engine: Engine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    engine.write(f'command.local.Command("c", create="echo begun; while ! test -e {gate}; do sleep 0.1; done")')
    running = engine.start_up()
    try:
        wait_until(lambda: "begun" in engine.so_far().messages("info"), "the output is shown")
        assert running.poll() is None
        gate.touch()
        assert running.wait(120) == 0
    finally:
        gate.touch()
        running.communicate()


@pytest.mark.long
@pytest.mark.parametrize(
    ("logging", "shown"),
    [(None, {"to-out", "to-err"}), ("stdout", {"to-out"}), ("stderr", {"to-err"}), ("none", set())],
)
def test_only_the_streams_that_were_asked_for_are_shown(engine: Engine, logging: str | None, shown: set[str]) -> None:
    engine.write(f'command.local.Command("c", create="echo to-out; echo to-err >&2", logging={logging!r})')
    assert set(engine.up().messages("info")) & {"to-out", "to-err"} == shown
    assert engine.outputs("c")["stdout"] == "to-out"
    assert engine.outputs("c")["stderr"] == "to-err"


def test_a_cancelled_command_takes_its_children_with_it(engine: Engine, tmp_path: Path) -> None:
    child = tmp_path / "child"
    script = f"sh -c 'sleep 1000 & echo $! > {child}.new; mv {child}.new {child}; wait'"
    engine.write(f"command.local.Command('c', create={script!r})")
    running = engine.start_up()
    wait_until(child.exists, "the command runs")
    pid = int(child.read_text(encoding="utf-8"))
    assert is_alive(pid)
    running.send_signal(signal.SIGINT)
    running.communicate()
    assert running.returncode != 0
    wait_until(lambda: not is_alive(pid), "the command's child ends")
    assert engine.project.resources() == {}


def test_a_command_that_takes_too_long_ends_at_its_timeout(engine: Engine, tmp_path: Path) -> None:
    child = tmp_path / "child"
    engine.write(
        f"""
        command.local.Command(
            "c",
            create="sleep 1000 & echo $! > {child}; wait",
            opts=pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create="2s")),
        )
        """
    )
    assert "deadline exceeded" in engine.try_up().failure
    wait_until(lambda: not is_alive(int(child.read_text(encoding="utf-8"))), "the command's child ends")


@pytest.mark.long
def test_files_are_returned_as_assets_and_as_an_archive(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    (folder / "src" / "deep").mkdir(parents=True)
    for name in ("src/index.js", "src/secret.js", "src/deep/other.js", "src/readme.md"):
        (folder / name).write_text(name, encoding="utf-8")
    engine.write(
        f"""
        made = command.local.Command(
            "c",
            create="echo fresh > made.txt",
            dir="{folder}",
            asset_paths=["src/**.js", "!**secret.*"],
            archive_paths=["*.txt", "src/*.md"],
        )
        command.local.Command("reader", create=made.assets.apply(lambda assets: "cat " + assets["src/index.js"].path))
        """
    )
    engine.up()
    outputs = engine.outputs("c")
    assert set(outputs["assets"]) == {"src/index.js", "src/deep/other.js"}
    assert outputs["assets"]["src/index.js"]["path"] == str(folder / "src/index.js")
    assert set(outputs["archive"]["assets"]) == {"made.txt", "src/readme.md"}
    assert engine.outputs("reader")["stdout"] == "src/index.js"
    assert engine.up().changes == {}


@pytest.mark.long
def test_the_interpreter_and_the_directory_can_be_chosen(engine: Engine, tmp_path: Path) -> None:
    engine.write(
        f"""
        command.local.Command("python", create="import os; print(os.getcwd())", interpreter=["python3", "-c"],
            dir="{tmp_path}")
        command.local.Command("here", create="pwd")
        """
    )
    engine.up()
    values = engine.values()
    assert values["python"]["stdout"] == str(tmp_path)
    assert values["here"]["stdout"] == str(engine.project.folder)


@pytest.mark.long
def test_output_that_is_no_text_or_has_very_long_lines_is_kept_as_well_as_can_be(engine: Engine) -> None:
    engine.write(
        r"""
        command.local.Command("binary", create="printf 'a\\377b'")
        command.local.Command("long", create="head -c 300000 /dev/zero | tr '\\0' x")
        """
    )
    engine.up()
    values = engine.values()
    assert values["binary"]["stdout"] == "a\ufffdb"
    assert values["long"]["stdout"] == "x" * 300_000


@pytest.mark.long
def test_the_function_runs_in_previews_too(engine: Engine, tmp_path: Path) -> None:
    history = tmp_path / "history"
    engine.write(
        f"""
        ran = command.local.run(command="echo $WORD | tee -a {history}; cat >&2", environment={{"WORD": "hello"}},
            stdin="from-stdin")
        pulumi.export("stdout", ran.stdout)
        pulumi.export("stderr", ran.stderr)
        later = command.local.run_output(command=pulumi.Output.concat("echo ", ran.stdout, " again"))
        pulumi.export("later", later.stdout)
        """
    )
    engine.preview()
    assert history.read_text(encoding="utf-8") == "hello\n"
    engine.up()
    assert engine.project.outputs() == {"stdout": "hello", "stderr": "from-stdin", "later": "hello again"}
    engine.write('command.local.run(command="echo why it failed; exit 1")')
    with pytest.raises(PulumiError, match="why it failed"):
        engine.project.pulumi("preview")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not fetched by its parent does not."""
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except (ProcessLookupError, FileNotFoundError):
        return False
