"""Documentation, and whether what is written is so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ops import pin
from ops.checklist import guide
from ops.checklist.check import check
from ops.checklist.configuration import expected_variables
from ops.checklist.result import Result, failed, judged, not_applicable, passed
from ops.errors import CommandError
from ops.survey import Survey

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)[^)]*\)")
_CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]+`", re.DOTALL | re.MULTILINE)
_SHORTEST = 300  # characters of a README that says something
_CONTAINER = "docker:index/container:Container"
# Set by the container itself, for every app.
_OF_THE_CONTAINER = {"NODE_ENV", "PORT", "RELEASE"}


def dead_links(folder: Path, documents: Sequence[Path]) -> list[str]:
    """Files that the documents point at and that are not there."""
    found = []
    for document in documents:
        text = _CODE.sub("", document.read_text(encoding="utf-8", errors="replace"))
        for target in _LINK.findall(text):
            if "://" in target or target.startswith(("mailto:", "data:")):
                continue
            place = folder / target.lstrip("/") if target.startswith("/") else document.parent / target
            if not place.exists():
                found.append(f"{document.relative_to(folder)} points at {target}, which is not there")
    return found


@check(guide.README)
def readme(survey: Survey) -> Result:
    path = survey.source / "README.md"
    todo = "write down in README.md of the source what the app is, how it is built and how it is run"
    if not path.is_file():
        return failed("the source has no README.md", todo)
    if len(path.read_text(encoding="utf-8", errors="replace")) < _SHORTEST:
        return failed("README.md of the source says next to nothing", todo)
    dead = dead_links(survey.source, [path])
    return judged(
        dead, "correct the links", "it is there, and its links lead somewhere; whether it is true is for a person"
    )


@check(guide.DOCS)
def docs(survey: Survey) -> Result:
    documents = sorted((survey.source / "docs").rglob("*.md"))
    if not documents:
        return not_applicable("the source has no document in docs/")
    dead = dead_links(survey.source, documents)
    return judged(
        dead, "correct the links, or write what is missing", f"{len(documents)} documents, no dead link in them"
    )


@check(guide.DOCUMENTED_VARIABLES)
def documented_variables(survey: Survey) -> Result:
    source = survey.source
    documents = [
        *source.glob("*.md"),
        *(source / "docs").rglob("*.md"),
        *source.glob(".env.*"),
        *source.glob("env.example"),
    ]
    text = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in documents if path.is_file())
    wanted = sorted(expected_variables(survey) - _OF_THE_CONTAINER)
    lost = [name for name in wanted if not re.search(rf"\b{name}\b", text)]
    return judged(
        [f"not in README.md, docs/ or .env.example: {', '.join(lost)}" for _ in lost[:1]],
        "write a line for each into README.md of the source",
        f"{len(wanted)} variables",
    )


def judge_rollback(live: str, history: Sequence[str], startable: Sequence[str]) -> Result:
    """Whether there is a good release before the live one that can be started."""
    before = [release for release in reversed(history) if release != live]
    there = next((release for release in before if release in startable), "")
    if there:
        return passed(f"./monopco rollback goes to {there}; docs/operations.md says how")
    if before:
        return failed(
            f"the good release before, {before[0]}, cannot be started any more: its image is gone",
            "./monopco checkpoint -m TEXT makes one that can; app.keepReleases says how many are kept",
        )
    return not_applicable("no good release was live before this one, so there is none to go back to")


@check(guide.ROLLBACK)
def rollback(survey: Survey) -> Result:
    _ = survey.release  # what runs can be started again, too
    return judge_rollback(survey.live, survey.proxy.history, [one.id for one in survey.releases])


def judge_drift(wanted: dict[str, str], found: dict[str, tuple[str, str]]) -> list[str]:
    """Containers by name and id of the state that are not what runs: `found` has id and state."""
    problems = []
    for name, container in wanted.items():
        if name not in found:
            problems.append(f"{name} is gone")
        elif found[name][0] != container:
            problems.append(f"{name} was made anew by somebody else")
        elif found[name][1] != "running":
            problems.append(f"{name} is {found[name][1]}")
    return problems


@check(guide.Group.DOCUMENTATION, "What runs is what the state says")
def drift(survey: Survey) -> Result:
    wanted = _containers_of(survey.resources)
    if not wanted:
        return failed("the state of this stack has no container", f"./monopco up -s {survey.stack}")
    found = {fields["Name"].lstrip("/"): (fields["Id"], fields["State"]["Status"]) for fields in survey.inspected}
    problems = judge_drift(wanted, found)
    problems += [
        f"{name} is not in the state" for name in sorted(found.keys() - wanted.keys()) if _lasting(survey, name)
    ]
    return judged(problems, _refresh(survey), f"{len(wanted)} containers, by their ids")


def _containers_of(resources: Sequence[dict[str, Any]]) -> dict[str, str]:
    return {str(one["outputs"]["name"]): str(one["id"]) for one in resources if one["type"] == _CONTAINER}


def _lasting(survey: Survey, name: str) -> bool:
    return any(one.name == name and one.component in ("app", "proxy", "database") for one in survey.containers)


def _refresh(survey: Survey) -> str:
    return f'eval "$(./monopco env)" && pulumi up --refresh --stack {survey.stack}'


@check(guide.Group.DOCUMENTATION, "nginx runs with the configuration that the state has")
def nginx_configuration(survey: Survey) -> Result:
    wanted = str(survey.resource("proxy-configuration")["inputs"]["stdin"])
    proxy = survey.running("proxy")[0].name
    try:
        running = survey.run(proxy, "cat", "/run/monopco/nginx.conf")
    except CommandError:
        return failed("nginx runs without a configuration", _refresh(survey))
    if running.strip() != wanted.strip():
        return failed(
            "the configuration that nginx runs with is another one",
            f"docker rm --force {proxy}, then {_refresh(survey)}",
        )
    return passed(f"{len(wanted.splitlines())} lines, the same")


@check(guide.Group.DOCUMENTATION, "The release that runs is the one that the program gave")
def release(survey: Survey) -> Result:
    wanted = str(survey.outputs.get("release") or "")
    if wanted != survey.live:
        return failed(f"{survey.live} is live, the state says {wanted or 'none'}", _refresh(survey))
    pinned = pin.read(survey.file)
    return passed(f"{wanted}, pinned" if pinned else wanted)
