"""Runs the measurements on one environment of their own: `./monopco test bench`, or `python -m bench NAME`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from bench import memory, nothing_to_do, rollback, switches
from bench.app import SAMPLE, App, Deployed
from tests.integration.environment import PROJECT

NAMES = ("nothing-to-do", "memory", "rollback", "switches")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"no measurement is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    console = Console()
    chosen = given.names or list(NAMES)
    with tempfile.TemporaryDirectory(prefix="monopco-bench-") as made:
        folder = Path(made)
        with console.status("deploying the app"):
            deployed = Deployed.make(folder, "bench", _app(given))
        try:
            with console.status("deploying the app"):
                deployed.environment.up()
            for name in NAMES:
                if name in chosen:
                    console.rule(name, align="left")
                    _run(name, deployed, folder, given, console)
        finally:
            with console.status("removing it again"):
                deployed.environment.destroy()
    return 0


def _run(name: str, deployed: Deployed, folder: Path, given: argparse.Namespace, console: Console) -> None:
    if name == "nothing-to-do":
        with console.status("pulumi up with nothing to do"):
            table = nothing_to_do.measure(deployed.environment, folder / "empty-up")
        console.print(table)
    elif name == "memory":
        console.print(memory.measure(deployed.environment))
    elif name == "rollback":
        rollback.show(deployed, folder / "empty-rollback", given.results, console)
    else:
        left = [one for one in switches.SWITCHES if one.name not in given.without]
        switches.show(deployed, given.results, console, switches=left, niceness=given.niceness)


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
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; without one, all")
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
