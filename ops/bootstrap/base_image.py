"""The image that all of ours are built on: Debian 13, pulled by digest or made from Debian's packages."""

from __future__ import annotations

import platform
import selectors
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ops.bootstrap import apt, docker, sources
from ops.bootstrap.commands import Report, answer, as_root, find, finish, remove_as_root, run, start, stopping
from ops.bootstrap.errors import StepError
from ops.bootstrap.stamps import key
from ops.bootstrap.steps import Step
from ops.places import BASE_IMAGE, PROJECT

NAME = "Base image"
_SUITE = "trixie"
_PUBLISHED = "debian:trixie-slim@sha256:a29215f6a35e51e22adffa17f89e9d2ef06214e64a2bad10d765c46aea49f11f"
_ANSWER_SECONDS = 5.0
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Not in the project, whose path may have a space, which debootstrap cannot take; not where others may write.
_PLACE = Path("/var/cache/monopco")
_ROOT = _PLACE / f"base-image-{key(str(PROJECT))[:12]}"
_TRIES = 3

# What makes a Debian an image's Debian: no documentation, no services started on install, no package files kept.
_FILES = {
    "etc/dpkg/dpkg.cfg.d/image": (
        "path-exclude /usr/share/doc/*\npath-include /usr/share/doc/*/copyright\npath-exclude /usr/share/info/*\n"
        "path-exclude /usr/share/locale/*\npath-exclude /usr/share/man/*\nforce-unsafe-io\n"
    ),
    "etc/apt/apt.conf.d/image": (
        'Acquire::Languages "none";\nAPT::AutoRemove::SuggestsImportant "false";\n'
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };\n'
        'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n'
    ),
    "usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
}
_REMOVED = (
    "var/lib/apt/lists",
    "var/cache/apt",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "var/log",
)


def step() -> Step:
    return Step(NAME, ready, _make, after=(docker.NAME,))


def ready() -> bool:
    """Also tells that Docker answers."""
    return answer(["docker", "image", "inspect", "--format", "{{.Id}}", BASE_IMAGE]).returncode == 0


def _make(report: Report) -> str:
    if ready():
        return "was there"
    if _pull(report):
        run(["docker", "tag", _PUBLISHED, BASE_IMAGE], report, log="base-image")
        return "pulled"
    if platform.system() != "Linux" or not apt.available() or as_root([]) is None:
        raise StepError(
            f"{_PUBLISHED.partition('@')[0]} cannot be pulled, and making it needs Debian or Ubuntu with root or sudo; "
            f"load it from a machine that has it: docker save {BASE_IMAGE} | ssh HERE docker load"
        )
    _debootstrap(report)
    return "made with debootstrap"


def _pull(report: Report) -> bool:
    """Whether the published image could be pulled. A registry that says nothing for 5 s is taken as absent."""
    report("pulling")
    process, output = start(["docker", "pull", _PUBLISHED])
    with selectors.DefaultSelector() as selector:
        selector.register(output, selectors.EVENT_READ)
        if not selector.select(_ANSWER_SECONDS):
            process.terminate()
    for line in output:
        report(line.strip())
    return finish(process) == 0


def _debootstrap(report: Report) -> None:
    tools = [] if find("debootstrap") else ["debootstrap"]
    keys = [] if _KEYRING.exists() else ["debian-archive-keyring"]
    if tools or keys:
        apt.install([*tools, *keys], report)
    mirrors = _mirrors()
    script = [] if Path("/usr/share/debootstrap/scripts", _SUITE).exists() else ["/usr/share/debootstrap/scripts/sid"]
    # An empty mirror is debootstrap's own default.
    mirror = [mirrors.main if mirrors else "", *script] if mirrors or script else []
    run(as_root(["mkdir", "-p", str(_PLACE)]) or [], report, log="base-image")
    options = ["--variant=minbase", "--force-check-gpg", f"--keyring={_KEYRING}"]
    command = as_root([find("debootstrap") or "debootstrap", *options, _SUITE, str(_ROOT), *mirror]) or []
    _try(command, report)
    _adapt(mirrors or _default_mirrors(), report)
    _import(report)
    remove_as_root(_ROOT, report)


def _try(command: Sequence[str], report: Report) -> None:
    """Run debootstrap, from the start again when it fails: one package in a hundred that did not come ends it."""
    for left in reversed(range(_TRIES)):
        remove_as_root(_ROOT, report)
        try:
            run(command, lambda line: report(line.removeprefix("I: ")), log="base-image")
        except StepError as error:
            if left == 0 or stopping():
                raise StepError(f"{error}\n  and its own log with\n    {_last_words()}") from error
            report("did not come whole; trying again")
        else:
            return


def _last_words() -> str:
    """What the programs that debootstrap started said last."""
    log = answer(as_root(["tail", "-n", "5", str(_ROOT / "debootstrap" / "debootstrap.log")]) or []).stdout
    return log.strip().replace("\n", "\n    ") or "nothing"


def _mirrors() -> sources.Mirrors | None:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return None
    if release.get("ID") != "debian":
        return None
    return sources.debian_mirrors(sources.read(), release.get("VERSION_CODENAME", ""))


def _default_mirrors() -> sources.Mirrors:
    """The mirror that debootstrap chose, as it wrote it into the new system."""
    entries = list(sources.parse_list((_ROOT / "etc/apt/sources.list").read_text(encoding="utf-8")))
    return sources.Mirrors(entries[0].uri, sources.security_beside(entries[0].uri))


def sources_file(mirrors: sources.Mirrors) -> str:
    """The image's own apt sources, with security fixes and updates."""
    return "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\nSigned-By: {_KEYRING}\n"
        for uri, suites in ((mirrors.main, f"{_SUITE} {_SUITE}-updates"), (mirrors.security, f"{_SUITE}-security"))
    )


def _adapt(mirrors: sources.Mirrors, report: Report) -> None:
    report("adapting")
    files = {**_FILES, "etc/apt/sources.list.d/debian.sources": sources_file(mirrors)}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            draft = Path(folder, "file")
            draft.write_text(content, encoding="utf-8")
            mode = "0755" if content.startswith("#!") else "0644"
            run(as_root(["install", "-D", "-m", mode, str(draft), str(_ROOT / name)]) or [], report, log="base-image")
    run(as_root(["rm", "-f", str(_ROOT / "etc/apt/sources.list")]) or [], report, log="base-image")
    for name in _REMOVED:
        if (_ROOT / name).is_dir():
            run(
                as_root(["find", str(_ROOT / name), "-type", "f", "!", "-name", "copyright", "-delete"]) or [],
                report,
                log="base-image",
            )


def _import(report: Report) -> None:
    report("importing")
    draft = f"{BASE_IMAGE}-new"
    archive = as_root(["tar", "--create", "--directory", str(_ROOT), "--numeric-owner", "."]) or []
    script = """set -o pipefail; draft=$1; shift; "$@" | docker import --change 'CMD ["bash"]' - "$draft" """
    run(["bash", "-c", script, "bash", draft, *archive], report, log="base-image")
    run(["docker", "tag", draft, BASE_IMAGE], report, log="base-image")  # under its name only when it is whole
    run(["docker", "rmi", draft], report, log="base-image")
