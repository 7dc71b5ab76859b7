"""`doctor`: why something does not work."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.text import Text

from ops.checklist.runner import one_line
from ops.console import output
from ops.diagnosis import app, database, ground, mail, traffic
from ops.diagnosis.finding import REGISTER, Certainty, Finding, Suspect, Symptom
from ops.errors import FAILED, CommandError
from ops.options import StackOption
from ops.places import DEFAULT_STACK
from ops.stack_file import StackFile
from ops.survey import Survey

# The modules register their causes when they are imported. What stands first explains what follows.
_MODULES = (ground, traffic, database, app, mail)


_AT_ONCE = 6


@dataclass(frozen=True)
class Diagnosis:
    """What was found, the likeliest cause first, and what could not be looked at."""

    findings: list[Finding]
    unknown: dict[str, str]

    @property
    def well(self) -> bool:
        return not self.unknown and all(one.certainty is Certainty.NOTE for one in self.findings)


def doctor(
    symptom: Annotated[
        Symptom | None, typer.Argument(help="What is seen; everything is looked at when left out.")
    ] = None,
    stack: StackOption = DEFAULT_STACK,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    online: Annotated[bool, typer.Option("--online", help="Ask Resend, too.")] = False,
) -> None:
    """Find out why something does not work: the likeliest cause, what shows it, and the one next command.

    Exit code 0 when nothing is found to be wrong.
    """
    survey = Survey(StackFile.read(stack), online=online)
    found = diagnose(survey, symptom)
    if as_json:
        output.print_json(json.dumps(_fields(stack, found)))
    else:
        _show(stack, symptom, found)
    if not found.well:
        raise typer.Exit(FAILED)


def suspects() -> list[Suspect]:
    """All causes, those first that explain others."""
    order = [module.__name__ for module in _MODULES]
    return sorted(REGISTER, key=lambda one: order.index(one.look.__module__))


def diagnose(survey: Survey, symptom: Symptom | None) -> Diagnosis:
    """Look for every cause of the symptom; what cannot be looked at is told as well."""
    first, *others = (one for one in suspects() if symptom is None or symptom in one.symptoms)
    found = [_look(survey, first)]
    if found[0] is None:  # Docker answers; without it nothing else can be asked
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found += pool.map(lambda one: _look(survey, one), others)
    findings = sorted((one for one in found if isinstance(one, Finding)), key=lambda one: -one.certainty)
    return Diagnosis(findings, dict(one for one in found if isinstance(one, tuple)))


def _look(survey: Survey, suspect: Suspect) -> Finding | tuple[str, str] | None:
    """What a cause's function found, or the cause's name with why it could not look."""
    try:
        finding = suspect.look(survey)
    except CommandError as error:
        return suspect.name, one_line(survey.redacted(str(error)))
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        return suspect.name, one_line(survey.redacted(f"{type(error).__name__}: {error}"))
    return _redacted(survey, finding) if finding else None


def _redacted(survey: Survey, finding: Finding) -> Finding:
    evidence, command = (one_line(survey.redacted(text)) for text in (finding.evidence, finding.command))
    return Finding(finding.cause, evidence, command, finding.certainty)


def _fields(stack: str, found: Diagnosis) -> dict[str, Any]:
    return {
        "stack": stack,
        "well": found.well,
        "findings": [
            {
                "cause": one.cause,
                "evidence": one.evidence,
                "command": one.command,
                "certainty": one.certainty.name.lower(),
            }
            for one in found.findings
        ],
        "unknown": found.unknown,
    }


def _show(stack: str, symptom: Symptom | None, found: Diagnosis) -> None:
    wrong = [one for one in found.findings if one.certainty is not Certainty.NOTE]
    notes = [one for one in found.findings if one.certainty is Certainty.NOTE]
    if wrong:
        first, *others = wrong
        output.print(Text(f"{first.cause[0].upper()}{first.cause[1:]}.", style="bold red"))
        output.print(Text(f"  {first.evidence}\n  Next: {first.command}"))
        _list("Also found", others)
    elif found.unknown:
        output.print(Text("Nothing wrong was found, but not everything could be looked at.", style="yellow"))
    else:
        about = f" that explains {symptom.value}" if symptom else ""
        output.print(Text(f"Stack {stack} is well: nothing was found{about}.", style="green"))
    _list("Worth knowing", notes)
    if found.unknown:
        output.print(Text("Could not be looked at:", style="dim"))
        for name, reason in found.unknown.items():
            output.print(Text(f"  {name}: {reason}", style="dim"))


def _list(title: str, findings: Sequence[Finding]) -> None:
    if findings:
        output.print(Text(f"{title}:"))
    for one in findings:
        output.print(Text(f"  - {one.cause}: {one.evidence}"))
