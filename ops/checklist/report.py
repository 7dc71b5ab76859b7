"""What came of the checks, for people, for programs and for a pipeline."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from ops.checklist.result import Verdict
from ops.checklist.runner import Outcome, by_group

_MARKS = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.NOT_APPLICABLE: "-"}
_STYLES = {Verdict.PASSED: "green", Verdict.FAILED: "bold red", Verdict.NOT_APPLICABLE: "dim"}
_XML_FORBIDS = dict.fromkeys([*range(9), 11, 12, *range(14, 32)])


def style(verdict: Verdict) -> str:
    return _STYLES[verdict]


def line(outcome: Outcome) -> str:
    """A check as a line, with what to do below it when it failed."""
    result = outcome.result
    text = f"  {_MARKS[result.verdict]} {outcome.check.title}: {result.said}"
    return f"{text}\n    [{outcome.check.id}] → {result.todo}" if result.todo else text


def summary(stack: str, release: str, outcomes: Sequence[Outcome]) -> str:
    counts = Counter(one.result.verdict for one in outcomes)
    numbers = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict)
    now = datetime.now(timezone.utc)
    return f"{stack}, release {release or 'none'}, {now:%Y-%m-%d %H:%M} UTC: {numbers}"


def fields(stack: str, release: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """For programs."""
    return {
        "stack": stack,
        "release": release or None,
        "passed": all(one.result.verdict is not Verdict.FAILED for one in outcomes),
        "checks": [
            {
                "id": one.check.id,
                "group": one.check.group.value,
                "title": one.check.title,
                "box": one.check.box.french if one.check.box else None,
                "verdict": one.result.verdict.value,
                "said": one.result.said,
                "todo": one.result.todo or None,
                "seconds": round(one.seconds, 3),
            }
            for one in outcomes
        ],
    }


def junit(stack: str, outcomes: Sequence[Outcome]) -> str:
    """The form that pipelines read: a suite for each heading, a case for each check."""
    root = ET.Element("testsuites", name=f"monopco verify {stack}")
    for group, found in by_group(outcomes):
        verdicts = Counter(one.result.verdict for one in found)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=group.value,
            tests=str(len(found)),
            failures=str(verdicts[Verdict.FAILED]),
            skipped=str(verdicts[Verdict.NOT_APPLICABLE]),
        )
        for one in found:
            said, todo = (text.translate(_XML_FORBIDS) for text in (one.result.said, one.result.todo))
            names = {"classname": one.check.id, "name": one.check.title, "time": f"{one.seconds:.3f}"}
            case = ET.SubElement(suite, "testcase", names)
            if one.result.verdict is Verdict.FAILED:
                ET.SubElement(case, "failure", message=said).text = f"{said}\n{todo}"
            elif one.result.verdict is Verdict.NOT_APPLICABLE:
                ET.SubElement(case, "skipped", message=said)
            else:
                ET.SubElement(case, "system-out").text = said
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
