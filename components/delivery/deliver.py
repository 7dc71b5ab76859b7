"""Brings an image to a server's Docker, or through a registry, and prints {"image", "sent"} as the server has it.

Run as a step on the machine that deploys, with the standard library alone. Nothing is sent of what the server has: an
image that is there stays, and of another one only the layers that no image of the server begins with. What is sent is
sent again when the connection breaks: Docker takes an archive as a whole or not at all.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

TRIES = 4
PAUSE = 3.0  # seconds before another try
INTERVAL = 2.0  # seconds between two lines of progress
# A line that is slower than a local one gains nothing from more.
COMPRESSION = 3
# Images of a component that stay on the machine that builds; each lets the next build be quick.
KEPT = 3
_CHUNK = 2**18
_BROKEN = re.compile(
    r"error during connect|Cannot connect|connection (reset|refused|lost)|Connection (closed|reset)|[Bb]roken pipe|"
    r"unexpected EOF|client_loop|does not answer|context deadline exceeded|i/o timeout|TLS handshake timeout"
)


class DeliveryError(Exception):
    """Why the image is not there, for people."""


def tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def megabytes(count: int) -> str:
    return f"{count / 10**6:.1f} MB"


@dataclass(frozen=True)
class Docker:
    """A daemon, and the environment in which the docker command talks to it."""

    where: str
    environment: Mapping[str, str]

    def start(self, *arguments: str, **pipes: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["docker", *arguments], env=dict(self.environment), **pipes)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", *arguments],
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    def answers(self) -> bool:
        return self.run("version", "--format", "{{.Server.Version}}").returncode == 0

    def ask(self, *arguments: str) -> str:
        done = self.run(*arguments)
        if done.returncode != 0:
            raise DeliveryError(f"Docker {self.where} refuses `docker {' '.join(arguments)}`: {done.stderr.strip()}")
        return done.stdout.strip()

    def image(self, name: str) -> dict[str, Any] | None:
        """What the daemon knows of an image; None when it has none of that name or id."""
        done = self.run("image", "inspect", name)
        if done.returncode == 0:
            (found,) = json.loads(done.stdout)
            return dict(found)
        if "No such image" in done.stderr:
            return None
        raise DeliveryError(f"Docker {self.where} does not answer: {done.stderr.strip()}")

    def layers(self) -> list[list[str]]:
        """The layers of every image, from the lowest one up."""
        ids = sorted(set(self.ask("image", "ls", "--quiet", "--no-trunc").split()))
        if not ids:
            return []
        # One that goes meanwhile is no loss.
        done = self.run("image", "inspect", "--format", "{{json .RootFS.Layers}}", *ids)
        return [json.loads(line) or [] for line in done.stdout.splitlines() if line.strip()]


def layers_of(image: Mapping[str, Any]) -> list[str]:
    return list((image.get("RootFS") or {}).get("Layers") or [])


def same(here: Mapping[str, Any], there: Mapping[str, Any] | None) -> bool:
    """Whether two daemons have the same image. They may name it differently, each by its own kind of digest."""
    return there is not None and (here["Id"] == there["Id"] or layers_of(here) == layers_of(there))


def in_common(layers: Sequence[str], others: Sequence[Sequence[str]]) -> int:
    """How many of the lowest layers some other image has, too: a layer is known by all that lie below it."""
    best = 0
    for other in others:
        count = 0
        for mine, theirs in zip(layers, other):  # noqa: B905 - up to the end of the shorter one
            if mine != theirs:
                break
            count += 1
        best = max(best, count)
    return best


@dataclass(frozen=True)
class Archive:
    """What `docker save` has written, with or without some of the lowest layers."""

    path: Path
    skipped: int

    def members(self) -> list[tarfile.TarInfo]:
        with tarfile.open(self.path) as archive:
            manifest = archive.extractfile("manifest.json")
            if manifest is None:
                raise DeliveryError("docker save gives an archive without a manifest")
            (image,) = json.load(manifest)
            paths = list(image["Layers"])
            every = archive.getmembers()
        by_name = {member.name: member for member in every}
        needed = set(paths[self.skipped :])
        # A layer that an image has twice is stored once, and the other one is a link to it.
        for name in list(needed):
            member = by_name.get(name)
            if member is not None and member.issym():
                needed.add(os.path.normpath(os.path.join(os.path.dirname(name), member.linkname)))  # noqa: PTH118, PTH120
        left_out = set(paths[: self.skipped]) - needed
        return [member for member in every if member.name not in left_out]

    def size(self) -> int:
        """Bytes before they are compressed."""
        return sum(member.size for member in self.members())

    def write(self, target: IO[bytes], progress: Progress) -> None:
        with (
            self.path.open("rb") as source,
            gzip.GzipFile(fileobj=target, mode="wb", compresslevel=COMPRESSION, mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w|", format=tarfile.PAX_FORMAT) as archive,
        ):
            for member in self.members():
                source.seek(member.offset_data)
                archive.addfile(member, Watched(source, progress) if member.isreg() else None)


class Progress:
    """Tells now and then how far it is."""

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total = name, total
        self._done = 0
        self._told = time.monotonic()

    def add(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._told >= INTERVAL:
            self._told = time.monotonic()
            share = 100 * self._done // max(self._total, 1)
            tell(f"{self._name}: {share} % of {megabytes(self._total)} sent")


class Watched(io.RawIOBase):
    """A file that is read for the archive."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        super().__init__()
        self._file, self._progress = file, progress

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._progress.add(len(data))
        return data


class Counted(io.RawIOBase):
    """A pipe whose bytes are counted."""

    def __init__(self, pipe: IO[bytes]) -> None:
        super().__init__()
        self.count = 0
        self._pipe = pipe

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._pipe.write(data)
        self.count += len(data)
        return len(data)


def load(server: Docker, archive: Archive, name: str) -> tuple[int, str]:
    """Bytes that went through the pipe, and why Docker did not take them; empty when it did."""
    progress = Progress(name, archive.size())
    with tempfile.TemporaryFile("w+b") as said:
        process = server.start("load", "--quiet", stdin=subprocess.PIPE, stdout=said, stderr=subprocess.STDOUT)
        if process.stdin is None:
            raise AssertionError("the pipe was asked for")
        pipe = Counted(process.stdin)
        # The end of the process writes what its pipe still holds: that can break, too.
        with contextlib.suppress(BrokenPipeError), process:
            archive.write(pipe, progress)  # type: ignore[arg-type]
            process.stdin.close()
        said.seek(0)
        text = said.read().decode(errors="replace").strip()
    return pipe.count, "" if process.returncode == 0 else text or f"exit code {process.returncode}"


def send(here: Docker, server: Docker, image: Mapping[str, Any], reference: str) -> int:
    """Send the image from here to the server; the bytes that were sent."""
    layers = layers_of(image)
    skipped = in_common(layers, server.layers())
    sent = 0
    with tempfile.TemporaryDirectory(prefix="monopco-image-") as folder:
        path = Path(folder, "image.tar")
        here.ask("save", "--output", str(path), reference)
        whole, archive = Archive(path, 0), Archive(path, skipped)
        tell(
            f"{reference}: sending {len(layers) - archive.skipped} of {len(layers)} layers, "
            f"{megabytes(archive.size())} before compression"
        )
        for left in reversed(range(TRIES)):
            count, refused = load(server, archive, reference)
            sent += count
            if not refused and same(image, server.image(reference)):
                return sent
            if _BROKEN.search(refused):
                if left:
                    tell(f"{reference}: the connection broke ({refused.splitlines()[-1]}); sending it again")
                    time.sleep(PAUSE)
                    continue
            elif archive.skipped:
                # Docker with containerd's image store takes whole images only.
                tell(f"{reference}: Docker on the server wants all of it, {megabytes(whole.size())} before compression")
                archive = whole
                continue
            raise DeliveryError(
                f"The image {reference} could not be brought to the server: {refused or 'it is another one'}"
            )
    raise DeliveryError(f"The image {reference} could not be brought to the server in {TRIES} tries")


def pushed(source: Docker, image_id: str, name: str) -> str:
    """Push the image under a name in the registry; the name by its content's digest."""
    source.ask("tag", image_id, name)
    done = _tried(source, "push", name)
    found = re.search(r"digest: (sha256:[0-9a-f]{64})", done)
    if not found:
        raise DeliveryError(f"The registry took {name}, but did not say under which digest: {done.strip()[-400:]}")
    return f"{name.rpartition(':')[0]}@{found[1]}"


def _tried(docker: Docker, *arguments: str) -> str:
    """What a command prints that may be done twice; again when the connection breaks."""
    for left in reversed(range(TRIES)):
        done = docker.run(*arguments)
        if done.returncode == 0:
            return done.stdout
        if not left or not _BROKEN.search(done.stderr):
            break
        time.sleep(PAUSE)
    hint = " (registry.username and registry.password)" if re.search("denied|unauthorized", done.stderr) else ""
    raise DeliveryError(f"`docker {' '.join(arguments)}` {docker.where} failed{hint}: {done.stderr.strip()}")


def credentials(folder: Path, registry: str, username: str, password: str) -> dict[str, str]:
    """An environment in which docker logs in to the registry, and to nothing else."""
    host = registry.partition("/")[0]
    key = "https://index.docker.io/v1/" if host in ("docker.io", "index.docker.io") else host
    token = base64.b64encode(f"{username}:{password}".encode()).decode()
    path = folder / "config.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"auths": {key: {"auth": token}}}), encoding="utf-8")
    return {"DOCKER_CONFIG": str(folder)}


def registry_name(registry: str, reference: str) -> str:
    """Name of an image in the registry; one level deep, since not all take more."""
    return f"{registry.rstrip('/')}/{reference.replace('/', '-')}"


def forget_old(here: Docker, label: str, stack: str) -> None:
    """Remove the stack's images on the machine that builds, but the newest ones. A failure hinders nothing."""
    for component in ("app", "proxy", "database", "runtime", "build"):
        found = here.run(
            *(
                "image",
                "ls",
                "--filter",
                f"label={label}.stack={stack}",
                "--filter",
                f"label={label}.component={component}",
            ),
            *("--filter", "dangling=false", "--format", "{{.Repository}}:{{.Tag}}"),
        )
        names = [name for name in found.stdout.split() if name.startswith(f"monopco-{stack}/")]
        for old in names[KEPT:]:  # Docker lists the newest first
            here.run("image", "rm", old)


@contextlib.contextmanager
def daemons(given: Mapping[str, str], password: str) -> Iterator[tuple[Docker, Docker]]:
    """The daemon here, and the server's."""
    with tempfile.TemporaryDirectory(prefix="monopco-login-") as folder:
        here = dict(given)
        if given["REGISTRY"] and given["USERNAME"]:
            if "DOCKER_HOST" not in here:
                # The login hides the user's own configuration, and with it which Docker is used.
                shown = subprocess.run(
                    ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if host := shown.stdout.strip():
                    here["DOCKER_HOST"] = host
            here |= credentials(Path(folder), given["REGISTRY"], given["USERNAME"], password)
        server = {
            **here,
            "DOCKER_HOST": given["SERVER"],
            "PATH": f"{Path.cwd() / given['WRAPPER']}{os.pathsep}{given['PATH']}",
        }
        yield Docker("here", here), Docker("on the server", server)


def through_registry(source: Docker, server: Docker, image: Mapping[str, Any], given: Mapping[str, str]) -> None:
    name = registry_name(given["REGISTRY"], given["REFERENCE"])
    content = pushed(source, str(image["Id"]), name)
    # The name in the registry is for the way only: whoever removes the image later knows it by its own.
    source.run("image", "rm", name)
    if source is not server:
        _tried(server, "pull", "--quiet", content)
        server.ask("tag", content, given["REFERENCE"])
        server.run("image", "rm", content)


def holder(given: Mapping[str, str], here: Docker, server: Docker) -> Docker:
    """Who has the image: the machine that builds, or else the server that is said to hold it."""
    if given["BUILT_ON"] == "server":
        return server
    if not given.get("HELD_BY") or here.image(given["IMAGE"]):
        return here
    own = {"DOCKER_HOST": given["HELD_BY"], "MONOPCO_SSH_CONFIG": given["HELD_BY_CONFIG"]}
    return Docker("on the manager", {**server.environment, **own})


def deliver(given: Mapping[str, str], password: str) -> dict[str, Any]:
    """What the server has in the end, and how many bytes were sent to it over SSH."""
    reference = given["REFERENCE"]
    with daemons(given, password) as (here, server):
        source = holder(given, here, server)
        there = server.image(reference)
        image = source.image(given["IMAGE"]) if not given["PUBLISHED"] or source.answers() else None
        if image is None and there is None and given["PUBLISHED"]:
            tell(f"{reference}: the server pulls it")
            _tried(server, "pull", "--quiet", given["PUBLISHED"])
            server.ask("tag", given["PUBLISHED"], reference)
            return {"image": server.ask("image", "inspect", "--format", "{{.Id}}", reference), "sent": 0}
        sent = 0
        if image is None:
            if there is None:
                raise DeliveryError(
                    f"The image {reference} is neither here nor on the server; ./monopco env makes it here."
                )
        elif given["REGISTRY"]:
            through_registry(source, server, image, given)
        elif not same(image, there):
            by_id = server.image(str(image["Id"]))
            if by_id:
                server.ask("tag", str(image["Id"]), reference)
            else:
                sent = send(source, server, image, reference)
                forget_old(here, given["LABEL"], given["STACK"])
        return {"image": server.ask("image", "inspect", "--format", "{{.Id}}", reference), "sent": sent}


if __name__ == "__main__":
    try:
        print(json.dumps(deliver(os.environ, sys.stdin.read())))
    except DeliveryError as failure:
        tell(str(failure))
        sys.exit(1)
