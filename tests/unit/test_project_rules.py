"""Rules of the house that a reader would otherwise have to check by eye."""

from __future__ import annotations

import ast
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pathspec
import pytest
from recorder import PROJECT

COMPONENTS = sorted((PROJECT / "components").glob("*.py"))
PROGRAM = [
    PROJECT / f"{name}.py"
    for name in ("__main__", "guard", "plan", "policies", "record", "settings", "sections", "source")
] + COMPONENTS
TESTS = sorted((PROJECT / "tests").rglob("*.py"))
REQUIREMENTS = sorted(PROJECT.glob("requirements*.txt"))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def names_of(paths: list[Path]) -> list[str]:
    return [path.relative_to(PROJECT).as_posix() for path in paths]


def dotted(node: ast.expr) -> str:
    """ "a.b.c" for such an expression, else ""."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def modules_imported_by(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def components_in(path: Path) -> list[ast.ClassDef]:
    classes = [node for node in parse(path).body if isinstance(node, ast.ClassDef)]
    return [one for one in classes if "pulumi.ComponentResource" in map(dotted, one.bases)]


COMPONENT_CLASSES = [(path, found) for path in COMPONENTS for found in components_in(path)]


def constructor(component: ast.ClassDef) -> ast.FunctionDef:
    (found,) = [one for one in component.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
    return found


@pytest.mark.parametrize(
    ("path", "component"), COMPONENT_CLASSES, ids=[component.name for _, component in COMPONENT_CLASSES]
)
class TestComponents:
    def test_it_has_a_file_of_its_own_name(self, path: Path, component: ast.ClassDef) -> None:
        assert component.name.lower() == path.stem.replace("_", "")
        assert len(components_in(path)) == 1

    def test_it_takes_a_name_its_arguments_and_options(self, path: Path, component: ast.ClassDef) -> None:
        assert ast.unparse(constructor(component).args) == (
            f"self, name: str, args: {component.name}Args, opts: pulumi.ResourceOptions | None=None"
        ), path

    def test_its_arguments_are_a_frozen_dataclass_given_by_name(self, path: Path, component: ast.ClassDef) -> None:
        classes = {one.name: one for one in parse(path).body if isinstance(one, ast.ClassDef)}
        decorators = [ast.unparse(one) for one in classes[f"{component.name}Args"].decorator_list]
        assert decorators == ["dataclass(frozen=True, kw_only=True)"]

    def test_its_type_names_project_and_class(self, path: Path, component: ast.ClassDef) -> None:
        first = ast.unparse(constructor(component).body[0])
        assert first == f"super().__init__('monopco:components:{component.name}', name, None, opts)", path

    def test_the_last_thing_that_it_does_is_to_register_what_it_gives(
        self, path: Path, component: ast.ClassDef
    ) -> None:
        last = constructor(component).body[-1]
        assert isinstance(last, ast.Expr), path
        assert isinstance(last.value, ast.Call)
        assert dotted(last.value.func) == "self.register_outputs"
        (given,) = last.value.args
        assert isinstance(given, ast.Dict)
        declared = {
            camel(one.target.id): f"self.{one.target.id}"
            for one in component.body
            if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
        }
        registered = {
            ast.literal_eval(key): dotted(value) for key, value in zip(given.keys, given.values, strict=True) if key
        }
        assert registered == declared
        assert declared

    def test_every_output_is_described(self, path: Path, component: ast.ClassDef) -> None:
        for output, after in zip(component.body, component.body[1:], strict=False):
            if isinstance(output, ast.AnnAssign):
                described = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                assert described, f"{path.name}: {ast.unparse(output)}"


def test_there_are_components() -> None:
    assert len(COMPONENT_CLASSES) > 8


class TestProgram:
    MAKERS = re.compile(r"(docker|random|local|command\.local|pulumi)\.[A-Z]\w+|step|child")

    @pytest.fixture(params=PROGRAM, ids=names_of(PROGRAM))
    def path(self, request: pytest.FixtureRequest) -> Path:
        found: Path = request.param
        return found

    def inside_applies(self, path: Path) -> Iterator[ast.AST]:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "apply":
                for argument in node.args:
                    yield from ast.walk(argument)

    def test_no_resource_is_made_once_a_value_is_known(self, path: Path) -> None:
        """A preview would not show it."""
        calls = [dotted(node.func) for node in self.inside_applies(path) if isinstance(node, ast.Call)]
        made = [
            call for call in calls if self.MAKERS.fullmatch(call) or call in {one.name for _, one in COMPONENT_CLASSES}
        ]
        assert made == []

    def test_an_apply_takes_a_lambda_or_a_method_of_a_text(self, path: Path) -> None:
        """So that the rule above sees what happens in it."""
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "apply":
                (argument,) = node.args
                assert isinstance(argument, ast.Lambda) or ast.unparse(argument) == "' '.join", ast.unparse(node)

    def test_only_the_settings_read_configuration_and_environment(self, path: Path) -> None:
        allowed = {"settings.py": {"pulumi.runtime.config"}, "__main__.py": {"pulumi.get_stack"}}
        used = {dotted(node) for node in ast.walk(parse(path)) if isinstance(node, ast.Attribute)}
        used |= modules_imported_by(path)
        readers = {"pulumi.Config", "pulumi.get_stack", "pulumi.runtime.config", "os.environ", "os.getenv"}
        assert used & readers <= allowed.get(path.name, set())

    def test_nothing_is_asked_of_shell_or_network(self, path: Path) -> None:
        used = {name.split(".")[0] for name in modules_imported_by(path)}
        assert used & {"subprocess", "socket", "http", "requests", "httpx", "shutil", "tempfile", "docker"} == set()

    def test_a_component_knows_other_components_only(self, path: Path) -> None:
        if path.parent.name == "components":
            assert modules_imported_by(path) & {"settings", "sections", "source", "plan", "record", "ops"} == set()

    def test_types_are_said_and_arguments_named(self, path: Path) -> None:
        if path.parent.name == "components":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"\bAny\b", text)
            assert not re.search(r"def .*\*\*kwargs", text)

    def test_a_module_says_what_it_is_for(self, path: Path) -> None:
        if path.name != "__init__.py":
            assert ast.get_docstring(parse(path))


class TestTests:
    def test_every_file_is_collected_or_imported_by_one_that_is(self) -> None:
        collected = [path for path in TESTS if path.name.startswith("test_") or path.name == "conftest.py"]
        imported = {name.rpartition(".")[2] for path in TESTS for name in modules_imported_by(path)}
        imported |= {name for path in TESTS for name in modules_imported_by(path)}
        left = [path for path in TESTS if path not in collected and path.name != "__init__.py"]
        assert [path.name for path in left if path.stem not in imported] == []

    def test_every_test_file_has_a_test(self) -> None:
        without = [
            path.name
            for path in TESTS
            if path.name.startswith("test_")
            and not [
                one
                for one in ast.walk(parse(path))
                if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")
            ]
        ]
        assert without == []

    def test_no_two_files_share_a_name(self) -> None:
        """pytest imports test files by their names."""
        counts = Counter(path.name for path in TESTS if path.name not in ("conftest.py", "__init__.py"))
        assert [name for name, count in counts.items() if count > 1] == []

    def test_no_test_is_defined_twice_in_a_place(self) -> None:
        for path in TESTS:
            for scope in ast.walk(parse(path)):
                if isinstance(scope, (ast.Module, ast.ClassDef)):
                    counts = Counter(one.name for one in scope.body if isinstance(one, ast.FunctionDef))
                    assert [name for name, count in counts.items() if count > 1] == [], path.name


@pytest.mark.parametrize("path", REQUIREMENTS, ids=names_of(REQUIREMENTS))
def test_every_requirement_is_one_exact_version_with_its_reason(path: Path) -> None:
    lines = [
        line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith(("#", "-r "))
    ]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.]* +# \S.*", line), line


def files_of_the_project() -> Iterator[Path]:
    """What is or may be checked in."""
    lines = (PROJECT / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = pathspec.GitIgnoreSpec.from_lines([*lines, "/.git", ".mypy_cache/", ".ruff_cache/", ".pytest_cache/"])
    folders = [PROJECT]
    while folders:
        for entry in folders.pop().iterdir():
            name = entry.relative_to(PROJECT).as_posix()
            if entry.is_symlink() or ignored.match_file(f"{name}/" if entry.is_dir() else name):
                continue
            if entry.is_dir():
                folders.append(entry)
            else:
                yield entry


def test_no_package_registry_is_named() -> None:
    """Which one is asked is the machine's business: a name here would go round its mirror."""
    hosts = [
        ".".join(parts).encode()
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("npmjs", "org"),
            ("npmjs", "com"),
            ("proxy", "golang", "org"),
            ("sum", "golang", "org"),
            ("deb", "debian", "org"),
            ("archive", "ubuntu", "com"),
        )
    ]
    naming = {
        f"{path.relative_to(PROJECT)}: {host.decode()}"
        for path in files_of_the_project()
        for host in hosts
        if host in path.read_bytes()
    }
    assert naming == set()


@pytest.mark.parametrize("path", sorted(PROJECT.glob("images/*/bin/*")), ids=lambda path: "/".join(path.parts[-3::2]))
def test_what_images_run_can_be_run(path: Path) -> None:
    assert os.access(path, os.X_OK)
