"""The official Pulumi: downloaded, checked against its published checksums, unpacked."""

from __future__ import annotations

import hashlib
import os
import platform
import queue
import shutil
import tarfile
import tempfile
import threading
import urllib.error
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath

from ops.bootstrap.commands import Report
from ops.bootstrap.errors import StepError

RELEASES = "https://get.pulumi.com/releases/sdk"
_ANSWER_SECONDS = 5.0
_READ_SECONDS = 30.0
_BLOCK = 2**20
_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def archive_name(version: str, system: str, machine: str) -> str:
    """The file name of a release for an operating system and a processor, as Python calls them."""
    architecture = _ARCHITECTURES.get(machine.lower())
    if architecture is None:
        raise StepError(f"Pulumi is not published for {machine} processors")
    return f"pulumi-v{version}-{system.lower()}-{architecture}.tar.gz"


def reachable(version: str, releases: str = RELEASES) -> bool:
    """Whether the place of the official downloads answers within 5 seconds."""
    try:
        _open(_checksums(version, releases)).close()
    except (OSError, HTTPException):
        return False
    return True


def install(version: str, tools: Path, report: Report, releases: str = RELEASES) -> bool:
    """Put the official programs into the folder `tools`; False when they cannot be had, with the reason reported.

    Raises StepError when what comes is not what was published.
    """
    name = archive_name(version, platform.system(), platform.machine())
    report("asking for the official download")
    try:
        checksums = _open(_checksums(version, releases)).read().decode()
        answer = _open(f"{releases}/{name}")
    except (OSError, HTTPException):
        return False
    tools.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tools.parent) as folder:
        archive = Path(folder, name)
        digest = _save(answer, archive, report)
        if digest != published_checksum(checksums, name):
            raise StepError(
                f"{releases}/{name} has SHA-256 {digest}, which is not the published one; "
                "try again, and if it stays so, install Pulumi by hand"
            )
        report("unpacking")
        unpack(archive, Path(folder, "bin"))
        shutil.rmtree(tools, ignore_errors=True)
        Path(folder, "bin").replace(tools)
    return True


def published_checksum(checksums: str, name: str) -> str | None:
    """The SHA-256 of `name` in a list as sha256sum writes it."""
    rows = (line.split() for line in checksums.splitlines())
    return next((row[0] for row in rows if len(row) > 1 and row[1].lstrip("*") == name), None)


def unpack(archive: Path, folder: Path) -> None:
    """The programs of a release, flat in `folder`; nothing else of the archive is written."""
    folder.mkdir()
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is None:
                continue
            target = folder / PurePosixPath(member.name).name
            with content, target.open("wb") as file:
                shutil.copyfileobj(content, file)
            target.chmod(0o755)


def _checksums(version: str, releases: str) -> str:
    return f"{releases}/pulumi-{version}-checksums.txt"


def _open(url: str) -> HTTPResponse:
    """The answer to a request, within 5 seconds, however long the name's look-up takes. Raises OSError."""
    answers: queue.Queue[HTTPResponse | Exception] = queue.Queue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(url, timeout=_READ_SECONDS))  # noqa: S310
        except Exception as error:  # noqa: BLE001
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it is the answer, too
            answers.put(error)

    threading.Thread(target=ask, name=url, daemon=True).start()
    try:
        answer = answers.get(timeout=_ANSWER_SECONDS)
    except queue.Empty:
        raise TimeoutError(f"{url} does not answer") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _save(answer: HTTPResponse, path: Path, report: Report) -> str:
    """Write the body to `path`; its SHA-256."""
    digest = hashlib.sha256()
    total = int(answer.headers.get("Content-Length") or 0)
    received = 0
    try:
        with answer, path.open("wb") as file:
            while block := answer.read(_BLOCK):
                file.write(block)
                digest.update(block)
                received += len(block)
                report(f"downloading {received // 2**20} of {total // 2**20} MB")
            os.fsync(file.fileno())
    except (OSError, HTTPException) as error:
        raise StepError(f"the download of {path.name} broke off ({error}); try again") from error
    return digest.hexdigest()
