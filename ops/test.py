"""`test`: everything that shows the project to be right."""

from __future__ import annotations

import enum
import json
import subprocess
import sys
from typing import Annotated

import typer
from rich.markup import escape

from ops import checks
from ops.console import output
from ops.errors import FAILED, MISTAKE, CommandError
from ops.places import PROJECT

# With more of them it is no accident.
TRIED_AGAIN = 3
# Pytest's own note of what failed.
_LAST_FAILED = PROJECT / ".pytest_cache" / "v" / "cache" / "lastfailed"


class Suite(str, enum.Enum):
    """A part of the tests."""

    UNIT = "unit"
    INTEGRATION = "integration"
    FAULTS = "faults"
    BENCH = "bench"


def test(
    suite: Annotated[Suite | None, typer.Argument(help="all but bench when it is left out.")] = None,
    figures: Annotated[
        list[str] | None, typer.Argument(help="of the bench, such as proxy or changes; all when left out.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The bench with fewer repetitions.")] = False,
) -> None:
    """Run the tests: unit (checks, no Docker), integration (real containers), faults, bench (measures).

    Without a name: unit, integration and faults, but those tests that take long. A name runs all of its own.
    """
    if suite is Suite.BENCH:
        raise typer.Exit(_python("bench", *(figures or ()), *(("--quick",) if quick else ())))
    if figures or quick:
        raise CommandError("figures and --quick are the bench's only: ./monopco test bench FIGURE", MISTAKE)
    passed, everything = True, suite is not None
    if suite in (None, Suite.UNIT):
        passed = _checked()
        passed = _tests("unit", "--numprocesses", "logical") and passed
    if passed and suite in (None, Suite.INTEGRATION):
        passed = _tests_with_real_parts("integration", everything)
    if passed and suite in (None, Suite.FAULTS):
        passed = _tests_with_real_parts("faults", everything)
    if not everything:
        output.print(
            "[yellow]left out:[/] the tests that take long (`pytest --collect-only -q -m long` lists them);"
            " ./monopco test integration and ./monopco test faults run them, too"
        )
    if not passed:
        raise typer.Exit(FAILED)


def _checked() -> bool:
    passed = True
    output.rule("checks", align="left")
    for finding in checks.run_all():
        passed = passed and finding.passed
        if finding.check.skipped:
            output.print(f"[yellow]skipped[/]  {finding.check.name:<14} {escape(finding.check.skipped)}")
            continue
        mark = "[green]passed[/] " if finding.passed else "[red]FAILED[/] "
        output.print(f"{mark}  {finding.check.name:<14} [dim]{finding.seconds:.1f} s[/]")
        if not finding.passed:
            output.print(escape(finding.said))
    return passed


def _tests(folder: str, *options: str) -> bool:
    """Whether the tests in tests/`folder` passed. Pytest's summary is the last that is printed."""
    output.rule(f"tests/{folder}", align="left")
    return _python("pytest", f"tests/{folder}", *options) == 0


def _tests_with_real_parts(folder: str, everything: bool) -> bool:
    """The same for tests that meet real machines: files that failed are tried once more, whole, and told.

    A file at a time for each core, because its tests share an environment; in the order of their conftest.
    """
    options = ["--numprocesses", "logical", "--dist", "loadfile", "--no-loadscope-reorder"]
    if not everything:
        options += ["-m", "not long"]
    _LAST_FAILED.unlink(missing_ok=True)
    if _tests(folder, *options):
        return True
    failed = _failed_files()
    if not 0 < len(failed) <= TRIED_AGAIN:
        return False
    output.rule(f"once more: {' '.join(failed)}", align="left")
    if _python("pytest", *failed, *options) != 0:
        return False
    output.print(f"[yellow]passed only when tried once more:[/] {' '.join(failed)}")
    return True


def _failed_files() -> list[str]:
    if not _LAST_FAILED.exists():
        return []
    return sorted({test.split("::")[0] for test in json.loads(_LAST_FAILED.read_text(encoding="utf-8"))})


def _python(module: str, *arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=PROJECT, check=False).returncode
