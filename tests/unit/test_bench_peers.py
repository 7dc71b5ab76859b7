"""The peers of the measurements: the same tasks for each, versions that are pinned, a stack that can be read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import jinja2
import pytest
import yaml

from bench.peers import proxies, tasks, tools


def test_every_peer_has_a_pinned_version() -> None:
    versions = {**tools.versions("compose", "tofu"), **tools.python_versions()}
    assert set(versions) == {"compose", "tofu", "ansible-core", "pyinfra"}
    assert all(re.fullmatch(r"\d+(\.\d+)+", version) for version in versions.values()), versions


def test_ansible_and_pyinfra_have_the_same_tasks() -> None:
    server = Path("/scratch/server")
    (play,) = yaml.safe_load(tasks._playbook(server))
    assert len(play["tasks"]) == tasks.TASKS == 20
    calls = [one for one in ast.walk(ast.parse(tasks._deploy(server))) if isinstance(one, ast.Call)]
    operations = [one for one in calls if re.match(r"(files|server)\.", ast.unparse(one.func))]
    assert len(operations) == tasks.TASKS
    for name in (*tasks.FOLDERS, *tasks.FILES, *tasks.LINES, *tasks.LINKS, "made"):
        assert f"{server}/{name}" in tasks._playbook(server)
        assert f"{server}/{name}" in tasks._deploy(server)


@pytest.mark.parametrize(
    ("name", "said", "nothing"),
    [
        (tasks.ANSIBLE, "localhost : ok=20   changed=0    unreachable=0", True),
        (tasks.ANSIBLE, "localhost : ok=20   changed=1    unreachable=0", False),
        (tasks.PYINFRA, "    Grand total      19      -         -       19   \n", True),
        (tasks.PYINFRA, "    Grand total      20      1         -       19   \n", False),
    ],
)
def test_whether_a_program_found_something_to_do(name: str, said: str, nothing: bool) -> None:
    assert bool(re.search(tasks._NOTHING[name], said, re.MULTILINE)) is nothing


@pytest.mark.parametrize("services", [["app"], ["app1", "app2"]])
def test_the_compose_stack_can_be_read(services: list[str]) -> None:
    template = jinja2.Environment(  # noqa: S701 - the output is YAML
        loader=jinja2.FileSystemLoader(tools.HERE), undefined=jinja2.StrictUndefined, trim_blocks=True
    ).get_template("compose.yaml.j2")
    names = ("project", "source", "dockerfile", "database_image", "proxy_image", "authorities")
    given = {name: name for name in names}
    text = template.render(**given, services=services, build_args="{}", health='"/path", "text"', port=8443)
    stack = yaml.safe_load(text)
    assert set(stack["services"]) == {"database", "proxy", *services}
    assert stack["services"]["proxy"]["depends_on"] == services


def test_every_proxy_has_a_configuration() -> None:
    for kind in (proxies._APP, *proxies._KINDS.values()):
        assert (proxies.CONF / kind.file).is_file()
