"""The server's part as Ansible and pyinfra do it: the same twenty small tasks on this machine, in a scratch folder.

Each makes five folders, ten files with their content, two lines in files, two links, and runs a command unless its
result is there. That is what setting up a server is mostly made of.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.peers import tools

ANSIBLE, PYINFRA = "Ansible", "pyinfra"
FOLDERS = [f"folder-{number}" for number in range(5)]
FILES = [f"{FOLDERS[number % len(FOLDERS)]}/file-{number}.conf" for number in range(10)]
LINES, LINKS = [f"{FOLDERS[0]}/lines-{number}.conf" for number in range(2)], ["link-0", "link-1"]
_NOTHING = {ANSIBLE: r"changed=0 ", PYINFRA: r"Grand total\s+\d+\s+-\s+-\s+\d+\s*$"}
TASKS = len(FOLDERS) + len(FILES) + len(LINES) + len(LINKS) + 1


@dataclass(frozen=True)
class Tasks:
    """The tasks as one program has them; `run` does them once more."""

    name: str
    folder: Path
    command: tuple[str, ...]

    def run(self) -> str:
        program = str(tools.python_programs() / self.command[0])
        done = subprocess.run(
            [program, *self.command[1:]], cwd=self.folder, capture_output=True, text=True, check=False
        )
        said = done.stdout + done.stderr
        if done.returncode != 0:
            raise AssertionError(f"{self.command[0]} ended with {done.returncode}: {said[-3000:]}")
        return said

    def nothing(self) -> None:
        """The second time there is nothing to do."""
        said = self.run()
        if not re.search(_NOTHING[self.name], said, re.MULTILINE):
            raise AssertionError(f"{self.command[0]} found something to do: {said}")


def ansible(folder: Path) -> Tasks:
    """ansible-playbook without its facts, which no task needs."""
    _prepare(folder, "playbook.yml", _playbook(folder / "server"))
    inventory = ("--inventory", "localhost,", "--connection", "local")
    # It looks for a Python by itself otherwise, and may find one that does not start.
    python = ("--extra-vars", f"ansible_python_interpreter={tools.python_programs() / 'python'}")
    return Tasks(ANSIBLE, folder, ("ansible-playbook", *inventory, *python, "playbook.yml"))


def pyinfra(folder: Path) -> Tasks:
    _prepare(folder, "deploy.py", _deploy(folder / "server"))
    return Tasks(PYINFRA, folder, ("pyinfra", "-y", "@local", "deploy.py"))


def _prepare(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")
    (folder / "server").mkdir()


def _playbook(server: Path) -> str:
    tasks: list[dict[str, object]] = []
    tasks += [{"ansible.builtin.file": {"path": f"{server}/{name}", "state": "directory"}} for name in FOLDERS]
    tasks += [{"ansible.builtin.copy": {"dest": f"{server}/{name}", "content": _content(name)}} for name in FILES]
    tasks += [_line(f"{server}/{name}") for name in LINES]
    tasks += [
        {"ansible.builtin.file": {"src": f"{server}/{FOLDERS[0]}", "dest": f"{server}/{name}", "state": "link"}}
        for name in LINKS
    ]
    made = f"{server}/made"
    tasks.append({"ansible.builtin.command": {"cmd": f"touch {made}", "creates": made}})
    play = {"hosts": "all", "gather_facts": False, "tasks": tasks}
    return yaml.safe_dump([play])


def _line(path: str) -> dict[str, object]:
    return {"ansible.builtin.lineinfile": {"path": path, "line": "more = yes", "create": True}}


def _content(name: str) -> str:
    return f"# {name}\n" + "".join(f"setting-{number} = {number}\n" for number in range(20))


def _deploy(server: Path) -> str:
    lines = [
        "from io import StringIO",
        "from pyinfra import host",
        "from pyinfra.facts.files import File",
        "from pyinfra.operations import files, server",
    ]
    lines += [f"files.directory(path={f'{server}/{name}'!r})" for name in FOLDERS]
    lines += [f"files.put(src=StringIO({_content(name)!r}), dest={f'{server}/{name}'!r})" for name in FILES]
    lines += [f"files.line(path={f'{server}/{name}'!r}, line='more = yes')" for name in LINES]
    lines += [f"files.link(path={f'{server}/{name}'!r}, target={f'{server}/{FOLDERS[0]}'!r})" for name in LINKS]
    lines += [
        f"if not host.get_fact(File, path={f'{server}/made'!r}):",
        f"    server.shell({f'touch {server}/made'!r})",
    ]
    return "\n".join(lines) + "\n"
