"""Stack files as the command reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.errors import MISTAKE, CommandError
from ops.stack_file import StackFile, names

PROJECT_FILE = """\
name: monopco
config:
  monopco:http: {type: object, default: {httpPort: 8080, httpsPort: 8443}}
  monopco:database: {type: object, default: {protect: false}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT_FILE, encoding="utf-8")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  monopco:http:\n    httpsPort: 9443\n", encoding="utf-8")
    (tmp_path / "Pulumi.prod.yaml").write_text("config:\n  monopco:database: {protect: true}\n", encoding="utf-8")
    (tmp_path / "Pulumi.empty.yaml").write_text("", encoding="utf-8")
    return tmp_path


def test_the_stacks_are_those_with_a_file(project: Path) -> None:
    assert names(project) == ["dev", "empty", "prod"]


def test_a_value_of_the_stack_comes_before_the_default(project: Path) -> None:
    dev = StackFile.read("dev", project)
    assert (dev.value("http", "httpPort"), dev.value("http", "httpsPort")) == (8080, 9443)
    assert (dev.gives("http", "httpPort"), dev.gives("http", "httpsPort")) == (False, True)
    assert StackFile.read("prod", project).value("database", "protect") is True


def test_an_empty_file_has_the_defaults(project: Path) -> None:
    assert StackFile.read("empty", project).value("http", "httpPort") == 8080
    assert StackFile.read("empty", project).value("server", "host") is None


def test_an_unknown_stack_is_a_mistake_that_says_how_to_make_one(project: Path) -> None:
    with pytest.raises(CommandError) as caught:
        StackFile.read("staging", project)
    assert caught.value.code == MISTAKE
    assert str(caught.value) == (
        "There is no stack staging: Pulumi.staging.yaml does not exist (there are: dev, empty, prod). To make one, "
        "copy a stack file: cp Pulumi.dev.yaml Pulumi.staging.yaml, and change what differs."
    )


def test_a_file_that_is_no_yaml_is_a_mistake(project: Path) -> None:
    (project / "Pulumi.dev.yaml").write_text("config: [", encoding="utf-8")
    with pytest.raises(CommandError, match=r"Pulumi\.dev\.yaml is not valid YAML") as caught:
        StackFile.read("dev", project)
    assert caught.value.code == MISTAKE
