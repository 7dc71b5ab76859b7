"""Runs the measurements on one environment of their own: `./monopco test bench`, or `python -m bench NAME`."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from bench import backups, changes, growth, memory, nothing_to_do, page, previews, proxy, rollback, switches
from bench.app import SAMPLE, App, Deployed
from bench.results import FILE, Figure, keep, table
from tests.integration.environment import PROJECT

# Those that need no environment come first.
ALONE = ("proxy", "growth-environments")
NAMES = (*ALONE, "nothing-to-do", "previews", "cost", "changes", "growth-replicas", "rollback", "switches", "backups")
# Switches that a quick run makes: one of each kind.
QUICK_SWITCHES = ("environment", "secret", "certificate", "memory limit")


def main(arguments: Sequence[str] | None = None) -> int:
    # A shell starts what runs in the background with this signal ignored, and all that is started from there ignores it
    # too. Pulumi tells its plugins to end by it, and would wait 5 s for them in each run.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = _parser()
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - {*NAMES, "page"}:
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}; there are {', '.join((*NAMES, 'page'))}")
    console = Console()
    chosen = [name for name in NAMES if name in given.names or not given.names]
    with tempfile.TemporaryDirectory(prefix="monopco-bench-") as made:
        folder = Path(made)
        for name in chosen:
            if name in ALONE:
                console.rule(name, align="left")
                for figure in _alone(name, folder, given, console):
                    _tell(figure, console)
        if left := [name for name in chosen if name not in ALONE]:
            with _deployed(folder, given, console) as deployed:
                for name in left:
                    console.rule(name, align="left")
                    for figure in _measured(name, deployed, folder / name, given, console):
                        _tell(figure, console)
    page.write()
    console.print(f"results: {FILE.relative_to(PROJECT)}, page: {page.PAGE.relative_to(PROJECT)}")
    return 0


def _tell(figure: Figure, console: Console) -> None:
    keep(figure)
    console.print(table(figure))


@contextmanager
def _deployed(folder: Path, given: argparse.Namespace, console: Console) -> Iterator[Deployed]:
    with console.status("deploying the app"):
        deployed = Deployed.make(folder, "bench", _app(given))
    try:
        with console.status("deploying the app"):
            deployed.environment.up()
        yield deployed
    finally:
        with console.status("removing it again"):
            deployed.environment.destroy()


def _alone(name: str, folder: Path, given: argparse.Namespace, console: Console) -> list[Figure]:
    if name == "proxy":
        return proxy.measure(2 if given.quick else 5, 2 if given.quick else 5, console.print)
    return [
        growth.environments(folder, 2 if given.quick else growth.ENVIRONMENTS, 1 if given.quick else 3, console.print)
    ]


def _measured(name: str, deployed: Deployed, folder: Path, given: argparse.Namespace, console: Console) -> list[Figure]:
    quick, tell = given.quick, console.print
    counts = growth.REPLICAS[:3] if quick else growth.REPLICAS
    left = [one for one in switches.SWITCHES if one.name not in given.without]
    if quick:
        left = [one for one in left if one.name in QUICK_SWITCHES]
    niceness = given.niceness
    measurements: dict[str, Callable[[], Figure | list[Figure]]] = {
        "nothing-to-do": lambda: nothing_to_do.measure(deployed, folder, 2 if quick else 7, tell),
        "previews": lambda: previews.measure(deployed, folder, 2 if quick else 7, tell),
        "cost": lambda: memory.measure(deployed.environment),
        "changes": lambda: changes.measure(deployed, folder, 1 if quick else 3, tell),
        "growth-replicas": lambda: growth.replicas(deployed, 1 if quick else 3, counts, tell),
        "rollback": lambda: rollback.measure(deployed, folder, given.results, tell, 2 if quick else rollback.RUNS),
        "switches": lambda: switches.show(deployed, given.results, console, switches=left, niceness=niceness),
        "backups": lambda: backups.measure(deployed.environment),
    }
    found = measurements[name]()
    return found if isinstance(found, list) else [found]


def _app(given: argparse.Namespace) -> App:
    if given.source is None:
        return SAMPLE
    return App(
        source=given.source.resolve(),
        paths=given.path or App().paths,
        socket=given.socket,
        upload=given.upload,
        long=given.long,
        edited=given.edited,
        text=given.text,
        config=dict(one.split("=", 1) for one in given.config),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; without one, all; page only writes it"
    )
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    parser.add_argument("--results", type=Path, default=PROJECT / ".state" / "bench", help="folder for JSON files")
    parser.add_argument("--without", action="append", default=[], metavar="SWITCH", help="leave out this kind")
    parser.add_argument("--niceness", type=int, default=0, help="of the load program; below 0 for root only")
    other = parser.add_argument_group("another app than the sample one")
    other.add_argument("--source", type=Path, help="folder of its source")
    other.add_argument("--path", action="append", help="a path that is asked; may be given several times")
    other.add_argument("--socket", default="", metavar="PATH", help="a WebSocket that echoes")
    other.add_argument("--upload", default="", metavar="PATH", help="takes 10 MB, answers with size and SHA-256")
    other.add_argument("--long", default="", metavar="PATH", help='answers for 20 s and ends with "done"')
    other.add_argument("--edited", default=App().edited, metavar="FILE", help="a file of the source that is changed")
    other.add_argument("--text", default=App().text, help="a text in it that gets a number")
    other.add_argument("--config", action="append", default=[], metavar="KEY=VALUE", help="app.public.VITE_APP_TITLE=X")
    return parser


if __name__ == "__main__":
    sys.exit(main())
