"""What a preview means for a person: what visitors notice, what changes and why, in a terminal and in a pull request.

Pure: from Pulumi's events to text. A value stands between backticks, in both.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops.changes import NOTHING, SECRET, Change, Changes
from ops.events import count
from policies import MADE_AGAIN, looks_secret

_VOLUME = "docker:index/volume:Volume"
_CONTAINER = "docker:index/container:Container"
_IMAGE = "docker:index/remoteImage:RemoteImage"
_REPLICA = re.compile(r"release-[0-9a-f]{10}-\d+")
_MARKS = {"create": "+", "change": "~", "replace": "±", "delete": "-", "import": "="}
_PAST = {"create": "created", "change": "changed", "replace": "replaced", "delete": "deleted", "import": "imported"}
_LONGEST_VALUE = 160
_LONGEST_LINE = 300
_LONGEST_DETAILS = 50_000  # of the 65,536 characters that a comment may have
_MOST_CAUSES = 3


class Impact(enum.Enum):
    """What visitors notice, the worst of it, as the first words of the report."""

    NOTHING = "Nothing would change"
    UNNOTICED = "No interruption"
    SECONDS = "Some seconds of interruption"
    FIRST = "First deployment"
    DATA = "DATA WOULD BE LOST"
    REFUSED = "Refused"


@dataclass(frozen=True)
class Section:
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """The report of one stack's preview."""

    impact: Impact
    headline: str
    """What a reviewer needs, in one line."""
    sections: tuple[Section, ...]
    details: tuple[str, ...]
    """Every resource with its fields, as lines of a diff."""
    summary: str
    """How many resources, and what of them."""


def report(changes: Changes) -> Report:
    """Say what `changes` mean."""
    noticed, lost = _noticed(changes), _lost(changes)
    causes = [*_causes(changes)]
    impact = _impact(changes, noticed, lost)
    return Report(
        impact=impact,
        headline=_headline(impact, changes, lost, causes),
        sections=tuple(_sections(changes, noticed, lost)),
        details=tuple(_details(changes.resources)),
        summary=_summary(changes.resources),
    )


def refused(reason: str) -> Report:
    """The report of a preview that did not begin."""
    return report(Changes((), None, None, "", (), (reason,), first=False, drift=()))


def text(found: Report) -> str:
    """The report for a terminal."""
    lines = [found.headline]
    for section in found.sections:
        lines += ["", section.title, *(f"  - {line}" for line in section.lines)]
    if found.details:
        lines += ["", found.summary, *(f"  {line}" for line in found.details)]
    return "\n".join(lines).replace("`", "") + "\n"


def marker(stack: str) -> str:
    """The line by which the comment of a stack is found again, to be updated in place."""
    return f"<!-- monopco preview {stack} -->"


def markdown(found: Report, stack: str) -> str:
    """The same words for a pull request, the resources collapsed."""
    parts = [f"**`{stack}`: {found.headline}**"]
    parts += [
        f"**{section.title}**\n\n" + "\n".join(f"- {line}" for line in section.lines) for section in found.sections
    ]
    if found.details:
        body = "\n".join(found.details)
        if len(body) > _LONGEST_DETAILS:
            body = body[:_LONGEST_DETAILS].rpartition("\n")[0] + "\n… the rest is in the job's log"
        fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", body)), default=0))
        parts.append(
            f"<details><summary>{found.summary}</summary>\n\n{fence}diff\n{body}\n{fence}\n\n</details>",
        )
    return "\n\n".join([*parts, marker(stack)]) + "\n"


def _impact(changes: Changes, noticed: Sequence[str], lost: Sequence[str]) -> Impact:
    found = {
        Impact.REFUSED: changes.errors,
        Impact.DATA: lost,
        Impact.FIRST: changes.first,
        Impact.SECONDS: noticed,
        Impact.UNNOTICED: changes.resources,
    }
    return next((impact for impact, there in found.items() if there), Impact.NOTHING)


def _headline(impact: Impact, changes: Changes, lost: Sequence[str], causes: Sequence[str]) -> str:
    if impact is Impact.NOTHING:
        return f"{impact.value}."
    if impact is Impact.REFUSED:
        said = [f"{one} would be deleted, and it is protected" for one in lost]
        said += [_first_line(error) for error in changes.errors if not (lost and _is_protection(error))]
        return f"{impact.value}: {_listed(said)}."
    told = [*(f"{one} would be deleted" for one in lost), *causes]
    release = _release_phrase(changes)
    return f"{impact.value}: {_listed([*told[:_MOST_CAUSES], *_more(told), *([release] if release else [])])}."


def _is_protection(error: str) -> bool:
    """Whether Pulumi refuses to delete what is protected, in words for those who know its state."""
    return "because it is protected" in " ".join(error.split())


def _more(told: Sequence[str]) -> list[str]:
    rest = len(told) - _MOST_CAUSES
    return [f"{rest} more change{'s' if rest > 1 else ''}"] if rest > 0 else []


def _listed(words: Sequence[str]) -> str:
    return "; ".join(words).rstrip(".")


def _first_line(error: str) -> str:
    """The first words of an error; of each mistake and finding that is listed below it, what it is."""
    first, *rest = [line.strip() for line in error.splitlines() if line.strip()]
    listed = [_value(line.removeprefix("- ").partition(". ")[0]) for line in rest if line.startswith("- ")]
    return f"{_plain(first)}: {', '.join(listed)}" if listed else _plain(first)


def _release_phrase(changes: Changes) -> str:
    new = _new_release(changes)
    if new and changes.release:
        return f"a new release `{new}` replaces `{changes.release}`"
    return f"release `{new}` starts" if new else ""


def _new_release(changes: Changes) -> str:
    """The release that would start; empty when the one that runs stays."""
    for change in changes.resources:
        if change.verb == "create" and (match := re.fullmatch(r"release-([0-9a-f]{10})-configuration", change.name)):
            return match[1]
    return ""


def _noticed(changes: Changes) -> list[str]:
    """What visitors see of it."""
    found = []
    proxy, database = changes.named("proxy-server"), changes.named("database-server")
    if proxy and proxy.verb in ("replace", "delete"):
        found.append("nginx's own container is replaced: nobody is answered for some seconds")
    if database and database.verb == "replace":
        found.append("PostgreSQL's own container is replaced: what needs the database waits or fails for some seconds")
    if database and database.verb == "delete":
        found.append(
            "PostgreSQL's own container goes: what is written to it until the switch is not in the other database"
        )
    network = changes.named("network-bridge")
    if network and network.verb in ("replace", "delete"):
        found.append("the network is made anew, and all containers with it: nobody is answered for a minute or so")
    return found


def _lost(changes: Changes) -> list[str]:
    """The volumes with data that would go."""
    return [
        f"the volume `{change.called or change.name}`"
        for change in changes.resources
        if change.kind == _VOLUME and change.verb in ("delete", "replace") and not MADE_AGAIN.fullmatch(change.name)
    ]


def _causes(changes: Changes) -> Iterator[str]:
    """Why there is something to do, each in a few words."""
    if changes.first:
        yield count(len(changes.resources))
        yield _images_phrase(changes)
        return
    yield from changes.drift
    yield from _release_causes(changes)
    yield from _replica_causes(changes)
    proxy, configuration = changes.named("proxy-server"), changes.named("proxy-configuration")
    if proxy and proxy.verb == "replace":
        yield f"nginx's container is replaced ({', '.join(proxy.forcing)})"
    if configuration and any(field.path == "stdin" for field in configuration.fields):
        yield "nginx's settings change"
    certificate = changes.named("certificate-self-signed")
    if certificate and any(field.path == "environment.NAMES" for field in certificate.fields):
        yield "the certificate is for other names"
    database = changes.named("database-server")
    if database and database.verb == "replace":
        yield f"PostgreSQL's container is replaced ({', '.join(database.forcing)})"
    if scripts := _new_scripts(changes):
        yield f"{len(scripts)} SQL script{'s' if len(scripts) > 1 else ''} to run"
    if not _explained(changes):
        yield _summary(changes.resources)


def _explained(changes: Changes) -> bool:
    names = ("proxy-server", "proxy-configuration", "database-server", "certificate-self-signed")
    return bool(
        changes.drift
        or _new_release(changes)
        or _replicas(changes) != (0, 0)
        or any(changes.named(name) for name in names)
    )


def _release_causes(changes: Changes) -> Iterator[str]:
    if changes.before is None or changes.after is None:
        return
    before, after = changes.before, changes.after
    variables = [line for line in _differences(before, after) if line.kind == "variable"]
    if len(variables) == 1:
        yield f"one environment variable changes (`{variables[0].name}`)"
    elif variables:
        yield f"{len(variables)} environment variables change"
    secrets = [line.name for line in _differences(before, after) if line.kind == "secret"]
    if secrets:
        names = ", ".join(f"`{name}`" for name in secrets)
        yield f"the secret {names} changes" if len(secrets) == 1 else f"the secrets {names} change"
    if before.get("image_digest") != after.get("image_digest"):
        yield "the app is built anew"
    for line in _differences(before, after):
        if line.kind == "setting":
            yield f"{line.name} {line.before} → {line.after}"


def _replicas(changes: Changes) -> tuple[int, int]:
    """Containers of the running release that are made, and that go."""
    if _new_release(changes):
        return 0, 0
    own = [change for change in changes.resources if change.kind == _CONTAINER and _REPLICA.fullmatch(change.name)]
    return sum(change.verb == "create" for change in own), sum(change.verb == "delete" for change in own)


def _replica_causes(changes: Changes) -> Iterator[str]:
    made, gone = _replicas(changes)
    for number, what in ((made, "more"), (gone, "fewer")):
        if number and not changes.drift:
            yield f"{number} app container{'s' if number > 1 else ''} {what}"


@dataclass(frozen=True)
class _Difference:
    """One thing in which a release differs from the one before it."""

    kind: str  # variable, secret, setting
    name: str
    before: str
    after: str

    @property
    def told(self) -> str:
        what = self.name if self.kind == "setting" else f"`{self.name}`"
        return f"{what}: another value" if self.before == self.after else f"{what}: {self.before} → {self.after}"


_SETTINGS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "memory_mb": ("memory of a container", lambda value: f"`{value}M`"),
    "port": ("port of the app", lambda value: f"`{value}`"),
    "drain_seconds": ("longest drain", lambda value: f"`{value} s`"),
    "read_only": ("read-only root", lambda value: f"`{'yes' if value else 'no'}`"),
    "health": ("health check", lambda value: f"`{value['path']}`"),
    "subnet": ("network", lambda value: f"`{value}`"),
    "made_by": ("how monopco makes containers", lambda value: f"`{value}`"),
}


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[_Difference]:
    old, new = before.get("environment") or {}, after.get("environment") or {}
    variables = [
        _Difference("variable", name, _variable(name, old), _variable(name, new)) for name in _differing(old, new)
    ]
    old, new = before.get("secret_versions") or {}, after.get("secret_versions") or {}
    secrets = [
        _Difference("secret", name, *(f"`{SECRET}`" if name in side else NOTHING for side in (old, new)))
        for name in _differing(old, new)
    ]
    settings = [
        _Difference("setting", name, put(before[key]), put(after[key]))
        for key, (name, put) in _SETTINGS.items()
        if key in before and key in after and before[key] != after[key]
    ]
    return [*variables, *secrets, *settings]


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def _variable(name: str, values: Mapping[str, Any]) -> str:
    if name not in values:
        return NOTHING
    value = str(values[name])
    return f"`{SECRET}`" if looks_secret(name, value) else f"`{_value(value)}`"


def _new_scripts(changes: Changes) -> list[str]:
    """The SQL scripts that the next release brings and the one before does not."""
    if changes.after is None or not _new_release(changes):
        return []
    known = {tuple(script) for script in (changes.before or {}).get("scripts") or ()}
    if changes.before is None and not changes.first:
        return []  # what ran before is not known
    return [str(script[0]) for script in changes.after.get("scripts") or () if tuple(script) not in known]


def _sections(changes: Changes, noticed: Sequence[str], lost: Sequence[str]) -> Iterator[Section]:
    if changes.errors:
        yield Section("Why it is refused", tuple(_told(_in_short(error)) for error in changes.errors))
    if changes.drift:
        yield Section("Not as it was left", tuple(f"{_plain(one)}; `up --refresh` mends it" for one in changes.drift))
    if changes.resources and not changes.errors:
        yield Section("What users notice", tuple(_users_notice(changes, noticed, lost)))
    if changes.before and changes.after and (lines := _differences(changes.before, changes.after)):
        yield Section("What the app gets", tuple(line.told for line in lines))
    if changes.resources:
        yield Section("Images", (_images_phrase(changes),))
    if changes.warnings:
        yield Section("Warnings", tuple(_told(warning) for warning in changes.warnings))


def _users_notice(changes: Changes, noticed: Sequence[str], lost: Sequence[str]) -> Iterator[str]:
    yield from (f"{one} would be deleted, with all that is in it; it cannot be brought back" for one in lost)
    yield from noticed
    if scripts := _new_scripts(changes):
        yield f"SQL scripts to run, each once: {', '.join(f'`{_value(one)}`' for one in scripts)}"
    if changes.first:
        yield "nothing ran here before"
    elif not noticed and _new_release(changes):
        yield "no interruption: the new release answers before it gets requests, and the old one ends what it has begun"
    elif not noticed and not lost:
        yield "no interruption"


def _images_phrase(changes: Changes) -> str:
    built = [
        change.name.removeprefix("image-").removesuffix("-build")
        for change in changes.resources
        if change.kind == _IMAGE and change.verb in ("create", "replace")
    ]
    if not built:
        return "no image is built"
    return f"{len(built)} image{'s are' if len(built) > 1 else ' is'} built ({', '.join(sorted(built))})"


def _summary(resources: Sequence[Change]) -> str:
    counts = {verb: sum(change.verb == verb for change in resources) for verb in _PAST}
    what = ", ".join(f"{number} {_PAST[verb]}" for verb, number in counts.items() if number)
    return f"{count(len(resources))}: {what}"


def _details(resources: Iterable[Change]) -> Iterator[str]:
    order = list(_MARKS)
    for change in sorted(resources, key=lambda one: (order.index(one.verb), one.name)):
        called = f" ({change.called})" if change.called else ""
        yield f"{_MARKS[change.verb]} {change.verb} {change.short_kind} {change.name}{called}"
        for field in change.fields:
            if field.follows:
                yield f"    {field.path} follows"
            else:
                yield from (f"    {line[:_LONGEST_LINE]}" for line in field.lines())


def _in_short(error: str) -> str:
    if not _is_protection(error):
        return error
    what = error.partition(":")[0]
    return (
        f"{what}: it is protected (database.protect), so nothing would be touched. Leave it in the configuration; or, "
        "when its data has been saved and may go, set database.protect to false in a change of its own first"
    )


def _told(message: str) -> str:
    """A message of several lines as one item."""
    return "; ".join(_plain(line.strip().removeprefix("- ")) for line in message.splitlines() if line.strip())


def _plain(words: str) -> str:
    """Words that come from elsewhere, without what Markdown or HTML would make of them."""
    return re.sub(r"([\\`*_<>\[\]|@#])", r"\\\1", words) if re.search(r"[<>\[\]@]|`", words) else words


def _value(value: str) -> str:
    """A value in one line, short enough to be read."""
    flat = " ".join(value.split()).replace("`", "'")
    return flat if len(flat) <= _LONGEST_VALUE else f"{flat[:_LONGEST_VALUE]}…"
