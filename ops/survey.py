"""What can be known of an environment from here, whether it is well or not; nothing is asked before it is needed.

Every property and method raises CommandError, with what is wrong, when its question cannot be answered.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from ops import containers, proxy, pulumi, register, sql, usage
from ops.asked import Asked, Memory
from ops.containers import Container
from ops.errors import CommandError
from ops.page import Page
from ops.places import PROJECT
from ops.proxy import Proxy
from ops.register import Recorded
from ops.stack_file import StackFile
from ops.usage import Usage
from ops.web import Web
from source import checkout_folder, is_git_url

_ENVIRONMENTS = """
for process in /proc/[0-9]*; do
    case $(readlink "$process/exe" 2>/dev/null) in */node) cat "$process/environ"; exit ;; esac
done
exit 1
"""
_SEARCH = """
for folder in /*; do
    case $folder in /dev | /proc | /sys) ;; *) set -- "$@" "$folder" ;; esac
done
grep --recursive --files-with-matches --text --fixed-strings --file=- -- "$@" || [ $? -eq 1 ]
"""
_URL_PASSWORD = re.compile(r"(\w://[^\s:/@]*:)[^\s@/]+@")
# Shorter ones would be found everywhere.
SHORTEST_SECRET = 8
_SECRET, _PLAINTEXT = "4dabf18193072939515e22adb298388d", "plaintext"  # how Pulumi marks a secret


@dataclass
class Survey:
    """An environment by its stack's file. `online` allows questions to other people's servers."""

    file: StackFile
    online: bool = False
    project: Path = PROJECT
    memory: Memory = field(default_factory=Memory)

    @property
    def stack(self) -> str:
        return self.file.name

    @property
    def host(self) -> str | None:
        return self.file.docker_host

    # What the stack's file and the source say.

    @property
    def web(self) -> Web:
        server, address = self.file.value("server", "host"), str(self.file.value("http", "address"))
        anywhere = address in ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on
        return Web(
            address=str(server) if server else "127.0.0.1" if anywhere else address,
            http_port=int(self.file.value("http", "httpPort")),
            https_port=int(self.file.value("http", "httpsPort")),
            domain=str(self.file.value("domain", "name")),
        )

    @Asked
    def page(self) -> Page:
        """The page that visitors get, with its scripts and style sheets."""
        return Page.read(self.web)

    @Asked
    def source(self) -> Path:
        """The folder of the app's source."""
        where, ref = str(self.file.value("app", "source")), str(self.file.value("app", "ref") or "")
        folder = checkout_folder(self.project, ref) if is_git_url(where) else self.project / Path(where).expanduser()
        if not folder.is_dir():
            raise CommandError(f"The source of the app is not on this machine ({where}).")
        return folder.resolve()

    @property
    def has_source(self) -> bool:
        try:
            return self.source.is_dir()
        except CommandError:
            return False

    # What Docker says.

    @Asked
    def inspected(self) -> list[dict[str, Any]]:
        """Every container of the stack as Docker describes it."""
        ids = containers.docker(["ps", "--all", "--quiet", *containers.filters(self.stack)], self.host).split()
        return list(json.loads(containers.docker(["inspect", "--type", "container", *ids], self.host))) if ids else []

    @property
    def containers(self) -> list[Container]:
        return [containers.container(fields) for fields in self.inspected]

    def of(self, component: str) -> list[Container]:
        """The containers of a component, running or not."""
        return sorted((one for one in self.containers if one.component == component), key=lambda one: one.name)

    def running(self, component: str) -> list[Container]:
        """Those of a component that run; of the app those of the live release only. Raises CommandError for none."""
        live = self.live if component == "app" else ""
        found = [one for one in self.of(component) if one.state == "running" and live in ("", one.release)]
        if not found:
            raise CommandError(f"No container of {component} runs in stack {self.stack}.")
        return found

    def run(self, container: str, *command: str, stdin: str = "") -> str:
        """What a command inside a container prints."""
        return containers.docker(["exec", "--interactive", container, *command], self.host, stdin)

    def said(self, container: str, *options: str) -> str:
        """What a container wrote, to either stream."""
        code, printed = self.docker(["logs", *options, container])
        if code != 0:
            raise CommandError(f"The log of {container} cannot be read: {printed.strip()[-300:]}")
        return printed

    def docker(self, arguments: list[str], stdin: bytes = b"", seconds: int = 60) -> tuple[int, str]:
        """The exit code of a docker command, and what it prints to either stream."""
        try:
            done = subprocess.run(
                ["docker", *arguments],
                env=containers.environment_of(self.host),
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CommandError(f"docker {arguments[0]} gives no answer: {error}") from error
        return done.returncode, done.stdout.decode(errors="replace")

    def free(self, container: str, folder: str = "/") -> tuple[int, int]:
        """Bytes of the disk below a folder of a container: all, and those that are free."""
        printed = self.run(container, "df", "--block-size=1", "--output=size,avail", folder).split()
        return int(printed[-2]), int(printed[-1])

    def usage(self) -> dict[str, Usage]:
        """What each running container uses, by name."""
        names = [one.name for one in self.containers if one.state == "running"]
        with ThreadPoolExecutor(max(1, len(names))) as pool:
            used = pool.map(lambda name: usage.of_container(name, self.host), names)
            return dict(zip(names, used, strict=True))

    # What the proxy says.

    @Asked
    def proxy(self) -> Proxy:
        return proxy.running(self.stack, self.host)

    @property
    def live(self) -> str:
        """The release that gets the requests."""
        live = self.proxy.live
        if not live:
            raise CommandError("The proxy has no release to give requests to.")
        return live

    # What is recorded of the live release.

    @Asked
    def releases(self) -> list[Recorded]:
        return register.recorded(self.stack, self.host)

    @Asked
    def release(self) -> Recorded:
        found = next((one for one in self.releases if one.id == self.live), None)
        if found is None:
            raise CommandError(f"Release {self.live} runs, but there is no record of it that can be started.")
        return found

    @Asked
    def scripts(self) -> dict[str, str]:
        """The SQL scripts of the live release, by name."""
        name = f"monopco-{self.stack}-verify-{self.release.id}"
        ours = [
            f"--label={containers.LABEL}.{key}={value}"
            for key, value in (("stack", self.stack), ("component", "verify"))
        ]
        run = ["run", "--rm", f"--name={name}", "--network=none", *ours, "--entrypoint=sh", self.release.record.name]
        packed = containers.docker([*run, "-c", "tar -c -C /usr/share/monopco . | base64"], self.host)
        with tarfile.open(fileobj=BytesIO(base64.b64decode(packed))) as archive:
            texts = {one.name: archive.extractfile(one) for one in archive if one.isfile()}
            return {
                script.name: content.read().decode()
                for script in self.release.record.specification.scripts
                if (content := texts.get(f"./scripts/{script.name}"))
            }

    # What the app was given, and all that must stay secret.

    def variables_of(self, container: str) -> dict[str, str]:
        """The environment of the app's process in a container."""
        entries = self.run(container, "sh", "-c", _ENVIRONMENTS).split("\0")
        return dict(entry.split("=", 1) for entry in entries if "=" in entry)

    @Asked
    def variables(self) -> dict[str, str]:
        """The environment of the app's process, in one of the live release's containers."""
        return self.variables_of(self.running("app")[0].name)

    @Asked
    def secrets(self) -> dict[str, str]:
        """Every secret of the stack by name: what people set, and what was generated."""
        given, known = pulumi.Pulumi(self.stack), {}
        for resource in given.resources_in_clear():
            for key, value in (resource.get("outputs") or {}).items():
                if str(resource["type"]).startswith("random:") and isinstance(value, dict) and _SECRET in value:
                    known[f"{resource['urn'].rpartition('::')[2]} ({key})"] = json.loads(value[_PLAINTEXT])
        paths = list(_secret_paths(self.file.given))
        config = given.opened_config() if paths else {}
        for path in paths:
            chosen: Any = config
            for part in path:
                chosen = chosen[part]
            known[".".join(path).rpartition(":")[2]] = chosen
        return {name: str(value) for name, value in known.items() if value}

    def disclosed(self, text: str) -> list[str]:
        """Names of the secrets that a text holds, as they are or in base64."""
        return sorted(
            name
            for name, value in self.secrets.items()
            if len(value) >= SHORTEST_SECRET and any(form in text for form in forms(value))
        )

    def redacted(self, text: str) -> str:
        """The text with every secret in it blotted out, as far as the secrets are known."""
        text = _URL_PASSWORD.sub(r"\1***@", text)
        hidden = {form for value in self._to_hide() if len(value) >= SHORTEST_SECRET for form in forms(value)}
        for form in sorted(hidden, key=len, reverse=True):
            text = text.replace(form, "***")
        return text

    def _to_hide(self) -> list[str]:
        """The secrets; where Pulumi does not tell them, those that the app was given."""
        try:
            return list(self.secrets.values())
        except CommandError:
            names = {"DATABASE_URL", "JWT_SECRET", *(self.file.value("app", "secrets") or [])}
        try:
            return [value for name, value in self.variables.items() if name in names]
        except CommandError:
            return []

    def files_with_secrets(self, image: str) -> list[str]:
        """Files of an image that hold a secret. The search runs beside the image; what is searched for goes by stdin.

        Our images remove nothing in a later layer, so that what can be seen is all that there is.
        """
        ours = [f"--label={containers.LABEL}.{key}" for key in (f"stack={self.stack}", "component=verify")]
        run = ["run", "--rm", "--interactive", "--network=none", "--user=0", "--entrypoint=sh", *ours, image]
        long_enough = [value for value in self.secrets.values() if len(value) >= SHORTEST_SECRET]
        words = sorted(form for value in long_enough for form in forms(value) if "\n" not in form)
        run = [*run, "-c", _SEARCH]
        return containers.docker(run, self.host, stdin="".join(f"{word}\n" for word in words)).split()

    # What the database says.

    @property
    def own_database(self) -> bool:
        return bool(self.file.value("database", "mode") != "external")

    def ask_database(self, query: str) -> sql.Rows:
        """Rows of a query with all rights that there are."""
        if not self.own_database:
            return self.ask_as_app(query)
        return sql.as_server(self.running("database")[0].name, query, self.host)

    def ask_as_app(self, query: str) -> sql.Rows:
        """Rows of a query with the user and password of the app."""
        if self.own_database:
            client = ["exec", "--interactive", self.running("database")[0].name, "sh"]
        else:
            client = ["run", "--rm", "--interactive", "--read-only", "--tmpfs=/tmp", "--tmpfs=/run", "--cap-drop=ALL"]
            client += [f"--label={containers.LABEL}.stack={self.stack}", f"--label={containers.LABEL}.component=verify"]
            client += [f"--network={self._network()}", "--entrypoint=sh", self._database_image()]
        return sql.as_client(self.variables["DATABASE_URL"], query, client, self.host)

    def _network(self) -> str:
        return self._first(["network", "ls", "--format={{.Name}}", *containers.filters(self.stack)], "network")

    def _database_image(self) -> str:
        wanted = containers.filters(self.stack, "database")
        return self._first(["image", "ls", "--format={{.ID}}", *wanted], "image of the database")

    def _first(self, question: list[str], what: str) -> str:
        found = containers.docker(question, self.host).split()
        if not found:
            raise CommandError(f"There is no {what} of stack {self.stack}.")
        return found[0]

    # What Pulumi's state says.

    @Asked
    def outputs(self) -> dict[str, Any]:
        stack = pulumi.Pulumi(self.stack)
        return stack.outputs() if stack.exists() else {}

    @Asked
    def resources(self) -> list[dict[str, Any]]:
        """Every resource of the state, its secrets encrypted."""
        return pulumi.Pulumi(self.stack).resources()

    def resource(self, name: str) -> dict[str, Any]:
        """The resource of this name. Raises CommandError when there is none."""
        found = [one for one in self.resources if str(one["urn"]).endswith(f"::{name}")]
        if not found:
            raise CommandError(f"The state of stack {self.stack} has no {name}; ./monopco up -s {self.stack} makes it.")
        return found[0]


def forms(secret: str) -> Iterable[str]:
    """How a secret may be written: as it is, in base64, as JSON writes it; and of several lines the telling one.

    The first lines of a key are those of many keys, and its frame is that of all: the last one of the longest tells.
    """
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    telling = max(reversed(secret.splitlines()), key=len)
    lines = {telling} if len(telling) >= SHORTEST_SECRET else set()
    return {secret, encoded, json.dumps(secret)[1:-1]} | lines


def _secret_paths(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where a stack's file has an encrypted value."""
    for key, value in values.items():
        if isinstance(value, dict):
            if set(value) == {"secure"}:
                yield (*above, key)
            else:
                yield from _secret_paths(value, (*above, key))
