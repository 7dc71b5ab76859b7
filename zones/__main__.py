"""The step of one record: `put` makes or changes it, `take` takes out what it made.

RECORD and PLACE are JSON, standard input is the access. What was made before comes, as Pulumi gives it, in
PULUMI_COMMAND_STDOUT, and what is made now is the one line of standard output.
"""

from __future__ import annotations

import os
import sys

from zones.changes import Made, ZoneError, put, take
from zones.opening import open_zone
from zones.place import Access, Place
from zones.record import ZoneRecord

MEND = "MONOPCO_MEND"
"""Variable that `./monopco up` sets to the records, "TYPE NAME" a line, which somebody else has changed."""


def main() -> None:
    record = ZoneRecord.from_json(os.environ["RECORD"])
    zone = open_zone(Place.from_json(os.environ["PLACE"]), Access.from_json(sys.stdin.read()))
    made = Made.from_json(os.environ.get("PULUMI_COMMAND_STDOUT", ""))
    if sys.argv[1:] == ["take"]:
        take(zone, record, made)
        return
    now = put(zone, record, made, mend=str(record) in os.environ.get(MEND, "").splitlines())
    if not now.ours:
        sys.stderr.write(f"{record}: was there already, and stays when this environment goes\n")
    sys.stdout.write(now.to_json())


if __name__ == "__main__":
    try:
        main()
    except ZoneError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)
