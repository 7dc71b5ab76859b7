"""The images that Node apps are built into, on the example app: what is in them and how they start and stop."""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.node_lab import EXAMPLE, HEALTH, App, Builder
from tests.integration.proxy_lab import docker
from tests.integration.pulumi_project import PulumiError

SUPABASE = "https://configured.supabase.co"
LEAK = "https://from-a-developers-own-file.example"
ALONE = ("--network", "none", "--user", "0")
Starter = Callable[..., App]


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    builder = Builder(tmp_path_factory.mktemp("build") / "project")
    yield builder
    builder.remove()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The example app in a folder of its own; the test may change it."""
    ignored = shutil.ignore_patterns("node_modules", "dist")
    return Path(shutil.copytree(EXAMPLE, tmp_path / "source", ignore=ignored))


@pytest.fixture(scope="module")
def image(builder: Builder) -> str:
    """The example app, with a public value and all its dependencies."""
    return builder.app(EXAMPLE, {"VITE_SUPABASE_URL": SUPABASE, "VITE_APP_TITLE": 'L\'"app" $HOME'})


@pytest.fixture(scope="module")
def network() -> Iterator[str]:
    name = f"node-test-{uuid.uuid4().hex[:8]}"
    docker("network", "create", name)
    yield name
    docker("network", "rm", name)


@pytest.fixture(scope="module")
def running(image: str, network: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """One container for all tests that leave it as it is."""
    app = App(image, network, tmp_path_factory.mktemp("running"))
    yield app.create().healthy()
    app.remove()


@pytest.fixture
def create(image: str, network: str, tmp_path: Path) -> Iterator[Starter]:
    """Makes containers of the image; App's fields and the text of the environment file may be given."""
    made: list[App] = []

    def make(environment_file: str | None = None, **fields: object) -> App:
        made.append(App(**{"image": image, "network": network, "folder": tmp_path, **fields}))  # type: ignore[arg-type]
        return made[-1].create(environment_file)

    yield make
    for app in made:
        app.remove()


def found(image: str, *expression: str) -> list[str]:
    """Paths in an image that `find` finds, whoever may read them."""
    return docker("run", "--rm", *ALONE, "--entrypoint", "find", image, "/", "-xdev", *expression).stdout.split()


def containing(image: str, text: str) -> list[str]:
    """Files of an image in which the text stands."""
    search = ("--recursive", "--files-with-matches", "--exclude-dir=proc", "--exclude-dir=sys", "--fixed-strings")
    done = docker("run", "--rm", *ALONE, "--entrypoint", "grep", image, *search, "--", text, "/", check=False)
    assert done.stderr == ""
    return done.stdout.split()


def alternatives(names: Sequence[str]) -> list[str]:
    """Of `find`: any of these names."""
    return [word for name in names for word in ("-o", "-name", name)][1:]


def steps_done_again(log: str) -> list[str]:
    """The steps of a build that were not taken from the cache."""
    steps = dict(re.findall(r"^(#\d+) (\[.+ \d+/\d+\] .+)$", log, re.MULTILINE))
    cached = set(re.findall(r"^(#\d+) CACHED$", log, re.MULTILINE))
    return [text for number, text in steps.items() if number not in cached and " FROM " not in text]


def test_the_app_runs_as_nobody_special_on_a_read_only_root(running: App) -> None:
    _, status = running.run("sh", "-c", 'grep -hE "^(Uid|CapEff|CapBnd|NoNewPrivs):" /proc/$(pidof node)/status')
    assert [line.split()[1] for line in status.splitlines()] == ["10001", "0" * 16, "0" * 16, "1"]
    assert "Read-only file system" in running.run("touch", "/app/file", check=False)[1]
    assert running.run("sh", "-c", "touch /tmp/file && echo written") == (0, "written")


def test_the_public_values_stand_in_the_page(image: str, running: App) -> None:
    assert [path.rsplit("/", 1)[0] for path in containing(image, SUPABASE)] == ["/app/dist/public/assets"]
    assert '<title>L\'"app" $HOME</title>' in running.ask("/").body.decode()


def test_only_what_runs_is_in_the_image(image: str) -> None:
    top = found(image, "-mindepth", "2", "-maxdepth", "2", "-path", "/app/*")
    assert sorted(top) == ["/app/dist", "/app/node_modules", "/app/package.json"]
    not_ours = ("-path", "/app/node_modules", "-prune", "-o")
    tools = ("npm", "npx", "pnpm", "corepack", "yarn", "public-env", "git", "gcc", "make", "python3")
    leftovers = (".npmrc", ".npm", ".pnpm-store", "ca.pem", ".env*", "pnpm-lock.yaml", "*_Packages", "pkgcache.bin")
    assert found(image, *not_ours, "-type", "f", "(", *alternatives(tools), ")", "-print") == []
    assert found(image, *not_ours, "(", *alternatives(leftovers), ")", "-print") == []


def test_a_developers_own_files_reach_neither_the_image_nor_the_page(builder: Builder, source: Path) -> None:
    for name in (
        ".env",
        ".env.local",
        ".env.production",
        "client/.env",
        "debug.log",
        ".git/config",
        "node_modules/x/index.js",
    ):
        (source / name).parent.mkdir(exist_ok=True, parents=True)
        (source / name).write_text(f"VITE_SUPABASE_URL={LEAK}\n", encoding="utf-8")
    (source / ".dockerignore").write_text("docs\n", encoding="utf-8")
    assert containing(builder.app(source), LEAK) == []


@pytest.mark.usefixtures("image")
def test_a_change_of_the_source_installs_nothing_again(builder: Builder, source: Path) -> None:
    page, change = source / "client" / "index.html", uuid.uuid4().hex
    page.write_text(page.read_text(encoding="utf-8").replace("<body>", f"<body>{change}"), encoding="utf-8")
    assert containing(builder.app(source), change) == ["/app/dist/public/index.html"]
    again = steps_done_again(builder.log)
    assert [step for step in again if "install" in step or "node_modules" in step] == []
    assert [step for step in again if "pnpm run build" in step] != []


@pytest.mark.usefixtures("image")
def test_a_change_of_a_public_value_installs_nothing_again(builder: Builder) -> None:
    other = f"https://{uuid.uuid4().hex}.supabase.co"
    assert containing(builder.app(EXAMPLE, {"VITE_SUPABASE_URL": other}), other) != []
    again = steps_done_again(builder.log)
    assert [step for step in again if "install" in step or "COPY . ./" in step] == []
    assert [step for step in again if "pnpm run build" in step] != []


def test_a_lockfile_that_does_not_fit_is_refused(builder: Builder, source: Path) -> None:
    manifest = json.loads((source / "package.json").read_text(encoding="utf-8"))
    manifest["dependencies"]["clsx"] = "^2.1.1"
    (source / "package.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(PulumiError, match="pnpm install --frozen-lockfile"):
        builder.app(source)
    assert "ERR_PNPM_OUTDATED_LOCKFILE" in builder.log


def test_a_patch_that_is_missing_is_refused(builder: Builder, source: Path) -> None:
    shutil.rmtree(source / "patches")
    with pytest.raises(PulumiError, match="pnpm install --frozen-lockfile"):
        builder.app(source)
    assert re.search(r"ENOENT.*cookie@1\.1\.1\.patch", builder.log)


def test_an_app_that_imports_a_development_dependency_says_so_when_it_has_none(
    builder: Builder, create: Starter
) -> None:
    image = builder.app(EXAMPLE, dependencies="production")
    assert found(image, "-path", "*/node_modules/.pnpm/vite@*") == []
    status, log = create(image=image).ended()
    assert status == 1
    assert "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'vite' imported from /app/dist/index.js" in log


def test_every_value_of_the_environment_file_arrives_as_it_is(create: Starter) -> None:
    values = {
        "PLAIN": "text",
        "EMPTY": "",
        "SIGNS": "a=b==\\n \"$HOME\" `id` 'x' * ; & # %",
        "LINES": "-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n\n",
        "ACCENTS": "clé à molette ✓",
        "BLANKS": "  \tinside  ",
    }
    app = create(environment=values, command=("node", "--print", "JSON.stringify(process.env)"))
    status, log = app.ended()
    assert status == 0
    environment = json.loads(log)
    assert {name: environment.get(name) for name in values} == values


def test_without_an_environment_file_a_command_just_runs(image: str) -> None:
    assert docker("run", "--rm", "--network", "none", image, "printenv", "NODE_ENV", "PORT").stdout.split() == [
        "production",
        "3000",
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("1NAME=c2VjcmV0\n", "must be NAME=base64 of the value"),
        ("NA ME=c2VjcmV0\n", "must be NAME=base64 of the value"),
        ("c2VjcmV0", "must be NAME=base64 of the value"),
        ("NAME=not-c2VjcmV0\n", "the value of NAME is not base64"),
    ],
)
def test_a_broken_environment_file_is_refused_without_showing_it(create: Starter, line: str, complaint: str) -> None:
    assert create("GOOD=c2VjcmV0\n" + line).ended() == (78, f"start: /etc/monopco/env, line 2: {complaint}\n")


def test_an_app_without_a_start_script_is_told_what_to_add(create: Starter, tmp_path: Path) -> None:
    manifest = tmp_path / "package.json"
    manifest.write_text('{"scripts": {}}', encoding="utf-8")
    app = create(options=("--volume", f"{manifest}:/app/package.json:ro"))
    assert app.ended() == (
        78,
        'start: package.json has no "start" script; add one, for example "node dist/index.js"\n',
    )


def test_the_start_script_may_use_the_shell_and_the_apps_own_tools(create: Starter, tmp_path: Path) -> None:
    manifest = tmp_path / "package.json"
    manifest.write_text('{"scripts": {"start": "A=\'1 2\' printenv A && esbuild --version"}}', encoding="utf-8")
    status, log = create(options=("--volume", f"{manifest}:/app/package.json:ro")).ended()
    assert status == 0
    assert re.fullmatch(r"1 2\n0\.25\.\d+\n", log)


@pytest.mark.parametrize(
    ("arguments", "status", "output"),
    [
        (HEALTH, 0, ""),
        (("3000", "/health", '"result"'), 1, 'the answer does not contain "result": <!doctype html>'),
        (("3000", "/api/nothing", "error"), 1, '{"error":"no GET /api/nothing"}'),
        (("3999", "/", "html"), 1, "Failed to connect to 127.0.0.1 port 3999"),
        (("3000", "/"), 64, "usage: healthcheck PORT PATH EXPECT"),
    ],
    ids=["healthy", "the page instead of the API", "an error", "nothing listens", "wrong use"],
)
def test_the_health_check_tells_health_from_an_answer(
    running: App, arguments: tuple[str, ...], status: int, output: str
) -> None:
    code, printed = running.run("healthcheck", *arguments, check=False)
    assert code == status
    assert output in printed
    assert bool(output) == bool(printed)


def test_the_health_check_can_wait_for_an_app_that_has_just_been_started(create: Starter) -> None:
    """`create` starts it and waits for nothing."""
    assert create().run("healthcheck", *HEALTH, "60", check=False) == (0, "")


def test_told_to_stop_the_app_finishes_what_is_under_way_and_ends_well(create: Starter) -> None:
    app = create().healthy()
    with closing(app.connection()) as connection:
        connection.request("GET", "/api/slow?seconds=3")
        response = connection.getresponse()
        assert response.read(2) == b"1\n"
        docker("kill", "--signal", "TERM", app.name)
        assert response.read() == b"2\n3\ndone\n"
    assert app.ended() == (0, "release none listens on port 3000\nstopped\n")
