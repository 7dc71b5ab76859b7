"""The app that is measured: the sample app, or any other source folder with paths of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.load import Options
from tests.integration.environment import Environment

SECRET = "RESEND_API_KEY"  # noqa: S105 - a name
HEALTH = "/api/trpc/auth.me?batch=1&input=%7B%7D"


@dataclass(frozen=True, kw_only=True)
class App:
    """Where the source is, what may be asked of it, and a text in it that can be changed."""

    source: Path | None = None
    """None is the sample app."""
    paths: Sequence[str] = ("/", HEALTH)
    socket: str = ""
    upload: str = ""
    long: str = ""
    edited: str = "client/src/App.tsx"
    text: str = "What runs"
    """What is replaced in that file; when it is not in it, a comment at the file's end changes."""
    config: Mapping[str, str] = field(default_factory=dict)
    """More configuration, by path: app.public.VITE_APP_TITLE."""

    @property
    def name(self) -> str:
        return self.source.name if self.source else "the sample app"


SAMPLE = App(socket="/ws", upload="/api/upload?name=x", long="/api/slow?seconds=20")


@dataclass
class Deployed:
    """An environment with the app, and the things that a person would do with it."""

    environment: Environment
    app: App
    edits: int = 0

    @staticmethod
    def make(folder: Path, stack: str, app: App) -> Deployed:
        """A copy of the project with a stack of its own; nothing is deployed yet."""
        source = "examples/app"
        if app.source is not None:
            left_out = shutil.ignore_patterns("node_modules", "dist", ".git", ".env*")
            shutil.copytree(app.source, folder / "source", ignore=left_out, symlinks=True)
            source = str(folder / "source")
        environment = Environment(folder / "project", stack, {"app": {"source": source, "secrets": [SECRET]}})
        deployed = Deployed(environment, app)
        deployed.set_secret("the first one")
        for path, value in app.config.items():
            deployed.configure(path, value)
        return deployed

    @property
    def source(self) -> Path:
        return self.environment.folder / str(self.environment.config["app"]["source"])

    def configure(self, path: str, value: str) -> None:
        """As a person does it, so that what the commands wrote into the stack file stays."""
        self._config("set", "--path", f"monopco:{path}", value)

    def forget(self, path: str) -> None:
        self._config("rm", "--path", f"monopco:{path}")

    def set_secret(self, value: str) -> None:
        self._config("set", "--secret", SECRET, value)

    def edit(self) -> Path:
        """Change the source, never to what it was before; returns the file that was changed."""
        file = self.source / self.app.edited
        content = file.read_text(encoding="utf-8").split("\n// edit ")[0]
        before = f"{self.app.text} {self.edits}" if self.edits else self.app.text
        self.edits += 1
        if self.app.text in content:
            content = content.replace(before, f"{self.app.text} {self.edits}", 1)
        else:
            content = f"{content.rstrip()}\n// edit {self.edits}\n"
        file.write_text(content, encoding="utf-8")
        return file

    def public(self) -> dict[str, str]:
        """The values that are built into the page."""
        prefix = "app.public."
        return {path.removeprefix(prefix): value for path, value in self.app.config.items() if path.startswith(prefix)}

    def command(self, *arguments: str) -> None:
        """A ./monopco command for the stack; its failure is told with what it printed."""
        self.told(*arguments, "-s", self.environment.stack)

    def told(self, *arguments: str) -> None:
        """The same of whatever the arguments name."""
        done = self.attempt(*arguments)
        if done.returncode != 0:
            said = f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
            raise AssertionError(f"./monopco {' '.join(arguments)} ended with {done.returncode}:\n{said}")

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A ./monopco command; its success is the caller's question."""
        return self.environment.attempt_any(*arguments)

    def load(self, **changes: object) -> Options:
        """Options of a load on it: every kind of client that the app has an answer for."""
        given: dict[str, object] = {
            "url": f"https://localhost:{self.environment.https_port}",
            "ca": str(self.environment.authority()),
            "paths": list(self.app.paths),
            "socket": self.app.socket,
            "upload": self.app.upload,
            "long": self.app.long,
        }
        return Options(**{**given, **changes})  # type: ignore[arg-type]

    def _config(self, verb: str, *arguments: str) -> None:
        self.environment.pulumi("config", verb, *arguments, "--stack", self.environment.stack)
