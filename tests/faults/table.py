"""docs/faults.md from what the suite has measured: `python -m tests.faults.table` after `./monopco test faults`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from bench.machine import described
from tests.integration.environment import PROJECT

FOLDER = PROJECT / ".cache" / "faults"
RESULTS = PROJECT / "docs" / "faults.json"
PAGE = PROJECT / "docs" / "faults.md"
BEGIN, END = "<!-- measured -->", "<!-- end of what was measured -->"
# Every fault of the suite, in the order of the table.
FAULTS = (
    "one replica dies",
    "every replica dies",
    "a replica runs out of memory",
    "the proxy dies",
    "the database dies",
    "the database restarts",
    "the database is cut off and comes back at another address",
    "all packets between app and database vanish",
    "all connections to the database break",
    "the database is slow for 2 s",
    "the disk of the database is full",
    "DNS fails",
    "the local certificate has ended",
    "the clock was two days ahead",
    "Docker is restarted on the server",
    "Docker is killed on the server",
    "the power of the server fails for a moment",
    "the package registry is away during a build",
    "the source does not build",
    "a new release ends as soon as it starts",
    "a certificate of one's own has ended",
    "too little disk for a deploy",
    "the state file is cut short",
    "the state file is empty",
    "the state file is of a newer Pulumi",
    "two people deploy at once",
)


def measured() -> list[dict[str, Any]]:
    """The costs that the modules have left, in the order of the table. Raises ValueError when some are missing."""
    found = {one["fault"]: one for file in FOLDER.glob("*.json") for one in json.loads(file.read_text("utf-8"))}
    if missing := [name for name in FAULTS if name not in found]:
        raise ValueError(f"not measured: {', '.join(missing)}; run ./monopco test faults")
    return [found[name] for name in FAULTS]


def render(document: dict[str, Any]) -> str:
    """What stands between the markers of the page."""
    machine = document["machine"]
    rows = [
        (
            f"Measured on {document['at'][:10]}: {machine['cores']} cores ({machine['processor']}), "
            f"{machine['memoryMB'] / 1024:.0f} GB, Docker {machine['docker']}, Pulumi {machine['pulumi']}; "
            f"load average {machine['loadAverage'][2]:.0f}, what else the machine did included."
        ),
        "",
        "| fault | what visitors lose | requests | lost | back after | data lost | named by | a person must |",
        "|---|---|--:|--:|--:|--:|---|---|",
    ]
    rows += [_row(one) for one in document["faults"]]
    return "\n".join(rows)


def _row(one: dict[str, Any]) -> str:
    cells: Sequence[object] = (
        one["fault"],
        one["expected"],
        one["requests"],
        one["lost"],
        f"{one['seconds']:.1f} s" if one["lost"] else "served on",
        one["data_lost"],
        one["said"] or "over before anybody can ask",
        one["person"] or "-",
    )
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def page(text: str, document: dict[str, Any]) -> str:
    """The page with what was measured in its place."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{render(document)}\n{END}{rest.partition(END)[2]}"


def main() -> int:
    try:
        faults = measured()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    document = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "machine": described(), "faults": faults}
    RESULTS.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), document), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
