"""The pin in a stack's file: the release that runs instead of the source's.

The file belongs to people and lies in git, so nothing else in it changes, comments and order included.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from ops.bootstrap.stamps import write_atomically
from ops.errors import CommandError
from ops.places import PROJECT
from ops.stack_file import StackFile

_KEY = "monopco:pinned"


@dataclass(frozen=True)
class Pin:
    release: str
    instead_of: str | None = None
    accepts: tuple[str, ...] = ()


def read(file: StackFile) -> Pin | None:
    """The pin in the stack's file; None when nothing is pinned."""
    release = file.value("pinned", "release")
    if not release:
        return None
    return Pin(str(release), file.value("pinned", "insteadOf"), tuple(file.value("pinned", "accepts") or ()))


def write(stack: str, pin: Pin | None, project: Path = PROJECT) -> None:
    """Put `pin` into the file of `stack`, or take it out. Raises CommandError when the file cannot be edited so."""
    path = project / f"Pulumi.{stack}.yaml"
    text = path.read_text(encoding="utf-8")
    changed = rewritten(text, pin)
    if changed is None:
        raise CommandError(
            f"{path.name} is not written as Pulumi writes it, so it was left alone. Put this below `config:` and run "
            f"./monopco up -s {stack}:\n" + "\n".join(_lines(pin, "  "))
        )
    if changed != text:
        write_atomically(path, changed, path.stat().st_mode & 0o777)


def rewritten(text: str, pin: Pin | None) -> str | None:
    """The text of the file with another pin; None when that cannot be done line by line."""
    if _same_but_for_pin(text, text, pin):
        return text
    lines = text.splitlines()
    if not any(re.match(r"config:\s*(#.*)?$", line) for line in lines):
        lines = [line for line in lines if not re.match(r"config:\s*\{\s*\}\s*$", line)] + ["config:"]
    start = next(number for number, line in enumerate(lines) if line.startswith("config:")) + 1
    end = next((number for number in range(start, len(lines)) if re.match(r"[^\s#]", lines[number])), len(lines))
    block = lines[start:end]
    indent = next((match[1] for line in block if (match := re.match(r"(\s+)[^\s#]", line))), "  ")
    kept = _without(block, indent)
    while kept and not kept[-1].strip():
        kept.pop()
    result = "\n".join([*lines[:start], *kept, *_lines(pin, indent), *lines[end:]]) + "\n"
    return result if _same_but_for_pin(text, result, pin) else None


def _without(block: list[str], indent: str) -> list[str]:
    """The lines below `config:` but those of the pin."""
    kept, inside = [], False
    for line in block:
        if re.match(rf"{indent}\S", line):
            inside = bool(re.match(rf"""\s*["']?{_KEY}["']?\s*:""", line))
        if not inside:
            kept.append(line)
    return kept


def _lines(pin: Pin | None, indent: str) -> list[str]:
    if pin is None:
        return []
    lines = [f"{indent}{_KEY}:", f'{indent}{indent}release: "{pin.release}"']
    if pin.instead_of is not None:
        lines.append(f'{indent}{indent}insteadOf: "{pin.instead_of}"')
    if pin.accepts:
        lines.append(f"{indent}{indent}accepts: {json.dumps(list(pin.accepts))}")
    return lines


def _same_but_for_pin(before: str, after: str, pin: Pin | None) -> bool:
    try:
        old, new = yaml.safe_load(before) or {}, yaml.safe_load(after) or {}
    except yaml.YAMLError:
        return False
    old_config, new_config = old.get("config") or {}, new.get("config") or {}
    written = new_config.pop(_KEY, None)
    old_config.pop(_KEY, None)
    expected = yaml.safe_load("\n".join(_lines(pin, "  ")))[_KEY] if pin else None
    return {**old, "config": old_config} == {**new, "config": new_config} and written == expected
